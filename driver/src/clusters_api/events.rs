//! What happened to a cluster, page by page.

use serde_json::{Map, Value, json};

use super::{Answer, Refused, settings, view};
use crate::named_clusters::{ClusterHappening, Happening};

/// Events on a page, unless told otherwise, and at most.
const LIMIT: u64 = 50;
const LIMIT_MAX: u64 = 500;

/// The page that `fields` ask for: newest first unless told otherwise.
pub(super) fn page(id: &str, fields: &Map<String, Value>, happened: Vec<ClusterHappening>) -> Answer {
    let number = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_u64()
            .map(Some)
            .ok_or_else(|| Refused::invalid(format!("{name} is {value}, expected a whole number from 0"))),
    };
    let (start, end) = (number("start_time")?, number("end_time")?);
    let (limit, offset) = (number("limit")?.unwrap_or(LIMIT), number("offset")?.unwrap_or(0));
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Refused::invalid(format!(
            "limit is {limit}, expected 1 to {LIMIT_MAX}"
        )));
    }
    let is_ascending = match settings::text(fields, "order")? {
        None | Some("DESC") => false,
        Some("ASC") => true,
        Some(other) => {
            return Err(Refused::invalid(format!(
                "order is {other}, expected ASC or DESC"
            )));
        }
    };
    let kinds = fields.get("event_types").and_then(Value::as_array);
    let is_wanted = |event: &Value| {
        let when = event["timestamp"].as_u64().unwrap_or_default();
        let is_in_time = start.is_none_or(|start| when >= start) && end.is_none_or(|end| when <= end);
        is_in_time && kinds.is_none_or(|kinds| kinds.is_empty() || kinds.contains(&event["type"]))
    };
    let mut events: Vec<Value> = happened
        .iter()
        .map(|what| event(id, what))
        .filter(is_wanted)
        .collect();
    if !is_ascending {
        events.reverse();
    }
    let total = events.len() as u64;
    let shown: Vec<Value> = events
        .into_iter()
        .skip(offset as usize)
        .take(limit as usize)
        .collect();
    let next = offset + shown.len() as u64;
    let mut page = json!({"events": shown, "total_count": total});
    if next < total {
        let mut asked = fields.clone();
        asked.insert("cluster_id".to_string(), json!(id));
        asked.insert("offset".to_string(), json!(next));
        asked.insert("limit".to_string(), json!(limit));
        page["next_page"] = Value::Object(asked);
    }
    Ok(page)
}

fn event(id: &str, happened: &ClusterHappening) -> Value {
    let kind = match happened.what {
        Happening::Created => "CREATING",
        Happening::Starting => "STARTING",
        Happening::Running => "RUNNING",
        Happening::WorkerJoined => "UPSIZE_COMPLETED",
        Happening::WorkerLost => "NODES_LOST",
        Happening::Resized => "RESIZING",
        Happening::Edited => "EDITED",
        Happening::Restarting => "RESTARTING",
        Happening::Pinned => "PINNED",
        Happening::Unpinned => "UNPINNED",
        Happening::Terminated => "TERMINATING",
    };
    let mut details = Map::new();
    if let Some(user) = &happened.user {
        details.insert("user".to_string(), json!(user));
    }
    if let Some(workers) = happened.workers {
        details.insert("target_num_workers".to_string(), json!(workers));
    }
    if happened.what == Happening::Terminated {
        details.insert(
            "reason".to_string(),
            view::termination(happened.reason.as_deref()),
        );
    }
    json!({"cluster_id": id, "timestamp": happened.timestamp_ms, "type": kind, "details": details})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another_from_the_newest_on() {
        let happened: Vec<ClusterHappening> = (0..5)
            .map(|timestamp_ms| ClusterHappening {
                what: if timestamp_ms == 0 {
                    Happening::Created
                } else {
                    Happening::WorkerJoined
                },
                timestamp_ms,
                user: None,
                reason: None,
                workers: None,
            })
            .collect();
        let mut asked = json!({"limit": 2}).as_object().unwrap().clone();
        let mut times = Vec::new();
        loop {
            let page = page("id", &asked, happened.clone()).unwrap();
            assert_eq!(page["total_count"], 5);
            times.extend(
                page["events"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|e| e["timestamp"].as_i64().unwrap()),
            );
            match page.get("next_page") {
                Some(next) => asked = next.as_object().unwrap().clone(),
                None => break,
            }
        }
        assert_eq!(times, [4, 3, 2, 1, 0]);
        let only = json!({"event_types": ["CREATING"], "order": "ASC", "end_time": 3});
        let page = page("id", only.as_object().unwrap(), happened.clone()).unwrap();
        assert_eq!(page["events"].as_array().unwrap().len(), 1);
        for wrong in [
            json!({"limit": 501}),
            json!({"order": "UP"}),
            json!({"offset": -1}),
        ] {
            assert!(
                super::page("id", wrong.as_object().unwrap(), happened.clone()).is_err(),
                "{wrong}"
            );
        }
    }
}
