//! Names in paths, and bodies, with errors in Databricks' form.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::MAX_BODY_BYTES;
use crate::endpoints::error::{EndpointError, Kind};

/// How long a client may take to send a body.
const BODY_WITHIN: Duration = Duration::from_secs(60);

/// The endpoint's name.
pub(super) struct Name(pub(super) String);

/// The names of the endpoint and of what it serves.
pub(super) struct Names(pub(super) String, pub(super) String);

/// The whole body.
pub(super) struct Whole(pub(super) Bytes);

fn unreadable(error: impl std::fmt::Display) -> EndpointError {
    EndpointError::invalid(format!("the path can't be read: {error}"))
}

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = EndpointError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, EndpointError> {
        let Path(name) = Path::from_request_parts(parts, state).await.map_err(unreadable)?;
        Ok(Self(name))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Names {
    type Rejection = EndpointError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, EndpointError> {
        let Path((name, served)) = Path::from_request_parts(parts, state).await.map_err(unreadable)?;
        Ok(Self(name, served))
    }
}

impl<S: Send + Sync> FromRequest<S> for Whole {
    type Rejection = EndpointError;

    async fn from_request(request: Request, state: &S) -> Result<Self, EndpointError> {
        let Ok(read) = tokio::time::timeout(BODY_WITHIN, Bytes::from_request(request, state)).await else {
            let seconds = BODY_WITHIN.as_secs();
            let message = format!("the body did not come within {seconds} s");
            return Err(EndpointError::new(Kind::Slow, message));
        };
        match read {
            Ok(bytes) => Ok(Self(bytes)),
            Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(EndpointError::new(
                Kind::TooLarge,
                format!("the body is larger than {MAX_BODY_BYTES} bytes: send fewer rows at once"),
            )),
            Err(error) => Err(EndpointError::invalid(format!(
                "the body can't be read: {}",
                error.body_text()
            ))),
        }
    }
}
