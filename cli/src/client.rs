//! [`DriverClient`]: what this program asks of a driver. The wire's types stop here.

use std::time::Duration;

use rookery_proto::v1::job_event::Event;
use rookery_proto::v1::job_service_client::JobServiceClient;
use rookery_proto::v1::{self, GetClusterRequest, SubmitJobRequest, WatchJobRequest};
use rookery_proto::{ErrorClass, Failure, MAX_MESSAGE_BYTES, SendToken, Token};
use rookery_tls::{CaCertificate, Role, Trust, trouble};
use tokio::time::Instant;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};
use url::Url;

use crate::args::Places;
use crate::cluster_rows::{self, ACTIVE, ClusterRow, JobRow};
use crate::diagnostic::config;
use crate::job_event::{
    Cleaning, DropReason, FormatReport, Iteration, JobEnd, JobEvent, JobStatus, RunStarted, RunSummary,
    Split, What,
};
use crate::job_file::JobFile;
use crate::{listen, token, trust};

mod endpoints;
mod join_tokens;
mod scoring;

pub(crate) use scoring::ScoringRequest;

pub(crate) use endpoints::EndpointsClient;

/// How long connecting, and how long one answer may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// A driver that does not answer a ping for this long is gone, even if its machine keeps the connection open.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// How long a broken event stream is tried again before the job counts as lost.
const RECONNECT_FOR: Duration = Duration::from_secs(30);
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);

/// A client of one driver.
#[derive(Debug, Clone)]
pub(crate) struct DriverClient {
    url: Url,
    channel: InterceptedService<Channel, SendToken>,
    jobs: JobServiceClient<InterceptedService<Channel, SendToken>>,
}

impl DriverClient {
    /// A client of the driver at `url`, which is contacted by the first call, with the token if one is known. A driver on
    /// TLS must be of the authority `ca`.
    pub(crate) fn new(url: Url, token: Option<&Token>, ca: Option<CaCertificate>) -> Result<Self, Failure> {
        let wrong = |e| config(format!("no driver URL: {e}")).at(url.to_string());
        let mut endpoint = Endpoint::from_shared(url.to_string())
            .map_err(wrong)?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        if let Some(ca) = ca {
            endpoint = Trust::in_authority(ca)
                .secure(endpoint, Role::Driver)
                .map_err(wrong)?;
        }
        let channel = InterceptedService::new(endpoint.connect_lazy(), SendToken::new(token));
        let jobs = JobServiceClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        Ok(Self { url, channel, jobs })
    }

    /// A client of the driver that flags, environment or state directory name.
    pub(crate) fn of(places: &Places) -> Result<Self, Failure> {
        let state = places.state_dir()?;
        let url = state.find_driver(places.driver().as_deref())?;
        let ca = trust::of_client(places, &state, &url)?;
        Self::new(url, token::of_client(&state)?.as_ref(), ca)
    }

    /// Submits a job and returns its id.
    pub(crate) async fn submit(
        &mut self,
        job: &JobFile,
        priority: i32,
        idempotency_key: Option<&str>,
    ) -> Result<String, Failure> {
        let request = SubmitJobRequest {
            job_toml: job.text.clone(),
            job_file_name: job.name.clone(),
            base_dir: job.base_dir.display().to_string(),
            user: user(),
            priority,
            idempotency_key: idempotency_key.unwrap_or_default().to_string(),
        };
        let answer = within_call_timeout(self.jobs.submit_job(request)).await;
        answer
            .map(|response| response.into_inner().job_id)
            .map_err(|status| self.failure(status))
    }

    /// The jobs that the driver knows, in the order of their submission.
    pub(crate) async fn jobs(&mut self) -> Result<Vec<JobRow>, Failure> {
        let answer = within_call_timeout(self.jobs.list_jobs(v1::ListJobsRequest {})).await;
        let jobs = answer.map_err(|status| self.failure(status))?.into_inner().jobs;
        Ok(jobs.into_iter().map(cluster_rows::job).collect())
    }

