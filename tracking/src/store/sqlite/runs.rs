//! Runs in SQL: their headers, and how they are put together with what was logged to them.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::fault::Sql;
use super::text::{in_text, json};
use super::{experiments, logging};
use crate::entities::{
    LifecycleStage, Param, Run, RunInfo, RunStatus, TAG_END_REASON, TAG_RUN_NAME, Tag, ViewType,
};
use crate::error::TrackingError;
use crate::page::{Page, RunCursor};
use crate::store::rules::{self, RunIdentity};
use crate::store::{CloseOrphans, CreateRun, ListRuns, UpdateRun};

const COLUMNS: &str = "run_id, run_name, experiment_id, user_id, status, start_time_ms, end_time_ms, lifecycle_stage, \
                       artifact_uri, owner";

pub(super) fn create(connection: &Connection, identity: RunIdentity, request: CreateRun) -> Sql<Run> {
    if let Some(parent) = &request.parent_run_id {
        get_info(connection, parent)?;
    }
    let experiment = experiments::get(connection, &request.experiment_id)?;
    rules::check_experiment_is_active(&experiment)?;
    let run = rules::new_run(identity, request, &experiment);
    write_info(connection, &run.info)?;
    logging::set_tags(connection, &run.info.run_id, &run.tags)?;
    Ok(run)
}

pub(super) fn get(connection: &Connection, run_id: &str) -> Sql<Run> {
    let info = get_info(connection, run_id)?;
    let mut runs = with_data(connection, vec![info])?;
    Ok(runs.pop().expect("one header in, one run out"))
}

pub(super) fn get_info(connection: &Connection, run_id: &str) -> Sql<RunInfo> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM runs WHERE run_id = ?1"))?
        .query_row([run_id], from_row)
        .optional()?
        .ok_or_else(|| {
            TrackingError::RunNotFound {
                run_id: run_id.to_owned(),
            }
            .into()
        })
}

pub(super) fn get_active_info(connection: &Connection, run_id: &str) -> Sql<RunInfo> {
    let info = get_info(connection, run_id)?;
    rules::check_run_is_active(&info)?;
    Ok(info)
}

pub(super) fn update(connection: &Connection, run_id: &str, change: UpdateRun) -> Sql<RunInfo> {
    let mut info = get_active_info(connection, run_id)?;
    rules::update(&mut info, change);
    write_info(connection, &info)?;
    logging::set_tags(connection, run_id, &[Tag::new(TAG_RUN_NAME, &info.run_name)])?;
    Ok(info)
}

pub(super) fn move_to(connection: &Connection, run_id: &str, stage: LifecycleStage) -> Sql<()> {
    let mut info = get_info(connection, run_id)?;
    info.lifecycle_stage = stage;
    write_info(connection, &info)
}

pub(super) fn list(connection: &Connection, request: &ListRuns, cursor: Option<RunCursor>) -> Sql<Page<Run>> {
    let mut conditions = vec!["TRUE"];
    let mut values: Vec<(&str, Box<dyn ToSql>)> = vec![(":limit", Box::new(request.max_results as i64 + 1))];
    match request.view {
        ViewType::ActiveOnly => conditions.push("lifecycle_stage = 'active'"),
        ViewType::DeletedOnly => conditions.push("lifecycle_stage = 'deleted'"),
        ViewType::All => {}
    }
    if !request.experiment_ids.is_empty() {
        // An id that is not a number belongs to no experiment, so it finds nothing.
        let numbers = request
            .experiment_ids
            .iter()
            .filter_map(|id| rules::experiment_number(id).ok());
        if let [number] = numbers.clone().collect::<Vec<i64>>()[..] {
            // The usual case gets the form that an index answers in order, page by page, without sorting.
            conditions.push("experiment_id = :experiment");
            values.push((":experiment", Box::new(number)));
        } else {
            conditions.push("experiment_id IN (SELECT value FROM json_each(:experiments))");
            values.push((
                ":experiments",
                Box::new(serde_json::Value::from_iter(numbers).to_string()),
            ));
        }
    }
    if !request.statuses.is_empty() {
        conditions.push("status IN (SELECT value FROM json_each(:statuses))");
        values.push((
            ":statuses",
            Box::new(json(request.statuses.iter().map(|status| status.as_str()))),
        ));
    }
    if let Some(RunCursor {
        start_time_ms,
        run_id,
    }) = cursor
    {
        conditions.push("start_time_ms <= :start AND (start_time_ms < :start OR run_id > :run)");
        values.push((":start", Box::new(start_time_ms)));
        values.push((":run", Box::new(run_id)));
    }
    let bound: Vec<(&str, &dyn ToSql)> = values.iter().map(|(name, value)| (*name, &**value)).collect();
    let infos = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM runs WHERE {} ORDER BY start_time_ms DESC, run_id LIMIT :limit",
            conditions.join(" AND ")
        ))?
        .query_map(&bound[..], from_row)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let runs = with_data(connection, infos)?;
    Ok(Page::from_lookahead(
        runs,
        request.max_results,
        RunCursor::token_after,
    ))
}

