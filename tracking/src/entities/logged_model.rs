//! Models as records of their own (MLflow 3): they belong to an experiment, and usually to the run that made them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{DatasetId, Metric, Param, Tag};
use crate::error::TrackingError;

/// A model and what is known about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoggedModel {
    /// `m-` and 32 lowercase hexadecimal digits.
    pub model_id: String,
    /// The experiment it belongs to.
    pub experiment_id: String,
    /// Given or generated; not unique.
    pub name: String,
    /// The URI of its artifact directory.
    pub artifact_uri: String,
    /// When it was created, in milliseconds since the Unix epoch.
    pub creation_timestamp_ms: i64,
    /// When its status or tags last changed, in milliseconds since the Unix epoch.
    pub last_updated_timestamp_ms: i64,
    /// How far its upload came.
    pub status: LoggedModelStatus,
    /// Why it is in that status; may be empty.
    pub status_message: String,
    /// Free text of the client; may be empty.
    pub model_type: String,
    /// The run that made it.
    pub source_run_id: Option<String>,
    /// Sorted by key.
    pub tags: Vec<Tag>,
    /// Sorted by key.
    pub params: Vec<Param>,
    /// Every point logged to it, sorted by key, then by dataset, then by how late it is.
    pub metrics: Vec<ModelMetric>,
}

/// A metric that judges a model, maybe on a named dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelMetric {
    /// The model judged.
    pub model_id: String,
    /// The run that did the judging.
    pub run_id: String,
    /// On what it was judged.
    pub dataset: Option<DatasetId>,
    /// The point.
    pub metric: Metric,
}

/// How far the upload of a logged model came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LoggedModelStatus {
    /// Its files are being uploaded.
    #[serde(rename = "LOGGED_MODEL_PENDING")]
    Pending,
    /// It can be loaded.
    #[serde(rename = "LOGGED_MODEL_READY")]
    Ready,
    /// Its upload failed.
    #[serde(rename = "LOGGED_MODEL_UPLOAD_FAILED")]
    UploadFailed,
}

impl LoggedModelStatus {
    /// Every status.
    pub const ALL: [LoggedModelStatus; 3] = [
        LoggedModelStatus::Pending,
        LoggedModelStatus::Ready,
        LoggedModelStatus::UploadFailed,
    ];

    /// Returns MLflow's word for it, such as `LOGGED_MODEL_READY`.
    pub fn as_str(self) -> &'static str {
        match self {
            LoggedModelStatus::Pending => "LOGGED_MODEL_PENDING",
            LoggedModelStatus::Ready => "LOGGED_MODEL_READY",
            LoggedModelStatus::UploadFailed => "LOGGED_MODEL_UPLOAD_FAILED",
        }
    }
}

impl fmt::Display for LoggedModelStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LoggedModelStatus {
    type Err = TrackingError;

    fn from_str(text: &str) -> Result<Self, TrackingError> {
        LoggedModelStatus::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| TrackingError::invalid("status", format!("unknown logged model status {text:?}")))
    }
}
