//! The process that runs a named cluster: starts it, notes what becomes of it, gives it as many workers as it has work for.

use std::collections::BTreeMap;
use std::time::Duration;

use rookery_proto::{ErrorClass, Failure};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{ClusterConfig, ClusterEvent, Events, Kind, NamedCluster};
use crate::cluster::{ClusterArgs, LocalCluster};
use crate::cluster_rows::{ACTIVE, WorkerRow};
use crate::local_driver::KeepJobs;
use crate::output::Output;
use crate::{client, diagnostic, listen, signals};

/// How often driver and workers are looked after.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// The shortest time between two starts of workers, so that workers that die at once are not started for ever.
const START_PAUSE: Duration = Duration::from_secs(10);
/// Why a cluster ended whose process got a signal, in the words of its driver, which hears of it too.
const SIGNALLED: &str = "it was told to stop by a signal";

/// Runs a cluster until it is terminated.
///
/// # Errors
/// It runs already; it does not start; its driver fails.
pub(crate) async fn serve(cluster: &NamedCluster, output: &Output) -> Result<(), Failure> {
    let _held = cluster.hold().await?;
    let shutdown = signals::shutdown()?;
    let events = cluster.events();
    events.add(Kind::Starting, ClusterEvent::by(client::user()))?;
    let ended = run(cluster, &events, output, &shutdown).await;
    let reason = match &ended {
        Ok(reason) => reason.clone(),
        Err(failure) => failure.to_string(),
    };
    events.add(Kind::Terminated, ClusterEvent::because(reason))?;
    ended.map(|_| ())
}

/// Starts and watches it; returns why it ended.
async fn run(
    cluster: &NamedCluster,
    events: &Events,
    output: &Output,
    shutdown: &CancellationToken,
) -> Result<String, Failure> {
    let (config, state) = (&cluster.config, cluster.state_dir());
    let threads = config.threads.unwrap_or_else(|| {
        let shared_out = crate::cluster::cores() / config.max_workers;
        u16::try_from(shared_out.max(1)).unwrap_or(u16::MAX)
    });
    let arguments = ClusterArgs::of(
        config.min_workers,
        threads,
        config.memory(),
        config.auto_terminate(),
    );
    let access = config.access().map_err(diagnostic::config)?;
    let started = LocalCluster::start(
        &arguments,
        &config.listen,
        &access,
        KeepJobs::default().into(),
        state,
        shutdown,
    );
    let mut local = match started.await {
        Err(failure) if failure.class == ErrorClass::Cancelled => return Ok(SIGNALLED.to_string()),
        started => started?,
    };
    let watched = match local.driver.publish() {
        Ok(()) => {
            let url = listen::display(local.driver.url()).to_string();
            let running = ClusterEvent {
                driver: Some(url),
                workers: Some(config.min_workers),
                ..ClusterEvent::default()
            };
            events.add(Kind::Running, running)?;
            local.announce(state, output)?;
            Keeper::new(cluster, events)
                .watch(&mut local, output, shutdown)
                .await
        }
        Err(failure) => Err(failure),
    };
    let stopped = local.stop().await;
    let reason = watched?;
    stopped.map(|()| reason)
}

/// What is known of a cluster that runs.
#[derive(Debug)]
struct Keeper<'a> {
    cluster: &'a NamedCluster,
    /// As it is now: its size may be changed while it runs.
    config: ClusterConfig,
    /// Whether its size was changed since the workers were as many as they should be.
    is_resized: bool,
    events: &'a Events,
    /// The state of each worker when it was looked last.
    states: BTreeMap<String, &'static str>,
    busy_until: Instant,
    started_at: Option<Instant>,
}

impl<'a> Keeper<'a> {
    fn new(cluster: &'a NamedCluster, events: &'a Events) -> Self {
        Self {
            cluster,
            config: cluster.config.clone(),
            is_resized: false,
            events,
            states: BTreeMap::new(),
            busy_until: Instant::now(),
            started_at: None,
        }
    }

