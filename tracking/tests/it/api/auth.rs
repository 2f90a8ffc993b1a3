//! A server that asks for a token.

use axum::body::Body;
use axum::http::Request;
use base64::Engine;
use rookery_tracking::ArtifactStore;

use super::Server;

#[tokio::test]
async fn only_who_brings_the_token_is_served() {
    let server = Server::with(ArtifactStore::in_memory(), Some("s3cret"));
    let ask = async |uri: &str, authorization: &str| {
        let request = Request::get(uri).header("Authorization", authorization);
        server.send(request.body(Body::empty()).unwrap()).await
    };
    let basic = format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode("ada:s3cret")
    );
    let experiment = "/api/2.0/mlflow/experiments/get?experiment_id=0";
    for uri in [experiment, "/api/2.0/mlflow-artifacts/artifacts"] {
        for authorization in ["Bearer s3cret", basic.as_str()] {
            ask(uri, authorization).await.ok();
        }
    }
    for uri in [
        experiment,
        "/api/2.0/mlflow-artifacts/artifacts",
        "/nope",
        "/",
        "/api/2.0/rookery/registry/journal",
    ] {
        for authorization in ["", "Bearer s3cre", "Bearer s3cret2", "s3cret", "Basic s3cret"] {
            let reply = ask(uri, authorization).await;
            let message = reply.error(401, "UNAUTHENTICATED");
            assert_eq!(reply.header("www-authenticate"), "Bearer");
            assert!(!message.contains("s3cret"));
        }
    }
    for uri in ["/health", "/version"] {
        assert_eq!(ask(uri, "").await.status, 200);
    }
}
