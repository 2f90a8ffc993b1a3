//! [`LocalDriver`]: a driver in this process, with the state directory's records.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rookery_driver::{DriverConfig, Reduction, Tls, job_spec};
use rookery_proto::{ErrorClass, Failure};
use rookery_tracking::{Environment as _, SystemEnvironment};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::client::DriverClient;
use crate::commands::token::DEFAULT_LIFETIME;
use crate::diagnostic::internal;
use crate::driver_port::{Access, DriverPort, WorkersAt};
use crate::named::ClusterService;
use crate::spool::{self, Spool};
use crate::state_dir::StateDir;
use crate::store_environment::store_environment;
use crate::token::{self, KnownToken};
use crate::tracking_hint::TrackingHint;
use crate::worker_processes::{WorkerAccess, WorkerProof};
use crate::{listen, records};

/// MLflow's variable for the server to record at.
const TRACKING_URI_VARIABLE: &str = "MLFLOW_TRACKING_URI";
/// How long workers that are started with a driver may take to join it.
const LOCAL_JOIN_LIFETIME: Duration = Duration::from_secs(600);
/// How long a driver tries, at its start, to deliver to one server what an earlier one could not.
const LEFT_OVER_WAIT: Duration = Duration::from_secs(600);

/// The driver's bounds; most are for tests and for unusual networks.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DriverBounds {
    /// Stop the cluster when no job has waited or run, and no endpoint was asked, for so many minutes [default: never]
    #[arg(long, value_name = "MINUTES", value_parser = minutes)]
    auto_terminate: Option<Duration>,

    /// How many jobs run at once; others wait [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    max_running_jobs: Option<u16>,

    /// How the sums of a round come together: each worker answers the driver (flat), or workers answer workers, N each at
    /// most (tree or tree:N); auto takes what takes less time [default: auto]
    #[arg(long, value_name = "auto|flat|tree[:N]")]
    reduction: Option<Reduction>,

    /// How often workers send heartbeats
    #[arg(long, hide = true, value_name = "MS")]
    heartbeat_interval_ms: Option<u64>,

    /// After how long without a heartbeat a worker is lost
    #[arg(long, hide = true, value_name = "MS")]
    heartbeat_timeout_ms: Option<u64>,

    /// How long a worker may take for one pass over its partitions
    #[arg(long, hide = true, value_name = "MS")]
    round_deadline_ms: Option<u64>,

    /// How long reading, cleaning and splitting may take
    #[arg(long, hide = true, value_name = "MS")]
    ingest_deadline_ms: Option<u64>,

    /// How long a job waits for a worker when the last one is gone
    #[arg(long, hide = true, value_name = "MS")]
    replacement_wait_ms: Option<u64>,

    /// How much longer than the others a worker may take before its partitions are given to them
    #[arg(long, hide = true, value_name = "MS")]
    straggler_after_ms: Option<u64>,

    /// How long this driver's runs are its own after its last sign of life
    #[arg(long, hide = true, value_name = "MS")]
    lease_ms: Option<u64>,

    /// How often it gives one
    #[arg(long, hide = true, value_name = "MS")]
    lease_renewal_ms: Option<u64>,

    /// How often runs of drivers that died are closed
    #[arg(long, hide = true, value_name = "MS")]
    orphan_check_ms: Option<u64>,

    /// How long a job waits at its end until another server has its records
    #[arg(long, hide = true, value_name = "MS")]
    delivery_wait_ms: Option<u64>,

    /// How long a request to a serving endpoint waits for its turn
    #[arg(long, hide = true, value_name = "MS")]
    scoring_wait_ms: Option<u64>,
}

/// Minutes as a duration; fractions are taken.
fn minutes(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().map(|minutes| minutes * 60.0);
    seconds
        .filter(|seconds| *seconds > 0.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "expected a number of minutes above 0".to_string())
}

/// What becomes of a driver's jobs when it ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeptJobs {
    /// Whether they go on after it was killed and started again.
    in_journal: bool,
    /// Whether they do so when a signal stopped it.
    after_signal: bool,
}

impl KeptJobs {
    /// They end with it.
    pub(crate) const NONE: Self = Self {
        in_journal: false,
        after_signal: false,
    };
}

/// What becomes of the jobs of a driver that lasts.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct KeepJobs {
    /// When a signal stops the driver, leave its jobs to the next one, which goes on with them, instead of cancelling them
    #[arg(long)]
    keep_jobs: bool,
}

impl From<KeepJobs> for KeptJobs {
    fn from(keep: KeepJobs) -> Self {
        Self {
            in_journal: true,
            after_signal: keep.keep_jobs,
        }
    }
}

