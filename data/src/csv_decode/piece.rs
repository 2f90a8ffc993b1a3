//! [`Piece`]: the lines of a byte range of a file. A line belongs to the range that its first byte is in, so the ranges
//! of a file share its lines out, wherever they cut them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use object_store::path::Path as Location;
use object_store::{GetOptions, GetRange, GetResultPayload, ObjectStore};

/// About how much is read at a time.
const BLOCK_BYTES: usize = 1 << 20;
/// How far behind a range the end of its last line is looked for at a time.
const BEHIND_BYTES: u64 = 16 << 10;

/// Whole lines.
pub(super) struct Lines {
    /// The lines; the last byte is the end of one.
    pub(super) text: Vec<u8>,
    /// Whether that last byte is not in the file, which ends before it.
    pub(super) end_added: bool,
}

/// The lines of a byte range, in their order.
pub(super) struct Piece {
    store: Arc<dyn ObjectStore>,
    location: Location,
    size: u64,
    /// Bytes that are still to be read, without those behind the range.
    range: Range<u64>,
    content: Option<Content>,
    /// What was read and is in no line yet.
    rest: Vec<u8>,
    /// Whether a line that belongs to the range before is still to be passed over.
    inside_line: bool,
}

enum Content {
    File(Arc<File>),
    Stream(BoxStream<'static, object_store::Result<Bytes>>),
}

impl Piece {
    /// The lines of `range` of the file at `location`, which has `size` bytes.
    pub(super) fn new(store: Arc<dyn ObjectStore>, location: Location, size: u64, range: Range<u64>) -> Self {
        let end = range.end.min(size);
        // The byte before says whether the range starts with a line.
        let start = range.start.saturating_sub(1).min(end);
        Self {
            store,
            location,
            size,
            inside_line: range.start > 0,
            range: if range.start < end { start..end } else { end..end },
            content: None,
            rest: Vec::new(),
        }
    }

    /// The next lines; `None` when there are no more.
    pub(super) async fn next(&mut self) -> Result<Option<Lines>> {
        loop {
            let is_last = !self.read_block().await?;
            if self.inside_line {
                match self.rest.iter().position(|byte| *byte == b'\n') {
                    Some(end) => {
                        self.rest.drain(..=end);
                        self.inside_line = false;
                    }
                    // No line starts here.
                    None => self.rest.clear(),
                }
            }
            if is_last {
                return self.last_lines().await;
            }
            if let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') {
                let mut text = std::mem::take(&mut self.rest);
                self.rest = text.split_off(end + 1);
                return Ok(Some(Lines {
                    text,
                    end_added: false,
                }));
            }
        }
    }

    /// What is left when the range was read, with the end of its last line.
    async fn last_lines(&mut self) -> Result<Option<Lines>> {
        let mut text = std::mem::take(&mut self.rest);
        let mut behind = self.range.end;
        while text.last().is_some_and(|byte| *byte != b'\n') && behind < self.size {
            let range = behind..self.size.min(behind + BEHIND_BYTES);
            behind = range.end;
            let some = self
                .store
                .get_ranges(&self.location, std::slice::from_ref(&range))
                .await?;
            let some = some.concat();
            let end = some.iter().position(|byte| *byte == b'\n');
            text.extend_from_slice(&some[..end.map_or(some.len(), |end| end + 1)]);
        }
        let end_added = text.last().is_some_and(|byte| *byte != b'\n');
        if end_added {
            text.push(b'\n');
        }
        Ok((!text.is_empty()).then_some(Lines { text, end_added }))
    }

    /// Adds the next bytes of the range to `rest`; whether there were any.
    async fn read_block(&mut self) -> Result<bool> {
        if self.range.is_empty() {
            return Ok(false);
        }
        if self.content.is_none() {
            self.content = Some(self.open().await?);
        }
        match &mut self.content {
            Some(Content::File(file)) => {
                let length = (self.range.end - self.range.start).min(BLOCK_BYTES as u64) as usize;
                let (file, start) = (Arc::clone(file), self.range.start);
                let rest = std::mem::take(&mut self.rest);
                let read = tokio::task::spawn_blocking(move || read_after(rest, &file, start, length));
                self.rest = read.await.map_err(|e| DataFusionError::External(Box::new(e)))??;
                self.range.start += length as u64;
            }
            Some(Content::Stream(stream)) => {
                let Some(bytes) = stream.try_next().await? else {
                    return Err(cut_off());
                };
                self.range.start += bytes.len() as u64;
                self.rest.extend_from_slice(&bytes);
            }
            None => {}
        }
        Ok(true)
    }

    async fn open(&mut self) -> Result<Content> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(self.range.clone())),
            ..GetOptions::default()
        };
        let result = self.store.get_opts(&self.location, options).await?;
        Ok(match result.payload {
            GetResultPayload::File(file, _) => Content::File(Arc::new(file)),
            GetResultPayload::Stream(stream) => Content::Stream(stream),
        })
    }
}

/// `rest` with `length` bytes of the file behind it.
fn read_after(rest: Vec<u8>, mut file: &File, start: u64, length: usize) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(rest.len() + length + 1);
    text.extend_from_slice(&rest);
    file.seek(SeekFrom::Start(start))?;
    let read = file.take(length as u64).read_to_end(&mut text)?;
    match read == length {
        true => Ok(text),
        false => Err(std::io::ErrorKind::UnexpectedEof.into()),
    }
}

fn cut_off() -> DataFusionError {
    std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()
}
