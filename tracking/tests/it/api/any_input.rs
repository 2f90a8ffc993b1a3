//! Whatever comes in, a client never gets a 5xx, and an error is always MLflow's JSON.

use axum::body::Body;
use axum::http::{Method, Request};
use proptest::prelude::*;
use serde_json::Value;

use super::Server;

/// Every endpoint with its method. `{}` stands for any text.
const ENDPOINTS: &[(&str, &str)] = &[
    ("POST", "mlflow/experiments/create"),
    ("GET", "mlflow/experiments/get"),
    ("GET", "mlflow/experiments/get-by-name"),
    ("POST", "mlflow/experiments/search"),
    ("GET", "mlflow/experiments/search"),
    ("POST", "mlflow/experiments/update"),
    ("POST", "mlflow/experiments/delete"),
    ("POST", "mlflow/experiments/restore"),
    ("POST", "mlflow/experiments/set-experiment-tag"),
    ("POST", "mlflow/experiments/delete-experiment-tag"),
    ("POST", "mlflow/experiments/search-datasets"),
    ("POST", "mlflow/runs/create"),
    ("GET", "mlflow/runs/get"),
    ("POST", "mlflow/runs/update"),
    ("POST", "mlflow/runs/delete"),
    ("POST", "mlflow/runs/restore"),
    ("POST", "mlflow/runs/search"),
    ("POST", "mlflow/runs/log-metric"),
    ("POST", "mlflow/runs/log-parameter"),
    ("POST", "mlflow/runs/log-batch"),
    ("POST", "mlflow/runs/set-tag"),
    ("POST", "mlflow/runs/delete-tag"),
    ("POST", "mlflow/runs/log-inputs"),
    ("POST", "mlflow/runs/outputs"),
    ("POST", "mlflow/runs/log-model"),
    ("GET", "mlflow/metrics/get-history"),
    ("GET", "mlflow/metrics/get-history-bulk"),
    ("GET", "mlflow/metrics/get-history-bulk-interval"),
    ("POST", "mlflow/logged-models"),
    ("POST", "mlflow/logged-models/search"),
    ("GET", "mlflow/logged-models/{}"),
    ("PATCH", "mlflow/logged-models/{}"),
    ("DELETE", "mlflow/logged-models/{}"),
    ("PATCH", "mlflow/logged-models/{}/tags"),
    ("DELETE", "mlflow/logged-models/{}/tags/{}"),
    ("POST", "mlflow/logged-models/{}/params"),
    ("GET", "mlflow/logged-models/{}/artifacts/directories"),
    ("GET", "mlflow/logged-models/{}/artifacts/files"),
    ("POST", "mlflow/registered-models/create"),
    ("GET", "mlflow/registered-models/get"),
    ("GET", "mlflow/registered-models/search"),
    ("POST", "mlflow/registered-models/rename"),
    ("PATCH", "mlflow/registered-models/update"),
    ("DELETE", "mlflow/registered-models/delete"),
    ("POST", "mlflow/registered-models/get-latest-versions"),
    ("POST", "mlflow/registered-models/set-tag"),
    ("DELETE", "mlflow/registered-models/delete-tag"),
    ("POST", "mlflow/registered-models/alias"),
    ("GET", "mlflow/registered-models/alias"),
    ("DELETE", "mlflow/registered-models/alias"),
    ("POST", "mlflow/model-versions/create"),
    ("GET", "mlflow/model-versions/get"),
    ("GET", "mlflow/model-versions/get-download-uri"),
    ("GET", "mlflow/model-versions/search"),
    ("PATCH", "mlflow/model-versions/update"),
    ("DELETE", "mlflow/model-versions/delete"),
    ("POST", "mlflow/model-versions/transition-stage"),
    ("POST", "mlflow/model-versions/set-tag"),
    ("DELETE", "mlflow/model-versions/delete-tag"),
    ("GET", "mlflow/model-versions/get-artifact"),
    ("GET", "mlflow/artifacts/list"),
    ("GET", "mlflow/get-artifact"),
    ("POST", "mlflow/upload-artifact"),
    ("GET", "mlflow-artifacts/artifacts"),
    ("GET", "mlflow-artifacts/artifacts/{}"),
    ("PUT", "mlflow-artifacts/artifacts/{}"),
    ("DELETE", "mlflow-artifacts/artifacts/{}"),
    ("GET", "rookery/runs/metric-summaries"),
    ("GET", "rookery/registry/journal"),
    ("GET", "rookery/registry/as-of"),
    ("GET", "rookery/registry/gates"),
    ("POST", "rookery/registry/gates"),
    ("DELETE", "rookery/registry/gates"),
];

