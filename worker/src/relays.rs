//! [`Relays`]: passes a round on to other workers, where it goes along a tree over them. Whoever does not answer in time is
//! named, and left to the driver.

use std::time::Duration;

use futures::future::join_all;
use rookery_data::engine::Channels;
use rookery_ml::Partial;
use rookery_ml::tree::Node;
use rookery_proto::v1::trainer_service_client::TrainerServiceClient;
use rookery_proto::{ErrorClass, Failure, MAX_MESSAGE_BYTES, SendTraceContext, v1};
use rookery_tls::is_this_machine;
use tonic::{Code, Status};
use tracing::Instrument as _;
use tracing::field::Empty;
use url::Url;

use crate::error::internal;
use crate::wire;

/// What a relay's own relays are given of its time: it needs the rest to merge and to answer.
const GIVEN_ON: (u64, u64) = (9, 10);

/// How other workers are reached.
#[derive(Debug, Clone)]
pub(crate) struct Relays {
    channels: Channels,
    is_tls: bool,
}

/// A worker, and what it is to be asked.
#[derive(Debug)]
pub(crate) struct PassedOn {
    url: String,
    /// Who is not asked if this one fails.
    below: Vec<String>,
    request: v1::EvaluateObjectiveRequest,
}

/// What came of passing a round on.
#[derive(Debug, Default)]
pub(crate) struct Below {
    pub(crate) partials: Vec<(Node, Vec<Partial>)>,
    pub(crate) failures: Vec<v1::RelayFailure>,
}

/// Takes the relays out of a request: what each of them is asked.
pub(crate) fn pass_on(request: &mut v1::EvaluateObjectiveRequest) -> Vec<PassedOn> {
    let relays = std::mem::take(&mut request.relays);
    let (times, of) = GIVEN_ON;
    let passed_on = |relay: v1::Relay| PassedOn {
        url: relay.url,
        below: urls(&relay.relays),
        request: v1::EvaluateObjectiveRequest {
            partitions: relay.partitions,
            relays: relay.relays,
            relay_deadline_ms: request.relay_deadline_ms.saturating_mul(times) / of,
            task: request.task.clone(),
            blocks_id: request.blocks_id.clone(),
            coefficients: request.coefficients.clone(),
        },
    };
    relays.into_iter().map(passed_on).collect()
}

fn urls(relays: &[v1::Relay]) -> Vec<String> {
    let of = |relay: &v1::Relay| [vec![relay.url.clone()], urls(&relay.relays)].concat();
    relays.iter().flat_map(of).collect()
}

impl Relays {
    /// Workers that `channels` lead to; in a cluster on TLS those alone that show its certificate.
    pub(crate) fn new(channels: Channels, is_tls: bool) -> Self {
        Self { channels, is_tls }
    }

    /// Asks all at once, and waits for each until the deadline.
    pub(crate) async fn ask(&self, passed_on: Vec<PassedOn>, deadline: Duration) -> Below {
        let asked = passed_on.into_iter().map(|one| self.ask_one(one, deadline));
        let mut all = Below::default();
        for below in join_all(asked).await {
            all.partials.extend(below.partials);
            all.failures.extend(below.failures);
        }
        all
    }

    async fn ask_one(&self, passed_on: PassedOn, deadline: Duration) -> Below {
        let PassedOn { url, below, request } = passed_on;
        let span = tracing::debug_span!(
            "relay",
            otel.name = "evaluate_objective",
            otel.kind = "client",
            otel.status_code = Empty,
            worker = url,
        );
        let answer = tokio::time::timeout(deadline, self.call(&url, request));
        let failure = match answer.instrument(span.clone()).await {
            Ok(Ok(below)) => return below,
            Ok(Err(failure)) => failure,
            Err(_) => Failure::new(
                ErrorClass::TimedOut,
                format!(
                    "worker {url} did not answer within {:.1} s",
                    deadline.as_secs_f64()
                ),
            ),
        };
        span.record("otel.status_code", "error");
        tracing::debug!(worker = url, %failure, "a round was passed on in vain");
        let failed = |url| v1::RelayFailure {
            url,
            error: Some(v1::ErrorDetail::from(&failure)),
        };
        Below {
            partials: Vec::new(),
            failures: [url].into_iter().chain(below).map(failed).collect(),
        }
    }

    async fn call(&self, url: &str, request: v1::EvaluateObjectiveRequest) -> Result<Below, Failure> {
        let url = self.member(url)?;
        let expected = request.coefficients.len();
        let channel = self
            .channels
            .get(&url)
            .map_err(|e| internal(e).at(url.as_str()))?;
        let mut client = TrainerServiceClient::with_interceptor(channel, SendTraceContext)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let answer = client.evaluate_objective(request).await;
        let answer = answer.map_err(|status| failure(status).at(url.as_str()))?;
        let answer = answer.into_inner();
        let partials = answer.partials.into_iter();
        Ok(Below {
            partials: partials
                .map(|subtree| wire::subtree(subtree, expected).map_err(|failure| failure.at(url.as_str())))
                .collect::<Result<_, _>>()?,
            failures: answer.failures,
        })
    }

