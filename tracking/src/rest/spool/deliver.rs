//! The task that delivers what is in the folder, in order, for as long as it takes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::Rng;

use super::folder::{Acknowledged, Log, Rejected, file_path};
use super::operation::{Entry, Operation};
use super::shared::{Records, Shared, blocking, lock};
use super::view::{experiment_uri, run_uri};
use crate::entities::Tag;
use crate::error::TrackingError;
use crate::rest::stamp::Stamp;
use crate::rest::{RestArtifacts, RestStore};
use crate::store::{Result, TrackingStore};

/// The tag on a run of which something was refused: what and why.
pub const TAG_REJECTED: &str = "rookery.spool.rejected";
/// Before an operation is tried again; then twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A server that fails inside (HTTP 500) may do so because of this one operation: after this many tries it is refused.
const MAX_SERVER_FAULTS: u32 = 5;
/// Files in which ids are replaced, as in operations: MLflow's description of a model names its run.
const FILE_WITH_IDS: &str = "MLmodel";

#[derive(Debug)]
pub(super) struct Deliverer {
    shared: Arc<Shared>,
    records: Records,
    rest: RestStore,
    artifacts: RestArtifacts,
}

type LearnedIds = Vec<(String, String)>;

impl Deliverer {
    pub(super) fn new(
        shared: Arc<Shared>,
        records: Records,
        rest: RestStore,
        artifacts: RestArtifacts,
    ) -> Self {
        Deliverer {
            shared,
            records,
            rest,
            artifacts,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            match self.shared.first() {
                Some(entry) => self.settle(&entry).await,
                None => self.shared.wake.notified().await,
            }
        }
    }

