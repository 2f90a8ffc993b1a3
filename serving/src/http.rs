//! A scorer as an HTTP service with MLflow's scoring protocol: what `mlflow models serve` answers, at the same paths.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::serve::Listener;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use rookery_proto::{Token, token};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::metrics::{self, ScorerLabels};
use crate::protocol::JSON;
use crate::{Refusal, Scorer, ScoringRequest};

/// How long a client may take to send a body.
const BODY_WITHIN: Duration = Duration::from_secs(60);
/// Larger bodies are scored where they hold up no other request.
const LARGE_BODY_BYTES: usize = 64 << 10;
/// How long requests may take to end once the service is to stop.
const GRACE: Duration = Duration::from_secs(30);
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A scorer and how it is served.
#[derive(Debug)]
pub struct Service {
    /// What answers.
    pub scorer: Arc<Scorer>,
    /// What its series in `/metrics` are called.
    pub labels: ScorerLabels,
    /// What callers must show; `None` lets everybody in.
    pub token: Option<Token>,
    /// What `/version` answers: the MLflow version whose protocol is spoken.
    pub version: &'static str,
    /// Longest body, in bytes.
    pub body_bytes_max: usize,
}

#[derive(Clone)]
struct Shared {
    service: Arc<Service>,
    /// Large bodies take turns: more at once than there are processors would only wait for each other.
    large: Arc<Semaphore>,
}

impl Service {
    /// Serves until `shutdown` is cancelled, and then until the requests in flight have ended, for at most 30 seconds.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn serve<L: Listener<Addr: std::fmt::Debug>>(
        self,
        listener: L,
        shutdown: CancellationToken,
    ) -> std::io::Result<()> {
        let stopped = shutdown.clone();
        let serve = axum::serve(listener, self.router()).with_graceful_shutdown(stopped.cancelled_owned());
        let late = async {
            shutdown.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            served = serve => served,
            () = late => {
                tracing::warn!("requests were still running when the grace period ended");
                Ok(())
            }
        }
    }

    /// The routes.
    pub fn router(self) -> Router {
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
        let shared = Shared {
            service: Arc::new(self),
            large: Arc::new(Semaphore::new(threads)),
        };
        let only = |allowed: &'static str| move || async move { wrong_method(allowed) };
        let alive = || get(async || ([(CONTENT_TYPE, JSON)], "\n")).fallback(only("GET, HEAD"));
        Router::new()
            .route("/invocations", post(invocations).fallback(only("POST")))
            .route("/ping", alive())
            .route("/health", alive())
            .route("/version", get(version).fallback(only("GET, HEAD")))
            .route("/metrics", get(scrape).fallback(only("GET, HEAD")))
            .fallback(async || detail(StatusCode::NOT_FOUND, "Not Found"))
            .with_state(shared)
    }
}

async fn invocations(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !token::is_admitted(shared.service.token.as_ref(), &parts.headers) {
        return unauthenticated();
    }
    let answered = async {
        let body = read(&parts.headers, body, shared.service.body_bytes_max).await?;
        let query = parts.uri.query().map(str::to_string);
        match body.len() > LARGE_BODY_BYTES {
            false => score(&shared.service.scorer, &parts.headers, query.as_deref(), &body),
            true => score_aside(&shared, parts.headers, query, body).await,
        }
    };
    match answered.await {
        Ok((content_type, body)) => {
            ([(CONTENT_TYPE, HeaderValue::from_static(content_type))], body).into_response()
        }
        Err(refusal) => refused(&refusal),
    }
}

/// The body of a request.
async fn read(headers: &HeaderMap, body: Body, most: usize) -> Result<Bytes, Refusal> {
    let too_large = || {
        let message = format!("The body is longer than {most} bytes: send fewer rows at a time");
        Refusal::new(413, "BAD_REQUEST", message)
    };
    if let Some(encoding) = text(headers, &CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
        let message = format!("The body is encoded as {encoding:?}, expected none");
        return Err(Refusal::new(415, "BAD_REQUEST", message));
    }
    let announced = text(headers, &CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_WITHIN, to_bytes(body, most)).await {
        Ok(Ok(body)) => Ok(body),
        // A body of a known length is not too long here, so the client broke off.
        Ok(Err(error)) if announced.is_some() => {
            Err(Refusal::bad_request(format!("The body can't be read: {error}")))
        }
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(Refusal::new(
            408,
            "BAD_REQUEST",
            format!("The body did not come within {} seconds", BODY_WITHIN.as_secs()),
        )),
    }
}

fn score(
    scorer: &Scorer,
    headers: &HeaderMap,
    query: Option<&str>,
    body: &[u8],
) -> Result<(&'static str, Bytes), Refusal> {
    let answer = scorer.answer(&ScoringRequest {
        content_type: text(headers, &CONTENT_TYPE),
        accept: text(headers, &ACCEPT),
        query,
        body,
    })?;
    Ok((answer.content_type, answer.body))
}

async fn score_aside(
    shared: &Shared,
    headers: HeaderMap,
    query: Option<String>,
    body: Bytes,
) -> Result<(&'static str, Bytes), Refusal> {
    let turn = Arc::clone(&shared.large).acquire_owned().await;
    let scorer = Arc::clone(&shared.service.scorer);
    let scored = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        score(&scorer, &headers, query.as_deref(), &body)
    });
    scored.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request ended without an answer");
        Err(Refusal::new(
            500,
            "INTERNAL_ERROR",
            "the server failed to answer; its log says why",
        ))
    })
}

async fn version(State(shared): State<Shared>) -> Response {
    (
        [(CONTENT_TYPE, "text/plain; charset=utf-8")],
        shared.service.version,
    )
        .into_response()
}

async fn scrape(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let service = &shared.service;
    if !token::is_admitted(service.token.as_ref(), &headers) {
        return unauthenticated();
    }
    let mut registry = Registry::with_prefix("rookery");
    metrics::register(
        &mut registry,
        vec![(service.labels.clone(), Arc::clone(&service.scorer))],
    );
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(CONTENT_TYPE, METRICS_TYPE)], text).into_response(),
        Err(error) => refused(&Refusal::new(500, "INTERNAL_ERROR", error.to_string())),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    // A header that is no text is as good as an unknown value.
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, JSON)], refusal.body()).into_response()
}

fn unauthenticated() -> Response {
    let message = "this server wants the header 'Authorization: Bearer <token>'";
    let refusal = Refusal::new(401, "UNAUTHENTICATED", message);
    ([(WWW_AUTHENTICATE, "Bearer")], refused(&refusal)).into_response()
}

fn wrong_method(allowed: &'static str) -> Response {
    let refusal = detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    ([(ALLOW, allowed)], refusal).into_response()
}

/// What MLflow's server says of paths and methods that it does not know.
fn detail(status: StatusCode, text: &str) -> Response {
    let body = format!("{{\"detail\":\"{text}\"}}");
    (status, [(CONTENT_TYPE, JSON)], body).into_response()
}
