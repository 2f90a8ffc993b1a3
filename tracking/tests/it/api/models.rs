//! Logged models.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use super::{Server, text};
use crate::fixture::START_MS;

#[tokio::test]
async fn a_logged_model_from_its_creation_to_its_end() {
    let server = Server::new();
    let run = server.run().await;
    let body = json!({"experiment_id": "0", "name": "m", "source_run_id": run,
                      "params": [{"key": "a", "value": "b"}], "tags": [{"key": "c", "value": "d"}]});
    let created = server.post("logged-models", body).await;
    let id = text(&created["model"]["info"]["model_id"]);
    let mut info = json!({
        "model_id": id, "experiment_id": "0", "name": "m", "creation_timestamp_ms": START_MS,
        "last_updated_timestamp_ms": START_MS, "artifact_uri": format!("mlflow-artifacts:/0/models/{id}/artifacts"),
        "status": "LOGGED_MODEL_PENDING", "model_type": "", "source_run_id": run,
        "tags": [{"key": "c", "value": "d"}],
    });
    let data = json!({"params": [{"key": "a", "value": "b"}]});
    assert_eq!(created, json!({"model": {"info": info, "data": data}}));

    let endpoint = format!("logged-models/{id}");
    let body = json!({"model_id": id, "status": "LOGGED_MODEL_READY"}).to_string();
    let ready = server.call(Method::PATCH, &endpoint, body).await.ok();
    info["status"] = json!("LOGGED_MODEL_READY");
    assert_eq!(ready["model"]["info"], info);

    let outputs = json!({"run_id": run, "models": [{"model_id": id, "step": 2}]});
    server.post("runs/outputs", outputs).await;
    let found = server.get(&format!("runs/get?run_id={run}")).await;
    assert_eq!(
        found["run"]["outputs"],
        json!({"model_outputs": [{"model_id": id, "step": 2}]})
    );

    let metric = json!({"key": "mm", "value": 1, "timestamp": 1, "model_id": id, "dataset_name": "d",
                        "dataset_digest": "dg", "run_id": run});
    server
        .post("runs/log-batch", json!({"run_id": run, "metrics": [metric]}))
        .await;
    let judged = server.get(&endpoint).await;
    let expected = json!([{"key": "mm", "value": 1.0, "timestamp": 1, "step": 0, "dataset_name": "d",
                           "dataset_digest": "dg", "model_id": id, "run_id": run}]);
    assert_eq!(judged["model"]["data"]["metrics"], expected);

    let body = json!({"tags": [{"key": "x", "value": "y"}]}).to_string();
    assert_eq!(
        server
            .call(Method::PATCH, &format!("{endpoint}/tags"), body)
            .await
            .ok(),
        json!({})
    );
    let body = json!({"model_id": id, "params": [{"key": "x", "value": "y"}]});
    assert_eq!(server.post(&format!("{endpoint}/params"), body).await, json!({}));
    let tag = format!("{endpoint}/tags/x");
    server.call(Method::DELETE, &tag, Body::empty()).await.ok();
    server
        .call(Method::DELETE, &tag, Body::empty())
        .await
        .error(404, "RESOURCE_DOES_NOT_EXIST");

    let search = json!({"experiment_ids": ["0"], "filter": "name = 'm'",
                        "order_by": [{"field_name": "creation_timestamp", "ascending": false}]});
    let found = server.post("logged-models/search", search).await;
    assert_eq!(found["models"][0]["info"]["model_id"], json!(id));

    server.call(Method::DELETE, &endpoint, Body::empty()).await.ok();
    server
        .try_get(&endpoint)
        .await
        .error(404, "RESOURCE_DOES_NOT_EXIST");
}

#[tokio::test]
async fn files_of_a_logged_model() {
    let server = Server::new();
    let created = server.post("logged-models", json!({"experiment_id": "0"})).await;
    let id = text(&created["model"]["info"]["model_id"]);
    let uri = format!("/api/2.0/mlflow-artifacts/artifacts/0/models/{id}/artifacts/MLmodel");
    server.at(Method::PUT, &uri, "x").await;
    let listed = server
        .get(&format!("logged-models/{id}/artifacts/directories"))
        .await;
    assert_eq!(
        listed["files"],
        json!([{"path": "MLmodel", "is_dir": false, "file_size": 1}])
    );
    let uri = format!("/ajax-api/2.0/mlflow/logged-models/{id}/artifacts/files");
    let file = format!("{uri}?artifact_file_path=MLmodel");
    assert_eq!(server.at(Method::GET, &file, Body::empty()).await.body, b"x");
    server
        .at(Method::GET, &uri, Body::empty())
        .await
        .error(400, "BAD_REQUEST");
}
