//! The driver: decides what runs where, when a round is done, when a job is done.
//!
//! A client's job comes in at [`server`](run), is checked ([`job_file`], [`job_spec`]) and becomes one task
//! ([`jobs`](Jobs)). `training.rs` tells its story: plan, materialise on the engine, fit stages, build blocks, then
//! rounds, evaluation and the record of each run. A round goes `training.rs` → `rounds.rs` → `placement.rs` →
//! `worker_channel.rs`, and from there over the wire. Who belongs to the cluster is known to [`Workers`].
//!
//! Models answer requests by way of `endpoints.rs`, which keeps serving endpoints and finds their models in the registry.
//!
//! Runs are written by `recording.rs` to [`Records`], which `port.rs` serves to MLflow's clients beside our own gRPC;
//! `lease.rs` sees to it that no run outlives its driver as RUNNING.

mod admission;
mod announcing;
mod blame;
mod byte_ranges;
mod clusters_api;
mod config;
mod endpoints;
mod error;
mod events;
mod idle;
pub mod job_file;
pub mod job_spec;
mod jobs;
mod join;
mod journal;
mod lag;
mod lease;
mod materialize;
mod members;
mod metrics;
mod named_clusters;
mod pass;
mod placement;
mod planning;
mod port;
mod queue;
mod rebalance;
mod recording;
mod records;
mod reduction;
mod resumption;
mod rounds;
mod scoring;
mod served_files;
mod server;
mod state_file;
mod stop;
mod training;
mod watching;
mod worker_channel;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::routing::get;
use rookery_proto::v1::job_service_server::JobServiceServer;
use rookery_proto::v1::join_service_server::JoinServiceServer;
use rookery_proto::v1::join_token_service_server::JoinTokenServiceServer;
use rookery_proto::v1::membership_service_server::MembershipServiceServer;
use rookery_proto::{ErrorClass, Failure, MAX_MESSAGE_BYTES};
use rookery_serving::endpoints::Endpoints;
use rookery_tls::{Callers, Port};
use rookery_tracking::api::{self, Api};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use admission::Admission;
use join::{JoinServer, JoinTokenServer};
use journal::Journal;
use server::{JobServer, MembershipServer};
use stop::Stop;

pub use config::{DELIVERY_WAIT, DriverConfig, LEASE, LEASE_RENEWAL, ORPHAN_CHECK};
pub use error::of_data as failure_of_data;
pub use events::EventLog;
pub use jobs::{JobInfo, JobState, Jobs, Submission};
pub use join::Tls;
pub use named_clusters::{
    ClusterAction, ClusterHappening, ClusterInfo, ClusterLifecycle, ClusterRefusal, ClusterSettings,
    ClusterSize, Happening, Machine, NamedClusters,
};
pub use planning::plan;
pub use recording::{
    INFERENCE_ARTIFACT, INFERENCE_TABLE_ARTIFACT, JOB_ARTIFACT, LOSS_METRIC, MODEL_ARTIFACT, TAG_BASE_DIR,
    TAG_BEST_RUN, TAG_INDEX, TAG_JOB, TAG_WARNING,
};
pub use records::{Delivery, JobRecords, Records, RemoteRecords, RunArtifacts};
pub use reduction::Reduction;
pub use scoring::ScoringSpec;
pub use workers::{HeldBytes, Registration, WorkerInfo, WorkerState, Workers};

/// How long requests in flight may take when jobs are left to the next driver.
const LEAVING_GRACE: Duration = Duration::from_millis(200);

