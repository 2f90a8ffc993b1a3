//! Registered models: names with a description, and a count of the versions ever made.

use super::tags::Owner;
use super::{Change, rows, tags};
use crate::entities::{JournalAction, RegisteredModel};
use crate::error::TrackingError;
use crate::registry::CreateRegisteredModel;
use crate::sql::fault::Sql;
use crate::sql::registry::journal::Line;
use crate::sql::session::{Session, values};

/// The journal gets one line; that the model has these tags from the start is part of it.
pub(super) fn create(change: &Change<'_>, request: &CreateRegisteredModel) -> Sql<RegisteredModel> {
    let name = request.name.as_str();
    check_name_is_free(change.session, name)?;
    change.session.execute(
        "INSERT INTO registered_models
         (name, creation_timestamp_ms, last_updated_timestamp_ms, description, last_version) VALUES (?1, ?2, ?2, ?3, 0)",
        values![name, change.now_ms, &request.description],
    )?;
    for tag in &request.tags {
        tags::write(change.session, Owner::Model(name), tag)?;
    }
    change.note(Line {
        to: Some(name),
        ..Line::of_model(name, JournalAction::ModelCreated)
    })?;
    get(change.session, name)
}

pub(super) fn get(session: &dyn Session, name: &str) -> Sql<RegisteredModel> {
    let header = rows::model(session, name)?;
    let mut models = rows::complete_models(session, vec![header])?;
    Ok(models.pop().expect("one header in, one model out"))
}

pub(super) fn rename(change: &Change<'_>, name: &str, new_name: &str) -> Sql<RegisteredModel> {
    rows::model(change.session, name)?;
    if new_name != name {
        check_name_is_free(change.session, new_name)?;
        // What refers to the name goes along by itself.
        change.session.execute(
            "UPDATE registered_models SET name = ?2 WHERE name = ?1",
            values![name, new_name],
        )?;
        change.note(Line {
            from: Some(name),
            to: Some(new_name),
            ..Line::of_model(name, JournalAction::ModelRenamed)
        })?;
    }
    touch(change, new_name)?;
    change.session.execute(
        "UPDATE model_versions SET last_updated_timestamp_ms = ?2 WHERE name = ?1",
        values![new_name, change.now_ms],
    )?;
    get(change.session, new_name)
}

pub(super) fn describe(change: &Change<'_>, name: &str, description: &str) -> Sql<RegisteredModel> {
    let before = rows::model(change.session, name)?.description;
    change.session.execute(
        "UPDATE registered_models SET description = ?2 WHERE name = ?1",
        values![name, description],
    )?;
    touch(change, name)?;
    if before != description {
        change.note(Line {
            from: Some(&before),
            to: Some(description),
            ..Line::of_model(name, JournalAction::ModelDescribed)
        })?;
    }
    get(change.session, name)
}

/// The journal gets one line: that versions and aliases are gone is part of it.
pub(super) fn delete(change: &Change<'_>, name: &str) -> Sql<()> {
    rows::model(change.session, name)?;
    change
        .session
        .execute("DELETE FROM registered_models WHERE name = ?1", values![name])?;
    change.note(Line {
        from: Some(name),
        ..Line::of_model(name, JournalAction::ModelDeleted)
    })
}

/// Notes that the model, or a version of it, changed now. As in MLflow, tags, aliases and a version's description do
/// not count.
pub(super) fn touch(change: &Change<'_>, name: &str) -> Sql<()> {
    change.session.execute(
        "UPDATE registered_models SET last_updated_timestamp_ms = ?2 WHERE name = ?1",
        values![name, change.now_ms],
    )?;
    Ok(())
}

fn check_name_is_free(session: &dyn Session, name: &str) -> Sql<()> {
    let sql = "SELECT 1 FROM registered_models WHERE name = ?1";
    match session.first(sql, values![name], |row| row.int(0))? {
        None => Ok(()),
        Some(_) => {
            Err(TrackingError::exists(format!("Registered Model (name={name}) already exists.")).into())
        }
    }
}
