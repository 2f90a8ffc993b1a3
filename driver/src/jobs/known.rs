//! [`Known`]: the jobs that a driver knows, and whose turn it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use rookery_proto::{ErrorClass, Failure};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{JobInfo, JobState, Submission};
use crate::events::{EventLog, now_ms};
use crate::queue::Queue;
use crate::scoring::Scores;
use crate::stop::Stop;

/// How many jobs that have ended are remembered, with their events.
const ENDED_KEPT: usize = 1000;

#[derive(Debug)]
pub(super) struct Known {
    pub(super) queue: Queue,
    /// In the order of their submission.
    pub(super) jobs: Vec<Entry>,
    /// Those who wait for their turn.
    pub(super) turns: BTreeMap<String, oneshot::Sender<()>>,
    /// When a job ended last, or when the driver began.
    pub(super) idle_since: Instant,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) info: JobInfo,
    pub(super) events: Arc<EventLog>,
    pub(super) stop: Stop,
    /// As it was handed in, if it was by a job file.
    pub(super) submission: Option<Submission>,
    /// Where its rows come out, for a scoring job whose rows nobody reads yet.
    pub(super) scores: Option<Scores>,
}

impl Known {
    /// Nothing yet; `most` jobs run at once.
    pub(super) fn new(most: usize) -> Self {
        Self {
            queue: Queue::new(most),
            jobs: Vec::new(),
            turns: BTreeMap::new(),
            idle_since: Instant::now(),
        }
    }

    pub(super) fn find(&mut self, id: &str) -> Option<&mut Entry> {
        self.jobs.iter_mut().find(|entry| entry.info.id == id)
    }

    /// Lets those start whose turn has come.
    pub(super) fn start_next(&mut self) {
        for id in self.queue.start() {
            if let Some(turn) = self.turns.remove(&id) {
                // One that does not wait any more is about to end.
                let _ = turn.send(());
            }
            if let Some(entry) = self.find(&id) {
                entry.info.state = JobState::Running;
                entry.info.started_ms = Some(now_ms());
            }
        }
    }

    /// Notes how a job ended, and lets the next start; returns the job that is forgotten for it, if there are many.
    pub(super) fn end(&mut self, id: &str, state: JobState, failure: Option<Failure>) -> Option<String> {
        if let Some(entry) = self.find(id) {
            entry.info.state = state;
            entry.info.failure = failure;
            entry.info.finished_ms = Some(now_ms());
        }
        self.idle_since = Instant::now();
        self.turns.remove(id);
        self.queue.end(id);
        self.start_next();
        let ended = self
            .jobs
            .iter()
            .filter(|entry| entry.info.finished_ms.is_some())
            .count();
        if ended <= ENDED_KEPT {
            return None;
        }
        let has_ended = |entry: &Entry| entry.info.finished_ms.is_some();
        let oldest = self.jobs.iter().position(has_ended)?;
        Some(self.jobs.remove(oldest).info.id)
    }

    /// The job that was submitted with the same key, if there is one.
    pub(super) fn same(&self, submission: &Submission) -> Result<Option<String>, Failure> {
        let Some(key) = &submission.idempotency_key else {
            return Ok(None);
        };
        let submitted = self
            .jobs
            .iter()
            .filter_map(|entry| Some((entry, entry.submission.as_ref()?)));
        for (entry, before) in submitted {
            match &before.idempotency_key {
                Some(other) if other == key && before.toml == submission.toml => {
                    return Ok(Some(entry.info.id.clone()));
                }
                Some(other) if other == key => {
                    let message = format!(
                        "{} was submitted with the idempotency key \"{key}\", and is another job",
                        entry.info.id
                    );
                    return Err(
                        Failure::new(ErrorClass::Config, message).hint("take another key for another job")
                    );
                }
                _ => {}
            }
        }
        Ok(None)
    }
}
