//! What the calls of [`TrackingStore`](super::TrackingStore) need: raw as the caller made them, checked by the store.

use serde::{Deserialize, Serialize};

use crate::entities::{
    DatasetInput, Metric, ModelInput, ModelMetric, ModelOutput, Param, RunStatus, Tag, ViewType,
};
use crate::search::OrderField;

/// What [`TrackingStore::create_experiment`](super::TrackingStore::create_experiment) needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// What [`TrackingStore::create_run`](super::TrackingStore::create_run) needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateRun {
    /// The experiment, which must be active.
    pub experiment_id: String,
    /// Generated when absent.
    pub run_name: Option<String>,
    /// The user who started it; may be empty.
    pub user_id: String,
    /// When it started, in milliseconds since the Unix epoch.
    pub start_time_ms: i64,
    /// The process that answers for the end of this run; see [`RunInfo::owner`](crate::RunInfo::owner).
    pub owner: Option<String>,
    /// The run it is nested in.
    pub parent_run_id: Option<String>,
    /// Tags to start with.
    pub tags: Vec<Tag>,
}

/// What [`TrackingStore::update_run`](super::TrackingStore::update_run) changes; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// Pages through records that match a filter, in MLflow's words for filter and order ([`crate::search`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Conditions joined by AND; empty matches everything.
    pub filter: String,
    /// `COLUMN [ASC|DESC]` each; ties are broken so that the order is total.
    pub order_by: Vec<String>,
    /// At most this many on a page; the call's limit is documented with it.
    pub max_results: usize,
    /// Where to go on: [`Page::next_page_token`](crate::Page::next_page_token) of the page before.
    pub page_token: Option<String>,
}

impl Default for Search {
    fn default() -> Self {
        Search {
            filter: String::new(),
            order_by: Vec::new(),
            max_results: 1000,
            page_token: None,
        }
    }
}

impl Search {
    /// Returns a search for everything that matches a filter, in the default order.
    pub fn matching(filter: impl Into<String>) -> Self {
        Search {
            filter: filter.into(),
            ..Search::default()
        }
    }
}

/// What [`TrackingStore::search_runs`](super::TrackingStore::search_runs) shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchRuns {
    /// Only runs of these experiments; `None` means of all.
    pub experiment_ids: Option<Vec<String>>,
    /// Only runs in these lifecycle stages.
    pub view: ViewType,
    /// Which, in which order; at most 50 000 on a page.
    pub search: Search,
}

/// What [`TrackingStore::search_experiments`](super::TrackingStore::search_experiments) shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchExperiments {
    /// Only experiments in these lifecycle stages.
    pub view: ViewType,
    /// Which, in which order; at most 50 000 on a page.
    pub search: Search,
}

/// What [`TrackingStore::search_logged_models`](super::TrackingStore::search_logged_models) shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchLoggedModels {
    /// Only models of these experiments.
    pub experiment_ids: Vec<String>,
    /// Conditions joined by AND; empty matches everything.
    pub filter: String,
    /// If there are any, at most 100, then clauses about metrics look at values on these datasets alone; without such
    /// a clause, the models are those with any value on one of them.
    pub datasets: Vec<DatasetFilter>,
    /// The terms of the order; ties are broken so that it is total.
    pub order_by: Vec<OrderField>,
    /// At most this many on a page, 1 to 1000.
    pub max_results: usize,
    /// Where to go on: [`Page::next_page_token`](crate::Page::next_page_token) of the page before.
    pub page_token: Option<String>,
}

impl SearchLoggedModels {
    /// Returns a search for everything in these experiments, in the default order.
    pub fn of(experiment_ids: Vec<String>) -> Self {
        SearchLoggedModels {
            experiment_ids,
            filter: String::new(),
            datasets: Vec::new(),
            order_by: Vec::new(),
            max_results: 1000,
            page_token: None,
        }
    }
}

/// A dataset by which logged models are searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetFilter {
    /// Its name; not empty.
    pub name: String,
    /// Its digest; by default any.
    pub digest: Option<String>,
}

/// What [`TrackingStore::log_batch`](super::TrackingStore::log_batch) logs: at most 1000 metrics, 100 parameters and
/// 100 tags, and 1000 in all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LogBatch {
    /// Points of any metrics, in any order.
    pub metrics: Vec<Metric>,
    /// Parameters, each key once.
    pub params: Vec<Param>,
    /// Tags; of two with one key the last counts.
    pub tags: Vec<Tag>,
    /// Which of the metrics judge a logged model too. Their points need not be in `metrics` again to be in the run's
    /// history: the caller puts them in both places.
    pub model_metrics: Vec<ModelMetric>,
}

/// What went into a run, for [`TrackingStore::log_inputs`](super::TrackingStore::log_inputs).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogInputs {
    /// Datasets; one that is there already keeps its tags and gets new ones.
    pub datasets: Vec<DatasetInput>,
    /// Logged models.
    pub models: Vec<ModelInput>,
}

/// What came out of a run, for [`TrackingStore::log_outputs`](super::TrackingStore::log_outputs).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogOutputs {
    /// Logged models.
    pub models: Vec<ModelOutput>,
}

/// What [`TrackingStore::create_logged_model`](super::TrackingStore::create_logged_model) needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateLoggedModel {
    /// The experiment, which must be active.
    pub experiment_id: String,
    /// Generated when absent; none of `/ : . % " '`.
    pub name: Option<String>,
    /// The run that makes it.
    pub source_run_id: Option<String>,
    /// Free text; may be empty.
    pub model_type: String,
    /// Settings to start with.
    pub params: Vec<Param>,
    /// Tags to start with.
    pub tags: Vec<Tag>,
}

/// What [`TrackingStore::metric_history`](super::TrackingStore::metric_history) returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricHistory {
    /// The run.
    pub run_id: String,
    /// The metric.
    pub key: String,
    /// At most this many points, 1 to 25 000.
    pub max_results: usize,
    /// Where to go on: [`Page::next_page_token`](crate::Page::next_page_token) of the page before.
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
