//! The headers of runs in SQL.

use super::fault::Sql;
use super::rules::{self, RunIdentity};
use super::run_cache::RunCache;
use super::session::{Columns, Session, values};
use super::{experiments, logging, run_data};
use crate::entities::{LifecycleStage, Run, RunInfo, TAG_RUN_NAME, Tag};
use crate::error::TrackingError;
use crate::store::{CreateRun, UpdateRun};

/// As [`from_row`] reads them.
pub(super) const COLUMNS: &str = "r.run_id, r.run_name, r.experiment_id, r.user_id, r.status, r.start_time_ms, \
                                  r.end_time_ms, r.lifecycle_stage, r.artifact_uri, r.owner";

/// As [`header_from_row`] reads them.
pub(super) const HEADER_COLUMNS: &str = "r.run_id, r.run_name, r.experiment_id, r.user_id, r.status, r.start_time_ms, r.end_time_ms, r.lifecycle_stage, \
     r.artifact_uri, r.owner, r.revision";

/// A run without what was logged to it.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) info: RunInfo,
    /// Counts the changes of the run, of what was logged to it too.
    pub(super) revision: i64,
}

pub(super) fn create(session: &dyn Session, identity: RunIdentity, request: CreateRun) -> Sql<Run> {
    if let Some(parent) = &request.parent_run_id {
        get_info(session, parent)?;
    }
    let experiment = experiments::get(session, &request.experiment_id)?;
    rules::check_experiment_is_active(&experiment)?;
    let run = rules::new_run(identity, request, &experiment);
    write_info(session, &run.info)?;
    logging::set_tags(session, &run.info.run_id, &run.tags)?;
    Ok(run)
}

pub(super) fn get(session: &dyn Session, cache: &RunCache, run_id: &str) -> Sql<Run> {
    let sql = format!("SELECT {HEADER_COLUMNS} FROM runs AS r WHERE r.run_id = ?1");
    let header = session.first(&sql, values![run_id], header_from_row)?;
    let header = header.ok_or_else(|| not_found(run_id))?;
    let mut runs = run_data::with_data(session, cache, vec![header])?;
    Ok(runs.pop().expect("one header in, one run out"))
}

pub(super) fn get_info(session: &dyn Session, run_id: &str) -> Sql<RunInfo> {
    let sql = format!("SELECT {COLUMNS} FROM runs AS r WHERE r.run_id = ?1");
    session
        .first(&sql, values![run_id], from_row)?
        .ok_or_else(|| not_found(run_id).into())
}

/// Returns the header of a run that is about to be changed, and gives the run its next revision: every change of what
/// was logged to a run starts here.
pub(super) fn start_change(session: &dyn Session, run_id: &str) -> Sql<RunInfo> {
    let info = get_info(session, run_id)?;
    rules::check_run_is_active(&info)?;
    session.execute(
        "UPDATE runs SET revision = revision + 1 WHERE run_id = ?1",
        values![run_id],
    )?;
    Ok(info)
}

pub(super) fn update(session: &dyn Session, run_id: &str, change: UpdateRun) -> Sql<RunInfo> {
    let mut info = start_change(session, run_id)?;
    rules::update(&mut info, change);
    write_info(session, &info)?;
    logging::set_tags(session, run_id, &[Tag::new(TAG_RUN_NAME, &info.run_name)])?;
    Ok(info)
}

pub(super) fn move_to(session: &dyn Session, run_id: &str, stage: LifecycleStage) -> Sql<()> {
    let mut info = get_info(session, run_id)?;
    info.lifecycle_stage = stage;
    write_info(session, &info)
}

/// Inserts the header, or replaces it, which gives the run its next revision.
pub(super) fn write_info(session: &dyn Session, info: &RunInfo) -> Sql<()> {
    session.execute(
        "INSERT INTO runs (run_id, run_name, experiment_id, user_id, status, start_time_ms, end_time_ms,
             lifecycle_stage, artifact_uri, owner)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (run_id) DO UPDATE SET run_name = excluded.run_name, status = excluded.status,
             end_time_ms = excluded.end_time_ms, lifecycle_stage = excluded.lifecycle_stage, owner = excluded.owner,
             revision = runs.revision + 1",
        values![
            &info.run_id,
            &info.run_name,
            rules::experiment_number(&info.experiment_id)?,
            &info.user_id,
            info.status.as_str(),
            info.start_time_ms,
            info.end_time_ms,
            info.lifecycle_stage.as_str(),
            &info.artifact_uri,
            info.owner.as_deref(),
        ],
    )?;
    Ok(())
}

/// Reads [`HEADER_COLUMNS`].
pub(super) fn header_from_row(row: &dyn Columns) -> Sql<Header> {
    Ok(Header {
        info: from_row(row)?,
        revision: row.int(10)?,
    })
}

/// Reads [`COLUMNS`].
pub(super) fn from_row(row: &dyn Columns) -> Sql<RunInfo> {
    Ok(RunInfo {
        run_id: row.text(0)?,
        run_name: row.text(1)?,
        experiment_id: row.int(2)?.to_string(),
        user_id: row.text(3)?,
        status: row.word(4)?,
        start_time_ms: row.int(5)?,
        end_time_ms: row.opt_int(6)?,
        lifecycle_stage: row.word(7)?,
        artifact_uri: row.text(8)?,
        owner: row.opt_text(9)?,
    })
}

fn not_found(run_id: &str) -> TrackingError {
    TrackingError::RunNotFound {
        run_id: run_id.to_owned(),
    }
}