    /// Delivers one operation, or writes down that it was refused. Returns when either is on disk.
    async fn settle(&mut self, entry: &Entry) {
        let mut pause = FIRST_PAUSE;
        let mut faults = 0;
        loop {
            let outcome = if self.records.refused.contains(&entry.sequence) {
                self.acknowledge(entry, Vec::new(), true).await
            } else {
                match self.deliver(entry).await {
                    Ok(ids) => self.acknowledge(entry, ids, false).await,
                    Err(error) => {
                        faults += u32::from(matches!(error, TrackingError::Storage { .. }));
                        if holds_up(&error, &entry.operation) || (1..MAX_SERVER_FAULTS).contains(&faults) {
                            Err(error)
                        } else {
                            self.reject(entry, &error).await
                        }
                    }
                }
            };
            let Err(error) = outcome else {
                return;
            };
            tracing::warn!(sequence = entry.sequence, %error, "the record is not delivered yet");
            self.shared
                .progress
                .send_modify(|pending| pending.last_error = Some(error.to_string()));
            let jitter = rand::rng().random_range(0.5..1.0);
            tokio::time::sleep(pause.mul_f64(jitter)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Does one operation on the server. Doing it again is harmless.
    async fn deliver(&self, entry: &Entry) -> Result<LearnedIds> {
        let resolved = self.shared.ids().resolve(&entry.operation)?;
        let rest = &self.rest;
        match resolved {
            Operation::EnsureExperiment { experiment_id, name } => {
                let made = rest.get_or_create_experiment(&name).await?;
                let location = (experiment_uri(&experiment_id), made.artifact_location);
                return Ok(vec![(experiment_id, made.experiment_id), location]);
            }
            Operation::CreateExperiment {
                experiment_id,
                request,
            } => {
                let id = rest
                    .make_experiment(request, &Stamp::resumed(&experiment_id))
                    .await?;
                let made = rest.get_experiment(&id).await?;
                let location = (experiment_uri(&experiment_id), made.artifact_location);
                return Ok(vec![(experiment_id, id), location]);
            }
            Operation::CreateRun { run_id, request } => {
                let made = rest.make_run(request, &Stamp::resumed(&run_id)).await?.info;
                let location = (run_uri(&run_id), made.artifact_uri);
                return Ok(vec![(run_id, made.run_id), location]);
            }
            Operation::CreateLoggedModel { model_id, request } => {
                let made = rest
                    .make_logged_model(request, &Stamp::resumed(&model_id))
                    .await?;
                let location = (run_uri(&model_id), made.artifact_uri);
                return Ok(vec![(model_id, made.model_id), location]);
            }
            Operation::UpdateRun { run_id, change } => rest.update_run(&run_id, change).await.map(drop)?,
            Operation::LogBatch { run_id, batch } => rest.log_batch(&run_id, batch).await?,
            Operation::DeleteTag { run_id, key } => match rest.delete_tag(&run_id, &key).await {
                Err(TrackingError::NotFound { .. }) => {}
                result => result?,
            },
            Operation::LogInputs { run_id, inputs } => rest.log_inputs(&run_id, inputs).await?,
            Operation::LogOutputs { run_id, outputs } => rest.log_outputs(&run_id, outputs).await?,
            Operation::RecordModel { run_id, model } => rest.record_model_once(&run_id, &model, true).await?,
            Operation::FinalizeLoggedModel { model_id, status } => {
                rest.finalize_logged_model(&model_id, status).await.map(drop)?;
            }
            Operation::SetLoggedModelTags { model_id, tags } => {
                rest.set_logged_model_tags(&model_id, tags).await?;
            }
            Operation::LogLoggedModelParams { model_id, params } => {
                rest.log_logged_model_params(&model_id, params).await?;
            }
            Operation::PutArtifact { root, path } => self.put(entry.sequence, &root, &path).await?,
        }
        Ok(Vec::new())
    }

    async fn put(&self, sequence: u64, root: &str, path: &str) -> Result<()> {
        let file = file_path(self.shared.folder(), sequence);
        if path.rsplit('/').next() == Some(FILE_WITH_IDS) {
            let bytes = tokio::fs::read(&file)
                .await
                .map_err(|error| TrackingError::storage(format!("reading {}", file.display()), error))?;
            if let Ok(text) = std::str::from_utf8(&bytes) {
                let text = self.shared.ids().substitute(text);
                return self.artifacts.put(root, path, text).await;
            }
        }
        self.artifacts.put_file(root, path, &file).await
    }

    async fn acknowledge(&mut self, entry: &Entry, ids: LearnedIds, rejected: bool) -> Result<()> {
        let line = Acknowledged {
            sequence: entry.sequence,
            ids,
            rejected,
        };
        let ids = line.ids.clone();
        append(&self.shared, &self.records.delivered, line).await?;
        let made = entry.operation.makes();
        {
            let mut table = self.shared.ids();
            table.learn(ids);
            if let (true, Some(local_id)) = (rejected, made) {
                table.bury(local_id);
            }
        }
        if !rejected && matches!(entry.operation, Operation::PutArtifact { .. }) {
            let file = file_path(self.shared.folder(), entry.sequence);
            if let Err(error) = tokio::fs::remove_file(&file).await {
                tracing::debug!(file = %file.display(), %error, "a delivered artifact stays in the spool");
            }
        }
        self.shared.advance(rejected);
        Ok(())
    }

    async fn reject(&mut self, entry: &Entry, error: &TrackingError) -> Result<()> {
        tracing::error!(sequence = entry.sequence, %error, "the server refused a record");
        let line = Rejected {
            sequence: entry.sequence,
            reason: error.to_string(),
            operation: entry.operation.clone(),
        };
        append(&self.shared, &self.records.rejected, line).await?;
        self.records.refused.push(entry.sequence);
        self.acknowledge(entry, Vec::new(), true).await?;
        let local_run = entry.operation.run_id();
        let run = local_run.map(|run_id| self.shared.ids().get(run_id).unwrap_or_else(|| run_id.to_owned()));
        if let Some(run_id) = run {
            let count = self.records.refused.len();
            let note = Tag::new(
                TAG_REJECTED,
                format!("{count} operations refused; the last: {error}"),
            );
            // The folder has the whole story; this is a courtesy.
            if let Err(error) = self.rest.set_tag(&run_id, note).await {
                tracing::debug!(run_id, %error, "the run is not tagged with what was refused");
            }
        }
        Ok(())
    }
}

/// Returns whether delivery waits for the server (or its credentials) to change, instead of refusing the operation.
fn holds_up(error: &TrackingError, operation: &Operation) -> bool {
    match error {
        // A server that knows neither experiments nor runs is the wrong one.
        TrackingError::Unsupported { .. } => matches!(
            operation,
            Operation::EnsureExperiment { .. }
                | Operation::CreateExperiment { .. }
                | Operation::CreateRun { .. }
        ),
        TrackingError::Denied { .. } => true,
        error => error.is_retryable(),
    }
}

/// Appends off the async threads. The folder stays locked until that has ended, even if the task is aborted.
async fn append<T: serde::Serialize + Send + 'static>(
    shared: &Arc<Shared>,
    log: &Arc<Mutex<Log>>,
    line: T,
) -> Result<()> {
    let (held, log) = (shared.hold(), Arc::clone(log));
    blocking(move || {
        let appended = lock(&log).append(&line);
        drop(held);
        appended
    })
    .await
}
