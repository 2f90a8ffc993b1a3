//! 64 connections ask one endpoint while it is updated, promoted and rolled back, and while another one is made and
//! deleted: no request fails, and none is answered by a version that was not routed while it was on its way.
//!
//! `ROOKERY_LOAD_SECONDS` says how long; without it, long enough to see something.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rookery_tests::http::{self, Caller};
use rookery_tests::{TestCluster, say};
use serde_json::{Value, json};

use super::{ENDPOINT, MODEL, penguin, trained};

const CONNECTIONS: usize = 64;
const DEFAULT_SECONDS: u64 = 4;

/// What a request was answered with.
struct Seen {
    sent_ms: i64,
    answered_ms: i64,
    took: Duration,
    config: u64,
    served: String,
    version: u64,
}

/// A configuration from the moment at which it was written down until the call that replaced it had returned.
struct Reign {
    from_ms: i64,
    until_ms: i64,
    event: Value,
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_or_strays_while_everything_changes() {
    let cluster = trained(&[]).await;
    create(&cluster, ENDPOINT).await;
    let seconds = std::env::var("ROOKERY_LOAD_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let load_for = Duration::from_secs(seconds.unwrap_or(DEFAULT_SECONDS));
    let is_over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let is_over = Arc::clone(&is_over);
            let (url, token) = (cluster.url().to_string(), cluster.rookery().token());
            tokio::spawn(async move { load(Caller::connect(&url, &token).await, &is_over).await })
        })
        .collect();
    let (returned, events) = change(&cluster, load_for).await;
    is_over.store(true, Ordering::SeqCst);
    let mut seen = Vec::new();
    for caller in callers {
        seen.extend(caller.await.expect("no request failed"));
    }
    check(&seen, &reigns(&returned, events));
}

async fn load(mut caller: Caller, is_over: &AtomicBool) -> Vec<Seen> {
    let path = format!("/serving-endpoints/{ENDPOINT}/invocations");
    let body = penguin().to_string();
    let mut seen = Vec::new();
    while !is_over.load(Ordering::SeqCst) {
        let (sent_ms, began) = (now_ms(), Instant::now());
        let answer = caller.post(&path, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["predictions"], json!([1.0]), "{answer:?}");
        let number = |name| {
            answer
                .header(name)
                .and_then(|text| text.parse().ok())
                .expect("a number")
        };
        seen.push(Seen {
            sent_ms,
            answered_ms: now_ms(),
            took: began.elapsed(),
            config: number("x-rookery-config-version"),
            served: answer.header("served-model-name").expect("a name").to_string(),
            version: number("x-rookery-model-version"),
        });
    }
    seen
}

/// Changes the endpoint for so long; returns when each configuration's call had returned, and the acts that were told.
async fn change(cluster: &TestCluster, load_for: Duration) -> (Vec<(u64, i64)>, BTreeMap<u64, Value>) {
    let token = cluster.rookery().token();
    let below = |name: &str, what: &str| format!("/api/2.0/serving-endpoints/{name}{what}");
    let began = Instant::now();
    let mut returned = Vec::new();
    let mut note = |answer: http::Answer| {
        assert_eq!(answer.status, 200, "{answer:?}");
        let changed = answer.json();
        assert_eq!(changed["state"]["config_update"], "NOT_UPDATING", "{changed}");
        returned.push((
            changed["config"]["config_version"].as_u64().expect("a number"),
            now_ms(),
        ));
    };
    let mut events = told(cluster).await;
    let mut round = 0;
    while began.elapsed() < load_for {
        let first = 10 * (1 + round % 9);
        let split = json!({"served_entities": [
            {"name": "current", "entity_name": MODEL, "entity_version": "1", "workload_size": "Small"},
            {"name": "challenger", "entity_name": MODEL, "entity_version": "2", "workload_size": "Small"},
        ], "traffic_config": {"routes": [
            {"served_model_name": "current", "traffic_percentage": first},
            {"served_model_name": "challenger", "traffic_percentage": 100 - first},
        ]}});
        note(http::put(cluster.url(), &below(ENDPOINT, "/config"), Some(&token), &split).await);
        let challenger = json!({"served_entity_name": "challenger"});
        note(
            http::post(
                cluster.url(),
                &below(ENDPOINT, "/promote"),
                Some(&token),
                &challenger,
            )
            .await,
        );
        create(cluster, "other").await;
        note(
            http::post(
                cluster.url(),
                &below(ENDPOINT, "/rollback"),
                Some(&token),
                &json!({}),
            )
            .await,
        );
        let deleted = http::request(cluster.url(), "DELETE", &below("other", ""), Some(&token), "").await;
        assert_eq!(deleted.status, 200, "{deleted:?}");
        events.extend(told(cluster).await);
        round += 1;
    }
    (returned, events)
}

