//! Versions of a registered model.

use super::journal::Line;
use super::source::Origin;
use super::tags::Owner;
use super::{Change, models, rows, tags};
use crate::entities::{JournalAction, ModelVersion, Stage};
use crate::registry::CreateModelVersion;
use crate::sql::fault::Sql;
use crate::sql::session::{Session, values};

/// The journal gets one line; that the version has these tags from the start is part of it.
pub(super) fn create(change: &Change<'_>, request: &CreateModelVersion) -> Sql<ModelVersion> {
    let session = change.session;
    let name = request.name.as_str();
    rows::model(session, name)?;
    let origin = Origin::of(session, request)?;
    session.execute(
        "UPDATE registered_models SET last_version = last_version + 1, last_updated_timestamp_ms = ?2 WHERE name = ?1",
        values![name, change.now_ms],
    )?;
    let last = session.first(
        "SELECT last_version FROM registered_models WHERE name = ?1",
        values![name],
        |row| rows::number(row.int(0)?),
    )?;
    let version = last.ok_or_else(|| rows::model_not_found(name))?;
    session.execute(
        "INSERT INTO model_versions (name, version, creation_timestamp_ms, last_updated_timestamp_ms, user_id, stage,
         description, source, storage_location, run_id, model_id, run_link)
         VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        values![
            name,
            version,
            change.now_ms,
            &change.by.user,
            Stage::None.as_str(),
            &request.description,
            &request.source,
            &origin.storage_location,
            &origin.run_id,
            origin.model_id.as_ref(),
            &request.run_link,
        ],
    )?;
    for tag in &request.tags {
        tags::write(session, Owner::Version(name, version), tag)?;
    }
    change.note(Line {
        to: Some(&request.source),
        ..Line::of_version(name, version, JournalAction::VersionCreated)
    })?;
    get(session, name, version)
}

pub(super) fn get(session: &dyn Session, name: &str, version: u32) -> Sql<ModelVersion> {
    let header = rows::version(session, name, version)?;
    let mut versions = rows::complete_versions(session, vec![header])?;
    Ok(versions.pop().expect("one header in, one version out"))
}

pub(super) fn describe(
    change: &Change<'_>,
    name: &str,
    version: u32,
    description: &str,
) -> Sql<ModelVersion> {
    let before = rows::version(change.session, name, version)?.description;
    change.session.execute(
        "UPDATE model_versions SET description = ?3, last_updated_timestamp_ms = ?4 WHERE name = ?1 AND version = ?2",
        values![name, version, description, change.now_ms],
    )?;
    if before != description {
        change.note(Line {
            from: Some(&before),
            to: Some(description),
            ..Line::of_version(name, version, JournalAction::VersionDescribed)
        })?;
    }
    get(change.session, name, version)
}

/// The aliases that point at the version go first, each with a line of its own: who looks for an alias in the journal
/// finds where it ended.
pub(super) fn delete(change: &Change<'_>, name: &str, version: u32) -> Sql<()> {
    let before = get(change.session, name, version)?;
    for alias in &before.aliases {
        change.note(Line {
            subject: alias,
            from: Some(&version.to_string()),
            ..Line::of_version(name, version, JournalAction::AliasDeleted)
        })?;
    }
    change.session.execute(
        "DELETE FROM model_versions WHERE name = ?1 AND version = ?2",
        values![name, version],
    )?;
    models::touch(change, name)?;
    change.note(Line {
        from: Some(&before.source),
        ..Line::of_version(name, version, JournalAction::VersionDeleted)
    })
}
