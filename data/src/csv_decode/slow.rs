//! Lines by way of arrow-csv, as a plan with a query reads them: text columns, null tokens, the reasons for which rows are
//! dropped, casts.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::csv::ReaderBuilder;
use datafusion::arrow::csv::reader::Decoder;
use datafusion::common::Result;

use super::DecodeSpec;
use crate::functions;

/// Reads lines that come piece by piece, wherever they are cut.
pub(super) struct SlowReader {
    spec: Arc<DecodeSpec>,
    decoder: Decoder,
}

impl SlowReader {
    /// Starts at the start of a piece; its first record is the header if `header` is set. Batches have at most `rows` rows.
    pub(super) fn new(spec: Arc<DecodeSpec>, header: bool, rows: usize) -> Self {
        let text = |name: &String| Field::new(name, DataType::Utf8, true);
        let schema = Schema::new(spec.fields.iter().map(text).collect::<Vec<_>>());
        let dialect = &spec.dialect;
        let mut builder = ReaderBuilder::new(Arc::new(schema))
            .with_header(header)
            .with_delimiter(dialect.delimiter)
            .with_quote(dialect.quote)
            .with_batch_size(rows)
            .with_projection(spec.columns.iter().map(|(field, ..)| *field).collect());
        if let Some(escape) = dialect.escape {
            builder = builder.with_escape(escape);
        }
        if let Some(comment) = dialect.comment {
            builder = builder.with_comment(comment);
        }
        Self {
            decoder: builder.build_decoder(),
            spec,
        }
    }

    /// Starts at a later line of a piece.
    pub(super) fn in_the_middle(spec: Arc<DecodeSpec>, rows: usize) -> Result<Self> {
        let mut reader = Self::new(spec, false, rows);
        // A line without a byte is no record, but with it the next one is not the first: a byte-order mark stays.
        reader.decoder.decode(b"\n")?;
        Ok(reader)
    }

    /// Takes bytes off the front of `text` until a batch is full or they are used up; returns how many.
    pub(super) fn take(&mut self, text: &[u8]) -> Result<usize> {
        let mut taken = 0;
        while taken < text.len() && self.decoder.capacity() > 0 {
            let read = self.decoder.decode(&text[taken..])?;
            taken += read;
            if read == 0 {
                break;
            }
        }
        Ok(taken)
    }

    /// Whether [`flush`](SlowReader::flush) has to come before more bytes.
    pub(super) fn is_full(&self) -> bool {
        self.decoder.capacity() == 0
    }

    /// Says that no byte comes any more.
    pub(super) fn end(&mut self) -> Result<()> {
        self.decoder.decode(&[])?;
        Ok(())
    }

    /// The rows that were taken: the columns, then the reasons for which rows are dropped.
    pub(super) fn flush(&mut self) -> Result<Option<Vec<ArrayRef>>> {
        let batch = self.decoder.flush()?;
        batch.map(|batch| self.clean(&batch)).transpose()
    }

    fn clean(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let dialect = &self.spec.dialect;
        let mut texts: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
        for column in batch.columns() {
            let values = column.as_string::<i32>().iter();
            let values: StringArray = values
                .map(|text| text.filter(|text| !dialect.is_null(text)))
                .collect();
            texts.push(Arc::new(values));
        }
        let drop: Vec<usize> = self.spec.drop.clone();
        let names: Vec<&str> = drop
            .iter()
            .map(|column| self.spec.columns[*column].1.as_str())
            .collect();
        let nulls: Vec<_> = drop.iter().map(|column| texts[*column].logical_nulls()).collect();
        let dropped = functions::reasons(&nulls, &names, batch.num_rows());
        let mut columns = Vec::with_capacity(texts.len() + 1);
        for (text, (_, name, target)) in texts.iter().zip(&self.spec.columns) {
            columns.push(functions::parse_column(text, name, *target, &dropped)?);
        }
        columns.push(dropped);
        Ok(columns)
    }
}
