//! Serving endpoints: the lab's second half, and what may not go wrong while models answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rookery_tests::{DEADLINE, TestCluster, http};
use serde_json::{Value, json};

use crate::{BINARY, lab};

mod bad_requests; // what is wrong, and how it is said
mod commands; // `rookery endpoints`, from create to delete
mod databricks; // Databricks' SDK and MLflow's deployment clients
mod under_load; // 64 connections while configurations change
mod zero; // models that nobody asks, and too many requests at once

/// The lab's model.
const MODEL: &str = "Pronosticador de pingüinos";
/// The name that a served version of it gets, up to the version.
const SERVED: &str = "Pronosticador-de-ping-inos";
/// The lab's endpoint.
const ENDPOINT: &str = "predict-penguin";

/// The lab's request.
fn penguin() -> Value {
    json!({"dataframe_records": [
        {"Island": "Biscoe", "CulmenLength": 48.7, "CulmenDepth": 14.1, "FlipperLength": 210, "BodyMass": 4450}
    ]})
}

/// A driver with the lab's model: version 1 is the second run's, version 2 the first run's.
async fn trained(driver_arguments: &[&str]) -> TestCluster {
    let cluster = TestCluster::new(BINARY)
        .driver_arguments(driver_arguments)
        .start()
        .await;
    let job = cluster.submit(lab(), &[]).await.succeeded().last_json();
    for run in [&job["runs"][1], &job["runs"][0]] {
        let run = run["run_id"].as_str().unwrap();
        cluster
            .rookery()
            .run(&["models", "register", run, MODEL])
            .await
            .succeeded();
    }
    cluster
}

/// Asks the endpoint for the lab's penguin.
async fn ask(cluster: &TestCluster, endpoint: &str) -> http::Answer {
    let path = format!("/serving-endpoints/{endpoint}/invocations");
    http::post(cluster.url(), &path, Some(&cluster.rookery().token()), &penguin()).await
}

/// The endpoint as the driver shows it.
async fn shown(cluster: &TestCluster, endpoint: &str) -> Value {
    let path = format!("/api/2.0/serving-endpoints/{endpoint}");
    http::get(cluster.url(), &path, Some(&cluster.rookery().token()))
        .await
        .json()
}

