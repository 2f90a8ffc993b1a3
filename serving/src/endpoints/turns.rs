//! [`Turns`]: how many requests are scored at once. The others wait in the order in which they came, for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{EndpointError, Kind};

/// The most requests that wait at once: each holds its body in memory.
const MAX_WAITING: usize = 1024;
/// When a client that was turned away should come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The turns of one served entity.
#[derive(Debug)]
pub(super) struct Turns {
    most: usize,
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Leaves the queue when it goes, also when the client has gone.
struct InQueue<'a>(&'a AtomicUsize);

impl Drop for InQueue<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Turns {
    /// So many at once.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            free: Arc::new(Semaphore::new(most)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Waits for a turn, which lasts as long as what is returned.
    ///
    /// # Errors
    /// It did not come in time.
    pub(super) async fn take(&self, within: Duration) -> Result<OwnedSemaphorePermit, EndpointError> {
        if let Ok(turn) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(turn);
        }
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _in_queue = InQueue(&self.waiting);
        if waiting >= MAX_WAITING {
            return Err(self.turned_away(&format!("{MAX_WAITING} wait already")));
        }
        match tokio::time::timeout(within, Arc::clone(&self.free).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(self.turned_away(&format!(
                "this one did not get its turn within {} ms",
                within.as_millis()
            ))),
        }
    }

    fn turned_away(&self, why: &str) -> EndpointError {
        let message = format!(
            "{} requests are scored at once, and {why}: send fewer at once, or take a larger workload_size",
            self.most
        );
        EndpointError {
            retry_after: Some(RETRY_AFTER),
            ..EndpointError::new(Kind::Busy, message)
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many are being scored.
    pub(super) fn running(&self) -> usize {
        self.most.saturating_sub(self.free.available_permits())
    }

    /// How many may be scored at once.
    pub(super) fn most(&self) -> usize {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_fifth_of_four_waits_and_is_turned_away_in_the_end() {
        let turns = Turns::new(4);
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(turns.take(Duration::ZERO).await.unwrap());
        }
        assert_eq!((turns.running(), turns.waiting()), (4, 0));
        let error = turns.take(Duration::from_millis(20)).await.unwrap_err();
        assert_eq!((error.kind, error.retry_after), (Kind::Busy, Some(RETRY_AFTER)));
        assert!(
            error.message.contains("4 requests") && error.message.contains("20 ms"),
            "{error}"
        );
        assert_eq!(turns.waiting(), 0);

        let waits = turns.take(Duration::from_secs(60));
        let frees = async {
            while turns.waiting() == 0 {
                tokio::task::yield_now().await;
            }
            held.pop();
        };
        assert!(tokio::join!(waits, frees).0.is_ok());
    }

    #[tokio::test]
    async fn the_queue_has_an_end() {
        let turns = Turns::new(1);
        let _held = turns.take(Duration::ZERO).await.unwrap();
        let waits = (0..MAX_WAITING).map(|_| turns.take(Duration::from_secs(60)));
        let mut waits = std::pin::pin!(futures::future::join_all(waits));
        assert!(futures::poll!(waits.as_mut()).is_pending());
        assert_eq!(turns.waiting(), MAX_WAITING);
        let error = turns.take(Duration::from_secs(60)).await.unwrap_err();
        assert!(
            error.kind == Kind::Busy && error.message.contains("1024 wait already"),
            "{error}"
        );
        assert_eq!(turns.waiting(), MAX_WAITING);
    }
}
