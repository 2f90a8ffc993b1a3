//! Errors as MLflow's clients read them: a status, and `{"error_code", "message"}`.

use axum::http::header::{self, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::respond::json_response;
use crate::error::{ErrorCode, TrackingError};

/// How long a client should wait before it asks a busy store again, in seconds.
const RETRY_AFTER_S: &str = "1";

/// An answer that is not what was asked for.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// What the reader might do about it: a field of ours, which MLflow's clients ignore.
    hint: Option<String>,
    header: ExtraHeader,
}

/// A header that some errors bring along.
#[derive(Debug, Clone, Copy)]
enum ExtraHeader {
    None,
    Challenge,
    RetryAfter,
}

#[derive(Serialize)]
struct Body<'a> {
    error_code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        ApiError {
            status,
            code,
            message: message.into(),
            hint: None,
            header: ExtraHeader::None,
        }
    }

    /// The request breaks a rule.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST", message)
    }

    pub(super) fn no_endpoint(path: &str) -> Self {
        let message = format!("there is nothing at {path}");
        ApiError::new(StatusCode::NOT_FOUND, "ENDPOINT_NOT_FOUND", message)
    }

    pub(super) fn wrong_method(method: &Method, path: &str) -> Self {
        let message = format!("{path} does not answer {method}");
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "BAD_REQUEST", message)
    }

    pub(super) fn not_implemented(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message)
    }

    pub(super) fn unauthenticated() -> Self {
        let mut error = ApiError::new(
            StatusCode::UNAUTHORIZED,
            "UNAUTHENTICATED",
            "this server wants the header 'Authorization: Bearer <token>'; MLflow's clients take the token from \
             MLFLOW_TRACKING_TOKEN",
        );
        error.header = ExtraHeader::Challenge;
        error
    }

    /// A fault of the server. The cause goes into the log, not to the client: it may name files and addresses.
    pub(super) fn internal() -> Self {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL_ERROR",
            "the server failed to answer; its log says why",
        )
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl From<TrackingError> for ApiError {
    /// MLflow answers `INVALID_STATE` with 500, which its clients take for a fault of the server and repeat. Here it is
    /// always the request that comes at the wrong time, hence 409.
    fn from(error: TrackingError) -> Self {
        let code = error.code();
        let status = match code {
            ErrorCode::ResourceDoesNotExist => StatusCode::NOT_FOUND,
            ErrorCode::ResourceAlreadyExists | ErrorCode::InvalidParameterValue => StatusCode::BAD_REQUEST,
            ErrorCode::InvalidState => StatusCode::CONFLICT,
            ErrorCode::PermissionDenied => StatusCode::FORBIDDEN,
            ErrorCode::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::InternalError => {
                tracing::error!(%error, "a request failed");
                return ApiError::internal();
            }
        };
        let mut answer = ApiError::new(status, code.as_str(), error.to_string());
        answer.hint = error.hint();
        if code == ErrorCode::TemporarilyUnavailable {
            answer.header = ExtraHeader::RetryAfter;
        }
        answer
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Body {
            error_code: self.code,
            message: &self.message,
            hint: self.hint.as_deref(),
        };
        let mut response = json_response(self.status, &body);
        let (name, value) = match self.header {
            ExtraHeader::None => return response,
            ExtraHeader::Challenge => (header::WWW_AUTHENTICATE, "Bearer"),
            ExtraHeader::RetryAfter => (header::RETRY_AFTER, RETRY_AFTER_S),
        };
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_the_status_of_its_code() {
        let busy = TrackingError::Busy {
            action: "logging".to_owned(),
            waited_ms: 5,
        };
        let storage = TrackingError::storage("reading /secret", std::io::Error::other("disk"));
        for (error, status) in [
            (TrackingError::not_found("x"), 404),
            (TrackingError::exists("x"), 400),
            (TrackingError::rejected("x"), 400),
            (
                TrackingError::WrongState {
                    message: "x".to_owned(),
                },
                409,
            ),
            (busy, 503),
            (storage, 500),
        ] {
            let answer = ApiError::from(error);
            assert_eq!(answer.status.as_u16(), status);
            assert!(!answer.message.contains("secret"));
            let waits = answer.into_response().headers().contains_key(header::RETRY_AFTER);
            assert_eq!(waits, status == 503);
        }
    }
}
