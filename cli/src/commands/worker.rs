//! `rookery worker`: one worker of a cluster.

use std::io::Read as _;
use std::time::Duration;

use clap::Args;
use rookery_proto::Failure;
use rookery_worker::WorkerConfig;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::args::{JsonFlag, Places};
use crate::output::Output;
use crate::{cluster, listen, signals, token};

/// Where workers listen unless told otherwise: any free port.
const DEFAULT_LISTEN: &str = "127.0.0.1:0";

/// Add a worker to a cluster, until Ctrl-C
///
/// It may join at any time; jobs submitted from then on use it.
#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    /// Where the worker listens [default: 127.0.0.1:0, any free port]
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<String>,

    /// Threads to compute with [default: the machine's cores]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=cluster::MAX_THREADS))]
    threads: Option<u16>,

    /// End in order when standard input ends: how a parent process holds a worker
    #[arg(long, hide = true)]
    exit_with_stdin: bool,

    /// How much later than it could each round is answered; for tests of late work
    #[arg(long, hide = true, value_name = "MS")]
    answer_delay_ms: Option<u64>,

    /// Read the driver's files from the driver even if they are on this machine; for tests of machines without a shared disk
    #[arg(long, hide = true)]
    no_local_files: bool,

    /// How long the driver may be unreachable before the worker gives up [default: 30000]
    #[arg(long, value_name = "MS")]
    driver_timeout_ms: Option<u64>,

    #[command(flatten)]
    pub(crate) json: JsonFlag,
}

/// What programs read once the worker listens.
#[derive(Debug, Serialize)]
struct WorkerStarted<'a> {
    event: &'static str,
    worker: &'a str,
    driver: &'a str,
    threads: usize,
    pid: u32,
}

pub(crate) async fn worker(args: WorkerArgs, places: &Places, output: &mut Output) -> Result<(), Failure> {
    let state = places.state_dir()?;
    let driver = state.find_driver(places.driver().as_deref())?;
    let shutdown = signals::shutdown()?;
    if args.exit_with_stdin {
        end_with_stdin(shutdown.clone());
    }
    let listener = listen::bind(args.listen.as_deref().unwrap_or(DEFAULT_LISTEN)).await?;
    let url = listen::url_of(&listener)?;
    let threads = args.threads.map_or_else(cluster::cores, usize::from);
    let mut config = WorkerConfig::new(driver.clone(), url.clone(), threads);
    config.token = token::of_client(&state)?;
    config.local_files = !args.no_local_files;
    config.answer_delay = Duration::from_millis(args.answer_delay_ms.unwrap_or(0));
    if let Some(timeout) = args.driver_timeout_ms {
        config.driver_timeout = Duration::from_millis(timeout);
    }
    let (worker, driver) = (listen::display(&url), listen::display(&driver));
    match output.is_json() {
        true => output.object(&WorkerStarted {
            event: "worker_started",
            worker,
            driver,
            threads,
            pid: std::process::id(),
        }),
        false => output.line(&format!("worker   {worker}  threads {threads}  driver {driver}")),
    }
    rookery_worker::run(config, listener, shutdown).await
}

/// A thread of its own, because a read of standard input can't be given up: it must hold up nobody.
fn end_with_stdin(shutdown: CancellationToken) {
    std::thread::spawn(move || {
        let mut ignored = [0; 64];
        let mut stdin = std::io::stdin().lock();
        while stdin.read(&mut ignored).is_ok_and(|bytes| bytes > 0) {}
        shutdown.cancel();
    });
}
