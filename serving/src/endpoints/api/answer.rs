//! Answers: JSON, and errors in Databricks' form.

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use crate::endpoints::error::EndpointError;

/// What a handler returns.
pub(super) type Answer = Result<Response, EndpointError>;

/// Answers 200 with a value.
pub(super) fn ok(value: &impl Serialize) -> Answer {
    Ok(Json(value).into_response())
}

/// An error in Databricks' form.
pub(super) fn refusal(status: u16, code: &str, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({ "error_code": code, "message": message }))).into_response()
}

impl IntoResponse for EndpointError {
    fn into_response(self) -> Response {
        let mut response = refusal(self.kind.status(), self.kind.code(), &self.message);
        if let Some(after) = self.retry_after {
            let seconds = HeaderValue::from(after.as_secs().max(1));
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }
}

/// The path is there, but not for this method.
pub(super) async fn wrong_method(method: Method, uri: Uri) -> Response {
    let message = format!("{} does not answer {method}", uri.path());
    refusal(405, "BAD_REQUEST", &message)
}
