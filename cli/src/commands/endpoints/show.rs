//! `rookery endpoints list` and `show`.

use serde_json::{Value, json};

use crate::output::Output;
use crate::table::{self, indented, pairs, printable, section};
use crate::times;

pub(super) fn list(endpoints: &[Value], output: &Output) {
    if output.is_json() {
        for endpoint in endpoints {
            output.object(&as_object(endpoint.clone()));
        }
        return;
    }
    if endpoints.is_empty() {
        return output.note(
            "there are no endpoints: `rookery endpoints create NAME --model models:/MODEL/1` makes one",
        );
    }
    let rows = endpoints.iter().map(|endpoint| {
        vec![
            text(&endpoint["name"]),
            state(endpoint),
            served_line(&endpoint["config"]),
            time(&endpoint["last_request_ms"]),
            time(&endpoint["last_updated_timestamp"]),
        ]
    });
    let header = ["NAME", "STATE", "SERVES", "LAST REQUEST", "CHANGED"];
    output.line(&table::table(&header, rows));
}

pub(super) fn show(endpoint: Value, output: &Output) {
    match output.is_json() {
        true => output.object(&as_object(endpoint)),
        false => page(&endpoint).iter().for_each(|line| output.line(line)),
    }
}

fn as_object(endpoint: Value) -> Value {
    let mut object = json!({ "event": "endpoint" });
    if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), endpoint) {
        object.extend(fields);
    }
    object
}

/// What a configuration serves, in a line.
pub(super) fn served_line(config: &Value) -> String {
    let served = entities(config).map(|entity| {
        let name = printable(&text(&entity["name"]));
        match entity["shadow"].as_bool() {
            Some(true) => format!("{name} (shadow)"),
            _ => format!("{name} {} %", percent(config, entity)),
        }
    });
    served.collect::<Vec<_>>().join(", ")
}

fn page(endpoint: &Value) -> Vec<String> {
    let mut lines = vec![format!("endpoint {}", printable(&text(&endpoint["name"])))];
    let mut facts = vec![
        ("state", state(endpoint)),
        ("answers at", text(&endpoint["endpoint_url"])),
        (
            "created",
            format!(
                "{} by {}",
                time(&endpoint["creation_timestamp"]),
                text(&endpoint["creator"])
            ),
        ),
        ("changed", time(&endpoint["last_updated_timestamp"])),
        ("last request", time(&endpoint["last_request_ms"])),
    ];
    if let Some(why) = endpoint["update_message"].as_str() {
        facts.push(("last change", format!("failed: {why}")));
    }
    lines.extend(pairs(facts));
    let tags = endpoint["tags"].as_array().into_iter().flatten();
    let tags = tags.map(|tag| (tag["key"].as_str().unwrap_or_default(), text(&tag["value"])));
    section(&mut lines, "tags", pairs(tags));
    let config = &endpoint["config"];
    if !config.is_null() {
        let title = format!("configuration {}", config["config_version"]);
        section(&mut lines, &title, served(config));
    }
    let pending = &endpoint["pending_config"];
    if !pending.is_null() {
        let title = format!("configuration {}, not in effect", pending["config_version"]);
        section(&mut lines, &title, served(pending));
    }
    section(&mut lines, "requests since the driver began", requests(endpoint));
    section(&mut lines, "shadows", agreement(endpoint));
    lines
}

fn served(config: &Value) -> Vec<String> {
    let rows = entities(config).map(|entity| {
        let version = match entity["entity_alias"].as_str() {
            Some(alias) => format!("{} (@{alias})", text(&entity["entity_version"])),
            None => text(&entity["entity_version"]),
        };
        let traffic = match entity["shadow"].as_bool() {
            Some(true) => "shadow".to_string(),
            _ => format!("{} %", percent(config, entity)),
        };
        let deployment = text(&entity["state"]["deployment"]);
        let deployment = deployment.trim_start_matches("DEPLOYMENT_").to_lowercase();
        let message = text(&entity["state"]["deployment_state_message"]);
        let zero = entity["scale_to_zero_minutes"].as_f64();
        vec![
            text(&entity["name"]),
            text(&entity["entity_name"]),
            version,
            traffic,
            text(&entity["workload_size"]),
            zero.map_or_else(|| "never".to_string(), |minutes| format!("{minutes} min")),
            if message.is_empty() {
                deployment
            } else {
                format!("{deployment}: {message}")
            },
        ]
    });
    indented(
        &[
            "SERVED",
            "MODEL",
            "VERSION",
            "TRAFFIC",
            "SIZE",
            "TO ZERO AFTER",
            "STATE",
        ],
        rows,
    )
}

