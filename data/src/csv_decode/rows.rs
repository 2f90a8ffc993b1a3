//! [`RowReader`]: lines of plain CSV straight into columns. It reads what nearly all files hold and stops at the first line
//! that it does not understand; whoever asked gives the rest to arrow-csv (`slow`), whose answer is the one that counts.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, new_null_array};
use arrow::datatypes::DataType;
use datafusion::common::Result;

use super::DecodeSpec;
use super::columns::{ColumnBuilder, Put};

/// Bytes of lines after which a batch is complete, however few its rows: offsets of texts have 32 bits.
const BATCH_BYTES: usize = 64 << 20;

/// What is done with a field of a line.
#[derive(Debug, Clone, Copy)]
enum Field {
    Skip,
    /// Goes to this column.
    Take(usize),
}

/// Reads lines as a [`DecodeSpec`] describes them.
pub(super) struct RowReader {
    spec: Arc<DecodeSpec>,
    fields: Vec<Field>,
    /// Whether what looks like a number is one: neither a null token nor cut by the dialect's own characters.
    numbers_are_plain: bool,
    most_rows: usize,
    rows: usize,
    /// Bytes of the lines of these rows.
    bytes: usize,
    columns: Vec<ColumnBuilder>,
}

/// Why reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// All lines were read.
    End,
    /// [`flush`](RowReader::flush) has to come before more lines.
    Full,
    /// The next line is one that only arrow-csv can judge.
    Unknown,
}

impl RowReader {
    /// Reads batches of at most `most_rows` rows.
    pub(super) fn new(spec: Arc<DecodeSpec>, most_rows: usize) -> Self {
        let mut fields = vec![Field::Skip; spec.fields.len()];
        for (column, (field, ..)) in spec.columns.iter().enumerate() {
            fields[*field] = Field::Take(column);
        }
        let dialect = &spec.dialect;
        let in_number = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        let like_number = |token: &String| token.bytes().next().is_some_and(|byte| in_number(&byte));
        let numbers_are_plain = !dialect.null_tokens.iter().any(like_number)
            && ![dialect.delimiter, dialect.quote].iter().any(in_number);
        let mut reader = Self {
            spec,
            fields,
            numbers_are_plain,
            most_rows,
            rows: 0,
            bytes: 0,
            columns: Vec::new(),
        };
        reader.columns = reader.empty_columns();
        reader
    }

    fn empty_columns(&self) -> Vec<ColumnBuilder> {
        let columns = self.spec.columns.iter();
        columns
            .map(|(_, _, column_type)| ColumnBuilder::new(*column_type, self.most_rows))
            .collect()
    }

    /// Reads whole lines; the last byte of `text` is the end of one. Returns how many bytes were read.
    pub(super) fn read(&mut self, text: &str) -> (usize, Stop) {
        let mut columns = std::mem::take(&mut self.columns);
        let (mut row, mut position) = (self.rows, 0);
        let stop = loop {
            match &text.as_bytes()[position..] {
                [] => break Stop::End,
                _ if row == self.most_rows || self.bytes + position > BATCH_BYTES => break Stop::Full,
                // Lines without a byte are no records.
                [b'\n', ..] => position += 1,
                [b'\r', b'\n', ..] => position += 2,
                _ => match self.read_row(text, position, row, &mut columns) {
                    Some(end) => (row, position) = (row + 1, end),
                    None => {
                        columns.iter_mut().for_each(|column| column.truncate(row));
                        break Stop::Unknown;
                    }
                },
            }
        };
        (self.columns, self.rows) = (columns, row);
        self.bytes += position;
        (position, stop)
    }