const FIELDS: &[&str] = &[
    "name",
    "experiment_id",
    "experiment_ids",
    "run_id",
    "run_ids",
    "key",
    "value",
    "timestamp",
    "step",
    "metrics",
    "params",
    "tags",
    "filter",
    "order_by",
    "max_results",
    "page_token",
    "view_type",
    "run_view_type",
    "model_id",
    "models",
    "datasets",
    "dataset",
    "digest",
    "source",
    "version",
    "stage",
    "stages",
    "alias",
    "gate",
    "status",
    "new_name",
    "experiment_name",
    "metric_key",
    "start_step",
    "end_step",
    "model_json",
    "path",
    "field_name",
    "description",
    "start_time",
    "end_time",
    "time_ms",
    "run_uuid",
    "artifact_location",
];

/// Values among which some fit some field.
fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3..30i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        proptest::sample::select(vec![
            "0",
            "1",
            "a",
            "NaN",
            "",
            "../x",
            "rm",
            "FINISHED",
            "metrics.a > 1",
            "name LIKE '%'",
            "None",
            "{}",
            "models:/rm/1",
            "models:/rm@a",
            "s3://b/k",
            "accuracy >= 1",
            "eyJvZmZzZXQiOiAxfQ==",
            "9223372036854775807",
        ])
        .prop_map(Value::from),
    ]
}

fn field(value: impl Strategy<Value = Value>) -> impl Strategy<Value = (String, Value)> {
    (proptest::sample::select(FIELDS).prop_map(str::to_owned), value)
}

fn object() -> impl Strategy<Value = Value> {
    let value = leaf().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(field(inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    });
    proptest::collection::vec(field(value), 0..8)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => object().prop_map(|object| object.to_string().into_bytes()),
        1 => proptest::collection::vec(any::<u8>(), 0..64),
        1 => leaf().prop_map(|value| value.to_string().into_bytes()),
    ]
}

/// Text of bytes that a URI may hold, escapes among them.
fn uri_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            4 => "[a-z0-9/.=&+:@-]{1,4}",
            2 => any::<u8>().prop_map(|byte| format!("%{byte:02X}")),
            1 => Just("%".to_owned()),
            1 => Just("%25".to_owned()),
        ],
        0..10,
    )
    .prop_map(|parts| parts.concat())
}

fn query() -> impl Strategy<Value = String> {
    let pair =
        (proptest::sample::select(FIELDS), uri_text()).prop_map(|(name, value)| format!("{name}={value}"));
    proptest::collection::vec(prop_oneof![pair, uri_text()], 0..5).prop_map(|parts| parts.join("&"))
}

#[test]
fn no_request_makes_the_server_fail() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let server = runtime.block_on(async {
        let server = Server::new();
        server
            .post("registered-models/create", serde_json::json!({"name": "rm"}))
            .await;
        let body = serde_json::json!({"name": "rm", "source": "s3://b/k"});
        server.post("model-versions/create", body).await;
        server
    });
    let config = ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(
        (method, endpoint) in proptest::sample::select(ENDPOINTS),
        part in uri_text(),
        query in query(),
        body in body(),
    )| {
        let uri = format!("/api/2.0/{}?{query}", endpoint.replace("{}", &part));
        let Ok(request) = Request::builder()
            .method(method.parse::<Method>().unwrap())
            .uri(uri)
            .header("Content-Type", "application/json")
            .body(Body::from(body))
        else {
            return Ok(());
        };
        let shown = format!("{request:?}");
        let reply = runtime.block_on(server.send(request));
        prop_assert!(!reply.status.is_server_error(), "{shown}: {reply:?}");
        if reply.status.is_client_error() {
            let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            prop_assert!(body["error_code"].is_string() && body["message"].is_string(), "{shown}: {reply:?}");
        }
    });
}
