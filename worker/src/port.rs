//! The worker's port: gRPC for the driver and other workers, `/metrics` for Prometheus; one token admits to both. On TLS
//! only the driver may say what this worker reads and computes; other workers fetch what they need for a shuffle, and pass
//! rounds on.

use std::sync::Arc;

use axum::extract::{Request, State};
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
/// The one of them that workers make, too.
const PASSED_ON: &str = "/rookery.v1.TrainerService/EvaluateObjective";

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
        let path = request.uri().path();
        if !self.is_tls || !path.starts_with(TRAINER) {
            return Ok(());
        }
        let is_a = |role| Caller::sent(request, role);
        if is_a(Role::Driver) || (path == PASSED_ON && is_a(Role::Worker)) {
            return Ok(());
        }
        let message = match path == PASSED_ON {
            true => "only this cluster's driver and its workers may call this",
            false => "only this cluster's driver may call this",
        };
        Err(Failure::new(ErrorClass::Config, message))
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
    let (memory, disk, partitions) = (
        gauge(executor.memory_bytes()),
        gauge(executor.disk_bytes()),
        gauge(executor.partitions() as u64),
    );
    let held = "What this worker holds of datasets in memory";
    registry.register_with_unit("held", held, Unit::Bytes, memory);
    let spilled = "What this worker keeps of datasets on disk, beyond its memory limit";
    registry.register_with_unit("spilled", spilled, Unit::Bytes, disk);
    registry.register("partitions", "Partitions that this worker holds", partitions);
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(CONTENT_TYPE, METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::ConnectInfo;
    use rookery_tls::Member;

    use super::*;

    fn request(path: &str, token: Option<&str>, role: Option<Role>) -> Request {
        let member = role.map(|role| {
            Arc::new(Member {
                role,
                names: Vec::new(),
            })
        });
        let caller = Caller {
            address: "10.0.0.7:4000".parse().unwrap(),
            reached: None,
            member,
        };
        let mut request = Request::builder().uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.extension(ConnectInfo(caller));
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn a_worker_may_pass_a_round_on_and_do_nothing_else_of_the_drivers() {
        let admission = |is_tls| Admission {
            token: Some(Token::new("s3cret").unwrap()),
            is_tls,
        };
        let trainer = |call: &str| format!("{TRAINER}{call}");
        let (round, shuffle) = (trainer("EvaluateObjective"), "/engine.Worker/Execute".to_string());
        let (token, driver, worker) = (Some("s3cret"), Some(Role::Driver), Some(Role::Worker));
        for (is_tls, path, token, role, admitted) in [
            (true, &round, token, driver, true),
            (true, &round, token, worker, true),
            (true, &round, token, None, false),
            (true, &round, None, worker, false),
            (true, &round, Some("S3cret"), worker, false),
            (true, &shuffle, token, worker, true),
            (false, &round, token, None, true),
            (false, &round, None, None, false),
        ] {
            let checked = admission(is_tls).check(&request(path, token, role));
            assert_eq!(checked.is_ok(), admitted, "{is_tls} {path} {token:?} {role:?}");
        }
        for call in [
            "PrepareSources",
            "FitStages",
            "BuildBlocks",
            "SummarizeBlocks",
            "ScoreModel",
            "ScoreRows",
            "CompareFormats",
            "ListPartitions",
            "GetProgress",
            "Release",
            "EvaluateObjective/",
            "EvaluateObjectives",
        ] {
            let refused = |role| admission(true).check(&request(&trainer(call), token, role));
            assert!(refused(worker).is_err(), "{call}");
            assert!(refused(driver).is_ok(), "{call}");
        }
    }
}
