//! One port for both protocols: gRPC for clients and workers, HTTP for MLflow's clients and browsers. What a request
//! says it carries decides, so that each gets errors in its own form.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use rookery_proto::{Token, token};
use rookery_serving::endpoints::Endpoints;
use rookery_tls::{Caller, Port};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::service::Routes;
use tower::ServiceExt as _;

use crate::admission::Admission;
use crate::jobs::Jobs;
use crate::metrics;
use crate::workers::Workers;

/// The gRPC services, and who may call them. The HTTP side looks at its callers itself.
#[derive(Clone)]
struct Grpc {
    services: Router,
    admission: Admission,
}

/// Serves until `close` is cancelled, and then until the requests in flight have ended.
pub(crate) async fn serve(
    port: Port,
    grpc: Routes,
    http: Router,
    admission: Admission,
    close: CancellationToken,
) -> std::io::Result<()> {
    let grpc = Grpc {
        services: grpc.prepare().into_axum_router(),
        admission,
    };
    let router = http.layer(middleware::from_fn_with_state(grpc, divide));
    axum::serve(port, router.into_make_service_with_connect_info::<Caller>())
        .with_graceful_shutdown(close.cancelled_owned())
        .await
}

/// What `/metrics` is about, and who may read it.
#[derive(Clone)]
pub(crate) struct Observed {
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) workers: Arc<Workers>,
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) token: Option<Token>,
}

/// `GET /metrics`.
pub(crate) async fn metrics(Extension(observed): Extension<Observed>, headers: HeaderMap) -> Response {
    if !token::is_admitted(observed.token.as_ref(), &headers) {
        return (StatusCode::UNAUTHORIZED, token::refusal("driver").to_string()).into_response();
    }
    match metrics::text(&observed.workers, &observed.jobs, &observed.endpoints) {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn divide(State(grpc): State<Grpc>, request: Request, next: Next) -> Response {
    let content = request.headers().get(CONTENT_TYPE);
    if !content.is_some_and(|content| content.as_bytes().starts_with(b"application/grpc")) {
        return next.run(request).await;
    }
    if let Err(refusal) = grpc.admission.check(&request) {
        return Status::from(refusal).into_http::<axum::body::Body>();
    }
    let Ok(response) = grpc.services.oneshot(request).await;
    response.into_response()
}
