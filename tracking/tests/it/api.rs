//! MLflow's protocol from outside: what a client sends, and what it gets.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use rookery_tracking::{Api, ArtifactStore, Environment, FixedEnvironment, SqlStore, router};
use serde_json::Value;
use tower::ServiceExt;

use crate::fixture::START_MS;

mod any_input;
mod artifacts;
mod auth;
mod connection;
mod decoding;
mod errors;
mod lab;
mod models;
mod registry;
mod runs;

const MLFLOW: &str = "/api/2.0/mlflow";

/// A server without a socket, on stores in memory.
pub(crate) struct Server {
    pub(crate) router: Router,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Server::with(ArtifactStore::in_memory(), None)
    }

    pub(crate) fn with(artifacts: ArtifactStore, token: Option<&str>) -> Self {
        let environment = Arc::new(FixedEnvironment::new(7, START_MS));
        let store = Arc::new(SqlStore::in_memory(environment as Arc<dyn Environment>).unwrap());
        Server {
            router: router(Api {
                store: Arc::clone(&store) as _,
                registry: store,
                artifacts,
                token: token.map(str::to_owned),
            }),
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
        }
    }

    /// Sends a JSON body to one of MLflow's endpoints.
    pub(crate) async fn call(&self, method: Method, endpoint: &str, body: impl Into<Body>) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(format!("{MLFLOW}/{endpoint}"))
            .header("Content-Type", "application/json")
            .body(body.into())
            .unwrap();
        self.send(request).await
    }

    /// Posts a JSON value to one of MLflow's endpoints, and returns the answer to it.
    pub(crate) async fn post(&self, endpoint: &str, body: Value) -> Value {
        self.call(Method::POST, endpoint, body.to_string()).await.ok()
    }

    pub(crate) async fn get(&self, endpoint: &str) -> Value {
        self.try_get(endpoint).await.ok()
    }

    pub(crate) async fn try_post(&self, endpoint: &str, body: Value) -> Reply {
        self.call(Method::POST, endpoint, body.to_string()).await
    }

    pub(crate) async fn try_get(&self, endpoint: &str) -> Reply {
        self.call(Method::GET, endpoint, Body::empty()).await
    }

    /// Sends a request to any path.
    pub(crate) async fn at(&self, method: Method, uri: &str, body: impl Into<Body>) -> Reply {
        let request = Request::builder().method(method).uri(uri);
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Creates a run in the default experiment, and returns its id.
    pub(crate) async fn run(&self) -> String {
        let body = serde_json::json!({"experiment_id": "0", "user_id": "ada", "start_time": START_MS});
        let created = self.post("runs/create", body).await;
        text(&created["run"]["info"]["run_id"])
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Returns the JSON of an answer that must be 200.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// Checks that the answer is an error of this kind, and returns its message.
    #[track_caller]
    pub(crate) fn error(&self, status: u16, code: &str) -> String {
        let body = self.json();
        assert_eq!(
            (self.status.as_u16(), &body["error_code"]),
            (status, &code.into()),
            "{body}"
        );
        text(&body["message"])
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Returns a JSON text as a string.
#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}
