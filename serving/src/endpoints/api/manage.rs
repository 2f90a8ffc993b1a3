//! Making, changing, looking at and deleting endpoints.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

use super::answer::{Answer, ok};
use super::body::{self, ConfigBody, CreateBody, TagsBody};
use super::path::{Name, Names, Whole};
use super::{Api, view};
use crate::endpoints::error::{EndpointError, Kind};
use crate::endpoints::manager::Author;
use crate::endpoints::metrics::EndpointMetrics;
use crate::endpoints::promote::not_served;

/// The content type of metrics, as at `/metrics`.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn create(State(api): State<Api>, by: Author, Whole(body): Whole) -> Answer {
    let body: CreateBody = body::read(&body)?;
    let config = body
        .config
        .ok_or_else(|| EndpointError::invalid("config is missing"))?;
    let tags = body::tags(body.tags);
    let endpoint = api.endpoints.create(&body.name, config.spec()?, tags, by).await?;
    ok(&api.endpoint(&endpoint))
}

pub(super) async fn list(State(api): State<Api>) -> Answer {
    let endpoints = api.endpoints.all();
    let views: Vec<Value> = endpoints.iter().map(|endpoint| api.listed(endpoint)).collect();
    ok(&json!({ "endpoints": views }))
}

pub(super) async fn get(State(api): State<Api>, Name(name): Name) -> Answer {
    ok(&api.endpoint(&*api.endpoints.get(&name)?))
}

pub(super) async fn update(
    State(api): State<Api>,
    Name(name): Name,
    by: Author,
    Whole(body): Whole,
) -> Answer {
    let body: ConfigBody = body::read(&body)?;
    // What is wrong with the name comes before what is wrong with the body.
    api.endpoints.get(&name)?;
    let endpoint = api.endpoints.update(&name, body.spec()?, by).await?;
    ok(&api.endpoint(&endpoint))
}

pub(super) async fn delete(State(api): State<Api>, Name(name): Name, by: Author) -> Answer {
    api.endpoints.delete(&name, by).await?;
    ok(&json!({}))
}

pub(super) async fn tags(State(api): State<Api>, Name(name): Name, by: Author, Whole(body): Whole) -> Answer {
    let body: TagsBody = body::read(&body)?;
    let set = body::tags(body.add_tags);
    let endpoint = api.endpoints.tag(&name, set, body.delete_tags, by).await?;
    ok(&json!({ "tags": view::tags(&endpoint.record()) }))
}

pub(super) async fn metrics(State(api): State<Api>, Name(name): Name) -> Answer {
    api.endpoints.get(&name)?;
    let mut registry = Registry::with_prefix("rookery");
    registry.register_collector(Box::new(EndpointMetrics::of_one(api.endpoints, &name)));
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|error| EndpointError::new(Kind::Internal, error.to_string()))?;
    Ok(([(CONTENT_TYPE, METRICS_TYPE)], text).into_response())
}

/// There is nothing to build, so both logs are what happened to the model in memory.
pub(super) async fn logs(State(api): State<Api>, Names(name, served): Names) -> Answer {
    let endpoint = api.endpoints.get(&name)?;
    let Some(served) = endpoint.served(&served) else {
        let record = endpoint.record();
        return Err(match &record.active {
            Some(active) => not_served(&name, active, &served),
            None => EndpointError::not_found(format!("{name} serves nothing called {served:?}")),
        });
    };
    ok(&json!({ "logs": served.slot.log() }))
}

pub(super) async fn list_for_mlflow(State(api): State<Api>) -> Answer {
    let endpoints = api.endpoints.all();
    let views: Vec<Value> = endpoints
        .iter()
        .map(|endpoint| view::for_mlflow(endpoint))
        .collect();
    ok(&json!({ "endpoints": views }))
}

pub(super) async fn get_for_mlflow(State(api): State<Api>, Name(name): Name) -> Answer {
    ok(&view::for_mlflow(&*api.endpoints.get(&name)?))
}

/// Tells Databricks' SDK that there is no other service to log in at.
pub(super) async fn databricks_config() -> Answer {
    ok(&json!({ "oidc_endpoint": "" }))
}
