//! Rows in, predictions out.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::Api;
use super::answer::Answer;
use super::path::{Name, Names, Whole};
use crate::endpoints::invoke::{Invocation, Invoked};

/// Says which served entity answered, as Databricks does.
const SERVED: HeaderName = HeaderName::from_static("served-model-name");
/// Says which version it is: one that follows an alias keeps its name.
const VERSION: HeaderName = HeaderName::from_static("x-rookery-model-version");
/// Says which configuration sent the request there.
const CONFIG: HeaderName = HeaderName::from_static("x-rookery-config-version");

pub(super) async fn of_endpoint(
    State(api): State<Api>,
    Name(name): Name,
    uri: Uri,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Answer {
    let request = invocation(&uri, &headers, body);
    Ok(response(api.endpoints.invoke(&name, None, request).await?))
}

pub(super) async fn of_served(
    State(api): State<Api>,
    Names(name, served): Names,
    uri: Uri,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Answer {
    let request = invocation(&uri, &headers, body);
    Ok(response(
        api.endpoints.invoke(&name, Some(&served), request).await?,
    ))
}

fn invocation(uri: &Uri, headers: &HeaderMap, body: axum::body::Bytes) -> Invocation {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    Invocation {
        content_type: text(CONTENT_TYPE).map(str::to_string),
        accept: text(ACCEPT).map(str::to_string),
        query: uri.query().map(str::to_string),
        body,
    }
}

fn response(invoked: Invoked) -> Response {
    let mut response = match invoked.result {
        Ok(answer) => ([(CONTENT_TYPE, answer.content_type)], Body::from(answer.body)).into_response(),
        Err(refused) => {
            let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let json = [(CONTENT_TYPE, "application/json")];
            (status, json, Body::from(refused.body())).into_response()
        }
    };
    let headers = response.headers_mut();
    // Names of served entities are ASCII.
    headers.extend(
        HeaderValue::from_str(&invoked.served)
            .ok()
            .map(|name| (SERVED, name)),
    );
    headers.insert(VERSION, HeaderValue::from(invoked.version));
    headers.insert(CONFIG, HeaderValue::from(invoked.config));
    response
}
