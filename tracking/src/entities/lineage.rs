//! What went into a run and what came out of it.

use serde::{Deserialize, Serialize};

use super::Tag;

/// What a dataset is known by: its name and the digest of its content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DatasetId {
    /// The name people use.
    pub name: String,
    /// A short fingerprint of the content.
    pub digest: String,
}

/// A dataset as a run saw it. Within an experiment name and digest identify it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// Name and digest.
    pub id: DatasetId,
    /// What kind of source it has, such as `local` or `s3`.
    pub source_type: String,
    /// Where it came from, as JSON or a URI.
    pub source: String,
    /// Its columns and types, as JSON.
    pub schema: Option<String>,
    /// Counts of rows and the like, as JSON.
    pub profile: Option<String>,
}

/// A dataset that went into a run; its tags say what for (`mlflow.data.context`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetInput {
    /// The dataset.
    pub dataset: Dataset,
    /// Sorted by key.
    pub tags: Vec<Tag>,
}

/// A logged model that went into a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInput {
    /// The model.
    pub model_id: String,
}

/// A logged model that a run made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelOutput {
    /// The model.
    pub model_id: String,
    /// The step of the run at which it was made.
    pub step: i64,
}