    /// Asks a job to end.
    pub(crate) async fn cancel(&mut self, job_id: &str) -> Result<(), Failure> {
        let request = v1::CancelJobRequest {
            job_id: job_id.to_string(),
            user: user(),
        };
        let answer = within_call_timeout(self.jobs.cancel_job(request)).await;
        answer.map(|_| ()).map_err(|status| self.failure(status))
    }

    /// Asks the driver to stop.
    pub(crate) async fn stop(&mut self) -> Result<(), Failure> {
        let request = v1::StopDriverRequest { user: user() };
        let answer = within_call_timeout(self.jobs.stop_driver(request)).await;
        answer.map(|_| ()).map_err(|status| self.failure(status))
    }

    /// The cluster as the driver sees it now.
    pub(crate) async fn cluster(&mut self) -> Result<ClusterRow, Failure> {
        let answer = within_call_timeout(self.jobs.get_cluster(GetClusterRequest {})).await;
        let cluster = answer.map_err(|status| self.failure(status))?;
        Ok(cluster_rows::cluster(cluster.into_inner()))
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        listen::display(&self.url)
    }

    /// Submits a job that failed once more; returns the new job's id.
    pub(crate) async fn retry(&mut self, job_id: &str) -> Result<String, Failure> {
        let request = v1::RetryJobRequest {
            job_id: job_id.to_string(),
            user: user(),
        };
        let answer = within_call_timeout(self.jobs.retry_job(request)).await;
        answer
            .map(|response| response.into_inner().job_id)
            .map_err(|status| self.failure(status))
    }

    /// Asks a worker to go: with `force` at once, else when no job needs it any more.
    pub(crate) async fn dismiss(&mut self, worker_id: &str, force: bool) -> Result<(), Failure> {
        let request = v1::DismissWorkerRequest {
            worker_id: worker_id.to_string(),
            force,
            user: user(),
        };
        let answer = within_call_timeout(self.jobs.dismiss_worker(request)).await;
        answer.map(|_| ()).map_err(|status| self.failure(status))
    }

    /// Tells how a worker of this machine has ended.
    pub(crate) async fn worker_ended(&mut self, pid: u32, reason: &str) -> Result<(), Failure> {
        let request = v1::ReportWorkerEndRequest {
            pid,
            reason: reason.to_string(),
        };
        let answer = within_call_timeout(self.jobs.report_worker_end(request)).await;
        answer.map(|_| ()).map_err(|status| self.failure(status))
    }

    /// What has happened in a job so far.
    pub(crate) async fn events_so_far(&mut self, job_id: &str) -> Result<Vec<JobEvent>, Failure> {
        let request = WatchJobRequest {
            job_id: job_id.to_string(),
            after_sequence: 0,
            until_now: true,
        };
        let opened = within_call_timeout(self.jobs.watch_job(request)).await;
        let mut stream = opened.map_err(|status| self.failure(status))?.into_inner();
        let mut events = Vec::new();
        while let Some(event) = stream.message().await.map_err(|status| self.failure(status))? {
            events.push(decode(event));
        }
        Ok(events)
    }

    /// How many workers are active.
    pub(crate) async fn active_workers(&mut self) -> Result<usize, Failure> {
        let workers = self.cluster().await?.workers;
        Ok(workers.iter().filter(|worker| worker.state == ACTIVE).count())
    }

    /// Follows a job from its beginning.
    pub(crate) fn watch(&self, job_id: &str) -> JobWatch {
        JobWatch {
            client: self.clone(),
            job_id: job_id.to_string(),
            sequence: 0,
            stream: None,
            broken_since: None,
        }
    }

    /// A failure the driver reports is passed on; without one the driver itself is the problem.
    fn failure(&self, status: Status) -> Failure {
        let url = listen::display(&self.url);
        let transport = status.details().is_empty();
        if let Some(failure) = trouble::explain(&status, "driver", url) {
            return failure;
        }
        match status.code() {
            Code::Unavailable | Code::Unknown | Code::Cancelled if transport => Failure::new(
                ErrorClass::Unreachable,
                format!("no driver answers: {}", cause(&status)),
            )
            .at(url)
            .hint("start a cluster with `rookery up`, or name one with --driver URL"),
            Code::DeadlineExceeded if transport => {
                let seconds = CALL_TIMEOUT.as_secs();
                Failure::new(
                    ErrorClass::TimedOut,
                    format!("the driver did not answer within {seconds} s"),
                )
                .at(url)
            }
            _ => Failure::from(status),
        }
    }
}

