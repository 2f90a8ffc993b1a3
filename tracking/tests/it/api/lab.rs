//! The requests of a whole training session, as the stock client sends them, with the answers that MLflow gives.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use super::{Server, text};
use crate::fixture::START_MS;

#[tokio::test]
async fn a_training_session_runs_as_against_mlflow() {
    let server = Server::new();

    let missing = server
        .try_get("experiments/get-by-name?experiment_name=%2Fmlflow_lab")
        .await;
    let message = missing.error(404, "RESOURCE_DOES_NOT_EXIST");
    assert_eq!(message, "Could not find experiment with name '/mlflow_lab'");
    let created = server
        .post("experiments/create", json!({"name": "/mlflow_lab"}))
        .await;
    assert_eq!(created, json!({"experiment_id": "1"}));
    let experiment = json!({"experiment": {
        "experiment_id": "1", "name": "/mlflow_lab", "artifact_location": "mlflow-artifacts:/1",
        "lifecycle_stage": "active", "last_update_time": START_MS, "creation_time": START_MS,
        "workspace": "default",
    }});
    assert_eq!(server.get("experiments/get?experiment_id=1").await, experiment);

    let tags = json!([
        {"key": "mlflow.user", "value": "root"},
        {"key": "mlflow.source.name", "value": "lab_mlflow.py"},
        {"key": "mlflow.source.type", "value": "LOCAL"},
    ]);
    let start = json!({"experiment_id": "1", "user_id": "root", "start_time": START_MS, "tags": tags});
    let run = server.post("runs/create", start).await;
    let (id, name) = (
        text(&run["run"]["info"]["run_id"]),
        text(&run["run"]["info"]["run_name"]),
    );
    assert_eq!(id.len(), 32);
    let tags = json!([
        {"key": "mlflow.runName", "value": name},
        {"key": "mlflow.source.name", "value": "lab_mlflow.py"},
        {"key": "mlflow.source.type", "value": "LOCAL"},
        {"key": "mlflow.user", "value": "root"},
    ]);
    let info = |status: &str| {
        json!({
            "run_uuid": id, "experiment_id": "1", "run_name": name, "user_id": "root", "status": status,
            "start_time": START_MS, "artifact_uri": format!("mlflow-artifacts:/1/{id}/artifacts"),
            "lifecycle_stage": "active", "run_id": id,
        })
    };
    assert_eq!(
        run,
        json!({"run": {"info": info("RUNNING"), "data": {"tags": tags}, "inputs": {}}})
    );

    for (key, value) in [("maxIter", "5"), ("regParam", "0.5")] {
        let body = json!({"run_uuid": id, "key": key, "value": value, "run_id": id});
        assert_eq!(server.post("runs/log-parameter", body).await, json!({}));
    }
    let body = json!({"run_uuid": id, "key": "accuracy", "value": 0.9545454545454546, "timestamp": START_MS, "step": 0,
                      "run_id": id});
    assert_eq!(server.post("runs/log-metric", body).await, json!({}));
    let found = server.get(&format!("runs/get?run_uuid={id}&run_id={id}")).await;
    let data = json!({
        "metrics": [{"key": "accuracy", "value": 0.9545454545454546, "timestamp": START_MS, "step": 0}],
        "params": [{"key": "maxIter", "value": "5"}, {"key": "regParam", "value": "0.5"}],
        "tags": tags,
    });
    assert_eq!(
        found,
        json!({"run": {"info": info("RUNNING"), "data": data, "inputs": {}, "outputs": {}}})
    );

    let model = "classifier-1795404847.6257486";
    let root = format!("1/{id}/artifacts/{model}");
    for (file, content) in [("MLmodel", "flavors: {}"), ("sparkml/metadata/_SUCCESS", "")] {
        let uri = format!("/api/2.0/mlflow-artifacts/artifacts/{root}/{file}");
        let stored = server.at(Method::PUT, &uri, content).await;
        assert_eq!((stored.status.as_u16(), stored.body.len()), (200, 0));
    }
    let description = json!({"run_id": id, "artifact_path": model, "utc_time_created": "2026-11-23 03:34:08.275157",
                             "model_uuid": "x", "flavors": {"spark": {}, "python_function": {}}});
    let body = json!({"run_id": id, "model_json": description.to_string()});
    assert_eq!(server.post("runs/log-model", body).await, json!({}));

    let body = json!({"run_uuid": id, "status": "FINISHED", "end_time": START_MS + 5, "run_id": id});
    let mut ended = info("FINISHED");
    ended["end_time"] = json!(START_MS + 5);
    assert_eq!(server.post("runs/update", body).await, json!({"run_info": ended}));
    let found = server.get(&format!("runs/get?run_id={id}")).await;
    let history = found["run"]["data"]["tags"].as_array().unwrap().iter();
    let history = history
        .clone()
        .find(|tag| tag["key"] == "mlflow.log-model.history")
        .unwrap();
    let history: Value = serde_json::from_str(&text(&history["value"])).unwrap();
    assert_eq!(history, json!([description]));

    register(&server, &id, &root).await;

    let body =
        json!({"experiment_ids": ["1"], "run_view_type": "ACTIVE_ONLY", "filter": "", "max_results": 10000});
    let runs = server.post("runs/search", body).await;
    assert_eq!(runs, json!({"runs": [found["run"]]}));
}

