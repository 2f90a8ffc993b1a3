//! `rookery cluster list` and `show`: the clusters there are, and how far each is.

use rookery_proto::Failure;
use serde::Serialize;

use crate::named::{Clusters, Kind, Lifecycle, NamedCluster};
use crate::output::Output;
use crate::{listen, table, times};

/// A cluster at a glance.
#[derive(Debug, Serialize)]
struct ClusterObject<'a> {
    event: &'static str,
    name: &'a str,
    state: &'static str,
    mode: &'static str,
    min_workers: usize,
    max_workers: usize,
    threads: Option<u16>,
    /// In bytes.
    memory_limit: Option<u64>,
    spill_dir: Option<String>,
    auto_terminate_minutes: Option<f64>,
    scale_down_minutes: f64,
    listen: &'a str,
    advertise: Option<&'a str>,
    tls: bool,
    /// The release it was created with, and the one that would start it now.
    runtime_version: &'a str,
    version: &'static str,
    created_ms: i64,
    created_by: &'a str,
    /// Where its driver answers.
    driver: Option<String>,
    /// Why it ended last.
    end_reason: Option<String>,
    state_dir: String,
}

fn object(cluster: &NamedCluster) -> Result<ClusterObject<'_>, Failure> {
    let config = &cluster.config;
    let state = cluster.lifecycle()?;
    let is_there = matches!(state, Lifecycle::Running | Lifecycle::Terminating);
    let driver = is_there
        .then(|| cluster.state_dir().find_driver(None).ok())
        .flatten();
    let events = cluster.events().read()?;
    let ended = events
        .into_iter()
        .rev()
        .find(|line| line.event == Kind::Terminated);
    Ok(ClusterObject {
        event: "cluster",
        name: &config.name,
        state: state.name(),
        mode: config.mode.name(),
        min_workers: config.min_workers,
        max_workers: config.max_workers,
        threads: config.threads,
        memory_limit: config.memory_limit.map(|limit| limit.0),
        spill_dir: config
            .spill_dir
            .as_ref()
            .map(|folder| folder.display().to_string()),
        auto_terminate_minutes: config.auto_terminate_minutes,
        scale_down_minutes: config.scale_down_minutes,
        listen: &config.listen,
        advertise: config.advertise.as_deref(),
        tls: config.tls,
        runtime_version: &config.runtime_version,
        version: env!("CARGO_PKG_VERSION"),
        created_ms: config.created_ms,
        created_by: &config.created_by,
        driver: driver.map(|url| listen::display(&url).to_string()),
        end_reason: ended
            .filter(|_| state == Lifecycle::Terminated)
            .and_then(|line| line.what.reason),
        state_dir: cluster.state_dir().path().display().to_string(),
    })
}

pub(super) fn list(clusters: &Clusters, output: &Output) -> Result<(), Failure> {
    let clusters = clusters.all()?;
    if clusters.is_empty() && !output.is_json() {
        output.note("there is no cluster yet; `rookery cluster create NAME` makes one");
        return Ok(());
    }
    let mut rows = Vec::new();
    for cluster in &clusters {
        let object = object(cluster)?;
        if output.is_json() {
            output.object(&object);
            continue;
        }
        rows.push(vec![
            object.name.to_string(),
            object.state.to_string(),
            object.mode.to_string(),
            cluster.config.workers_text(),
            minutes(object.auto_terminate_minutes),
            object.runtime_version.to_string(),
            object.driver.unwrap_or_default(),
        ]);
    }
    if !output.is_json() {
        let header = [
            "NAME",
            "STATE",
            "MODE",
            "WORKERS",
            "AUTO-TERMINATE",
            "VERSION",
            "DRIVER",
        ];
        output.line(&table::table(&header, rows));
    }
    Ok(())
}

pub(super) fn show(cluster: &NamedCluster, output: &Output) -> Result<(), Failure> {
    let object = object(cluster)?;
    if output.is_json() {
        output.object(&object);
        return Ok(());
    }
    let created = format!("{} by {}", times::local(object.created_ms), object.created_by);
    let threads = object
        .threads
        .map_or("the cores, shared out".to_string(), |threads| threads.to_string());
    let mut pairs = vec![
        ("cluster", object.name.to_string()),
        ("state", object.state.to_string()),
        ("mode", object.mode.to_string()),
        ("workers", cluster.config.workers_text()),
        ("threads", threads),
        ("auto-terminate", minutes(object.auto_terminate_minutes)),
        ("version", version(object.runtime_version, object.version)),
        ("created", created),
        ("listens on", object.listen.to_string()),
    ];
    pairs.extend(object.memory_limit.map(|limit| ("memory limit", in_mib(limit))));
    pairs.extend(object.spill_dir.map(|folder| ("spill dir", folder)));
    pairs.extend(object.advertise.map(|host| ("advertised as", host.to_string())));
    pairs.extend(object.driver.map(|driver| ("driver", driver)));
    pairs.extend(object.end_reason.map(|reason| ("ended", reason)));
    pairs.push(("state dir", object.state_dir));
    for line in table::pairs(pairs) {
        output.line(line.trim_start());
    }
    Ok(())
}

fn in_mib(bytes: u64) -> String {
    format!("{:.1} MiB for each worker", bytes as f64 / f64::from(1 << 20))
}

fn minutes(minutes: Option<f64>) -> String {
    minutes.map_or("never".to_string(), |minutes| format!("{minutes} minutes"))
}

/// The release it was created with, and this one if that is another.
fn version(created_with: &str, this: &str) -> String {
    match created_with == this {
        true => this.to_string(),
        false => format!("{created_with} when it was created; this is {this}"),
    }
}