fn requests(endpoint: &Value) -> Vec<String> {
    let rows = activity(endpoint).map(|(name, one)| {
        vec![
            name.clone(),
            one["requests"].to_string(),
            one["requests_last_24_hours"].to_string(),
            time(&one["last_request_ms"]),
            one["scoring"].to_string(),
            one["waiting"].to_string(),
            format!(
                "{} KiB",
                one["memory_bytes"].as_u64().unwrap_or_default().div_ceil(1024)
            ),
        ]
    });
    let header = [
        "SERVED",
        "REQUESTS",
        "LAST 24 H",
        "LAST",
        "SCORING",
        "WAITING",
        "MEMORY",
    ];
    match activity(endpoint).next() {
        Some(_) => indented(&header, rows),
        None => Vec::new(),
    }
}

fn agreement(endpoint: &Value) -> Vec<String> {
    let shadows = || activity(endpoint).filter(|(_, one)| !one["agreement"].is_null());
    let rows = shadows().map(|(name, one)| {
        let agreement = &one["agreement"];
        let ratio = agreement["ratio"].as_f64();
        vec![
            name.clone(),
            agreement["requests"].to_string(),
            agreement["rows"].to_string(),
            agreement["agreeing_rows"].to_string(),
            ratio.map_or_else(|| "-".to_string(), |ratio| format!("{:.2} %", ratio * 100.0)),
            agreement["failed"].to_string(),
            agreement["dropped"].to_string(),
        ]
    });
    let header = [
        "SHADOW",
        "COMPARED",
        "ROWS",
        "AGREEING",
        "AGREEMENT",
        "FAILED",
        "DROPPED",
    ];
    match shadows().next() {
        Some(_) => indented(&header, rows),
        None => Vec::new(),
    }
}

fn entities(config: &Value) -> impl Iterator<Item = &Value> {
    config["served_entities"].as_array().into_iter().flatten()
}

fn activity(endpoint: &Value) -> impl Iterator<Item = (&String, &Value)> {
    endpoint["activity"].as_object().into_iter().flatten()
}

fn percent(config: &Value, entity: &Value) -> u64 {
    let mut routes = config["traffic_config"]["routes"]
        .as_array()
        .into_iter()
        .flatten();
    let route = routes.find(|route| route["served_model_name"] == entity["name"]);
    route
        .and_then(|route| route["traffic_percentage"].as_u64())
        .unwrap_or_default()
}

fn state(endpoint: &Value) -> String {
    let ready = match endpoint["state"]["ready"].as_str() {
        Some("READY") => "ready",
        _ => "not ready",
    };
    match endpoint["state"]["config_update"].as_str() {
        Some("IN_PROGRESS") => format!("{ready}, updating"),
        Some("UPDATE_FAILED") => format!("{ready}, update failed"),
        Some("UPDATE_CANCELED") => format!("{ready}, update cancelled"),
        _ => ready.to_string(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

fn time(value: &Value) -> String {
    value.as_i64().map_or_else(|| "-".to_string(), times::local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_is_served_and_how_far_a_shadow_agrees() {
        let endpoint = json!({
            "name": "predict-penguin", "creator": "ada", "endpoint_url": "http://d/serving-endpoints/predict-penguin/invocations",
            "state": {"ready": "READY", "config_update": "UPDATE_FAILED"}, "update_message": "version 9 is gone",
            "tags": [{"key": "team", "value": "aves"}],
            "config": {
                "config_version": 3,
                "served_entities": [
                    {"name": "a", "entity_name": "Pronosticador de pingüinos", "entity_version": "1",
                     "entity_alias": "champion", "workload_size": "Small", "scale_to_zero_minutes": 0.5,
                     "state": {"deployment": "DEPLOYMENT_READY", "deployment_state_message": "Scaled to zero"}},
                    {"name": "s", "entity_name": "m", "entity_version": "2", "shadow": true, "workload_size": "Large",
                     "state": {"deployment": "DEPLOYMENT_READY", "deployment_state_message": ""}}
                ],
                "traffic_config": {"routes": [{"served_model_name": "a", "traffic_percentage": 100}]}
            },
            "activity": {"s": {
                "requests": 4, "requests_last_24_hours": 3, "scoring": 0, "waiting": 0, "memory_bytes": 2049,
                "agreement": {"requests": 4, "rows": 8, "agreeing_rows": 7, "ratio": 0.875, "failed": 0, "dropped": 1}
            }}
        });
        insta::assert_snapshot!(page(&endpoint).join("\n"), @r"
        endpoint predict-penguin
          state         ready, update failed
          answers at    http://d/serving-endpoints/predict-penguin/invocations
          created       - by ada
          changed       -
          last request  -
          last change   failed: version 9 is gone

        tags
          team  aves

        configuration 3
          SERVED  MODEL                       VERSION        TRAFFIC  SIZE   TO ZERO AFTER  STATE
          a       Pronosticador de pingüinos  1 (@champion)  100 %    Small  0.5 min        ready: Scaled to zero
          s       m                           2              shadow   Large  never          ready

        requests since the driver began
          SERVED  REQUESTS  LAST 24 H  LAST  SCORING  WAITING  MEMORY
          s       4         3          -     0        0        3 KiB

        shadows
          SHADOW  COMPARED  ROWS  AGREEING  AGREEMENT  FAILED  DROPPED
          s       4         8     7         87.50 %    0       1
        ");
    }
}
