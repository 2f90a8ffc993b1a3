//! Metric curves in SQL: every point once, and beside them the latest point, the extremes and the number of points.

use std::cmp::Ordering;

use super::fault::Sql;
use super::logging::{LATEST_COLUMNS, metric_from_row, to_columns};
use super::runs;
use super::session::{Columns, Session, values};
use crate::entities::{Extreme, Metric, MetricSummary};
use crate::error::TrackingError;
use crate::page::{HistoryCursor, Page};
use crate::store::MetricHistory;

const SUMMARY_COLUMNS: &str =
    "data.point_count, data.min_value, data.min_step, data.max_value, data.max_step";

/// Adds points to one curve; `points` is not empty.
pub(super) fn add_points(session: &dyn Session, run_id: &str, key: &str, points: &[&Metric]) -> Sql<()> {
    let (curve_id, before) = match find(session, run_id, key)? {
        Some(found) => found,
        None => start(session, run_id, points[0])?,
    };
    let mut summary = before.clone();
    for point in points {
        let (is_nan, value) = to_columns(point.value);
        let is_new = session.execute(
            "INSERT INTO points (curve_id, timestamp_ms, step, is_nan, value) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING",
            values![curve_id, point.timestamp_ms, point.step, is_nan, value],
        )?;
        if is_new > 0 {
            include(&mut summary, point);
        }
    }
    // The number of points tells: what was there before changes nothing.
    if summary.count == before.count {
        return Ok(());
    }
    write(session, curve_id, &summary)
}

pub(super) fn history(
    session: &dyn Session,
    request: &MetricHistory,
    cursor: Option<HistoryCursor>,
) -> Sql<Page<Metric>> {
    runs::get_info(session, &request.run_id)?;
    // Before the first point of all: smaller than any timestamp a batch may have.
    let start = HistoryCursor {
        timestamp_ms: -1,
        step: 0,
        value: 0.0,
    };
    let after = cursor.unwrap_or(start);
    let (is_nan, value) = to_columns(after.value);
    let points = session.all(
        "SELECT c.key, p.timestamp_ms, p.step, p.is_nan, p.value
         FROM curves AS c JOIN points AS p ON p.curve_id = c.curve_id
         WHERE c.run_id = ?1 AND c.key = ?2 AND (p.timestamp_ms, p.step, p.is_nan, p.value) > (?3, ?4, ?5, ?6)
         ORDER BY p.timestamp_ms, p.step, p.is_nan, p.value LIMIT ?7",
        values![
            &request.run_id,
            &request.key,
            after.timestamp_ms,
            after.step,
            is_nan,
            value,
            request.max_results as i64 + 1
        ],
        |row| metric_from_row(row, 0),
    )?;
    Ok(Page::from_lookahead(
        points,
        request.max_results,
        HistoryCursor::token_after,
    ))
}

pub(super) fn summaries(session: &dyn Session, run_id: &str) -> Sql<Vec<MetricSummary>> {
    runs::get_info(session, run_id)?;
    let sql = format!(
        "SELECT {LATEST_COLUMNS}, {SUMMARY_COLUMNS} FROM curves AS data WHERE data.run_id = ?1 ORDER BY data.key"
    );
    session.all(&sql, values![run_id], |row| summary_from_row(row, 0))
}

/// Counts a point that the curve did not have.
fn include(summary: &mut MetricSummary, point: &Metric) {
    summary.count += 1;
    if point.cmp_latest(&summary.latest) == Ordering::Greater {
        summary.latest = point.clone();
    }
    if point.value.is_nan() {
        return;
    }
    let extreme = Extreme {
        value: point.value,
        step: point.step,
    };
    let is_better = |old: &Option<Extreme>, side: Ordering| {
        old.is_none_or(|old| {
            let by_value = extreme.value.total_cmp(&old.value);
            by_value == side || (by_value == Ordering::Equal && extreme.step < old.step)
        })
    };
    if is_better(&summary.min, Ordering::Less) {
        summary.min = Some(extreme);
    }
    if is_better(&summary.max, Ordering::Greater) {
        summary.max = Some(extreme);
    }
}

fn find(session: &dyn Session, run_id: &str, key: &str) -> Sql<Option<(i64, MetricSummary)>> {
    let sql = format!(
        "SELECT data.curve_id, {LATEST_COLUMNS}, {SUMMARY_COLUMNS} FROM curves AS data
         WHERE data.run_id = ?1 AND data.key = ?2"
    );
    session.first(&sql, values![run_id, key], |row| {
        Ok((row.int(0)?, summary_from_row(row, 1)?))
    })
}

/// Makes a curve without points. `first` is one that is about to come: it stands in for the latest.
fn start(session: &dyn Session, run_id: &str, first: &Metric) -> Sql<(i64, MetricSummary)> {
    let (is_nan, value) = to_columns(first.value);
    let curve_id = session.first(
        "INSERT INTO curves (run_id, experiment_id, key, latest_timestamp_ms, latest_step, latest_is_nan, latest_value)
         VALUES (?1, (SELECT r.experiment_id FROM runs AS r WHERE r.run_id = ?1), ?2, ?3, ?4, ?5, ?6)
         RETURNING curve_id",
        values![run_id, &first.key, first.timestamp_ms, first.step, is_nan, value],
        |row| row.int(0),
    )?;
    let curve_id = curve_id.ok_or_else(|| TrackingError::invalid("curve", "the database gave it no id"))?;
    let summary = MetricSummary {
        key: first.key.clone(),
        count: 0,
        latest: first.clone(),
        min: None,
        max: None,
    };
    Ok((curve_id, summary))
}

fn write(session: &dyn Session, curve_id: i64, summary: &MetricSummary) -> Sql<()> {
    let (is_nan, value) = to_columns(summary.latest.value);
    session.execute(
        "UPDATE curves SET latest_timestamp_ms = ?2, latest_step = ?3, latest_is_nan = ?4, latest_value = ?5,
             point_count = ?6, min_value = ?7, min_step = ?8, max_value = ?9, max_step = ?10
         WHERE curve_id = ?1",
        values![
            curve_id,
            summary.latest.timestamp_ms,
            summary.latest.step,
            is_nan,
            value,
            summary.count as i64,
            summary.min.map(|min| min.value),
            summary.min.map(|min| min.step),
            summary.max.map(|max| max.value),
            summary.max.map(|max| max.step),
        ],
    )?;
    Ok(())
}

fn summary_from_row(row: &dyn Columns, first: usize) -> Sql<MetricSummary> {
    let latest = metric_from_row(row, first)?;
    Ok(MetricSummary {
        key: latest.key.clone(),
        count: row.place(first + 5)? as u64,
        latest,
        min: extreme_from_row(row, first + 6)?,
        max: extreme_from_row(row, first + 8)?,
    })
}

fn extreme_from_row(row: &dyn Columns, first: usize) -> Sql<Option<Extreme>> {
    let (value, step) = (row.opt_real(first)?, row.opt_int(first + 1)?);
    Ok(value.zip(step).map(|(value, step)| Extreme { value, step }))
}
