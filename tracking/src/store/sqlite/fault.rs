//! Errors inside the SQLite store: a broken rule, or a failing database. At the store's edge both become
//! [`TrackingError`], and only there the action they happened in is known.

use rusqlite::ErrorCode;

use super::BUSY_WAIT;
use crate::error::TrackingError;

/// The answer of a function that runs SQL.
pub(super) type Sql<T> = std::result::Result<T, Fault>;

#[derive(Debug)]
pub(super) enum Fault {
    Rule(TrackingError),
    Database(rusqlite::Error),
}

impl Fault {
    pub(super) fn into_error(self, action: &'static str) -> TrackingError {
        match self {
            Fault::Rule(error) => error,
            Fault::Database(error) => database_error(action, error),
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Fault::Database(error) if is_busy(error))
    }
}

impl From<TrackingError> for Fault {
    fn from(error: TrackingError) -> Self {
        Fault::Rule(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Fault::Database(error)
    }
}

pub(super) fn database_error(action: &'static str, error: rusqlite::Error) -> TrackingError {
    if is_busy(&error) {
        let waited_ms = u64::try_from(BUSY_WAIT.as_millis()).unwrap_or(u64::MAX);
        return TrackingError::Busy { action, waited_ms };
    }
    TrackingError::storage(action, error)
}

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}
