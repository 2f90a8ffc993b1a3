//! Tags of registered models and of versions.

use super::journal::Line;
use super::{Change, rows};
use crate::entities::{JournalAction, Tag};
use crate::sql::fault::Sql;
use crate::sql::session::{Session, values};

/// What is tagged.
#[derive(Debug, Clone, Copy)]
pub(super) enum Owner<'a> {
    Model(&'a str),
    Version(&'a str, u32),
}

impl<'a> Owner<'a> {
    fn check_is_there(self, session: &dyn Session) -> Sql<()> {
        match self {
            Owner::Model(name) => rows::model(session, name).map(drop),
            Owner::Version(name, version) => rows::version(session, name, version).map(drop),
        }
    }

    fn value(self, session: &dyn Session, key: &str) -> Sql<Option<String>> {
        match self {
            Owner::Model(name) => session.first(
                "SELECT value FROM registered_model_tags WHERE name = ?1 AND key = ?2",
                values![name, key],
                |row| row.text(0),
            ),
            Owner::Version(name, version) => session.first(
                "SELECT value FROM model_version_tags WHERE name = ?1 AND version = ?2 AND key = ?3",
                values![name, version, key],
                |row| row.text(0),
            ),
        }
    }

    fn line(self, on_model: JournalAction, on_version: JournalAction) -> Line<'a> {
        match self {
            Owner::Model(name) => Line::of_model(name, on_model),
            Owner::Version(name, version) => Line::of_version(name, version, on_version),
        }
    }
}

pub(super) fn set(change: &Change<'_>, owner: Owner<'_>, tag: &Tag) -> Sql<()> {
    owner.check_is_there(change.session)?;
    let before = owner.value(change.session, &tag.key)?;
    if before.as_ref() == Some(&tag.value) {
        return Ok(());
    }
    write(change.session, owner, tag)?;
    change.note(Line {
        subject: &tag.key,
        from: before.as_deref(),
        to: Some(&tag.value),
        ..owner.line(JournalAction::ModelTagSet, JournalAction::VersionTagSet)
    })
}

/// Sets the tag without a line in the journal.
pub(super) fn write(session: &dyn Session, owner: Owner<'_>, tag: &Tag) -> Sql<()> {
    match owner {
        Owner::Model(name) => session.execute(
            "INSERT INTO registered_model_tags (name, key, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (name, key) DO UPDATE SET value = excluded.value",
            values![name, &tag.key, &tag.value],
        )?,
        Owner::Version(name, version) => session.execute(
            "INSERT INTO model_version_tags (name, version, key, value) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name, version, key) DO UPDATE SET value = excluded.value",
            values![name, version, &tag.key, &tag.value],
        )?,
    };
    Ok(())
}

pub(super) fn delete(change: &Change<'_>, owner: Owner<'_>, key: &str) -> Sql<()> {
    owner.check_is_there(change.session)?;
    let Some(before) = owner.value(change.session, key)? else {
        return Ok(());
    };
    match owner {
        Owner::Model(name) => change.session.execute(
            "DELETE FROM registered_model_tags WHERE name = ?1 AND key = ?2",
            values![name, key],
        )?,
        Owner::Version(name, version) => change.session.execute(
            "DELETE FROM model_version_tags WHERE name = ?1 AND version = ?2 AND key = ?3",
            values![name, version, key],
        )?,
    };
    change.note(Line {
        subject: key,
        from: Some(&before),
        ..owner.line(JournalAction::ModelTagDeleted, JournalAction::VersionTagDeleted)
    })
}
