//! The [`TrackingStore`] trait: everything that reads or writes records goes through it. Registered models are the
//! business of its sister, [`ModelRegistry`](crate::registry::ModelRegistry).
//!
//! Requests ([`requests`]) are raw as the caller made them; a store checks them ([`crate::validate`]) before it touches
//! anything, so a refused request leaves no trace. All stores share one contract test suite.

use std::fmt;

use async_trait::async_trait;

use crate::entities::{
    Experiment, LoggedModel, LoggedModelStatus, Metric, MetricSummary, Param, Run, RunInfo, Tag,
};
use crate::error::TrackingError;
use crate::page::Page;

pub mod requests;

pub use requests::{
    CreateExperiment, CreateLoggedModel, CreateRun, DatasetFilter, LogBatch, LogInputs, LogOutputs,
    MetricHistory, Search, SearchExperiments, SearchLoggedModels, SearchRuns, UpdateRun,
};

/// The answer of a store.
pub type Result<T> = std::result::Result<T, TrackingError>;

/// Remembers experiments, runs and logged models. Every call is atomic: it happens wholly or not at all, and once it
/// has returned, every later call sees it.
///
/// Any call may fail with [`TrackingError::Busy`] (its turn did not come within a named bound; repeat it),
/// [`TrackingError::Storage`] or [`TrackingError::Closed`]; the errors named below come on top.
#[async_trait]
pub trait TrackingStore: Send + Sync + fmt::Debug {
    /// Creates an experiment. Fails with [`TrackingError::ExperimentExists`] if the name is taken, also by a deleted
    /// experiment (as in MLflow: a restored experiment must find its name free).
    async fn create_experiment(&self, request: CreateExperiment) -> Result<Experiment>;

    /// Returns the experiment, deleted or not, or [`TrackingError::ExperimentNotFound`].
    async fn get_experiment(&self, experiment_id: &str) -> Result<Experiment>;

    /// Returns the experiment of that name, deleted or not, if there is one.
    async fn get_experiment_by_name(&self, name: &str) -> Result<Option<Experiment>>;

    /// Returns the active experiment of that name, creating it if there is none. Callers racing for one name all
    /// get the same experiment. Fails with [`TrackingError::ExperimentDeleted`] if the name belongs to a deleted one.
    async fn get_or_create_experiment(&self, name: &str) -> Result<Experiment>;

    /// Searches experiments. Without an order: newest first.
    async fn search_experiments(&self, request: SearchExperiments) -> Result<Page<Experiment>>;

    /// Renames an active experiment.
    async fn rename_experiment(&self, experiment_id: &str, name: &str) -> Result<()>;

    /// Sets one tag of an active experiment, replacing its value.
    async fn set_experiment_tag(&self, experiment_id: &str, tag: Tag) -> Result<()>;

    /// Removes a tag of an active experiment; fails with [`TrackingError::NotFound`] if it is not set.
    async fn delete_experiment_tag(&self, experiment_id: &str, key: &str) -> Result<()>;

    /// Deletes the experiment and its runs; they can be restored. Deleting twice is harmless.
    async fn delete_experiment(&self, experiment_id: &str) -> Result<()>;

    /// Restores the experiment and its runs. Restoring twice is harmless.
    async fn restore_experiment(&self, experiment_id: &str) -> Result<()>;

    /// Creates a run in an active experiment. Without a name (or an [`mlflow.runName`](crate::entities::TAG_RUN_NAME)
    /// tag) it gets a generated one. Fails with [`TrackingError::RunNotFound`] if the parent does not exist.
    async fn create_run(&self, request: CreateRun) -> Result<Run>;

    /// Returns the run, deleted or not, or [`TrackingError::RunNotFound`].
    async fn get_run(&self, run_id: &str) -> Result<Run>;

    /// Changes the header of an active run, and returns it.
    async fn update_run(&self, run_id: &str, change: UpdateRun) -> Result<RunInfo>;

