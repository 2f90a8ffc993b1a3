//! The [`TrackingStore`] trait: everything that reads or writes records goes through it.
//!
//! Two implementations share one contract test suite: [`memory::MemoryStore`] for tests and throw-away clusters,
//! [`sqlite::SqliteStore`] for records that outlive the process. Requests are raw as the caller made them; a store
//! checks them ([`crate::validate`]) before it touches anything, so a refused request leaves no trace.

use std::fmt;

use async_trait::async_trait;

use crate::entities::{Experiment, Metric, Param, Run, RunInfo, RunStatus, Tag, ViewType};
use crate::error::TrackingError;
use crate::page::Page;

pub mod memory;
mod rules;
pub mod sqlite;

/// The answer of a store.
pub type Result<T> = std::result::Result<T, TrackingError>;

/// Remembers experiments and runs. Every call is atomic: it happens wholly or not at all, and once it has returned,
/// every later call sees it.
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

    /// Lists experiments, newest first.
    async fn list_experiments(&self, request: ListExperiments) -> Result<Page<Experiment>>;

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

    /// Lists runs, newest start first; runs that started in the same millisecond by id. Never reads metric history.
    async fn list_runs(&self, request: ListRuns) -> Result<Page<Run>>;

    /// Deletes the run; it can be restored. Deleting twice is harmless.
    async fn delete_run(&self, run_id: &str) -> Result<()>;

    /// Restores the run. Restoring twice is harmless.
    async fn restore_run(&self, run_id: &str) -> Result<()>;

    /// Logs to an active run, all or nothing. Repeating a batch changes nothing. A parameter logged before with
    /// another value is [`TrackingError::ParamChanged`]; a tag is replaced.
    async fn log_batch(&self, run_id: &str, batch: LogBatch) -> Result<()>;

    /// Sets one tag of an active run, replacing its value.
    async fn set_tag(&self, run_id: &str, tag: Tag) -> Result<()> {
        self.log_batch(
            run_id,
            LogBatch {
                tags: vec![tag],
                ..LogBatch::default()
            },
        )
        .await
    }

    /// Returns the points of one metric, oldest timestamp first, then by step and value; none if it was never
    /// logged.
    async fn metric_history(&self, request: MetricHistory) -> Result<Page<Metric>>;

    /// Ends as `FAILED` every run that a dead process left `RUNNING` or `SCHEDULED`, and says why in the tag
    /// [`rookery.end_reason`](crate::entities::TAG_END_REASON). Runs without an owner are left alone. Returns the
    /// ids of the runs it closed, sorted.
    async fn close_orphans(&self, request: CloseOrphans) -> Result<Vec<String>>;
}

/// What [`TrackingStore::create_experiment`] needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateExperiment {
    /// Any text of 1 to 500 characters.
    pub name: String,
    /// Where the runs' artifacts lie; by default `mlflow-artifacts:/<experiment_id>`.
    pub artifact_location: Option<String>,
    /// Notes on the experiment.
    pub tags: Vec<Tag>,
}

impl CreateExperiment {
    /// Returns a request for an experiment of that name, with defaults for the rest.
    pub fn named(name: impl Into<String>) -> Self {
        CreateExperiment {
            name: name.into(),
            ..CreateExperiment::default()
        }
    }
}

/// What [`TrackingStore::create_run`] needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateRun {
    /// The experiment, which must be active.
    pub experiment_id: String,
    /// Generated when absent.
    pub run_name: Option<String>,
    /// The user who started it; may be empty.
    pub user_id: String,
    /// When it started, in milliseconds since the Unix epoch.
    pub start_time_ms: i64,
    /// The process that answers for the end of this run; see [`RunInfo::owner`].
    pub owner: Option<String>,
    /// The run it is nested in.
    pub parent_run_id: Option<String>,
    /// Tags to start with.
    pub tags: Vec<Tag>,
}

