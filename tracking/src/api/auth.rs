//! The token that a server may ask for.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HeaderMap};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::error::ApiError;

/// What a load balancer asks without a token.
const OPEN: [&str; 2] = ["/health", "/version"];

/// Lets a request through if it brings the token, or if none is asked for.
pub(super) async fn check(State(token): State<Option<Arc<str>>>, request: Request, next: Next) -> Response {
    let is_welcome = match &token {
        None => true,
        Some(token) => OPEN.contains(&request.uri().path()) || brings(request.headers(), token),
    };
    if is_welcome {
        next.run(request).await
    } else {
        ApiError::unauthenticated().into_response()
    }
}

/// The token comes as a bearer's, or as the password of any user: what browsers and `MLFLOW_TRACKING_PASSWORD` send.
fn brings(headers: &HeaderMap, token: &str) -> bool {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return false;
    };
    let Some((scheme, credentials)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else {
        return false;
    };
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return is_same(credentials.as_bytes(), token.as_bytes());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return false;
    }
    let Ok(decoded) = STANDARD.decode(credentials) else {
        return false;
    };
    let colon = decoded.iter().position(|&byte| byte == b':');
    colon.is_some_and(|colon| is_same(&decoded[colon + 1..], token.as_bytes()))
}

/// Compares in a time that tells nothing of the token: digests of equal length, every byte of them.
fn is_same(given: &[u8], token: &[u8]) -> bool {
    let pairs = Sha256::digest(given).into_iter().zip(Sha256::digest(token));
    pairs.fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_taken_from_a_bearer_or_as_a_password() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            brings(&headers, "s3cret:x")
        };
        let basic = |text: &str| with(&format!("Basic {}", STANDARD.encode(text)));
        assert!(with("Bearer s3cret:x") && with("bearer  s3cret:x"));
        assert!(basic("ada:s3cret:x") && basic(":s3cret:x"));
        assert!(!with("Bearer s3cret") && !with("s3cret:x") && !with("Digest s3cret:x"));
        assert!(!basic("s3cret:x:") && !basic("ada") && !with("Basic !!"));
        assert!(!brings(&HeaderMap::new(), "s3cret:x"));
    }
}
