//! What is logged to a run in one call.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{check_key, check_length, cut, invalid_value, quoted};
use super::requests::check_run_name;
use super::{
    MAX_ENTITIES_PER_BATCH, MAX_METRICS_PER_BATCH, MAX_PARAM_VALUE_CHARS, MAX_PARAMS_PER_BATCH,
    MAX_TAG_VALUE_CHARS, MAX_TAGS_PER_BATCH, Result,
};
use crate::entities::{Metric, ModelMetric, Param, TAG_RUN_NAME, Tag};
use crate::error::TrackingError;
use crate::store::LogBatch;

/// A batch that can be stored as it is: names and lengths are right, parameter and tag keys are unique, every zero
/// is positive and every NaN is the same NaN.
#[derive(Debug, Clone)]
pub(crate) struct ValidBatch {
    pub(crate) metrics: Vec<Metric>,
    pub(crate) params: Vec<Param>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) model_metrics: Vec<ModelMetric>,
}

/// What happens to a value that is too long.
#[derive(Debug, Clone, Copy)]
pub(super) enum TooLong {
    Cut,
    Refuse,
}

impl ValidBatch {
    pub(crate) fn check(batch: LogBatch) -> Result<Self> {
        let LogBatch {
            metrics,
            params,
            tags,
            model_metrics,
        } = batch;
        check_count("metrics", metrics.len(), MAX_METRICS_PER_BATCH)?;
        check_count("metrics", model_metrics.len(), MAX_METRICS_PER_BATCH)?;
        check_count("params", params.len(), MAX_PARAMS_PER_BATCH)?;
        check_count("tags", tags.len(), MAX_TAGS_PER_BATCH)?;
        let total = metrics.len() + params.len() + tags.len();
        check_count("metrics, params, and tags", total, MAX_ENTITIES_PER_BATCH)?;
        // A client that logs one thing alone did not write a list.
        let place = |list: &str, place: usize, field: &str| {
            if total == 1 {
                field.to_owned()
            } else {
                format!("{list}[{place}].{field}")
            }
        };
        let metrics = metrics.into_iter().enumerate();
        let model_metrics = model_metrics.into_iter().enumerate();
        Ok(ValidBatch {
            metrics: metrics
                .map(|(at, metric)| check_metric(metric, |field| place("metrics", at, field)))
                .collect::<Result<_>>()?,
            params: check_params(params, |at, field| place("params", at, field))?,
            tags: check_tags(tags, MAX_TAG_VALUE_CHARS, TooLong::Cut, |at, field| {
                place("tags", at, field)
            })?,
            model_metrics: model_metrics
                .map(|(at, metric)| check_model_metric(metric, |field| place("metrics", at, field)))
                .collect::<Result<_>>()?,
        })
    }

    /// Returns the run's new name, if the batch sets the tag that holds it.
    pub(crate) fn new_run_name(&self) -> Option<&str> {
        run_name_tag(&self.tags)
    }
}

pub(super) fn check_count(what: &str, count: usize, max: usize) -> Result<()> {
    if count <= max {
        return Ok(());
    }
    Err(TrackingError::rejected(format!(
        "A batch logging request can contain at most {max} {what}. Got {count} {what}. Please split up {what} across \
         multiple requests and try again."
    )))
}

/// Returns the tags sorted by key; of two with one key the last counts. `place` names a field of the tag at a place.
pub(super) fn check_tags(
    tags: Vec<Tag>,
    max_value_chars: usize,
    too_long: TooLong,
    place: impl Fn(usize, &str) -> String,
) -> Result<Vec<Tag>> {
    let mut by_key = BTreeMap::new();
    for (at, tag) in tags.into_iter().enumerate() {
        let path = place(at, "key");
        check_key(&path, &path, &tag.key)?;
        if tag.key == TAG_RUN_NAME {
            check_run_name(&tag.value)?;
        }
        let value = match too_long {
            TooLong::Cut => cut(&tag.key, tag.value, max_value_chars),
            TooLong::Refuse => {
                check_length(&place(at, "value"), &tag.value, max_value_chars)?;
                tag.value
            }
        };
        by_key.insert(tag.key, value);
    }
    Ok(by_key
        .into_iter()
        .map(|(key, value)| Tag { key, value })
        .collect())
}

pub(super) fn check_param_keys(params: &[Param], place: impl Fn(usize, &str) -> String) -> Result<()> {
    let mut keys = BTreeSet::new();
    let mut repeated = Vec::new();
    for (at, param) in params.iter().enumerate() {
        check_key(&place(at, "key"), "Param key", &param.key)?;
        if !keys.insert(param.key.as_str()) {
            repeated.push(quoted(&param.key));
        }
    }
    if repeated.is_empty() {
        return Ok(());
    }
    Err(TrackingError::rejected(format!(
        "Duplicate parameter keys have been submitted: [{}]. Please ensure the request contains only one param value \
         per param key.",
        repeated.join(", ")
    )))
}

pub(super) fn run_name_tag(tags: &[Tag]) -> Option<&str> {
    tags.iter()
        .find(|tag| tag.key == TAG_RUN_NAME)
        .map(|tag| tag.value.as_str())
}

fn check_params(params: Vec<Param>, place: impl Fn(usize, &str) -> String) -> Result<Vec<Param>> {
    check_param_keys(&params, place)?;
    let params = params.into_iter().map(|param| Param {
        value: cut(&param.key, param.value, MAX_PARAM_VALUE_CHARS),
        key: param.key,
    });
    Ok(params.collect())
}

fn check_metric(mut metric: Metric, place: impl Fn(&str) -> String) -> Result<Metric> {
    check_key(&place("name"), "Metric name", &metric.key)?;
    if metric.timestamp_ms < 0 {
        return Err(TrackingError::rejected(format!(
            "Invalid value {} for parameter '{}' supplied: metric '{}' (value={}). Timestamp must be a nonnegative long \
             (64-bit integer) ",
            metric.timestamp_ms,
            place("timestamp"),
            metric.key,
            metric.value
        )));
    }
    // Databases do not tell -0.0 from 0.0, nor one NaN from another. Neither do we, so that a point is one point.
    metric.value = if metric.value.is_nan() {
        f64::NAN
    } else {
        metric.value + 0.0
    };
    Ok(metric)
}

fn check_model_metric(model_metric: ModelMetric, place: impl Fn(&str) -> String) -> Result<ModelMetric> {
    if model_metric.model_id.is_empty() {
        return Err(invalid_value(&place("model_id"), "", "A model must be named."));
    }
    Ok(ModelMetric {
        metric: check_metric(model_metric.metric, place)?,
        ..model_metric
    })
}