impl DriverBounds {
    /// The usual bounds; the driver stops when no job has waited or run for so long.
    pub(crate) fn terminating_after(auto_terminate: Option<Duration>) -> Self {
        Self {
            auto_terminate,
            ..Self::default()
        }
    }

    fn apply(&self, mut config: DriverConfig) -> DriverConfig {
        for (bound, ms) in [
            (&mut config.heartbeat_interval, self.heartbeat_interval_ms),
            (&mut config.heartbeat_timeout, self.heartbeat_timeout_ms),
            (&mut config.round_deadline, self.round_deadline_ms),
            (&mut config.ingest_deadline, self.ingest_deadline_ms),
            (&mut config.replacement_wait, self.replacement_wait_ms),
            (&mut config.straggler_after, self.straggler_after_ms),
            (&mut config.lease, self.lease_ms),
            (&mut config.lease_renewal, self.lease_renewal_ms),
            (&mut config.orphan_check, self.orphan_check_ms),
            (&mut config.delivery_wait, self.delivery_wait_ms),
            (&mut config.serving.turn_wait, self.scoring_wait_ms),
        ] {
            if let Some(ms) = ms {
                *bound = Duration::from_millis(ms.max(1));
            }
        }
        config.idle_timeout = self.auto_terminate;
        config.reduction = self.reduction.unwrap_or_default();
        if let Some(most) = self.max_running_jobs {
            config.max_running_jobs = usize::from(most);
        }
        config
    }
}

/// A running driver. Dropping it tells it to stop.
#[derive(Debug)]
pub(crate) struct LocalDriver {
    url: Url,
    /// How this machine reaches it.
    local_url: Url,
    workers_at: WorkersAt,
    tls: Option<Arc<Tls>>,
    ca_file: Option<PathBuf>,
    state: StateDir,
    /// Whether the state directory names it.
    is_public: bool,
    /// What it asks callers for; `None` lets everybody in.
    token: Option<KnownToken>,
    /// How long it may take to stop: its own grace periods, and some more.
    stop_within: Duration,
    shutdown: CancellationToken,
    /// `None` once it has ended and its result was taken.
    task: Option<JoinHandle<Result<String, Failure>>>,
    /// Why it has ended.
    end_reason: Option<String>,
}

