//! `rookery up`: a cluster on this machine, until it is stopped.

use std::time::Duration;

use clap::Args;
use rookery_proto::{ErrorClass, Failure};
use tokio_util::sync::CancellationToken;

use crate::args::{JsonFlag, Places};
use crate::cluster::{ClusterArgs, LocalCluster};
use crate::diagnostic::config;
use crate::driver_port::Access;
use crate::local_driver::KeepJobs;
use crate::output::Output;
use crate::state_dir::{StateDir, quoted};
use crate::{detached, signals};

/// Where drivers listen unless told otherwise.
pub(crate) const DEFAULT_LISTEN: &str = "127.0.0.1:7070";
/// How often the workers are looked after.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Start a cluster on this machine: a driver and workers, until Ctrl-C
///
/// `rookery submit` finds it through the state directory; `rookery worker` adds to it.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    cluster: ClusterArgs,

    /// Where the driver listens [default: 127.0.0.1:7070]
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<String>,

    /// Return when the cluster is there; `rookery down` stops it
    #[arg(long)]
    detach: bool,

    #[command(flatten)]
    jobs: KeepJobs,

    #[command(flatten)]
    access: Access,

    #[command(flatten)]
    pub(crate) json: JsonFlag,
}

pub(crate) async fn up(args: UpArgs, places: &Places, output: &mut Output) -> Result<(), Failure> {
    let state = unnamed(places)?;
    if args.detach {
        return detached::start(&state, &[], output).await;
    }
    let shutdown = signals::shutdown()?;
    let listen = args.listen.as_deref().unwrap_or(DEFAULT_LISTEN);
    let mut cluster = match LocalCluster::start(
        &args.cluster,
        listen,
        &args.access,
        args.jobs.into(),
        &state,
        &shutdown,
    )
    .await
    {
        // Being stopped is what this command waits for, also while it starts.
        Err(failure) if failure.class == ErrorClass::Cancelled => return Ok(()),
        started => started?,
    };
    let announced = cluster.driver.publish();
    let served = match announced.and_then(|()| cluster.announce(&state, output)) {
        Ok(()) => serve(&mut cluster, &shutdown, output).await,
        Err(failure) => Err(failure),
    };
    let stopped = cluster.stop().await;
    served.and(stopped)
}

/// The state directory of a cluster without a name.
///
/// # Errors
/// Class config: a named cluster is meant, which is started by its name, as it was configured.
pub(crate) fn unnamed(places: &Places) -> Result<StateDir, Failure> {
    match places.cluster() {
        None => places.home(),
        Some(name) => Err(config(format!("cluster \"{name}\" is started by its name"))
            .at("--cluster or ROOKERY_CLUSTER")
            .hint(format!("`rookery cluster start {}`", quoted(&name)))),
    }
}

/// Waits for the end, and tells of workers that end before.
async fn serve(
    cluster: &mut LocalCluster,
    shutdown: &CancellationToken,
    output: &Output,
) -> Result<(), Failure> {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            ended = cluster.driver.ended() => return ended,
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
        cluster.tell_of_ended(output).await?;
    }
}
