//! [`Pool`]: one writer and a few readers of one database.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fault::Sql;
use super::readers::Readers;
use super::session::Session;
use super::writer::Writer;
use crate::store::Result;

/// Makes connections to one database.
pub(super) trait Connect: fmt::Debug + Send + Sync {
    /// Opens a connection that may write, creating what can be created.
    fn writer(&self) -> Sql<Box<dyn Session>>;

    /// Opens a connection that only reads.
    fn reader(&self) -> Sql<Box<dyn Session>>;

    /// What is done once with the writer's connection, after the schema's version is known to be right.
    fn prepare(&self, session: &dyn Session) -> Sql<()>;

    /// What to call the database in messages.
    fn name(&self) -> String;
}

/// Where the store's work is done.
pub(super) enum Pool {
    /// In the caller's thread, one at a time: no thread is started and no clock is asked, so it works in a simulation.
    Inline(Mutex<Box<dyn Session>>),
    /// On threads of its own.
    Threads { writer: Writer, readers: Readers },
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pool::Inline(_) => f.write_str("Inline"),
            Pool::Threads { writer, readers } => f.debug_list().entry(writer).entry(readers).finish(),
        }
    }
}

impl Pool {
    pub(super) fn inline(session: Box<dyn Session>) -> Self {
        Pool::Inline(Mutex::new(session))
    }

    pub(super) fn threads(connect: &Arc<dyn Connect>, session: Box<dyn Session>) -> Result<Self> {
        Ok(Pool::Threads {
            writer: Writer::start(Arc::clone(connect), session)?,
            readers: Readers::new(Arc::clone(connect)),
        })
    }

    /// Runs the work in a read transaction: all its queries see the same state of the database.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&dyn Session) -> Sql<T> + Send + 'static,
    ) -> Result<T> {
        match self {
            Pool::Inline(session) => {
                let session = locked(session);
                work(&**session).map_err(|fault| fault.into_error(action))
            }
            Pool::Threads { readers, .. } => readers.run(action, work).await,
        }
    }

    /// Runs the work in a transaction and returns its answer once that is on disk. If the caller stops waiting, the
    /// write may happen or not; all writes of the store can be repeated.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&dyn Session) -> Sql<T> + Send + 'static,
    ) -> Result<T> {
        match self {
            Pool::Inline(session) => {
                let session = locked(session);
                in_transaction(&**session, work).map_err(|fault| fault.into_error(action))
            }
            Pool::Threads { writer, .. } => writer.run(action, work).await,
        }
    }
}

fn locked(session: &Mutex<Box<dyn Session>>) -> MutexGuard<'_, Box<dyn Session>> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All of the work or, if it fails, nothing.
pub(super) fn in_transaction<T>(session: &dyn Session, work: impl FnOnce(&dyn Session) -> Sql<T>) -> Sql<T> {
    session.batch(session.dialect().begin_write())?;
    match work(session).and_then(|answer| session.batch("COMMIT").map(|()| answer)) {
        Ok(answer) => Ok(answer),
        Err(fault) => {
            // The first error is the one to report; this can only fail for the same reason.
            let _ = session.batch("ROLLBACK");
            Err(fault)
        }
    }
}
