//! A worker: holds partitions, computes, decides nothing.
//!
//! The path of a request: [`server`](TrainerServer) decodes it, the [`executor`](Executor) finds the named
//! partitions, computes one result for each on the threads of this worker, and merges complete subtrees of the
//! fixed merge tree; the server encodes what is left. Where a round goes along a tree over workers, `relays.rs` passes it on
//! meanwhile. The partitions come from the engine's service, which runs
//! on the same port and fills the process' partition cache. `membership.rs` tells the driver that this worker
//! lives; before that, in a cluster on TLS, `join.rs` makes it a member.

mod announced;
mod config;
mod error;
mod executor;
mod join;
mod membership;
mod port;
mod relays;
mod server;
mod store;
mod wire;

use std::sync::Arc;

use rookery_data::cache::PartitionCache;
use rookery_data::engine::{Channels, Patience, Secure, worker_service};
use rookery_data::spill::MemoryLimit;
use rookery_data::stores::{ClientTls, DriverAccess, WorkerSources};
use rookery_proto::v1::trainer_service_server::TrainerServiceServer;
use rookery_proto::{ErrorClass, Failure, MAX_MESSAGE_BYTES, Token};
use rookery_tls::{Callers, Identity, Port, Role, Trust};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use relays::Relays;

pub use config::{MemoryConfig, WorkerConfig};
pub use executor::Executor;
pub use join::{Joined, join};
pub use server::TrainerServer;

/// Serves on `listener` and registers with the driver, until `shutdown` is cancelled or the driver is gone.
///
/// # Errors
/// The driver refuses this worker, or can't be reached within the configured time; the port fails; the folder for what memory
/// has no room for can't be made.
pub async fn run(
    config: WorkerConfig,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let limit = memory_limit(&config)?;
    let cache = PartitionCache::with_limit(config.url.as_str(), limit.clone());
    let authorization = config.token.as_ref().map(Token::authorization);
    let sources = sources(&config, authorization.as_deref())?;
    let executor = Arc::new(Executor::new(
        Arc::clone(&cache),
        Arc::clone(&sources),
        config.threads,
    )?);
    let identity = config.identity.as_ref();
    let channels = Channels::new(
        Patience::default(),
        authorization.as_deref(),
        identity.map(to_workers),
    );
    let relays = Relays::new(channels.clone(), identity.is_some());
    let trainer = TrainerServer::new(Arc::clone(&executor), relays, config.answer_delay);
    let trainer = TrainerServiceServer::new(trainer)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
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
    if let Some(limit) = limit {
        limit.close();
    }
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

/// How much memory this worker may take.
fn memory_limit(config: &WorkerConfig) -> Result<Option<Arc<MemoryLimit>>, Failure> {
    let Some(memory) = &config.memory else {
        return Ok(None);
    };
    let limit = MemoryLimit::new(memory.limit, &memory.spill_dir, config.url.as_str());
    limit.map(Some).map_err(error::of_data)
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
