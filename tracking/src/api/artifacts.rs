//! `/api/2.0/mlflow-artifacts/…`: the files behind `mlflow-artifacts:` URIs, streamed through this server so that
//! clients need no credentials for the storage.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use serde::Serialize;

use super::download;
use super::error::ApiError;
use super::fields::Fields;
use super::path::PathParams;
use super::respond::{Answer, done, ok};
use super::{Api, Routes};
use crate::artifacts::ArtifactEntry;
use crate::error::TrackingError;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/artifacts", get(list))
        .route("/artifacts/{*path}", get(fetch).put(store).delete(remove))
        .route("/mpu/{*path}", any(multipart))
        .route("/presigned/{*path}", any(multipart))
}

/// One line of a listing, as MLflow writes it.
#[derive(Serialize)]
pub(super) struct FileView {
    path: String,
    is_dir: bool,
    /// Left out where it is 0, as protobuf's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    file_size: Option<u64>,
}

impl FileView {
    /// Returns the view of an entry under another path.
    pub(super) fn at(path: String, entry: &ArtifactEntry) -> Self {
        FileView {
            path,
            is_dir: entry.is_dir(),
            file_size: entry.size_bytes.filter(|&size| size > 0),
        }
    }
}

/// Returns the last part of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Gives a refused path the message that MLflow's tests look for.
pub(super) fn path_error(error: TrackingError) -> ApiError {
    match error {
        TrackingError::Invalid { message, .. } => ApiError::invalid(format!("Invalid path: {message}")),
        error => error.into(),
    }
}

async fn list(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct Listing {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        files: Vec<FileView>,
    }

    let path = fields.text_or_empty("path")?;
    let entries = api
        .artifacts
        .list_dir(path.trim_end_matches('/'))
        .await
        .map_err(path_error)?;
    let files = entries
        .iter()
        .map(|entry| FileView::at(file_name(&entry.path).to_owned(), entry))
        .collect();
    ok(&Listing { files })
}

async fn fetch(
    State(api): State<Arc<Api>>,
    PathParams(path): PathParams<String>,
    headers: HeaderMap,
) -> Answer {
    download::answer(&api, &path, &headers).await
}

/// Takes a file of any size.
async fn store(State(api): State<Arc<Api>>, PathParams(path): PathParams<String>, body: Body) -> Answer {
    api.artifacts
        .put_stream(&path, body.into_data_stream())
        .await
        .map_err(path_error)?;
    Ok(StatusCode::OK.into_response())
}

async fn remove(State(api): State<Arc<Api>>, PathParams(path): PathParams<String>) -> Answer {
    api.artifacts.delete(&path).await.map_err(path_error)?;
    done()
}

/// Uploads in parts go straight to a cloud storage, which this server is not.
async fn multipart() -> Answer {
    Err(ApiError::not_implemented(
        "Multipart upload is not supported for the current artifact repository",
    ))
}