impl LocalDriver {
    /// Opens the port and the records, and starts serving. It stops when `shutdown` is cancelled. With a
    /// journal its jobs go on should it be killed and started again; otherwise they end with it.
    pub(crate) async fn start(
        address: &str,
        state: &StateDir,
        bounds: &DriverBounds,
        access: &Access,
        jobs: KeptJobs,
        shutdown: &CancellationToken,
    ) -> Result<Self, Failure> {
        let DriverPort {
            listener,
            url,
            local_url,
            workers_at,
            tls,
            ca_file,
        } = DriverPort::open(address, access, state).await?;
        let records = records::open(state).await?;
        let token = match access.is_insecure() {
            true => None,
            false => Some(token::of_driver(state)?),
        };
        let mut driver_config = bounds.apply(DriverConfig::new(url.clone()));
        driver_config.journal = jobs.in_journal.then(|| state.journal());
        driver_config.endpoints = jobs.in_journal.then(|| state.endpoints());
        driver_config.keep_jobs = jobs.after_signal;
        driver_config.token = token.as_ref().map(|known| known.token.clone());
        driver_config.tls = tls.clone();
        let spool = Spool::new(state);
        driver_config.tracking_uri = tracking_uri()?;
        driver_config.remote = Some(Arc::new(spool.clone()));
        driver_config.clusters = Some(Arc::new(ClusterService::of(state.home())));
        driver_config.environment = store_environment();
        let stop_within = driver_config.shutdown_grace * 2 + Duration::from_secs(5);
        let shutdown = shutdown.child_token();
        // What an earlier driver could not deliver: in the background, since its server may be down still.
        tokio::spawn(
            shutdown
                .clone()
                .run_until_cancelled_owned(deliver_left_over(spool)),
        );
        let task = Some(tokio::spawn(rookery_driver::run(
            driver_config,
            records,
            listener,
            shutdown.clone(),
        )));
        Ok(Self {
            url,
            local_url,
            workers_at,
            tls,
            ca_file,
            state: state.clone(),
            is_public: false,
            token,
            stop_within,
            shutdown,
            task,
            end_reason: None,
        })
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// A client of it, in this process.
    pub(crate) fn client(&self) -> Result<DriverClient, Failure> {
        let ca = self.tls.as_ref().map(|tls| tls.authority.certificate().clone());
        let token = self.token.as_ref().map(|known| &known.token);
        DriverClient::new(self.local_url.clone(), token, ca)
    }

    /// What workers beside it are started with. On TLS all of them use one join token, which lets nobody in for long.
    pub(crate) fn for_workers(&self) -> Result<WorkerAccess, Failure> {
        let proof = match &self.tls {
            Some(tls) => {
                let now_ms = SystemEnvironment.now_ms();
                WorkerProof::Join {
                    at: self.workers_at.clone(),
                    token: tls.join_tokens.create(Some(LOCAL_JOIN_LIFETIME), now_ms)?,
                }
            }
            None => WorkerProof::Token(self.token.as_ref().map(|known| known.token.clone())),
        };
        Ok(WorkerAccess {
            driver: self.local_url.clone(),
            proof,
        })
    }

    /// From now on the join token of the workers beside it lets nobody in.
    pub(crate) fn workers_have_joined(&self, access: &WorkerAccess) -> Result<(), Failure> {
        match (&self.tls, &access.proof) {
            (Some(tls), WorkerProof::Join { token, .. }) => tls.join_tokens.revoke(token.id()),
            _ => Ok(()),
        }
    }

    /// The command that adds a worker; on TLS with a new join token.
    pub(crate) fn join_command(&self) -> Result<String, Failure> {
        let token = self.tls.as_ref().map(|tls| {
            let now_ms = SystemEnvironment.now_ms();
            tls.join_tokens.create(Some(DEFAULT_LIFETIME), now_ms)
        });
        let token = token.transpose()?.map(|token| token.expose());
        let url = listen::display(&self.url);
        Ok(match token {
            Some(token) => join_command(url, &token),
            None => format!("rookery worker{}", self.state.driver_flag(url)),
        })
    }

    /// What MLflow's clients need to find it.
    pub(crate) fn tracking_hint(&self) -> TrackingHint {
        TrackingHint::new(&self.url, self.token.as_ref(), self.ca_file.as_deref())
    }

    /// From now on it is the state directory's driver: others find it there, and why it ended is noted.
    pub(crate) fn publish(&mut self) -> Result<(), Failure> {
        self.state.write_driver_url(&self.url)?;
        self.is_public = true;
        Ok(())
    }

    /// Waits until it has ended, of its own accord or because it was told to.
    pub(crate) async fn ended(&mut self) -> Result<(), Failure> {
        let Some(task) = &mut self.task else { return Ok(()) };
        let result = task.await;
        self.task = None;
        let result = result.unwrap_or_else(|e| Err(internal(format!("the driver ended early: {e}"))));
        let reason = match &result {
            Ok(reason) => reason.clone(),
            Err(failure) => failure.to_string(),
        };
        if self.is_public {
            self.state.remove_driver_url(&self.url);
            self.state.note_end(&self.url, &reason);
        }
        self.end_reason = Some(reason);
        result.map(|_| ())
    }

    /// Why it has ended, once it has.
    pub(crate) fn end_reason(&self) -> Option<&str> {
        self.end_reason.as_deref()
    }

    /// Tells it to stop and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        self.shutdown.cancel();
        let stop_within = self.stop_within;
        tokio::time::timeout(stop_within, self.ended())
            .await
            .unwrap_or_else(|_| {
                Err(Failure::new(
                    ErrorClass::TimedOut,
                    format!("the driver did not stop within {} s", stop_within.as_secs()),
                ))
            })
    }
}

/// The command that adds a worker to the cluster of a driver on TLS.
pub(crate) fn join_command(driver: &str, join_token: &str) -> String {
    format!("rookery worker --driver {driver} --join-token {join_token}")
}

/// The MLflow server that this driver's runs are recorded at, if the environment names one.
fn tracking_uri() -> Result<Option<Url>, Failure> {
    let named = std::env::var(TRACKING_URI_VARIABLE).ok();
    let named = named.filter(|text| !text.trim().is_empty());
    named
        .map(|text| {
            job_spec::tracking_uri(text.trim()).map_err(|failure| {
                let hint = failure.hint.clone();
                failure
                    .at(TRACKING_URI_VARIABLE)
                    .hint(hint.unwrap_or_else(|| "unset it to record in the state directory".to_string()))
            })
        })
        .transpose()
}

async fn deliver_left_over(spool: Spool) {
    match spool.deliver(LEFT_OVER_WAIT).await {
        Ok(servers) => {
            for server in servers {
                for (folder, pending) in &server.jobs {
                    if let Some(left) = spool::left(&server.uri, folder, pending) {
                        tracing::warn!("{left}");
                    }
                }
            }
        }
        Err(failure) => tracing::warn!(%failure, "records of earlier jobs were not delivered"),
    }
}

impl Drop for LocalDriver {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
