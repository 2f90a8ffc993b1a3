//! A cluster on TLS, as a caller meets it that is not the binary under test.

use std::error::Error as _;
use std::path::Path;

use rookery_proto::v1::join_service_client::JoinServiceClient;
use rookery_proto::v1::membership_service_client::MembershipServiceClient;
use rookery_proto::v1::trainer_service_client::TrainerServiceClient;
use rookery_proto::v1::{
    EvaluateObjectiveRequest, EvaluateObjectiveResponse, JoinRequest, PartitionSet, RegisterRequest, Relay,
};
use rookery_proto::{ErrorClass, Failure, SendToken, Token};
use serde_json::Value;
use tonic::Status;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::DEADLINE;
use crate::cluster::TestCluster;
use crate::process::Rookery;

/// A certificate and its key, PEM form.
#[derive(Debug, Clone)]
pub struct Member {
    certificate: String,
    key: String,
}

impl Member {
    /// What a worker keeps in its state directory.
    pub fn kept_in(home: &Path) -> Self {
        let file = home.join("tls/worker/identity.json");
        let text = std::fs::read_to_string(file).expect("a worker has joined");
        let kept: Value = serde_json::from_str(&text).expect("JSON");
        let text = |key: &str| kept[key].as_str().expect("a text").to_string();
        Self {
            certificate: text("certificate_pem"),
            key: text("key_pem"),
        }
    }
}

/// A server; on TLS if its URL says so, and then of the authority in `rookery`'s state directory.
pub(crate) fn endpoint(rookery: &Rookery, url: &str, member: Option<&Member>) -> Endpoint {
    let endpoint = Endpoint::from_shared(url.to_string())
        .expect("a URL")
        .connect_timeout(DEADLINE)
        .timeout(DEADLINE);
    if !url.starts_with("https") {
        return endpoint;
    }
    let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(rookery.ca_pem()));
    if let Some(member) = member {
        config = config.identity(Identity::from_pem(&member.certificate, &member.key));
    }
    endpoint.tls_config(config).expect("a TLS configuration")
}

/// What the server said; without an answer, why there was none.
pub(crate) fn failure(status: Status) -> Failure {
    if !status.details().is_empty() {
        return Failure::from(status);
    }
    let mut text = status.message().to_string();
    let mut cause = status.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    Failure::new(ErrorClass::Unreachable, text)
}

/// A join token of the driver at `url`, as a user makes one.
pub(crate) async fn new_join_token(rookery: &Rookery, url: &str) -> String {
    let created = rookery.run_json(&["token", "create", "--driver", url]).await;
    let created = created.succeeded().last_json();
    created["join_token"].as_str().expect("a token").to_string()
}

/// What the driver answers to somebody who registers as a worker.
pub async fn register(
    cluster: &TestCluster,
    member: Option<&Member>,
    url: &str,
    protocol_version: u32,
) -> Result<(), Failure> {
    let channel = endpoint(cluster.rookery(), cluster.url(), member).connect_lazy();
    let token = Token::new(&cluster.rookery().token()).expect("a token");
    let mut client = MembershipServiceClient::with_interceptor(channel, SendToken::new(Some(&token)));
    let request = RegisterRequest {
        url: url.to_string(),
        protocol_version,
        build_version: "0.0.1".to_string(),
        threads: 1,
        ..RegisterRequest::default()
    };
    client.register(request).await.map(|_| ()).map_err(failure)
}

/// What the driver answers to somebody who joins with this id and secret, and this request for a certificate.
pub async fn join(
    cluster: &TestCluster,
    token: (&str, &str),
    certificate_request: &[u8],
    protocol_version: u32,
) -> Result<(), Failure> {
    let channel = endpoint(cluster.rookery(), cluster.url(), None).connect_lazy();
    let request = JoinRequest {
        token_id: token.0.to_string(),
        secret: token.1.to_string(),
        certificate_request: certificate_request.to_vec(),
        protocol_version,
        build_version: "0.0.1".to_string(),
    };
    let answer = JoinServiceClient::new(channel).join(request).await;
    answer.map(|_| ()).map_err(failure)
}

/// What a worker answers to somebody who passes a round on to it, and tells it to pass it on to these.
pub async fn pass_on(
    cluster: &TestCluster,
    worker: usize,
    token: Option<&Token>,
    member: Option<&Member>,
    relays: &[&str],
) -> Result<EvaluateObjectiveResponse, Failure> {
    let url = cluster.worker_url(worker).await;
    let channel = endpoint(cluster.rookery(), &url, member).connect_lazy();
    let mut client = TrainerServiceClient::with_interceptor(channel, SendToken::new(token));
    let relay = |url: &&str| Relay {
        url: (*url).to_string(),
        partitions: Some(PartitionSet::default()),
        ..Relay::default()
    };
    let request = EvaluateObjectiveRequest {
        partitions: Some(PartitionSet::default()),
        relays: relays.iter().map(relay).collect(),
        relay_deadline_ms: 5000,
        ..EvaluateObjectiveRequest::default()
    };
    let answer = client.evaluate_objective(request).await;
    answer.map(tonic::Response::into_inner).map_err(failure)
}
