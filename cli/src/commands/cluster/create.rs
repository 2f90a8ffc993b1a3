//! `rookery cluster create`: a configuration with a name.

use clap::Args;
use rookery_proto::Failure;
use rookery_tracking::{Environment as _, SystemEnvironment};

use super::{note, show};
use crate::args::JsonFlag;
use crate::client;
use crate::cluster::{DEFAULT_WORKERS, MAX_THREADS};
use crate::diagnostic::config as wrong;
use crate::listen::Advertised;
use crate::memory::MemoryArgs;
use crate::named::{self, ClusterConfig, Clusters, Kind, Mode};
use crate::output::Output;

/// Any free port: clusters are found by their names.
const DEFAULT_LISTEN: &str = "127.0.0.1:0";
/// Minutes without a job after which workers above the fewest go.
const DEFAULT_SCALE_DOWN: f64 = 5.0;

/// Create a cluster; `rookery cluster start NAME` starts it
#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// Its name: letters and digits, and between them `-`, `_`, `.` and spaces
    name: String,

    /// One worker with every core, beside the driver
    #[arg(long, conflicts_with_all = ["workers", "min_workers", "max_workers"])]
    single_node: bool,

    /// How many workers [default: 2]
    #[arg(long, value_name = "N", conflicts_with_all = ["min_workers", "max_workers"])]
    workers: Option<usize>,

    /// How many workers when there is no work
    #[arg(long, value_name = "A", requires = "max_workers")]
    min_workers: Option<usize>,

    /// How many workers while jobs wait or run
    #[arg(long, value_name = "B", requires = "min_workers")]
    max_workers: Option<usize>,

    /// After how many minutes without a job it has its fewest workers again [default: 5]
    #[arg(long, value_name = "MINUTES", value_parser = minutes, requires = "max_workers")]
    scale_down_after: Option<f64>,

    /// Threads of each worker [default: the machine's cores, shared out over the workers]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=MAX_THREADS))]
    threads: Option<u16>,

    #[command(flatten)]
    memory: MemoryArgs,

    /// Terminate it when no job has waited or run for so many minutes [default: never]
    #[arg(long, value_name = "MINUTES", value_parser = minutes)]
    auto_terminate: Option<f64>,

    /// Where its driver listens [default: 127.0.0.1:0, any free port]
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<String>,

    /// Speak TLS on an address of this machine alone, too; on others it is always so
    #[arg(long)]
    tls: bool,

    /// The name or address by which other machines reach this one, for --listen 0.0.0.0:PORT
    #[arg(long, value_name = "HOST[:PORT]")]
    advertise: Option<String>,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes = text.parse::<f64>().ok();
    minutes
        .filter(|minutes| named::duration(*minutes).is_some())
        .ok_or_else(|| "expected a number of minutes above 0".to_string())
}

pub(super) fn create(args: &CreateArgs, clusters: &Clusters, output: &Output) -> Result<(), Failure> {
    named::check_name(&args.name)?;
    let (min_workers, max_workers) = workers(args)?;
    if let Some(host) = &args.advertise {
        Advertised::parse(host).map_err(|e| wrong(e).at("--advertise"))?;
    }
    let mode = match args.single_node {
        true => Mode::SingleNode,
        false => Mode::MultiNode,
    };
    let cluster = clusters.create(&ClusterConfig {
        name: args.name.clone(),
        mode,
        min_workers,
        max_workers,
        threads: args.threads,
        memory_limit: args.memory.limit(),
        spill_dir: args.memory.spill_dir(),
        auto_terminate_minutes: args.auto_terminate,
        scale_down_minutes: args.scale_down_after.unwrap_or(DEFAULT_SCALE_DOWN),
        listen: args.listen.clone().unwrap_or_else(|| DEFAULT_LISTEN.to_string()),
        tls: args.tls,
        advertise: args.advertise.clone(),
        runtime_version: env!("CARGO_PKG_VERSION").to_string(),
        created_ms: SystemEnvironment.now_ms(),
        created_by: client::user(),
    })?;
    note(&cluster, Kind::Created)?;
    show::show(&cluster, output)
}

/// The fewest and the most.
fn workers(args: &CreateArgs) -> Result<(usize, usize), Failure> {
    let bounds = match (args.single_node, args.min_workers, args.max_workers) {
        (true, _, _) => (1, 1),
        (false, Some(min), Some(max)) => (min, max),
        _ => {
            let count = args.workers.unwrap_or(DEFAULT_WORKERS);
            (count, count)
        }
    };
    match bounds {
        (0, _) => Err(wrong("a cluster needs at least 1 worker").at(format!("cluster {}", args.name))),
        (min, max) if max < min => {
            Err(wrong(format!("at least {min} workers and at most {max}")).at("--max-workers"))
        }
        bounds => Ok(bounds),
    }
}
