//! Registered models, where their versions may come from, and the journal of who did what.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use super::{Server, text};
use crate::fixture::START_MS;

async fn with_model() -> (Server, String) {
    let server = Server::new();
    server
        .post("registered-models/create", json!({"name": "rm"}))
        .await;
    let run = server.run().await;
    (server, run)
}

#[tokio::test]
async fn a_version_comes_from_the_run_or_model_it_names() {
    let (server, run) = with_model().await;
    let model = server.post("logged-models", json!({"experiment_id": "0"})).await;
    let model = text(&model["model"]["info"]["model_id"]);
    let create = async |source: &str, run_id: Option<&str>, model_id: Option<&str>| {
        let body = json!({"name": "rm", "source": source, "run_id": run_id, "model_id": model_id});
        server.try_post("model-versions/create", body).await
    };
    let own = format!("mlflow-artifacts:/0/{run}/artifacts/m");
    let of_model = format!("mlflow-artifacts:/0/models/{model}/artifacts");
    for (source, run_id, model_id) in [
        (own.as_str(), Some(run.as_str()), None),
        (&format!("runs:/{run}/m"), Some(&run), None),
        ("s3://bucket/key", None, None),
        ("models:/rm/1", None, None),
        (&format!("models:/{model}"), None, Some(model.as_str())),
        (&of_model, Some(&run), Some(&model)),
    ] {
        create(source, run_id, model_id).await.ok();
    }
    for (source, run_id, model_id) in [
        (own.as_str(), None, None),
        (&own, Some("none"), None),
        (&own, None, Some(model.as_str())),
        ("mlflow-artifacts:/0/other", Some(&run), None),
        (&format!("{own}/../../../../x"), Some(&run), None),
        (&format!("{own}/%252e%252e/x"), Some(&run), None),
        (&format!("runs:/{run}/m"), None, None),
        (&format!("models:/{model}"), Some(&run), None),
        ("/tmp/x", Some(&run), None),
        ("../x", None, None),
        ("x", None, None),
        ("file:///tmp/x", Some(&run), None),
        ("s3://bucket/../key", None, None),
        (
            "http://host/api/2.0/mlflow-artifacts/artifacts/1",
            Some(&run),
            None,
        ),
        ("mlflow-artifacts://host/0/x", Some(&run), None),
    ] {
        create(source, run_id, model_id)
            .await
            .error(400, "INVALID_PARAMETER_VALUE");
    }
    let found = server.get(&format!("logged-models/{model}")).await;
    let tags = found["model"]["info"]["tags"].as_array().unwrap();
    let listed = tags
        .iter()
        .find(|tag| tag["key"] == "mlflow.modelVersions")
        .unwrap();
    let listed: Value = serde_json::from_str(&text(&listed["value"])).unwrap();
    assert_eq!(
        listed,
        json!([{"name": "rm", "version": 5}, {"name": "rm", "version": 6}])
    );
}

