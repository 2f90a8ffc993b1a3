//! The driver's doors: clients submit and watch jobs, workers join. Decode, one call, encode.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use rookery_proto::v1::job_service_server::JobService;
use rookery_proto::v1::membership_service_server::MembershipService;
use rookery_proto::{ErrorClass, Failure, v1};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::config::DriverConfig;
use crate::events::{EventLog, is_last};
use crate::jobs::{Jobs, Submission};
use crate::workers::{Registration, WorkerInfo, WorkerState, Workers};

/// Serves clients.
#[derive(Debug, Clone)]
pub(crate) struct JobServer {
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) workers: Arc<Workers>,
}

/// Serves workers.
#[derive(Debug, Clone)]
pub(crate) struct MembershipServer {
    pub(crate) config: DriverConfig,
    pub(crate) workers: Arc<Workers>,
}

type EventStream = Pin<Box<dyn Stream<Item = Result<v1::JobEvent, Status>> + Send>>;

#[tonic::async_trait]
impl JobService for JobServer {
    async fn submit_job(
        &self,
        request: Request<v1::SubmitJobRequest>,
    ) -> Result<Response<v1::SubmitJobResponse>, Status> {
        let request = request.into_inner();
        let base_dir = PathBuf::from(&request.base_dir);
        if !base_dir.is_absolute() {
            let message = format!("base_dir \"{}\" is not absolute", request.base_dir);
            return Err(Failure::new(ErrorClass::Config, message).into());
        }
        let job_id = self.jobs.submit(Submission {
            toml: request.job_toml,
            file_name: request.job_file_name,
            base_dir,
            user: request.user,
        })?;
        Ok(Response::new(v1::SubmitJobResponse { job_id }))
    }

    type WatchJobStream = EventStream;

    async fn watch_job(
        &self,
        request: Request<v1::WatchJobRequest>,
    ) -> Result<Response<EventStream>, Status> {
        let request = request.into_inner();
        let Some(log) = self.jobs.events(&request.job_id) else {
            return Err(Status::not_found(format!(
                "no job {} on this driver",
                request.job_id
            )));
        };
        Ok(Response::new(Box::pin(follow(log, request.after_sequence))))
    }

    async fn get_cluster(
        &self,
        _request: Request<v1::GetClusterRequest>,
    ) -> Result<Response<v1::GetClusterResponse>, Status> {
        let workers = self.workers.all().into_iter().map(encode_worker).collect();
        let driver_version = env!("CARGO_PKG_VERSION").to_string();
        Ok(Response::new(v1::GetClusterResponse {
            driver_version,
            workers,
        }))
    }
}

/// The events after `sequence`, up to the one that ends the job.
fn follow(log: Arc<EventLog>, sequence: u64) -> impl Stream<Item = Result<v1::JobEvent, Status>> + Send {
    let batches = futures::stream::unfold(Some((log, sequence)), |state| async move {
        let (log, sequence) = state?;
        let events = log.after(sequence).await;
        let next = match events.last() {
            Some(last) if !is_last(last) => Some((log, last.sequence)),
            _ => None,
        };
        Some((futures::stream::iter(events.into_iter().map(Ok)), next))
    });
    futures::StreamExt::flatten(batches)
}

fn encode_worker(worker: WorkerInfo) -> v1::Worker {
    let state = match worker.state {
        WorkerState::Active => v1::WorkerState::Active,
        WorkerState::Lost => v1::WorkerState::Lost,
        WorkerState::Left => v1::WorkerState::Left,
    };
    v1::Worker {
        worker_id: worker.id,
        url: worker.url.to_string(),
        threads: worker.threads as u32,
        state: state.into(),
        reason: worker.reason,
    }
}

#[tonic::async_trait]
impl MembershipService for MembershipServer {
    async fn register(
        &self,
        request: Request<v1::RegisterRequest>,
    ) -> Result<Response<v1::RegisterResponse>, Status> {
        let request = request.into_inner();
        let registration = Registration {
            url: request.url,
            protocol_version: request.protocol_version,
            threads: request.threads,
        };
        let worker = self.workers.register(&registration, Instant::now())?;
        if request.build_version != env!("CARGO_PKG_VERSION") {
            tracing::warn!(worker = %worker.url, version = request.build_version, "the worker is of another release");
        }
        tracing::info!(worker_id = %worker.id, url = %worker.url, pid = request.pid, "worker registered");
        Ok(Response::new(v1::RegisterResponse {
            worker_id: worker.id,
            heartbeat_interval_ms: self.config.heartbeat_interval.as_millis() as u64,
            heartbeat_timeout_ms: self.config.heartbeat_timeout.as_millis() as u64,
        }))
    }

    async fn heartbeat(
        &self,
        request: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatResponse>, Status> {
        let worker_id = request.into_inner().worker_id;
        match self.workers.heartbeat(&worker_id, Instant::now()) {
            true => Ok(Response::new(v1::HeartbeatResponse {})),
            false => Err(Status::not_found(format!("no active worker {worker_id}"))),
        }
    }

    async fn leave(&self, request: Request<v1::LeaveRequest>) -> Result<Response<v1::LeaveResponse>, Status> {
        let request = request.into_inner();
        tracing::info!(
            worker_id = request.worker_id,
            reason = request.reason,
            "worker left"
        );
        self.workers.leave(&request.worker_id, &request.reason);
        Ok(Response::new(v1::LeaveResponse {}))
    }
}
