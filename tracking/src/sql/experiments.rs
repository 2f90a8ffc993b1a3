//! Experiments in SQL.

use super::fault::Sql;
use super::rules;
use super::session::{Columns, Session, Value, json, values};
use crate::entities::{Experiment, LifecycleStage, Tag};
use crate::error::TrackingError;
use crate::store::CreateExperiment;

/// As [`from_row`] reads them.
pub(super) const COLUMNS: &str = "e.experiment_id, e.name, e.artifact_location, e.lifecycle_stage, e.creation_time_ms, e.last_update_time_ms";

pub(super) fn create(session: &dyn Session, request: CreateExperiment, now_ms: i64) -> Sql<Experiment> {
    check_name_is_free(session, &request.name)?;
    add(session, request, now_ms)
}

pub(super) fn get_or_create(
    session: &dyn Session,
    request: CreateExperiment,
    now_ms: i64,
) -> Sql<Experiment> {
    match find_by_name(session, &request.name)? {
        Some(existing) => {
            rules::check_experiment_is_active(&existing)?;
            Ok(existing)
        }
        None => add(session, request, now_ms),
    }
}

/// Inserts an experiment that has its number already.
pub(super) fn insert(session: &dyn Session, experiment: &Experiment) -> Sql<()> {
    let number = rules::experiment_number(&experiment.experiment_id)?;
    session.execute(
        "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time_ms,
             last_update_time_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![
            number,
            &experiment.name,
            &experiment.artifact_location,
            experiment.lifecycle_stage.as_str(),
            experiment.creation_time_ms,
            experiment.last_update_time_ms,
        ],
    )?;
    experiment
        .tags
        .iter()
        .try_for_each(|tag| write_tag(session, number, tag))
}

pub(super) fn get(session: &dyn Session, experiment_id: &str) -> Sql<Experiment> {
    let number = rules::experiment_number(experiment_id)?;
    let found = find(session, "e.experiment_id = ?1", Value::Int(number))?;
    found.ok_or_else(|| {
        TrackingError::ExperimentNotFound {
            experiment: experiment_id.to_owned(),
        }
        .into()
    })
}

pub(super) fn find_by_name(session: &dyn Session, name: &str) -> Sql<Option<Experiment>> {
    find(session, "e.name = ?1", Value::Text(name))
}

pub(super) fn rename(session: &dyn Session, experiment_id: &str, name: &str, now_ms: i64) -> Sql<()> {
    let experiment = get(session, experiment_id)?;
    if experiment.lifecycle_stage == LifecycleStage::Deleted {
        return Err(TrackingError::WrongState {
            message: "Cannot rename a non-active experiment.".to_owned(),
        }
        .into());
    }
    if experiment.name != name {
        check_name_is_free(session, name)?;
    }
    session.execute(
        "UPDATE experiments SET name = ?2, last_update_time_ms = ?3 WHERE experiment_id = ?1",
        values![rules::experiment_number(experiment_id)?, name, now_ms],
    )?;
    Ok(())
}

pub(super) fn set_tag(session: &dyn Session, experiment_id: &str, tag: &Tag, now_ms: i64) -> Sql<()> {
    let number = active_number(session, experiment_id)?;
    write_tag(session, number, tag)?;
    touch(session, number, now_ms)
}

pub(super) fn delete_tag(session: &dyn Session, experiment_id: &str, key: &str, now_ms: i64) -> Sql<()> {
    let number = active_number(session, experiment_id)?;
    let deleted = session.execute(
        "DELETE FROM experiment_tags WHERE experiment_id = ?1 AND key = ?2",
        values![number, key],
    )?;
    if deleted == 0 {
        return Err(TrackingError::not_found(format!(
            "No tag with name: {key} in experiment with id {experiment_id}"
        ))
        .into());
    }
    touch(session, number, now_ms)
}

