//! `rookery worker`: one worker of a cluster.

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use rookery_proto::{ErrorClass, Failure};
use rookery_worker::WorkerConfig;
use serde::Serialize;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::args::{JsonFlag, Places};
use crate::diagnostic::config;
use crate::listen::{Address, Advertised};
use crate::memory::MemoryArgs;
use crate::output::Output;
use crate::worker_identity::Joining;
use crate::{cluster, listen, signals, token, worker_identity};

/// How long finding out the driver's address may take.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(10);

/// Add a worker to a cluster, until Ctrl-C
///
/// It may join at any time; jobs submitted from then on use it.
#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    /// Where the worker listens [default: any free port of 127.0.0.1; for a driver on another machine, of the address
    /// that reaches it]
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<String>,

    /// The name or address by which driver and other workers reach this worker, for --listen 0.0.0.0:PORT
    #[arg(long, value_name = "HOST[:PORT]", value_parser = Advertised::parse)]
    advertise: Option<Advertised>,

    /// Lets this worker into a cluster on TLS, once: `rookery token create` makes it. Better in ROOKERY_JOIN_TOKEN, since
    /// everybody on the machine sees flags
    #[arg(long, value_name = "TOKEN")]
    join_token: Option<String>,

    /// Keep what was got by joining in memory only: one of several workers that share a state folder
    #[arg(long, hide = true)]
    identity_in_memory: bool,

    /// Threads to compute with [default: the machine's cores]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=cluster::MAX_THREADS))]
    threads: Option<u16>,

    #[command(flatten)]
    memory: MemoryArgs,

    /// End in order when standard input ends: how a parent process holds a worker
    #[arg(long, hide = true)]
    exit_with_stdin: bool,

    /// How much later than it could each round is answered; for tests of late work
    #[arg(long, hide = true, value_name = "MS")]
    answer_delay_ms: Option<u64>,

    /// How much later than it could each batch of rows is read; for tests of slow workers
    #[arg(long, hide = true, value_name = "MS")]
    read_delay_ms: Option<u64>,

    /// Compute with no instruction that not every machine has, slowly; for tests of equal bits
    #[arg(long, hide = true, env = "ROOKERY_BASELINE_INSTRUCTIONS")]
    baseline_instructions: bool,

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
    let is_tls = driver.scheme() == "https";
    let join_token = worker_identity::join_token(args.join_token.as_deref())?;
    if join_token.is_some() && !is_tls {
        return Err(
            config("a join token is for a driver on TLS, whose URL begins with https://")
                .at(driver.to_string()),
        );
    }
    let address = address(&args, &driver, is_tls).await?;
    let listener = address.open().await?;
    let url = listen::url_of(&listener, is_tls, args.advertise.as_ref())?;
    let threads = args.threads.map_or_else(cluster::cores, usize::from);
    let mut config = WorkerConfig::new(driver.clone(), url.clone(), threads);
    config.local_files = !args.no_local_files;
    config.memory = args.memory.config(&state);
    if let Some(timeout) = args.driver_timeout_ms {
        config.driver_timeout = Duration::from_millis(timeout);
    }
    if is_tls {
        let joining = Joining {
            driver: &driver,
            token: join_token,
            host: rookery_tls::host_of(&url).unwrap_or_default(),
            state: (!args.identity_in_memory).then_some(&state),
            within: config.driver_timeout,
        };
        let Some(joined) = joining.joined(&shutdown).await? else {
            return Ok(());
        };
        config.identity = Some(joined.identity);
        config.token = token::of_environment()?.or(joined.token);
    } else {
        config.token = token::of_client(&state)?;
    }
    if args.baseline_instructions {
        rookery_ml::force_baseline_instructions();
    }
    if config.memory.is_none() {
        keep_large_pieces();
    }
    config.answer_delay = Duration::from_millis(args.answer_delay_ms.unwrap_or(0));
    config.read_delay = Duration::from_millis(args.read_delay_ms.unwrap_or(0));
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

/// Tells glibc that large pieces of memory come and go: it learns from the first large one that is given back, and from then on
/// uses such pieces again instead of asking the kernel for new pages each time. Elsewhere it does nothing.
fn keep_large_pieces() {
    /// Just below the largest from which glibc learns (`DEFAULT_MMAP_THRESHOLD_MAX`); its pages are never touched.
    const BYTES: usize = (32 << 20) - (64 << 10);
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BYTES)));
}

/// Where to listen. Only where all speak TLS can that be an address that other machines reach.
async fn address(args: &WorkerArgs, driver: &Url, is_tls: bool) -> Result<Address, Failure> {
    let address = match (&args.listen, is_tls) {
        (Some(listen), _) => Address::parse(listen)?,
        (None, true) => Address::any_port(address_towards(driver).await?),
        (None, false) => Address::any_port(Ipv4Addr::LOCALHOST.into()),
    };
    if !is_tls && !address.is_loopback() {
        return Err(config(format!(
            "{} is reachable from other machines, and this cluster is not on TLS",
            address.ip()
        ))
        .at(address.flag())
        .hint("listen on 127.0.0.1, or start the driver with --tls"));
    }
    address.check_reachable(args.advertise.as_ref())?;
    Ok(address)
}

/// The address of this machine from which the driver is reached. Nothing is sent: the system only chooses a way.
async fn address_towards(driver: &Url) -> Result<IpAddr, Failure> {
    let unreachable = |what: String| {
        Failure::new(ErrorClass::Unreachable, what)
            .at(driver.to_string())
            .hint("check the URL, or say with --listen IP:PORT where this worker listens")
    };
    let host = rookery_tls::host_of(driver).unwrap_or_default();
    let port = driver.port_or_known_default().unwrap_or_default();
    let found = tokio::time::timeout(LOOK_UP_WITHIN, tokio::net::lookup_host((host.as_str(), port))).await;
    let found = found.map_err(|_| unreachable(format!("looking up {host} takes too long")))?;
    let found = found.map_err(|e| unreachable(format!("the address of {host} is not known: {e}")))?;
    let towards = async |to: SocketAddr| -> std::io::Result<IpAddr> {
        let from: IpAddr = match to.ip() {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((from, 0)).await?;
        socket.connect(to).await?;
        Ok(socket.local_addr()?.ip())
    };
    for to in found {
        if let Ok(ip) = towards(to).await {
            return Ok(ip);
        }
    }
    Err(unreachable(format!("no network leads to {host}")))
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
