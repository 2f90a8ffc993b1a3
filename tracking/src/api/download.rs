//! A file as an HTTP answer: whole or a range of it, with headers that let a browser save it and never run it.

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue,
    RANGE,
};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Api;
use super::artifacts::{file_name, path_error};
use super::error::ApiError;
use super::respond::Answer;
use crate::artifacts::{ByteRange, Opened};

/// What is shown as text, whatever a system's table of types may call it.
const TEXT: [&str; 26] = [
    "txt",
    "log",
    "err",
    "cfg",
    "conf",
    "cnf",
    "cf",
    "ini",
    "properties",
    "prop",
    "hocon",
    "toml",
    "yaml",
    "yml",
    "xml",
    "json",
    "js",
    "py",
    "py3",
    "csv",
    "tsv",
    "md",
    "rst",
    "ipynb",
    "mlmodel",
    "mlproject",
];
/// What the UI shows by its type.
const OTHERS: [(&str, &str); 16] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("bmp", "image/bmp"),
    ("webp", "image/webp"),
    ("svg", "image/svg+xml"),
    ("html", "text/html"),
    ("htm", "text/html"),
    ("css", "text/css"),
    ("pdf", "application/pdf"),
    ("geojson", "application/geo+json"),
    ("zip", "application/zip"),
    ("mp3", "audio/mpeg"),
    ("wav", "audio/x-wav"),
    ("mp4", "video/mp4"),
];
/// What RFC 5987 leaves as it is in a header's value.
const ATTRIBUTE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Answers with the file at a path from the artifacts' root.
pub(super) async fn answer(api: &Api, path: &str, headers: &HeaderMap) -> Answer {
    let range = headers
        .get(RANGE)
        .and_then(|value| parse_range(value.to_str().ok()?));
    let file = match api.artifacts.open(path, range).await.map_err(path_error)? {
        Opened::File(file) => file,
        Opened::OutOfRange(size) => return Ok(out_of_range(size)),
        Opened::Directory => {
            return Err(ApiError::invalid(format!(
                "Artifact path refers to a directory, not a file: '{path}'"
            )));
        }
        Opened::Missing => return Err(ApiError::not_found(format!("No such artifact: '{path}'"))),
    };
    let mut response = Body::from_stream(file.content).into_response();
    let name = file_name(path);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    headers.insert(CONTENT_LENGTH, (file.range.end - file.range.start).into());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(disposition) = HeaderValue::try_from(disposition(name)) {
        headers.insert(CONTENT_DISPOSITION, disposition);
    }
    if range.is_some() {
        let (first, last) = (file.range.start, file.range.end - 1);
        let value = format!("bytes {first}-{last}/{}", file.size_bytes);
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(CONTENT_RANGE, value);
        }
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

fn out_of_range(size: u64) -> Response {
    let message = format!("the file has {size} bytes, none of them in the range");
    let error = ApiError::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "INVALID_PARAMETER_VALUE",
        message,
    );
    let mut response = error.into_response();
    if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
        response.headers_mut().insert(CONTENT_RANGE, value);
    }
    response
}

/// Reads one range. Several ranges, or what is none, mean the whole file, as RFC 9110 allows.
fn parse_range(text: &str) -> Option<ByteRange> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (first.trim(), last.trim()) {
        ("", last) => Some(ByteRange::Last(number(last)?)),
        (first, "") => Some(ByteRange::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(ByteRange::Between(first, last))
        }
    }
}

fn content_type(name: &str) -> &'static str {
    // A name without an extension, such as MLmodel, is its own.
    let extension = name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase();
    if extension == "gz" && name.to_ascii_lowercase().ends_with(".tar.gz") {
        return "application/x-tar";
    }
    if TEXT.contains(&extension.as_str()) {
        return "text/plain";
    }
    OTHERS
        .iter()
        .find(|(known, _)| *known == extension)
        .map_or("application/octet-stream", |(_, content_type)| content_type)
}

/// Returns the header that makes a browser save the file under its name, in any script.
fn disposition(name: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let ascii: String = name.chars().filter(|c| matches!(c, ' '..='~')).collect();
    let fallback = match ascii.as_str() {
        "" => "download".to_owned(),
        plain if plain.chars().all(is_token) => plain.to_owned(),
        other => format!("\"{}\"", other.replace('\\', "\\\\").replace('"', "\\\"")),
    };
    if ascii == name {
        return format!("attachment; filename={fallback}");
    }
    let encoded = utf8_percent_encode(name, ATTRIBUTE);
    format!("attachment; filename={fallback}; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_read_and_others_are_ignored() {
        for (text, range) in [
            ("bytes=0-4", Some(ByteRange::Between(0, 4))),
            ("bytes=5-", Some(ByteRange::From(5))),
            ("bytes=-3", Some(ByteRange::Last(3))),
            (
                "bytes=0-99999999999999999999999",
                Some(ByteRange::Between(0, u64::MAX)),
            ),
            ("bytes=4-0", None),
            ("bytes=0-1,3-4", None),
            ("bytes=-", None),
            ("bytes=+1-2", None),
            ("lines=1-2", None),
        ] {
            assert_eq!(parse_range(text), range, "{text}");
        }
    }

    #[test]
    fn a_type_goes_by_the_extension() {
        for (name, expected) in [
            ("MLmodel", "text/plain"),
            ("conda.yaml", "text/plain"),
            ("a.JSON", "text/plain"),
            ("plot.png", "image/png"),
            ("model.onnx", "application/octet-stream"),
            ("part-00000", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name), expected, "{name}");
        }
    }

    #[test]
    fn a_name_is_saved_as_it_is() {
        assert_eq!(disposition("a.txt"), "attachment; filename=a.txt");
        assert_eq!(disposition("q\";.js"), "attachment; filename=\"q\\\";.js\"");
        assert_eq!(
            disposition("jp日.jpg"),
            "attachment; filename=jp.jpg; filename*=UTF-8''jp%E6%97%A5.jpg"
        );
        assert_eq!(
            disposition("日"),
            "attachment; filename=download; filename*=UTF-8''%E6%97%A5"
        );
    }
}
