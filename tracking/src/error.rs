//! What can go wrong, as a type a caller can act on, with MLflow's code and a hint for a human.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use thiserror::Error as ThisError;

use crate::entities::LifecycleStage;

/// The cause under an error: shared, because one failed commit is the error of every write in it.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Everything that can go wrong in this crate.
#[derive(Debug, Clone, ThisError)]
pub enum TrackingError {
    /// No experiment has this id or name.
    #[error("No Experiment with id={experiment} exists")]
    ExperimentNotFound {
        /// The id or name asked for.
        experiment: String,
    },

    /// No run has this id.
    #[error("Run with id={run_id} not found")]
    RunNotFound {
        /// The id asked for.
        run_id: String,
    },

    /// The run has no artifact at this path.
    #[error("run {run_id} has no artifact {path:?}")]
    ArtifactNotFound {
        /// The run asked.
        run_id: String,
        /// The path asked for, relative to the run's artifact directory.
        path: String,
    },

    /// The name is taken, maybe by a deleted experiment.
    #[error("Experiment(name={name}) already exists: experiment {experiment_id}, {lifecycle_stage}")]
    ExperimentExists {
        /// The name asked for.
        name: String,
        /// The experiment that has it.
        experiment_id: String,
        /// Whether that experiment is deleted.
        lifecycle_stage: LifecycleStage,
    },

    /// A value breaks a rule or a limit.
    #[error("invalid {field}: {message}")]
    Invalid {
        /// What was wrong.
        field: &'static str,
        /// Which rule, and the numbers.
        message: String,
    },

    /// Something else than an experiment, a run or a file is not there; the message says what.
    #[error("{message}")]
    NotFound {
        /// What was asked for, in MLflow's words.
        message: String,
    },

    /// A name is taken; the message says which.
    #[error("{message}")]
    Exists {
        /// What was to be made, in MLflow's words.
        message: String,
    },

    /// The request breaks a rule, said in MLflow's words.
    #[error("{message}")]
    Rejected {
        /// Which rule, and the values.
        message: String,
    },

    /// The request is right in itself, but not now.
    #[error("{message}")]
    WrongState {
        /// What stands in its way.
        message: String,
    },

    /// A parameter was logged before with another value.
    #[error(
        "Changing param values is not allowed. Param with key='{key}' was already logged with value='{stored}' for run \
         ID='{run_id}'. Attempted logging new value '{given}'."
    )]
    ParamChanged {
        /// The run.
        run_id: String,
        /// The parameter.
        key: String,
        /// The value logged first.
        stored: String,
        /// The value logged now.
        given: String,
    },

    /// The experiment is deleted: it takes no runs and no tags.
    #[error("The experiment {experiment_id} must be in the 'active' state. Current state is deleted.")]
    ExperimentDeleted {
        /// The experiment.
        experiment_id: String,
    },

    /// The run is deleted: nothing can be logged to it.
    #[error("The run {run_id} must be in the 'active' state. Current state is deleted.")]
    RunDeleted {
        /// The run.
        run_id: String,
    },

    /// The database was written by a newer version of this program.
    #[error("database {path} has schema version {found}, this program knows versions up to {supported}")]
    SchemaTooNew {
        /// The database file.
        path: String,
        /// The file's version.
        found: i64,
        /// The newest version known here.
        supported: i64,
    },

    /// The store did not get its turn within a bound. Trying again is harmless.
    #[error("{action} waited {waited_ms} ms for the tracking store without getting its turn")]
    Busy {
        /// What was being done.
        action: String,
        /// The bound that was reached.
        waited_ms: u64,
    },

    /// The disk, the database or the object store failed.
    #[error("{action} failed: {source}")]
    Storage {
        /// What was being done, to what.
        action: String,
        /// Why it failed.
        source: Cause,
    },

    /// The server refuses these credentials, or what they may do.
    #[error("{message}")]
    Denied {
        /// Who refused what.
        message: String,
    },

    /// A server did not answer, or said that it cannot now, for as long as a named bound. Trying again is harmless.
    #[error("{message}")]
    Unavailable {
        /// Which server, what was asked, and how it failed.
        message: String,
    },

    /// The other side has no such call, or no such storage.
    #[error("{message}")]
    Unsupported {
        /// What was asked for, and what there is.
        message: String,
    },

    /// The store's writer has stopped: the process is shutting down, or a write crashed it.
    #[error("the tracking store is closed")]
    Closed,
}

