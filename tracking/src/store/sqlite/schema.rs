//! The schema and its migrations. `PRAGMA user_version` counts the migrations a file has seen.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::experiments;
use super::fault::Sql;
use crate::entities::DEFAULT_EXPERIMENT_NAME;
use crate::error::TrackingError;
use crate::store::{CreateExperiment, rules};

/// In order; a migration that was released never changes.
const MIGRATIONS: [&str; 1] = [include_str!("schema/0001_runs.sql")];

/// The newest schema version this program knows.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Refuses a file that a newer program wrote. Asked before anything is written to it.
pub(super) fn check_version(connection: &Connection, path: &Path) -> Sql<i64> {
    let found = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > VERSION {
        let path = path.display().to_string();
        return Err(TrackingError::SchemaTooNew {
            path,
            found,
            supported: VERSION,
        }
        .into());
    }
    Ok(found)
}

/// Brings the file to the newest version, or leaves it as it was.
pub(super) fn migrate(connection: &mut Connection, path: &Path, now_ms: i64) -> Sql<()> {
    if check_version(connection, path)? == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Asked again: another process may have migrated the file while this one waited for its turn.
    let found = check_version(&transaction, path)?;
    for (version, migration) in (1..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", version)?;
        tracing::info!(path = %path.display(), version, "tracking database migrated");
    }
    if found == 0 {
        let default = CreateExperiment::named(DEFAULT_EXPERIMENT_NAME);
        experiments::insert(&transaction, &rules::new_experiment(0, default, now_ms))?;
    }
    transaction.commit()?;
    Ok(())
}
