//! Logged models, and the datasets that went into a run.

use super::batch::{TooLong, check_count, check_param_keys, check_tags};
use super::names::{check_length, quoted};
use super::{
    MAX_DATASET_DIGEST_CHARS, MAX_DATASET_NAME_CHARS, MAX_DATASET_PROFILE_CHARS, MAX_DATASET_SCHEMA_CHARS,
    MAX_DATASET_SOURCE_CHARS, MAX_DATASETS_PER_BATCH, MAX_INPUT_TAG_KEY_CHARS, MAX_INPUT_TAG_VALUE_CHARS,
    MAX_MODEL_VALUE_CHARS, Result,
};
use crate::entities::{Dataset, Param, Tag};
use crate::error::TrackingError;
use crate::store::{CreateLoggedModel, LogInputs};

pub(crate) fn create_logged_model(mut request: CreateLoggedModel) -> Result<CreateLoggedModel> {
    if let Some(name) = &request.name {
        check_name(name)?;
    }
    request.tags = logged_model_tags(request.tags)?;
    request.params = logged_model_params(request.params)?;
    Ok(request)
}

/// Returns the tags sorted by key; of two with one key the last counts.
pub(crate) fn logged_model_tags(tags: Vec<Tag>) -> Result<Vec<Tag>> {
    check_tags(tags, MAX_MODEL_VALUE_CHARS, TooLong::Refuse, |at, field| {
        format!("tags[{at}].{field}")
    })
}

/// Returns the parameters sorted by key.
pub(crate) fn logged_model_params(mut params: Vec<Param>) -> Result<Vec<Param>> {
    check_param_keys(&params, |at, field| format!("params[{at}].{field}"))?;
    for param in &params {
        check_length("Param value", &param.value, MAX_MODEL_VALUE_CHARS)?;
    }
    params.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(params)
}

pub(crate) fn log_inputs(inputs: &LogInputs) -> Result<()> {
    check_count("datasets", inputs.datasets.len(), MAX_DATASETS_PER_BATCH)?;
    for input in &inputs.datasets {
        check_dataset(&input.dataset)?;
        for tag in &input.tags {
            check_length("key", &tag.key, MAX_INPUT_TAG_KEY_CHARS)?;
            check_length("value", &tag.value, MAX_INPUT_TAG_VALUE_CHARS)?;
        }
    }
    Ok(())
}

fn check_dataset(dataset: &Dataset) -> Result<()> {
    check_length("name", &dataset.id.name, MAX_DATASET_NAME_CHARS)?;
    check_length("digest", &dataset.id.digest, MAX_DATASET_DIGEST_CHARS)?;
    check_length("source", &dataset.source, MAX_DATASET_SOURCE_CHARS)?;
    check_length(
        "schema",
        dataset.schema.as_deref().unwrap_or_default(),
        MAX_DATASET_SCHEMA_CHARS,
    )?;
    check_length(
        "profile",
        dataset.profile.as_deref().unwrap_or_default(),
        MAX_DATASET_PROFILE_CHARS,
    )
}

fn check_name(name: &str) -> Result<()> {
    if !name.is_empty() && !name.contains(['/', ':', '.', '%', '"', '\'']) {
        return check_length("name", name, MAX_DATASET_NAME_CHARS);
    }
    Err(TrackingError::rejected(format!(
        "Invalid model name ({}) provided. Model name must be a non-empty string and cannot contain the following \
         characters: ('/', ':', '.', '%', '\"', \"'\")",
        quoted(name)
    )))
}
