//! Experiments and runs.

use super::batch::{TooLong, check_count, check_tags, run_name_tag};
use super::names::{check_key, check_length, check_text};
use super::{
    MAX_DATASETS_IN_SEARCH, MAX_EXPERIMENT_NAME_CHARS, MAX_EXPERIMENT_TAG_VALUE_CHARS,
    MAX_LOGGED_MODEL_RESULTS, MAX_RUN_NAME_CHARS, MAX_TAG_VALUE_CHARS, MAX_TAGS_PER_BATCH, MAX_USER_CHARS,
    Result,
};
use crate::entities::{TAG_PARENT_RUN_ID, TAG_RUN_NAME, Tag};
use crate::error::TrackingError;
use crate::store::{CreateExperiment, CreateRun, SearchLoggedModels, UpdateRun};

pub(crate) fn create_experiment(mut request: CreateExperiment) -> Result<CreateExperiment> {
    experiment_name(&request.name)?;
    if let Some(location) = &request.artifact_location {
        check_text("artifact_location", location, MAX_EXPERIMENT_NAME_CHARS)?;
        if location.starts_with("runs:") {
            return Err(TrackingError::rejected(format!(
                "Artifact location cannot be a runs:/ URI. Given: '{location}'"
            )));
        }
    }
    request.tags = check_tags(
        request.tags,
        MAX_EXPERIMENT_TAG_VALUE_CHARS,
        TooLong::Refuse,
        |_, field| field.to_owned(),
    )?;
    Ok(request)
}

pub(crate) fn experiment_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(TrackingError::rejected("Invalid experiment name: ''"));
    }
    check_length("name", name, MAX_EXPERIMENT_NAME_CHARS)
}

pub(crate) fn experiment_tag(tag: &Tag) -> Result<()> {
    check_key("key", "key", &tag.key)?;
    check_length("value", &tag.value, MAX_EXPERIMENT_TAG_VALUE_CHARS)
}

/// Checks the request and leaves the name and the parent in one place each: their fields, not their tags.
pub(crate) fn create_run(mut request: CreateRun) -> Result<CreateRun> {
    check_length("user_id", &request.user_id, MAX_USER_CHARS)?;
    check_owner(request.owner.as_deref())?;
    check_count("tags", request.tags.len(), MAX_TAGS_PER_BATCH)?;
    request.tags = check_tags(request.tags, MAX_TAG_VALUE_CHARS, TooLong::Cut, |at, field| {
        format!("tags[{at}].{field}")
    })?;

    let tagged_name = run_name_tag(&request.tags).map(str::to_owned);
    // An empty name means "give me one" on MLflow's wire.
    let given_name = request.run_name.take().filter(|name| !name.is_empty());
    if let (Some(given), Some(tagged)) = (&given_name, &tagged_name)
        && given != tagged
    {
        return Err(TrackingError::rejected(format!(
            "Both 'run_name' argument and '{TAG_RUN_NAME}' tag are specified, but with different values \
             (run_name='{given}', {TAG_RUN_NAME}='{tagged}')."
        )));
    }
    request.run_name = given_name.or(tagged_name);
    if let Some(name) = &request.run_name {
        check_run_name(name)?;
    }
    request.tags.retain(|tag| tag.key != TAG_RUN_NAME);
    if request.parent_run_id.is_some() {
        request.tags.retain(|tag| tag.key != TAG_PARENT_RUN_ID);
    }
    Ok(request)
}

pub(crate) fn update_run(change: &UpdateRun) -> Result<()> {
    check_owner(change.owner.as_deref())?;
    change.run_name.as_deref().map_or(Ok(()), check_run_name)
}

pub(crate) fn owner(owner: &str) -> Result<()> {
    check_text("owner", owner, MAX_USER_CHARS)
}

pub(crate) fn max_results(max_results: usize, limit: usize) -> Result<()> {
    let rule = match max_results {
        0 => "a positive integer".to_owned(),
        more if more > limit => format!("at most {limit}"),
        _ => return Ok(()),
    };
    Err(TrackingError::rejected(format!(
        "Invalid value {max_results} for parameter 'max_results' supplied. It must be {rule}"
    )))
}

pub(crate) fn search_logged_models(request: &SearchLoggedModels) -> Result<()> {
    max_results(request.max_results, MAX_LOGGED_MODEL_RESULTS)?;
    let datasets = request.datasets.len();
    if datasets > MAX_DATASETS_IN_SEARCH {
        return Err(TrackingError::rejected(format!(
            "Invalid datasets: there are {datasets}, at most {MAX_DATASETS_IN_SEARCH} are allowed"
        )));
    }
    if request.datasets.iter().any(|dataset| dataset.name.is_empty()) {
        return Err(TrackingError::rejected(
            "`dataset_name` in the `datasets` clause must be specified.",
        ));
    }
    Ok(())
}

pub(super) fn check_run_name(name: &str) -> Result<()> {
    check_text("run_name", name, MAX_RUN_NAME_CHARS)
}

fn check_owner(name: Option<&str>) -> Result<()> {
    name.map_or(Ok(()), owner)
}
