//! Readers: a few connections beside the writer's. They neither wait for it nor hold it up.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::fault::Sql;
use super::pool::Connect;
use super::session::Session;
use crate::error::TrackingError;
use crate::store::Result;

/// How many reads run at once. They run on blocking threads, and more would only fight for one disk.
const READERS_MAX: usize = 4;
/// How long a read waits for its turn.
const READ_WAIT: Duration = Duration::from_secs(30);

pub(super) struct Readers {
    permits: Arc<Semaphore>,
    pool: Arc<Pool>,
}

struct Pool {
    connect: Arc<dyn Connect>,
    /// Open connections nobody uses now: at most one per permit.
    idle: Mutex<Vec<Box<dyn Session>>>,
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers")
            .field("database", &self.pool.connect.name())
            .finish_non_exhaustive()
    }
}

impl Readers {
    pub(super) fn new(connect: Arc<dyn Connect>) -> Self {
        let pool = Pool {
            connect,
            idle: Mutex::new(Vec::new()),
        };
        Readers {
            permits: Arc::new(Semaphore::new(READERS_MAX)),
            pool: Arc::new(pool),
        }
    }

    /// Runs the work in a read transaction: all its queries see the same state of the database.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&dyn Session) -> Sql<T> + Send + 'static,
    ) -> Result<T> {
        let permit = timeout(READ_WAIT, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_| TrackingError::Busy {
                action: action.to_owned(),
                waited_ms: READ_WAIT.as_millis() as u64,
            })?
            .map_err(|_| TrackingError::Closed)?;
        let pool = Arc::clone(&self.pool);
        tokio::task::spawn_blocking(move || {
            // Held here, not by the caller: who stops waiting does not stop the read.
            let _permit = permit;
            pool.run(work).map_err(|fault| fault.into_error(action))
        })
        .await
        .map_err(|error| TrackingError::storage(action, error))?
    }
}

impl Pool {
    fn run<T>(&self, work: impl FnOnce(&dyn Session) -> Sql<T>) -> Sql<T> {
        let idle = self.lock().pop().filter(|session| !session.is_broken());
        let session = idle.map_or_else(|| self.connect.reader(), Ok)?;
        session.batch(session.dialect().begin_read())?;
        let answer = work(&*session)?;
        session.batch("COMMIT")?;
        // A connection that saw an error is closed instead: what state it is in is not worth knowing.
        self.lock().push(session);
        Ok(answer)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Box<dyn Session>>> {
        self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
