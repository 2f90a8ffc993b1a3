//! Files on this machine's disk: opened only if they are what they were.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;

use super::failure;
use super::identity::Identity;
use crate::error::DataError;

/// What is at a file's path instead of it.
pub(super) enum Found {
    Another,
    Unreadable(std::io::Error),
}

impl Found {
    pub(super) fn describe(self, name: &str) -> DataError {
        match self {
            Self::Another => failure::changed(name),
            Self::Unreadable(e) => unreadable(name, &e),
        }
    }
}

pub(super) fn unreadable(name: &str, e: &std::io::Error) -> DataError {
    DataError::data(format!("can't be read: {e}")).at(name)
}

/// Opens the file at `path` if it is the very same; what is open stays the same, whatever comes to the path later.
pub(super) async fn open_same(path: PathBuf, identity: Identity) -> std::result::Result<File, Found> {
    let open = move || {
        let file = File::open(path).map_err(Found::Unreadable)?;
        let metadata = file.metadata().map_err(Found::Unreadable)?;
        match Identity::of_disk(&metadata) == identity {
            true => Ok(file),
            false => Err(Found::Another),
        }
    };
    match tokio::task::spawn_blocking(open).await {
        Ok(opened) => opened,
        Err(e) => Err(Found::Unreadable(std::io::Error::other(e))),
    }
}

pub(super) fn read_at(mut file: File, range: Range<u64>) -> std::io::Result<Bytes> {
    let length = range.end - range.start;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.seek(SeekFrom::Start(range.start))?;
    file.take(length).read_to_end(&mut bytes)?;
    match bytes.len() as u64 == length {
        true => Ok(bytes.into()),
        false => Err(std::io::ErrorKind::UnexpectedEof.into()),
    }
}
