//! How a request is read: MLflow's rules for JSON, numbers and missing fields.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use super::{Server, text};

async fn history(server: &Server, run: &str) -> Vec<Value> {
    let found = server
        .get(&format!("metrics/get-history?run_id={run}&metric_key=k"))
        .await;
    let points = found["metrics"].as_array().cloned().unwrap_or_default();
    points.into_iter().map(|point| point["value"].clone()).collect()
}

#[tokio::test]
async fn numbers_come_as_numbers_or_as_text() {
    let server = Server::new();
    let run = server.run().await;
    for (step, value) in [
        json!(1.5),
        json!("NaN"),
        json!("Infinity"),
        json!("-Infinity"),
        json!("2.5"),
        json!(3),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({"run_id": run, "key": "k", "value": value, "timestamp": step.to_string(), "step": step,
                          "unknown": [1], "model_id": null});
        server.post("runs/log-metric", body).await;
    }
    let values = history(&server, &run).await;
    assert_eq!(
        values,
        [
            json!(1.5),
            json!("NaN"),
            json!(f64::MAX),
            json!(-f64::MAX),
            json!(2.5),
            json!(3.0)
        ]
    );
}

#[tokio::test]
async fn a_run_goes_by_either_name() {
    let server = Server::new();
    let run = server.run().await;
    for field in ["run_id", "run_uuid"] {
        let body = json!({field: run, "key": field, "value": ""});
        server.post("runs/set-tag", body).await;
        server.get(&format!("runs/get?{field}={run}")).await;
    }
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_named() {
    const API: &str = "See the API docs for more information about request parameters.";
    let server = Server::new();
    let run = server.run().await;
    let missing = |name: &str| format!("Missing value for required parameter '{name}'. {API}");
    let wrong = |value: &str, name: &str, kind: &str| {
        format!(
            "Invalid value {value} for parameter '{name}' supplied:  Hint: Value was of type '{kind}'. {API}"
        )
    };
    for (endpoint, body, message) in [
        (
            "runs/log-metric",
            json!({"run_id": run, "value": 1, "timestamp": 1}),
            missing("key"),
        ),
        (
            "runs/log-metric",
            json!({"run_id": run, "key": "", "value": 1, "timestamp": 1}),
            missing("key"),
        ),
        (
            "runs/log-metric",
            json!({"run_id": run, "key": "k", "timestamp": 1}),
            missing("value"),
        ),
        (
            "runs/log-metric",
            json!({"run_id": run, "key": "k", "value": null, "timestamp": 1}),
            missing("value"),
        ),
        (
            "runs/log-metric",
            json!({"run_id": run, "key": "k", "value": 1}),
            missing("timestamp"),
        ),
        (
            "runs/log-metric",
            json!({"run_id": run, "key": 5, "value": 1}),
            wrong("5", "key", "int"),
        ),
        (
            "runs/log-metric",
            json!({"run_id": run, "key": "k", "value": "x", "timestamp": 1}),
            wrong("\"x\"", "value", "str"),
        ),
        (
            "runs/log-metric",
            json!({"run_id": run, "key": "k", "value": 1, "timestamp": 1.5}),
            wrong("1.5", "timestamp", "float"),
        ),
        ("runs/log-batch", json!({"metrics": []}), missing("run_id")),
        (
            "runs/log-batch",
            json!({"run_id": run, "metrics": "x"}),
            wrong("\"x\"", "metrics", "str"),
        ),
        (
            "runs/log-batch",
            json!({"run_id": run, "metrics": [5]}),
            wrong("5", "metrics[0]", "int"),
        ),
        (
            "runs/log-batch",
            json!({"run_id": run, "metrics": [{"key": "a"}]}),
            missing("metrics[0].value"),
        ),
        (
            "runs/log-batch",
            json!({"run_id": run, "params": [{"value": "x"}]}),
            missing("params[0].key"),
        ),
        (
            "runs/log-batch",
            json!({"run_id": run, "tags": [{"key": "x", "value": 7}]}),
            wrong("7", "tags[0].value", "int"),
        ),
        (
            "runs/log-parameter",
            json!({"run_id": run, "key": "p", "value": 5}),
            wrong("5", "value", "int"),
        ),
        (
            "runs/search",
            json!({"experiment_ids": "1"}),
            wrong("\"1\"", "experiment_ids", "str"),
        ),
        (
            "runs/update",
            json!({"run_id": run, "status": "BOGUS"}),
            wrong("\"BOGUS\"", "status", "str"),
        ),
        (
            "experiments/create",
            json!({"name": ["x"]}),
            wrong("[\"x\"]", "name", "list"),
        ),
        ("logged-models/search", json!({}), missing("experiment_ids")),
        (
            "runs/search",
            json!({"experiment_ids": ["abc"]}),
            "Invalid experiment ID 'abc'. Experiment ID must be a valid integer.".to_owned(),
        ),
        (
            "runs/search",
            json!({"experiment_ids": ["0"], "max_results": 0}),
            "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer".to_owned(),
        ),
        (
            "experiments/search",
            json!({"max_results": 50001}),
            "Invalid value 50001 for parameter 'max_results' supplied. It must be at most 50000".to_owned(),
        ),
    ] {
        let reply = server.try_post(endpoint, body.clone()).await;
        assert_eq!(
            reply.error(400, "INVALID_PARAMETER_VALUE"),
            message,
            "{endpoint} {body}"
        );
    }
    assert_eq!(
        history(&server, &run).await,
        [] as [Value; 0],
        "a refused request leaves no trace"
    );
}

#[tokio::test]
async fn only_a_json_object_is_a_body() {
    let server = Server::new();
    let deep = "[".repeat(100_000);
    for body in ["[]", "{bad", "null", "5", "{\"a\":1e999}", deep.as_str()] {
        let reply = server.call(Method::POST, "runs/log-batch", body.to_owned()).await;
        reply.error(400, "INVALID_PARAMETER_VALUE");
    }
    let reply = server
        .call(Method::POST, "runs/log-batch", vec![b'"', 0xff, b'"'])
        .await;
    reply.error(400, "INVALID_PARAMETER_VALUE");
    let nothing = server
        .call(Method::POST, "experiments/search", Body::empty())
        .await
        .ok();
    assert_eq!(text(&nothing["experiments"][0]["name"]), "Default");
}

#[tokio::test]
async fn a_body_says_that_it_is_json_and_is_not_endless() {
    let server = Server::new();
    let with_type = async |content_type: Option<&str>, body: Vec<u8>| {
        let mut request = Request::post("/api/2.0/mlflow/experiments/search");
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        server.send(request.body(Body::from(body)).unwrap()).await
    };
    with_type(Some("application/json; charset=utf-8"), b"{}".to_vec())
        .await
        .ok();
    let message = with_type(None, b"{}".to_vec())
        .await
        .error(400, "INVALID_PARAMETER_VALUE");
    assert_eq!(message, "Bad Request. Content-Type header is missing.");
    for other in ["text/plain", "application/jsonx", ""] {
        let message = with_type(Some(other), b"{}".to_vec())
            .await
            .error(400, "INVALID_PARAMETER_VALUE");
        assert_eq!(
            message,
            "Bad Request. Content-Type must be one of ['application/json']."
        );
    }
    let large = vec![b' '; 8 * 1024 * 1024 + 1];
    with_type(Some("application/json"), large)
        .await
        .error(413, "INVALID_PARAMETER_VALUE");
}

#[tokio::test]
async fn a_query_is_decoded() {
    let server = Server::new();
    server.post("experiments/create", json!({"name": "a b+ñ"})).await;
    for query in ["a+b%2B%C3%B1", "a%20b%2b%c3%b1"] {
        server
            .get(&format!("experiments/get-by-name?experiment_name={query}"))
            .await;
    }
    let broken = server
        .try_get("experiments/get-by-name?experiment_name=%FF")
        .await;
    broken.error(400, "INVALID_PARAMETER_VALUE");
    let found = server.get("experiments/search?max_results=1&view_type=ALL").await;
    assert!(found["next_page_token"].is_string());
}

#[tokio::test]
async fn a_delete_takes_a_body_or_a_query() {
    let server = Server::new();
    for name in ["a", "b"] {
        server
            .post("registered-models/create", json!({"name": name}))
            .await;
    }
    let body = json!({"name": "a"}).to_string();
    server
        .call(Method::DELETE, "registered-models/delete", body)
        .await
        .ok();
    let uri = "/ajax-api/2.0/mlflow/registered-models/delete?name=b";
    server.at(Method::DELETE, uri, Body::empty()).await.ok();
    assert_eq!(server.get("registered-models/search").await, json!({}));
}
