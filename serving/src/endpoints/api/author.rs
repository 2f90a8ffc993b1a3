//! Who changes an endpoint, and why: the headers that the registry takes, too.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use percent_encoding::percent_decode;

use crate::endpoints::error::EndpointError;
use crate::endpoints::manager::Author;

/// Percent-encoded UTF-8, because a header holds ASCII only.
const USER_HEADER: &str = "x-rookery-user";
const REASON_HEADER: &str = "x-rookery-reason";
/// The author of changes by clients that know nothing of the headers.
const UNKNOWN_USER: &str = "api";
/// The most characters of a user or a reason.
const MAX_CHARS: usize = 500;

impl<S: Sync> FromRequestParts<S> for Author {
    type Rejection = EndpointError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, EndpointError> {
        let user = header(parts, USER_HEADER)?.filter(|user| !user.is_empty());
        Ok(Self {
            user: user.unwrap_or_else(|| UNKNOWN_USER.to_string()),
            reason: header(parts, REASON_HEADER)?.unwrap_or_default(),
        })
    }
}

impl Author {
    /// The same with the reason that the body gives, if it gives one.
    pub(super) fn because(self, reason: Option<String>) -> Result<Self, EndpointError> {
        let Some(reason) = reason.filter(|reason| !reason.is_empty()) else {
            return Ok(self);
        };
        check("reason", &reason)?;
        Ok(Self { reason, ..self })
    }
}

fn header(parts: &Parts, name: &str) -> Result<Option<String>, EndpointError> {
    let Some(value) = parts.headers.get(name) else {
        return Ok(None);
    };
    let text = percent_decode(value.as_bytes()).decode_utf8();
    let text =
        text.map_err(|_| EndpointError::invalid(format!("the header {name} is no percent-encoded UTF-8")))?;
    check(name, &text)?;
    Ok(Some(text.into_owned()))
}

fn check(what: &str, text: &str) -> Result<(), EndpointError> {
    match text.chars().count() {
        0..=MAX_CHARS => Ok(()),
        length => Err(EndpointError::invalid(format!(
            "{what} has {length} characters, at most {MAX_CHARS} are possible"
        ))),
    }
}