async fn register(server: &Server, run_id: &str, root: &str) {
    let name = "Pronosticador de pingüinos";
    let created = server
        .post("registered-models/create", json!({"name": name}))
        .await;
    let empty = json!({"name": name, "creation_timestamp": START_MS, "last_updated_timestamp": START_MS});
    assert_eq!(created, json!({"registered_model": empty}));
    let uri = format!(
        "/api/2.0/mlflow-artifacts/artifacts?path={}",
        root.replace('/', "%2F")
    );
    let listed = server
        .send(Request::get(uri).body(Body::empty()).unwrap())
        .await
        .ok();
    let files = json!([
        {"path": "MLmodel", "is_dir": false, "file_size": 11},
        {"path": "sparkml", "is_dir": true},
    ]);
    assert_eq!(listed, json!({"files": files}));

    let source = format!("mlflow-artifacts:/{root}");
    let body = json!({"name": name, "source": source, "run_id": run_id});
    let version = server.post("model-versions/create", body).await;
    // MLflow leaves the user out; here it is who the journal names.
    let mut expected = json!({
        "user_id": "api", "name": name, "version": "1", "creation_timestamp": START_MS, "last_updated_timestamp": START_MS,
        "current_stage": "None", "description": "", "source": source, "run_id": run_id, "status": "READY",
        "run_link": "",
    });
    assert_eq!(version, json!({"model_version": expected}));

    let found = server
        .get("registered-models/get?name=Pronosticador+de+ping%C3%BCinos")
        .await;
    assert_eq!(found["registered_model"]["latest_versions"], json!([expected]));
    let query = "name=Pronosticador+de+ping%C3%BCinos&version=1";
    let location = server
        .get(&format!("model-versions/get-download-uri?{query}"))
        .await;
    assert_eq!(location, json!({"artifact_uri": source}));

    let body = json!({"name": name, "alias": "champion", "version": "1"});
    assert_eq!(server.post("registered-models/alias", body).await, json!({}));
    expected["aliases"] = json!(["champion"]);
    let query = "name=Pronosticador+de+ping%C3%BCinos&alias=champion";
    let found = server.get(&format!("registered-models/alias?{query}")).await;
    assert_eq!(found, json!({"model_version": expected}));
    let filter = "filter=name%3D%27Pronosticador%20de%20ping%C3%BCinos%27&max_results=10000";
    let found = server.get(&format!("model-versions/search?{filter}")).await;
    assert_eq!(found["model_versions"][0]["version"], "1");
}
