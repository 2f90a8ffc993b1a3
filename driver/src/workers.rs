//! [`Workers`]: who belongs to the cluster. A small state machine; time is an argument, so it can be tested
//! without waiting.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rookery_proto::{ErrorClass, Failure, PROTOCOL_VERSION};
use rookery_tls::is_this_machine;
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use crate::metrics::Counters;

mod waiting;

/// How many workers that are gone are remembered, with the reason.
const GONE_KEPT: usize = 100;

/// Bytes of the partitions and blocks that a worker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeldBytes {
    /// In memory.
    pub memory: u64,
    /// On disk, beyond its memory limit.
    pub disk: u64,
}

/// A worker as the driver knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerInfo {
    /// Its name, `w1`, `w2` ...
    pub id: String,
    /// Where it is reached.
    pub url: Url,
    /// Threads it computes with.
    pub threads: usize,
    /// Whether it can be given work.
    pub state: WorkerState,
    /// Why it is in this state.
    pub reason: String,
    /// What it held when it was last heard of.
    pub held: HeldBytes,
    /// Its process, on its own machine.
    pub pid: u32,
    last_heartbeat: Instant,
    dismissal: Option<Dismissal>,
}

/// Somebody wants a worker to go.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Dismissal {
    reason: String,
    /// Whether it does not wait for the jobs that need it.
    force: bool,
}

/// What a worker can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerState {
    /// It has registered; whether it can be reached is being tried.
    Joining,
    /// It can be given work.
    Active,
    /// It wants to go: it serves what it holds, and is given nothing new.
    Draining,
    /// It stopped sending heartbeats, or did not answer.
    Lost,
    /// It said goodbye.
    Left,
}

impl WorkerState {
    /// All of them, in the words of people.
    pub(crate) const NAMES: [&str; 5] = ["joining", "active", "draining", "lost", "left"];

    /// In the words of people.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Whether what it holds can still be asked for.
    pub(crate) fn is_there(self) -> bool {
        matches!(self, Self::Active | Self::Draining)
    }
}

/// What a worker says of itself.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Where it is reached.
    pub url: String,
    /// Its version of the wire contract.
    pub protocol_version: u32,
    /// The release it is of.
    pub build_version: String,
    /// Threads it computes with.
    pub threads: u32,
    /// What it holds already.
    pub held: HeldBytes,
    /// Its process, on its own machine.
    pub pid: u32,
}

/// What a worker is told that speaks another version of the wire contract.
pub(crate) fn of_another_protocol(version: u32, release: &str) -> Failure {
    let ours = env!("CARGO_PKG_VERSION");
    Failure::new(
        ErrorClass::Config,
        format!(
            "the worker (rookery {release}) speaks protocol version {version}, this driver (rookery {ours}) speaks {PROTOCOL_VERSION}"
        ),
    )
    .hint("run the same release of rookery on driver and workers")
}

/// The cluster's workers, and what jobs need of them.
#[derive(Debug, Default)]
pub struct Workers {
    inner: Mutex<Inner>,
    /// Counts the changes of anybody's state.
    changes: watch::Sender<u64>,
    /// For whoever watches the cluster.
    pub(crate) counters: Counters,
}

#[derive(Debug, Default)]
struct Inner {
    next_id: u64,
    workers: BTreeMap<String, WorkerInfo>,
    /// The id of the worker at each URL: a round looks up each of its workers.
    ids: HashMap<Url, String>,
    /// The workers that hold partitions of each dataset that a job needs.
    datasets: BTreeMap<String, BTreeSet<Url>>,
}

impl Inner {
    /// Forgets the oldest of those that are gone, if they are many.
    fn forget_gone(&mut self) {
        let gone = self
            .workers
            .values()
            .filter(|worker| matches!(worker.state, WorkerState::Lost | WorkerState::Left));
        let mut gone: Vec<(Instant, String)> = gone
            .map(|worker| (worker.last_heartbeat, worker.id.clone()))
            .collect();
        gone.sort();
        for (_, id) in gone.iter().take(gone.len().saturating_sub(GONE_KEPT)) {
            self.remove(id);
        }
    }

