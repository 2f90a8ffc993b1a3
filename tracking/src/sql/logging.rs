//! What is logged to a run, in SQL: a batch, parameters and tags.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::fault::Sql;
use super::session::{Columns, Session, values};
use super::{curves, model_metrics, rules, runs};
use crate::entities::{Metric, Param, TAG_LOGGED_MODELS, Tag};
use crate::error::TrackingError;
use crate::validate::ValidBatch;

/// The latest point of a curve, as [`metric_from_row`] reads it.
pub(super) const LATEST_COLUMNS: &str =
    "data.key, data.latest_timestamp_ms, data.latest_step, data.latest_is_nan, data.latest_value";

/// Logs the batch. Runs behind a savepoint: an error leaves nothing of it.
pub(super) fn log_batch(session: &dyn Session, run_id: &str, batch: &ValidBatch) -> Sql<()> {
    let mut info = runs::start_change(session, run_id)?;
    add_params(session, run_id, &batch.params)?;
    if let Some(name) = batch.new_run_name() {
        info.run_name = name.to_owned();
        runs::write_info(session, &info)?;
    }
    set_tags(session, run_id, &batch.tags)?;

    let mut points_by_key: BTreeMap<&str, Vec<&Metric>> = BTreeMap::new();
    for metric in &batch.metrics {
        points_by_key.entry(&metric.key).or_default().push(metric);
    }
    for (key, points) in points_by_key {
        curves::add_points(session, run_id, key, &points)?;
    }
    model_metrics::add(session, run_id, &batch.model_metrics)
}

pub(super) fn set_tags(session: &dyn Session, run_id: &str, tags: &[Tag]) -> Sql<()> {
    for tag in tags {
        session.execute(
            "INSERT INTO tags (run_id, key, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value",
            values![run_id, &tag.key, &tag.value],
        )?;
    }
    Ok(())
}

pub(super) fn delete_tag(session: &dyn Session, run_id: &str, key: &str) -> Sql<()> {
    runs::start_change(session, run_id)?;
    let deleted = session.execute(
        "DELETE FROM tags WHERE run_id = ?1 AND key = ?2",
        values![run_id, key],
    )?;
    if deleted == 0 {
        return Err(
            TrackingError::not_found(format!("No tag with name: {key} in run with id {run_id}")).into(),
        );
    }
    Ok(())
}

/// Adds to the list in the tag. The tag may grow beyond the length that other tags are cut to: a list cut somewhere
/// is no list.
pub(super) fn record_model(session: &dyn Session, run_id: &str, model: Json) -> Sql<()> {
    runs::start_change(session, run_id)?;
    let stored = session.first(
        "SELECT value FROM tags WHERE run_id = ?1 AND key = ?2",
        values![run_id, TAG_LOGGED_MODELS],
        |row| row.text(0),
    )?;
    let mut models: Vec<Json> = match stored {
        None => Vec::new(),
        Some(list) => serde_json::from_str(&list).map_err(|error| TrackingError::WrongState {
            message: format!("The tag {TAG_LOGGED_MODELS} of run {run_id} is not a JSON list: {error}"),
        })?,
    };
    models.push(model);
    set_tags(
        session,
        run_id,
        &[Tag::new(TAG_LOGGED_MODELS, Json::from(models))],
    )
}

/// Reads key, timestamp, step, is_nan and value from the columns starting at `first`.
pub(super) fn metric_from_row(row: &dyn Columns, first: usize) -> Sql<Metric> {
    let is_nan = row.bool(first + 3)?;
    Ok(Metric {
        key: row.text(first)?,
        value: if is_nan { f64::NAN } else { row.real(first + 4)? },
        timestamp_ms: row.int(first + 1)?,
        step: row.int(first + 2)?,
    })
}

/// A NaN is stored as a flag and a zero: SQLite turns it into NULL, and it would not be equal to itself in a key.
pub(super) fn to_columns(value: f64) -> (bool, f64) {
    if value.is_nan() {
        (true, 0.0)
    } else {
        (false, value)
    }
}

fn add_params(session: &dyn Session, run_id: &str, params: &[Param]) -> Sql<()> {
    let mut changed = Vec::new();
    for param in params {
        let stored = session.first(
            "SELECT value FROM params WHERE run_id = ?1 AND key = ?2",
            values![run_id, &param.key],
            |row| row.text(0),
        )?;
        match stored {
            None => {
                session.execute(
                    "INSERT INTO params (run_id, key, value) VALUES (?1, ?2, ?3)",
                    values![run_id, &param.key, &param.value],
                )?;
            }
            Some(stored) if stored == param.value => {}
            Some(stored) => changed.push((param, stored)),
        }
    }
    match rules::params_changed(run_id, &changed) {
        None => Ok(()),
        Some(error) => Err(error.into()),
    }
}
