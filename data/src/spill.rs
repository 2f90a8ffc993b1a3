//! Beyond memory: how much of datasets a process keeps in memory, and the folder on its disk that takes the rest.
//!
//! Who came first stays in memory until it is released, and whoever finds no room goes to disk: passes over a dataset are
//! cyclic, and against those no policy of replacing what is in memory beats replacing nothing. What is on disk is read as a
//! whole when it is asked for and dropped after use; it is the same bits as in memory.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};

use crate::error::Result;

mod file;
mod folder;
mod partition;
mod pool;
mod rows;

pub use file::{AlignedBytes, SpillFile, Unreadable};
pub(crate) use partition::SpilledPartition;
pub(crate) use rows::SpilledRows;

use folder::SpillFolder;
use pool::LimitedPool;

/// How much memory a process may take for datasets and queries, and where the rest goes.
///
/// Up to half of it is for partitions, up to three quarters for partitions and blocks together; what is left of it is the
/// query engine's.
pub struct MemoryLimit {
    bytes: usize,
    held: AtomicUsize,
    /// What the engine's operators take, and what is held, which they must know of.
    pool: Arc<dyn MemoryPool>,
    folder: SpillFolder,
    finishing: Mutex<()>,
}

impl fmt::Debug for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLimit")
            .field("bytes", &self.bytes)
            .field("held", &self.held)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// What memory is held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A partition's rows.
    Partition,
    /// Blocks made of a partition.
    Blocks,
}

impl Purpose {
    /// How much may be held by all before no more is held for this.
    fn most_of(self, limit: usize) -> usize {
        match self {
            Purpose::Partition => limit / 2,
            Purpose::Blocks => limit / 4 * 3,
        }
    }
}

/// Memory that is held as long as this value lives.
#[derive(Debug)]
pub struct Held {
    limit: Arc<MemoryLimit>,
    bytes: usize,
    /// Lets the engine know.
    _reservation: MemoryReservation,
}

impl Held {
    /// How much it is.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.limit.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl MemoryLimit {
    /// A limit of `bytes` for the process that others reach as `owner`. What has no room goes to a new folder in `directory`,
    /// for the eyes of its owner alone, which ends with the process; what processes that were killed left there is removed.
    ///
    /// # Errors
    /// The folder can't be made.
    pub fn new(bytes: usize, directory: &Path, owner: &str) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            bytes,
            held: AtomicUsize::new(0),
            pool: Arc::new(LimitedPool::new(bytes, owner)),
            folder: SpillFolder::create(directory, owner)?,
            finishing: Mutex::new(()),
        }))
    }

    /// The limit.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes in files.
    pub fn disk_bytes(&self) -> u64 {
        self.folder.bytes()
    }

    /// Holds memory, if there is room.
    pub fn hold(self: &Arc<Self>, bytes: usize, purpose: Purpose) -> Option<Held> {
        let most = purpose.most_of(self.bytes);
        let with_it = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= most);
        let held = self
            .held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, with_it);
        held.ok()?;
        let reservation = MemoryConsumer::new("rookery datasets").register(&self.pool);
        reservation.grow(bytes);
        Some(Held {
            limit: Arc::clone(self),
            bytes,
            _reservation: reservation,
        })
    }

    /// Writes bytes to a file.
    ///
    /// # Errors
    /// The operating system says no: mostly, the disk is full.
    pub fn write(&self, bytes: &AlignedBytes) -> Result<SpillFile> {
        let mut writer = self.folder.file()?;
        writer.put(bytes.as_bytes())?;
        writer.finish()
    }

    /// Removes all files. What is asked for from now on is lost: the process is about to end.
    pub fn close(&self) {
        self.folder.remove();
    }

    pub(crate) fn folder(&self) -> &SpillFolder {
        &self.folder
    }

    pub(crate) fn pool(&self) -> &Arc<dyn MemoryPool> {
        &self.pool
    }

    /// Lets one partition after the other be put in order: that takes its size some times over.
    pub(crate) fn finish_alone(&self) -> MutexGuard<'_, ()> {
        self.finishing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(bytes: usize) -> (tempfile::TempDir, Arc<MemoryLimit>) {
        let folder = tempfile::tempdir().unwrap();
        let limit = MemoryLimit::new(bytes, folder.path(), "http://here/").unwrap();
        (folder, limit)
    }

    #[test]
    fn who_comes_first_holds_memory_until_it_goes() {
        let (_folder, limit) = limit(1000);
        let first = limit.hold(400, Purpose::Partition).unwrap();
        assert!(
            limit.hold(101, Purpose::Partition).is_none(),
            "half is for partitions"
        );
        let _blocks = limit.hold(350, Purpose::Blocks).unwrap();
        assert!(
            limit.hold(1, Purpose::Blocks).is_none(),
            "a quarter is the engine's"
        );
        assert_eq!(limit.pool().reserved(), 750);
        drop(first);
        assert_eq!(limit.pool().reserved(), 350);
        assert!(limit.hold(150, Purpose::Partition).is_some());
        assert!(limit.hold(usize::MAX, Purpose::Blocks).is_none());
    }

    #[test]
    fn bytes_come_back_and_their_file_goes_with_its_value() {
        let (folder, limit) = limit(1000);
        let bytes = AlignedBytes::filled(128, |bytes| bytes[5] = 7);
        let file = limit.write(&bytes).unwrap();
        assert_eq!(limit.disk_bytes(), 128);
        assert_eq!(file.read().unwrap().as_bytes(), bytes.as_bytes());
        drop(file);
        assert_eq!(limit.disk_bytes(), 0);
        let files = || std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files(), 1);
        limit.close();
        assert_eq!(files(), 0);
    }
}
