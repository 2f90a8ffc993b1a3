//! Waiting for workers to come, and for one to go.

use std::time::Duration;

use rookery_proto::Failure;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{WorkerInfo, WorkerState, Workers};

impl Workers {
    /// Why the worker at `url` is gone; waits until it is. One that restarted there is another worker.
    pub async fn gone(&self, url: &Url) -> String {
        let mut changes = self.changes.subscribe();
        let first = self.lock().ids.get(url).cloned();
        loop {
            match (&first, self.lock().at(url)) {
                (Some(first), Some(now)) if now.id != *first => return "it was started anew".to_string(),
                (_, Some(now)) if now.state.is_there() => {}
                (_, Some(now)) => return now.reason.clone(),
                (_, None) => return "it is not registered".to_string(),
            }
            // The sender lives as long as this value.
            let _ = changes.changed().await;
        }
    }

    /// The workers that can be given work, by URL; waits for one as long as `wait` says.
    ///
    /// # Errors
    /// There was none all the time.
    pub async fn active_within(&self, wait: Duration) -> Result<Vec<WorkerInfo>, Failure> {
        let deadline = Instant::now() + wait;
        let mut changes = self.changes.subscribe();
        loop {
            match self.active() {
                Ok(active) => return Ok(active),
                Err(failure) => {
                    if timeout_at(deadline, changes.changed()).await.is_err() {
                        let lost = self
                            .all()
                            .into_iter()
                            .filter(|worker| worker.state == WorkerState::Lost);
                        let last = lost.max_by_key(|worker| worker.last_heartbeat);
                        let last = last.map_or_else(String::new, |worker| {
                            format!("; the last, {}, is lost: {}", worker.url, worker.reason)
                        });
                        let message = format!(
                            "{}, and none came within {} s{last}",
                            failure.message,
                            wait.as_secs_f64()
                        );
                        return Err(Failure { message, ..failure });
                    }
                }
            }
        }
    }
}
