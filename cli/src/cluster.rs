//! [`LocalCluster`]: a driver in this process and workers beside it.

use std::time::Duration;

use clap::Args;
use rookery_proto::{ErrorClass, Failure};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::client::DriverClient;
use crate::driver_port::Access;
use crate::local_driver::{DriverBounds, KeptJobs, LocalDriver};
use crate::memory::MemoryArgs;
use crate::output::Output;
use crate::state_dir::StateDir;
use crate::tracking_hint::TrackingHint;
use crate::worker_processes::{WorkerPlan, WorkerProcess, WorkerProcesses};
use crate::{diagnostic, listen};

/// Workers of a cluster on this machine, unless told otherwise.
pub(crate) const DEFAULT_WORKERS: usize = 2;

/// More threads than any machine has use for: a slip of the finger.
pub(crate) const MAX_THREADS: i64 = 1024;

/// How large a cluster on this machine is.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClusterArgs {
    /// Worker processes to start [default: 2]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,

    /// Threads of each worker [default: the machine's cores, shared out over the workers]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=MAX_THREADS))]
    threads: Option<u16>,

    #[command(flatten)]
    memory: MemoryArgs,

    /// How much later than it could each worker answers a round
    #[arg(long, hide = true, value_name = "MS")]
    answer_delay_ms: Option<u64>,

    #[command(flatten)]
    bounds: DriverBounds,
}

impl ClusterArgs {
    /// A cluster as it was configured, not as flags say.
    pub(crate) fn of(
        workers: usize,
        threads: u16,
        memory: MemoryArgs,
        auto_terminate: Option<Duration>,
    ) -> Self {
        Self {
            workers: Some(workers),
            threads: Some(threads),
            memory,
            answer_delay_ms: None,
            bounds: DriverBounds::terminating_after(auto_terminate),
        }
    }

    /// Whether somebody asked for a cluster of its own.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.workers.is_some() || self.threads.is_some() || self.memory.is_asked_for()
    }

    /// How many workers are asked for.
    pub(crate) fn workers(&self) -> usize {
        self.workers.unwrap_or(DEFAULT_WORKERS)
    }

    fn worker_plan(&self, state: &StateDir) -> WorkerPlan {
        let count = self.workers();
        let shared_out = cores() / count.max(1);
        let threads = self.threads.map_or(shared_out.max(1), usize::from);
        WorkerPlan {
            count,
            threads,
            memory: self.memory.config(state),
            answer_delay_ms: self.answer_delay_ms,
        }
    }
}

/// The machine's cores, as far as this process may use them.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A running cluster.
#[derive(Debug)]
pub(crate) struct LocalCluster {
    pub(crate) driver: LocalDriver,
    pub(crate) workers: WorkerProcesses,
    /// Calls to its driver.
    pub(crate) client: DriverClient,
    threads: usize,
}

impl LocalCluster {
    /// Starts driver and workers, and waits until all workers have registered. The driver stops when `shutdown` is
    /// cancelled (see [`LocalDriver::start`] for `jobs`); the workers when [`stop`](Self::stop) is called, or when this process ends.
    pub(crate) async fn start(
        args: &ClusterArgs,
        address: &str,
        access: &Access,
        jobs: KeptJobs,
        state: &StateDir,
        shutdown: &CancellationToken,
    ) -> Result<Self, Failure> {
        state.create()?;
        let plan = args.worker_plan(state);
        let mut driver = LocalDriver::start(address, state, &args.bounds, access, jobs, shutdown).await?;
        let access = driver.for_workers()?;
        let mut workers = WorkerProcesses::start(&plan, &access, &state.logs())?;
        let mut client = driver.client()?;
        let ready = tokio::select! {
            () = shutdown.cancelled() => Err(Failure::new(ErrorClass::Cancelled, "stopped while the workers were starting")),
            ready = workers.registered(&mut client) => ready,
            ended = driver.ended() => ended.and(Err(Failure::new(ErrorClass::Internal, "the driver ended early"))),
        };
        let cluster = Self {
            driver,
            workers,
            client,
            threads: plan.threads,
        };
        match ready.and_then(|()| cluster.driver.workers_have_joined(&access)) {
            Ok(()) => Ok(cluster),
            Err(failure) => {
                // The reason is what counts, whatever else goes wrong now.
                let _ = cluster.stop().await;
                Err(failure)
            }
        }
    }

    /// Tells people, and the driver, of workers that have ended since the last call.
    pub(crate) async fn tell_of_ended(&mut self, output: &Output) -> Result<(), Failure> {
        for ended in self.workers.newly_ended()? {
            output.note(&diagnostic::warning(&ended.failure));
            // It finds out by itself as well, but later, and never why.
            if let Err(failure) = self.client.worker_ended(ended.pid, &ended.how).await {
                tracing::info!(%failure, pid = ended.pid, "the driver does not know how the worker ended");
            }
        }
        Ok(())
    }

    /// Ends driver and workers, in this order: jobs that still run are cancelled while their workers can answer.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        let stopped = self.driver.stop().await;
        self.workers.stop().await;
        stopped
    }

    /// Says that the cluster is there, and how it grows.
    pub(crate) fn announce(&self, state: &StateDir, output: &Output) -> Result<(), Failure> {
        let url = self.driver.url();
        let join_command = self.driver.join_command()?;
        if output.is_json() {
            output.object(&self.object(state, Some(join_command)));
            return Ok(());
        }
        let count = self.workers.all().len();
        output.line(&format!("driver   {}", listen::display(url)));
        output.line(&format!("workers  {}", workers_text(count, self.threads)));
        output.line(&format!("state    {}", state.path().display()));
        if let Some(file) = self.driver.tracking_hint().token_file() {
            output.line(&format!("token    {file}"));
        }
        output.line("");
        let cluster = state.cluster_flag();
        output.line(&format!("submit a job:  rookery submit JOB.toml --wait{cluster}"));
        output.line(&format!("add a worker:  {join_command}"));
        output.line(&format!(
            "with MLflow:   {}",
            self.driver.tracking_hint().in_shell()
        ));
        output.line(&format!("stop:          Ctrl-C, or rookery down{cluster}"));
        Ok(())
    }

    /// The cluster as programs read it.
    pub(crate) fn object(&self, state: &StateDir, join_command: Option<String>) -> impl Serialize + use<> {
        #[derive(Serialize)]
        struct Worker {
            pid: u32,
            threads: usize,
            log: String,
        }
        #[derive(Serialize)]
        struct Object {
            event: &'static str,
            driver: String,
            state_dir: String,
            #[serde(flatten)]
            tracking: TrackingHint,
            #[serde(skip_serializing_if = "Option::is_none")]
            join_command: Option<String>,
            workers: Vec<Worker>,
        }
        let worker = |w: &WorkerProcess| Worker {
            pid: w.pid,
            threads: self.threads,
            log: w.log.display().to_string(),
        };
        Object {
            event: "cluster_started",
            driver: listen::display(self.driver.url()).to_string(),
            state_dir: state.path().display().to_string(),
            tracking: self.driver.tracking_hint(),
            join_command,
            workers: self.workers.all().iter().map(worker).collect(),
        }
    }
}

fn workers_text(count: usize, threads: usize) -> String {
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    match count {
        0 => "none yet".to_string(),
        _ => format!("{count} with {threads} thread{} each", plural(threads)),
    }
}