    fn add(&mut self, worker: WorkerInfo) {
        self.ids.insert(worker.url.clone(), worker.id.clone());
        self.workers.insert(worker.id.clone(), worker);
    }

    fn remove(&mut self, id: &str) {
        if let Some(worker) = self.workers.remove(id) {
            self.ids.remove(&worker.url);
        }
    }

    fn at(&self, url: &Url) -> Option<&WorkerInfo> {
        self.workers.get(self.ids.get(url)?)
    }
}

impl Workers {
    /// Adds a worker, or replaces the one that had its URL.
    ///
    /// # Errors
    /// Another protocol version; a URL that is none.
    pub fn register(&self, registration: &Registration, now: Instant) -> Result<WorkerInfo, Failure> {
        if registration.protocol_version != PROTOCOL_VERSION {
            return Err(of_another_protocol(
                registration.protocol_version,
                &registration.build_version,
            ));
        }
        let url = Url::parse(&registration.url).map_err(|e| {
            Failure::new(
                ErrorClass::Config,
                format!("\"{}\" is no worker URL: {e}", registration.url),
            )
        })?;
        let mut inner = self.lock();
        if let Some(former) = inner.ids.get(&url).cloned() {
            inner.remove(&former);
        }
        inner.forget_gone();
        inner.next_id += 1;
        let worker = WorkerInfo {
            id: format!("w{}", inner.next_id),
            url,
            threads: registration.threads.max(1) as usize,
            state: WorkerState::Joining,
            reason: "registered".to_string(),
            held: registration.held,
            pid: registration.pid,
            last_heartbeat: now,
            dismissal: None,
        };
        inner.add(worker.clone());
        drop(inner);
        self.changed();
        Ok(worker)
    }

    /// Notes that the driver has reached a worker that joins.
    pub fn reached(&self, id: &str) {
        self.change(id, |worker| {
            if worker.state == WorkerState::Joining {
                worker.state = WorkerState::Active;
                worker.reason = "the driver reaches it".to_string();
            }
        });
    }

    /// Notes that the worker at `url` did not answer. If it lives, it learns so and registers again.
    pub fn suspect(&self, url: &Url, reason: &str) {
        let found = self.lock().ids.get(url).cloned();
        let Some(id) = found else { return };
        self.change(&id, |worker| {
            if worker.state != WorkerState::Left && worker.state != WorkerState::Lost {
                worker.state = WorkerState::Lost;
                worker.reason = reason.to_string();
                self.counters.workers_lost.inc();
            }
        });
    }

    /// Notes how the process of a worker on the driver's machine has ended. One that has left said so itself.
    pub fn ended(&self, pid: u32, reason: &str) {
        let is_it = |worker: &WorkerInfo| worker.pid == pid && is_this_machine(&worker.url);
        // The newest: process ids are used again.
        let found = self.all().into_iter().rev().find(is_it);
        let Some(found) = found else { return };
        self.change(&found.id, |worker| {
            if worker.state == WorkerState::Left {
                return;
            }
            if worker.state != WorkerState::Lost {
                worker.state = WorkerState::Lost;
                self.counters.workers_lost.inc();
            }
            worker.reason = reason.to_string();
        });
    }

    /// Notes that a worker lives and what it holds; `false` if it is unknown and must register again.
    pub fn heartbeat(&self, id: &str, held: HeldBytes, now: Instant) -> bool {
        match self.lock().workers.get_mut(id) {
            Some(worker) if worker.state.is_there() || worker.state == WorkerState::Joining => {
                worker.last_heartbeat = now;
                worker.held = held;
                true
            }
            _ => false,
        }
    }

    /// Wants a worker to go; it learns so from its next heartbeat. One that is not there is forgotten. `false` if there is
    /// none of that id.
    pub fn dismiss(&self, id: &str, reason: String, force: bool) -> bool {
        let mut inner = self.lock();
        let Some(worker) = inner.workers.get_mut(id) else {
            return false;
        };
        match worker.state {
            WorkerState::Lost | WorkerState::Left => {
                inner.remove(id);
            }
            WorkerState::Joining | WorkerState::Active | WorkerState::Draining => {
                worker.state = WorkerState::Draining;
                worker.reason.clone_from(&reason);
                worker.dismissal = Some(Dismissal { reason, force });
            }
        }
        drop(inner);
        self.changed();
        true
    }

