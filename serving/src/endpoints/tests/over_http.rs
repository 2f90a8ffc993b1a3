//! The REST, without a port.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::fakes::{MODEL, World, split};
use crate::endpoints::api;

async fn send(world: &World, method: &str, path: &str, body: impl Into<Body>) -> Response {
    let router = api::router(Arc::clone(&world.endpoints), "http://driver:7070/");
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(body.into())
        .unwrap();
    router.oneshot(request).await.unwrap()
}

async fn body(response: Response) -> Value {
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn an_endpoint_is_shown_as_databricks_shows_it() {
    let world = World::new().await;
    let request = json!({
        "name": "e", "route_optimized": false, "tags": [{"key": "k", "value": "v"}],
        "config": {"served_entities": [
            {"entity_name": MODEL, "entity_version": "1", "workload_size": "Small", "scale_to_zero_enabled": true}
        ]}
    });
    let made = send(&world, "POST", "/api/2.0/serving-endpoints/", request.to_string()).await;
    assert_eq!(made.status(), StatusCode::OK);
    let made = body(made).await;
    assert_eq!(
        made["state"],
        json!({"ready": "READY", "config_update": "NOT_UPDATING"}),
        "{made}"
    );
    assert_eq!(
        made["endpoint_url"],
        "http://driver:7070/serving-endpoints/e/invocations"
    );
    let entity = &made["config"]["served_entities"][0];
    assert_eq!(
        entity["state"],
        json!({"deployment": "DEPLOYMENT_READY", "deployment_state_message": ""})
    );
    assert_eq!(
        (&entity["entity_name"], &entity["entity_version"]),
        (&json!(MODEL), &json!("1"))
    );
    assert_eq!(made["config"]["served_models"][0]["model_name"], MODEL);
    let route = &made["config"]["traffic_config"]["routes"][0];
    assert_eq!(
        (&route["served_model_name"], &route["traffic_percentage"]),
        (&entity["name"], &json!(100))
    );
    for path in ["/api/2.0/serving-endpoints/e", "/api/2.0/serving-endpoints/e/"] {
        assert_eq!(body(send(&world, "GET", path, "").await).await["id"], made["id"]);
    }
    // What is shown can be sent back.
    let again = send(
        &world,
        "PUT",
        "/api/2.0/serving-endpoints/e/config",
        made["config"]["served_models"].to_string(),
    );
    assert_eq!(again.await.status(), StatusCode::BAD_REQUEST, "but not as a list");
    let config = json!({"served_entities": made["config"]["served_entities"]});
    let again = send(
        &world,
        "PUT",
        "/api/2.0/serving-endpoints/e/config",
        config.to_string(),
    )
    .await;
    assert_eq!(body(again).await["config"]["config_version"], 2);
}

#[tokio::test]
async fn an_answer_says_who_gave_it() {
    let world = World::new().await;
    world.create("e", split(&[("a", 3, 100), ("b", 4, 0)])).await;
    for (path, served, version) in [
        ("/serving-endpoints/e/invocations", "a", "3"),
        ("/endpoints/e/invocations/", "a", "3"),
        ("/serving-endpoints/e/served-models/b/invocations", "b", "4"),
    ] {
        let answer = send(&world, "POST", path, "rows").await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(answer.headers()["served-model-name"], served);
        assert_eq!(answer.headers()["x-rookery-model-version"], version);
        assert_eq!(answer.headers()["x-rookery-config-version"], "1");
        assert_eq!(answer.headers()["content-type"], "application/json");
    }
    let refused = send(&world, "POST", "/serving-endpoints/e/invocations", "wrong").await;
    assert_eq!(refused.headers()["served-model-name"], "a");
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        body(refused).await,
        json!({"error_code": "BAD_REQUEST", "message": "no rows"})
    );
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let world = World::new().await;
    world.create("e", split(&[("a", 1, 100)])).await;
    let large = send(
        &world,
        "POST",
        "/serving-endpoints/e/invocations",
        vec![b'x'; (16 << 20) + 1],
    )
    .await;
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(
        body(large).await["message"]
            .as_str()
            .unwrap()
            .contains("16777216 bytes")
    );
    let just = send(
        &world,
        "POST",
        "/serving-endpoints/e/invocations",
        vec![b'x'; 16 << 20],
    )
    .await;
    assert_eq!(just.status(), StatusCode::OK);
}

#[tokio::test]
async fn who_and_why_come_in_headers() {
    let world = World::new().await;
    world.create("e", split(&[("a", 1, 100), ("b", 2, 0)])).await;
    let router = || api::router(Arc::clone(&world.endpoints), "http://driver:7070");
    let request = |user: &str| {
        Request::post("/api/2.0/serving-endpoints/e/promote")
            .header("x-rookery-user", user)
            .header("x-rookery-reason", "porque%20s%C3%AD")
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(
        router().oneshot(request("%ff")).await.unwrap().status(),
        StatusCode::BAD_REQUEST
    );
    let long = "u".repeat(501);
    assert_eq!(
        router().oneshot(request(&long)).await.unwrap().status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        router().oneshot(request("ada")).await.unwrap().status(),
        StatusCode::OK
    );
    let events = body(
        send(
            &world,
            "GET",
            "/api/2.0/serving-endpoints/e/events?max_results=1",
            "",
        )
        .await,
    )
    .await;
    let event = &events["events"][0];
    assert_eq!(
        (&event["user"], &event["reason"]),
        (&json!("ada"), &json!("porque sí")),
        "{event}"
    );
    assert_eq!(
        (&event["action"], &event["from_config"], &event["to_config"]),
        (&json!("promoted"), &json!(1), &json!(2))
    );
}
