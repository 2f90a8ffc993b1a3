//! The spool folder: logs that only grow, and files.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::operation::{Entry, Operation};
use crate::error::TrackingError;
use crate::store::Result;

/// An open folder and what was found in it.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) operations: Log,
    pub(super) delivered: Log,
    pub(super) rejected: Log,
    pub(super) entries: Vec<Entry>,
    pub(super) acknowledged: Vec<Acknowledged>,
    pub(super) refusals: Vec<Rejected>,
    /// Held as long as the folder is open.
    pub(super) lock: File,
}

/// One line of `delivered.jsonl`: an operation that is no longer pending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Acknowledged {
    pub(super) sequence: u64,
    /// Local ids and the server's for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) ids: Vec<(String, String)>,
    /// It was refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) rejected: bool,
}

/// One line of `rejected.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Rejected {
    pub(super) sequence: u64,
    pub(super) reason: String,
    pub(super) operation: Operation,
}

impl Folder {
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let failed = |error| failed("opening", &path, error);
        fs::create_dir_all(path.join("files")).map_err(failed)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(TrackingError::WrongState {
                    message: format!("the spool folder {} is in use by another process", path.display()),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let (operations, entries) = Log::open(path.join("operations.jsonl"))?;
        let (delivered, acknowledged) = Log::open(path.join("delivered.jsonl"))?;
        let (rejected, refusals) = Log::open(path.join("rejected.jsonl"))?;
        for folder in [Some(path.as_path()), path.parent()].into_iter().flatten() {
            sync_folder(folder).map_err(failed)?;
        }
        Ok(Folder {
            path,
            operations,
            delivered,
            rejected,
            entries,
            acknowledged,
            refusals,
            lock,
        })
    }
}

/// A file of JSON lines, each on disk before its writer goes on.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    path: PathBuf,
    /// Where the next line begins.
    length: u64,
}

impl Log {
    /// Opens a log and reads it. A last line that was not finished is taken away: nobody was told that it is there.
    fn open<T: DeserializeOwned>(path: PathBuf) -> Result<(Self, Vec<T>)> {
        let reading = |error| failed("reading", &path, error);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(reading)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(reading)?;
        let mut lines = Vec::new();
        let mut length = 0;
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let is_last = length + line.len() == bytes.len();
            match serde_json::from_slice(line) {
                Ok(value) if line.ends_with(b"\n") => lines.push(value),
                _ if is_last => break,
                Ok(_) => unreachable!("only the last line can lack its end"),
                Err(error) => return Err(failed("reading", &path, error.into())),
            }
            length += line.len();
        }
        let length = length as u64;
        file.set_len(length).map_err(reading)?;
        Ok((Log { file, path, length }, lines))
    }

    /// Adds a line. If that fails, nothing was added.
    pub(super) fn append(&mut self, line: &impl Serialize) -> Result<()> {
        let mut bytes =
            serde_json::to_vec(line).map_err(|error| failed("writing", &self.path, error.into()))?;
        bytes.push(b'\n');
        // A line that was begun is written over by the next one, or taken away when the log is opened.
        let written = (|| {
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::Start(self.length))?;
            self.file.write_all(&bytes)?;
            self.file.sync_data()
        })();
        if let Err(error) = written {
            // A whole line whose sync failed would count when the log is opened again.
            let _ = self.file.set_len(self.length);
            return Err(failed("writing", &self.path, error));
        }
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// Returns where the content of an artifact lies.
pub(super) fn file_path(folder: &Path, sequence: u64) -> PathBuf {
    folder.join("files").join(sequence.to_string())
}

/// Stores the content of an artifact; it is on disk when this returns.
pub(super) fn write_file(folder: &Path, sequence: u64, content: &[u8]) -> Result<()> {
    let path = file_path(folder, sequence);
    let written = (|| {
        let mut file = File::create(&path)?;
        file.write_all(content)?;
        file.sync_data()?;
        sync_folder(&folder.join("files"))
    })();
    written.map_err(|error| failed("writing", &path, error))
}

/// Returns the spool folders under a root, sorted; none if the root does not exist.
pub(super) fn list(root: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| failed("reading", root, error))?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| failed("reading", root, error))?.path();
        if path.join("operations.jsonl").is_file() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// Removes a folder. The operations go first: without them the rest is no spool.
pub(super) fn remove(folder: &Path) -> Result<()> {
    fs::remove_file(folder.join("operations.jsonl"))
        .and_then(|()| fs::remove_dir_all(folder))
        .map_err(|error| failed("removing", folder, error))
}

/// Makes the names in a folder as durable as the files; elsewhere than on Unix a folder cannot be synced.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) && !folder.as_os_str().is_empty() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn failed(action: &str, path: &Path, error: io::Error) -> TrackingError {
    TrackingError::storage(format!("{action} {}", path.display()), error)
}
