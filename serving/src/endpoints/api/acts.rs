//! What Databricks has no words for: promoting, going back, and what was done to an endpoint.

use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, ok};
use super::body::{self, PromoteBody, RollBackBody};
use super::path::{Name, Whole};
use super::{Api, view};
use crate::endpoints::error::EndpointError;
use crate::endpoints::manager::Author;

const DEFAULT_EVENTS: usize = 100;
const MAX_EVENTS: usize = 1000;

pub(super) async fn promote(
    State(api): State<Api>,
    Name(name): Name,
    by: Author,
    Whole(body): Whole,
) -> Answer {
    let body: PromoteBody = body::read_or_default(&body)?;
    let by = by.because(body.reason)?;
    let endpoint = api.endpoints.promote(&name, body.served_entity_name, by).await?;
    ok(&api.endpoint(&endpoint))
}

pub(super) async fn roll_back(
    State(api): State<Api>,
    Name(name): Name,
    by: Author,
    Whole(body): Whole,
) -> Answer {
    let body: RollBackBody = body::read_or_default(&body)?;
    let by = by.because(body.reason)?;
    let endpoint = api.endpoints.roll_back(&name, body.config_version, by).await?;
    ok(&api.endpoint(&endpoint))
}

#[derive(Debug, Deserialize)]
pub(super) struct EventsQuery {
    max_results: Option<usize>,
}

/// Newest first. Those of endpoints that were deleted are there, too.
pub(super) async fn events(
    State(api): State<Api>,
    Name(name): Name,
    query: Result<Query<EventsQuery>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let query = query.map_err(|error| EndpointError::invalid(format!("the query can't be read: {error}")))?;
    let most = query.max_results.unwrap_or(DEFAULT_EVENTS);
    if most == 0 || most > MAX_EVENTS {
        return Err(EndpointError::invalid(format!(
            "max_results is {most}: expected 1 to {MAX_EVENTS}"
        )));
    }
    let acts = api.endpoints.acts(&name, most).await?;
    let views: Vec<Value> = acts.iter().map(view::act).collect();
    ok(&json!({ "events": views }))
}
