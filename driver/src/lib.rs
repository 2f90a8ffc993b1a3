//! The driver: decides what runs where, when a round is done, when a job is done.
//!
//! A client's job comes in at [`server`](run), is checked ([`job_file`], [`job_spec`]) and becomes one task
//! ([`jobs`](Jobs)). `training.rs` tells its story: plan, materialise on the engine, fit stages, build blocks, then
//! rounds, evaluation and the record of each run. A round goes `training.rs` → `rounds.rs` → `placement.rs` →
//! `worker_channel.rs`, and from there over the wire. Who belongs to the cluster is known to [`Workers`].

mod blame;
mod config;
mod error;
mod events;
pub mod job_file;
pub mod job_spec;
mod jobs;
mod placement;
mod planning;
mod recording;
mod rounds;
mod server;
mod training;
mod worker_channel;
mod workers;

use std::sync::Arc;

use rookery_proto::v1::job_service_server::JobServiceServer;
use rookery_proto::v1::membership_service_server::MembershipServiceServer;
use rookery_proto::{ErrorClass, Failure, MAX_MESSAGE_BYTES};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;

pub use config::{DriverConfig, Records};
pub use error::of_data as failure_of_data;
pub use events::EventLog;
pub use jobs::{Jobs, Submission};
pub use recording::{JOB_ARTIFACT, LOSS_METRIC, MODEL_ARTIFACT};
pub use workers::{Registration, WorkerInfo, WorkerState, Workers};

/// Serves clients and workers on `listener` until `shutdown` is cancelled; running jobs are then cancelled, and
/// their records say so.
///
/// # Errors
/// The port fails.
pub async fn run(
    config: DriverConfig,
    records: Records,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let workers = Arc::new(Workers::default());
    let jobs = Arc::new(Jobs::new(
        config.clone(),
        records,
        Arc::clone(&workers),
        shutdown.clone(),
    ));
    let job_server = JobServer {
        jobs: Arc::clone(&jobs),
        workers: Arc::clone(&workers),
    };
    let membership = MembershipServer {
        config: config.clone(),
        workers: Arc::clone(&workers),
    };
    let sweeper = tokio::spawn(sweep(config.clone(), workers, shutdown.clone()));
    // The port outlives the jobs: watchers must hear how they end.
    let close = CancellationToken::new();
    let serve = tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .add_service(JobServiceServer::new(job_server).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(MembershipServiceServer::new(membership))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), close.clone().cancelled_owned());
    let mut serve = tokio::spawn(serve);
    let served = tokio::select! {
        served = &mut serve => Some(served),
        () = shutdown.cancelled() => None,
    };
    shutdown.cancel();
    if tokio::time::timeout(config.shutdown_grace, jobs.drain())
        .await
        .is_err()
    {
        tracing::warn!("jobs were still running when the grace period ended");
    }
    close.cancel();
    let served = match served {
        Some(served) => Some(served),
        None => tokio::time::timeout(config.shutdown_grace, serve).await.ok(),
    };
    sweeper.abort();
    match served {
        Some(Ok(Err(e))) => Err(Failure::new(
            ErrorClass::Internal,
            format!("the driver's port failed: {e}"),
        )),
        _ => Ok(()),
    }
}

/// Notices workers that fell silent.
async fn sweep(config: DriverConfig, workers: Arc<Workers>, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        tokio::time::sleep(config.heartbeat_interval).await;
        for worker in workers.sweep(config.heartbeat_timeout, Instant::now()) {
            tracing::warn!(worker_id = %worker.id, url = %worker.url, reason = worker.reason, "worker lost");
        }
    }
}

use server::{JobServer, MembershipServer};
