//! The worker's port: gRPC for the driver and other workers, `/metrics` for Prometheus; one token admits to both. On TLS
//! only the driver may say what this worker reads and computes; other workers fetch what they need for a shuffle.

use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use rookery_proto::{ErrorClass, Failure, Token, token};
use rookery_tls::{Caller, Port, Role};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::service::Routes;

use crate::executor::Executor;

/// The content type of what Prometheus reads.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Calls of the driver.
const TRAINER: &str = "/rookery.v1.TrainerService/";

/// What callers must show.
#[derive(Debug, Clone)]
struct Admission {
    /// `None` lets everybody in.
    token: Option<Token>,
    is_tls: bool,
}

impl Admission {
    fn check(&self, request: &Request) -> Result<(), Failure> {
        if !token::is_admitted(self.token.as_ref(), request.headers()) {
            return Err(token::refusal("worker"));
        }
        let caller = request.extensions().get::<ConnectInfo<Caller>>();
        let is_driver = caller.is_some_and(|ConnectInfo(caller)| caller.is_a(Role::Driver));
        if self.is_tls && request.uri().path().starts_with(TRAINER) && !is_driver {
            return Err(Failure::new(
                ErrorClass::Config,
                "only this cluster's driver may call this",
            ));
        }
        Ok(())
    }
}

/// Serves until `close` is cancelled, and then until the requests in flight have ended.
pub(crate) async fn serve(
    port: Port,
    grpc: Routes,
    executor: Arc<Executor>,
    token: Option<Token>,
    close: CancellationToken,
) -> std::io::Result<()> {
    let admission = Admission {
        token,
        is_tls: port.is_tls(),
    };
    let router = grpc
        .prepare()
        .into_axum_router()
        .route("/metrics", get(move || async move { metrics(&executor) }))
        .layer(middleware::from_fn_with_state(admission, admit));
    axum::serve(port, router.into_make_service_with_connect_info::<Caller>())
        .with_graceful_shutdown(close.cancelled_owned())
        .await
}

/// Lets those in who may, and refuses others in the form of their protocol.
async fn admit(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    let Err(refusal) = admission.check(&request) else {
        return next.run(request).await;
    };
    let content = request.headers().get(CONTENT_TYPE);
    match content.is_some_and(|content| content.as_bytes().starts_with(b"application/grpc")) {
        true => Status::from(refusal).into_http::<axum::body::Body>(),
        false => (StatusCode::UNAUTHORIZED, refusal.to_string()).into_response(),
    }
}

fn metrics(executor: &Executor) -> Response {
    let mut registry = Registry::with_prefix("rookery_worker");
    let gauge = |value: u64| {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        gauge
    };
    let (memory, partitions) = (
        gauge(executor.memory_bytes()),
        gauge(executor.partitions() as u64),
    );
    registry.register_with_unit("held", "What this worker holds of datasets", Unit::Bytes, memory);
    registry.register("partitions", "Partitions that this worker holds", partitions);
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(CONTENT_TYPE, METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
