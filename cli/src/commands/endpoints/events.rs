//! `rookery endpoints events`: who changed an endpoint, when, and why.

use clap::Args;
use rookery_proto::Failure;
use serde_json::{Value, json};

use crate::args::JsonFlag;
use crate::client::EndpointsClient;
use crate::output::Output;
use crate::table::{self, shortened};
use crate::times;

const DEFAULT_MAX: u32 = 100;
/// Longest value in the table; JSON has it all.
const CELL_LENGTH: usize = 60;

/// Show who changed an endpoint, when and why, newest first; also one that was deleted
#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    /// The endpoint, by its name now or then
    name: String,

    /// At most this many [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    max: Option<u32>,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

pub(super) async fn events(
    args: &EventsArgs,
    client: &EndpointsClient,
    output: &Output,
) -> Result<(), Failure> {
    let events = client.events(&args.name, args.max.unwrap_or(DEFAULT_MAX)).await?;
    if output.is_json() {
        for event in &events {
            let mut object = json!({ "event": "endpoint_event" });
            if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), event) {
                object.extend(fields.clone());
            }
            output.object(&object);
        }
        return Ok(());
    }
    output.line(&as_table(&events));
    Ok(())
}

fn as_table(events: &[Value]) -> String {
    let rows = events.iter().map(|event| {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_string();
        let number = |name: &str| {
            event[name]
                .as_u64()
                .map_or_else(|| "-".to_string(), |number| number.to_string())
        };
        let detail = text("detail");
        let serving = if detail.is_empty() { serving(event) } else { detail };
        vec![
            times::local(event["timestamp"].as_i64().unwrap_or_default()),
            text("user"),
            text("action").replace('_', " "),
            format!("{} → {}", number("from_config"), number("to_config")),
            shortened(&serving, CELL_LENGTH),
            shortened(&text("reason"), CELL_LENGTH),
        ]
    });
    table::table(&["WHEN", "WHO", "ACTION", "CONFIG", "SERVING", "REASON"], rows)
}

fn serving(event: &Value) -> String {
    let shares = event["serving"].as_array().into_iter().flatten().map(|share| {
        let name = share["name"].as_str().unwrap_or_default();
        match share["shadow"].as_bool() {
            Some(true) => format!("{name} (shadow)"),
            _ => format!("{name} {} %", share["percent"]),
        }
    });
    shares.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line() {
        let event = json!({
            "timestamp": 0, "user": "ada", "action": "rolled_back", "from_config": 2, "to_config": null,
            "reason": "porque sí", "detail": null,
            "serving": [
                {"name": "a", "percent": 100, "shadow": false}, {"name": "b", "percent": 0, "shadow": true}
            ],
        });
        let text = as_table(&[event]).replace(&times::local(0), "THEN-AND-THERE-LONG");
        insta::assert_snapshot!(text, @r"
        WHEN                 WHO  ACTION       CONFIG  SERVING              REASON
        THEN-AND-THERE-LONG  ada  rolled back  2 → -   a 100 %, b (shadow)  porque sí
        ");
    }
}
