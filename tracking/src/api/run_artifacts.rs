//! The files of runs, logged models and model versions, by the record instead of a path: what the UI uses.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use futures::StreamExt;
use serde::Serialize;

use super::artifacts::{FileView, path_error};
use super::download;
use super::error::ApiError;
use super::fields::Fields;
use super::parse;
use super::path::PathParams;
use super::respond::{Answer, ok};
use super::{Api, Routes};

/// The largest file that the UI may upload, in bytes; MLflow's limit.
const MAX_UPLOAD_BYTES: u64 = 10 * 1024 * 1024;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/artifacts/list", get(list))
        .route("/get-artifact", get(fetch))
        .route("/upload-artifact", post(upload))
        .route("/model-versions/get-artifact", get(fetch_of_version))
        .route(
            "/logged-models/{model_id}/artifacts/directories",
            get(list_of_model),
        )
        .route("/logged-models/{model_id}/artifacts/files", get(fetch_of_model))
}

/// Links in the UI's pages, which have no prefix.
pub(super) fn page_routes() -> Routes {
    Router::new()
        .route("/get-artifact", get(fetch))
        .route("/model-versions/get-artifact", get(fetch_of_version))
}

/// Returns the path from the artifacts' root that a URI stands for.
fn root_of(artifact_uri: &str) -> Result<&str, ApiError> {
    let elsewhere = || {
        ApiError::invalid(format!(
            "The artifacts at '{artifact_uri}' are not served by this server: read them where they lie."
        ))
    };
    let rest = artifact_uri
        .strip_prefix("mlflow-artifacts:")
        .ok_or_else(elsewhere)?;
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
        None => rest,
    };
    Ok(path.trim_matches('/'))
}

fn join(root: &str, path: &str) -> String {
    let path = path.strip_suffix('/').unwrap_or(path);
    match (root, path) {
        ("", path) => path.to_owned(),
        (root, "") => root.to_owned(),
        (root, path) => format!("{root}/{path}"),
    }
}

/// Lists a directory; the paths are relative to the record's artifact directory.
async fn listing(api: &Api, artifact_uri: &str, directory: &str) -> Answer {
    #[derive(Serialize)]
    struct Listing<'a> {
        root_uri: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        files: Vec<FileView>,
    }

    let root = root_of(artifact_uri)?;
    let entries = api
        .artifacts
        .list_dir(&join(root, directory))
        .await
        .map_err(path_error)?;
    let relative = |path: &str| {
        path.strip_prefix(root)
            .unwrap_or(path)
            .trim_start_matches('/')
            .to_owned()
    };
    let files = entries
        .iter()
        .map(|entry| FileView::at(relative(&entry.path), entry))
        .collect();
    ok(&Listing {
        root_uri: artifact_uri,
        files,
    })
}

async fn content(api: &Api, artifact_uri: &str, path: &str, headers: &HeaderMap) -> Answer {
    download::answer(api, &join(root_of(artifact_uri)?, path), headers).await
}

async fn list(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let run = api.store.get_run(&fields.run_id()?).await?;
    let directory = fields.text_or_empty("path")?;
    listing(&api, &run.info.artifact_uri, &directory).await
}

async fn fetch(State(api): State<Arc<Api>>, headers: HeaderMap, mut fields: Fields) -> Answer {
    let run_id = fields.run_id()?;
    let path = fields.required("path")?;
    let run = api.store.get_run(&run_id).await?;
    content(&api, &run.info.artifact_uri, &path, &headers).await
}

async fn fetch_of_version(State(api): State<Arc<Api>>, headers: HeaderMap, mut fields: Fields) -> Answer {
    let name = fields.required("name")?;
    let version = parse::version(&mut fields)?;
    let path = fields.required("path")?;
    let found = api.registry.get_model_version(&name, version).await?;
    content(&api, &found.storage_location, &path, &headers).await
}

async fn list_of_model(
    State(api): State<Arc<Api>>,
    PathParams(model_id): PathParams<String>,
    mut fields: Fields,
) -> Answer {
    let directory = fields.text_or_empty("artifact_directory_path")?;
    let model = api.store.get_logged_model(&model_id).await?;
    listing(&api, &model.artifact_uri, &directory).await
}

async fn fetch_of_model(
    State(api): State<Arc<Api>>,
    PathParams(model_id): PathParams<String>,
    headers: HeaderMap,
    mut fields: Fields,
) -> Answer {
    let path = fields.some_text("artifact_file_path")?.ok_or_else(|| {
        let message = "Request must include the \"artifact_file_path\" query parameter.";
        ApiError::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    })?;
    let model = api.store.get_logged_model(&model_id).await?;
    content(&api, &model.artifact_uri, &path, &headers).await
}

/// The body is the file; what it is called is in the query.
async fn upload(State(api): State<Arc<Api>>, RawQuery(query): RawQuery, body: Body) -> Answer {
    let mut fields = Fields::from_query(query.as_deref())?;
    let specify = |what: &str| ApiError::invalid(format!("Request must specify {what}."));
    let run_id = fields.some_text("run_uuid")?.ok_or_else(|| specify("run_uuid"))?;
    let path = fields.some_text("path")?.ok_or_else(|| specify("path"))?;
    let run = api.store.get_run(&run_id).await?;
    let location = join(root_of(&run.info.artifact_uri)?, &path);
    let mut size = 0;
    let limited = body.into_data_stream().map(move |chunk| {
        let chunk = chunk.map_err(std::io::Error::other)?;
        size += chunk.len() as u64;
        if size > MAX_UPLOAD_BYTES {
            return Err(std::io::Error::other("the file is larger than 10 MiB"));
        }
        Ok(chunk)
    });
    api.artifacts
        .put_stream(&location, limited)
        .await
        .map_err(path_error)?;
    Ok(StatusCode::OK.into_response())
}