    /// The rows read since the last time: the columns, then the reasons for which rows are dropped. `None` without rows.
    pub(super) fn flush(&mut self) -> Result<Option<Vec<ArrayRef>>> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        if rows == 0 {
            return Ok(None);
        }
        let empty = self.empty_columns();
        let columns = std::mem::replace(&mut self.columns, empty);
        let reasons = self.reasons(&columns, rows);
        let columns = columns.into_iter().map(|column| column.finish(rows));
        columns.chain([Ok(reasons)]).collect::<Result<Vec<_>>>().map(Some)
    }

    /// Puts one line into the columns; returns where it ends. `None` leaves them as they may be.
    #[inline]
    fn read_row(&self, text: &str, start: usize, row: usize, columns: &mut [ColumnBuilder]) -> Option<usize> {
        let bytes = text.as_bytes();
        let dialect = &self.spec.dialect;
        if dialect.comment == Some(bytes[start]) {
            return None;
        }
        let delimiter = dialect.delimiter;
        let mut position = start;
        let mut fits = true;
        let last = self.fields.len() - 1;
        for (i, field) in self.fields.iter().enumerate() {
            let length = match *field {
                Field::Skip => self.plain_field(&bytes[position..])?.1,
                Field::Take(column) => {
                    let column = &mut columns[column];
                    let is_end = |byte: u8| byte == delimiter || byte == b'\n' || byte == b'\r';
                    let put = if self.numbers_are_plain {
                        column.put_number(&bytes[position..], is_end)
                    } else {
                        Put::Unknown
                    };
                    match put {
                        Put::Value(length) => length,
                        Put::Unknown => {
                            let (value, length) = self.plain_field(&bytes[position..])?;
                            let value = &text[position + value.start..position + value.end];
                            if dialect.is_null(value) {
                                column.put_null(row);
                            } else {
                                fits &= column.put_text(value, row);
                            }
                            length
                        }
                    }
                }
            };
            position += length;
            match (&bytes[position..], i == last) {
                ([byte, ..], false) if *byte == delimiter => position += 1,
                ([b'\n', ..], true) => position += 1,
                ([b'\r', b'\n', ..], true) => position += 2,
                // Too few fields or too many, or a line that ends in another way.
                _ => return None,
            }
        }
        let is_dropped = || {
            self.spec
                .drop
                .iter()
                .any(|column| columns[*column].is_last_null(row))
        };
        // Of a row that will be dropped no value has to fit.
        (fits || is_dropped()).then_some(position)
    }

    /// Where the value of the field at the front of `bytes` lies, and how long the field is. `None` for a field with
    /// quotes other than one at each end.
    #[inline]
    fn plain_field(&self, bytes: &[u8]) -> Option<(std::ops::Range<usize>, usize)> {
        let dialect = &self.spec.dialect;
        let is_end = |byte: &u8| *byte == dialect.delimiter || *byte == b'\n' || *byte == b'\r';
        if bytes.first() != Some(&dialect.quote) {
            let length = bytes.iter().position(is_end)?;
            return (!bytes[..length].contains(&dialect.quote)).then_some((0..length, length));
        }
        let inner = &bytes[1..];
        let stops = |byte: &u8| {
            *byte == dialect.quote || *byte == b'\n' || *byte == b'\r' || Some(*byte) == dialect.escape
        };
        let length = inner.iter().position(stops)?;
        let is_closed = inner[length] == dialect.quote && inner.get(length + 1).is_some_and(is_end);
        is_closed.then_some((1..length + 1, length + 2))
    }

    /// For each row the names of the columns whose nulls drop it, as `functions::null_columns` gives them.
    fn reasons(&self, columns: &[ColumnBuilder], rows: usize) -> ArrayRef {
        let drop = || self.spec.drop.iter().filter_map(|column| columns.get(*column));
        if drop().all(|column| column.null_rows().is_empty()) {
            return new_null_array(&DataType::Utf8, rows);
        }
        let mut reasons: Vec<Option<String>> = vec![None; rows];
        for column in &self.spec.drop {
            for row in columns[*column].null_rows() {
                let name = &self.spec.columns[*column].1;
                match &mut reasons[*row] {
                    Some(names) => {
                        names.push_str(", ");
                        names.push_str(name);
                    }
                    none => *none = Some(name.clone()),
                }
            }
        }
        Arc::new(StringArray::from(reasons))
    }
}
