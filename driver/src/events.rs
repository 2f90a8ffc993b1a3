//! [`EventLog`]: what happened in a job, in order. Watchers read it from any point on and wait for more; the
//! last entry says how the job ended. With a journal they see what is written there: what was seen once is never
//! taken back by a restart.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rookery_proto::v1::JobEvent;
use rookery_proto::v1::job_event::Event;
use tokio::sync::watch;

use crate::journal::Journal;

/// The events of one job.
#[derive(Debug)]
pub struct EventLog {
    job_id: String,
    events: Mutex<Vec<JobEvent>>,
    /// Number of the last event that watchers may see.
    shown: watch::Sender<u64>,
    journal: Option<Journal>,
}

impl EventLog {
    /// A log that begins with what happened before the driver was started anew, if anything did.
    pub(crate) fn new(job_id: &str, before: Vec<JobEvent>, journal: Option<Journal>) -> Self {
        Self {
            job_id: job_id.to_string(),
            shown: watch::Sender::new(before.len() as u64),
            events: Mutex::new(before),
            journal,
        }
    }

    /// Appends an event, stamped with the next sequence number and the time.
    pub(crate) fn push(self: &Arc<Self>, event: Event) {
        let mut events = self.lock();
        let event = JobEvent {
            job_id: self.job_id.clone(),
            sequence: events.len() as u64 + 1,
            timestamp_ms: now_ms(),
            event: Some(event),
        };
        events.push(event.clone());
        match &self.journal {
            // While the lock is held, so that they are written in their order.
            Some(journal) => journal.event(Arc::clone(self), event),
            None => self.show(event.sequence),
        }
    }

    /// Lets watchers see the events up to this number.
    pub(crate) fn show(&self, sequence: u64) {
        self.shown.send_if_modified(|shown| {
            let is_later = sequence > *shown;
            *shown = sequence.max(*shown);
            is_later
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<JobEvent>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing has happened yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// The runs that were started, in order.
    pub(crate) fn run_ids(&self) -> Vec<String> {
        let events = self.lock();
        let started = events.iter().filter_map(|event| match &event.event {
            Some(Event::RunStarted(run)) => Some(run.run_id.clone()),
            _ => None,
        });
        started.collect()
    }

    /// The events after number `sequence` that there are.
    pub fn so_far(&self, sequence: u64) -> Vec<JobEvent> {
        let shown = *self.shown.borrow();
        let events = self.lock();
        let events = events.iter().take(shown as usize).skip(sequence as usize);
        events.cloned().collect()
    }

    /// The events after number `sequence`, at least one: waits for the next if there is none yet.
    pub async fn after(&self, sequence: u64) -> Vec<JobEvent> {
        let mut shown = self.shown.subscribe();
        // The sender lives as long as the log, so the wait can't fail.
        let _ = shown.wait_for(|shown| *shown > sequence).await;
        self.so_far(sequence)
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_millis() as i64)
}

/// Whether this event ends its job's stream.
pub(crate) fn is_last(event: &JobEvent) -> bool {
    matches!(event.event, Some(Event::Finished(_)))
}

#[cfg(test)]
mod tests {
    use rookery_proto::v1::Warning;

    use super::*;

    fn warning(text: &str) -> Event {
        Event::Warning(Warning {
            message: text.to_string(),
        })
    }

    #[tokio::test]
    async fn a_watcher_reads_what_was_and_waits_for_what_comes() {
        let log = Arc::new(EventLog::new("j", Vec::new(), None));
        log.push(warning("one"));
        assert_eq!(log.after(0).await.len(), 1);
        let waiting = tokio::spawn({
            let log = Arc::clone(&log);
            async move { log.after(1).await }
        });
        log.push(warning("two"));
        let events = waiting.await.unwrap();
        assert_eq!(events.iter().map(|e| e.sequence).collect::<Vec<_>>(), [2]);
    }
}
