//! `GET` and `HEAD` of `/api/rookery/v1/sources/DATASET/NUMBER`: byte ranges of a running job's files, for workers that
//! do not share this machine's disk.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, RANGE,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use rookery_data::stores::{Identity, SOURCES_ROUTE};
use rookery_proto::{Token, token};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use crate::served_files::{ServedFile, ServedFiles};

/// Bytes that are read from disk at once.
const CHUNK: usize = 128 << 10;

/// What is served, and to whom.
#[derive(Debug, Clone)]
struct Served {
    files: Arc<ServedFiles>,
    token: Option<Token>,
}

/// The route.
pub(crate) fn routes(files: Arc<ServedFiles>, token: Option<Token>) -> Router {
    Router::new()
        .route(
            &format!("{SOURCES_ROUTE}/{{dataset}}/{{number}}"),
            axum::routing::get(answer),
        )
        .layer(Extension(Served { files, token }))
}

async fn answer(
    Extension(served): Extension<Served>,
    Path((dataset, number)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    if !token::is_admitted(served.token.as_ref(), &headers) {
        return (StatusCode::UNAUTHORIZED, token::refusal("driver").to_string()).into_response();
    }
    let Some(file) = served.files.find(&dataset, &number) else {
        return (StatusCode::NOT_FOUND, "no running job reads such a file").into_response();
    };
    let tag = file.identity.http_tag();
    let opened = tokio::task::spawn_blocking(move || open_same(&file)).await;
    let Ok(Ok(opened)) = opened else {
        let why = "the file has changed since the job was planned, or is gone";
        return (StatusCode::PRECONDITION_FAILED, why).into_response();
    };
    let head_only = method == Method::HEAD;
    match condition(&headers, &tag) {
        Some(status) => tagged(status.into_response(), &tag),
        None => tagged(bytes(opened, &headers, head_only).await, &tag),
    }
}

/// The open file with its size, if it is what it was when the job was planned.
fn open_same(file: &ServedFile) -> std::io::Result<(File, u64)> {
    let opened = File::open(&file.path)?;
    let identity = Identity::of_disk(&opened.metadata()?);
    match identity == file.identity {
        true => Ok((opened, identity.size)),
        false => Err(std::io::Error::other("another file")),
    }
}

/// The answer to a condition that is not met.
fn condition(headers: &HeaderMap, tag: &str) -> Option<StatusCode> {
    let names = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        text.trim() == "*" || text.split(',').any(|one| one.trim() == tag)
    };
    if headers.get(IF_MATCH).is_some_and(|value| !names(value)) {
        return Some(StatusCode::PRECONDITION_FAILED);
    }
    let is_known = headers.get(IF_NONE_MATCH).is_some_and(names);
    is_known.then_some(StatusCode::NOT_MODIFIED)
}

fn tagged(mut response: Response, tag: &str) -> Response {
    if let Ok(value) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}

/// The file or a range of it, as a stream.
async fn bytes((file, size): (File, u64), headers: &HeaderMap, head_only: bool) -> Response {
    let asked = headers.get(RANGE).and_then(|value| value.to_str().ok());
    let (range, status) = match asked.and_then(|text| range_of(text, size)) {
        None => (0..size, StatusCode::OK),
        Some(Some(range)) => (range, StatusCode::PARTIAL_CONTENT),
        Some(None) => {
            let all = [(CONTENT_RANGE, format!("bytes */{size}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, all).into_response();
        }
    };
    let length = range.end - range.start;
    let mut file = tokio::fs::File::from_std(file);
    if let Err(error) = file.seek(std::io::SeekFrom::Start(range.start)).await {
        return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
    }
    let body = match head_only {
        true => Body::empty(),
        false => Body::from_stream(ReaderStream::with_capacity(file.take(length), CHUNK)),
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(value) = HeaderValue::try_from(format!(
            "bytes {}-{}/{size}",
            range.start,
            range.end.saturating_sub(1)
        ))
    {
        headers.insert(CONTENT_RANGE, value);
    }
    response
}

/// One range of a file with `size` bytes; `Some(None)` if none of them is in it. Several ranges, or what is none, mean the
/// whole file, as RFC 9110 allows.
fn range_of(text: &str, size: u64) -> Option<Option<Range<u64>>> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let range = match (first.trim(), last.trim()) {
        ("", last) => size.saturating_sub(number(last)?)..size,
        (first, "") => number(first)?..size,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            first..last.saturating_add(1).min(size)
        }
    };
    Some(Some(range).filter(|range| range.start < range.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_rfc_9110() {
        for (text, range) in [
            ("bytes=0-3", Some(Some(0..4))),
            ("bytes=2-", Some(Some(2..10))),
            ("bytes=-3", Some(Some(7..10))),
            ("bytes=-30", Some(Some(0..10))),
            ("bytes=8-99", Some(Some(8..10))),
            ("bytes=10-", Some(None)),
            ("bytes=-0", Some(None)),
            ("bytes=99999999999999999999-", Some(None)),
            ("bytes=4-2", None),
            ("bytes=0-1,4-5", None),
            ("lines=1-2", None),
            ("bytes=a-b", None),
        ] {
            assert_eq!(range_of(text, 10), range, "{text}");
        }
    }

    #[test]
    fn a_condition_is_about_the_version_that_was_planned_with() {
        let with = |name: axum::http::HeaderName, value: &'static str| {
            HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
        };
        assert_eq!(condition(&HeaderMap::new(), "\"a\""), None);
        assert_eq!(condition(&with(IF_MATCH, "\"b\", \"a\""), "\"a\""), None);
        let refused = condition(&with(IF_MATCH, "\"b\""), "\"a\"");
        assert_eq!(refused, Some(StatusCode::PRECONDITION_FAILED));
        let known = condition(&with(IF_NONE_MATCH, "*"), "\"a\"");
        assert_eq!(known, Some(StatusCode::NOT_MODIFIED));
    }
}