    /// The URL, if the token may be shown there: on TLS the certificate says who answers; without, nobody but this machine
    /// is of the cluster.
    fn member(&self, url: &str) -> Result<Url, Failure> {
        let refused =
            |why: &str| Failure::new(ErrorClass::Config, format!("not a worker's URL: {why}")).at(url);
        let parsed = Url::parse(url).map_err(|e| refused(&e.to_string()))?;
        match (self.is_tls, parsed.scheme()) {
            (true, "https") => Ok(parsed),
            (true, _) => Err(refused("it does not begin with https://")),
            (false, "http") if is_this_machine(&parsed) => Ok(parsed),
            (false, _) => Err(refused(
                "this cluster is not on TLS, and it is of another machine",
            )),
        }
    }
}

/// A call that failed on its way is UNKNOWN or CANCELLED to tonic; a worker says neither itself.
fn failure(status: Status) -> Failure {
    let transport = matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled);
    match transport && status.details().is_empty() {
        true => Failure::new(
            ErrorClass::Unreachable,
            format!("the worker can't be reached: {}", status.message()),
        ),
        false => Failure::from(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(url: &str, relays: Vec<v1::Relay>) -> v1::Relay {
        v1::Relay {
            url: url.to_string(),
            partitions: None,
            relays,
        }
    }

    #[test]
    fn each_relay_is_given_what_is_its_own_and_less_time() {
        let mut request = v1::EvaluateObjectiveRequest {
            blocks_id: "b".to_string(),
            coefficients: vec![v1::KernelCoefficients::default(); 2],
            relays: vec![
                relay("a", vec![relay("b", vec![relay("c", Vec::new())])]),
                relay("d", Vec::new()),
            ],
            relay_deadline_ms: 1000,
            ..Default::default()
        };
        let passed_on = pass_on(&mut request);
        assert!(request.relays.is_empty(), "the worker's own part is left");
        let urls: Vec<&str> = passed_on.iter().map(|one| one.url.as_str()).collect();
        assert_eq!(urls, ["a", "d"]);
        assert_eq!(passed_on[0].below, ["b", "c"]);
        for one in &passed_on {
            assert_eq!(
                (one.request.relay_deadline_ms, one.request.coefficients.len()),
                (900, 2)
            );
            assert_eq!(one.request.blocks_id, "b");
        }
        assert_eq!(passed_on[0].request.relays.len(), 1);
    }

    #[test]
    fn the_token_goes_to_members_only() {
        let relays = |is_tls| Relays::new(Channels::default(), is_tls);
        for (is_tls, url, is_member) in [
            (true, "https://10.0.0.7:4000/", true),
            (true, "http://10.0.0.7:4000/", false),
            (true, "http://127.0.0.1:4000/", false),
            (false, "http://127.0.0.1:4000/", true),
            (false, "http://[::1]:4000/", true),
            (false, "http://10.0.0.7:4000/", false),
            (false, "http://localhost.example:4000/", false),
            (false, "https://127.0.0.1:4000/", false),
            (false, "127.0.0.1:4000", false),
        ] {
            assert_eq!(relays(is_tls).member(url).is_ok(), is_member, "{is_tls} {url}");
        }
    }

    #[tokio::test]
    async fn who_does_not_answer_is_named_with_all_below() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let nobody = format!("http://{}/", closed.local_addr().unwrap());
        drop(closed);
        // This one takes the connection and says nothing.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let silent_url = format!("http://{}/", silent.local_addr().unwrap());
        let mut request = v1::EvaluateObjectiveRequest {
            relays: vec![
                relay(&nobody, vec![relay("below", Vec::new())]),
                relay(&silent_url, Vec::new()),
            ],
            ..Default::default()
        };
        let relays = Relays::new(Channels::default(), false);
        let below = relays
            .ask(pass_on(&mut request), Duration::from_millis(200))
            .await;
        assert!(below.partials.is_empty());
        let named: Vec<(&str, ErrorClass)> = below
            .failures
            .iter()
            .map(|failed| {
                let failure = Failure::from(failed.error.clone().unwrap());
                (failed.url.as_str(), failure.class)
            })
            .collect();
        let expected = [
            (nobody.as_str(), ErrorClass::Unreachable),
            ("below", ErrorClass::Unreachable),
            (&silent_url, ErrorClass::TimedOut),
        ];
        assert_eq!(named, expected);
    }
}