pub(super) fn close_orphans(connection: &Connection, request: &CloseOrphans) -> Sql<Vec<String>> {
    let open = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM runs WHERE status IN ('RUNNING', 'SCHEDULED') AND owner IS NOT NULL"
        ))?
        .query_map([], from_row)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    // Sorted below and not in SQL, which would then walk all runs in order instead of the open ones.
    let mut closed = Vec::new();
    for mut info in open
        .into_iter()
        .filter(|info| request.owners.include(info.owner.as_deref()))
    {
        rules::update(&mut info, UpdateRun::end(RunStatus::Failed, request.end_time_ms));
        write_info(connection, &info)?;
        logging::set_tags(
            connection,
            &info.run_id,
            &[Tag::new(TAG_END_REASON, &request.reason)],
        )?;
        closed.push(info.run_id);
    }
    closed.sort();
    Ok(closed)
}

/// Inserts the header, or replaces it.
pub(super) fn write_info(connection: &Connection, info: &RunInfo) -> Sql<()> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO runs ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (run_id) DO UPDATE SET run_name = excluded.run_name, status = excluded.status,
                 end_time_ms = excluded.end_time_ms, lifecycle_stage = excluded.lifecycle_stage,
                 owner = excluded.owner"
        ))?
        .execute(params![
            info.run_id,
            info.run_name,
            rules::experiment_number(&info.experiment_id)?,
            info.user_id,
            info.status.as_str(),
            info.start_time_ms,
            info.end_time_ms,
            info.lifecycle_stage.as_str(),
            info.artifact_uri,
            info.owner,
        ])?;
    Ok(())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<RunInfo> {
    Ok(RunInfo {
        run_id: row.get(0)?,
        run_name: row.get(1)?,
        experiment_id: row.get::<_, i64>(2)?.to_string(),
        user_id: row.get(3)?,
        status: in_text(row, 4)?,
        start_time_ms: row.get(5)?,
        end_time_ms: row.get(6)?,
        lifecycle_stage: in_text(row, 7)?,
        artifact_uri: row.get(8)?,
        owner: row.get(9)?,
    })
}

/// Adds the latest metrics, parameters and tags: three queries for any number of runs.
fn with_data(connection: &Connection, infos: Vec<RunInfo>) -> Sql<Vec<Run>> {
    let ids = json(infos.iter().map(|info| info.run_id.as_str()));
    let empty = |info| Run {
        info,
        metrics: Vec::new(),
        params: Vec::new(),
        tags: Vec::new(),
    };
    let mut runs: Vec<Run> = infos.into_iter().map(empty).collect();

    for_each_of(
        connection,
        "curves",
        logging::LATEST_COLUMNS,
        &ids,
        |place, row| {
            runs[place].metrics.push(logging::metric_from_row(row, 1)?);
            Ok(())
        },
    )?;
    for_each_of(
        connection,
        "params",
        "data.key, data.value",
        &ids,
        |place, row| {
            runs[place].params.push(Param {
                key: row.get(1)?,
                value: row.get(2)?,
            });
            Ok(())
        },
    )?;
    for_each_of(connection, "tags", "data.key, data.value", &ids, |place, row| {
        runs[place].tags.push(Tag {
            key: row.get(1)?,
            value: row.get(2)?,
        });
        Ok(())
    })?;
    Ok(runs)
}

/// Calls `visit` with every row of the table that belongs to one of the runs, and that run's place in `ids`. The
/// row's columns start at 1.
fn for_each_of(
    connection: &Connection,
    table: &str,
    columns: &str,
    ids: &str,
    mut visit: impl FnMut(usize, &Row<'_>) -> rusqlite::Result<()>,
) -> Sql<()> {
    // CROSS JOIN keeps the list outside: a look-up per run, instead of a look at every row of the table.
    let mut statement = connection.prepare_cached(&format!(
        "SELECT ids.key, {columns} FROM json_each(?1) AS ids CROSS JOIN {table} AS data ON data.run_id = ids.value
         ORDER BY ids.key, data.key"
    ))?;
    let mut rows = statement.query([ids])?;
    while let Some(row) = rows.next()? {
        visit(row.get(0)?, row)?;
    }
    Ok(())
}
