//! [`Columns`]: the columns of a batch while its rows come in. A row is put in field by field and can be taken back.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, StringArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use datafusion::common::{Result, internal_datafusion_err};

use super::number;
use crate::schema::{self, ColumnType};

/// What became of a field.
pub(super) enum Put {
    /// Its value was added, and the field has so many bytes.
    Value(usize),
    /// It is of a form that only the cast itself can judge.
    Unknown,
}

/// The values of one column.
pub(super) struct ColumnBuilder {
    values: Values,
    /// Rows without a value, ascending.
    nulls: Vec<usize>,
    /// Rows whose text is no value of the column's type, ascending. They are null, too.
    misfits: Vec<usize>,
}

enum Values {
    Boolean(Vec<bool>),
    Int(Vec<i32>),
    Long(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Text { bytes: Vec<u8>, ends: Vec<i32> },
}

impl ColumnBuilder {
    pub(super) fn new(column_type: ColumnType, rows: usize) -> Self {
        let values = match column_type {
            ColumnType::Boolean => Values::Boolean(Vec::with_capacity(rows)),
            ColumnType::Int => Values::Int(Vec::with_capacity(rows)),
            ColumnType::Long => Values::Long(Vec::with_capacity(rows)),
            ColumnType::Float => Values::Float(Vec::with_capacity(rows)),
            ColumnType::Double => Values::Double(Vec::with_capacity(rows)),
            ColumnType::String => Values::Text {
                bytes: Vec::with_capacity(8 * rows),
                ends: vec![0],
            },
        };
        Self {
            values,
            nulls: Vec::new(),
            misfits: Vec::new(),
        }
    }

    /// Takes a number off the front of `text`, if it has the form that nearly all have and ends where `ends` says.
    #[inline(always)]
    pub(super) fn put_number(&mut self, text: &[u8], ends: impl Fn(u8) -> bool) -> Put {
        let is_whole = |length: usize| text.get(length).is_some_and(|byte| ends(*byte));
        match &mut self.values {
            Values::Float(values) => match number::float(text) {
                Some((value, length)) if is_whole(length) => {
                    values.push(value);
                    Put::Value(length)
                }
                _ => Put::Unknown,
            },
            Values::Double(values) => match number::double(text) {
                Some((value, length)) if is_whole(length) => {
                    values.push(value);
                    Put::Value(length)
                }
                _ => Put::Unknown,
            },
            Values::Long(values) => match number::whole(text) {
                Some((value, length)) if is_whole(length) => {
                    values.push(value);
                    Put::Value(length)
                }
                _ => Put::Unknown,
            },
            Values::Int(values) => {
                match number::whole(text).map(|(value, length)| (value.try_into(), length)) {
                    Some((Ok(value), length)) if is_whole(length) => {
                        values.push(value);
                        Put::Value(length)
                    }
                    _ => Put::Unknown,
                }
            }
            Values::Boolean(_) | Values::Text { .. } => Put::Unknown,
        }
    }

    /// Adds a field as the casts read it; whether it has a value of the column's type.
    pub(super) fn put_text(&mut self, text: &str, row: usize) -> bool {
        fn push<T: Default>(values: &mut Vec<T>, value: Option<T>) -> bool {
            let is_there = value.is_some();
            values.push(value.unwrap_or_default());
            is_there
        }
        let fits = match &mut self.values {
            Values::Boolean(values) => push(values, schema::parse_boolean(text)),
            Values::Int(values) => push(values, schema::parse_int(text)),
            Values::Long(values) => push(values, schema::parse_long(text)),
            Values::Float(values) => push(values, schema::parse_float(text)),
            Values::Double(values) => push(values, schema::parse_double(text)),
            Values::Text { bytes, ends } => {
                bytes.extend_from_slice(text.as_bytes());
                ends.push(bytes.len() as i32);
                true
            }
        };
        if !fits {
            self.misfits.push(row);
        }
        fits
    }

    pub(super) fn put_null(&mut self, row: usize) {
        match &mut self.values {
            Values::Boolean(values) => values.push(false),
            Values::Int(values) => values.push(0),
            Values::Long(values) => values.push(0),
            Values::Float(values) => values.push(0.0),
            Values::Double(values) => values.push(0.0),
            Values::Text { bytes, ends } => ends.push(bytes.len() as i32),
        }
        self.nulls.push(row);
    }

    /// Takes back what was added after the first `rows`.
    pub(super) fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::Boolean(values) => values.truncate(rows),
            Values::Int(values) => values.truncate(rows),
            Values::Long(values) => values.truncate(rows),
            Values::Float(values) => values.truncate(rows),
            Values::Double(values) => values.truncate(rows),
            Values::Text { bytes, ends } => {
                ends.truncate(rows + 1);
                bytes.truncate(ends.last().map_or(0, |end| *end as usize));
            }
        }
        for list in [&mut self.nulls, &mut self.misfits] {
            list.truncate(list.partition_point(|row| *row < rows));
        }
    }

    /// Whether `row`, the last one, has no value in the file.
    pub(super) fn is_last_null(&self, row: usize) -> bool {
        self.nulls.last() == Some(&row)
    }

    /// Rows without a value in the file, ascending.
    pub(super) fn null_rows(&self) -> &[usize] {
        &self.nulls
    }

    /// The column, of `rows` rows.
    pub(super) fn finish(self, rows: usize) -> Result<ArrayRef> {
        let validity = validity(rows, &[&self.nulls, &self.misfits]);
        Ok(match self.values {
            Values::Boolean(values) => Arc::new(BooleanArray::new(BooleanBuffer::from(values), validity)),
            Values::Int(values) => Arc::new(Int32Array::new(values.into(), validity)),
            Values::Long(values) => Arc::new(Int64Array::new(values.into(), validity)),
            Values::Float(values) => Arc::new(Float32Array::new(values.into(), validity)),
            Values::Double(values) => Arc::new(Float64Array::new(values.into(), validity)),
            Values::Text { bytes, ends } => {
                let offsets = OffsetBuffer::new(ends.into());
                let array = StringArray::try_new(offsets, Buffer::from_vec(bytes), validity);
                Arc::new(array.map_err(|e| internal_datafusion_err!("{e}"))?)
            }
        })
    }
}

/// Every row is valid but those in `lists`; `None` if all are.
fn validity(rows: usize, lists: &[&Vec<usize>]) -> Option<NullBuffer> {
    if lists.iter().all(|list| list.is_empty()) {
        return None;
    }
    let mut valid = vec![true; rows];
    for row in lists.iter().copied().flatten() {
        valid[*row] = false;
    }
    Some(NullBuffer::from(valid))
}
