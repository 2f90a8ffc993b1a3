//! Errors: MLflow's status, code and message for each.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use super::Server;

const INVALID: &str = "INVALID_PARAMETER_VALUE";

#[tokio::test]
async fn what_is_not_there_is_404() {
    let server = Server::new();
    for (endpoint, message) in [
        (
            "experiments/get?experiment_id=77",
            "No Experiment with id=77 exists",
        ),
        ("runs/get?run_id=none", "Run with id=none not found"),
        (
            "registered-models/get?name=none",
            "Registered Model with name=none not found",
        ),
        (
            "model-versions/get?name=none&version=7",
            "Model Version (name=none, version=7) not found",
        ),
        ("logged-models/m-none", "Logged model with ID 'm-none' not found."),
    ] {
        let reply = server.try_get(endpoint).await;
        assert_eq!(reply.error(404, "RESOURCE_DOES_NOT_EXIST"), message);
    }
    let run = server.run().await;
    let reply = server
        .try_post("runs/delete-tag", json!({"run_id": run, "key": "none"}))
        .await;
    let message = reply.error(404, "RESOURCE_DOES_NOT_EXIST");
    assert!(message.starts_with("No tag with name: none"), "{message}");
}

#[tokio::test]
async fn names_that_are_taken() {
    let server = Server::new();
    server.post("experiments/create", json!({"name": "x"})).await;
    server
        .post("registered-models/create", json!({"name": "x"}))
        .await;
    for endpoint in ["experiments/create", "registered-models/create"] {
        let reply = server.try_post(endpoint, json!({"name": "x"})).await;
        let message = reply.error(400, "RESOURCE_ALREADY_EXISTS");
        assert!(message.contains("already exists"), "{message}");
    }
    server
        .post("experiments/delete", json!({"experiment_id": "1"}))
        .await;
    let reply = server.try_post("experiments/create", json!({"name": "x"})).await;
    reply.error(400, "RESOURCE_ALREADY_EXISTS");
}

#[tokio::test]
async fn deleted_records_take_nothing() {
    let server = Server::new();
    let run = server.run().await;
    server.post("runs/delete", json!({"run_id": run})).await;
    let reply = server
        .try_post("runs/set-tag", json!({"run_id": run, "key": "a", "value": "b"}))
        .await;
    let message = reply.error(400, INVALID);
    assert!(
        message.ends_with("must be in the 'active' state. Current state is deleted."),
        "{message}"
    );
    server.post("experiments/create", json!({"name": "x"})).await;
    server
        .post("experiments/delete", json!({"experiment_id": "1"}))
        .await;
    let reply = server
        .try_post("runs/create", json!({"experiment_id": "1"}))
        .await;
    let message = reply.error(400, INVALID);
    assert_eq!(
        message,
        "The experiment 1 must be in the 'active' state. Current state is deleted."
    );
    let rename = server
        .try_post(
            "experiments/update",
            json!({"experiment_id": "1", "new_name": "y"}),
        )
        .await;
    assert!(rename.status.is_client_error(), "MLflow answers 500: {rename:?}");
}

#[tokio::test]
async fn requests_that_break_a_rule() {
    let server = Server::new();
    let run = server.run().await;
    server
        .post(
            "runs/log-parameter",
            json!({"run_id": run, "key": "p", "value": "1"}),
        )
        .await;
    let many = |count: usize| -> Vec<_> {
        let metric = |step| json!({"key": "m", "value": 1, "timestamp": 1, "step": step});
        (0..count).map(metric).collect()
    };
    for (endpoint, body, part) in [
        (
            "runs/search",
            json!({"experiment_ids": ["0"], "filter": "metrics.a = 1 OR metrics.b = 2"}),
            "Invalid clause(s) in filter string",
        ),
        (
            "runs/search",
            json!({"experiment_ids": ["0"], "filter": "foo.a = 1"}),
            "Invalid entity type 'foo'",
        ),
        (
            "runs/search",
            json!({"experiment_ids": ["0"], "order_by": ["a.b.c foo"]}),
            "order_by",
        ),
        (
            "runs/search",
            json!({"experiment_ids": ["0"], "page_token": "zz"}),
            "page",
        ),
        (
            "runs/log-metric",
            json!({"run_id": run, "key": "a$b", "value": 1, "timestamp": 1}),
            "ames may only contain alphanumerics",
        ),
        (
            "runs/log-parameter",
            json!({"run_id": run, "key": "k".repeat(251), "value": ""}),
            "exceeds the maximum",
        ),
        (
            "runs/log-parameter",
            json!({"run_id": run, "key": "p", "value": "2"}),
            "Changing param values is not allowed. Param with key='p' was already logged",
        ),
        (
            "runs/log-batch",
            json!({"run_id": run, "metrics": many(1001)}),
            "at most 1000",
        ),
        (
            "runs/log-model",
            json!({"run_id": run, "model_json": "{"}),
            "Malformed model info",
        ),
        (
            "runs/log-model",
            json!({"run_id": run, "model_json": "[]"}),
            "missing mandatory fields: {'artifact_path', ",
        ),
    ] {
        let message = server.try_post(endpoint, body).await.error(400, INVALID);
        assert!(message.contains(part), "{message}");
    }
    let long = json!({"run_id": run, "key": "long", "value": "v".repeat(6001)});
    server.post("runs/log-parameter", long).await;
}

#[tokio::test]
async fn a_path_without_an_endpoint_and_a_wrong_method() {
    let server = Server::new();
    for uri in [
        "/api/2.0/mlflow/nope",
        "/nope",
        "/api/2.0/mlflow/traces",
        "/api/2.0/mlflow-artifacts/artifacts/",
    ] {
        server
            .at(Method::GET, uri, Body::empty())
            .await
            .error(404, "ENDPOINT_NOT_FOUND");
    }
    for uri in [
        "/health",
        "/api/2.0/mlflow/runs/get",
        "/ajax-api/2.0/mlflow/runs/search",
    ] {
        let reply = server.at(Method::DELETE, uri, Body::empty()).await;
        reply.error(405, "BAD_REQUEST");
        assert!(!reply.header("allow").is_empty());
    }
    let multipart = "/api/2.0/mlflow-artifacts/mpu/create/1/x";
    server
        .at(Method::POST, multipart, Body::empty())
        .await
        .error(501, "NOT_IMPLEMENTED");
}

#[tokio::test]
async fn the_server_tells_about_itself() {
    let server = Server::new();
    assert_eq!(server.at(Method::GET, "/health", Body::empty()).await.body, b"OK");
    assert_eq!(
        server.at(Method::GET, "/version", Body::empty()).await.body,
        b"3.17.2"
    );
    let info = server
        .at(Method::GET, "/api/3.0/mlflow/server-info", Body::empty())
        .await
        .ok();
    assert_eq!(info["store_type"], "SqlStore");
    assert_eq!(
        server.at(Method::GET, "/", Body::empty()).await.ok()["name"],
        "rookery"
    );
}