/// Waits until the endpoint is what `is_so` says; returns it.
async fn until(cluster: &TestCluster, endpoint: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let waited = async {
        loop {
            let shown = shown(cluster, endpoint).await;
            if is_so(&shown) {
                return shown;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waited)
        .await
        .expect("it becomes so")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_answers_at_once_and_again_after_its_driver_was_killed() {
    let mut cluster = trained(&[]).await;
    let token = cluster.rookery().token();
    let body = json!({"name": ENDPOINT, "config": {"served_entities": [
        {"entity_name": MODEL, "entity_version": "1", "workload_size": "Small"}
    ]}});
    let began = Instant::now();
    let made = http::post(cluster.url(), "/api/2.0/serving-endpoints", Some(&token), &body).await;
    assert_eq!(made.status, 200, "{made:?}");
    let answer = ask(&cluster, ENDPOINT).await;
    let took = began.elapsed();
    rookery_tests::say(&format!(
        "from the creation of an endpoint to its first answer: {took:?}"
    ));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["predictions"], json!([1.0]));
    assert_eq!(
        answer.header("served-model-name"),
        Some(format!("{SERVED}-1").as_str())
    );
    let metrics = http::get(cluster.url(), "/metrics", Some(&token)).await.body;
    let labels = format!(r#"endpoint="{ENDPOINT}",served_model="{SERVED}-1",version="1""#);
    for series in [
        format!(r#"rookery_scorer_answered_requests_total{{{labels}}} 1"#),
        format!(r#"rookery_scorer_input_drift{{{labels},column="BodyMass"}} "#),
    ] {
        assert!(metrics.contains(&series), "{series}\n{metrics}");
    }

    let second = json!({"served_entities": [{"entity_name": MODEL, "entity_version": "2"}]});
    let path = format!("/api/2.0/serving-endpoints/{ENDPOINT}/config");
    assert_eq!(
        http::put(cluster.url(), &path, Some(&token), &second)
            .await
            .status,
        200
    );
    for round in 0..3 {
        cluster.kill_driver().await;
        cluster.start_driver_again().await;
        let answer = ask(&cluster, ENDPOINT).await;
        assert_eq!(answer.status, 200, "round {round}: {answer:?}");
        assert_eq!(answer.header("x-rookery-model-version"), Some("2"), "{answer:?}");
        let shown = until(&cluster, ENDPOINT, |shown| shown["state"]["ready"] == "READY").await;
        assert_eq!(shown["config"]["config_version"], 2, "{shown}");
    }
    let events = cluster
        .rookery()
        .run_json(&["endpoints", "events", ENDPOINT])
        .await
        .succeeded();
    let actions: Vec<Value> = events
        .json_lines()
        .iter()
        .map(|event| event["action"].clone())
        .collect();
    assert_eq!(actions, ["updated", "created"]);
}

/// Whatever was answered for is there when the driver is killed in the middle of the next change.
#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_change_is_lost_when_the_driver_is_killed() {
    let mut cluster = trained(&[]).await;
    let (first, second) = (format!("models:/{MODEL}/1=100"), format!("models:/{MODEL}/2=0"));
    let create = [
        "endpoints",
        "create",
        ENDPOINT,
        "--model",
        &first,
        "--model",
        &second,
    ];
    cluster.rookery().run(&create).await.succeeded();
    for round in 0..5 {
        let acknowledged = AtomicU64::new(0);
        let pid = cluster.driver_pid().to_string();
        let change = async {
            for command in ["promote", "rollback"].into_iter().cycle() {
                let changed = cluster
                    .rookery()
                    .run_json(&["endpoints", command, ENDPOINT])
                    .await;
                if changed.code != 0 {
                    return;
                }
                let config = changed.last_json()["config_version"].as_u64().unwrap();
                acknowledged.store(config, Ordering::SeqCst);
            }
        };
        let kill = async {
            let before = 1 + 3 * round;
            while acknowledged.load(Ordering::SeqCst) < before {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let killed = tokio::process::Command::new("kill")
                .args(["-KILL", &pid])
                .status()
                .await;
            assert!(killed.unwrap().success());
        };
        let both = async { tokio::join!(change, kill) };
        tokio::time::timeout(DEADLINE, both).await.expect("it is killed");
        cluster.kill_driver().await;
        cluster.start_driver_again().await;
        let config = shown(&cluster, ENDPOINT).await["config"]["config_version"]
            .as_u64()
            .unwrap();
        let acknowledged = acknowledged.load(Ordering::SeqCst);
        // The change that was under way may have been written down, and not been answered for.
        assert!(
            config == acknowledged || config == acknowledged + 1,
            "{config} after {acknowledged}"
        );
        assert_eq!(ask(&cluster, ENDPOINT).await.status, 200, "round {round}");
    }
    let events = cluster
        .rookery()
        .run_json(&["endpoints", "events", ENDPOINT])
        .await
        .succeeded();
    let configs: Vec<u64> = events
        .json_lines()
        .iter()
        .map(|event| event["to_config"].as_u64().unwrap())
        .collect();
    assert_eq!(
        configs,
        (1..=configs.len() as u64).rev().collect::<Vec<_>>(),
        "each change is told of once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_an_alias_moves_with_it() {
    let cluster = trained(&[]).await;
    let rookery = cluster.rookery();
    rookery
        .run(&["models", "alias", MODEL, "campeón", "1"])
        .await
        .succeeded();
    let uri = format!("models:/{MODEL}@campeón");
    rookery
        .run(&["endpoints", "create", ENDPOINT, "--model", &uri])
        .await
        .succeeded();
    assert_eq!(
        ask(&cluster, ENDPOINT).await.header("x-rookery-model-version"),
        Some("1")
    );
    // The command writes to the records without the driver, which notices.
    rookery
        .run(&["models", "alias", MODEL, "campeón", "2"])
        .await
        .succeeded();
    let moved = |shown: &Value| shown["config"]["served_entities"][0]["entity_version"] == "2";
    let shown = until(&cluster, ENDPOINT, moved).await;
    assert_eq!(
        shown["config"]["served_entities"][0]["entity_alias"], "campeón",
        "{shown}"
    );
    let answer = ask(&cluster, ENDPOINT).await;
    assert_eq!(answer.header("x-rookery-model-version"), Some("2"));
    assert_eq!(
        answer.header("served-model-name"),
        Some(format!("{SERVED}-campe-n").as_str())
    );
    let events = rookery
        .run_json(&["endpoints", "events", ENDPOINT])
        .await
        .succeeded();
    let event = &events.json_lines()[0];
    assert_eq!(
        (&event["action"], &event["user"]),
        (&json!("alias_moved"), &json!("alias")),
        "{event}"
    );
}
