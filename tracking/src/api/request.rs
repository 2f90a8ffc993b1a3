//! The one way in: a request's JSON body or query parameters, as [`Fields`].

use std::fmt::Display;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use axum::http::{Method, StatusCode};
use futures::StreamExt;
use percent_encoding::percent_decode;
use serde_json::{Map, Value};

use super::error::ApiError;
use super::fields::Fields;

/// The largest body that is not an artifact: a full batch of the longest parameters and tags takes 2 MiB.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

impl<S: Sync> FromRequest<S> for Fields {
    type Rejection = ApiError;

    /// GET brings query parameters, POST and PUT a JSON object. PATCH and DELETE bring an object, or, as not every
    /// client can send a body with them, query parameters.
    async fn from_request(request: Request, _state: &S) -> Result<Fields, ApiError> {
        let (parts, body) = request.into_parts();
        let query = parts.uri.query();
        if parts.method == Method::GET || parts.method == Method::HEAD {
            return Fields::from_query(query);
        }
        let takes_query = parts.method != Method::POST && parts.method != Method::PUT;
        if !takes_query {
            check_content_type(&parts.headers)?;
        }
        let body = read_body(&parts.headers, body).await?;
        let fields = Fields::from_json(&body)?;
        if takes_query && fields.is_empty() {
            return Fields::from_query(query);
        }
        Ok(fields)
    }
}

impl Fields {
    /// Reads a JSON object; nothing is an empty object.
    pub(super) fn from_json(body: &[u8]) -> Result<Self, ApiError> {
        if body.trim_ascii().is_empty() {
            return Ok(Fields::of_body(Map::new()));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(values)) => Ok(Fields::of_body(values)),
            Ok(_) => Err(ApiError::invalid(
                "Bad Request. The body must be a JSON object, such as {\"name\": \"value\"}.",
            )),
            Err(error) => Err(unreadable("body", error)),
        }
    }

    /// Reads query parameters, in which `+` is a space.
    pub(super) fn from_query(query: Option<&str>) -> Result<Self, ApiError> {
        let mut values = Map::new();
        for pair in query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let list = values
                .entry(decode(name)?)
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.push(Value::String(decode(value)?));
            }
        }
        Ok(Fields::of_query(values))
    }
}

fn decode(text: &str) -> Result<String, ApiError> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8();
    decoded
        .map(|text| text.into_owned())
        .map_err(|error| unreadable("query", error))
}

fn unreadable(what: &str, error: impl Display) -> ApiError {
    ApiError::invalid(format!("Bad Request. The {what} could not be read: {error}."))
}

/// A page in a browser can send other content types to another origin without asking; this one it cannot.
fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(content_type) = headers.get(CONTENT_TYPE) else {
        return Err(ApiError::invalid("Bad Request. Content-Type header is missing."));
    };
    let media_type = content_type.to_str().unwrap_or_default().split(';').next();
    if media_type.is_some_and(|text| text.trim().eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    Err(ApiError::invalid(
        "Bad Request. Content-Type must be one of ['application/json'].",
    ))
}

async fn read_body(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, ApiError> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| unreadable("body", error))?;
        if bytes.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn too_large() -> ApiError {
    let message = format!("Bad Request. The body must be at most {MAX_BODY_BYTES} bytes long.");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "INVALID_PARAMETER_VALUE", message)
}