impl TrackingError {
    /// Returns the error for a value that breaks a rule.
    pub fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        TrackingError::Invalid {
            field,
            message: message.into(),
        }
    }

    /// Returns the error for a request that breaks a rule, with MLflow's words as the whole message.
    pub fn rejected(message: impl Into<String>) -> Self {
        TrackingError::Rejected {
            message: message.into(),
        }
    }

    /// Returns the error for something that is not there, with MLflow's words as the whole message.
    pub fn not_found(message: impl Into<String>) -> Self {
        TrackingError::NotFound {
            message: message.into(),
        }
    }

    /// Returns the error for a name that is taken, with MLflow's words as the whole message.
    pub fn exists(message: impl Into<String>) -> Self {
        TrackingError::Exists {
            message: message.into(),
        }
    }

    /// Returns the error for a storage operation that failed.
    pub fn storage(action: impl Into<String>, source: impl Error + Send + Sync + 'static) -> Self {
        TrackingError::Storage {
            action: action.into(),
            source: Arc::new(source),
        }
    }

    /// Returns MLflow's code for this error.
    pub fn code(&self) -> ErrorCode {
        match self {
            TrackingError::ExperimentNotFound { .. }
            | TrackingError::RunNotFound { .. }
            | TrackingError::ArtifactNotFound { .. }
            | TrackingError::NotFound { .. } => ErrorCode::ResourceDoesNotExist,
            TrackingError::ExperimentExists { .. } | TrackingError::Exists { .. } => {
                ErrorCode::ResourceAlreadyExists
            }
            TrackingError::Invalid { .. }
            | TrackingError::Rejected { .. }
            | TrackingError::ParamChanged { .. }
            | TrackingError::ExperimentDeleted { .. }
            | TrackingError::RunDeleted { .. } => ErrorCode::InvalidParameterValue,
            TrackingError::SchemaTooNew { .. } | TrackingError::WrongState { .. } => ErrorCode::InvalidState,
            TrackingError::Denied { .. } => ErrorCode::PermissionDenied,
            TrackingError::Unsupported { .. } => ErrorCode::NotImplemented,
            TrackingError::Busy { .. } | TrackingError::Unavailable { .. } | TrackingError::Closed => {
                ErrorCode::TemporarilyUnavailable
            }
            TrackingError::Storage { .. } => ErrorCode::InternalError,
        }
    }

    /// Returns what the reader of the message might do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            TrackingError::ExperimentExists {
                experiment_id,
                lifecycle_stage: LifecycleStage::Deleted,
                ..
            } => Some(format!(
                "restore experiment {experiment_id}, or choose another name"
            )),
            TrackingError::ExperimentDeleted { experiment_id } => {
                Some(format!("restore experiment {experiment_id}, or use another one"))
            }
            TrackingError::RunDeleted { run_id } => Some(format!("restore run {run_id} first")),
            TrackingError::ParamChanged { .. } => {
                Some("parameters never change: log the new value in a new run, or as a tag".to_owned())
            }
            TrackingError::SchemaTooNew { .. } => {
                Some("use the newer program, or another state directory".to_owned())
            }
            TrackingError::Busy { .. } => {
                Some("another process may hold the database: try again, logging twice is harmless".to_owned())
            }
            TrackingError::Denied { .. } => {
                Some("check the token, or user and password, of the tracking server".to_owned())
            }
            _ => None,
        }
    }

    /// Returns whether the same call may succeed when it is simply repeated.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            TrackingError::Busy { .. } | TrackingError::Unavailable { .. }
        )
    }
}

/// MLflow's error codes, as far as this crate needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// What was asked for is not there.
    ResourceDoesNotExist,
    /// The name is taken.
    ResourceAlreadyExists,
    /// The request breaks a rule.
    InvalidParameterValue,
    /// The request is right, but not in the present state of the store.
    InvalidState,
    /// These credentials may not do that.
    PermissionDenied,
    /// There is no such call.
    NotImplemented,
    /// Try again later.
    TemporarilyUnavailable,
    /// The store failed.
    InternalError,
}

impl ErrorCode {
    /// Returns MLflow's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::ResourceDoesNotExist => "RESOURCE_DOES_NOT_EXIST",
            ErrorCode::ResourceAlreadyExists => "RESOURCE_ALREADY_EXISTS",
            ErrorCode::InvalidParameterValue => "INVALID_PARAMETER_VALUE",
            ErrorCode::InvalidState => "INVALID_STATE",
            ErrorCode::PermissionDenied => "PERMISSION_DENIED",
            ErrorCode::NotImplemented => "NOT_IMPLEMENTED",
            ErrorCode::TemporarilyUnavailable => "TEMPORARILY_UNAVAILABLE",
            ErrorCode::InternalError => "INTERNAL_ERROR",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
