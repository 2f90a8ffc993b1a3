//! MLflow's limits and naming rules: raw requests at the door, valid ones inside.
//!
//! Lengths are counted in characters, as MLflow counts them. Both stores call these functions first, so they agree
//! on what they refuse by construction.

use std::collections::{BTreeMap, BTreeSet};

use crate::entities::{Metric, Param, TAG_PARENT_RUN_ID, TAG_RUN_NAME, Tag};
use crate::error::TrackingError;
use crate::store::{CloseOrphans, CreateExperiment, CreateRun, LogBatch, UpdateRun};

/// The longest name of an experiment, in characters.
pub const MAX_EXPERIMENT_NAME_CHARS: usize = 500;
/// The longest name of a run, in characters.
pub const MAX_RUN_NAME_CHARS: usize = 250;
/// The longest user or owner of a run, in characters.
pub const MAX_USER_CHARS: usize = 256;
/// The longest key of a metric, parameter or tag, in characters.
pub const MAX_KEY_CHARS: usize = 250;
/// The longest value of a parameter, in characters; longer ones are cut, as in MLflow.
pub const MAX_PARAM_VALUE_CHARS: usize = 6000;
/// The longest value of a run's tag, in characters; longer ones are cut, as in MLflow.
pub const MAX_TAG_VALUE_CHARS: usize = 8000;
/// The longest value of an experiment's tag, in characters; longer ones are cut.
pub const MAX_EXPERIMENT_TAG_VALUE_CHARS: usize = 5000;
/// The most metric points in one batch.
pub const MAX_METRICS_PER_BATCH: usize = 1000;
/// The most parameters in one batch.
pub const MAX_PARAMS_PER_BATCH: usize = 100;
/// The most tags in one batch.
pub const MAX_TAGS_PER_BATCH: usize = 100;
/// The most metric points, parameters and tags together in one batch.
pub const MAX_ENTITIES_PER_BATCH: usize = 1000;
/// The most experiments or runs on one page.
pub const MAX_SEARCH_RESULTS: usize = 50_000;
/// The most metric points on one page of history.
pub const MAX_HISTORY_RESULTS: usize = 25_000;

type Result<T> = std::result::Result<T, TrackingError>;

/// A batch that can be stored as it is: names and lengths are right, parameter and tag keys are unique, every zero
/// is positive and every NaN is the same NaN.
#[derive(Debug, Clone)]
pub(crate) struct ValidBatch {
    pub(crate) metrics: Vec<Metric>,
    pub(crate) params: Vec<Param>,
    pub(crate) tags: Vec<Tag>,
}

impl ValidBatch {
    pub(crate) fn check(batch: LogBatch) -> Result<Self> {
        let LogBatch {
            metrics,
            params,
            tags,
        } = batch;
        check_count("metrics", metrics.len(), MAX_METRICS_PER_BATCH)?;
        check_count("params", params.len(), MAX_PARAMS_PER_BATCH)?;
        check_count("tags", tags.len(), MAX_TAGS_PER_BATCH)?;
        let total = metrics.len() + params.len() + tags.len();
        check_count("metrics, params and tags together", total, MAX_ENTITIES_PER_BATCH)?;
        Ok(ValidBatch {
            metrics: metrics.into_iter().map(check_metric).collect::<Result<_>>()?,
            params: check_params(params)?,
            tags: check_tags(tags, MAX_TAG_VALUE_CHARS)?,
        })
    }

    /// Returns the run's new name, if the batch sets the tag that holds it.
    pub(crate) fn new_run_name(&self) -> Option<&str> {
        run_name_tag(&self.tags)
    }
}

pub(crate) fn create_experiment(mut request: CreateExperiment) -> Result<CreateExperiment> {
    check_text("experiment name", &request.name, MAX_EXPERIMENT_NAME_CHARS)?;
    if let Some(location) = &request.artifact_location {
        check_text("artifact location", location, MAX_EXPERIMENT_NAME_CHARS)?;
    }
    request.tags = check_tags(request.tags, MAX_EXPERIMENT_TAG_VALUE_CHARS)?;
    Ok(request)
}

/// Checks the request and leaves the name and the parent in one place each: their fields, not their tags.
pub(crate) fn create_run(mut request: CreateRun) -> Result<CreateRun> {
    check_length("user", &request.user_id, MAX_USER_CHARS)?;
    check_owner(request.owner.as_deref())?;
    check_count("tags", request.tags.len(), MAX_TAGS_PER_BATCH)?;
    request.tags = check_tags(request.tags, MAX_TAG_VALUE_CHARS)?;

    let tagged_name = run_name_tag(&request.tags).map(str::to_owned);
    // An empty name means "give me one" on MLflow's wire.
    let given_name = request.run_name.take().filter(|name| !name.is_empty());
    if let (Some(given), Some(tagged)) = (&given_name, &tagged_name)
        && given != tagged
    {
        return Err(TrackingError::invalid(
            "run name",
            format!("the run name is {given:?}, the tag {TAG_RUN_NAME} is {tagged:?}: they must be equal"),
        ));
    }
    request.run_name = given_name.or(tagged_name);
    if let Some(name) = &request.run_name {
        check_text("run name", name, MAX_RUN_NAME_CHARS)?;
    }
    request.tags.retain(|tag| tag.key != TAG_RUN_NAME);
    if request.parent_run_id.is_some() {
        request.tags.retain(|tag| tag.key != TAG_PARENT_RUN_ID);
    }
    Ok(request)
}

