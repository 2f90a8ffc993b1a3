//! [`EventLog`]: what happened in a job, in order. Watchers read it from any point on and wait for more; the
//! last entry says how the job ended.

use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rookery_proto::v1::JobEvent;
use rookery_proto::v1::job_event::Event;
use tokio::sync::watch;

/// The events of one job.
#[derive(Debug)]
pub struct EventLog {
    job_id: String,
    events: Mutex<Vec<JobEvent>>,
    /// Number of events so far.
    count: watch::Sender<usize>,
}

impl EventLog {
    /// An empty log.
    pub fn new(job_id: &str) -> Self {
        Self {
            job_id: job_id.to_string(),
            events: Mutex::default(),
            count: watch::Sender::new(0),
        }
    }

    /// Appends an event, stamped with the next sequence number and the time.
    pub fn push(&self, event: Event) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let sequence = events.len() as u64 + 1;
        events.push(JobEvent {
            job_id: self.job_id.clone(),
            sequence,
            timestamp_ms: now_ms(),
            event: Some(event),
        });
        self.count.send_replace(events.len());
    }

    /// The runs that were started, in order.
    pub(crate) fn run_ids(&self) -> Vec<String> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let started = events.iter().filter_map(|event| match &event.event {
            Some(Event::RunStarted(run)) => Some(run.run_id.clone()),
            _ => None,
        });
        started.collect()
    }

    /// The events after number `sequence` that there are.
    pub fn so_far(&self, sequence: u64) -> Vec<JobEvent> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().skip(sequence as usize).cloned().collect()
    }

    /// The events after number `sequence`, at least one: waits for the next if there is none yet.
    pub async fn after(&self, sequence: u64) -> Vec<JobEvent> {
        let mut count = self.count.subscribe();
        // The sender lives as long as the log, so the wait can't fail.
        let _ = count.wait_for(|count| *count as u64 > sequence).await;
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().skip(sequence as usize).cloned().collect()
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
    use std::sync::Arc;

    use rookery_proto::v1::Warning;

    use super::*;

    fn warning(text: &str) -> Event {
        Event::Warning(Warning {
            message: text.to_string(),
        })
    }

    #[tokio::test]
    async fn a_watcher_reads_what_was_and_waits_for_what_comes() {
        let log = Arc::new(EventLog::new("j"));
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
