//! The one writer: a thread that owns the write connection and takes its work from a bounded queue.
//!
//! Whatever waits in the queue is committed as one group, each piece of work behind its own savepoint: a piece that
//! fails takes nothing with it, and everyone hears only after the commit. SQLite allows one writer per file anyway, and
//! in PostgreSQL we take a lock to the same effect; a queue in front of it is fair where a file lock is not, and it
//! makes one disk sync serve many writes.

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::fault::{Fault, Sql};
use super::pool::Connect;
use super::session::Session;
use crate::error::TrackingError;
use crate::store::Result;

/// How many writes may wait in the queue; more wait before it.
const QUEUE_LENGTH: usize = 256;
/// How many writes share one commit at most, so that the first of them is not kept waiting by the rest.
const GROUP_MAX: usize = 64;
/// How long a write may take from the call to the answer.
const WRITE_WAIT: Duration = Duration::from_secs(30);

/// The handle to the writer's queue. The thread ends when the last handle is gone and the queue is empty.
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("free_places", &self.queue.capacity())
            .finish()
    }
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(connect: Arc<dyn Connect>, session: Box<dyn Session>) -> Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE_LENGTH);
        thread::Builder::new()
            .name("tracking-writer".to_owned())
            .spawn(move || serve(&*connect, session, jobs))
            .map_err(|error| TrackingError::storage("starting the tracking writer", error))?;
        Ok(Writer { queue })
    }

    /// Runs the work in a transaction and returns its answer once that is on disk. If the caller stops waiting, the
    /// write may happen or not; all writes of the store can be repeated.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&dyn Session) -> Sql<T> + Send + 'static,
    ) -> Result<T> {
        let deadline = Instant::now() + WRITE_WAIT;
        let busy = |_| TrackingError::Busy {
            action: action.to_owned(),
            waited_ms: WRITE_WAIT.as_millis() as u64,
        };
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Write {
            action,
            work: Some(work),
            outcome: None,
            reply,
        });
        timeout_at(deadline, self.queue.send(job))
            .await
            .map_err(busy)?
            .map_err(|_| TrackingError::Closed)?;
        timeout_at(deadline, answer)
            .await
            .map_err(busy)?
            .map_err(|_| TrackingError::Closed)?
    }
}

fn serve(connect: &dyn Connect, mut session: Box<dyn Session>, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = jobs.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP_MAX
            && let Ok(next) = jobs.try_recv()
        {
            group.push(next);
        }
        // Nobody waits any more for a job that was given up in the queue: it would only delay the others.
        group.retain(|job| job.is_awaited());
        let committed = reconnect(connect, &mut session).and_then(|()| commit_group(&*session, &mut group));
        if committed.is_err() {
            // The first error is the one to report. If no transaction is open this fails, and nothing is lost by it.
            let _ = session.batch("ROLLBACK");
        }
        for job in group {
            job.answer(committed.clone());
        }
    }
}

/// Replaces a connection that the server has closed.
fn reconnect(connect: &dyn Connect, session: &mut Box<dyn Session>) -> Result<()> {
    if session.is_broken() {
        *session = connect
            .writer()
            .map_err(|fault| fault.into_error("connecting to the tracking database again"))?;
    }
    Ok(())
}

fn commit_group(session: &dyn Session, group: &mut [Box<dyn Job>]) -> Result<()> {
    let run = |sql: &str, action| session.batch(sql).map_err(|fault| fault.into_error(action));
    if group.is_empty() {
        return Ok(());
    }
    run(
        session.dialect().begin_write(),
        "beginning a write to the tracking database",
    )?;
    for job in group {
        run("SAVEPOINT job", "writing to the tracking database")?;
        if job.apply(session) {
            run("RELEASE SAVEPOINT job", "writing to the tracking database")?;
        } else {
            // Errors such as a full disk end the whole transaction; then this fails, and the group with it.
            run(
                "ROLLBACK TO SAVEPOINT job; RELEASE SAVEPOINT job",
                "undoing a write to the tracking database",
            )?;
        }
    }
    run("COMMIT", "committing to the tracking database")
}

/// A piece of work whose answer waits for the commit.
trait Job: Send {
    /// Does the work, and returns whether it is to be kept.
    fn apply(&mut self, session: &dyn Session) -> bool;
    /// Tells the caller. Work that failed by itself reports its own error, whatever became of the group.
    fn answer(self: Box<Self>, committed: Result<()>);
    /// Returns whether the caller still waits.
    fn is_awaited(&self) -> bool;
}

struct Write<T, F> {
    action: &'static str,
    work: Option<F>,
    outcome: Option<std::result::Result<T, Fault>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnOnce(&dyn Session) -> Sql<T> + Send> Job for Write<T, F> {
    fn apply(&mut self, session: &dyn Session) -> bool {
        self.outcome = self.work.take().map(|work| work(session));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        let answer = match (self.outcome, committed) {
            (Some(Err(fault)), _) => Err(fault.into_error(self.action)),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(error)) => Err(error),
            (None, Ok(())) => Err(TrackingError::Closed),
        };
        // A caller that no longer waits does not want to know.
        let _ = self.reply.send(answer);
    }

    fn is_awaited(&self) -> bool {
        !self.reply.is_closed()
    }
}
