//! Answers in JSON, written straight from the entities.

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::error::ApiError;

/// What a handler returns.
pub(super) type Answer = Result<Response, ApiError>;

/// JSON, and nothing else that a browser might make of it.
const JSON: [(HeaderName, HeaderValue); 2] = [
    (CONTENT_TYPE, HeaderValue::from_static("application/json")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// Answers 200 with a value.
pub(super) fn ok(value: &impl Serialize) -> Answer {
    Ok(json_response(StatusCode::OK, value))
}

/// Answers 200 with `{}`, as MLflow does when there is nothing to say.
pub(super) fn done() -> Answer {
    Ok((StatusCode::OK, JSON, "{}").into_response())
}

pub(super) fn json_response(status: StatusCode, value: &impl Serialize) -> Response {
    let (status, body) = match serde_json::to_vec(value) {
        Ok(body) => (status, body),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                b"{\"error_code\":\"INTERNAL_ERROR\"}".to_vec(),
            )
        }
    };
    (status, JSON, Body::from(body)).into_response()
}
