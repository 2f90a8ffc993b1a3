//! Parts that several requests have in common, read into entities.

use super::error::ApiError;
use super::fields::Fields;
use crate::entities::{DatasetId, Metric, ModelMetric, Param, Stage, Tag, ViewType};
use crate::store::{LogBatch, Search};

const VIEW_TYPES: [(&str, i64, ViewType); 3] = [
    ("ACTIVE_ONLY", 1, ViewType::ActiveOnly),
    ("DELETED_ONLY", 2, ViewType::DeletedOnly),
    ("ALL", 3, ViewType::All),
];

pub(super) fn tags(fields: &mut Fields) -> Result<Vec<Tag>, ApiError> {
    fields.objects("tags")?.iter_mut().map(tag).collect()
}

pub(super) fn tag(fields: &mut Fields) -> Result<Tag, ApiError> {
    Ok(Tag {
        key: fields.required("key")?,
        value: fields.text_or_empty("value")?,
    })
}

pub(super) fn params(fields: &mut Fields) -> Result<Vec<Param>, ApiError> {
    fields.objects("params")?.iter_mut().map(param).collect()
}

pub(super) fn param(fields: &mut Fields) -> Result<Param, ApiError> {
    Ok(Param {
        key: fields.required("key")?,
        value: fields.text_or_empty("value")?,
    })
}

/// Reads one metric into the batch: the point, and whether it judges a model.
pub(super) fn metric(fields: &mut Fields, run_id: &str, batch: &mut LogBatch) -> Result<(), ApiError> {
    let metric = Metric {
        key: fields.required("key")?,
        value: fields.required_double("value")?,
        timestamp_ms: fields.required_int("timestamp")?,
        step: fields.int("step")?.unwrap_or(0),
    };
    if let Some(model_id) = fields.some_text("model_id")? {
        let dataset = match fields.some_text("dataset_name")? {
            Some(name) => Some(DatasetId {
                name,
                digest: fields.text_or_empty("dataset_digest")?,
            }),
            None => None,
        };
        batch.model_metrics.push(ModelMetric {
            model_id,
            run_id: run_id.to_owned(),
            dataset,
            metric: metric.clone(),
        });
    }
    batch.metrics.push(metric);
    Ok(())
}

pub(super) fn view_type(fields: &mut Fields, name: &str) -> Result<ViewType, ApiError> {
    Ok(fields.word(name, &VIEW_TYPES)?.unwrap_or_default())
}

/// Reads a search with an order in words.
pub(super) fn search(fields: &mut Fields, default: usize, limit: usize) -> Result<Search, ApiError> {
    Ok(Search {
        filter: fields.text_or_empty("filter")?,
        order_by: fields.texts("order_by")?,
        max_results: fields.max_results(default, limit)?,
        page_token: fields.some_text("page_token")?,
    })
}

/// Reads the id of an experiment.
pub(super) fn experiment_id(fields: &mut Fields) -> Result<String, ApiError> {
    let id = fields.required("experiment_id")?;
    check_experiment_id(&id)?;
    Ok(id)
}

/// Reads the ids of the experiments to search in; a missing list is empty.
pub(super) fn experiment_ids(fields: &mut Fields) -> Result<Vec<String>, ApiError> {
    let ids = fields.texts("experiment_ids")?;
    ids.iter().try_for_each(|id| check_experiment_id(id))?;
    Ok(ids)
}

/// To a store an id that is no number is one that is not there; MLflow calls it wrong.
fn check_experiment_id(id: &str) -> Result<(), ApiError> {
    if id.parse::<i64>().is_ok() {
        return Ok(());
    }
    let shown: String = id.chars().take(40).collect();
    Err(ApiError::invalid(format!(
        "Invalid experiment ID '{shown}'. Experiment ID must be a valid integer."
    )))
}

/// Reads the number of a model version, which is a text on MLflow's wire.
pub(super) fn version(fields: &mut Fields) -> Result<u32, ApiError> {
    version_number(&fields.required("version")?)
}

pub(super) fn version_number(text: &str) -> Result<u32, ApiError> {
    text.trim().parse().map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        ApiError::invalid(format!("Parameter 'version' must be an integer, got '{shown}'."))
    })
}

pub(super) fn stage(text: &str) -> Result<Stage, ApiError> {
    Ok(text.parse::<Stage>()?)
}
