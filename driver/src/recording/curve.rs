//! [`Curve`]: the loss of a run, written while it trains. A round only puts a number into memory; a task writes what
//! has come together, so rounds don't wait for the store and a watcher sees the curve grow.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rookery_ml::Look;
use rookery_proto::Failure;
use rookery_tracking::validate::MAX_METRICS_PER_BATCH;
use rookery_tracking::{LogBatch, Metric, TrackingStore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::LOSS_METRIC;
use crate::error::{internal, of_tracking};
use crate::events::now_ms;

/// How often what has come together is written.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// The loss curve of one run.
#[derive(Debug)]
pub(super) struct Curve {
    points: Arc<Mutex<Points>>,
    closing: CancellationToken,
    /// `None` once it has ended and its result was taken.
    writer: tokio::sync::Mutex<Option<JoinHandle<Result<(), Failure>>>>,
}

#[derive(Debug)]
struct Points {
    /// How many steps have been added.
    steps: usize,
    /// The last iteration whose validation metric was added.
    validated: Option<usize>,
    /// Those that are not written yet.
    pending: Vec<Metric>,
}

impl Curve {
    /// Starts the writer of a curve whose first `steps` are written.
    pub(super) fn start(store: Arc<dyn TrackingStore>, run_id: String, steps: usize) -> Self {
        let points = Points {
            steps,
            validated: steps.checked_sub(1),
            pending: Vec::new(),
        };
        let (points, closing) = (Arc::new(Mutex::new(points)), CancellationToken::new());
        let writer = tokio::spawn(write(store, run_id, Arc::clone(&points), closing.clone()));
        Self {
            points,
            closing,
            writer: tokio::sync::Mutex::new(Some(writer)),
        }
    }

    /// Adds the steps of `history`, the loss of each state so far, that have not been added yet. They were measured now.
    pub(super) fn extend_to(&self, history: &[f64]) {
        let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        let timestamp_ms = now_ms();
        for (step, loss) in history.iter().enumerate().skip(points.steps) {
            points.pending.push(Metric {
                key: LOSS_METRIC.to_string(),
                value: *loss,
                timestamp_ms,
                step: step as i64,
            });
        }
        points.steps = points.steps.max(history.len());
    }

    /// Adds the looks at the validation part that have not been added yet, as the metric `validation_…`.
    pub(super) fn extend_validation_to(&self, metric: rookery_ml::Metric, looks: &[Look]) {
        let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        let timestamp_ms = now_ms();
        let known = points.validated;
        for look in looks
            .iter()
            .filter(|look| known.is_none_or(|known| look.iteration > known))
        {
            points.pending.push(Metric {
                key: format!("validation_{}", metric.name()),
                value: look.value,
                timestamp_ms,
                step: look.iteration as i64,
            });
            points.validated = Some(look.iteration);
        }
    }

    /// Writes what is left. May be called again, also after a call that was given up half-way.
    pub(super) async fn close(&self) -> Result<(), Failure> {
        self.closing.cancel();
        let mut writer = self.writer.lock().await;
        let Some(task) = writer.as_mut() else {
            return Ok(());
        };
        let written = task.await;
        *writer = None;
        written.unwrap_or_else(|e| Err(internal(format!("the loss curve's writer ended early: {e}"))))
    }
}

impl Drop for Curve {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

async fn write(
    store: Arc<dyn TrackingStore>,
    run_id: String,
    points: Arc<Mutex<Points>>,
    closing: CancellationToken,
) -> Result<(), Failure> {
    // What could not be written is tried again, in order, with what came since.
    let mut unwritten = Vec::new();
    loop {
        let last = tokio::select! {
            () = tokio::time::sleep(FLUSH_EVERY) => false,
            () = closing.cancelled() => true,
        };
        unwritten.append(&mut points.lock().unwrap_or_else(PoisonError::into_inner).pending);
        let flushed = flush(store.as_ref(), &run_id, &mut unwritten).await;
        match flushed {
            flushed if last => return flushed,
            Ok(()) => {}
            Err(failure) => tracing::warn!(run_id, %failure, "the loss curve waits"),
        }
    }
}

async fn flush(store: &dyn TrackingStore, run_id: &str, points: &mut Vec<Metric>) -> Result<(), Failure> {
    while !points.is_empty() {
        let count = points.len().min(MAX_METRICS_PER_BATCH);
        let batch = LogBatch {
            metrics: points[..count].to_vec(),
            ..LogBatch::default()
        };
        store
            .log_batch(run_id, batch)
            .await
            .map_err(|e| of_tracking(&e))?;
        points.drain(..count);
    }
    Ok(())
}
