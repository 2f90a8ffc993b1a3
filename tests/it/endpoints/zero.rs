//! Models that nobody asks, and too many requests at once.

use std::time::Instant;

use rookery_tests::{http, say};
use serde_json::{Value, json};

use super::{ENDPOINT, MODEL, SERVED, ask, trained, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_unloaded_when_nobody_asks_and_loaded_by_the_next_request() {
    let cluster = trained(&[]).await;
    let model = format!("models:/{MODEL}/1");
    let create = [
        "endpoints",
        "create",
        ENDPOINT,
        "--model",
        &model,
        "--scale-to-zero",
        "0.005",
    ];
    cluster.rookery().run(&create).await.succeeded();
    let served = format!("{SERVED}-1");
    let activity = |shown: &Value, field: &str| shown["activity"][&served][field].clone();
    for round in 0..3 {
        let shown = until(&cluster, ENDPOINT, |shown| activity(shown, "loaded") == false).await;
        assert_eq!(shown["state"]["ready"], "READY", "{shown}");
        let state = &shown["config"]["served_entities"][0]["state"];
        assert_eq!(state["deployment_state_message"], "Scaled to zero", "{shown}");
        assert_eq!(activity(&shown, "memory_bytes"), 0, "{shown}");
        let began = Instant::now();
        let answer = ask(&cluster, ENDPOINT).await;
        let took = began.elapsed();
        assert_eq!(answer.status, 200, "{answer:?}");
        say(&format!(
            "first answer of a model that was scaled to zero: {took:?}"
        ));
        let shown = super::shown(&cluster, ENDPOINT).await;
        assert_eq!(activity(&shown, "requests"), round + 1, "{shown}");
        assert!(shown["last_request_ms"].as_i64().unwrap() > 0, "{shown}");
    }
    let page = cluster.rookery().run(&["endpoints", "list"]).await.succeeded();
    assert!(
        page.stdout.contains("ready") && !page.stdout.contains(" - "),
        "it shows the last request: {page}"
    );
}

/// Four are scored at once; the others do not get their turn within a millisecond, and are told to come back.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_get_a_turn_in_time_is_told_to_come_back() {
    let cluster = trained(&["--scoring-wait-ms", "1"]).await;
    let model = format!("models:/{MODEL}/1");
    cluster
        .rookery()
        .run(&["endpoints", "create", ENDPOINT, "--model", &model])
        .await
        .succeeded();
    let record = super::penguin()["dataframe_records"][0].clone();
    let records = vec![record; 20_000];
    let body = json!({ "dataframe_records": records });
    let (path, token) = (
        format!("/serving-endpoints/{ENDPOINT}/invocations"),
        cluster.rookery().token(),
    );
    let (mut answered, mut turned_away) = (0, 0);
    // On a busy machine requests may come so far apart that each gets its turn.
    for _ in 0..10 {
        let asked = (0..24).map(|_| http::post(cluster.url(), &path, Some(&token), &body));
        for answer in futures::future::join_all(asked).await {
            match answer.status {
                200 => answered += 1,
                429 => {
                    turned_away += 1;
                    assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
                    assert_eq!(
                        answer.json()["error_code"],
                        "REQUEST_LIMIT_EXCEEDED",
                        "{answer:?}"
                    );
                }
                _ => panic!("{} {}", answer.status, answer.head),
            }
        }
        if answered >= 4 && turned_away > 0 {
            break;
        }
    }
    assert!(answered >= 4 && turned_away > 0, "{answered} {turned_away}");
    assert_eq!(ask(&cluster, ENDPOINT).await.status, 200);
}
