//! What is written about a run, as it is kept on disk.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::entities::{LoggedModelStatus, Param, Tag};
use crate::store::{
    CreateExperiment, CreateLoggedModel, CreateRun, LogBatch, LogInputs, LogOutputs, UpdateRun,
};

/// One line of `operations.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Counts up from 1.
    pub(super) sequence: u64,
    /// When it was recorded, in milliseconds since the Unix epoch.
    pub(super) at_ms: i64,
    pub(super) operation: Operation,
}

/// What is to be done on the server. Ids may be local.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum Operation {
    EnsureExperiment {
        experiment_id: String,
        name: String,
    },
    CreateExperiment {
        experiment_id: String,
        request: CreateExperiment,
    },
    CreateRun {
        run_id: String,
        request: CreateRun,
    },
    UpdateRun {
        run_id: String,
        change: UpdateRun,
    },
    LogBatch {
        run_id: String,
        batch: LogBatch,
    },
    DeleteTag {
        run_id: String,
        key: String,
    },
    LogInputs {
        run_id: String,
        inputs: LogInputs,
    },
    LogOutputs {
        run_id: String,
        outputs: LogOutputs,
    },
    RecordModel {
        run_id: String,
        model: Value,
    },
    CreateLoggedModel {
        model_id: String,
        request: CreateLoggedModel,
    },
    FinalizeLoggedModel {
        model_id: String,
        status: LoggedModelStatus,
    },
    SetLoggedModelTags {
        model_id: String,
        tags: Vec<Tag>,
    },
    LogLoggedModelParams {
        model_id: String,
        params: Vec<Param>,
    },
    /// The content lies in `files/<sequence>`.
    PutArtifact {
        root: String,
        path: String,
    },
}

impl Operation {
    /// Returns the local id that this operation gives a meaning to.
    pub(super) fn makes(&self) -> Option<&str> {
        match self {
            Operation::EnsureExperiment { experiment_id, .. }
            | Operation::CreateExperiment { experiment_id, .. } => Some(experiment_id),
            Operation::CreateRun { run_id, .. } => Some(run_id),
            Operation::CreateLoggedModel { model_id, .. } => Some(model_id),
            _ => None,
        }
    }

    /// Returns the run concerned, if it is about one.
    pub(super) fn run_id(&self) -> Option<&str> {
        match self {
            Operation::CreateRun { run_id, .. }
            | Operation::UpdateRun { run_id, .. }
            | Operation::LogBatch { run_id, .. }
            | Operation::DeleteTag { run_id, .. }
            | Operation::LogInputs { run_id, .. }
            | Operation::LogOutputs { run_id, .. }
            | Operation::RecordModel { run_id, .. } => Some(run_id),
            Operation::PutArtifact { root, .. } => super::view::owner_of(root),
            _ => None,
        }
    }
}
