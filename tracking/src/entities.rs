//! What is remembered, as plain data with MLflow's field names.
//!
//! All times are milliseconds since the Unix epoch. Identifiers are text, because they are text on MLflow's wire.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

mod gate;
pub(crate) mod json_double;
mod lineage;
mod logged_model;
mod registry;
mod state;

pub use gate::{Bound, Comparison, MetricGate};
pub use lineage::{Dataset, DatasetId, DatasetInput, ModelInput, ModelOutput};
pub use logged_model::{LoggedModel, LoggedModelStatus, ModelMetric};
pub use registry::{
    Actor, Alias, JournalAction, JournalEntry, ModelVersion, RegisteredModel, RegistrySnapshot, Stage,
};
pub use state::{LifecycleStage, RunStatus, ViewType};

/// The tag in which MLflow's clients and UI look for a run's name; always equal to [`RunInfo::run_name`].
pub const TAG_RUN_NAME: &str = "mlflow.runName";
/// The tag that ties a nested run to its parent.
pub const TAG_PARENT_RUN_ID: &str = "mlflow.parentRunId";
/// The tag in which MLflow's clients look for the models that were put into the run's own artifacts: a JSON list.
pub const TAG_LOGGED_MODELS: &str = "mlflow.log-model.history";
/// The tag that says why a run was ended by somebody else than its owner.
pub const TAG_END_REASON: &str = "rookery.end_reason";
/// The experiment that every new store starts with.
pub const DEFAULT_EXPERIMENT_ID: &str = "0";
/// The name of the experiment that every new store starts with.
pub const DEFAULT_EXPERIMENT_NAME: &str = "Default";

/// A named group of runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Experiment {
    /// A decimal number, given by the store in order of creation.
    pub experiment_id: String,
    /// Unique among all experiments, deleted ones included.
    pub name: String,
    /// The URI under which the runs' artifact directories lie.
    pub artifact_location: String,
    /// Whether the experiment is deleted (and can be restored).
    pub lifecycle_stage: LifecycleStage,
    /// When it was created.
    pub creation_time_ms: i64,
    /// When its name, stage or tags last changed.
    pub last_update_time_ms: i64,
    /// Sorted by key.
    pub tags: Vec<Tag>,
}

/// One training attempt and what was logged during it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Who, when, where, and how it ended.
    pub info: RunInfo,
    /// The latest point of every metric ([`Metric::cmp_latest`]), sorted by key.
    pub metrics: Vec<Metric>,
    /// Sorted by key.
    pub params: Vec<Param>,
    /// Sorted by key.
    pub tags: Vec<Tag>,
    /// Datasets that went into it, sorted by name and digest.
    pub dataset_inputs: Vec<DatasetInput>,
    /// Logged models that went into it, sorted by id.
    pub model_inputs: Vec<ModelInput>,
    /// Logged models it made, sorted by id.
    pub model_outputs: Vec<ModelOutput>,
}

impl Run {
    /// Returns the latest value of the metric, if it was logged.
    pub fn metric(&self, key: &str) -> Option<f64> {
        self.metrics
            .iter()
            .find(|metric| metric.key == key)
            .map(|metric| metric.value)
    }

    /// Returns the value of the parameter, if it was logged.
    pub fn param(&self, key: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|param| param.key == key)
            .map(|param| param.value.as_str())
    }

    /// Returns the value of the tag, if it is set.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags
            .iter()
            .find(|tag| tag.key == key)
            .map(|tag| tag.value.as_str())
    }
}

/// The header of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// 32 lowercase hexadecimal digits.
    pub run_id: String,
    /// Given or generated; not unique.
    pub run_name: String,
    /// The experiment it belongs to.
    pub experiment_id: String,
    /// The user who started it.
    pub user_id: String,
    /// How far it came.
    pub status: RunStatus,
    /// When it started.
    pub start_time_ms: i64,
    /// When it ended; `None` while it runs.
    pub end_time_ms: Option<i64>,
    /// Whether the run is deleted (and can be restored).
    pub lifecycle_stage: LifecycleStage,
    /// The URI of its artifact directory.
    pub artifact_uri: String,
    /// The process that answers for the end of this run. `None` for a run opened by a client that the cluster does
    /// not watch: such a run is never closed on its behalf.
    pub owner: Option<String>,
}

/// One point of a metric's curve. A point is its five parts (run, key, timestamp, step, value): logging the same
/// point twice stores it once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// The metric's name.
    pub key: String,
    /// Any double, NaN and the infinities included. In JSON those three are the strings `"NaN"`, `"Infinity"`
    /// and `"-Infinity"`, as MLflow's clients expect.
    #[serde(with = "json_double")]
    pub value: f64,
    /// When it was measured.
    pub timestamp_ms: i64,
    /// Which round, epoch or iteration it belongs to.
    pub step: i64,
}

impl Metric {
    /// Orders the points of one metric by how late they are: highest step, then timestamp, then value. NaN comes
    /// before every number, so that a tie is decided the same way in whichever order the points arrive.
    pub fn cmp_latest(&self, other: &Metric) -> Ordering {
        let by_value = || match (self.value.is_nan(), other.value.is_nan()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.value.total_cmp(&other.value),
        };
        (self.step, self.timestamp_ms)
            .cmp(&(other.step, other.timestamp_ms))
            .then_with(by_value)
    }
}

/// A metric's whole curve in a few numbers, kept while points arrive, so that reading it costs no look at history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricSummary {
    /// The metric's name.
    pub key: String,
    /// How many points there are.
    pub count: u64,
    /// The latest point ([`Metric::cmp_latest`]).
    pub latest: Metric,
    /// The smallest value and the first step that had it; `None` if every point is NaN.
    pub min: Option<Extreme>,
    /// The largest value and the first step that had it; `None` if every point is NaN.
    pub max: Option<Extreme>,
}

/// The smallest or largest value of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Extreme {
    /// The value.
    #[serde(with = "json_double")]
    pub value: f64,
    /// The first step that had it.
    pub step: i64,
}

/// A setting of a run. Its value never changes once logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    /// The parameter's name.
    pub key: String,
    /// The parameter's value, as text.
    pub value: String,
}

/// A note on a run or an experiment. Setting it again replaces its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// The tag's name.
    pub key: String,
    /// The tag's value.
    pub value: String,
}

impl Param {
    /// Returns a parameter; the value is written as it displays.
    pub fn new(key: impl Into<String>, value: impl fmt::Display) -> Self {
        Param {
            key: key.into(),
            value: value.to_string(),
        }
    }
}

impl Tag {
    /// Returns a tag; the value is written as it displays.
    pub fn new(key: impl Into<String>, value: impl fmt::Display) -> Self {
        Tag {
            key: key.into(),
            value: value.to_string(),
        }
    }
}
