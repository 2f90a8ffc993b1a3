//! The states a record can be in, with MLflow's words for them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::TrackingError;

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunStatus {
    /// Something is working on it.
    Running,
    /// It waits to be started.
    Scheduled,
    /// It ended as it should.
    Finished,
    /// It ended with an error.
    Failed,
    /// Somebody stopped it.
    Killed,
}

impl RunStatus {
    /// Every status.
    pub const ALL: [RunStatus; 5] = [
        RunStatus::Running,
        RunStatus::Scheduled,
        RunStatus::Finished,
        RunStatus::Failed,
        RunStatus::Killed,
    ];

    /// Returns MLflow's word for it, such as `FINISHED`.
    pub fn as_str(self) -> &'static str {
        match self {
            RunStatus::Running => "RUNNING",
            RunStatus::Scheduled => "SCHEDULED",
            RunStatus::Finished => "FINISHED",
            RunStatus::Failed => "FAILED",
            RunStatus::Killed => "KILLED",
        }
    }

    /// Returns whether nothing more is expected to happen in the run.
    pub fn is_terminal(self) -> bool {
        matches!(self, RunStatus::Finished | RunStatus::Failed | RunStatus::Killed)
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RunStatus {
    type Err = TrackingError;

    fn from_str(text: &str) -> Result<Self, TrackingError> {
        RunStatus::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| {
                TrackingError::invalid(
                    "status",
                    format!(
                        "unknown status {text:?}: expected RUNNING, SCHEDULED, FINISHED, FAILED or KILLED"
                    ),
                )
            })
    }
}

/// Whether an experiment or a run is deleted. Deleting hides; nothing is lost until it is purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LifecycleStage {
    /// In use.
    Active,
    /// Hidden, and restorable.
    Deleted,
}

impl LifecycleStage {
    /// Returns MLflow's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            LifecycleStage::Active => "active",
            LifecycleStage::Deleted => "deleted",
        }
    }
}

impl fmt::Display for LifecycleStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LifecycleStage {
    type Err = TrackingError;

    fn from_str(text: &str) -> Result<Self, TrackingError> {
        match text {
            "active" => Ok(LifecycleStage::Active),
            "deleted" => Ok(LifecycleStage::Deleted),
            _ => Err(TrackingError::invalid(
                "lifecycle_stage",
                format!("unknown lifecycle stage {text:?}: expected active or deleted"),
            )),
        }
    }
}

/// Which lifecycle stages a listing shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ViewType {
    /// What is in use.
    #[default]
    ActiveOnly,
    /// What is deleted.
    DeletedOnly,
    /// Both.
    All,
}

impl ViewType {
    /// Returns whether something in this stage is shown.
    pub fn shows(self, stage: LifecycleStage) -> bool {
        match self {
            ViewType::ActiveOnly => stage == LifecycleStage::Active,
            ViewType::DeletedOnly => stage == LifecycleStage::Deleted,
            ViewType::All => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_written_as_mlflow_writes_it() {
        for status in RunStatus::ALL {
            assert_eq!(status.as_str().parse::<RunStatus>().unwrap(), status);
            assert_eq!(serde_json::to_string(&status).unwrap(), format!("\"{status}\""));
        }
        assert!("running".parse::<RunStatus>().is_err());
    }
}
