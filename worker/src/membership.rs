//! Tells the driver that this worker is there: registers, sends heartbeats, leaves. A driver that stays
//! unreachable for too long ends the worker, so that none is left behind alone.

use std::collections::BTreeSet;
use std::time::Duration;

use rookery_proto::v1::membership_service_client::MembershipServiceClient;
use rookery_proto::v1::{HeartbeatRequest, LeaveRequest, RegisterRequest, RegisterResponse};
use rookery_proto::{ErrorClass, Failure, PROTOCOL_VERSION, SendToken};
use rookery_tls::{Role, Trust, trouble};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use url::Url;

use crate::config::WorkerConfig;
use crate::error::internal;
use crate::executor::Executor;

/// How long one call to the driver may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// First and longest pause between attempts to reach the driver.
pub(crate) const BACKOFF_FIRST: Duration = Duration::from_millis(50);
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// The pause between two questions whether this worker may go.
const LEAVE_PAUSE: Duration = Duration::from_millis(100);

type Client = MembershipServiceClient<InterceptedService<Channel, SendToken>>;

/// Stays registered until `shutdown`, then leaves.
///
/// # Errors
/// The driver refuses this worker, or is unreachable for longer than configured.
pub(crate) async fn keep(
    config: &WorkerConfig,
    executor: &Executor,
    shutdown: &CancellationToken,
) -> Result<(), Failure> {
    let trust = config.identity.clone().map(Trust::of_member);
    let channel = endpoint(&config.driver, trust.as_ref())?.connect_lazy();
    let mut client =
        MembershipServiceClient::with_interceptor(channel, SendToken::new(config.token.as_ref()));
    loop {
        let Some(registered) = register(config, executor, &mut client, shutdown).await? else {
            return Ok(());
        };
        tracing::info!(worker_id = %registered.worker_id, driver = %config.driver, "registered");
        if !beat(config, executor, &mut client, &registered, shutdown).await? {
            return Ok(());
        }
        tracing::warn!(driver = %config.driver, "the driver does not know this worker any more, registering again");
    }
}

/// The driver, with bounds, and on TLS if its URL says so.
pub(crate) fn endpoint(driver: &Url, trust: Option<&Trust>) -> Result<Endpoint, Failure> {
    let wrong = |e| Failure::new(ErrorClass::Config, format!("not a driver URL: {e}")).at(driver.as_str());
    let endpoint = Endpoint::from_shared(driver.to_string())
        .map_err(wrong)?
        .connect_timeout(CALL_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .tcp_nodelay(true);
    match trust {
        Some(trust) => trust.secure(endpoint, Role::Driver).map_err(wrong),
        None => Ok(endpoint),
    }
}

/// Registers, trying again while the driver can't be reached. `None` when the shutdown came first.
async fn register(
    config: &WorkerConfig,
    executor: &Executor,
    client: &mut Client,
    shutdown: &CancellationToken,
) -> Result<Option<RegisterResponse>, Failure> {
    let request = RegisterRequest {
        url: config.url.to_string(),
        protocol_version: PROTOCOL_VERSION,
        build_version: env!("CARGO_PKG_VERSION").to_string(),
        threads: config.threads as u32,
        pid: std::process::id(),
        memory_bytes: executor.memory_bytes(),
        disk_bytes: executor.disk_bytes(),
    };
    let deadline = Instant::now() + config.driver_timeout;
    let mut pause = BACKOFF_FIRST;
    loop {
        let answer = tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            answer = client.register(request.clone()) => answer,
        };
        match answer {
            Ok(response) => return Ok(Some(response.into_inner())),
            Err(status)
                if let Some(failure) = trouble::explain(&status, "driver", config.driver.as_str()) =>
            {
                return Err(failure);
            }
            Err(status) if is_unreachable(&status) && Instant::now() + pause < deadline => {
                tokio::select! {
                    () = shutdown.cancelled() => return Ok(None),
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(BACKOFF_MAX),
                }
            }
            Err(status) if is_unreachable(&status) => {
                return Err(gone(&config.driver, config.driver_timeout, &status));
            }
            Err(status) => return Err(Failure::from(status).at(config.driver.as_str())),
        }
    }
}

/// Sends heartbeats until the shutdown (`false`), or until the driver has forgotten this worker (`true`).
async fn beat(
    config: &WorkerConfig,
    executor: &Executor,
    client: &mut Client,
    registered: &RegisterResponse,
    shutdown: &CancellationToken,
) -> Result<bool, Failure> {
    let worker_id = registered.worker_id.clone();
    let interval = Duration::from_millis(registered.heartbeat_interval_ms.max(1));
    let mut last_answer = Instant::now();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => {
                leave(config, client, worker_id).await;
                return Ok(false);
            }
            () = tokio::time::sleep(interval) => {}
        }
        let request = HeartbeatRequest {
            worker_id: worker_id.clone(),
            memory_bytes: executor.memory_bytes(),
            disk_bytes: executor.disk_bytes(),
            dataset_ids: executor.datasets(),
        };
        match client.heartbeat(request).await {
            Ok(response) => {
                last_answer = Instant::now();
                let response = response.into_inner();
                if response.dismissed {
                    tracing::info!("the driver told this worker to go");
                    leave(config, client, worker_id).await;
                    return Ok(false);
                }
                for dataset in response.release_dataset_ids {
                    let partitions = executor.release(&dataset, &BTreeSet::new());
                    tracing::info!(dataset, partitions, "released: no job needs it any more");
                }
            }
            Err(status) if status.code() == Code::NotFound => return Ok(true),
            // What answers there now is not our driver, or not in the way it was.
            Err(status)
                if let Some(failure) = trouble::explain(&status, "driver", config.driver.as_str()) =>
            {
                return Err(failure);
            }
            // Another driver took the place of ours, and asks for another token.
            Err(status) if status.code() == Code::InvalidArgument => {
                return Err(Failure::from(status).at(config.driver.as_str()));
            }
            Err(status) if last_answer.elapsed() > config.driver_timeout => {
                return Err(gone(&config.driver, config.driver_timeout, &status));
            }
            Err(status) => tracing::warn!(%status, "heartbeat failed"),
        }
    }
}

/// Drains: stays until the driver says that no job needs what is held here, but not for ever.
async fn leave(config: &WorkerConfig, client: &mut Client, worker_id: String) {
    let request = LeaveRequest {
        worker_id,
        reason: "shutdown".to_string(),
    };
    let deadline = Instant::now() + config.drain_timeout;
    loop {
        match client.leave(request.clone()).await {
            Ok(response) if !response.get_ref().pending => return,
            Ok(_) if Instant::now() + LEAVE_PAUSE > deadline => {
                tracing::warn!(
                    "a job still needs this worker, which goes all the same: its time to drain is over"
                );
                return;
            }
            Ok(_) => tokio::time::sleep(LEAVE_PAUSE).await,
            Err(status) => {
                tracing::debug!(%status, "the driver was not told");
                return;
            }
        }
    }
}

pub(crate) fn is_unreachable(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown
    )
}

pub(crate) fn gone(driver: &Url, waited: Duration, status: &Status) -> Failure {
    let seconds = waited.as_secs();
    Failure::new(
        ErrorClass::Unreachable,
        format!("the driver did not answer for {seconds} s: {}", internal(status)),
    )
    .at(driver.as_str())
    .hint("start one with `rookery up` or `rookery driver`, and check the URL")
}
