//! `rookery endpoints`, from create to delete.

use rookery_tests::{Output, Rookery, TestCluster};
use serde_json::{Value, json};

use super::{ENDPOINT, MODEL, SERVED, penguin, trained};
use crate::BINARY;

/// Runs a command on endpoints that succeeds; returns its last object.
async fn endpoints(cluster: &TestCluster, arguments: &[&str]) -> Value {
    let arguments = [&["endpoints"], arguments].concat();
    cluster
        .rookery()
        .run_json(&arguments)
        .await
        .succeeded()
        .last_json()
}

async fn fails(cluster: &TestCluster, arguments: &[&str], code: i32, part: &str) -> Output {
    let output = cluster.rookery().run(&[&["endpoints"], arguments].concat()).await;
    assert_eq!(output.code, code, "{output}");
    assert!(output.stderr.contains(part), "{part}: {output}");
    output
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_tried_out_promoted_taken_back_and_the_endpoint_deleted() {
    let cluster = trained(&[]).await;
    let (first, second) = (format!("models:/{MODEL}/1"), format!("models:/{MODEL}/2"));
    let create = [
        "create",
        ENDPOINT,
        "--model",
        &first,
        "--shadow",
        &second,
        "--tag",
        "team=aves",
    ];
    let made = endpoints(&cluster, &create).await;
    assert_eq!(
        (&made["event"], &made["ready"]),
        (&json!("endpoint_created"), &json!("READY")),
        "{made}"
    );

    let rows = penguin().to_string();
    let query = ["query", ENDPOINT, "--json", &rows];
    let text = cluster
        .rookery()
        .run(&[&["endpoints"], &query[..]].concat())
        .await
        .succeeded();
    assert_eq!(text.stdout, "1.0\n", "{text}");
    assert!(
        text.stderr
            .contains(&format!("answered by {SERVED}-1, version 1")),
        "{text}"
    );
    let as_json = [&["endpoints"], &query[..], &["--output", "json"]].concat();
    let answer = cluster.rookery().run(&as_json).await.succeeded().last_json();
    assert_eq!(answer["predictions"], json!([1.0]), "{answer}");

    // The shadow is the same kind of model, and agrees on this penguin.
    let agreement = |shown: &Value| shown["activity"][format!("{SERVED}-2")]["agreement"].clone();
    let shown = super::until(&cluster, ENDPOINT, |shown| agreement(shown)["requests"] == 2).await;
    assert_eq!(agreement(&shown)["ratio"], 1.0, "{shown}");
    let page = cluster
        .rookery()
        .run(&["endpoints", "show", ENDPOINT])
        .await
        .succeeded();
    assert!(
        page.stdout.contains("100.00 %") && page.stdout.contains("team"),
        "{page}"
    );

    let (most, rest) = (format!("{first}=90"), format!("{second}=10"));
    let update = [
        "update", ENDPOINT, "--model", &most, "--model", &rest, "--size", "large",
    ];
    let split = endpoints(&cluster, &update).await;
    assert_eq!(split["served_entities"][0]["workload_size"], "Large", "{split}");
    assert_eq!(
        split["traffic_config"]["routes"][1]["traffic_percentage"], 10,
        "{split}"
    );
    let even = format!("{SERVED}-1=50");
    let other = format!("{SERVED}-2=50");
    let even = endpoints(
        &cluster,
        &["update", ENDPOINT, "--traffic", &even, "--traffic", &other],
    )
    .await;
    assert_eq!(
        even["traffic_config"]["routes"][0]["traffic_percentage"], 50,
        "{even}"
    );
    fails(
        &cluster,
        &["promote", ENDPOINT],
        2,
        "which of the served entities",
    )
    .await;
    let challenger = format!("{SERVED}-2");
    endpoints(
        &cluster,
        &["promote", ENDPOINT, &challenger, "--reason", "mejor en primavera"],
    )
    .await;
    let served = ["query", ENDPOINT, "--json", &rows, "--output", "json"];
    let answer = cluster
        .rookery()
        .run(&[&["endpoints"], &served[..]].concat())
        .await
        .succeeded();
    assert_eq!(answer.last_json()["version"], "2", "{answer}");
    endpoints(&cluster, &["rollback", ENDPOINT]).await;
    let back = endpoints(&cluster, &["rollback", ENDPOINT, "--to", "1"]).await;
    assert_eq!(back["served_entities"][1]["shadow"], true, "{back}");

    let listed = endpoints(&cluster, &["list"]).await;
    assert_eq!(
        (&listed["event"], &listed["name"]),
        (&json!("endpoint"), &json!(ENDPOINT))
    );
    endpoints(&cluster, &["delete", ENDPOINT]).await;
    let events = cluster
        .rookery()
        .run_json(&["endpoints", "events", ENDPOINT])
        .await
        .succeeded();
    let events = events.json_lines();
    let actions: Vec<&str> = events
        .iter()
        .map(|event| event["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        [
            "deleted",
            "rolled_back",
            "rolled_back",
            "promoted",
            "updated",
            "updated",
            "created"
        ]
    );
    assert_eq!(events[3]["reason"], "mejor en primavera");
    assert_ne!(events[3]["user"], "api", "the command says who it works for");
    fails(&cluster, &["show", ENDPOINT], 2, "does not exist").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_has_a_code_and_a_hint() {
    let cluster = trained(&[]).await;
    let first = format!("models:/{MODEL}/1");
    fails(
        &cluster,
        &["create", ENDPOINT, "--model", "runs:/0123"],
        2,
        "hint: `rookery models register",
    )
    .await;
    fails(
        &cluster,
        &["create", ENDPOINT, "--model", &format!("models:/{MODEL}/9")],
        2,
        "not found",
    )
    .await;
    fails(
        &cluster,
        &["create", ENDPOINT, "--model", "models:/nadie@campeón"],
        2,
        "error:",
    )
    .await;
    fails(
        &cluster,
        &["create", "pingüinos", "--model", &first],
        2,
        "endpoint name",
    )
    .await;
    fails(
        &cluster,
        &["list", "--driver", "http://127.0.0.1:9"],
        4,
        "no driver answers",
    )
    .await;
    endpoints(&cluster, &["create", ENDPOINT, "--model", &first]).await;
    fails(
        &cluster,
        &["create", ENDPOINT, "--model", &first],
        2,
        "already exists",
    )
    .await;
    fails(
        &cluster,
        &["query", ENDPOINT, "--json", r#"{"Island":"Biscoe"}"#],
        6,
        "CulmenLength",
    )
    .await;
    fails(&cluster, &["query", ENDPOINT, "--json", "{"], 6, "no JSON").await;
    fails(
        &cluster,
        &["query", ENDPOINT, "--served", "x", "--json", "{}"],
        2,
        SERVED,
    )
    .await;
    fails(
        &cluster,
        &["query", "nobody", "--json", "{}"],
        2,
        "rookery endpoints list",
    )
    .await;
    fails(&cluster, &["rollback", ENDPOINT], 2, "nothing to go back to").await;
    let wrong_token = Rookery::new(BINARY).with_env("ROOKERY_TOKEN", "another");
    let refused = wrong_token
        .run(&["endpoints", "list", "--driver", cluster.url()])
        .await;
    assert_eq!(refused.code, 2, "{refused}");
    assert!(refused.stderr.contains("another token"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_work_over_tls() {
    let cluster = TestCluster::new(BINARY).workers(0).tls().start().await;
    let listed = cluster.rookery().run(&["endpoints", "list"]).await.succeeded();
    assert!(listed.stderr.contains("there are no endpoints"), "{listed}");
}
