//! [`StateFile`]: an SQLite file of the state directory that one driver at a time can hold.

use std::time::Duration;

use rookery_proto::{ErrorClass, Failure};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::error::internal;

/// How long a driver that was killed may take to be gone.
const BUSY_WAIT: Duration = Duration::from_secs(3);

/// What a file holds.
#[derive(Debug)]
pub(crate) struct StateFile {
    /// For messages: `the driver's journal`.
    pub(crate) name: &'static str,
    /// Whether that is a plural.
    pub(crate) is_plural: bool,
    /// The first version that has these tables.
    pub(crate) oldest: i64,
    /// Counted up with every change of the tables, or of what is written in them.
    pub(crate) version: i64,
    /// Makes the tables, and sets `user_version`.
    pub(crate) tables: &'static str,
    /// Set with each opening, beside what all files have in common.
    pub(crate) pragmas: &'static str,
}

impl StateFile {
    /// Takes a file for this process alone, and makes the tables of a new one.
    ///
    /// # Errors
    /// Class config: another driver holds it, or a later release wrote it. It can't be read or written.
    pub(crate) fn take(&self, mut file: Connection) -> Result<Connection, Failure> {
        self.set_up(&mut file).map_err(|error| self.failed(&error))??;
        Ok(file)
    }

    fn set_up(&self, file: &mut Connection) -> rusqlite::Result<Result<(), Failure>> {
        file.busy_timeout(BUSY_WAIT)?;
        // The operating system takes the lock back when the process dies, however it dies.
        file.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;")?;
        file.execute_batch(self.pragmas)?;
        let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version == 0 {
            transaction.execute_batch(self.tables)?;
        } else if (self.oldest..self.version).contains(&version) {
            transaction.pragma_update(None, "user_version", self.version)?;
        } else if version != self.version {
            return Ok(Err(self.of_later_release(version)));
        }
        transaction.commit()?;
        Ok(Ok(()))
    }

    fn of_later_release(&self, version: i64) -> Failure {
        let (has, it) = match self.is_plural {
            true => ("have", "them"),
            false => ("has", "it"),
        };
        let (name, known) = (self.name, self.version);
        let message = format!("{name} {has} version {version}, expected at most {known}");
        Failure::new(ErrorClass::Config, message).hint(format!(
            "a later release wrote {it}: start that one, or take another state directory"
        ))
    }

    /// What it means that the file can't be used.
    pub(crate) fn failed(&self, error: &rusqlite::Error) -> Failure {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Failure::new(ErrorClass::Config, "another driver runs in this state directory")
                    .hint("stop it with `rookery down`, or give this one a state directory of its own")
            }
            _ => internal(format!("{}: {error}", self.name)),
        }
    }
}
