//! How a worker becomes a member of a cluster on TLS: it makes a key, and the driver a certificate for it.

use std::time::Duration;

use rookery_proto::v1::join_service_client::JoinServiceClient;
use rookery_proto::v1::{JoinRequest, JoinResponse};
use rookery_proto::{ErrorClass, Failure, PROTOCOL_VERSION, Token};
use rookery_tls::{CaCertificate, Identity, JoinToken, PrivateKey, Request, Role, Trust};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use url::Url;

use crate::membership::{BACKOFF_FIRST, BACKOFF_MAX, endpoint, gone, is_unreachable};

/// What a worker has once it is a member.
#[derive(Debug, Clone)]
pub struct Joined {
    /// Proves who it is.
    pub identity: Identity,
    /// What driver and workers ask their callers for.
    pub token: Option<Token>,
}

/// Joins the cluster of the driver at `driver`, as a worker that is reached under `names`. The driver is tried for as long
/// as `within`; `None` when the shutdown came first.
///
/// # Errors
/// The driver refuses the token, is not of the authority that the token names, or can't be reached.
pub async fn join(
    driver: &Url,
    token: &JoinToken,
    names: Vec<String>,
    within: Duration,
    shutdown: &CancellationToken,
) -> Result<Option<Joined>, Failure> {
    let (key, certificate_request) = Request::make(names)?;
    let endpoint = endpoint(driver, Some(&Trust::pinned(token.authority())))?;
    let mut client = JoinServiceClient::new(endpoint.connect_lazy());
    let request = JoinRequest {
        token_id: token.id().to_string(),
        secret: token.secret().to_string(),
        certificate_request,
        protocol_version: PROTOCOL_VERSION,
        build_version: env!("CARGO_PKG_VERSION").to_string(),
    };
    match answer(driver, &mut client, &request, within, shutdown).await? {
        Some(response) => member(token, response, key).map(Some),
        None => Ok(None),
    }
}

async fn answer(
    driver: &Url,
    client: &mut JoinServiceClient<Channel>,
    request: &JoinRequest,
    within: Duration,
    shutdown: &CancellationToken,
) -> Result<Option<JoinResponse>, Failure> {
    let deadline = Instant::now() + within;
    let mut pause = BACKOFF_FIRST;
    loop {
        let answer = tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            answer = client.join(request.clone()) => answer,
        };
        let status = match answer {
            Ok(response) => return Ok(Some(response.into_inner())),
            Err(status) => status,
        };
        if let Some(failure) = rookery_tls::trouble::explain(&status, "driver", driver.as_str()) {
            return Err(failure);
        }
        if !is_unreachable(&status) {
            return Err(Failure::from(status).at(driver.as_str()));
        }
        if Instant::now() + pause >= deadline {
            return Err(gone(driver, within, &status));
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(BACKOFF_MAX),
        }
    }
}

fn member(token: &JoinToken, response: JoinResponse, key: PrivateKey) -> Result<Joined, Failure> {
    let ca = CaCertificate::from_pem(&response.ca_pem)?;
    let identity = Identity::new(ca, &response.certificate_pem, key)?;
    if identity.ca().fingerprint() != token.authority() || identity.role() != Some(Role::Worker) {
        return Err(Failure::new(
            ErrorClass::Internal,
            "the driver gave a certificate that is not a worker's of its own cluster",
        ));
    }
    let token = match response.cluster_token.as_str() {
        "" => None,
        text => Some(Token::new(text)?),
    };
    Ok(Joined { identity, token })
}
