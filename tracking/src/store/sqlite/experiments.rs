//! Experiments in SQL.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fault::Sql;
use super::text::{in_text, json};
use crate::entities::{Experiment, LifecycleStage, Tag, ViewType};
use crate::error::TrackingError;
use crate::page::{ExperimentCursor, Page};
use crate::store::{CreateExperiment, ListExperiments, rules};

const COLUMNS: &str =
    "experiment_id, name, artifact_location, lifecycle_stage, creation_time_ms, last_update_time_ms";

pub(super) fn create(connection: &Connection, request: CreateExperiment, now_ms: i64) -> Sql<Experiment> {
    if let Some(existing) = find_by_name(connection, &request.name)? {
        return Err(rules::experiment_exists(existing).into());
    }
    add(connection, request, now_ms)
}

pub(super) fn get_or_create(
    connection: &Connection,
    request: CreateExperiment,
    now_ms: i64,
) -> Sql<Experiment> {
    match find_by_name(connection, &request.name)? {
        Some(existing) => {
            rules::check_experiment_is_active(&existing)?;
            Ok(existing)
        }
        None => add(connection, request, now_ms),
    }
}

/// Inserts an experiment that has its number already.
pub(super) fn insert(connection: &Connection, experiment: &Experiment) -> Sql<()> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO experiments ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
        ))?
        .execute(params![
            rules::experiment_number(&experiment.experiment_id)?,
            experiment.name,
            experiment.artifact_location,
            experiment.lifecycle_stage.as_str(),
            experiment.creation_time_ms,
            experiment.last_update_time_ms,
        ])?;
    let mut insert_tag = connection
        .prepare_cached("INSERT INTO experiment_tags (experiment_id, key, value) VALUES (?1, ?2, ?3)")?;
    for tag in &experiment.tags {
        insert_tag.execute(params![
            rules::experiment_number(&experiment.experiment_id)?,
            tag.key,
            tag.value
        ])?;
    }
    Ok(())
}

pub(super) fn get(connection: &Connection, experiment_id: &str) -> Sql<Experiment> {
    let number = rules::experiment_number(experiment_id)?;
    let found = find(connection, "experiment_id = ?1", number)?;
    found.ok_or_else(|| {
        TrackingError::ExperimentNotFound {
            experiment: experiment_id.to_owned(),
        }
        .into()
    })
}

pub(super) fn find_by_name(connection: &Connection, name: &str) -> Sql<Option<Experiment>> {
    find(connection, "name = ?1", name)
}

pub(super) fn list(
    connection: &Connection,
    request: &ListExperiments,
    cursor: Option<ExperimentCursor>,
) -> Sql<Page<Experiment>> {
    let view = match request.view {
        ViewType::ActiveOnly => "lifecycle_stage = 'active'",
        ViewType::DeletedOnly => "lifecycle_stage = 'deleted'",
        ViewType::All => "TRUE",
    };
    let mut experiments = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM experiments WHERE {view} AND experiment_id < ?1
             ORDER BY experiment_id DESC LIMIT ?2"
        ))?
        .query_map(
            params![
                cursor.map_or(i64::MAX, |cursor| cursor.number),
                request.max_results as i64 + 1
            ],
            from_row,
        )?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    add_tags(connection, &mut experiments)?;
    Ok(Page::from_lookahead(
        experiments,
        request.max_results,
        ExperimentCursor::token_after,
    ))
}

/// Moves the experiment and all its runs to the stage, if it is not there yet.
pub(super) fn move_to(
    connection: &Connection,
    experiment_id: &str,
    stage: LifecycleStage,
    now_ms: i64,
) -> Sql<()> {
    if get(connection, experiment_id)?.lifecycle_stage == stage {
        return Ok(());
    }
    let number = rules::experiment_number(experiment_id)?;
    connection.execute(
        "UPDATE experiments SET lifecycle_stage = ?2, last_update_time_ms = ?3 WHERE experiment_id = ?1",
        params![number, stage.as_str(), now_ms],
    )?;
    connection.execute(
        "UPDATE runs SET lifecycle_stage = ?2 WHERE experiment_id = ?1",
        params![number, stage.as_str()],
    )?;
    Ok(())
}

fn add(connection: &Connection, request: CreateExperiment, now_ms: i64) -> Sql<Experiment> {
    // The number is in the artifact location, so it has to be known before the row is written. The writer holds the
    // file's write lock: nobody takes the number in between. AUTOINCREMENT notes it as used.
    let number = connection
        .prepare_cached("SELECT seq + 1 FROM sqlite_sequence WHERE name = 'experiments'")?
        .query_row([], |row| row.get(0))?;
    let experiment = rules::new_experiment(number, request, now_ms);
    insert(connection, &experiment)?;
    Ok(experiment)
}

fn find(connection: &Connection, condition: &str, value: impl rusqlite::ToSql) -> Sql<Option<Experiment>> {
    let found = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM experiments WHERE {condition}"))?
        .query_row([value], from_row)
        .optional()?;
    let mut found = Vec::from_iter(found);
    add_tags(connection, &mut found)?;
    Ok(found.pop())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Experiment> {
    Ok(Experiment {
        experiment_id: row.get::<_, i64>(0)?.to_string(),
        name: row.get(1)?,
        artifact_location: row.get(2)?,
        lifecycle_stage: in_text(row, 3)?,
        creation_time_ms: row.get(4)?,
        last_update_time_ms: row.get(5)?,
        tags: Vec::new(),
    })
}

/// Reads the tags of all these experiments in one query.
fn add_tags(connection: &Connection, experiments: &mut [Experiment]) -> Sql<()> {
    let ids = json(
        experiments
            .iter()
            .map(|experiment| experiment.experiment_id.as_str()),
    );
    let mut statement = connection.prepare_cached(
        "SELECT ids.key, tags.key, tags.value
         FROM json_each(?1) AS ids CROSS JOIN experiment_tags AS tags ON tags.experiment_id = CAST(ids.value AS INTEGER)
         ORDER BY ids.key, tags.key",
    )?;
    let mut rows = statement.query([ids])?;
    while let Some(row) = rows.next()? {
        let place: usize = row.get(0)?;
        experiments[place].tags.push(Tag {
            key: row.get(1)?,
            value: row.get(2)?,
        });
    }
    Ok(())
}
