//! Stages: MLflow's older way of saying what a version is for.

use super::journal::Line;
use super::{Change, models, rows, versions};
use crate::entities::{JournalAction, ModelVersion, Stage};
use crate::error::TrackingError;
use crate::sql::fault::Sql;
use crate::sql::session::{Session, values};

/// Only where versions are in use is one replaced by another.
pub(super) fn check_archiving(stage: Stage, archive_existing: bool) -> Result<(), TrackingError> {
    match stage {
        Stage::None | Stage::Archived if archive_existing => Err(TrackingError::rejected(format!(
            "Model version transition cannot archive existing model versions because '{stage}' is not an Active stage. \
             Valid stages are ['Staging', 'Production']"
        ))),
        _ => Ok(()),
    }
}

pub(super) fn transition(
    change: &Change<'_>,
    name: &str,
    version: u32,
    stage: Stage,
    archive_existing: bool,
) -> Sql<ModelVersion> {
    let before = rows::version(change.session, name, version)?.stage;
    if archive_existing {
        let others = change.session.all(
            "SELECT version FROM model_versions WHERE name = ?1 AND stage = ?2 AND version <> ?3 ORDER BY version",
            values![name, stage.as_str(), version],
            |row| rows::number(row.int(0)?),
        )?;
        for other in others {
            move_to(change, name, other, stage, Stage::Archived)?;
        }
    }
    move_to(change, name, version, before, stage)?;
    models::touch(change, name)?;
    versions::get(change.session, name, version)
}

fn move_to(change: &Change<'_>, name: &str, version: u32, from: Stage, to: Stage) -> Sql<()> {
    change.session.execute(
        "UPDATE model_versions SET stage = ?3, last_updated_timestamp_ms = ?4 WHERE name = ?1 AND version = ?2",
        values![name, version, to.as_str(), change.now_ms],
    )?;
    if from == to {
        return Ok(());
    }
    change.note(Line {
        from: Some(from.as_str()),
        to: Some(to.as_str()),
        ..Line::of_version(name, version, JournalAction::StageChanged)
    })
}

/// Returns the newest version in each of these stages, or in every stage if none is named, sorted by version.
pub(super) fn latest(session: &dyn Session, name: &str, stages: &[Stage]) -> Sql<Vec<ModelVersion>> {
    let mut latest = models::get(session, name)?.latest_versions;
    latest.retain(|version| stages.is_empty() || stages.contains(&version.stage));
    Ok(latest)
}
