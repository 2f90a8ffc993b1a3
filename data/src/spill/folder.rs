//! [`SpillFolder`]: the folder of one process, for its owner's eyes alone. The process locks it, and the operating system takes
//! the lock back however the process ends: whoever comes next tells by it which folders are nobody's, and removes them.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::file::{SpillWriter, refused};
use crate::error::Result;

/// How the name of a process' folder begins. Nothing else in the directory is touched.
const PREFIX: &str = "rookery-worker-";
/// How long others may look around in the directory.
const LOCK_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct SpillFolder {
    directory: PathBuf,
    path: PathBuf,
    owner: String,
    /// Locked as long as the process lives.
    _lock: File,
    next: AtomicU64,
    bytes: Arc<AtomicU64>,
}

impl SpillFolder {
    /// A new folder in `directory`, which is made if it is not there.
    ///
    /// # Errors
    /// The operating system says no.
    pub(super) fn create(directory: &Path, owner: &str) -> Result<Self> {
        let failed = |e| {
            refused(
                "the folder for what has no room in memory can't be made",
                &e,
                directory,
                owner,
            )
        };
        private().recursive(true).create(directory).map_err(failed)?;
        let alone = lock(directory).map_err(failed)?;
        remove_deserted(directory);
        let (path, own) = own_folder(directory).map_err(failed)?;
        drop(alone);
        Ok(Self {
            directory: directory.to_path_buf(),
            path,
            owner: owner.to_string(),
            _lock: own,
            next: AtomicU64::new(0),
            bytes: Arc::default(),
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes in its files.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A new file.
    ///
    /// # Errors
    /// The operating system says no.
    pub(crate) fn file(&self) -> Result<SpillWriter> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        SpillWriter::create(self.path.join(number.to_string()), &self.owner, &self.bytes)
    }

    /// Removes it, and what others left that were killed meanwhile.
    pub(super) fn remove(&self) {
        let _ = fs::remove_dir_all(&self.path);
        if let Ok(_alone) = try_lock(&self.directory) {
            remove_deserted(&self.directory);
        }
    }
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        self.remove();
    }
}

fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// Makes a folder with a name that nobody has, and locks it.
fn own_folder(directory: &Path) -> std::io::Result<(PathBuf, File)> {
    let pid = std::process::id();
    let mut number = 0_u32;
    loop {
        let path = directory.join(format!("{PREFIX}{pid}-{number}"));
        match private().create(&path) {
            Ok(()) => return try_lock(&path).map(|lock| (path, lock)),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(e) => return Err(e),
        }
    }
}

/// Removes the folders that no process has locked. What can't be removed stays.
fn remove_deserted(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(PREFIX) && path.is_dir() && try_lock(&path).is_ok() {
            let removed = fs::remove_dir_all(&path);
            tracing::info!(folder = %path.display(), ok = removed.is_ok(), "what a killed worker left is removed");
        }
    }
}

/// Waits for a folder's lock, but not for ever.
fn lock(folder: &Path) -> std::io::Result<File> {
    let file = File::open(folder)?;
    let (done, locked) = mpsc::channel();
    // If it comes too late nobody takes it, and it goes at once.
    std::thread::spawn(move || done.send(file.lock().map(|()| file)));
    locked.recv_timeout(LOCK_WITHIN).map_err(|_| {
        Error::new(
            ErrorKind::WouldBlock,
            "other workers look around in it for too long",
        )
    })?
}

fn try_lock(folder: &Path) -> std::io::Result<File> {
    let file = File::open(folder)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::new(ErrorKind::WouldBlock, "another process has locked it"))
        }
        Err(TryLockError::Error(e)) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn processes_share_no_folder_and_remove_what_nobody_has_locked() {
        let directory = tempfile::tempdir().unwrap();
        let spill = directory.path().join("a/spill");
        let first = SpillFolder::create(&spill, "one").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&spill), mode(first.path())), (0o700, 0o700));
        let deserted = spill.join("rookery-worker-1-0");
        fs::create_dir(&deserted).unwrap();
        fs::write(deserted.join("0"), "rows").unwrap();
        let strange = spill.join("mine");
        fs::create_dir(&strange).unwrap();
        let second = SpillFolder::create(&spill, "two").unwrap();
        assert_ne!(first.path(), second.path());
        assert!(first.path().exists() && !deserted.exists());
        let path = second.path().to_path_buf();
        drop(second);
        drop(first);
        assert!(!path.exists() && strange.exists());
        assert_eq!(fs::read_dir(&spill).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_can_not_be_made_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error = SpillFolder::create(&file.join("spill"), "http://here/").unwrap_err();
        let place = error.location.unwrap();
        assert!(
            place.contains("file/spill") && place.ends_with("http://here/"),
            "{place}"
        );
        assert!(error.hint.unwrap().contains("--spill-dir"));
    }
}
