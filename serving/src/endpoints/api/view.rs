//! Endpoints as Databricks shows them. What is ours is in fields that its clients do not know, and leave alone.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Api;
use super::view_entity::{State, activity, entity};
use crate::endpoints::config::{Config, ServedEntity};
use crate::endpoints::endpoint::Endpoint;
use crate::endpoints::record::{Act, EndpointRecord, LastUpdate};
use crate::endpoints::routing::Routing;
use crate::endpoints::slot::SlotState;

impl Api {
    /// An endpoint in full.
    pub(super) fn endpoint(&self, endpoint: &Endpoint) -> Value {
        let record = endpoint.record();
        let mut view = self.summary(endpoint, &record);
        let Some(fields) = view.as_object_mut() else {
            return view;
        };
        if let Some(active) = &record.active {
            let routing = endpoint.routing();
            fields.insert(
                "config".to_string(),
                config(&record, active, |entity| in_action(routing.as_deref(), entity)),
            );
        }
        let pending = match (&record.pending, &record.last_update) {
            (Some(pending), _) => {
                let next = endpoint.next.load_full();
                let mut view = config(&record, &pending.config, |entity| {
                    in_action(next.as_deref(), entity)
                });
                view["start_time"] = json!(pending.since_ms);
                Some(view)
            }
            (
                None,
                LastUpdate::Failed {
                    config: failed,
                    message,
                },
            ) => Some(config(&record, failed, |_| State {
                deployment: "DEPLOYMENT_FAILED",
                message: message.clone(),
            })),
            _ => None,
        };
        fields.extend(pending.map(|pending| ("pending_config".to_string(), pending)));
        if let LastUpdate::Failed { message, .. } = &record.last_update {
            fields.insert("update_message".to_string(), json!(message));
        }
        let activity = |routing: Arc<Routing>| -> serde_json::Map<String, Value> {
            let served = routing.served.iter();
            served
                .map(|one| (one.entity.name.clone(), activity(endpoint, one)))
                .collect()
        };
        if let Some(routing) = endpoint.routing() {
            fields.insert("activity".to_string(), Value::Object(activity(routing)));
        }
        view
    }

    /// An endpoint as it stands in a list: without what is pending.
    pub(super) fn listed(&self, endpoint: &Endpoint) -> Value {
        let record = endpoint.record();
        let mut view = self.summary(endpoint, &record);
        if let (Some(fields), Some(active)) = (view.as_object_mut(), &record.active) {
            let routing = endpoint.routing();
            fields.insert(
                "config".to_string(),
                config(&record, active, |entity| in_action(routing.as_deref(), entity)),
            );
        }
        view
    }

    fn summary(&self, endpoint: &Endpoint, record: &EndpointRecord) -> Value {
        json!({
            "name": record.name,
            "id": record.id,
            "creator": record.creator,
            "creation_timestamp": record.created_ms,
            "last_updated_timestamp": record.updated_ms,
            "state": {"ready": endpoint.ready(), "config_update": endpoint.config_update()},
            "tags": tags(record),
            "endpoint_url": format!("{}/serving-endpoints/{}/invocations", self.url, record.name),
            "permission_level": "CAN_MANAGE",
            "route_optimized": false,
            "task": "",
            "last_request_ms": endpoint.last_request_ms(),
        })
    }
}

/// The tags, as Databricks lists them.
pub(super) fn tags(record: &EndpointRecord) -> Vec<Value> {
    let tags = record.tags.iter();
    tags.map(|(key, value)| json!({"key": key, "value": value}))
        .collect()
}

/// The endpoint as MLflow's gateway would show it.
pub(super) fn for_mlflow(endpoint: &Endpoint) -> Value {
    let record = endpoint.record();
    let model = record.active.as_ref().and_then(|active| active.entities.first());
    json!({
        "name": record.name,
        "endpoint_type": "custom",
        "model": {"name": model.map(|entity| &entity.model), "provider": "rookery"},
        "endpoint_url": format!("/endpoints/{}/invocations", record.name),
        "limit": null,
    })
}

/// An act.
pub(super) fn act(act: &Act) -> Value {
    json!({
        "timestamp": act.timestamp_ms,
        "endpoint": act.endpoint,
        "endpoint_id": act.endpoint_id,
        "action": act.action.as_str(),
        "user": act.user,
        "reason": act.reason,
        "from_config": act.from,
        "to_config": act.to,
        "serving": act.serving,
        "detail": act.detail,
    })
}

fn config(record: &EndpointRecord, config: &Config, state: impl Fn(&ServedEntity) -> State) -> Value {
    let entities: Vec<Value> = config
        .entities
        .iter()
        .map(|one| entity(record, one, &state(one)))
        .collect();
    let models: Vec<Value> = entities.iter().cloned().map(in_old_words).collect();
    let routes: Vec<Value> = config
        .entities
        .iter()
        .map(|entity| {
            json!({
                "served_model_name": entity.name,
                "served_entity_name": entity.name,
                "traffic_percentage": entity.percent,
            })
        })
        .collect();
    json!({
        "config_version": config.version,
        "served_entities": entities,
        "served_models": models,
        "traffic_config": {"routes": routes},
    })
}

/// A served entity in the words of the generation before.
fn in_old_words(mut entity: Value) -> Value {
    if let Some(fields) = entity.as_object_mut() {
        for (new, old) in [("entity_name", "model_name"), ("entity_version", "model_version")] {
            let value = fields.remove(new);
            fields.extend(value.map(|value| (old.to_string(), value)));
        }
    }
    entity
}

fn in_action(routing: Option<&Routing>, entity: &ServedEntity) -> State {
    let served = routing.and_then(|routing| routing.named(&entity.name));
    let state = served.map_or(SlotState::Creating, |served| served.slot.state());
    State {
        deployment: state.deployment(),
        message: state.message(),
    }
}