/// Serves clients and workers (gRPC) and MLflow's clients (HTTP) on `listener` until `shutdown` is cancelled, a client
/// stops it, or it was idle for too long; running jobs are then cancelled, and their records say so, or left to the next
/// driver. Returns the reason.
///
/// # Errors
/// The port fails; the records can't be written to; another driver holds the journal.
pub async fn run(
    config: DriverConfig,
    records: Records,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<String, Failure> {
    let owner = format!("driver-{}", uuid::Uuid::new_v4().simple());
    let callers = config
        .tls
        .as_ref()
        .map(|tls| tls.identity.server(Callers::Anybody));
    let port = Port::new(listener, callers.transpose()?);
    let (journal, journalled) = match &config.journal {
        Some(path) => {
            let (journal, journalled) = Journal::open(path)?;
            (Some(journal), journalled)
        }
        None => (None, Vec::new()),
    };
    let endpoints = endpoints::open(&config, &records).await?;
    lease::renew(records.store.as_ref(), &owner, &config).await?;
    let workers = Arc::new(Workers::default());
    let jobs = Arc::new(Jobs::new(
        config.clone(),
        records.clone(),
        Arc::clone(&workers),
        owner.clone(),
        journal,
        CancellationToken::new(),
    ));
    // Before the runs of drivers that died are closed: theirs are among them.
    jobs.resume(journalled).await;
    lease::begin(records.store.as_ref(), &owner, &config).await?;
    let keeper = lease::keep(Arc::clone(&records.store), owner, config.clone());
    let keeper = tokio::spawn(keeper);
    let stop = Stop::with(&shutdown);
    let idle = config.idle_timeout.map(|after| {
        tokio::spawn(idle::watch(
            Arc::clone(&jobs),
            Arc::clone(&endpoints),
            after,
            stop.clone(),
        ))
    });
    let tending = tokio::spawn(Arc::clone(&endpoints).tend(shutdown.clone()));
    let sweeper = tokio::spawn(sweep(config.clone(), Arc::clone(&workers), shutdown.clone()));
    // The port outlives the jobs: watchers must hear how they end.
    let close = CancellationToken::new();
    let serve = port::serve(
        port,
        grpc(&config, Arc::clone(&jobs), Arc::clone(&workers), stop.clone()),
        http(
            &config,
            records,
            Arc::clone(&jobs),
            Arc::clone(&workers),
            endpoints,
        ),
        Admission {
            tls: config.tls.is_some(),
            token: config.token,
        },
        close.clone(),
    );
    let mut serve = tokio::spawn(serve);
    let served = tokio::select! {
        served = &mut serve => Some(served),
        () = stop.cancelled() => None,
    };
    let reason = stop
        .reason()
        .unwrap_or("it was told to stop by a signal")
        .to_string();
    let are_left = jobs.give_up(stop.reason().is_none());
    tracing::info!(reason, jobs_are_left = are_left, "the driver stops");
    shutdown.cancel();
    if tokio::time::timeout(config.shutdown_grace, jobs.drain())
        .await
        .is_err()
    {
        tracing::warn!("jobs were still running when the grace period ended");
    }
    close.cancel();
    // Who follows a job that was left is to look for the next driver.
    let grace = if are_left {
        LEAVING_GRACE
    } else {
        config.shutdown_grace
    };
    let served = match served {
        Some(served) => Some(served),
        None => tokio::time::timeout(grace, serve).await.ok(),
    };
    sweeper.abort();
    tending.abort();
    idle.inspect(JoinHandle::abort);
    // The lease runs out by itself: what is still open then belongs to nobody.
    keeper.abort();
    match served {
        Some(Ok(Err(e))) => Err(Failure::new(
            ErrorClass::Internal,
            format!("the driver's port failed: {e}"),
        )),
        _ => Ok(reason),
    }
}

/// What clients and workers call.
fn grpc(config: &DriverConfig, jobs: Arc<Jobs>, workers: Arc<Workers>, stop: Stop) -> Routes {
    let membership = MembershipServer {
        config: config.clone(),
        workers: Arc::clone(&workers),
        channels: jobs.channels().clone(),
    };
    let job_server = JobServer {
        jobs,
        workers,
        started_ms: events::now_ms(),
        stop,
    };
    let join_tokens = JoinTokenServer {
        tls: config.tls.clone(),
        url: config.url.clone(),
    };
    let routes = Routes::new(JobServiceServer::new(job_server).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(MembershipServiceServer::new(membership))
        .add_service(JoinTokenServiceServer::new(join_tokens));
    match config.tls.clone() {
        Some(tls) => routes.add_service(JoinServiceServer::new(JoinServer {
            tls,
            token: config.token.clone(),
        })),
        None => routes,
    }
}

/// What MLflow's clients and Prometheus call.
fn http(
    config: &DriverConfig,
    records: Records,
    jobs: Arc<Jobs>,
    workers: Arc<Workers>,
    endpoints: Arc<Endpoints>,
) -> axum::Router {
    let Records {
        store,
        registry,
        artifacts,
    } = records;
    let token = config.token.as_ref().map(|token| token.expose().to_string());
    let sources = byte_ranges::routes(Arc::clone(jobs.served()), config.token.clone());
    let clusters = config
        .clusters
        .as_ref()
        .map_or_else(axum::Router::new, |clusters| {
            clusters_api::routes(Arc::clone(clusters), config.token.clone())
        });
    let serving = api::guarded(endpoints::routes(&endpoints, config), token.clone());
    api::router(Api {
        store,
        registry,
        artifacts,
        token,
    })
    .route("/metrics", get(port::metrics))
    .merge(sources)
    .merge(clusters)
    .merge(serving)
    .merge(endpoints::open_routes())
    .layer(Extension(port::Observed {
        jobs,
        workers,
        endpoints,
        token: config.token.clone(),
    }))
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
