//! [`SpilledRows`]: rows of a partition that is still coming, while there is no room for them.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;

use super::file::{AlignedBytes, SpillWriter};
use super::folder::SpillFolder;
use crate::error::{DataError, Result};

/// Batches in a file, in their order.
pub(crate) struct SpilledRows(StreamWriter<SpillWriter>);

impl SpilledRows {
    pub(crate) fn create(folder: &SpillFolder, schema: &Schema) -> Result<Self> {
        let file = folder.file()?;
        StreamWriter::try_new(file, schema)
            .map(Self)
            .map_err(|e| DataError::internal(e.to_string()))
    }

    /// Adds rows.
    pub(crate) fn add(&mut self, rows: &RecordBatch) -> Result<()> {
        let written = self.0.write(rows);
        written.map_err(|e| written_badly(self.0.get_ref(), &e))
    }

    /// All rows; the file goes.
    pub(crate) fn read(self) -> Result<Vec<RecordBatch>> {
        let writer = self.0.into_inner();
        let file = writer.map_err(|e| DataError::internal(e.to_string()))?.finish()?;
        let bytes = file.read()?;
        decoded(&bytes, 0..bytes.as_bytes().len())
    }
}

/// The error for what the writer of a format says of the file below it.
pub(super) fn written_badly(file: &SpillWriter, error: &ArrowError) -> DataError {
    match error {
        ArrowError::IoError(_, error) => file.failed(error),
        other => DataError::internal(other.to_string()),
    }
}

/// The batches of a stream in these bytes, which they share.
pub(super) fn decoded(bytes: &AlignedBytes, range: std::ops::Range<usize>) -> Result<Vec<RecordBatch>> {
    let mut left = bytes.buffer().slice_with_length(range.start, range.len());
    let mut decoder = StreamDecoder::new();
    let mut batches = Vec::new();
    while !left.is_empty() {
        let batch = decoder.decode(&mut left);
        batches.extend(batch.map_err(|e| DataError::internal(e.to_string()))?);
    }
    Ok(batches)
}
