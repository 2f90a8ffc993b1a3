//! [`Workers`]: who belongs to the cluster. A small state machine; time is an argument, so it can be tested
//! without waiting.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rookery_proto::{ErrorClass, Failure, PROTOCOL_VERSION};
use tokio::time::Instant;
use url::Url;

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
    last_heartbeat: Instant,
}

/// Whether a worker can be given work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerState {
    /// It can.
    Active,
    /// It stopped sending heartbeats.
    Lost,
    /// It said goodbye.
    Left,
}

/// What a worker says of itself.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Where it is reached.
    pub url: String,
    /// Its version of the wire contract.
    pub protocol_version: u32,
    /// Threads it computes with.
    pub threads: u32,
}

/// The cluster's workers.
#[derive(Debug, Default)]
pub struct Workers {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next_id: u64,
    workers: BTreeMap<String, WorkerInfo>,
}

impl Workers {
    /// Adds a worker, or replaces the one that had its URL.
    ///
    /// # Errors
    /// Another protocol version; a URL that is none.
    pub fn register(&self, registration: &Registration, now: Instant) -> Result<WorkerInfo, Failure> {
        if registration.protocol_version != PROTOCOL_VERSION {
            return Err(Failure::new(
                ErrorClass::Config,
                format!(
                    "the worker speaks protocol version {}, this driver speaks {PROTOCOL_VERSION}",
                    registration.protocol_version
                ),
            )
            .hint("run the same release of rookery on driver and workers"));
        }
        let url = Url::parse(&registration.url).map_err(|e| {
            Failure::new(
                ErrorClass::Config,
                format!("\"{}\" is no worker URL: {e}", registration.url),
            )
        })?;
        let mut inner = self.lock();
        inner.workers.retain(|_, worker| worker.url != url);
        inner.next_id += 1;
        let worker = WorkerInfo {
            id: format!("w{}", inner.next_id),
            url,
            threads: registration.threads.max(1) as usize,
            state: WorkerState::Active,
            reason: "registered".to_string(),
            last_heartbeat: now,
        };
        inner.workers.insert(worker.id.clone(), worker.clone());
        Ok(worker)
    }

    /// Notes that a worker lives; `false` if it is unknown and must register again.
    pub fn heartbeat(&self, id: &str, now: Instant) -> bool {
        match self.lock().workers.get_mut(id) {
            Some(worker) if worker.state == WorkerState::Active => {
                worker.last_heartbeat = now;
                true
            }
            _ => false,
        }
    }

    /// Notes that a worker goes.
    pub fn leave(&self, id: &str, reason: &str) {
        if let Some(worker) = self.lock().workers.get_mut(id) {
            worker.state = WorkerState::Left;
            worker.reason = reason.to_string();
        }
    }

    /// Counts workers without a heartbeat for `timeout` as lost, and returns those it lost now.
    pub fn sweep(&self, timeout: Duration, now: Instant) -> Vec<WorkerInfo> {
        let mut lost = Vec::new();
        for worker in self.lock().workers.values_mut() {
            let silent = now.saturating_duration_since(worker.last_heartbeat);
            if worker.state == WorkerState::Active && silent > timeout {
                worker.state = WorkerState::Lost;
                worker.reason = format!("no heartbeat for {:.1} s", silent.as_secs_f64());
                lost.push(worker.clone());
            }
        }
        lost
    }

    /// Every worker, those that are gone included.
    pub fn all(&self) -> Vec<WorkerInfo> {
        self.lock().workers.values().cloned().collect()
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

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(port: u16) -> Registration {
        Registration {
            url: format!("http://127.0.0.1:{port}/"),
            protocol_version: PROTOCOL_VERSION,
            threads: 2,
        }
    }

    #[test]
    fn a_silent_worker_is_lost_and_must_register_again() {
        let (workers, start) = (Workers::default(), Instant::now());
        let worker = workers.register(&registration(1), start).unwrap();
        let timeout = Duration::from_secs(10);
        assert!(workers.heartbeat(&worker.id, start + Duration::from_secs(5)));
        assert!(workers.sweep(timeout, start + Duration::from_secs(15)).is_empty());
        let lost = workers.sweep(timeout, start + Duration::from_secs(16));
        assert_eq!(lost[0].reason, "no heartbeat for 11.0 s");
        assert!(!workers.heartbeat(&worker.id, start + Duration::from_secs(17)));
        assert!(workers.active().is_err());
    }

    #[test]
    fn a_restarted_worker_replaces_itself() {
        let (workers, now) = (Workers::default(), Instant::now());
        let first = workers.register(&registration(1), now).unwrap();
        let second = workers.register(&registration(1), now).unwrap();
        assert_ne!(first.id, second.id);
        assert_eq!(workers.active().unwrap().len(), 1);
        assert!(!workers.heartbeat(&first.id, now));
    }

    #[test]
    fn another_protocol_is_refused_naming_both() {
        let mut other = registration(1);
        other.protocol_version = PROTOCOL_VERSION + 1;
        let failure = Workers::default().register(&other, Instant::now()).unwrap_err();
        assert_eq!(
            failure.message,
            "the worker speaks protocol version 2, this driver speaks 1"
        );
    }

    #[test]
    fn a_worker_that_left_gets_no_work() {
        let (workers, now) = (Workers::default(), Instant::now());
        let worker = workers.register(&registration(1), now).unwrap();
        workers.leave(&worker.id, "shutdown");
        let failure = workers.active().unwrap_err();
        assert_eq!(failure.class, ErrorClass::Unreachable);
    }
}
