//! What the server tells about itself, and what it says where there is nothing.

use std::panic::AssertUnwindSafe;

use axum::extract::Request;
use axum::http::header::{HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use serde::Serialize;

use super::error::ApiError;
use super::respond::{Answer, ok};

/// The version of MLflow whose protocol this is.
pub const MLFLOW_VERSION: &str = "3.17.2";

pub(super) async fn health() -> &'static str {
    "OK"
}

pub(super) async fn version() -> &'static str {
    MLFLOW_VERSION
}

/// Clients ask this before they download, to learn what they may use.
pub(super) async fn info() -> Answer {
    #[derive(Serialize)]
    struct Info {
        store_type: &'static str,
        workspaces_enabled: bool,
        trace_archival_enabled: bool,
        multipart_uploads_enabled: bool,
        multipart_downloads_enabled: bool,
        presigned_upload_run_id_supported: bool,
        presigned_upload_model_id_supported: bool,
        features_enabled: Features,
    }
    #[derive(Serialize)]
    struct Features {
        gateway: bool,
    }

    ok(&Info {
        store_type: "SqlStore",
        workspaces_enabled: false,
        trace_archival_enabled: false,
        multipart_uploads_enabled: false,
        multipart_downloads_enabled: false,
        presigned_upload_run_id_supported: false,
        presigned_upload_model_id_supported: false,
        features_enabled: Features { gateway: false },
    })
}

/// Says where to go from `/`, and that there is nothing elsewhere.
pub(super) async fn nothing_here(uri: Uri) -> Answer {
    #[derive(Serialize)]
    struct Pointer {
        name: &'static str,
        version: &'static str,
        mlflow_version: &'static str,
        api: &'static str,
    }

    if uri.path() != "/" {
        return Err(ApiError::no_endpoint(uri.path()));
    }
    ok(&Pointer {
        name: "rookery",
        version: env!("CARGO_PKG_VERSION"),
        mlflow_version: MLFLOW_VERSION,
        api: "/api/2.0/mlflow",
    })
}

pub(super) async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    ApiError::wrong_method(&method, uri.path())
}

/// Tells browsers not to take an answer for something else than it says it is.
pub(super) async fn no_sniffing(mut response: Response) -> Response {
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// Turns a panic of a handler into an answer. Without it the client would see a connection that breaks.
pub(super) async fn catch_panic(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!(path, "a handler panicked");
            ApiError::internal().into_response()
        }
    }
}
