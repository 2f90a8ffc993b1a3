//! MLflow's rules for registered models: names, aliases, tags and lengths, with its messages.
//!
//! Where MLflow has no rule but a column of some length, that length is the rule: SQLite would take more, PostgreSQL
//! would fail.

use std::collections::BTreeMap;

use super::names::{check_key, check_length, invalid_value, quoted};
use super::{MAX_USER_CHARS, Result};
use crate::entities::{Actor, MetricGate, Tag};
use crate::error::TrackingError;
use crate::registry::{CreateModelVersion, CreateRegisteredModel};

/// The longest name of a registered model, in characters.
const MAX_NAME_CHARS: usize = 256;
/// The longest alias, in characters.
const MAX_ALIAS_CHARS: usize = 255;
/// The longest description of a model or version, and the longest reason in the journal, in characters.
const MAX_DESCRIPTION_CHARS: usize = 5000;
/// The longest source and run link of a version, in characters.
const MAX_SOURCE_CHARS: usize = 500;
/// The longest id of a run or logged model, in characters.
const MAX_ID_CHARS: usize = 256;
/// The longest value of a tag, in characters. Longer ones are refused, not cut: the text of a prompt is one.
const MAX_TAG_VALUE_CHARS: usize = 100_000;

/// Checks the request, and sorts its tags by key; of two with one key the last counts.
pub(crate) fn create_model(mut request: CreateRegisteredModel) -> Result<CreateRegisteredModel> {
    name(&request.name)?;
    description(&request.description)?;
    request.tags = tags(request.tags)?;
    Ok(request)
}

/// Checks the request, and sorts its tags by key; of two with one key the last counts. An empty id is none.
pub(crate) fn create_version(mut request: CreateModelVersion) -> Result<CreateModelVersion> {
    name(&request.name)?;
    present("source", &request.source)?;
    length("source", &request.source, MAX_SOURCE_CHARS)?;
    length("run_id", &request.run_id, MAX_ID_CHARS)?;
    length("run_link", &request.run_link, MAX_SOURCE_CHARS)?;
    description(&request.description)?;
    request.model_id = request.model_id.filter(|id| !id.is_empty());
    if let Some(model_id) = &request.model_id {
        length("model_id", model_id, MAX_ID_CHARS)?;
    }
    request.tags = tags(request.tags)?;
    Ok(request)
}

/// Checks a model's name, also when it is only asked for.
pub(crate) fn name(name: &str) -> Result<()> {
    named("name", name)
}

/// Checks the name that a model is to get.
pub(crate) fn new_name(name: &str) -> Result<()> {
    named("new_name", name)
}

fn named(field: &str, name: &str) -> Result<()> {
    present(field, name)?;
    if name.contains(['/', ':']) {
        return Err(TrackingError::rejected(format!(
            "Invalid model name '{name}'. Names cannot contain '/' or ':'."
        )));
    }
    // It may become a file's name, so it must not lead anywhere else.
    if name == "." || name.starts_with("..") {
        let message = format!(
            "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. \
             This name would resolve to {}",
            quoted(name)
        );
        return Err(invalid_value("name", name, &message));
    }
    length(field, name, MAX_NAME_CHARS)
}

/// Checks an alias that is asked for or removed.
pub(crate) fn alias(alias: &str) -> Result<()> {
    if alias.is_empty() {
        return Err(TrackingError::rejected(
            "Registered model alias name cannot be empty.",
        ));
    }
    if !alias.chars().all(|c| c.is_alphanumeric() || "_-".contains(c)) {
        return Err(TrackingError::rejected(format!(
            "Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )));
    }
    length("Registered model alias name", alias, MAX_ALIAS_CHARS)
}

/// Checks an alias that is to be set: words that mean a version anyway are not to be had.
pub(crate) fn new_alias(given: &str) -> Result<()> {
    alias(given)?;
    if is_latest(given) {
        return Err(TrackingError::rejected(
            "'latest' alias name (case insensitive) is reserved.",
        ));
    }
    let number = given.strip_prefix(['v', 'V']);
    if number.is_some_and(|number| !number.is_empty() && number.chars().all(char::is_numeric)) {
        return Err(TrackingError::rejected(format!(
            "Version alias name '{given}' is reserved."
        )));
    }
    Ok(())
}

/// Returns whether the alias is the one that always means the newest version.
pub(crate) fn is_latest(alias: &str) -> bool {
    alias.eq_ignore_ascii_case("latest")
}

/// Checks a condition: it is kept as text, so it must be read as it was meant.
pub(crate) fn gate(gate: &MetricGate) -> Result<()> {
    let text = gate.to_string();
    length("gate", &text, MAX_DESCRIPTION_CHARS)?;
    if text.parse::<MetricGate>()? == *gate {
        return Ok(());
    }
    Err(TrackingError::invalid(
        "gate",
        format!("{text:?} would be read as another condition"),
    ))
}

pub(crate) fn description(description: &str) -> Result<()> {
    length("description", description, MAX_DESCRIPTION_CHARS)
}

/// Checks who makes a change: the journal keeps it for ever.
pub(crate) fn actor(by: &Actor) -> Result<()> {
    length("user", &by.user, MAX_USER_CHARS)?;
    length("reason", &by.reason, MAX_DESCRIPTION_CHARS)
}

pub(crate) fn tag(tag: &Tag) -> Result<()> {
    tag_key(&tag.key)?;
    length("value", &tag.value, MAX_TAG_VALUE_CHARS)
}

/// Checks the key of a tag that is to be set or removed.
pub(crate) fn tag_key(key: &str) -> Result<()> {
    check_key("key", "key", key)
}

fn tags(tags: Vec<Tag>) -> Result<Vec<Tag>> {
    let mut by_key = BTreeMap::new();
    for one in tags {
        tag(&one)?;
        by_key.insert(one.key, one.value);
    }
    Ok(by_key
        .into_iter()
        .map(|(key, value)| Tag { key, value })
        .collect())
}

/// Checks the length of a page, in MLflow's words.
pub(crate) fn page_size(max_results: usize, limit: usize) -> Result<()> {
    if max_results == 0 {
        return Err(TrackingError::rejected(
            "Invalid value for max_results. It must be a positive integer, but got 0",
        ));
    }
    if max_results > limit {
        return Err(TrackingError::rejected(format!(
            "Invalid value for request parameter max_results. It must be at most {limit}, but got value {max_results}"
        )));
    }
    Ok(())
}

fn present(field: &str, text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(TrackingError::rejected(format!(
            "Missing value for required parameter '{field}'."
        )));
    }
    Ok(())
}

/// Checks the length, and that there is no NUL: PostgreSQL cannot store it.
fn length(field: &str, text: &str, max_chars: usize) -> Result<()> {
    if text.contains('\0') {
        return Err(TrackingError::rejected(format!(
            "'{field}' contains a NUL character"
        )));
    }
    check_length(field, text, max_chars)
}
