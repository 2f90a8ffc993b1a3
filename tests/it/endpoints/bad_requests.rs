//! What is wrong with a request is said in Databricks' form: never a 5xx, never HTML.

use rookery_tests::http;
use serde_json::json;

use super::{ENDPOINT, MODEL, trained};

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_named() {
    let cluster = trained(&[]).await;
    let model = format!("models:/{MODEL}/1");
    cluster
        .rookery()
        .run(&["endpoints", "create", ENDPOINT, "--model", &model])
        .await
        .succeeded();
    let token = cluster.rookery().token();
    let entity = |more: serde_json::Value| {
        let mut entity = json!({"entity_name": MODEL, "entity_version": "1"});
        entity
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"name": "other", "config": {"served_entities": [entity]}}).to_string()
    };
    let api = "/api/2.0/serving-endpoints";
    let one = format!("{api}/{ENDPOINT}");
    let config = format!("{one}/config");
    let asked = format!("/serving-endpoints/{ENDPOINT}/invocations");
    let (invalid, missing) = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST");
    let two = json!({"served_entities": [
        {"name": "a", "entity_name": MODEL, "entity_version": "1"}, {"name": "b", "entity_name": MODEL, "entity_version": "2"}
    ], "traffic_config": {"routes": [
        {"served_model_name": "a", "traffic_percentage": 90}, {"served_model_name": "b", "traffic_percentage": 20}
    ]}});
    let cases: Vec<(&str, &str, String, u16, &str)> = vec![
        ("POST", api, String::new(), 400, invalid),
        ("POST", api, "{".to_string(), 400, invalid),
        ("POST", api, "[]".to_string(), 400, invalid),
        ("POST", api, json!({"name": "other"}).to_string(), 400, invalid),
        (
            "POST",
            api,
            json!({"name": "o/ther", "config": {"served_entities": []}}).to_string(),
            400,
            invalid,
        ),
        (
            "POST",
            api,
            entity(json!({"entity_version": "seven"})),
            400,
            invalid,
        ),
        ("POST", api, entity(json!({"entity_version": "7"})), 404, missing),
        ("POST", api, entity(json!({"entity_name": "nadie"})), 404, missing),
        (
            "POST",
            api,
            entity(json!({"entity_version": "@nadie"})),
            404,
            missing,
        ),
        (
            "POST",
            api,
            entity(json!({"workload_type": "GPU_SMALL"})),
            400,
            invalid,
        ),
        ("POST", api, entity(json!({"name": "ñandú"})), 400, invalid),
        ("PUT", &config, two.to_string(), 400, invalid),
        (
            "PUT",
            "/api/2.0/serving-endpoints/nobody/config",
            two.to_string(),
            404,
            missing,
        ),
        (
            "GET",
            "/api/2.0/serving-endpoints/nobody/",
            String::new(),
            404,
            missing,
        ),
        (
            "GET",
            "/api/2.0/serving-endpoints/%ff",
            String::new(),
            400,
            invalid,
        ),
        (
            "DELETE",
            "/api/2.0/serving-endpoints/nobody",
            String::new(),
            404,
            missing,
        ),
        (
            "PATCH",
            "/api/2.0/serving-endpoints/nobody/tags",
            "{}".to_string(),
            404,
            missing,
        ),
        ("PATCH", api, String::new(), 405, "BAD_REQUEST"),
        (
            "GET",
            "/api/2.0/serving-endpoints/predict-penguin/served-models/x/logs",
            String::new(),
            404,
            missing,
        ),
        (
            "GET",
            "/api/2.0/serving-endpoints/predict-penguin/nothing",
            String::new(),
            404,
            "ENDPOINT_NOT_FOUND",
        ),
        (
            "GET",
            "/api/2.0/serving-endpoints/predict-penguin/events?max_results=x",
            String::new(),
            400,
            invalid,
        ),
        (
            "POST",
            "/api/2.0/serving-endpoints/predict-penguin/promote",
            "{}".to_string(),
            400,
            invalid,
        ),
        (
            "POST",
            "/api/2.0/serving-endpoints/predict-penguin/rollback",
            String::new(),
            409,
            "RESOURCE_CONFLICT",
        ),
        ("GET", "/api/2.0/endpoints/nobody", String::new(), 404, missing),
        (
            "POST",
            "/endpoints/nobody/invocations",
            "{}".to_string(),
            404,
            missing,
        ),
        (
            "POST",
            "/serving-endpoints/nobody/invocations",
            "{}".to_string(),
            404,
            missing,
        ),
        ("POST", &asked, "{".to_string(), 400, ""),
        ("POST", &asked, "{}".to_string(), 400, ""),
        ("GET", &asked, String::new(), 405, "BAD_REQUEST"),
    ];
    for (method, path, body, status, code) in cases {
        let answer = http::request(cluster.url(), method, path, Some(&token), &body).await;
        let what = format!("{method} {path} {}", body.chars().take(300).collect::<String>());
        assert_eq!(answer.status, status, "{what}: {} {}", answer.head, answer.body);
        let error = answer.json();
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty()),
            "{what}: {error}"
        );
        assert!(code.is_empty() || error["error_code"] == code, "{what}: {error}");
        assert!(
            answer.head.to_ascii_lowercase().contains("application/json"),
            "{what}: {}",
            answer.head
        );
    }
    let taken = json!({"name": ENDPOINT, "config": {"served_entities": [{"entity_name": MODEL, "entity_version": "1"}]}});
    let taken = http::post(cluster.url(), api, Some(&token), &taken).await;
    assert_eq!(
        (taken.status, &taken.json()["error_code"]),
        (400, &json!("RESOURCE_ALREADY_EXISTS"))
    );
    assert_eq!(
        super::ask(&cluster, ENDPOINT).await.status,
        200,
        "and all the while it answers"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_without_the_token() {
    let cluster = rookery_tests::TestCluster::new(crate::BINARY)
        .workers(0)
        .start()
        .await;
    for path in [
        "/api/2.0/serving-endpoints",
        "/api/2.0/serving-endpoints/",
        "/api/2.0/endpoints/",
    ] {
        for token in [None, Some("another")] {
            let answer = http::get(cluster.url(), path, token).await;
            assert_eq!(
                (answer.status, &answer.json()["error_code"]),
                (401, &json!("UNAUTHENTICATED")),
                "{path}"
            );
        }
        assert_eq!(
            http::get(cluster.url(), path, Some(&cluster.rookery().token()))
                .await
                .status,
            200,
            "{path}"
        );
    }
    let asked = http::post(
        cluster.url(),
        "/serving-endpoints/e/invocations",
        None,
        &super::penguin(),
    )
    .await;
    assert_eq!(asked.status, 401);
    let known = http::get(cluster.url(), "/.well-known/databricks-config", None).await;
    assert_eq!((known.status, known.json()), (200, json!({"oidc_endpoint": ""})));
}