    /// Searches runs. Without an order: newest start first; runs that started in the same millisecond by id. Never
    /// reads metric history. Runs come with their data, inputs and outputs.
    async fn search_runs(&self, request: SearchRuns) -> Result<Page<Run>>;

    /// Deletes the run; it can be restored. Deleting twice is harmless.
    async fn delete_run(&self, run_id: &str) -> Result<()>;

    /// Restores the run. Restoring twice is harmless.
    async fn restore_run(&self, run_id: &str) -> Result<()>;

    /// Logs to an active run, all or nothing. Repeating a batch changes nothing. A parameter logged before with
    /// another value is [`TrackingError::ParamChanged`]; a tag is replaced.
    async fn log_batch(&self, run_id: &str, batch: LogBatch) -> Result<()>;

    /// Sets one tag of an active run, replacing its value.
    async fn set_tag(&self, run_id: &str, tag: Tag) -> Result<()> {
        let tags = vec![tag];
        self.log_batch(
            run_id,
            LogBatch {
                tags,
                ..LogBatch::default()
            },
        )
        .await
    }

    /// Removes a tag of an active run; fails with [`TrackingError::NotFound`] if it is not set.
    async fn delete_tag(&self, run_id: &str, key: &str) -> Result<()>;

    /// Returns the points of one metric, oldest timestamp first, then by step and value; none if it was never
    /// logged.
    async fn metric_history(&self, request: MetricHistory) -> Result<Page<Metric>>;

    /// Returns count, latest, smallest and largest value of every metric of a run, sorted by key.
    async fn metric_summaries(&self, run_id: &str) -> Result<Vec<MetricSummary>>;

    /// Adds to what went into an active run. Repeating is harmless.
    async fn log_inputs(&self, run_id: &str, inputs: LogInputs) -> Result<()>;

    /// Adds to what an active run made. Repeating is harmless.
    async fn log_outputs(&self, run_id: &str, outputs: LogOutputs) -> Result<()>;

    /// Adds a model's description (JSON) to the list in the run's tag
    /// [`mlflow.log-model.history`](crate::entities::TAG_LOGGED_MODELS).
    async fn record_model(&self, run_id: &str, model: serde_json::Value) -> Result<()>;

    /// Creates a logged model in an active experiment; its status is pending.
    async fn create_logged_model(&self, request: CreateLoggedModel) -> Result<LoggedModel>;

    /// Returns the logged model, or [`TrackingError::NotFound`].
    async fn get_logged_model(&self, model_id: &str) -> Result<LoggedModel>;

    /// Changes the status of a logged model, and returns it.
    async fn finalize_logged_model(&self, model_id: &str, status: LoggedModelStatus) -> Result<LoggedModel>;

    /// Deletes the logged model; deleted twice is deleted.
    async fn delete_logged_model(&self, model_id: &str) -> Result<()>;

    /// Sets tags of a logged model, replacing their values.
    async fn set_logged_model_tags(&self, model_id: &str, tags: Vec<Tag>) -> Result<()>;

    /// Removes a tag of a logged model; fails with [`TrackingError::NotFound`] if it is not set.
    async fn delete_logged_model_tag(&self, model_id: &str, key: &str) -> Result<()>;

    /// Adds parameters to a logged model; a parameter never changes.
    async fn log_logged_model_params(&self, model_id: &str, params: Vec<Param>) -> Result<()>;

    /// Searches logged models. Without an order: newest first.
    async fn search_logged_models(&self, request: SearchLoggedModels) -> Result<Page<LoggedModel>>;

    /// Says that a process is alive, and that its runs are its own until `until_ms` (Unix time, milliseconds).
    async fn renew_lease(&self, owner: &str, until_ms: i64) -> Result<()>;

    /// Ends as `FAILED` every run that is `RUNNING` or `SCHEDULED` and whose owner's lease ran out before `now_ms`, and
    /// says why in the tag [`rookery.end_reason`](crate::entities::TAG_END_REASON). Runs without an owner are left
    /// alone: their clients answer for them. Returns the ids of the runs it closed, sorted.
    async fn close_orphans(&self, now_ms: i64) -> Result<Vec<String>>;
}
