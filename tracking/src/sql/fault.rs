//! Errors inside the store: a broken rule, or a failing database. At the store's edge both become [`TrackingError`], and
//! only there the action they happened in is known.

use std::error::Error;
use std::sync::Arc;

use super::BUSY_WAIT;
use crate::error::{Cause, TrackingError};

/// The answer of a function that runs SQL.
pub(super) type Sql<T> = std::result::Result<T, Fault>;

#[derive(Debug)]
pub(super) enum Fault {
    Rule(TrackingError),
    Database {
        source: Cause,
        /// Another process holds the database: worth another try.
        busy: bool,
    },
}

impl Fault {
    pub(super) fn database(source: impl Error + Send + Sync + 'static, busy: bool) -> Self {
        Fault::Database {
            source: Arc::new(source),
            busy,
        }
    }

    pub(super) fn into_error(self, action: impl Into<String>) -> TrackingError {
        match self {
            Fault::Rule(error) => error,
            Fault::Database { busy: true, .. } => TrackingError::Busy {
                action: action.into(),
                waited_ms: u64::try_from(BUSY_WAIT.as_millis()).unwrap_or(u64::MAX),
            },
            Fault::Database { source, .. } => TrackingError::Storage {
                action: action.into(),
                source,
            },
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Fault::Database { busy: true, .. })
    }
}

impl From<TrackingError> for Fault {
    fn from(error: TrackingError) -> Self {
        Fault::Rule(error)
    }
}
