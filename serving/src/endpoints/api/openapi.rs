//! What an endpoint takes, as OpenAPI: made from the columns that its models read.

use std::sync::Arc;

use axum::extract::State;
use rookery_ml::{ColumnKind, Defaults, InputColumn};
use serde_json::{Map, Value, json};

use super::Api;
use super::answer::{Answer, ok};
use super::path::Name;
use crate::endpoints::error::EndpointError;
use crate::endpoints::slot::not_to_blame;

pub(super) async fn openapi(State(api): State<Api>, Name(name): Name) -> Answer {
    let endpoint = api.endpoints.get(&name)?;
    let routing = endpoint.routing();
    let routing =
        routing.ok_or_else(|| EndpointError::unavailable(format!("Endpoint '{name}' is not ready")))?;
    let mut paths = Map::new();
    for served in &routing.served {
        let model = served
            .slot
            .get(api.endpoints.source.as_ref(), api.endpoints.bounds.load)
            .await;
        let model = model.map_err(not_to_blame)?;
        let path = format!(
            "/serving-endpoints/{name}/served-models/{}/invocations",
            served.entity.name
        );
        let scorer = Arc::clone(&model.scorer).scorer();
        let defaults = scorer
            .map(|scorer| scorer.model().defaults.clone())
            .unwrap_or_default();
        let operation = operation(model.scorer.inputs(), &defaults);
        paths.insert(path, operation.clone());
        if served.entity.percent > 0 {
            let path = format!("/serving-endpoints/{name}/invocations");
            paths.entry(path).or_insert(operation);
        }
    }
    ok(&json!({
        "openapi": "3.1.0",
        "info": {"title": name, "version": routing.config.version.to_string()},
        "servers": [{"url": &*api.url}],
        "paths": paths,
    }))
}

fn operation(inputs: &[InputColumn], defaults: &Defaults) -> Value {
    let columns: Map<String, Value> = inputs
        .iter()
        .map(|input| {
            let mut column = json!({"type": json_type(input.kind)});
            if let Some(default) = defaults.get(&input.name) {
                column["default"] = json!(default);
            }
            (input.name.clone(), column)
        })
        .collect();
    let names = inputs.iter().map(|input| input.name.as_str());
    let names: Vec<&str> = names.filter(|name| !defaults.contains_key(*name)).collect();
    let record = json!({"type": "object", "properties": columns, "required": names});
    let request = json!({
        "type": "object",
        "properties": {"dataframe_records": {"type": "array", "items": record}},
        "required": ["dataframe_records"],
    });
    let answer = json!({
        "type": "object",
        "properties": {"predictions": {"type": "array", "items": {"type": ["number", "null"]}}},
    });
    json!({
        "post": {
            "requestBody": {"required": true, "content": {"application/json": {"schema": request}}},
            "responses": {"200": {
                "description": "A prediction for each row",
                "content": {"application/json": {"schema": answer}},
            }},
        },
    })
}

fn json_type(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Boolean => "boolean",
        ColumnKind::Integer => "integer",
        ColumnKind::Float | ColumnKind::Double => "number",
        ColumnKind::Text => "string",
        ColumnKind::Vector => "array",
    }
}
