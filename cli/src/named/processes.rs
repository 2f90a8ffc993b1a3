//! Starting and ending named clusters from inside a driver: what the commands `cluster start` and `cluster terminate` do.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use rookery_proto::{ErrorClass, Failure};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::{ClusterEvent, Kind, Lifecycle, NamedCluster};
use crate::client::{self, DriverClient};
use crate::diagnostic::internal;
use crate::state_dir::StateDir;
use crate::{token, trust};

/// How long the process of a cluster may take to say that it is being started.
const BEGIN_WITHIN: Duration = Duration::from_secs(20);
/// How long a cluster may take to start, and to end.
const START_WITHIN: Duration = Duration::from_secs(120);
const END_WITHIN: Duration = Duration::from_secs(90);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Begins to start a cluster that is terminated; returns when its process has said so.
pub(super) async fn begin(home: &StateDir, cluster: &NamedCluster) -> Result<(), Failure> {
    let mut process = spawn(home, cluster)?;
    let deadline = Instant::now() + BEGIN_WITHIN;
    while cluster.lifecycle()? == Lifecycle::Terminated {
        let ended = process.try_wait().map_err(|e| internal(e.to_string()))?;
        if ended.is_some() {
            // It may have been as quick as that: why is among the events.
            return Ok(());
        }
        if Instant::now() > deadline {
            let message = "the cluster's process does not say that it starts";
            return Err(Failure::new(ErrorClass::TimedOut, message));
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(())
}

/// The process that runs a cluster. It outlives this one, which waits for it only as long as it lives.
fn spawn(home: &StateDir, cluster: &NamedCluster) -> Result<Child, Failure> {
    let state = cluster.state_dir();
    state.create()?;
    let log = state
        .logs()
        .join(format!("start-{}.log", cluster.config.created_ms));
    let place = log.display().to_string();
    let wrong = |e: std::io::Error| internal(format!("the cluster can't be started: {e}")).at(&place);
    let log = File::options()
        .create(true)
        .append(true)
        .open(&log)
        .map_err(wrong)?;
    let mut command = Command::new(std::env::current_exe().map_err(wrong)?);
    command
        .arg("--state-dir")
        .arg(home.path())
        .args(["cluster", "start", &cluster.config.name, "--foreground", "--json"])
        .env_remove("ROOKERY_CLUSTER")
        .env_remove("ROOKERY_URL")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        // Signals to this process are not meant for it.
        .process_group(0);
    command.spawn().map_err(wrong)
}

/// Notes that a cluster is to end; nothing has ended yet.
pub(super) fn note_end(cluster: &NamedCluster) -> Result<(), Failure> {
    cluster
        .events()
        .add(Kind::Terminating, ClusterEvent::by(client::user()))
}

/// Ends a cluster: tells its driver as soon as there is one, and waits until its process is gone.
pub(super) async fn end(cluster: &NamedCluster) -> Result<(), Failure> {
    let deadline = Instant::now() + START_WITHIN;
    let mut told = Instant::now() - LOOK_INTERVAL;
    while cluster.lifecycle()? != Lifecycle::Terminated {
        if Instant::now() > deadline {
            let seconds = START_WITHIN.as_secs();
            let message = format!("cluster \"{}\" still runs after {seconds} s", cluster.config.name);
            return Err(Failure::new(ErrorClass::TimedOut, message));
        }
        if told.elapsed() >= LOOK_INTERVAL {
            // One that has not begun to serve, or does not any more, is asked again, or is gone.
            if let Ok(mut client) = client_of(cluster)
                && client.stop().await.is_ok()
            {
                told = Instant::now() + Duration::from_secs(1);
            }
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(())
}

/// Waits until a cluster that is being started runs, or has ended.
pub(super) async fn started(cluster: &NamedCluster) -> Result<(), Failure> {
    let deadline = Instant::now() + START_WITHIN + END_WITHIN;
    while cluster.lifecycle()? == Lifecycle::Pending && Instant::now() < deadline {
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(())
}

fn client_of(cluster: &NamedCluster) -> Result<DriverClient, Failure> {
    let state = cluster.state_dir();
    let url = state.find_driver(None)?;
    let ca = trust::of_state(state, &url)?;
    DriverClient::new(url, token::of_client(state)?.as_ref(), ca)
}
