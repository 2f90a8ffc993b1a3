//! The path of a request through an endpoint.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::time::Instant;

use super::bounds::Bounds;
use super::error::{EndpointError, Kind};
use super::manager::Endpoints;
use super::ports::{ModelSource, Score};
use super::promote::not_served;
use super::routing::{Routing, Served};
use super::slot::not_to_blame;
use super::stats::now_ms;
use crate::{Answer, Refusal, ScoringRequest};

/// Bodies above this size, in bytes, are scored where they hold up no other request.
const LARGE_BYTES: usize = 32 * 1024;

/// A request to score rows, kept for as long as it takes.
#[derive(Debug, Clone, Default)]
pub struct Invocation {
    /// Its `Content-Type`.
    pub content_type: Option<String>,
    /// Its `Accept`.
    pub accept: Option<String>,
    /// The query of its address, without the question mark.
    pub query: Option<String>,
    /// The rows.
    pub body: Bytes,
}

/// What a served entity said of a request.
#[derive(Debug)]
pub struct Invoked {
    /// The served entity's name.
    pub served: String,
    /// Its version.
    pub version: u32,
    /// The configuration that sent the request there.
    pub config: u32,
    /// The answer, or why the rows get none.
    pub result: Result<Answer, Refusal>,
}

impl Endpoints {
    /// Answers a request with whom the traffic goes to, or with the entity that it names.
    ///
    /// # Errors
    /// There is no such endpoint or entity; the request did not get its turn; the model can't be loaded.
    pub async fn invoke(
        &self,
        endpoint: &str,
        wanted: Option<&str>,
        request: Invocation,
    ) -> Result<Invoked, EndpointError> {
        let endpoint = self.get(endpoint)?;
        let Some(routing) = endpoint.routing() else {
            let record = endpoint.record();
            return Err(EndpointError::unavailable(format!(
                "Endpoint '{}' is not ready: its state is {}",
                record.name,
                endpoint.config_update()
            )));
        };
        let served = match wanted {
            None => routing
                .next()
                .ok_or_else(|| EndpointError::new(Kind::Internal, "no served entity has any traffic"))?,
            Some(name) => routing
                .named(name)
                .ok_or_else(|| not_served(&endpoint.record().name, &routing.config, name))?,
        };
        let began = Instant::now();
        served.stats.came(now_ms());
        let result = score(served, &request, self.source.as_ref(), &self.bounds).await;
        let status = match &result {
            Ok(Ok(_)) => 200,
            Ok(Err(refusal)) => refusal.status,
            Err(error) => error.kind.status(),
        };
        served.stats.answered(status, began.elapsed());
        served.slot.touch();
        let result = result?;
        if let (Ok(answer), None) = (&result, wanted) {
            served.stats.unseen.fetch_add(answer.unseen, Ordering::Relaxed);
            self.copy_to_shadows(&routing, &request, answer);
        }
        Ok(Invoked {
            served: served.entity.name.clone(),
            version: served.entity.version,
            config: routing.config.version,
            result,
        })
    }

    fn copy_to_shadows(&self, routing: &Routing, request: &Invocation, answer: &Answer) {
        for shadow in routing.shadows() {
            self.copy(shadow, request, answer);
        }
    }
}

/// Waits for a turn, gets the model, and scores.
pub(super) async fn score(
    served: &Served,
    request: &Invocation,
    source: &dyn ModelSource,
    bounds: &Bounds,
) -> Result<Result<Answer, Refusal>, EndpointError> {
    let turn = served.turns.take(bounds.turn_wait).await?;
    let model = served.slot.get(source, bounds.load).await;
    let scorer = Arc::clone(&model.map_err(not_to_blame)?.scorer);
    if request.body.len() <= LARGE_BYTES {
        return Ok(answer(scorer.as_ref(), request));
    }
    let request = request.clone();
    let scored = tokio::task::spawn_blocking(move || {
        // The turn ends when the scoring does, also if the client has gone by then.
        let _turn = turn;
        answer(scorer.as_ref(), &request)
    });
    scored.await.map_err(|error| {
        tracing::error!(%error, "a model panicked");
        EndpointError::new(
            Kind::Internal,
            "the model failed to answer; the driver's log says why",
        )
    })
}

fn answer(scorer: &dyn Score, request: &Invocation) -> Result<Answer, Refusal> {
    scorer.answer(&ScoringRequest {
        content_type: request.content_type.as_deref(),
        accept: request.accept.as_deref(),
        query: request.query.as_deref(),
        body: &request.body,
    })
}
