//! The schema and its migrations.

use super::experiments;
use super::fault::Sql;
use super::pool::in_transaction;
use super::session::{Dialect, Session, values};
use crate::entities::DEFAULT_EXPERIMENT_NAME;
use crate::error::TrackingError;
use crate::store::CreateExperiment;

use super::rules;

/// In order; a migration that was released never changes.
const SQLITE: [&str; 3] = [
    include_str!("schema/sqlite/0001_runs.sql"),
    include_str!("schema/sqlite/0002_registry.sql"),
    include_str!("schema/sqlite/0003_fast_search.sql"),
];
/// PostgreSQL came with version 2.
const POSTGRES: [&str; 3] = [
    "",
    include_str!("schema/postgres/0002_all.sql"),
    include_str!("schema/postgres/0003_fast_search.sql"),
];

/// The newest schema version this program knows.
pub(super) const VERSION: i64 = SQLITE.len() as i64;

/// Refuses a database that a newer program wrote. Asked before anything is written to it.
pub(super) fn check_version(session: &dyn Session, name: &str) -> Sql<i64> {
    let found = match session.dialect() {
        Dialect::Sqlite => session.first("PRAGMA user_version", &[], |row| row.int(0))?,
        Dialect::Postgres => {
            session.batch("CREATE TABLE IF NOT EXISTS rookery_schema (version BIGINT NOT NULL)")?;
            session
                .first("SELECT MAX(version) FROM rookery_schema", &[], |row| {
                    row.opt_int(0)
                })?
                .flatten()
        }
    }
    .unwrap_or(0);
    if found > VERSION {
        return Err(TrackingError::SchemaTooNew {
            path: name.to_owned(),
            found,
            supported: VERSION,
        }
        .into());
    }
    Ok(found)
}

/// Brings the database to the newest version, or leaves it as it was.
pub(super) fn migrate(session: &dyn Session, name: &str, now_ms: i64) -> Sql<()> {
    if check_version(session, name)? == VERSION {
        return Ok(());
    }
    in_transaction(session, |session| {
        // Asked again: another process may have migrated the database while this one waited for its turn.
        let found = check_version(session, name)?;
        let migrations = match session.dialect() {
            Dialect::Sqlite => SQLITE,
            Dialect::Postgres => POSTGRES,
        };
        for (version, migration) in (1..).zip(migrations).filter(|(version, _)| *version > found) {
            session.batch(migration)?;
            note_version(session, version)?;
            tracing::info!(database = name, version, "tracking database migrated");
        }
        if found == 0 {
            let default = CreateExperiment::named(DEFAULT_EXPERIMENT_NAME);
            experiments::insert(session, &rules::new_experiment(0, default, now_ms))?;
        }
        Ok(())
    })
}

fn note_version(session: &dyn Session, version: i64) -> Sql<()> {
    match session.dialect() {
        Dialect::Sqlite => session.batch(&format!("PRAGMA user_version = {version}")),
        Dialect::Postgres => {
            session.execute(
                "INSERT INTO rookery_schema (version) VALUES (?1)",
                values![version],
            )?;
            Ok(())
        }
    }
}
