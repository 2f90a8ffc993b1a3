//! Where a model version may come from. A source is followed whenever somebody loads the version, so it must not lead
//! out of the resource it claims to come from: the run or the logged model that the request names.

use percent_encoding::percent_decode_str;

use super::Api;
use super::error::ApiError;
use crate::entities::{Stage, Tag};
use crate::error::ErrorCode;

/// The longest source, in bytes. Decoding a nested escape takes a pass per level.
const MAX_SOURCE_BYTES: usize = 2000;
/// The tag that makes a version a prompt.
const TAG_IS_PROMPT: &str = "mlflow.prompt.is_prompt";
/// What clients send as the source of a prompt, which has none.
const PROMPT_SOURCES: [&str; 2] = ["dummy-source", "prompt-template"];
/// Schemes that name a host the reader of the version would have to trust.
const HOST_SCHEMES: [&str; 4] = ["http", "https", "ftp", "sftp"];

/// What a version is made from.
pub(super) struct Lineage {
    pub(super) source: String,
    pub(super) run_id: Option<String>,
    pub(super) model_id: Option<String>,
}

/// The resource that the request names, with the name of the field it is in.
enum Owner<'a> {
    Run(&'a str),
    Model(&'a str),
}

impl Owner<'_> {
    fn field(&self) -> &'static str {
        match self {
            Owner::Run(_) => "run_id",
            Owner::Model(_) => "model_id",
        }
    }
}

/// A URI as far as sources go.
struct Uri<'a> {
    scheme: String,
    authority: &'a str,
    path: &'a str,
}

/// Checks a source. One that names another version (`models:/name@alias`) comes back with that version's number, and
/// with its run and model unless the request names them.
pub(super) async fn check(api: &Api, given: Lineage, tags: &[Tag]) -> Result<Lineage, ApiError> {
    let source = given.source.as_str();
    if source.len() > MAX_SOURCE_BYTES {
        return Err(ApiError::invalid(format!(
            "Invalid model version source: it has {} bytes, at most {MAX_SOURCE_BYTES} are possible.",
            source.len()
        )));
    }
    let is_prompt = |tag: &Tag| tag.key == TAG_IS_PROMPT && tag.value.eq_ignore_ascii_case("true");
    if tags.iter().any(is_prompt) {
        return if PROMPT_SOURCES.contains(&source) {
            Ok(given)
        } else {
            Err(ApiError::invalid(format!(
                "Invalid prompt source: '{source}'. Prompt sources must use an MLflow placeholder."
            )))
        };
    }
    let uri = split(source);
    if HOST_SCHEMES.contains(&uri.scheme.as_str())
        || uri.scheme == "mlflow-artifacts" && !uri.authority.is_empty()
    {
        return Err(ApiError::invalid(format!(
            "'source' cannot use the '{scheme}' scheme: the '{scheme}' scheme addresses a host other than the tracking \
             server's configured artifact storage, so the server would connect to the host named in the URI.",
            scheme = uri.scheme
        )));
    }
    let lineage = follow(api, given).await?;
    let model_id = lineage.model_id.as_deref().filter(|id| !id.is_empty());
    let owner = match model_id {
        Some(model_id) => Owner::Model(model_id),
        None => Owner::Run(lineage.run_id.as_deref().unwrap_or_default()),
    };
    check_owned(api, &lineage.source, &owner).await?;
    Ok(lineage)
}

async fn check_owned(api: &Api, source: &str, owner: &Owner<'_>) -> Result<(), ApiError> {
    let uri = split(source);
    if matches!(uri.scheme.as_str(), "" | "file") {
        let field = owner.field();
        return Err(ApiError::invalid(format!(
            "Invalid model version source: '{source}'. To use a local path as a model version source, the {field} \
             request parameter has to be specified and the local path has to be contained within the artifact \
             directory of the run specified by the {field}."
        )));
    }
    if !is_plain(source) {
        return Err(ApiError::invalid(format!(
            "Invalid model version source: '{source}'. If supplying a source as an http, https, local file path, ftp, \
             objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references \
             present. Please provide an absolute path."
        )));
    }
    let first = uri.path.trim_matches('/').split('/').next().unwrap_or_default();
    let is_owned = match (uri.scheme.as_str(), owner) {
        ("runs", Owner::Run(run_id)) => uri.authority.is_empty() && !run_id.is_empty() && first == *run_id,
        ("runs", Owner::Model(_)) => false,
        ("models", _) if !uri.authority.is_empty() => false,
        ("models", Owner::Run(_)) => logged_model(&uri).is_none(),
        ("models", Owner::Model(model_id)) => logged_model(&uri).is_none_or(|id| id == *model_id),
        ("mlflow-artifacts", _) => match root(api, owner).await? {
            Some(root) => is_within(source, &root),
            None => false,
        },
        _ => true,
    };
    if is_owned {
        Ok(())
    } else {
        let field = logged_model(&uri).map_or(owner.field(), |_| "model_id");
        Err(not_owned(source, field))
    }
}

