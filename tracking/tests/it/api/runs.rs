//! Runs and their curves.

use serde_json::{Value, json};

use super::{Server, text};
use crate::fixture::START_MS;

#[tokio::test]
async fn a_search_pages_through_runs() {
    let server = Server::new();
    for _ in 0..3 {
        server.run().await;
    }
    let mut body = json!({"experiment_ids": ["0"], "max_results": 2});
    let first = server.post("runs/search", body.clone()).await;
    assert_eq!(first["runs"].as_array().unwrap().len(), 2);
    body["page_token"] = first["next_page_token"].clone();
    let last = server.post("runs/search", body).await;
    assert_eq!(
        (last["runs"].as_array().unwrap().len(), &last["next_page_token"]),
        (1, &Value::Null)
    );
    assert_eq!(
        server.post("runs/search", json!({"experiment_ids": []})).await,
        json!({})
    );
}

#[tokio::test]
async fn inputs_come_back_as_they_went_in() {
    let server = Server::new();
    let run = server.run().await;
    let inputs = json!([{
        "tags": [{"key": "mlflow.data.context", "value": "train"}],
        "dataset": {"name": "d", "digest": "1", "source_type": "local", "source": "{}", "schema": "{}"},
    }]);
    server
        .post("runs/log-inputs", json!({"run_id": run, "datasets": inputs}))
        .await;
    let found = server.get(&format!("runs/get?run_id={run}")).await;
    assert_eq!(found["run"]["inputs"], json!({"dataset_inputs": inputs}));
    let found = server
        .post("experiments/search-datasets", json!({"experiment_ids": ["0"]}))
        .await;
    let summary = json!({"experiment_id": "0", "name": "d", "digest": "1", "context": "train"});
    assert_eq!(found, json!({"dataset_summaries": [summary]}));
}

#[tokio::test]
async fn curves_whole_in_bulk_and_thinned_out() {
    let server = Server::new();
    let run = server.run().await;
    let point = |step: i64| json!({"key": "k", "value": step, "timestamp": START_MS + step, "step": step});
    let points: Vec<Value> = (0..100).map(point).collect();
    server
        .post("runs/log-batch", json!({"run_id": run, "metrics": points}))
        .await;
    let query = format!("run_id={run}&metric_key=k");
    let whole = server.get(&format!("metrics/get-history?{query}")).await;
    assert_eq!(whole["metrics"].as_array().unwrap().len(), 100);
    let page = server
        .get(&format!("metrics/get-history?{query}&max_results=2"))
        .await;
    assert!(page["next_page_token"].is_string() && page["metrics"].as_array().unwrap().len() == 2);
    let bulk = server
        .get(&format!("metrics/get-history-bulk?{query}&max_results=3"))
        .await;
    assert_eq!(bulk["metrics"][2]["run_id"], json!(run));
    assert_eq!(bulk["metrics"].as_array().unwrap().len(), 3);
    let nothing = server
        .get(&format!("metrics/get-history?run_id={run}&metric_key=none"))
        .await;
    assert_eq!(nothing, json!({}));

    let steps = async |more: &str| -> Vec<i64> {
        let query = format!("run_ids={run}&metric_key=k&{more}");
        let found = server
            .get(&format!("metrics/get-history-bulk-interval?{query}"))
            .await;
        let points = found["metrics"].as_array().unwrap().clone();
        points
            .iter()
            .map(|point| point["step"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(steps("max_results=4").await, [0, 25, 50, 99]);
    assert_eq!(steps("start_step=10&end_step=12").await, [10, 11, 12]);
    let half = format!("metrics/get-history-bulk-interval?run_ids={run}&metric_key=k&start_step=1");
    server.try_get(&half).await.error(400, "INVALID_PARAMETER_VALUE");
}

#[tokio::test]
async fn summaries_are_an_extension() {
    let server = Server::new();
    let run = server.run().await;
    let body = json!({"run_id": run, "key": "k", "value": "NaN", "timestamp": 1});
    server.post("runs/log-metric", body).await;
    let uri = format!("/api/2.0/rookery/runs/metric-summaries?run_id={run}");
    let found = server
        .at(axum::http::Method::GET, &uri, axum::body::Body::empty())
        .await
        .ok();
    assert_eq!(found["metric_summaries"][0]["count"], 1);
    assert_eq!(text(&found["metric_summaries"][0]["latest"]["value"]), "NaN");
}
