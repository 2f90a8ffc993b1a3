//! Finds the place of a bad record. The engine refuses a row without knowing its line, because a worker reads
//! from the middle of a file; on that path only, the files are read once more from their start, so that the
//! message is the same whichever worker failed first.

use std::io::{BufRead, BufReader};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::csv_dialect::{CsvDialect, said_in};
use crate::error::{DataError, Result};
use crate::plan::IngestPlan;
use crate::schema::{ColumnType, refusal};
use crate::source::Source;
use crate::spec::Format;
use crate::stores::{FileChunks, SourceFile, error_in};

/// The first record of a source with a wrong number of fields, or with a value that its column's type does not
/// accept; or the first file that can't be read. `None` when all is well.
pub(crate) fn first_bad_record(source: &Source, plan: &IngestPlan) -> Option<DataError> {
    let expected = Expected::of(source, plan);
    let check = match source.format {
        Format::Csv => check_csv,
        Format::Parquet => check_parquet,
    };
    source.files.iter().find_map(|file| check(&expected, file).err())
}

/// What each record must hold.
struct Expected<'a> {
    dialect: &'a CsvDialect,
    /// Fields of a record.
    fields: usize,
    /// Position, name and type of the columns to take.
    columns: Vec<(usize, &'a str, ColumnType)>,
    /// Positions of the columns whose nulls drop the record, whatever else is in it.
    drop: Vec<usize>,
}

impl<'a> Expected<'a> {
    fn of(source: &'a Source, plan: &IngestPlan) -> Self {
        let index = |name: &str| source.file_schema.index_of(name).ok();
        Self {
            dialect: &source.dialect,
            fields: source.file_schema.fields().len(),
            columns: source
                .columns
                .iter()
                .filter_map(|(n, target)| Some((index(n)?, n.as_str(), *target)))
                .collect(),
            drop: plan
                .drop_columns()
                .iter()
                .filter_map(|name| index(name))
                .collect(),
        }
    }

    /// What is wrong with a CSV record, and what to try.
    fn refuse(&self, record: &csv::ByteRecord) -> Option<(String, String)> {
        if record.len() != self.fields {
            let message = format!("{} fields, expected {}", record.len(), self.fields);
            let hint = "a field that holds the delimiter must be quoted; set multiline = true if quoted fields hold line breaks";
            return Some((message, hint.to_string()));
        }
        let texts: Vec<std::result::Result<&str, usize>> = record
            .iter()
            .enumerate()
            .map(|(i, field)| std::str::from_utf8(field).map_err(|_| i))
            .collect();
        if let Some(Err(i)) = texts.iter().find(|text| text.is_err()) {
            let name = self
                .columns
                .iter()
                .find(|(index, ..)| index == i)
                .map(|(_, name, _)| *name);
            let message = match name {
                Some(name) => format!("column \"{name}\" holds bytes that are not UTF-8"),
                None => format!("field {} holds bytes that are not UTF-8", i + 1),
            };
            return Some((message, "save the file as UTF-8".to_string()));
        }
        let text = |i: usize| texts[i].unwrap_or_default();
        if self.drop.iter().any(|i| self.dialect.is_null(text(*i))) {
            return None;
        }
        let wrong = |(i, _, target): &&(usize, &str, ColumnType)| {
            !self.dialect.is_null(text(*i)) && !target.accepts(text(*i))
        };
        self.columns.iter().find(wrong).map(|(i, name, target)| {
            let field = text(*i);
            let hint =
                format!("declare the column as string, or add null_tokens = [\"{field}\"] if it means null");
            (refusal(name, field, *target), hint)
        })
    }
}