/// Replaces a source that names another version by that version's own.
async fn follow(api: &Api, given: Lineage) -> Result<Lineage, ApiError> {
    let uri = split(&given.source);
    if uri.scheme != "models" || logged_model(&uri).is_some() {
        return Ok(given);
    }
    let path = uri.path.trim_matches('/');
    let version = match (path.split_once('/'), path.split_once('@')) {
        (Some((name, which)), _) if !name.is_empty() && !which.contains('/') => match which.parse() {
            Ok(number) => api.registry.get_model_version(name, number).await?,
            Err(_) => newest(api, name, which).await?,
        },
        (None, Some((name, alias))) => api.registry.get_version_by_alias(name, alias).await?,
        _ => return Err(not_owned(&given.source, "model_id")),
    };
    let differs = |given: &Option<String>, found: &str| given.as_ref().is_some_and(|id| id != found);
    if differs(&given.run_id, &version.run_id)
        || differs(&given.model_id, version.model_id.as_deref().unwrap_or_default())
    {
        return Err(ApiError::invalid(format!(
            "Invalid model version source: '{}'. The run_id and model_id request parameters must match the referenced \
             model version.",
            given.source
        )));
    }
    Ok(Lineage {
        source: format!("models:/{}/{}", version.name, version.version),
        run_id: Some(version.run_id),
        model_id: version.model_id,
    })
}

/// Returns the newest version of a model: of all (`latest`), or in a stage.
async fn newest(api: &Api, name: &str, which: &str) -> Result<crate::entities::ModelVersion, ApiError> {
    let stages = match which {
        latest if latest.eq_ignore_ascii_case("latest") => Vec::new(),
        stage => vec![stage.parse::<Stage>()?],
    };
    let versions = api.registry.latest_versions(name, &stages).await?;
    versions
        .into_iter()
        .max_by_key(|version| version.version)
        .ok_or_else(|| ApiError::not_found(format!("Model Version (name={name}, version={which}) not found")))
}

/// Returns the artifact directory of the run or model, if there is one.
async fn root(api: &Api, owner: &Owner<'_>) -> Result<Option<String>, ApiError> {
    let root = match owner {
        Owner::Run("") => return Ok(None),
        Owner::Run(run_id) => api.store.get_run(run_id).await.map(|run| run.info.artifact_uri),
        Owner::Model(model_id) => api
            .store
            .get_logged_model(model_id)
            .await
            .map(|model| model.artifact_uri),
    };
    match root {
        Ok(root) => Ok(Some(root)),
        Err(error) if error.code() == ErrorCode::ResourceDoesNotExist => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns the logged model that a source of the form `models:/m-…` names.
fn logged_model<'a>(uri: &Uri<'a>) -> Option<&'a str> {
    let id = uri.path.trim_matches('/');
    (uri.scheme == "models" && !id.is_empty() && !id.contains(['/', '@'])).then_some(id)
}

fn split(source: &str) -> Uri<'_> {
    let (scheme, rest) = match source.split_once(':') {
        // One letter is a drive.
        Some((scheme, rest))
            if scheme.len() > 1
                && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) =>
        {
            (scheme.to_ascii_lowercase(), rest)
        }
        _ => (String::new(), source),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let path = &path[..path.find(['?', '#']).unwrap_or(path.len())];
    Uri {
        scheme,
        authority,
        path,
    }
}

/// Returns whether the path is absolute and stays below its root, whatever layer decodes its escapes.
fn is_plain(source: &str) -> bool {
    let source = unquote(source);
    let path = split(&source).path;
    path.starts_with('/')
        && !source.contains(['\0', '\\'])
        && !source.split('/').any(|segment| segment == "..")
        && !path.split('/').any(|segment| segment == ".")
}

/// Decodes escapes until there are none.
fn unquote(text: &str) -> String {
    let mut text = text.to_owned();
    loop {
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            return text;
        }
        text = decoded;
    }
}

/// Returns whether a URI lies in a directory, or is it.
fn is_within(source: &str, root: &str) -> bool {
    fn parts<'a>(uri: &Uri<'a>) -> Vec<&'a str> {
        uri.path.split('/').filter(|part| !part.is_empty()).collect()
    }
    let (source, root) = (unquote(source), unquote(root));
    let (source, root) = (split(&source), split(&root));
    let root_parts = parts(&root);
    source.scheme == root.scheme
        && source.authority.eq_ignore_ascii_case(root.authority)
        && !root_parts.is_empty()
        && parts(&source).starts_with(&root_parts)
}

fn not_owned(source: &str, field: &str) -> ApiError {
    ApiError::invalid(format!(
        "Invalid model version source: '{source}'. The {field} request parameter must identify the resource that \
         contains the source."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_source_is_absolute_and_climbs_nowhere() {
        for source in [
            "s3://bucket/key",
            "mlflow-artifacts:/1/r/artifacts/m",
            "runs:/r/m",
            "models:/m-1",
        ] {
            assert!(is_plain(source), "{source}");
        }
        for source in [
            "s3://bucket/../key",
            "mlflow-artifacts:/1/%2e%2e/x",
            "mlflow-artifacts:/1/%252e%252e/x",
            "mlflow-artifacts:/1/%2e%2e%2fx",
            "mlflow-artifacts:1/x",
            "mlflow-artifacts:/1/x%00",
            "s3://bucket",
            "runs:/r/./m",
        ] {
            assert!(!is_plain(source), "{source}");
        }
    }

    #[test]
    fn a_directory_holds_itself_and_what_is_below() {
        let root = "mlflow-artifacts:/1/r/artifacts";
        assert!(is_within(root, root) && is_within("mlflow-artifacts:/1/r/artifacts/m", root));
        assert!(!is_within("mlflow-artifacts:/1/r/artifacts2", root));
        assert!(!is_within("s3:/1/r/artifacts/m", root) && !is_within("mlflow-artifacts:/1", root));
        assert!(!is_within("mlflow-artifacts:/1", "mlflow-artifacts:/"));
    }
}
