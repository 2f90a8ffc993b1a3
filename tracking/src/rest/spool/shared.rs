//! What the callers and the delivering task share.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, watch};

use super::Pending;
use super::folder::{self, Folder, Log};
use super::ids::Ids;
use super::operation::{Entry, Operation};
use super::view::View;
use crate::environment::{Environment, SystemEnvironment};
use crate::error::TrackingError;
use crate::store::Result;

#[derive(Debug)]
pub(super) struct Shared {
    folder: PathBuf,
    /// Held while an operation is checked, written and shown: so the file's order is the view's.
    writer: Mutex<Writer>,
    /// What is in the folder, as the caller knows it. Held briefly, never over a write.
    view: Mutex<View>,
    queue: Mutex<VecDeque<Arc<Entry>>>,
    ids: Mutex<Ids>,
    pub(super) progress: watch::Sender<Pending>,
    pub(super) wake: Notify,
    /// Keeps other processes out; released by [`close`](Self::close), once the last writer that holds it is done.
    lock: Mutex<Option<Arc<File>>>,
}

#[derive(Debug)]
struct Writer {
    operations: Log,
    next_sequence: u64,
    /// Nothing is written any more: the folder may be gone.
    is_closed: bool,
}

/// What only the delivering task writes.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) delivered: Arc<Mutex<Log>>,
    pub(super) rejected: Arc<Mutex<Log>>,
    /// Refused, and on disk as refused, but not yet acknowledged: a crash came in between.
    pub(super) refused: Vec<u64>,
}

impl Shared {
    pub(super) fn new(folder: Folder) -> (Self, Records) {
        let mut ids = Ids::default();
        let mut view = View::default();
        for entry in &folder.entries {
            view.apply(&entry.operation, entry.at_ms);
        }
        // One is acknowledged after the other.
        let done = folder.acknowledged.last().map_or(0, |last| last.sequence);
        for acknowledged in folder.acknowledged {
            if acknowledged.rejected {
                let refused = folder
                    .entries
                    .iter()
                    .find(|entry| entry.sequence == acknowledged.sequence);
                if let Some(local_id) = refused.and_then(|entry| entry.operation.makes()) {
                    ids.bury(local_id);
                }
            }
            ids.learn(acknowledged.ids);
        }
        let next_sequence = folder.entries.last().map_or(0, |last| last.sequence) + 1;
        let entries = folder.entries.into_iter();
        let queue: VecDeque<_> = entries
            .filter(|entry| entry.sequence > done)
            .map(Arc::new)
            .collect();
        let pending = Pending {
            operations: queue.len(),
            rejected: folder.refusals.len(),
            last_error: None,
        };
        let shared = Shared {
            folder: folder.path,
            writer: Mutex::new(Writer {
                operations: folder.operations,
                next_sequence,
                is_closed: false,
            }),
            view: Mutex::new(view),
            queue: Mutex::new(queue),
            ids: Mutex::new(ids),
            progress: watch::Sender::new(pending),
            wake: Notify::new(),
            lock: Mutex::new(Some(Arc::new(folder.lock))),
        };
        let records = Records {
            delivered: Arc::new(Mutex::new(folder.delivered)),
            rejected: Arc::new(Mutex::new(folder.rejected)),
            refused: folder.refusals.iter().map(|refusal| refusal.sequence).collect(),
        };
        (shared, records)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn view(&self) -> MutexGuard<'_, View> {
        lock(&self.view)
    }

    pub(super) fn ids(&self) -> MutexGuard<'_, Ids> {
        lock(&self.ids)
    }

    /// Returns a share of the folder's lock, for a write that may outlast its task.
    pub(super) fn hold(&self) -> Option<Arc<File>> {
        lock(&self.lock).clone()
    }

    pub(super) fn first(&self) -> Option<Arc<Entry>> {
        lock(&self.queue).front().cloned()
    }

    /// The first operation is acknowledged on disk.
    pub(super) fn advance(&self, rejected: bool) {
        lock(&self.queue).pop_front();
        self.progress.send_modify(|pending| {
            pending.operations = lock(&self.queue).len();
            pending.rejected += usize::from(rejected);
            pending.last_error = None;
        });
    }

    /// Takes no more operations, and removes the folder if nothing in it is needed any more. Both under the lock of the
    /// writers: what was recorded at the last moment is not removed.
    pub(super) async fn close(self: &Arc<Self>) -> Result<Pending> {
        let shared = Arc::clone(self);
        blocking(move || {
            let mut writer = lock(&shared.writer);
            let pending = shared.progress.borrow().clone();
            if pending.operations == 0 && pending.rejected == 0 && !writer.is_closed {
                folder::remove(&shared.folder)?;
            }
            writer.is_closed = true;
            *lock(&shared.lock) = None;
            Ok(pending)
        })
        .await
    }

    /// Writes an operation down. When this returns, it is on disk and shown.
    pub(super) async fn record(self: &Arc<Self>, operation: Operation) -> Result<()> {
        let shared = Arc::clone(self);
        blocking(move || shared.write(operation, None)).await
    }

    pub(super) async fn record_with_file(
        self: &Arc<Self>,
        operation: Operation,
        content: Vec<u8>,
    ) -> Result<()> {
        let shared = Arc::clone(self);
        blocking(move || shared.write(operation, Some(content))).await
    }

    /// Runs to its end on a thread of its own even if the caller stops waiting, so that disk, view and queue agree.
    fn write(&self, operation: Operation, content: Option<Vec<u8>>) -> Result<()> {
        let mut writer = lock(&self.writer);
        if writer.is_closed {
            return Err(TrackingError::Closed);
        }
        self.view().check(&operation)?;
        let entry = Entry {
            sequence: writer.next_sequence,
            at_ms: SystemEnvironment.now_ms(),
            operation,
        };
        if let Some(content) = content {
            folder::write_file(&self.folder, entry.sequence, &content)?;
        }
        writer.operations.append(&entry)?;
        writer.next_sequence += 1;
        self.view().apply(&entry.operation, entry.at_ms);
        lock(&self.queue).push_back(Arc::new(entry));
        self.progress
            .send_modify(|pending| pending.operations = lock(&self.queue).len());
        self.wake.notify_one();
        Ok(())
    }
}

/// Runs what waits for the disk on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| TrackingError::storage("writing to the spool folder", error))?
}

/// Nothing under these locks is left half done by a panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