/// The events of a job, one after the other, over as many streams as it takes.
#[derive(Debug)]
pub(crate) struct JobWatch {
    client: DriverClient,
    job_id: String,
    /// The last event received.
    sequence: u64,
    stream: Option<Streaming<v1::JobEvent>>,
    broken_since: Option<Instant>,
}

impl JobWatch {
    /// The next event. Must not be called after the one that ends the job.
    ///
    /// # Errors
    /// The driver stays unreachable, or does not know the job any more.
    pub(crate) async fn next(&mut self) -> Result<JobEvent, Failure> {
        loop {
            match self.try_next().await {
                Ok(event) if event.sequence > self.sequence => {
                    self.sequence = event.sequence;
                    self.broken_since = None;
                    return Ok(decode(event));
                }
                // Seen before: a stream was opened again.
                Ok(_) => {}
                Err(status) => self.after_break(status).await?,
            }
        }
    }

    async fn try_next(&mut self) -> Result<v1::JobEvent, Status> {
        if self.stream.is_none() {
            let request = WatchJobRequest {
                job_id: self.job_id.clone(),
                after_sequence: self.sequence,
                until_now: false,
            };
            let opened = within_call_timeout(self.client.jobs.watch_job(request)).await?;
            self.stream = Some(opened.into_inner());
        }
        let Some(stream) = &mut self.stream else {
            return Err(Status::internal("no stream"));
        };
        match stream.message().await? {
            Some(event) => Ok(event),
            None => Err(Status::unavailable("the stream ended before the job did")),
        }
    }

    /// Waits before the next try, or gives up.
    async fn after_break(&mut self, status: Status) -> Result<(), Failure> {
        self.stream = None;
        if status.code() == Code::NotFound {
            return Err(Failure::new(
                ErrorClass::Unreachable,
                format!("the driver does not know {} any more", self.job_id),
            )
            .at(listen::display(&self.client.url))
            .hint("its journal is gone, or too long ago; `rookery runs list` shows what was recorded"));
        }
        let since = *self.broken_since.get_or_insert_with(Instant::now);
        if since.elapsed() > RECONNECT_FOR {
            let failure = self.client.failure(status);
            let message = format!("{} can't be followed any more: {}", self.job_id, failure.message);
            return Err(Failure { message, ..failure });
        }
        tracing::info!(job_id = %self.job_id, %status, "the event stream broke, opening it again");
        tokio::time::sleep(RECONNECT_PAUSE).await;
        Ok(())
    }
}

async fn within_call_timeout<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let late = |_| Err(Status::deadline_exceeded("no answer"));
    tokio::time::timeout(CALL_TIMEOUT, call)
        .await
        .unwrap_or_else(late)
}

/// The innermost reason: `Connection refused (os error 111)` says more than `transport error`.
fn cause(status: &Status) -> String {
    let mut error: &dyn std::error::Error = status;
    while let Some(source) = error.source() {
        error = source;
    }
    match error.downcast_ref::<Status>() {
        Some(status) => status.message().to_string(),
        None => error.to_string(),
    }
}

/// Who works here, for the records.
pub(crate) fn user() -> String {
    ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| "unknown".to_string())
}