/// Moves the experiment and all its runs to the stage, if it is not there yet.
pub(super) fn move_to(
    session: &dyn Session,
    experiment_id: &str,
    stage: LifecycleStage,
    now_ms: i64,
) -> Sql<()> {
    if get(session, experiment_id)?.lifecycle_stage == stage {
        return Ok(());
    }
    let number = rules::experiment_number(experiment_id)?;
    session.execute(
        "UPDATE experiments SET lifecycle_stage = ?2, last_update_time_ms = ?3 WHERE experiment_id = ?1",
        values![number, stage.as_str(), now_ms],
    )?;
    session.execute(
        "UPDATE runs SET lifecycle_stage = ?2 WHERE experiment_id = ?1",
        values![number, stage.as_str()],
    )?;
    Ok(())
}

/// Reads [`COLUMNS`]; the tags are missing.
pub(super) fn from_row(row: &dyn Columns) -> Sql<Experiment> {
    Ok(Experiment {
        experiment_id: row.int(0)?.to_string(),
        name: row.text(1)?,
        artifact_location: row.text(2)?,
        lifecycle_stage: row.word(3)?,
        creation_time_ms: row.int(4)?,
        last_update_time_ms: row.int(5)?,
        tags: Vec::new(),
    })
}

/// Reads the tags of all these experiments in one query.
pub(super) fn add_tags(session: &dyn Session, experiments: &mut [Experiment]) -> Sql<()> {
    let ids = json(
        experiments
            .iter()
            .map(|experiment| experiment.experiment_id.as_str()),
    );
    let (list, join) = (session.dialect().list("?1", "ids"), session.dialect().list_join());
    let sql = format!(
        "SELECT ids.key, data.key, data.value
         FROM {list} {join} experiment_tags AS data ON data.experiment_id = CAST(ids.value AS BIGINT)
         ORDER BY ids.key, data.key"
    );
    session.for_each(&sql, values![&ids], &mut |row| {
        experiments[row.place(0)?].tags.push(Tag {
            key: row.text(1)?,
            value: row.text(2)?,
        });
        Ok(())
    })
}

fn add(session: &dyn Session, request: CreateExperiment, now_ms: i64) -> Sql<Experiment> {
    // Counted apart from the table: a number must not come back after a purge, because artifacts lie under it.
    let number = session.first(
        "UPDATE counters SET latest = latest + 1 WHERE name = 'experiments' RETURNING latest",
        &[],
        |row| row.int(0),
    )?;
    let number =
        number.ok_or_else(|| TrackingError::invalid("database", "it does not count its experiments"))?;
    let experiment = rules::new_experiment(number, request, now_ms);
    insert(session, &experiment)?;
    Ok(experiment)
}

fn find(session: &dyn Session, condition: &str, value: Value<'_>) -> Sql<Option<Experiment>> {
    let sql = format!("SELECT {COLUMNS} FROM experiments AS e WHERE {condition}");
    let mut found = Vec::from_iter(session.first(&sql, &[value], from_row)?);
    add_tags(session, &mut found)?;
    Ok(found.pop())
}

fn check_name_is_free(session: &dyn Session, name: &str) -> Sql<()> {
    match find_by_name(session, name)? {
        Some(existing) => Err(rules::experiment_exists(existing).into()),
        None => Ok(()),
    }
}

fn active_number(session: &dyn Session, experiment_id: &str) -> Sql<i64> {
    rules::check_experiment_is_active(&get(session, experiment_id)?)?;
    Ok(rules::experiment_number(experiment_id)?)
}

fn write_tag(session: &dyn Session, number: i64, tag: &Tag) -> Sql<()> {
    session.execute(
        "INSERT INTO experiment_tags (experiment_id, key, value) VALUES (?1, ?2, ?3)
         ON CONFLICT (experiment_id, key) DO UPDATE SET value = excluded.value",
        values![number, &tag.key, &tag.value],
    )?;
    Ok(())
}

fn touch(session: &dyn Session, number: i64, now_ms: i64) -> Sql<()> {
    session.execute(
        "UPDATE experiments SET last_update_time_ms = ?2 WHERE experiment_id = ?1",
        values![number, now_ms],
    )?;
    Ok(())
}