#[tokio::test]
async fn stages_aliases_and_descriptions() {
    let (server, _) = with_model().await;
    let body = json!({"name": "rm", "source": "s3://bucket/key"});
    server.post("model-versions/create", body).await;
    let body = json!({"name": "rm", "version": "1", "stage": "staging"});
    let moved = server.post("model-versions/transition-stage", body).await;
    assert_eq!(moved["model_version"]["current_stage"], "Staging");
    let body = json!({"name": "rm", "version": "1", "stage": "bogus"});
    let bogus = server.try_post("model-versions/transition-stage", body).await;
    bogus.error(400, "INVALID_PARAMETER_VALUE");
    let body = json!({"name": "rm", "version": "1", "description": "d"}).to_string();
    let described = server
        .call(Method::PATCH, "model-versions/update", body)
        .await
        .ok();
    assert_eq!(described["model_version"]["description"], "d");
    for query in ["name=rm", "name=rm&stages=Staging"] {
        let found = server
            .get(&format!("registered-models/get-latest-versions?{query}"))
            .await;
        assert_eq!(found["model_versions"][0]["version"], "1");
    }
    server
        .post(
            "registered-models/alias",
            json!({"name": "rm", "alias": "champ", "version": "1"}),
        )
        .await;
    let found = server
        .get("registered-models/search?filter=name%20%3D%20%27rm%27")
        .await;
    assert_eq!(
        found["registered_models"][0]["aliases"],
        json!([{"alias": "champ", "version": "1"}])
    );
    let missing = server.try_get("registered-models/alias?name=rm&alias=none").await;
    let message = missing.error(400, "INVALID_PARAMETER_VALUE");
    assert_eq!(message, "Registered model alias none not found.");
    for alias in ["v1", "latest", "a b"] {
        let body = json!({"name": "rm", "alias": alias, "version": "1"});
        let reserved = server.try_post("registered-models/alias", body).await;
        reserved.error(400, "INVALID_PARAMETER_VALUE");
    }
    let odd = server.try_get("model-versions/get?name=rm&version=x").await;
    let message = odd.error(400, "INVALID_PARAMETER_VALUE");
    assert_eq!(message, "Parameter 'version' must be an integer, got 'x'.");
}

#[tokio::test]
async fn the_journal_says_who_and_why() {
    let (server, run) = with_model().await;
    let body = json!({"name": "rm", "source": format!("runs:/{run}/m"), "run_id": run}).to_string();
    let request = Request::post("/api/2.0/mlflow/model-versions/create")
        .header("Content-Type", "application/json")
        .header("X-Rookery-User", "Jos%C3%A9")
        .header("X-Rookery-Reason", "it%20is%20better")
        .body(Body::from(body))
        .unwrap();
    server.send(request).await.ok();
    let ours = async |method: Method, path: &str, body: Value| {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/2.0/rookery/registry/{path}"))
            .header("Content-Type", "application/json");
        server
            .send(request.body(Body::from(body.to_string())).unwrap())
            .await
    };
    let journal = ours(Method::GET, "journal?name=rm", Value::Null).await.ok();
    let line = |index: usize| {
        let entry = &journal["entries"][index];
        (
            text(&entry["action"]),
            text(&entry["user"]),
            text(&entry["reason"]),
        )
    };
    assert_eq!(
        line(0),
        ("version_created".into(), "José".into(), "it is better".into())
    );
    assert_eq!(line(1), ("model_created".into(), "api".into(), String::new()));
    let page = ours(Method::GET, "journal?max_results=1", Value::Null).await.ok();
    assert!(page["next_page_token"].is_string());

    let past = ours(Method::GET, &format!("as-of?time_ms={START_MS}"), Value::Null)
        .await
        .ok();
    let versions = json!([{"version": "1", "current_stage": "None"}]);
    let expected = json!({"registered_models": [{"name": "rm", "versions": versions, "aliases": []}]});
    assert_eq!(past, expected);

    let gate = json!({"name": "rm", "alias": "champion", "gate": "accuracy >= 0.9"});
    ours(Method::POST, "gates", gate).await.ok();
    let gates = ours(Method::GET, "gates?name=rm", Value::Null).await.ok();
    assert_eq!(
        gates,
        json!({"gates": [{"alias": "champion", "gate": "accuracy >= 0.9"}]})
    );
    let body = json!({"name": "rm", "alias": "champion", "version": "1"});
    let refused = server.try_post("registered-models/alias", body.clone()).await;
    refused.error(409, "INVALID_STATE");
    ours(Method::DELETE, "gates?name=rm&alias=champion", json!({}))
        .await
        .ok();
    server.post("registered-models/alias", body).await;
    let bad = json!({"name": "rm", "alias": "champion", "gate": "accuracy"});
    ours(Method::POST, "gates", bad)
        .await
        .error(400, "INVALID_PARAMETER_VALUE");
}
