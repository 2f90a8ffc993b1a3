//! What is logged to a run, in SQL: parameters, tags, and metric curves with their latest points.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fault::Sql;
use super::runs;
use crate::entities::{Metric, Param, Tag};
use crate::page::{HistoryCursor, Page};
use crate::store::{MetricHistory, rules};
use crate::validate::ValidBatch;

/// The latest point of a curve, as [`metric_from_row`] reads it.
pub(super) const LATEST_COLUMNS: &str =
    "data.key, data.latest_timestamp_ms, data.latest_step, data.latest_is_nan, data.latest_value";

/// Logs the batch. Runs behind a savepoint: an error leaves nothing of it.
pub(super) fn log_batch(connection: &Connection, run_id: &str, batch: &ValidBatch) -> Sql<()> {
    let mut info = runs::get_active_info(connection, run_id)?;
    add_params(connection, run_id, &batch.params)?;
    if let Some(name) = batch.new_run_name() {
        info.run_name = name.to_owned();
        runs::write_info(connection, &info)?;
    }
    set_tags(connection, run_id, &batch.tags)?;

    let mut points_by_key: BTreeMap<&str, Vec<&Metric>> = BTreeMap::new();
    for metric in &batch.metrics {
        points_by_key.entry(&metric.key).or_default().push(metric);
    }
    for (key, points) in points_by_key {
        add_points(connection, run_id, key, &points)?;
    }
    Ok(())
}

pub(super) fn set_tags(connection: &Connection, run_id: &str, tags: &[Tag]) -> Sql<()> {
    let mut set = connection.prepare_cached(
        "INSERT INTO tags (run_id, key, value) VALUES (?1, ?2, ?3)
         ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value",
    )?;
    for tag in tags {
        set.execute(params![run_id, tag.key, tag.value])?;
    }
    Ok(())
}

pub(super) fn history(
    connection: &Connection,
    request: &MetricHistory,
    cursor: Option<HistoryCursor>,
) -> Sql<Page<Metric>> {
    runs::get_info(connection, &request.run_id)?;
    // Before the first point of all: smaller than any timestamp a batch may have.
    let start = HistoryCursor {
        timestamp_ms: -1,
        step: 0,
        value: 0.0,
    };
    let after = cursor.unwrap_or(start);
    let (is_nan, value) = to_columns(after.value);
    let points = connection
        .prepare_cached(
            "SELECT key, timestamp_ms, step, is_nan, value FROM curves JOIN points USING (curve_id)
             WHERE run_id = ?1 AND key = ?2 AND (timestamp_ms, step, is_nan, value) > (?3, ?4, ?5, ?6)
             ORDER BY timestamp_ms, step, is_nan, value LIMIT ?7",
        )?
        .query_map(
            params![
                request.run_id,
                request.key,
                after.timestamp_ms,
                after.step,
                is_nan,
                value,
                request.max_results as i64 + 1
            ],
            |row| metric_from_row(row, 0),
        )?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(Page::from_lookahead(
        points,
        request.max_results,
        HistoryCursor::token_after,
    ))
}

/// Reads key, timestamp, step, is_nan and value from the columns starting at `first`.
pub(super) fn metric_from_row(row: &Row<'_>, first: usize) -> rusqlite::Result<Metric> {
    let is_nan: bool = row.get(first + 3)?;
    Ok(Metric {
        key: row.get(first)?,
        value: if is_nan { f64::NAN } else { row.get(first + 4)? },
        timestamp_ms: row.get(first + 1)?,
        step: row.get(first + 2)?,
    })
}

fn add_params(connection: &Connection, run_id: &str, params: &[Param]) -> Sql<()> {
    let mut find = connection.prepare_cached("SELECT value FROM params WHERE run_id = ?1 AND key = ?2")?;
    let mut add = connection.prepare_cached("INSERT INTO params (run_id, key, value) VALUES (?1, ?2, ?3)")?;
    for Param { key, value } in params {
        let stored: Option<String> = find
            .query_row(params![run_id, key], |row| row.get(0))
            .optional()?;
        match stored {
            None => {
                add.execute(params![run_id, key, value])?;
            }
            Some(stored) if stored == *value => {}
            Some(stored) => return Err(rules::param_changed(run_id, key, &stored, value).into()),
        }
    }
    Ok(())
}

/// Adds points to one curve; `points` is not empty.
fn add_points(connection: &Connection, run_id: &str, key: &str, points: &[&Metric]) -> Sql<()> {
    let newest = points
        .iter()
        .copied()
        .max_by(|a, b| a.cmp_latest(b))
        .expect("a key is grouped with its points");
    let curve_id = raise_latest(connection, run_id, key, newest)?;
    let mut add = connection.prepare_cached(
        "INSERT INTO points (curve_id, timestamp_ms, step, is_nan, value) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO NOTHING",
    )?;
    for point in points {
        let (is_nan, value) = to_columns(point.value);
        add.execute(params![curve_id, point.timestamp_ms, point.step, is_nan, value])?;
    }
    Ok(())
}

/// Makes sure that the curve exists and that its latest point is not before `newest`. Returns the curve's id.
fn raise_latest(connection: &Connection, run_id: &str, key: &str, newest: &Metric) -> Sql<i64> {
    let stored = connection
        .prepare_cached(&format!(
            "SELECT curve_id, {LATEST_COLUMNS} FROM curves AS data WHERE run_id = ?1 AND key = ?2"
        ))?
        .query_row([run_id, key], |row| {
            Ok((row.get::<_, i64>(0)?, metric_from_row(row, 1)?))
        })
        .optional()?;
    if let Some((curve_id, latest)) = stored
        && newest.cmp_latest(&latest) != Ordering::Greater
    {
        return Ok(curve_id);
    }
    let (is_nan, value) = to_columns(newest.value);
    let curve_id = connection
        .prepare_cached(
            "INSERT INTO curves (run_id, key, latest_timestamp_ms, latest_step, latest_is_nan, latest_value)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (run_id, key) DO UPDATE SET
                 latest_timestamp_ms = excluded.latest_timestamp_ms, latest_step = excluded.latest_step,
                 latest_is_nan = excluded.latest_is_nan, latest_value = excluded.latest_value
             RETURNING curve_id",
        )?
        .query_row(
            params![run_id, key, newest.timestamp_ms, newest.step, is_nan, value],
            |row| row.get(0),
        )?;
    Ok(curve_id)
}

/// SQLite turns NaN into NULL, and it would not be equal to itself in a key: it travels as a flag and a zero.
fn to_columns(value: f64) -> (bool, f64) {
    if value.is_nan() {
        (true, 0.0)
    } else {
        (false, value)
    }
}
