//! What the registry held at a time: the journal, read again from the start.

use std::collections::BTreeMap;

use super::lives::Lives;
use super::{journal, rows};
use crate::entities::{Alias, JournalAction, JournalEntry, RegistrySnapshot, Stage};
use crate::sql::fault::Sql;
use crate::sql::session::{Session, values};

/// Returns the registry as it was, or only the model that had the name then, if any had. A name that no model ever had
/// is an error.
pub(super) fn as_of(session: &dyn Session, name: Option<&str>, time_ms: i64) -> Sql<Vec<RegistrySnapshot>> {
    // By number, not by time: should the clock have gone back once, no line is replayed without those before it.
    let until = session.first(
        "SELECT sequence FROM journal WHERE timestamp_ms <= ?1 ORDER BY sequence DESC LIMIT 1",
        values![time_ms],
        |row| row.int(0),
    )?;
    let until = until.unwrap_or(0);
    let mut replay = Replay::default();
    match name {
        None => {
            let sql = format!(
                "SELECT {} FROM journal WHERE sequence <= ?1 AND {RELEVANT} ORDER BY sequence",
                journal::COLUMNS
            );
            session.for_each(&sql, values![until], &mut |row| {
                replay.apply(journal::entry(row)?)
            })?;
        }
        Some(name) => {
            let sql = format!(
                "SELECT {} FROM journal WHERE model = ?1 AND sequence >= ?2 AND sequence <= ?3 AND sequence <= ?4
                 AND {RELEVANT} ORDER BY sequence",
                journal::COLUMNS
            );
            if Lives::read(session, i64::MAX)?.known_as(name).is_empty() {
                return Err(rows::model_not_found(name).into());
            }
            for stretch in Lives::read(session, until)?.holding(name).unwrap_or_default() {
                let bounds = values![&stretch.name, stretch.first, stretch.last, until];
                session.for_each(&sql, bounds, &mut |row| replay.apply(journal::entry(row)?))?;
            }
        }
    }
    Ok(replay.into_snapshots())
}

/// The lines that [`Replay::apply`] looks at.
const RELEVANT: &str = "action IN ('model_created', 'model_renamed', 'model_deleted', 'version_created', \
                        'version_deleted', 'stage_changed', 'alias_set', 'alias_deleted')";

#[derive(Debug, Default)]
struct Model {
    versions: BTreeMap<u32, Stage>,
    aliases: BTreeMap<String, u32>,
}

#[derive(Debug, Default)]
struct Replay {
    models: BTreeMap<String, Model>,
}

impl Replay {
    fn apply(&mut self, entry: JournalEntry) -> Sql<()> {
        let JournalEntry {
            model: name,
            version,
            action,
            subject,
            to,
            ..
        } = entry;
        match action {
            JournalAction::ModelCreated => {
                self.models.insert(name, Model::default());
                return Ok(());
            }
            JournalAction::ModelDeleted => {
                self.models.remove(&name);
                return Ok(());
            }
            JournalAction::ModelRenamed => {
                if let (Some(model), Some(new_name)) = (self.models.remove(&name), to) {
                    self.models.insert(new_name, model);
                }
                return Ok(());
            }
            _ => {}
        }
        let (Some(model), Some(version)) = (self.models.get_mut(&name), version) else {
            return Ok(());
        };
        match action {
            JournalAction::VersionCreated => {
                model.versions.insert(version, Stage::None);
            }
            JournalAction::VersionDeleted => {
                model.versions.remove(&version);
            }
            JournalAction::StageChanged => {
                if let (Some(stage), Some(to)) = (model.versions.get_mut(&version), to) {
                    *stage = to.parse()?;
                }
            }
            JournalAction::AliasSet => {
                model.aliases.insert(subject, version);
            }
            JournalAction::AliasDeleted => {
                model.aliases.remove(&subject);
            }
            _ => {}
        }
        Ok(())
    }

    fn into_snapshots(self) -> Vec<RegistrySnapshot> {
        let snapshot = |(name, model): (String, Model)| RegistrySnapshot {
            name,
            versions: model.versions.into_iter().collect(),
            aliases: model
                .aliases
                .into_iter()
                .map(|(alias, version)| Alias { alias, version })
                .collect(),
        };
        self.models.into_iter().map(snapshot).collect()
    }
}
