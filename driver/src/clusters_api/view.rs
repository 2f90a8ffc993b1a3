//! A cluster as clients see it.

use serde_json::{Map, Value, json};

use super::catalogue::NODE_TYPE;
use super::settings::UNKNOWN_VERSION;
use crate::named_clusters::{ClusterInfo, ClusterLifecycle, Machine};

/// Every state in clients' words, also those that no cluster is in here.
pub(super) const STATES: [&str; 8] = [
    "PENDING",
    "RUNNING",
    "RESTARTING",
    "RESIZING",
    "TERMINATING",
    "TERMINATED",
    "ERROR",
    "UNKNOWN",
];

/// The state in clients' words.
pub(super) fn state(lifecycle: ClusterLifecycle) -> &'static str {
    match lifecycle {
        ClusterLifecycle::Pending => "PENDING",
        ClusterLifecycle::Running => "RUNNING",
        ClusterLifecycle::Restarting => "RESTARTING",
        ClusterLifecycle::Resizing => "RESIZING",
        ClusterLifecycle::Terminating => "TERMINATING",
        ClusterLifecycle::Terminated => "TERMINATED",
    }
}

/// The state in the words of people.
pub(super) fn in_words(lifecycle: ClusterLifecycle) -> String {
    let state = state(lifecycle);
    format!("{}{}", &state[..1], state[1..].to_lowercase())
}

/// All that is known of it: what was said when it was configured, and how it is.
pub(super) fn cluster(cluster: &ClusterInfo, machine: Machine) -> Value {
    let ClusterInfo { settings, .. } = cluster;
    let mut shown = settings.attributes.clone();
    shown.insert("spec".to_string(), Value::Object(settings.attributes.clone()));
    let mut put = |name: &str, value: Value| shown.insert(name.to_string(), value);
    put("cluster_id", json!(cluster.id));
    put("cluster_name", json!(settings.name));
    put("creator_user_name", json!(cluster.created_by));
    put("state", json!(state(cluster.lifecycle)));
    put("state_message", json!(message(cluster)));
    put(
        "start_time",
        json!(cluster.started_ms.unwrap_or(cluster.created_ms)),
    );
    put(
        "autotermination_minutes",
        json!(settings.auto_terminate_minutes.unwrap_or(0.0) as u64),
    );
    put("cluster_cores", json!(machine.cores as f64));
    put("cluster_memory_mb", json!(machine.memory_mb));
    put(
        "default_tags",
        json!({"Vendor": "Rookery", "ClusterName": settings.name, "ClusterId": cluster.id}),
    );
    let size = settings.size;
    match (size.is_single_node, size.min_workers == size.max_workers) {
        (true, _) => put("num_workers", json!(0)),
        (false, true) => put("num_workers", json!(size.min_workers)),
        (false, false) => put(
            "autoscale",
            json!({"min_workers": size.min_workers, "max_workers": size.max_workers}),
        ),
    };
    if let Some(started_ms) = cluster.started_ms {
        put("last_restarted_time", json!(started_ms));
    }
    if let Some(pinned_by) = &cluster.pinned_by {
        put("pinned_by_user_name", json!(pinned_by));
    }
    if cluster.lifecycle == ClusterLifecycle::Terminated {
        put(
            "terminated_time",
            json!(cluster.terminated_ms.unwrap_or(cluster.created_ms)),
        );
        put("termination_reason", termination(cluster.end_reason.as_deref()));
    }
    if let Some(driver) = &cluster.driver {
        put(
            "driver",
            json!({"node_id": "driver", "host_private_ip": host_of(driver), "private_ip": host_of(driver)}),
        );
    }
    for (name, value) in [
        ("spark_version", json!(UNKNOWN_VERSION)),
        ("node_type_id", json!(NODE_TYPE)),
        ("cluster_source", json!("API")),
    ] {
        shown.entry(name).or_insert(value);
    }
    if !shown.contains_key("driver_node_type_id") {
        let node_type = shown["node_type_id"].clone();
        shown.insert("driver_node_type_id".to_string(), node_type);
    }
    Value::Object(without_size_twice(shown, size.min_workers == size.max_workers))
}

/// A cluster that scales has no fixed number of workers, and the other way round, whatever was said before it was resized.
fn without_size_twice(mut shown: Map<String, Value>, is_fixed: bool) -> Map<String, Value> {
    shown.remove(if is_fixed { "autoscale" } else { "num_workers" });
    shown
}

fn message(cluster: &ClusterInfo) -> String {
    match cluster.lifecycle {
        ClusterLifecycle::Pending => "Starting the driver and its workers".to_string(),
        ClusterLifecycle::Terminated => cluster
            .end_reason
            .clone()
            .unwrap_or_else(|| "It was not started yet".to_string()),
        _ => cluster
            .driver
            .as_ref()
            .map_or(String::new(), |driver| format!("Its driver answers at {driver}")),
    }
}

/// Why it ended: a code that clients know, and the words of whoever ended it.
pub(super) fn termination(reason: Option<&str>) -> Value {
    let reason = reason.unwrap_or_default();
    let (code, kind) = match reason {
        _ if reason.contains("stopped it") || reason.contains("signal") => ("USER_REQUEST", "SUCCESS"),
        _ if reason.contains("no job") || reason.contains("idle") => ("INACTIVITY", "SUCCESS"),
        _ if reason.contains("crashed") => ("DRIVER_UNRESPONSIVE", "SERVICE_FAULT"),
        "" => ("USER_REQUEST", "SUCCESS"),
        _ => ("DRIVER_UNREACHABLE", "CLIENT_ERROR"),
    };
    json!({"code": code, "type": kind, "parameters": {"reason": reason}})
}

fn host_of(driver: &str) -> String {
    let url = url::Url::parse(driver).ok();
    url.and_then(|url| url.host_str().map(str::to_string))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::named_clusters::{ClusterSettings, ClusterSize};

    #[test]
    fn a_cluster_is_what_was_said_and_how_it_is() {
        let attributes = json!({"cluster_name": "ñ", "spark_version": "15.4.x", "num_workers": 2, "custom_tags": {"a": "b"}});
        let info = ClusterInfo {
            id: "id".to_string(),
            settings: ClusterSettings {
                name: "ñ".to_string(),
                size: ClusterSize {
                    is_single_node: false,
                    min_workers: 1,
                    max_workers: 4,
                },
                auto_terminate_minutes: None,
                attributes: attributes.as_object().unwrap().clone(),
            },
            lifecycle: ClusterLifecycle::Terminated,
            created_by: "ana".to_string(),
            created_ms: 5,
            started_ms: Some(7),
            terminated_ms: Some(9),
            end_reason: Some("ana stopped it".to_string()),
            driver: None,
            pinned_by: None,
        };
        let machine = Machine {
            cores: 2,
            memory_mb: 4096,
        };
        let shown = cluster(&info, machine);
        assert_eq!(shown["custom_tags"], json!({"a": "b"}));
        assert_eq!(shown["spec"], attributes);
        // It was resized since.
        assert_eq!(shown["autoscale"], json!({"min_workers": 1, "max_workers": 4}));
        assert_eq!(shown.get("num_workers"), None);
        assert_eq!(
            (&shown["state"], &shown["terminated_time"]),
            (&json!("TERMINATED"), &json!(9))
        );
        assert_eq!(shown["termination_reason"]["code"], "USER_REQUEST");
        assert_eq!(in_words(ClusterLifecycle::Terminated), "Terminated");
    }
}
