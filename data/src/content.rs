//! Rows as bytes: their order by content, and the hash of what a partition holds.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float32Type, Float64Type, Int32Type, Int64Type};
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::Result;
use twox_hash::XxHash3_128;

use crate::cache_exec::Arrival;

/// The named columns, in the order of the names.
pub(crate) fn columns_of(rows: &RecordBatch, names: &[String]) -> Result<Vec<ArrayRef>> {
    let schema = rows.schema();
    names
        .iter()
        .map(|name| Ok(Arc::clone(rows.column(schema.index_of(name)?))))
        .collect()
}

/// Rows in ascending order of all columns, the first one first; nulls first, text by its UTF-8 bytes.
///
/// Rows in file order keep it where Spark sees no difference (its sort takes 0.0 and -0.0 for equal, and NaN for
/// the largest); rows in any order are told apart by every bit.
pub(crate) fn sorted_by_content(rows: &RecordBatch, arrival: Arrival) -> Result<RecordBatch> {
    let keys = match arrival {
        Arrival::InOrder => encode(rows.columns().iter().map(without_negative_zero).collect())?,
        Arrival::Shuffled => encode(rows.columns().to_vec())?,
    };
    let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
    order.sort_by(|a, b| keys.row(*a as usize).cmp(&keys.row(*b as usize)));
    Ok(take_record_batch(rows, &UInt32Array::from(order))?)
}

fn without_negative_zero(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float32 => Arc::new(
            column
                .as_primitive::<Float32Type>()
                .unary::<_, Float32Type>(|x| x + 0.0),
        ),
        DataType::Float64 => Arc::new(
            column
                .as_primitive::<Float64Type>()
                .unary::<_, Float64Type>(|x| x + 0.0),
        ),
        _ => Arc::clone(column),
    }
}

/// Rows as bytes that compare as the values do.
pub(crate) fn encode(columns: Vec<ArrayRef>) -> Result<Rows> {
    let fields = columns
        .iter()
        .map(|c| SortField::new(c.data_type().clone()))
        .collect();
    Ok(RowConverter::new(fields)?.convert_columns(&columns)?)
}

/// XXH3-128 over rows in their order, each as bytes with their length before them.
#[derive(Default)]
pub(crate) struct ContentHash {
    hash: XxHash3_128,
    /// Rows as they go into the hash.
    bytes: Vec<u8>,
}

impl ContentHash {
    /// Adds rows.
    pub(crate) fn add(&mut self, rows: &RecordBatch) -> Result<()> {
        const ROWS_AT_ONCE: usize = 512;
        for start in (0..rows.num_rows()).step_by(ROWS_AT_ONCE) {
            let some = rows.slice(start, ROWS_AT_ONCE.min(rows.num_rows() - start));
            if !self.add_numbers(&some) {
                self.add_encoded(some.columns().to_vec())?;
            }
        }
        Ok(())
    }

    /// The hash of what was added, as hexadecimal digits.
    pub(crate) fn finish(self) -> String {
        format!("{:032x}", self.hash.finish_128())
    }

    fn add_encoded(&mut self, columns: Vec<ArrayRef>) -> Result<()> {
        for row in &encode(columns)? {
            let row = row.as_ref();
            self.hash.write(&(row.len() as u64).to_le_bytes());
            self.hash.write(row);
        }
        Ok(())
    }

    /// Adds rows of numbers with the bytes that [`encode`] would make of them, without its detours; whether they are such.
    fn add_numbers(&mut self, rows: &RecordBatch) -> bool {
        let widths: Option<Vec<usize>> = rows.columns().iter().map(number_width).collect();
        let Some(widths) = widths else { return false };
        let length: usize = widths.iter().sum();
        let stride = size_of::<u64>() + length;
        self.bytes.resize(stride * rows.num_rows(), 0);
        for row in self.bytes.chunks_exact_mut(stride) {
            row[..size_of::<u64>()].copy_from_slice(&(length as u64).to_le_bytes());
        }
        let mut at = size_of::<u64>();
        for (column, width) in rows.columns().iter().zip(widths) {
            write_numbers(column, &mut self.bytes, stride, at);
            at += width;
        }
        self.hash.write(&self.bytes);
        true
    }
}

