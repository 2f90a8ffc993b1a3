//! `rookery down` and `rookery status`: a cluster from outside.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use rookery_proto::{ErrorClass, Failure};
use serde::Serialize;
use tokio::time::Instant;

use crate::args::{JsonFlag, Places};
use crate::client::{self, DriverClient};
use crate::cluster_rows::{ACTIVE, ClusterRow};
use crate::diagnostic::config;
use crate::named::{ClusterEvent, Clusters, Kind, Lifecycle};
use crate::output::Output;
use crate::{table, times};

/// How long a driver may take to stop: its own grace periods, and some more.
const STOP_WAIT: Duration = Duration::from_secs(60);
/// How often it is looked whether it has.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Stop a cluster: running jobs are cancelled, their runs recorded as killed
#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    #[command(flatten)]
    pub(crate) json: JsonFlag,
}

/// Show whether a cluster runs, and what it does
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) json: JsonFlag,
}

/// A cluster at a glance.
#[derive(Debug, Serialize)]
struct Status {
    driver: String,
    version: String,
    started_ms: i64,
    /// How many in each state.
    workers: BTreeMap<&'static str, usize>,
    threads: u32,
    jobs: BTreeMap<&'static str, usize>,
}

pub(crate) async fn down(_args: DownArgs, places: &Places, output: &Output) -> Result<(), Failure> {
    match places.cluster() {
        Some(_) => terminate(places, output).await,
        None => stop(places, output).await,
    }
}

/// Stops the named cluster of `places`, and notes by whom.
pub(crate) async fn terminate(places: &Places, output: &Output) -> Result<(), Failure> {
    let name = places.cluster().unwrap_or_default();
    let cluster = Clusters::of(&places.home()?).find(&name)?;
    match cluster.lifecycle()? {
        Lifecycle::Terminated => {
            output.note(&format!("cluster \"{name}\" is terminated already"));
            return Ok(());
        }
        Lifecycle::Pending => {
            return Err(config(format!("cluster \"{name}\" is being started"))
                .hint("try again when it runs, see `rookery cluster list`"));
        }
        Lifecycle::Running | Lifecycle::Terminating => {}
    }
    cluster
        .events()
        .add(Kind::Terminating, ClusterEvent::by(client::user()))?;
    stop(places, output).await?;
    let deadline = Instant::now() + STOP_WAIT;
    while cluster.lifecycle()? != Lifecycle::Terminated {
        if Instant::now() > deadline {
            let seconds = STOP_WAIT.as_secs();
            let message = format!("cluster \"{name}\" still stops its workers after {seconds} s");
            return Err(Failure::new(ErrorClass::TimedOut, message));
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(())
}

async fn stop(places: &Places, output: &Output) -> Result<(), Failure> {
    let mut client = DriverClient::of(places)?;
    client.stop().await?;
    let deadline = Instant::now() + STOP_WAIT;
    // It answers until its jobs have ended.
    while client.cluster().await.is_ok() {
        if Instant::now() > deadline {
            let seconds = STOP_WAIT.as_secs();
            return Err(Failure::new(
                ErrorClass::TimedOut,
                format!("the driver still answers after {seconds} s"),
            )
            .at(client.url()));
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    output.note(&format!("the driver at {} has stopped", client.url()));
    Ok(())
}

pub(crate) async fn status(_args: StatusArgs, places: &Places, output: &Output) -> Result<(), Failure> {
    let mut client = DriverClient::of(places)?;
    let ClusterRow {
        driver_version,
        started_ms,
        workers,
    } = client.cluster().await?;
    let jobs = client.jobs().await?;
    let status = Status {
        driver: client.url().to_string(),
        version: driver_version,
        started_ms,
        workers: counted(workers.iter().map(|worker| worker.state)),
        threads: workers
            .iter()
            .filter(|worker| worker.state == ACTIVE)
            .map(|worker| worker.threads)
            .sum(),
        jobs: counted(jobs.iter().map(|job| job.state)),
    };
    if output.is_json() {
        output.object(&status);
        return Ok(());
    }
    let pairs = [
        ("driver", status.driver),
        ("version", status.version),
        ("started", times::local(started_ms)),
        ("workers", in_words(&status.workers)),
        ("threads", status.threads.to_string()),
        ("jobs", in_words(&status.jobs)),
    ];
    for line in table::pairs(pairs) {
        output.line(line.trim_start());
    }
    Ok(())
}

fn counted(states: impl Iterator<Item = &'static str>) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for state in states {
        *counts.entry(state).or_default() += 1;
    }
    counts
}

/// `2 active, 1 lost`.
fn in_words(counts: &BTreeMap<&'static str, usize>) -> String {
    if counts.is_empty() {
        return "none".to_string();
    }
    let words = counts.iter().map(|(state, count)| format!("{count} {state}"));
    words.collect::<Vec<_>>().join(", ")
}
