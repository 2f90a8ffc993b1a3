//! Who changes the registry, and why: two headers of ours that the journal keeps.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use percent_encoding::percent_decode;

use super::error::ApiError;
use crate::entities::Actor;

/// Percent-encoded UTF-8, because a header holds ASCII only.
const USER_HEADER: &str = "x-rookery-user";
const REASON_HEADER: &str = "x-rookery-reason";
/// The author of changes by clients that know nothing of the headers, such as MLflow's.
const UNKNOWN_USER: &str = "api";
/// The most characters of a user or a reason.
const MAX_CHARS: usize = 500;

/// Who makes the request.
pub(super) struct By(pub(super) Actor);

impl<S: Sync> FromRequestParts<S> for By {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let user = header(parts, USER_HEADER)?.filter(|user| !user.is_empty());
        Ok(By(Actor {
            user: user.unwrap_or_else(|| UNKNOWN_USER.to_owned()),
            reason: header(parts, REASON_HEADER)?.unwrap_or_default(),
        }))
    }
}

fn header(parts: &Parts, name: &str) -> Result<Option<String>, ApiError> {
    let Some(value) = parts.headers.get(name) else {
        return Ok(None);
    };
    let text = percent_decode(value.as_bytes()).decode_utf8().map_err(|_| {
        ApiError::invalid(format!(
            "Bad Request. The header {name} must be percent-encoded UTF-8."
        ))
    })?;
    if text.chars().count() > MAX_CHARS {
        return Err(ApiError::invalid(format!(
            "Bad Request. The header {name} must have at most {MAX_CHARS} characters."
        )));
    }
    Ok(Some(text.into_owned()))
}