    /// Whether the worker was told to go.
    pub fn is_dismissed(&self, id: &str) -> bool {
        let inner = self.lock();
        inner
            .workers
            .get(id)
            .is_some_and(|worker| worker.dismissal.is_some())
    }

    /// Notes that a worker wants to go. `true` as long as a job needs what it holds; then it must ask again.
    pub fn leave(&self, id: &str, reason: &str, now: Instant) -> bool {
        let mut pending = false;
        let needed = |inner: &Inner, url: &Url| inner.datasets.values().any(|holders| holders.contains(url));
        let mut inner = self.lock();
        let url = inner.workers.get(id).map(|worker| worker.url.clone());
        if let Some(url) = url {
            pending = needed(&inner, &url);
        }
        if let Some(worker) = inner.workers.get_mut(id) {
            worker.last_heartbeat = now;
            // Nothing that it would wait for can be moved away from a worker that is lost to the driver.
            pending &= worker.state.is_there();
            pending &= !worker.dismissal.as_ref().is_some_and(|dismissal| dismissal.force);
            worker.state = if pending {
                WorkerState::Draining
            } else {
                WorkerState::Left
            };
            worker.reason = match &worker.dismissal {
                Some(dismissal) => dismissal.reason.clone(),
                None => reason.to_string(),
            };
        }
        drop(inner);
        self.changed();
        pending
    }

    /// Says which workers hold partitions of a dataset that a job needs.
    pub fn hold(&self, dataset: &str, holders: BTreeSet<Url>) {
        self.lock().datasets.insert(dataset.to_string(), holders);
    }

    /// Says that no job needs a dataset any more.
    pub fn let_go(&self, dataset: &str) {
        self.lock().datasets.remove(dataset);
    }

    /// Those of the datasets that no job needs.
    pub fn unneeded(&self, datasets: Vec<String>) -> Vec<String> {
        let inner = self.lock();
        datasets
            .into_iter()
            .filter(|name| !inner.datasets.contains_key(name))
            .collect()
    }

    /// Counts workers without a heartbeat for `timeout` as lost, and returns those it lost now.
    pub fn sweep(&self, timeout: Duration, now: Instant) -> Vec<WorkerInfo> {
        let mut lost = Vec::new();
        for worker in self.lock().workers.values_mut() {
            let silent = now.saturating_duration_since(worker.last_heartbeat);
            let is_watched = worker.state.is_there() || worker.state == WorkerState::Joining;
            if is_watched && silent > timeout {
                worker.state = WorkerState::Lost;
                worker.reason = format!("no heartbeat for {:.1} s", silent.as_secs_f64());
                lost.push(worker.clone());
            }
        }
        if !lost.is_empty() {
            self.counters.workers_lost.inc_by(lost.len() as u64);
            self.changed();
        }
        lost
    }

    /// Every worker, those that are gone included, in the order in which they came.
    pub fn all(&self) -> Vec<WorkerInfo> {
        let mut workers: Vec<_> = self.lock().workers.values().cloned().collect();
        // `w2` before `w10`.
        workers.sort_by(|a, b| (a.id.len(), &a.id).cmp(&(b.id.len(), &b.id)));
        workers
    }

    /// Counts the changes of anybody's state: as long as it is the same, so are the states.
    pub(crate) fn version(&self) -> u64 {
        *self.changes.borrow()
    }

    /// The workers that can be given work, by URL.
    ///
    /// # Errors
    /// There is none.
    pub fn active(&self) -> Result<Vec<WorkerInfo>, Failure> {
        let mut active: Vec<_> = self
            .all()
            .into_iter()
            .filter(|w| w.state == WorkerState::Active)
            .collect();
        active.sort_by(|a, b| a.url.cmp(&b.url));
        if active.is_empty() {
            return Err(
                Failure::new(ErrorClass::Unreachable, "the cluster has no active worker")
                    .hint("start one with `rookery worker --driver URL`"),
            );
        }
        Ok(active)
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut WorkerInfo)) {
        if let Some(worker) = self.lock().workers.get_mut(id) {
            change(worker);
        }
        self.changed();
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
