//! A served entity as Databricks shows it, and what we know beyond that.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::endpoints::config::ServedEntity;
use crate::endpoints::endpoint::Endpoint;
use crate::endpoints::record::EndpointRecord;
use crate::endpoints::routing::Served;
use crate::endpoints::stats::now_ms;

/// How the deployment of an entity goes.
pub(super) struct State {
    pub(super) deployment: &'static str,
    pub(super) message: String,
}

/// An entity of a configuration.
pub(super) fn entity(record: &EndpointRecord, entity: &ServedEntity, state: &State) -> Value {
    let mut view = json!({
        "name": entity.name,
        "entity_name": entity.model,
        "entity_version": entity.version.to_string(),
        "type": "CUSTOM_MODEL",
        "workload_size": entity.size.name(),
        "workload_type": "CPU",
        "scale_to_zero_enabled": entity.idle_ms.is_some(),
        "creator": record.creator,
        "creation_timestamp": record.created_ms,
        "state": {"deployment": state.deployment, "deployment_state_message": state.message},
    });
    let ours = [
        ("entity_alias", entity.alias.as_ref().map(|alias| json!(alias))),
        ("shadow", entity.shadow.then_some(json!(true))),
        (
            "scale_to_zero_minutes",
            entity.idle_ms.map(|ms| json!(ms as f64 / 60_000.0)),
        ),
    ];
    if let Some(view) = view.as_object_mut() {
        for (name, value) in ours {
            view.extend(value.map(|value| (name.to_string(), value)));
        }
    }
    view
}

/// What an entity in action has done, in a field of ours.
pub(super) fn activity(endpoint: &Endpoint, served: &Served) -> Value {
    let (stats, shadow) = (&served.stats, &served.stats.shadow);
    let loaded = served.slot.loaded();
    let mut view = json!({
        "loaded": loaded.is_some(),
        "memory_bytes": loaded.map_or(0, |model| model.bytes),
        "concurrency": served.turns.most(),
        "scoring": served.turns.running(),
        "waiting": served.turns.waiting(),
        "requests": stats.by_status().values().sum::<u64>(),
        "requests_by_status": stats.by_status(),
        "requests_last_24_hours": stats.of_a_day(now_ms()),
        "last_request_ms": stats.last_ms(),
    });
    let Some(fields) = view.as_object_mut() else {
        return view;
    };
    if let Some(why) = endpoint.stuck_because(&served.entity.name) {
        fields.insert("alias_not_followed".to_string(), json!(why));
    }
    if served.entity.shadow {
        let rows = shadow.rows.load(Ordering::Relaxed);
        let agreeing = shadow.agreeing.load(Ordering::Relaxed);
        fields.insert(
            "agreement".to_string(),
            json!({
                "requests": shadow.requests.load(Ordering::Relaxed),
                "rows": rows,
                "agreeing_rows": agreeing,
                "ratio": (rows > 0).then(|| agreeing as f64 / rows as f64),
                "failed": shadow.failed.load(Ordering::Relaxed),
                "dropped": shadow.dropped.load(Ordering::Relaxed),
            }),
        );
    }
    view
}
