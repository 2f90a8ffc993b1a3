//! What a training does beside minimising: rows weighed by class, deadlines, standard errors and warnings.

use rookery_ml::{Inference, InferencePass, Metric, Summary, Training, Warning};
use rookery_proto::{ErrorClass, Failure};

use super::{Job, Prepared};
use crate::error::{internal, of_ml};
use crate::events::now_ms;
use crate::job_spec::ValidRun;
use crate::rounds;

impl Job {
    /// The summary of the training part as a run weighs its classes.
    pub(super) async fn weighed(&self, prepared: &Prepared, run: &ValidRun) -> Result<Summary, Failure> {
        let Some(class_weight) = &run.valid.class_weight else {
            return Ok(prepared.summary.clone());
        };
        let factors = class_weight
            .resolve(&prepared.summary.label_weights)
            .map_err(|e| of_ml(&e).at("training.logistic_regression.class_weight"))?;
        rounds::summarize(&prepared.placement, &self.id, &prepared.blocks_id, factors).await
    }

    /// When run `run_id` is out of time, in milliseconds since the epoch.
    pub(super) fn deadline_ms(&self, job_started_ms: i64, run_id: &str) -> Option<i64> {
        let before = self.resumption.as_ref();
        let run_started_ms = before.and_then(|before| before.started.get(run_id).copied());
        let ends = |started: i64, length: std::time::Duration| {
            started.saturating_add(i64::try_from(length.as_millis()).unwrap_or(i64::MAX))
        };
        let of_run = self
            .spec
            .training_deadline
            .map(|length| ends(run_started_ms.unwrap_or_else(now_ms), length));
        let of_job = self.spec.job_deadline.map(|length| ends(job_started_ms, length));
        of_run.into_iter().chain(of_job).min()
    }

    /// Whether the job's time is up before a training begins, which then is left out.
    ///
    /// # Errors
    /// Class timed out, if nothing has been trained yet.
    pub(super) fn is_out_of_time(&self, job_started_ms: i64, index: u32) -> Result<bool, Failure> {
        let Some(length) = self.spec.job_deadline else {
            return Ok(false);
        };
        let taken = u128::try_from(now_ms().saturating_sub(job_started_ms)).unwrap_or(0);
        if taken < length.as_millis() {
            return Ok(false);
        }
        if index == 0 {
            let message = format!("job.deadline of {length:?} was reached before anything was trained");
            return Err(Failure::new(ErrorClass::TimedOut, message)
                .at("job.deadline")
                .hint("reading the data alone took that long"));
        }
        let (left, runs) = (self.spec.runs.len() - index as usize, self.spec.runs.len());
        self.warn(format!(
            "job.deadline of {length:?} is reached: {left} of {runs} runs are left out"
        ));
        Ok(true)
    }

    /// Checks what can be checked of a run once the rows are known.
    pub(super) fn check_run(&self, training: &Training) -> Result<(), Failure> {
        let watched = self.spec.early_stopping.iter().map(|params| params.metric);
        let metrics = watched.chain(self.spec.metrics.iter().copied());
        let classes = training.objective().num_classes();
        if let Some(metric) = metrics
            .filter(|metric| metric.is_of_ranking())
            .find(|_| classes > 2)
        {
            let message = format!("{metric} is of two classes, but the label has {classes}");
            return Err(Failure::new(ErrorClass::Config, message)
                .at("evaluation.metrics")
                .hint("logLoss, accuracy, f1 and others are of any number of classes"));
        }
        if self.spec.inference.is_some() {
            InferencePass::check_size(training.objective())
                .map_err(|e| of_ml(&e).at("training.inference"))?;
        }
        Ok(())
    }

    /// Asks how certain the coefficients are that a training found, if the job wants to know.
    pub(super) async fn infer(
        &self,
        prepared: &Prepared,
        training: &Training,
        summary: &Summary,
    ) -> Result<Option<Inference>, Failure> {
        let (Some(level), Some(pass)) = (self.spec.inference, training.inference()) else {
            return Ok(None);
        };
        let (placement, blocks_id) = (&prepared.placement, &prepared.blocks_id);
        let moments = rounds::look(placement, &self.id, blocks_id, &pass.second_moments()).await?;
        let solution = rounds::look(placement, &self.id, blocks_id, &pass.solution()).await?;
        let (names, summary) = (prepared.names(), summary.clone());
        // Cubic in the number of coefficients: not on a thread that answers requests.
        let finished =
            tokio::task::spawn_blocking(move || pass.finish(&moments, &solution, &summary, &names, level));
        let inference = finished.await.map_err(internal)?;
        inference.map(Some).map_err(|e| of_ml(&e))
    }
}

impl Prepared {
    /// The names of the features.
    pub(super) fn names(&self) -> Vec<String> {
        let width = self.summary.width();
        self.pipeline.slot_names(&self.features, width)
    }

    /// What is to be said of the training part.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        Warning::of_rows(&self.summary, &self.names())
    }
}

/// One warning of each kind, the first that was found.
pub(super) fn distinct(warnings: impl IntoIterator<Item = Warning>) -> Vec<Warning> {
    let mut distinct: Vec<Warning> = Vec::new();
    for warning in warnings {
        if distinct.iter().all(|known| known.kind != warning.kind) {
            distinct.push(warning);
        }
    }
    distinct
}

/// Whether one of the metrics needs the ranking of the rows.
pub(super) fn needs_ranking(metrics: &[Metric]) -> bool {
    metrics.iter().any(|metric| metric.is_of_ranking())
}
