//! Rows as bytes: their order by content, and the hash of what a partition holds.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
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

/// XXH3-128 over the rows in their order, each with its length.
pub(crate) fn content_hash(rows: &RecordBatch) -> Result<String> {
    const ROWS_AT_ONCE: usize = 8192;
    let mut hash = XxHash3_128::new();
    for start in (0..rows.num_rows()).step_by(ROWS_AT_ONCE) {
        let some = rows.slice(start, ROWS_AT_ONCE.min(rows.num_rows() - start));
        for row in &encode(some.columns().to_vec())? {
            let row = row.as_ref();
            hash.write(&(row.len() as u64).to_le_bytes());
            hash.write(row);
        }
    }
    Ok(format!("{:032x}", hash.finish_128()))
}
