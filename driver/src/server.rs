//! The driver's doors: clients submit and watch jobs, workers join. Decode, one call, encode.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::ConnectInfo;
use futures::Stream;
use rookery_data::engine::Channels;
use rookery_proto::v1::job_event::Event;
use rookery_proto::v1::job_service_server::JobService;
use rookery_proto::v1::membership_service_server::MembershipService;
use rookery_proto::{ErrorClass, Failure, v1};
use rookery_tls::Caller;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::config::DriverConfig;
use crate::events::{EventLog, is_last};
use crate::jobs::{JobInfo, JobState, Jobs, Submission};
use crate::join::Tls;
use crate::scoring::Scores;
use crate::stop::Stop;
use crate::worker_channel::WorkerChannel;
use crate::workers::{HeldBytes, Registration, WorkerInfo, WorkerState, Workers};

/// Serves clients.
#[derive(Debug, Clone)]
pub(crate) struct JobServer {
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) workers: Arc<Workers>,
    pub(crate) started_ms: i64,
    /// Stops the driver.
    pub(crate) stop: Stop,
}

/// Serves workers.
#[derive(Debug, Clone)]
pub(crate) struct MembershipServer {
    pub(crate) config: DriverConfig,
    pub(crate) workers: Arc<Workers>,
    pub(crate) channels: Channels,
}

type RowStream = Pin<Box<dyn Stream<Item = Result<v1::ScoredRows, Status>> + Send>>;
type EventStream = Pin<Box<dyn Stream<Item = Result<v1::JobEvent, Status>> + Send>>;

#[tonic::async_trait]
impl JobService for JobServer {
    async fn submit_job(
        &self,
        request: Request<v1::SubmitJobRequest>,
    ) -> Result<Response<v1::SubmitJobResponse>, Status> {
        let request = request.into_inner();
        if !Path::new(&request.base_dir).is_absolute() {
            return Err(not_absolute(&request.base_dir).into());
        }
        let job_id = self.jobs.submit(Submission::from(request)).await?;
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
        if request.until_now {
            let events = log.so_far(request.after_sequence).into_iter().map(Ok);
            return Ok(Response::new(Box::pin(futures::stream::iter(events))));
        }
        Ok(Response::new(Box::pin(follow(log, request.after_sequence))))
    }

    async fn submit_scoring(
        &self,
        request: Request<v1::SubmitScoringRequest>,
    ) -> Result<Response<v1::SubmitJobResponse>, Status> {
        let request = request.into_inner();
        if !Path::new(&request.base_dir).is_absolute() {
            return Err(not_absolute(&request.base_dir).into());
        }
        let job_id = self.jobs.submit_scoring(request)?;
        Ok(Response::new(v1::SubmitJobResponse { job_id }))
    }

    type ReadScoresStream = RowStream;

    async fn read_scores(
        &self,
        request: Request<v1::ReadScoresRequest>,
    ) -> Result<Response<RowStream>, Status> {
        let job_id = request.into_inner().job_id;
        let Some((scores, log)) = self.jobs.take_scores(&job_id) else {
            let text = format!("no job {job_id} on this driver whose rows can be read");
            return Err(Status::not_found(text));
        };
        Ok(Response::new(Box::pin(rows(scores, log))))
    }

    async fn stop_driver(
        &self,
        request: Request<v1::StopDriverRequest>,
    ) -> Result<Response<v1::StopDriverResponse>, Status> {
        self.stop
            .because(format!("{} stopped it", request.into_inner().user));
        Ok(Response::new(v1::StopDriverResponse {}))
    }

    async fn list_jobs(
        &self,
        _request: Request<v1::ListJobsRequest>,
    ) -> Result<Response<v1::ListJobsResponse>, Status> {
        let jobs = self.jobs.all().into_iter().map(encode_job).collect();
        Ok(Response::new(v1::ListJobsResponse { jobs }))
    }

    async fn cancel_job(
        &self,
        request: Request<v1::CancelJobRequest>,
    ) -> Result<Response<v1::CancelJobResponse>, Status> {
        let request = request.into_inner();
        match self.jobs.cancel(&request.job_id, &request.user) {
            true => Ok(Response::new(v1::CancelJobResponse {})),
            false => Err(unknown("job", &request.job_id, "rookery jobs list").into()),
        }
    }

    async fn retry_job(
        &self,
        request: Request<v1::RetryJobRequest>,
    ) -> Result<Response<v1::SubmitJobResponse>, Status> {
        let request = request.into_inner();
        let job_id = self.jobs.retry(&request.job_id, &request.user).await?;
        Ok(Response::new(v1::SubmitJobResponse { job_id }))
    }

    async fn dismiss_worker(
        &self,
        request: Request<v1::DismissWorkerRequest>,
    ) -> Result<Response<v1::DismissWorkerResponse>, Status> {
        let request = request.into_inner();
        let how = if request.force { "removed" } else { "drained" };
        let reason = format!("{how} by {}", request.user);
        match self.workers.dismiss(&request.worker_id, reason, request.force) {
            true => Ok(Response::new(v1::DismissWorkerResponse {})),
            false => Err(unknown("worker", &request.worker_id, "rookery workers list").into()),
        }
    }

