//! [`RunRecord`]: one run's record, from its start to its end.

use std::time::Duration;

use rookery_formats::{Format, ModelDirectory};
use rookery_ml::{Fit, Inference, Look, Metric, Warning};
use rookery_proto::{ErrorClass, Failure};
use rookery_tracking::entities::{DatasetId, DatasetInput, TAG_END_REASON, TAG_LOGGED_MODELS};
use rookery_tracking::validate::{MAX_METRICS_PER_BATCH, MAX_PARAMS_PER_BATCH};
use rookery_tracking::{
    CreateRun, LogBatch, LogInputs, ModelMetric, Param, Run, RunInfo, RunStatus, Tag, UpdateRun,
};

use super::care::care_tags;
use super::curve::Curve;
use super::{JOB_ARTIFACT, begun, model};
use crate::error::of_tracking;
use crate::events::now_ms;
use crate::records::{JobRecords, RunArtifacts};

/// One of the metrics that are logged at the end.
const LAST_METRIC: &str = "gradient_norm";

/// Writes one run.
#[derive(Debug)]
pub(crate) struct RunRecord {
    records: JobRecords,
    run: Run,
    params: Vec<Param>,
    /// What the scores are about, when there is a test part.
    test_data: Option<DatasetId>,
    /// Whether another driver began it.
    was_begun: bool,
    curve: Curve,
}

/// What a run is started with.
#[derive(Debug)]
pub(super) struct RunStart<'a> {
    pub(super) create: CreateRun,
    pub(super) params: Vec<Param>,
    pub(super) inputs: &'a [DatasetInput],
    pub(super) job_toml: &'a str,
    /// The run as a former driver left it, if it did.
    pub(super) begun: Option<Run>,
}

/// What a finished run is judged by.
#[derive(Debug)]
pub(crate) struct Outcome<'a> {
    pub(crate) fit: &'a Fit,
    /// The model in all formats.
    pub(crate) directory: &'a ModelDirectory,
    pub(crate) metrics: &'a [(Metric, f64)],
    pub(crate) coefficients_sha256: &'a str,
    /// How long it took, and the threads that computed: what the run cost.
    pub(crate) took: Duration,
    pub(crate) cores: usize,
    /// How certain the coefficients are, if the job wants to know.
    pub(crate) inference: Option<&'a Inference>,
    /// What to be wary of.
    pub(crate) warnings: &'a [Warning],
}

impl RunRecord {
    /// Creates the run, or goes on with the one that was begun, with params, inputs and the job file.
    pub(super) async fn start(records: &JobRecords, start: RunStart<'_>) -> Result<Self, Failure> {
        let store = &records.store;
        let was_begun = start.begun.is_some();
        let (run, steps) = match start.begun {
            Some(run) => begun::go_on(store.as_ref(), run, start.create.owner.as_deref()).await?,
            None => {
                let created = store.create_run(start.create).await;
                (created.map_err(|e| of_tracking(&e))?, 0)
            }
        };
        let curve = Curve::start(std::sync::Arc::clone(store), run.info.run_id.clone(), steps);
        let record = Self {
            records: records.clone(),
            was_begun,
            run,
            params: start.params,
            test_data: start.inputs.get(1).map(|input| input.dataset.id.clone()),
            curve,
        };
        if record.is_finished() {
            return Ok(record);
        }
        match record.describe(start.inputs, start.job_toml).await {
            Ok(()) => Ok(record),
            Err(failure) => {
                record.fail(&failure).await;
                Err(failure)
            }
        }
    }

    async fn describe(&self, inputs: &[DatasetInput], job_toml: &str) -> Result<(), Failure> {
        for params in self.params.chunks(MAX_PARAMS_PER_BATCH) {
            self.log(LogBatch {
                params: params.to_vec(),
                ..LogBatch::default()
            })
            .await?;
        }
        let inputs = LogInputs {
            datasets: inputs.to_vec(),
            ..LogInputs::default()
        };
        let logged = self.records.store.log_inputs(self.run_id(), inputs).await;
        logged.map_err(|e| of_tracking(&e))?;
        let job = job_toml.as_bytes().to_vec();
        let stored = self.records.artifacts.put(self.info(), JOB_ARTIFACT, job).await;
        stored.map_err(|e| of_tracking(&e))
    }

    pub(crate) fn run_id(&self) -> &str {
        &self.run.info.run_id
    }

    pub(crate) fn run_name(&self) -> &str {
        &self.run.info.run_name
    }

    /// Whether a former driver has recorded all of it.
    fn is_finished(&self) -> bool {
        self.run.info.status == RunStatus::Finished
    }

    /// Whether a former driver may have recorded some of it.
    pub(super) fn was_begun(&self) -> bool {
        self.was_begun
    }

    /// The run as it was when this driver came to it.
    pub(super) fn run(&self) -> &Run {
        &self.run
    }

    /// Whether a former driver has put a logged model on the run's list of models.
    pub(super) fn lists_model(&self, model_id: &str) -> bool {
        self.tag(TAG_LOGGED_MODELS)
            .is_some_and(|list| list.contains(model_id))
    }

    pub(super) fn artifacts(&self) -> &dyn RunArtifacts {
        self.records.artifacts.as_ref()
    }

    pub(super) fn info(&self) -> &RunInfo {
        &self.run.info
    }

    pub(super) fn params(&self) -> &[Param] {
        &self.params
    }

    /// The tags it was started with.
    pub(super) fn tag(&self, key: &str) -> Option<&str> {
        self.run.tag(key)
    }

