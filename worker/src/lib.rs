//! A worker: holds partitions, computes, decides nothing.
//!
//! The path of a request: [`server`](TrainerServer) decodes it, the [`executor`](Executor) finds the named
//! partitions, computes one result for each on the threads of this worker, and merges complete subtrees of the
//! fixed merge tree; the server encodes what is left. The partitions come from the engine's service, which runs
//! on the same port and fills the process' partition cache. `membership.rs` tells the driver that this worker
//! lives; before that, in a cluster on TLS, `join.rs` makes it a member.

mod announced;
mod config;
mod error;
mod executor;
mod join;
mod membership;
mod port;
mod server;
mod store;
mod wire;

use std::sync::Arc;

use rookery_data::cache::PartitionCache;
use rookery_data::engine::{Channels, Patience, Secure, worker_service};
use rookery_data::stores::{ClientTls, DriverAccess, WorkerSources};
use rookery_proto::v1::trainer_service_server::TrainerServiceServer;
use rookery_proto::{ErrorClass, Failure, MAX_MESSAGE_BYTES, Token};
use rookery_tls::{Callers, Identity, Port, Role, Trust};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use config::WorkerConfig;
pub use executor::Executor;
pub use join::{Joined, join};
pub use server::TrainerServer;

/// Serves on `listener` and registers with the driver, until `shutdown` is cancelled or the driver is gone.
///
/// # Errors
/// The driver refuses this worker, or can't be reached within the configured time; the port fails.
pub async fn run(
    config: WorkerConfig,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let cache = PartitionCache::new(config.url.as_str());
    let authorization = config.token.as_ref().map(Token::authorization);
    let sources = sources(&config, authorization.as_deref())?;
    let executor = Arc::new(Executor::new(
        Arc::clone(&cache),
        Arc::clone(&sources),
        config.threads,
    )?);
    let trainer = TrainerServiceServer::new(TrainerServer::new(Arc::clone(&executor), config.answer_delay))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let identity = config.identity.as_ref();
    let channels = Channels::new(
        Patience::default(),
        authorization.as_deref(),
        identity.map(to_workers),
    );
    let tls = identity.map(|identity| identity.server(Callers::Members));
    // Not with `shutdown`: a worker that drains is asked for what it holds until nobody needs it.
    let stop = CancellationToken::new();
    let grpc = Routes::new(trainer).add_service(worker_service(cache, channels, sources));
    let serve = port::serve(
        Port::new(listener, tls.transpose()?),
        grpc,
        Arc::clone(&executor),
        config.token.clone(),
        stop.clone(),
    );
    let serve = tokio::spawn(serve);
    let membership = membership::keep(&config, &executor, &shutdown).await;
    stop.cancel();
    let served = tokio::time::timeout(config.shutdown_grace, serve).await;
    membership?;
    match served {
        Ok(Ok(Err(e))) => Err(Failure::new(
            ErrorClass::Internal,
            format!("the worker's port failed: {e}"),
        )),
        // Requests that outlive the grace period end with the process.
        _ => Ok(()),
    }
}

/// Connections of a member to other workers.
fn to_workers(identity: &Identity) -> Secure {
    let trust = Trust::of_member(identity.clone());
    Secure::by(move |endpoint| trust.secure(endpoint, Role::Worker))
}

/// What this worker reads: nothing, until the driver says what.
fn sources(config: &WorkerConfig, authorization: Option<&str>) -> Result<Arc<WorkerSources>, Failure> {
    let tls = config.identity.as_ref().map(|identity| ClientTls {
        ca_pem: Some(identity.ca().pem().as_bytes().to_vec()),
        identity_pem: Some(
            [identity.certificate_pem(), identity.key().expose()]
                .join("\n")
                .into_bytes(),
        ),
    });
    let driver = DriverAccess::new(config.driver.clone(), authorization, &tls.unwrap_or_default());
    let driver = driver.map_err(error::of_data)?;
    Ok(WorkerSources::new(
        Some(driver),
        config.local_files,
        config.read_delay,
    ))
}