/// What [`TrackingStore::update_run`] changes; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateRun {
    /// How far the run came.
    pub status: Option<RunStatus>,
    /// When it ended, in milliseconds since the Unix epoch.
    pub end_time_ms: Option<i64>,
    /// Its new name.
    pub run_name: Option<String>,
    /// The process that answers for it from now on, such as a driver that resumes it.
    pub owner: Option<String>,
}

impl UpdateRun {
    /// Returns the change that ends a run.
    pub fn end(status: RunStatus, end_time_ms: i64) -> Self {
        UpdateRun {
            status: Some(status),
            end_time_ms: Some(end_time_ms),
            ..UpdateRun::default()
        }
    }
}

/// What [`TrackingStore::list_runs`] shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRuns {
    /// Only runs of these experiments; empty means of all.
    pub experiment_ids: Vec<String>,
    /// Only runs of these statuses; empty means of any.
    pub statuses: Vec<RunStatus>,
    /// Only runs in these lifecycle stages.
    pub view: ViewType,
    /// At most this many runs, 1 to 50 000.
    pub max_results: usize,
    /// Where to go on: [`Page::next_page_token`] of the page before.
    pub page_token: Option<String>,
}

impl Default for ListRuns {
    fn default() -> Self {
        ListRuns {
            experiment_ids: Vec::new(),
            statuses: Vec::new(),
            view: ViewType::default(),
            max_results: 1000,
            page_token: None,
        }
    }
}

/// What [`TrackingStore::list_experiments`] shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListExperiments {
    /// Only experiments in these lifecycle stages.
    pub view: ViewType,
    /// At most this many experiments, 1 to 50 000.
    pub max_results: usize,
    /// Where to go on: [`Page::next_page_token`] of the page before.
    pub page_token: Option<String>,
}

impl Default for ListExperiments {
    fn default() -> Self {
        ListExperiments {
            view: ViewType::default(),
            max_results: 1000,
            page_token: None,
        }
    }
}

/// What [`TrackingStore::log_batch`] logs: at most 1000 metrics, 100 parameters and 100 tags, and 1000 in all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogBatch {
    /// Points of any metrics, in any order.
    pub metrics: Vec<Metric>,
    /// Parameters, each key once.
    pub params: Vec<Param>,
    /// Tags; of two with one key the last counts.
    pub tags: Vec<Tag>,
}

/// What [`TrackingStore::metric_history`] returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricHistory {
    /// The run.
    pub run_id: String,
    /// The metric.
    pub key: String,
    /// At most this many points, 1 to 25 000.
    pub max_results: usize,
    /// Where to go on: [`Page::next_page_token`] of the page before.
    pub page_token: Option<String>,
}

impl MetricHistory {
    /// Returns a request for the first page, as long as a page can be.
    pub fn of(run_id: impl Into<String>, key: impl Into<String>) -> Self {
        MetricHistory {
            run_id: run_id.into(),
            key: key.into(),
            max_results: crate::validate::MAX_HISTORY_RESULTS,
            page_token: None,
        }
    }
}

/// What [`TrackingStore::close_orphans`] closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseOrphans {
    /// Whose runs.
    pub owners: Owners,
    /// Why they are closed, for the tag; never empty.
    pub reason: String,
    /// When they are taken to have ended, in milliseconds since the Unix epoch.
    pub end_time_ms: i64,
}

/// A choice of run owners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owners {
    /// These are known to be dead.
    In(Vec<String>),
    /// These are alive; every other owner is dead. Empty means that nobody is alive.
    NotIn(Vec<String>),
}

impl Owners {
    /// Returns whether a run with this owner is meant. A run without an owner never is.
    pub fn include(&self, owner: Option<&str>) -> bool {
        let is_in = |owners: &[String], owner: &str| owners.iter().any(|known| known == owner);
        match (self, owner) {
            (_, None) => false,
            (Owners::In(dead), Some(owner)) => is_in(dead, owner),
            (Owners::NotIn(alive), Some(owner)) => !is_in(alive, owner),
        }
    }
}