    /// Adds to the loss curve what `history` has more than before, and to that of the validation part's metric what
    /// `looks` have.
    pub(crate) fn progress(&self, history: &[f64], metric: Option<Metric>, looks: &[Look]) {
        // The loss of a step comes last: whoever goes on takes it for a sign that all of the step is there.
        if let Some(metric) = metric {
            self.curve.extend_validation_to(metric, looks);
        }
        self.curve.extend_to(history);
    }

    /// Records the rest of the loss curve, the model, scores, and why the optimiser stopped; then the run is FINISHED.
    pub(crate) async fn finish(&self, outcome: &Outcome<'_>) -> Result<(), Failure> {
        if self.is_finished() {
            return Ok(());
        }
        let fit = outcome.fit;
        self.curve.extend_to(&fit.objective_history);
        self.curve.close().await?;
        self.store_inference(outcome.inference).await?;
        let model_id = model::publish(&self.records, self, outcome).await?;
        // The last metrics are logged in one transaction: all of them are there, or none.
        let is_judged =
            self.was_begun && begun::has_metric(&self.records, self.run_id(), LAST_METRIC).await?;
        if is_judged {
            return self.end(RunStatus::Finished).await;
        }
        let now = now_ms();
        let point = |key: &str, value: f64, step: usize| rookery_tracking::Metric {
            key: key.to_string(),
            value,
            timestamp_ms: now,
            step: step as i64,
        };
        let scores = outcome.metrics.iter();
        let scores: Vec<_> = scores
            .map(|(metric, value)| point(metric.name(), *value, 0))
            .collect();
        let judge = |metric: &rookery_tracking::Metric| ModelMetric {
            model_id: model_id.clone(),
            run_id: self.run_id().to_string(),
            dataset: self.test_data.clone(),
            metric: metric.clone(),
        };
        self.end_finished(LogBatch {
            model_metrics: scores.iter().map(judge).collect(),
            metrics: scores
                .into_iter()
                .chain([point(LAST_METRIC, fit.gradient_norm, fit.iterations)])
                .collect(),
            tags: parity_tags(outcome.directory)
                .into_iter()
                .chain([
                    Tag::new("rookery.stop_reason", fit.termination.name()),
                    Tag::new("rookery.converged", fit.termination.converged()),
                    Tag::new("rookery.iterations", fit.iterations),
                    Tag::new("rookery.rounds", fit.evaluations),
                    Tag::new("rookery.coefficients_sha256", outcome.coefficients_sha256),
                    core_seconds(outcome.took, outcome.cores),
                ])
                .chain(
                    fit.best_iteration
                        .map(|best| Tag::new("rookery.best_iteration", best)),
                )
                .chain(care_tags(outcome))
                .collect(),
            ..LogBatch::default()
        })
        .await
    }

    /// Logs the last of it and ends the run as FINISHED.
    pub(super) async fn end_finished(&self, last: LogBatch) -> Result<(), Failure> {
        debug_assert!(
            last.metrics.len() <= MAX_METRICS_PER_BATCH,
            "few metrics have names"
        );
        self.log(last).await?;
        self.end(RunStatus::Finished).await
    }

    /// Marks the run FAILED (KILLED when it was cancelled) and says why. A store that fails too is logged: the
    /// first failure is the one to report.
    pub(crate) async fn fail(&self, failure: &Failure) {
        let reason = Tag::new(TAG_END_REASON, failure);
        let (curve, told) = (
            self.curve.close().await,
            self.records.store.set_tag(self.run_id(), reason).await,
        );
        let told = told.map_err(|e| of_tracking(&e));
        for result in [curve, told, self.end(status_of(failure)).await] {
            if let Err(error) = result {
                tracing::error!(run_id = self.run_id(), %error, "the run's end was not recorded");
            }
        }
    }

    async fn end(&self, status: RunStatus) -> Result<(), Failure> {
        let change = UpdateRun::end(status, now_ms());
        let ended = self.records.store.update_run(self.run_id(), change).await;
        ended.map(|_| ()).map_err(|e| of_tracking(&e))
    }

    async fn log(&self, batch: LogBatch) -> Result<(), Failure> {
        let logged = self.records.store.log_batch(self.run_id(), batch).await;
        logged.map_err(|e| of_tracking(&e))
    }
}

/// How far each format of the model is from it: the largest difference of probabilities on the test part if it holds, else
/// why not. `rookery.parity` says whether all of them hold.
fn parity_tags(directory: &ModelDirectory) -> Vec<Tag> {
    let Some(report) = directory.parity() else {
        return Vec::new();
    };
    let compared = report.parity.0.iter().map(|(format, parity)| {
        let text = match (&parity.error, parity.differing_predictions) {
            (Some(error), _) => error.clone(),
            (None, 0) => format!("{:e}", parity.max_difference),
            (None, rows) => format!("{rows} of {} rows differ", parity.rows),
        };
        (format, text)
    });
    let not_written = report
        .not_written
        .iter()
        .map(|(format, why)| (format, why.clone()));
    let tag = |(format, text): (&Format, String)| Tag::new(format!("rookery.parity.{}", format.name()), text);
    let all = Tag::new("rookery.parity", report.holds());
    compared.chain(not_written).map(tag).chain([all]).collect()
}

/// How a run ends that ends this way.
pub(super) fn status_of(failure: &Failure) -> RunStatus {
    match failure.class {
        ErrorClass::Cancelled => RunStatus::Killed,
        _ => RunStatus::Failed,
    }
}

/// What a run cost: the time it took on every core it was given, idle or not.
pub(super) fn core_seconds(took: Duration, cores: usize) -> Tag {
    Tag::new(
        "rookery.core_seconds",
        format!("{:.3}", took.as_secs_f64() * cores as f64),
    )
}