fn decode(event: v1::JobEvent) -> JobEvent {
    let what = match event.event {
        Some(Event::PhaseStarted(phase)) => What::PhaseStarted {
            phase: phase_name(phase.phase()),
            detail: phase.detail,
        },
        Some(Event::Cleaning(report)) => What::Cleaning(Cleaning {
            rows_read: report.rows_read,
            rows_kept: report.rows_kept,
            rows_dropped: report.rows_dropped,
            reasons: report
                .reasons
                .into_iter()
                .map(|r| DropReason {
                    reason: r.reason,
                    rows: r.rows,
                })
                .collect(),
        }),
        Some(Event::Split(split)) => What::Split(Split {
            rows: split.rows,
            partitions: split.partitions,
            workers: split.workers,
            data_fingerprint: split.data_fingerprint,
        }),
        Some(Event::RunStarted(run)) => What::RunStarted(RunStarted {
            run_id: run.run_id,
            run_name: run.run_name,
            index: run.index,
            params: run.params.into_iter().collect(),
        }),
        Some(Event::Iteration(iteration)) => What::Iteration(Iteration {
            run_id: iteration.run_id,
            run_name: Some(iteration.run_name).filter(|name| !name.is_empty()),
            iteration: iteration.iteration,
            max_iterations: iteration.max_iterations,
            loss: iteration.loss,
            gradient_norm: iteration.gradient_norm,
        }),
        Some(Event::RunFinished(run)) => What::RunFinished(decode_run(run)),
        Some(Event::Warning(warning)) => What::Warning {
            message: warning.message,
        },
        Some(Event::Resumed(resumed)) => What::Resumed {
            rounds: resumed.rounds,
        },
        Some(Event::Finished(finished)) => What::Finished(decode_end(finished)),
        None => What::Unknown,
    };
    JobEvent {
        what,
        job_id: event.job_id,
        sequence: event.sequence,
        timestamp_ms: event.timestamp_ms,
    }
}

fn decode_run(run: v1::RunFinished) -> RunSummary {
    RunSummary {
        run_id: run.run_id,
        run_name: run.run_name,
        metrics: run
            .metrics
            .into_iter()
            .map(|metric| (metric.name, metric.value))
            .collect(),
        coefficients_sha256: run.coefficients_sha256,
        stop_reason: run.stop_reason,
        converged: run.converged,
        iterations: run.iterations,
        loss: run.loss,
        formats: run.formats.into_iter().map(decode_format).collect(),
    }
}

fn decode_format(report: v1::FormatReport) -> FormatReport {
    FormatReport {
        format: report.format,
        rows: report.rows,
        max_difference: report.max_difference,
        differing_predictions: report.differing_predictions,
        holds: report.holds,
        problem: (!report.problem.is_empty()).then_some(report.problem),
    }
}

fn decode_end(finished: v1::JobFinished) -> JobEnd {
    let status = match finished.status() {
        v1::JobStatus::Succeeded => JobStatus::Succeeded,
        v1::JobStatus::Cancelled => JobStatus::Cancelled,
        v1::JobStatus::Failed | v1::JobStatus::Unspecified => JobStatus::Failed,
    };
    JobEnd {
        status,
        failure: finished.error.map(Failure::from),
    }
}

fn phase_name(phase: v1::Phase) -> &'static str {
    match phase {
        v1::Phase::Plan => "plan",
        v1::Phase::Materialize => "materialize",
        v1::Phase::FitStages => "fit_stages",
        v1::Phase::BuildBlocks => "build_blocks",
        v1::Phase::Train => "train",
        v1::Phase::Evaluate => "evaluate",
        v1::Phase::Record => "record",
        v1::Phase::Queue => "queue",
        v1::Phase::Score => "score",
        v1::Phase::Unspecified => "work",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_driver_that_is_not_there_is_unreachable_with_the_reason() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = listen::url_of(&listener, false, None).unwrap();
        drop(listener);
        let failure = DriverClient::new(url.clone(), None, None)
            .unwrap()
            .active_workers()
            .await
            .unwrap_err();
        assert_eq!(failure.class, ErrorClass::Unreachable);
        assert!(failure.message.contains("refused"), "{failure}");
        assert_eq!(failure.location.as_deref(), Some(listen::display(&url)));
    }

    #[test]
    fn what_the_driver_says_about_a_job_is_passed_on() {
        let client_failure = |status| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let _guard = runtime.enter();
            DriverClient::new(Url::parse("http://127.0.0.1:1").unwrap(), None, None)
                .unwrap()
                .failure(status)
        };
        let said = Failure::new(ErrorClass::Unreachable, "no worker is registered").hint("start one");
        assert_eq!(client_failure(Status::from(said.clone())), said);
    }

    #[test]
    fn an_event_this_program_does_not_know_is_no_error() {
        assert_eq!(decode(v1::JobEvent::default()).what, What::Unknown);
    }
}
