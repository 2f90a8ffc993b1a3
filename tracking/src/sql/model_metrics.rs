//! Metrics that judge a logged model, in SQL.

use super::fault::Sql;
use super::logged_models;
use super::logging::{metric_from_row, to_columns};
use super::session::{Columns, Session, values};
use crate::entities::{DatasetId, ModelMetric};

/// As [`from_row`] reads them.
pub(super) const COLUMNS: &str = "data.model_id, data.run_id, data.dataset_name, data.dataset_digest, data.key, \
                                  data.timestamp_ms, data.step, data.is_nan, data.value";
/// By key, then by dataset, then by how late they are.
pub(super) const ORDER: &str = "data.key, data.dataset_name, data.dataset_digest, data.step, data.timestamp_ms, \
                                data.is_nan DESC, data.value, data.run_id";

/// Adds metrics that a run logs.
pub(super) fn add(session: &dyn Session, run_id: &str, metrics: &[ModelMetric]) -> Sql<()> {
    let mut known = None;
    for ModelMetric {
        model_id,
        dataset,
        metric,
        ..
    } in metrics
    {
        // Nearly always all of a batch are of one model.
        if known != Some(model_id) {
            logged_models::check_exists(session, model_id)?;
            known = Some(model_id);
        }
        let (name, digest) = dataset.as_ref().map_or(("", ""), |dataset| {
            (dataset.name.as_str(), dataset.digest.as_str())
        });
        let (is_nan, value) = to_columns(metric.value);
        session.execute(
            "INSERT INTO logged_model_metrics (model_id, key, dataset_name, dataset_digest, run_id, timestamp_ms, step,
                 is_nan, value)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
            values![
                model_id,
                &metric.key,
                name,
                digest,
                run_id,
                metric.timestamp_ms,
                metric.step,
                is_nan,
                value
            ],
        )?;
    }
    Ok(())
}

/// Reads [`COLUMNS`], starting at `first`.
pub(super) fn from_row(row: &dyn Columns, first: usize) -> Sql<ModelMetric> {
    let (name, digest) = (row.text(first + 2)?, row.text(first + 3)?);
    Ok(ModelMetric {
        model_id: row.text(first)?,
        run_id: row.text(first + 1)?,
        dataset: (!name.is_empty()).then_some(DatasetId { name, digest }),
        metric: metric_from_row(row, first + 4)?,
    })
}