pub(crate) fn update_run(change: &UpdateRun) -> Result<()> {
    check_owner(change.owner.as_deref())?;
    change
        .run_name
        .as_deref()
        .map_or(Ok(()), |name| check_text("run name", name, MAX_RUN_NAME_CHARS))
}

pub(crate) fn close_orphans(request: &CloseOrphans) -> Result<()> {
    check_text("reason", &request.reason, MAX_TAG_VALUE_CHARS)
}

pub(crate) fn max_results(max_results: usize, limit: usize) -> Result<()> {
    if (1..=limit).contains(&max_results) {
        return Ok(());
    }
    Err(TrackingError::invalid(
        "max_results",
        format!("expected 1 to {limit}, got {max_results}"),
    ))
}

fn check_metric(mut metric: Metric) -> Result<Metric> {
    check_key("metric key", &metric.key)?;
    if metric.timestamp_ms < 0 {
        return Err(TrackingError::invalid(
            "timestamp",
            format!(
                "metric {:?} has timestamp {} ms, expected 0 or more",
                metric.key, metric.timestamp_ms
            ),
        ));
    }
    // Databases do not tell -0.0 from 0.0, nor one NaN from another. Neither do we, so that a point is one point.
    metric.value = if metric.value.is_nan() {
        f64::NAN
    } else {
        metric.value + 0.0
    };
    Ok(metric)
}

fn check_params(params: Vec<Param>) -> Result<Vec<Param>> {
    let mut keys = BTreeSet::new();
    for param in &params {
        check_key("param key", &param.key)?;
        if !keys.insert(param.key.as_str()) {
            return Err(TrackingError::invalid(
                "params",
                format!("parameter {:?} is in the batch twice", param.key),
            ));
        }
    }
    Ok(params
        .into_iter()
        .map(|param| Param {
            value: cut(&param.key, param.value, MAX_PARAM_VALUE_CHARS),
            key: param.key,
        })
        .collect())
}

/// Returns the tags sorted by key; of two with one key the last counts.
fn check_tags(tags: Vec<Tag>, max_value_chars: usize) -> Result<Vec<Tag>> {
    let mut by_key = BTreeMap::new();
    for tag in tags {
        check_key("tag key", &tag.key)?;
        if tag.key == TAG_RUN_NAME {
            check_text("run name", &tag.value, MAX_RUN_NAME_CHARS)?;
        }
        let value = cut(&tag.key, tag.value, max_value_chars);
        by_key.insert(tag.key, value);
    }
    Ok(by_key
        .into_iter()
        .map(|(key, value)| Tag { key, value })
        .collect())
}

fn run_name_tag(tags: &[Tag]) -> Option<&str> {
    tags.iter()
        .find(|tag| tag.key == TAG_RUN_NAME)
        .map(|tag| tag.value.as_str())
}

/// MLflow's rule for keys: words, slashes, dots, dashes, spaces and colons, and the same after the path in it is
/// made plain. A key may become a file's path, so it must not climb out of anywhere.
fn check_key(field: &'static str, key: &str) -> Result<()> {
    check_text(field, key, MAX_KEY_CHARS)?;
    let is_allowed = |c: char| c.is_alphanumeric() || "_/.- :".contains(c);
    if let Some(bad) = key.chars().find(|&c| !is_allowed(c)) {
        return Err(TrackingError::invalid(
            field,
            format!(
                "{key:?} contains {bad:?}: names may only contain alphanumerics, underscores (_), dashes (-), \
                 periods (.), spaces ( ), colons (:) and slashes (/)"
            ),
        ));
    }
    if key.starts_with("..") || key.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(TrackingError::invalid(
            field,
            format!(
                "{key:?} is not a plain path: it must not begin with '..', and no segment may be empty, '.' or '..'"
            ),
        ));
    }
    Ok(())
}

fn check_owner(owner: Option<&str>) -> Result<()> {
    owner.map_or(Ok(()), |owner| check_text("owner", owner, MAX_USER_CHARS))
}

fn check_text(field: &'static str, text: &str, max_chars: usize) -> Result<()> {
    if text.is_empty() {
        return Err(TrackingError::invalid(field, "it is empty"));
    }
    check_length(field, text, max_chars)
}

fn check_length(field: &'static str, text: &str, max_chars: usize) -> Result<()> {
    let chars = text.chars().count();
    if chars <= max_chars {
        return Ok(());
    }
    // The start of the text is enough to recognise it; the whole would flood a log.
    let start: String = text.chars().take(40).collect();
    Err(TrackingError::invalid(
        field,
        format!("{start:?}... has {chars} characters, which exceeds the maximum of {max_chars}"),
    ))
}

fn check_count(what: &'static str, count: usize, max: usize) -> Result<()> {
    if count <= max {
        return Ok(());
    }
    Err(TrackingError::invalid(
        "batch",
        format!("it has {count} {what}, a batch can contain at most {max}"),
    ))
}

fn cut(key: &str, value: String, max_chars: usize) -> String {
    match value.char_indices().nth(max_chars) {
        None => value,
        Some((end, _)) => {
            tracing::warn!(key, max_chars, "value cut to its maximum length");
            value[..end].to_owned()
        }
    }
}
