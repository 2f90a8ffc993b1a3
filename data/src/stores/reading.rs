//! Reading a file in order, or a Parquet file by its chunks, on a thread that may block: what decoders of CSV, gzip and
//! Parquet expect. It is done for headers and footers, and to find the place of a bad record.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use bytes::Bytes;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::reader::{ChunkReader, Length};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::runtime::Handle;

use super::source_file::{Content, SourceFile};
use crate::error::{DataError, Result};

/// The file from its start. To be called on a thread that may block, inside a runtime.
pub(crate) fn open(file: &SourceFile) -> Result<Box<dyn Read + Send>> {
    from(file, 0)
}

fn from(file: &SourceFile, start: u64) -> Result<Box<dyn Read + Send>> {
    let runtime = Handle::current();
    match runtime.block_on(file.beginning(start))? {
        Content::File(file, _) => Ok(Box::new(positioned(file, start)?)),
        Content::Pieces(pieces) => Ok(Box::new(Pieces {
            runtime,
            pieces,
            piece: Bytes::new(),
        })),
    }
}

fn positioned(mut file: File, start: u64) -> Result<File> {
    file.seek(SeekFrom::Start(start))
        .map_err(|e| DataError::data(format!("can't be read: {e}")))?;
    Ok(file)
}

/// Pieces of a remote file as one stream of bytes.
struct Pieces {
    runtime: Handle,
    pieces: BoxStream<'static, Result<Bytes>>,
    /// What is left of the piece that came last.
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.runtime.block_on(self.pieces.next()) {
                Some(piece) => self.piece = piece.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

/// What a file's place said, if that is behind a decoder's error.
pub(crate) fn error_in(error: &(dyn std::error::Error + 'static)) -> Option<DataError> {
    if let Some(error) = error.downcast_ref::<DataError>() {
        return Some(error.clone());
    }
    // An error made of another one shows it here, not as its source.
    if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return error_in(inner);
    }
    if let Some(ParquetError::External(inner)) = error.downcast_ref::<ParquetError>() {
        return error_in(inner.as_ref());
    }
    error.source().and_then(error_in)
}

/// Side by side in how many files headers and footers are read: each waits for its store most of the time.
const SIDE_BY_SIDE: usize = 16;

/// What `read` makes of each file, in their order; the error of the first file that has one. To be called on a thread that
/// may block, inside a runtime.
pub(crate) fn each_file<T: Send>(
    files: &[SourceFile],
    read: impl Fn(&SourceFile) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    if files.len() < 2 || files.iter().all(|file| file.path().is_some()) {
        return files.iter().map(read).collect();
    }
    let runtime = Handle::current();
    let mut done = Vec::with_capacity(files.len());
    for some in files.chunks(SIDE_BY_SIDE) {
        let results: Vec<Result<T>> = std::thread::scope(|scope| {
            let start = |file| {
                let (runtime, read) = (runtime.clone(), &read);
                scope.spawn(move || {
                    let _inside = runtime.enter();
                    read(file)
                })
            };
            let threads: Vec<_> = some.iter().map(start).collect();
            let joined = threads.into_iter().map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(DataError::internal("reading a file panicked")))
            });
            joined.collect()
        });
        for result in results {
            done.push(result?);
        }
    }
    Ok(done)
}

/// A file as Parquet's reader asks for it. To be used on a thread that may block, inside a runtime.
pub(crate) struct FileChunks(SourceFile);

impl FileChunks {
    pub(crate) fn new(file: &SourceFile) -> Self {
        Self(file.clone())
    }
}

impl Length for FileChunks {
    fn len(&self) -> u64 {
        self.0.identity.size
    }
}

impl ChunkReader for FileChunks {
    type T = BufReader<Box<dyn Read + Send>>;

    fn get_read(&self, start: u64) -> std::result::Result<Self::T, ParquetError> {
        let read = from(&self.0, start).map_err(|e| ParquetError::External(Box::new(e)))?;
        Ok(BufReader::new(read))
    }

    fn get_bytes(&self, start: u64, length: usize) -> std::result::Result<Bytes, ParquetError> {
        let range = start..start + length as u64;
        Handle::current()
            .block_on(self.0.bytes(range))
            .map_err(|e| ParquetError::External(Box::new(e)))
    }
}