fn check_csv(expected: &Expected<'_>, file: &SourceFile) -> Result<()> {
    let mut reader = expected.dialect.reader(file)?;
    let mut record = csv::ByteRecord::new();
    let mut is_header = expected.dialect.header;
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(e) => {
                if let Some(said) = said_in(&e) {
                    return Err(said);
                }
                let what = match e.kind() {
                    csv::ErrorKind::Io(io) => io.to_string(),
                    _ => e.to_string(),
                };
                return Err(DataError::data(format!("can't be read to its end: {what}"))
                    .at(file.name.as_str())
                    .hint("the file may be cut off or damaged"));
            }
        }
        if std::mem::take(&mut is_header) {
            continue;
        }
        if let Some((message, hint)) = expected.refuse(&record) {
            let start = record.position().map_or(0, csv::Position::byte);
            let line = line_of(expected.dialect, file, start)?;
            return Err(DataError::data(message)
                .at(format!("{}:{line}", file.name))
                .hint(hint));
        }
    }
}

/// The line, counted from 1, of the record found when reading went on at byte `start`; lines that hold no
/// record may come before it.
pub(crate) fn line_of(dialect: &CsvDialect, file: &SourceFile, start: u64) -> Result<u64> {
    let unreadable =
        |e: std::io::Error| DataError::data(format!("can't be read: {e}")).at(file.name.as_str());
    let mut bytes = BufReader::new(dialect.open(file)?);
    let (mut line, mut offset) = (0, 0);
    let mut text = Vec::new();
    loop {
        text.clear();
        let read = bytes.read_until(b'\n', &mut text).map_err(unreadable)? as u64;
        line += 1;
        // Reading may go on inside a line: before the last byte of its line end.
        let rest = text
            .get(start.saturating_sub(offset) as usize..)
            .unwrap_or_default();
        offset += read;
        let is_skipped = matches!(rest, b"" | b"\n" | b"\r\n") || rest.first().copied() == dialect.comment;
        if read == 0 || !is_skipped {
            return Ok(line);
        }
    }
}

fn check_parquet(expected: &Expected<'_>, file: &SourceFile) -> Result<()> {
    let damaged = |e: &(dyn std::error::Error + 'static)| {
        error_in(e).unwrap_or_else(|| {
            DataError::data(format!("can't be read as Parquet: {e}")).at(file.name.as_str())
        })
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(FileChunks::new(file));
    let reader = reader.and_then(|builder| builder.build());
    let mut rows_before = 0;
    for batch in reader.map_err(|e| damaged(&e))? {
        let batch = batch.map_err(|e| damaged(&e))?;
        if let Some((row, message)) = refuse_batch(expected, &batch).map_err(|e| damaged(&e))? {
            return Err(DataError::data(message)
                .at(format!("{}, row {}", file.name, rows_before + row + 1))
                .hint("declare the column with a type that holds the value"));
        }
        rows_before += batch.num_rows();
    }
    Ok(())
}

/// The first row with a value that its column's type does not accept, and what is wrong with it.
fn refuse_batch(
    expected: &Expected<'_>,
    batch: &RecordBatch,
) -> std::result::Result<Option<(usize, String)>, arrow::error::ArrowError> {
    let dropped = |row: usize| expected.drop.iter().any(|i| batch.column(*i).is_null(row));
    let mut first: Option<(usize, String)> = None;
    for (i, name, target) in &expected.columns {
        let column = batch.column(*i);
        let accepted = acceptance(column, *target)?;
        let bad =
            (0..batch.num_rows()).find(|row| !column.is_null(*row) && !accepted(*row) && !dropped(*row));
        if let Some(row) = bad
            && first.as_ref().is_none_or(|(earlier, _)| row < *earlier)
        {
            first = Some((row, refusal(name, &array_value_to_string(column, row)?, *target)));
        }
    }
    Ok(first)
}

/// Whether the value of a row fits: a test for each row of `column`.
fn acceptance(
    column: &ArrayRef,
    target: ColumnType,
) -> std::result::Result<Box<dyn Fn(usize) -> bool>, arrow::error::ArrowError> {
    if ColumnType::of_arrow(column.data_type()) == Some(ColumnType::String) {
        let text = cast(column, &DataType::Utf8)?;
        return Ok(Box::new(move |row| {
            target.accepts(text.as_string::<i32>().value(row))
        }));
    }
    // A value that does not fit becomes null.
    let cast = cast(column, &target.arrow())?;
    Ok(Box::new(move |row| !cast.is_null(row)))
}