    /// Looks after the cluster until it ends; returns why it did.
    async fn watch(
        &mut self,
        local: &mut LocalCluster,
        output: &Output,
        shutdown: &CancellationToken,
    ) -> Result<String, Failure> {
        loop {
            local.tell_of_ended(output).await?;
            // A driver that is about to end does not answer any more, which is found out below.
            if let Ok(seen) = local.client.cluster().await {
                self.note(&seen.workers);
                self.look_at_config();
                self.resize(local, &seen.workers).await;
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(SIGNALLED.to_string()),
                ended = local.driver.ended() => {
                    ended?;
                    return Ok(local.driver.end_reason().unwrap_or("its driver ended").to_string());
                }
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
        }
    }

    /// Takes over what was changed of its size. A file that can't be read changes nothing.
    fn look_at_config(&mut self) {
        let Ok(config) = self.cluster.present_config() else {
            return;
        };
        let size = |config: &ClusterConfig| (config.min_workers, config.max_workers);
        if size(&config) != size(&self.config) {
            self.is_resized = true;
            // Workers that start now are those that were asked for.
            self.started_at = None;
        }
        self.config = config;
    }

    /// Notes which workers have changed.
    fn note(&mut self, workers: &[WorkerRow]) {
        for worker in workers {
            let before = self.states.insert(worker.worker_id.clone(), worker.state);
            let kind = match worker.state {
                _ if before == Some(worker.state) => continue,
                ACTIVE => Kind::WorkerJoined,
                "draining" => Kind::WorkerDraining,
                "lost" => Kind::WorkerLost,
                "left" => Kind::WorkerLeft,
                _ => continue,
            };
            let event = ClusterEvent {
                worker_id: Some(worker.worker_id.clone()),
                reason: Some(worker.reason.clone()).filter(|_| kind != Kind::WorkerJoined),
                ..ClusterEvent::default()
            };
            self.tell(kind, event);
        }
    }

    /// Starts workers, or lets some go, so that there are as many as there should be.
    async fn resize(&mut self, local: &mut LocalCluster, seen: &[WorkerRow]) {
        let living = local.workers.living();
        let Some((wanted, reason)) = self.wanted(local, living).await else {
            return;
        };
        let is_resized = match wanted > living {
            true => self.add(local, wanted - living),
            false => self.let_go(local, seen, living - wanted).await > 0,
        };
        if is_resized {
            let resized = ClusterEvent {
                workers: Some(wanted),
                ..ClusterEvent::because(reason)
            };
            self.tell(Kind::Resized, resized);
        }
    }

    /// Starts so many workers, unless some were started just now.
    fn add(&mut self, local: &mut LocalCluster, count: usize) -> bool {
        if self.started_at.is_some_and(|at| at.elapsed() < START_PAUSE) {
            return false;
        }
        self.started_at = Some(Instant::now());
        let added = local
            .driver
            .for_workers()
            .and_then(|access| local.workers.add(count, &access));
        match added {
            Ok(()) => true,
            Err(failure) => {
                tracing::warn!(%failure, "no workers are added");
                false
            }
        }
    }

    /// Drains so many workers, those that came last first. One that has not joined yet is left for the next time. Returns
    /// how many were told.
    async fn let_go(&self, local: &mut LocalCluster, seen: &[WorkerRow], surplus: usize) -> usize {
        let mut told = 0;
        for pid in local.workers.newest().into_iter().take(surplus) {
            let worker = seen
                .iter()
                .find(|worker| worker.pid == pid && worker.state == ACTIVE);
            let Some(worker) = worker else { continue };
            match local.client.dismiss(&worker.worker_id, false).await {
                Ok(()) => {
                    local.workers.let_go(pid);
                    told += 1;
                }
                Err(failure) => {
                    tracing::warn!(%failure, worker_id = worker.worker_id, "the worker was not told to go");
                }
            }
        }
        told
    }

    /// Notes an event. A full disk is no reason to end a cluster.
    fn tell(&self, kind: Kind, event: ClusterEvent) {
        if let Err(failure) = self.events.add(kind, event) {
            tracing::warn!(%failure, ?kind, "an event of the cluster is not noted");
        }
    }

    /// How many workers there should be, and why, if that is not how many live. All of them while there is work; the
    /// fewest when there has been none for some time, and in place of those that died.
    async fn wanted(&mut self, local: &mut LocalCluster, living: usize) -> Option<(usize, String)> {
        let (min, max) = (self.config.min_workers, self.config.max_workers);
        if min < max {
            let jobs = local.client.jobs().await.ok()?;
            if jobs.iter().any(|job| matches!(job.state, "queued" | "running")) {
                self.busy_until = Instant::now();
                return (living < max).then(|| (max, "jobs wait or run".to_string()));
            }
            let idle = self.busy_until.elapsed();
            if living > min && idle >= self.config.scale_down_after() {
                let minutes = self.config.scale_down_minutes;
                return Some((min, format!("no job for {minutes} minutes")));
            }
        }
        if (min..=max).contains(&living) {
            self.is_resized = false;
            return None;
        }
        let reason = match self.is_resized {
            true => "its size was changed",
            false => "a worker ended",
        };
        Some((living.clamp(min, max), reason.to_string()))
    }
}
