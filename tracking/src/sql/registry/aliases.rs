//! Aliases: movable names of versions.

use super::journal::Line;
use super::{Change, gates, rows, versions};
use crate::entities::{JournalAction, ModelVersion};
use crate::error::TrackingError;
use crate::sql::fault::Sql;
use crate::sql::session::{Session, values};
use crate::validate::registry::is_latest;

/// Returns the version that the alias points at, if it points anywhere.
pub(super) fn target(session: &dyn Session, name: &str, alias: &str) -> Sql<Option<u32>> {
    session.first(
        "SELECT version FROM aliases WHERE name = ?1 AND alias = ?2",
        values![name, alias],
        |row| rows::number(row.int(0)?),
    )
}

/// Where the alias points already it may stay, whatever its gate says now: nothing changes.
pub(super) fn set(change: &Change<'_>, name: &str, alias: &str, version: u32) -> Sql<()> {
    let candidate = rows::version(change.session, name, version)?;
    let before = target(change.session, name, alias)?;
    if before == Some(version) {
        return Ok(());
    }
    gates::check(change.session, alias, &candidate)?;
    change.session.execute(
        "INSERT INTO aliases (name, alias, version) VALUES (?1, ?2, ?3)
         ON CONFLICT (name, alias) DO UPDATE SET version = excluded.version",
        values![name, alias, version],
    )?;
    change.note(Line {
        subject: alias,
        from: before.map(|version| version.to_string()).as_deref(),
        to: Some(&version.to_string()),
        ..Line::of_version(name, version, JournalAction::AliasSet)
    })
}

pub(super) fn delete(change: &Change<'_>, name: &str, alias: &str) -> Sql<()> {
    rows::model(change.session, name)?;
    let Some(version) = target(change.session, name, alias)? else {
        return Ok(());
    };
    change.session.execute(
        "DELETE FROM aliases WHERE name = ?1 AND alias = ?2",
        values![name, alias],
    )?;
    change.note(Line {
        subject: alias,
        from: Some(&version.to_string()),
        ..Line::of_version(name, version, JournalAction::AliasDeleted)
    })
}

/// Returns the alias' version. `latest`, which nobody can set, is the one with the highest number.
pub(super) fn version(session: &dyn Session, name: &str, alias: &str) -> Sql<ModelVersion> {
    rows::model(session, name)?;
    let (found, missing) = if is_latest(alias) {
        let newest = session.first(
            "SELECT MAX(version) FROM model_versions WHERE name = ?1",
            values![name],
            |row| row.opt_int(0)?.map(rows::number).transpose(),
        )?;
        let missing = TrackingError::not_found(format!("Latest version not found for model {name}."));
        (newest.flatten(), missing)
    } else {
        let missing = TrackingError::rejected(format!("Registered model alias {alias} not found."));
        (target(session, name, alias)?, missing)
    };
    versions::get(session, name, found.ok_or(missing)?)
}