    async fn report_worker_end(
        &self,
        request: Request<v1::ReportWorkerEndRequest>,
    ) -> Result<Response<v1::ReportWorkerEndResponse>, Status> {
        let request = request.into_inner();
        self.workers.ended(request.pid, &request.reason);
        Ok(Response::new(v1::ReportWorkerEndResponse {}))
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
            started_ms: self.started_ms,
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

/// The rows of a scoring job, and its failure if it fails.
fn rows(scores: Scores, log: Arc<EventLog>) -> impl Stream<Item = Result<v1::ScoredRows, Status>> + Send {
    futures::stream::unfold(Some((scores, log)), |state| async move {
        let (mut scores, log) = state?;
        match scores.recv().await {
            Some(rows) => Some((Ok(rows), Some((scores, log)))),
            None => Some((Err(end_of(&log).await?), None)),
        }
    })
}

/// How a job failed, once it has ended; `None` if it did not.
async fn end_of(log: &Arc<EventLog>) -> Option<Status> {
    let mut sequence = 0;
    loop {
        let last = log.after(sequence).await.pop()?;
        sequence = last.sequence;
        if let Some(Event::Finished(finished)) = last.event {
            return finished.error.map(|error| Failure::from(error).into());
        }
    }
}

fn not_absolute(base_dir: &str) -> Failure {
    Failure::new(
        ErrorClass::Config,
        format!("base_dir \"{base_dir}\" is not absolute"),
    )
}

/// What a client named is not here.
fn unknown(what: &str, id: &str, command: &str) -> Failure {
    Failure::new(
        ErrorClass::Config,
        format!("this driver knows no {what} \"{id}\""),
    )
    .hint(format!("`{command}` shows those it knows"))
}

fn encode_job(job: JobInfo) -> v1::Job {
    let state = match job.state {
        JobState::Queued => v1::JobState::Queued,
        JobState::Running => v1::JobState::Running,
        JobState::Succeeded => v1::JobState::Succeeded,
        JobState::Failed => v1::JobState::Failed,
        JobState::Cancelled => v1::JobState::Cancelled,
    };
    v1::Job {
        job_id: job.id,
        name: job.name,
        user: job.user,
        priority: job.priority,
        state: state.into(),
        submitted_ms: job.submitted_ms,
        started_ms: job.started_ms.unwrap_or(0),
        finished_ms: job.finished_ms.unwrap_or(0),
        error: job.failure.as_ref().map(Into::into),
    }
}

fn encode_worker(worker: WorkerInfo) -> v1::Worker {
    let state = match worker.state {
        WorkerState::Joining => v1::WorkerState::Joining,
        WorkerState::Active => v1::WorkerState::Active,
        WorkerState::Draining => v1::WorkerState::Draining,
        WorkerState::Lost => v1::WorkerState::Lost,
        WorkerState::Left => v1::WorkerState::Left,
    };
    v1::Worker {
        worker_id: worker.id,
        url: worker.url.to_string(),
        threads: worker.threads as u32,
        state: state.into(),
        reason: worker.reason,
        memory_bytes: worker.held.memory,
        pid: worker.pid,
        disk_bytes: worker.held.disk,
    }
}

#[tonic::async_trait]
impl MembershipService for MembershipServer {
    async fn register(
        &self,
        request: Request<v1::RegisterRequest>,
    ) -> Result<Response<v1::RegisterResponse>, Status> {
        let caller = request.extensions().get::<ConnectInfo<Caller>>().cloned();
        let request = request.into_inner();
        if self.config.tls.is_some() {
            Tls::check_url(&request.url, caller.as_ref().map(|ConnectInfo(caller)| caller))?;
        }
        let registration = Registration {
            url: request.url,
            protocol_version: request.protocol_version,
            build_version: request.build_version.clone(),
            threads: request.threads,
            held: HeldBytes {
                memory: request.memory_bytes,
                disk: request.disk_bytes,
            },
            pid: request.pid,
        };
        let worker = self.workers.register(&registration, Instant::now())?;
        if request.build_version != env!("CARGO_PKG_VERSION") {
            tracing::warn!(worker = %worker.url, version = request.build_version, "the worker is of another release");
        }
        tracing::info!(worker_id = %worker.id, url = %worker.url, pid = request.pid, "worker registered");
        tokio::spawn(reach(self.clone(), worker.clone()));
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
        let request = request.into_inner();
        let held = HeldBytes {
            memory: request.memory_bytes,
            disk: request.disk_bytes,
        };
        match self.workers.heartbeat(&request.worker_id, held, Instant::now()) {
            true => Ok(Response::new(v1::HeartbeatResponse {
                release_dataset_ids: self.workers.unneeded(request.dataset_ids),
                dismissed: self.workers.is_dismissed(&request.worker_id),
            })),
            false => Err(Status::not_found(format!(
                "no active worker {}",
                request.worker_id
            ))),
        }
    }

    async fn leave(&self, request: Request<v1::LeaveRequest>) -> Result<Response<v1::LeaveResponse>, Status> {
        let request = request.into_inner();
        let pending = self
            .workers
            .leave(&request.worker_id, &request.reason, Instant::now());
        let (worker_id, reason) = (request.worker_id, request.reason);
        match pending {
            true => tracing::debug!(worker_id, reason, "the worker drains"),
            false => tracing::info!(worker_id, reason, "worker left"),
        }
        Ok(Response::new(v1::LeaveResponse { pending }))
    }
}

/// Sees whether the driver reaches a worker where it says it is. If not, it is never given work.
async fn reach(server: MembershipServer, worker: WorkerInfo) {
    let channel = WorkerChannel::new(
        &server.channels,
        worker.url.clone(),
        server.config.heartbeat_timeout,
    );
    let answer = async { channel?.list_partitions("").await }.await;
    match answer {
        Ok(_) => server.workers.reached(&worker.id),
        Err(failure) => {
            tracing::warn!(worker_id = %worker.id, url = %worker.url, %failure, "the worker can't be reached");
            let reason = format!("the driver can't reach it: {}", failure.message);
            server.workers.suspect(&worker.url, &reason);
        }
    }
}