/// Bytes that a value takes, if it is a number: one says that it is there, then what the type has.
fn number_width(column: &ArrayRef) -> Option<usize> {
    match column.data_type() {
        DataType::Int32 | DataType::Float32 => Some(1 + 4),
        DataType::Int64 | DataType::Float64 => Some(1 + 8),
        _ => None,
    }
}

/// Writes a column of numbers into rows of `stride` bytes, from the byte `at` of each.
fn write_numbers(column: &ArrayRef, rows: &mut [u8], stride: usize, at: usize) {
    // Bytes compare as the values do: the sign bit is turned around, and with it the others of a negative float.
    match column.data_type() {
        DataType::Int32 => write(column.as_primitive::<Int32Type>(), rows, stride, at, |value| {
            (value ^ i32::MIN).to_be_bytes()
        }),
        DataType::Int64 => write(column.as_primitive::<Int64Type>(), rows, stride, at, |value| {
            (value ^ i64::MIN).to_be_bytes()
        }),
        DataType::Float32 => write(column.as_primitive::<Float32Type>(), rows, stride, at, |value| {
            let bits = value.to_bits() as i32;
            ((bits ^ (((bits >> 31) as u32) >> 1) as i32) ^ i32::MIN).to_be_bytes()
        }),
        DataType::Float64 => write(column.as_primitive::<Float64Type>(), rows, stride, at, |value| {
            let bits = value.to_bits() as i64;
            ((bits ^ (((bits >> 63) as u64) >> 1) as i64) ^ i64::MIN).to_be_bytes()
        }),
        _ => {}
    }
}

fn write<T: ArrowPrimitiveType, const BYTES: usize>(
    column: &PrimitiveArray<T>,
    rows: &mut [u8],
    stride: usize,
    at: usize,
    bytes: impl Fn(T::Native) -> [u8; BYTES],
) {
    let into = || at..at + 1 + BYTES;
    for (row, value) in rows.chunks_exact_mut(stride).zip(column.values()) {
        let row = &mut row[into()];
        row[0] = 1;
        row[1..].copy_from_slice(&bytes(*value));
    }
    if column.null_count() == 0 {
        return;
    }
    for (i, row) in rows.chunks_exact_mut(stride).enumerate() {
        if column.is_null(i) {
            row[into()].fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float32Array, Float64Array, Int32Array, Int64Array};
    use arrow::datatypes::{Field, Schema};
    use proptest::prelude::*;

    use super::*;

    fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
        let field =
            |(i, column): (usize, &ArrayRef)| Field::new(i.to_string(), column.data_type().clone(), true);
        let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    proptest! {
        #[test]
        fn numbers_have_the_bytes_of_the_row_format(
            values in prop::collection::vec((any::<Option<f64>>(), any::<Option<i64>>()), 1..1300),
            cut in 0_usize..1300,
        ) {
            let columns: Vec<ArrayRef> = vec![
                Arc::new(values.iter().map(|(x, _)| *x).collect::<Float64Array>()),
                Arc::new(values.iter().map(|(x, _)| x.map(|x| x as f32)).collect::<Float32Array>()),
                Arc::new(values.iter().map(|(_, i)| *i).collect::<Int64Array>()),
                Arc::new(values.iter().map(|(_, i)| i.map(|i| i as i32)).collect::<Int32Array>()),
            ];
            let rows = batch(columns.clone());
            let cut = cut.min(values.len());
            let (mut quick, mut plain) = (ContentHash::default(), ContentHash::default());
            quick.add(&rows.slice(0, cut)).unwrap();
            quick.add(&rows.slice(cut, values.len() - cut)).unwrap();
            plain.add_encoded(columns).unwrap();
            prop_assert_eq!(quick.finish(), plain.finish());
        }
    }
}
