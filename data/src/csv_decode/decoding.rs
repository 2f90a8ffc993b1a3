//! [`decode`]: a piece of a file as batches, read by `rows` as far as that understands it, then by `slow`.

use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::common::Result;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use super::DecodeSpec;
use super::piece::{Lines, Piece};
use super::rows::{RowReader, Stop};
use super::slow::SlowReader;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The batches of a piece, whose first record is a header if `header` is set: each the columns, then the reasons for which
/// rows are dropped.
pub(super) fn decode(
    spec: Arc<DecodeSpec>,
    piece: Piece,
    header: bool,
    batch_rows: usize,
) -> BoxStream<'static, Result<Vec<ArrayRef>>> {
    let decoding = Decoding {
        reader: Reader::None { header },
        spec,
        piece,
        batch_rows,
        text: Text::default(),
    };
    stream::try_unfold(decoding, |mut decoding| async move {
        let batch = decoding.next().await?;
        Ok(batch.map(|batch| (batch, decoding)))
    })
    .boxed()
}

struct Decoding {
    spec: Arc<DecodeSpec>,
    piece: Piece,
    batch_rows: usize,
    reader: Reader,
    text: Text,
}

/// Who reads.
enum Reader {
    /// Nobody yet.
    None {
        header: bool,
    },
    Fast(RowReader),
    /// From some line on to the end of the piece.
    Slow(Box<SlowReader>),
    Ended,
}

impl Decoding {
    async fn next(&mut self) -> Result<Option<Vec<ArrayRef>>> {
        loop {
            if self.text.is_read() {
                match self.piece.next().await? {
                    Some(lines) => self.text = Text::new(lines),
                    None => return self.end(),
                }
            }
            if let Some(batch) = self.read()? {
                return Ok(Some(batch));
            }
        }
    }

    /// Reads on; a batch if one is complete.
    fn read(&mut self) -> Result<Option<Vec<ArrayRef>>> {
        match &mut self.reader {
            Reader::None { header } => {
                let (spec, header) = (Arc::clone(&self.spec), *header);
                self.reader = match self.text.skip_start(&spec, header) {
                    true => Reader::Fast(RowReader::new(spec, self.batch_rows)),
                    false => Reader::Slow(Box::new(SlowReader::new(spec, header, self.batch_rows))),
                };
                Ok(None)
            }
            Reader::Fast(reader) => {
                let stop = match self.text.valid() {
                    Some(text) => {
                        let (bytes, stop) = reader.read(text);
                        self.text.position += bytes;
                        stop
                    }
                    None => Stop::Unknown,
                };
                let batch = match stop {
                    Stop::End => return Ok(None),
                    Stop::Full | Stop::Unknown => reader.flush()?,
                };
                if stop == Stop::Unknown {
                    let spec = Arc::clone(&self.spec);
                    let slow = SlowReader::in_the_middle(spec, self.batch_rows)?;
                    self.reader = Reader::Slow(Box::new(slow));
                }
                Ok(batch)
            }
            Reader::Slow(reader) => {
                self.text.position += reader.take(self.text.in_file())?;
                match reader.is_full() {
                    true => reader.flush(),
                    false => Ok(None),
                }
            }
            Reader::Ended => Ok(None),
        }
    }

    /// What is left when there are no more lines.
    fn end(&mut self) -> Result<Option<Vec<ArrayRef>>> {
        match std::mem::replace(&mut self.reader, Reader::Ended) {
            Reader::Fast(mut reader) => reader.flush(),
            Reader::Slow(mut reader) => {
                reader.end()?;
                reader.flush()
            }
            Reader::None { .. } | Reader::Ended => Ok(None),
        }
    }
}

/// Lines that are being read.
#[derive(Debug, Default)]
struct Text {
    /// Set if the lines are UTF-8.
    valid: Option<String>,
    /// Set if they are not.
    bytes: Vec<u8>,
    /// Whether the last byte is not in the file.
    end_added: bool,
    /// How many bytes were read.
    position: usize,
}

impl Text {
    fn new(lines: Lines) -> Self {
        let (valid, bytes) = match String::from_utf8(lines.text) {
            Ok(text) => (Some(text), Vec::new()),
            Err(error) => (None, error.into_bytes()),
        };
        Self {
            valid,
            bytes,
            end_added: lines.end_added,
            position: 0,
        }
    }

    /// What is to be read, if it is UTF-8.
    fn valid(&self) -> Option<&str> {
        self.valid.as_ref().map(|text| &text[self.position..])
    }

    /// What is to be read and in the file.
    fn in_file(&self) -> &[u8] {
        let bytes = self
            .valid
            .as_ref()
            .map_or(self.bytes.as_slice(), String::as_bytes);
        let end = bytes.len() - usize::from(self.end_added);
        &bytes[self.position.min(end)..end]
    }

    fn is_read(&self) -> bool {
        self.in_file().is_empty()
    }

    /// Passes over what comes before the first row; whether that is of a kind that can be passed over.
    fn skip_start(&mut self, spec: &DecodeSpec, header: bool) -> bool {
        let bytes = self.in_file();
        if !header {
            return !bytes.starts_with(BYTE_ORDER_MARK);
        }
        let mut record = csv::ByteRecord::new();
        let mut reader = spec.dialect.record_reader(bytes);
        let read = reader.read_byte_record(&mut record).unwrap_or(false);
        let position = reader.position().byte() as usize;
        // A header that ends with these lines may be one whose quoted line break ended them.
        let is_whole = read && record.len() == spec.fields.len() && position < bytes.len();
        if is_whole {
            self.position = position;
        }
        is_whole
    }
}