/// The latest acts, by the configurations that they made.
async fn told(cluster: &TestCluster) -> BTreeMap<u64, Value> {
    let path = format!("/api/2.0/serving-endpoints/{ENDPOINT}/events?max_results=10");
    let told = http::get(cluster.url(), &path, Some(&cluster.rookery().token()))
        .await
        .json();
    let told = told["events"].as_array().expect("events").iter();
    told.map(|event| {
        (
            event["to_config"].as_u64().expect("a configuration"),
            event.clone(),
        )
    })
    .collect()
}

async fn create(cluster: &TestCluster, name: &str) {
    let body = json!({"name": name, "config": {"served_entities": [
        {"name": "current", "entity_name": MODEL, "entity_version": "1", "workload_size": "Small"}
    ]}});
    let token = cluster.rookery().token();
    let made = http::post(cluster.url(), "/api/2.0/serving-endpoints", Some(&token), &body).await;
    assert_eq!(made.status, 200, "{made:?}");
}

fn reigns(returned: &[(u64, i64)], events: BTreeMap<u64, Value>) -> BTreeMap<u64, Reign> {
    let reigns = events.into_iter().map(|(config, event)| {
        let replaced = returned.iter().find(|(replacing, _)| *replacing == config + 1);
        let reign = Reign {
            from_ms: event["timestamp"].as_i64().expect("a time"),
            until_ms: replaced.map_or(i64::MAX, |(_, ms)| *ms),
            event,
        };
        (config, reign)
    });
    reigns.collect()
}

fn check(seen: &[Seen], reigns: &BTreeMap<u64, Reign>) {
    let mut configs = BTreeSet::new();
    for seen in seen {
        let reign = reigns.get(&seen.config);
        let reign = reign.unwrap_or_else(|| panic!("configuration {} never took effect", seen.config));
        assert!(
            reign.from_ms <= seen.answered_ms && seen.sent_ms <= reign.until_ms,
            "sent at {}, answered at {} by what ruled from {} to {}",
            seen.sent_ms,
            seen.answered_ms,
            reign.from_ms,
            reign.until_ms
        );
        let shares = reign.event["serving"].as_array().expect("shares");
        let share = shares.iter().find(|share| share["name"] == seen.served.as_str());
        let share = share.unwrap_or_else(|| panic!("{} was not served by {}", seen.served, reign.event));
        assert!(
            share["percent"].as_u64() > Some(0) && share["version"] == seen.version,
            "{share}"
        );
        configs.insert(seen.config);
    }
    assert!(configs.len() > 3, "there was load all the while: {configs:?}");
    let mut took: Vec<Duration> = seen.iter().map(|seen| seen.took).collect();
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    say(&format!(
        "{} requests over {CONNECTIONS} connections, {} configurations; latency {:?} in the middle, {:?} for 99 %, {:?} at most",
        took.len(),
        reigns.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    ));
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    i64::try_from(since.as_millis()).expect("a time")
}
