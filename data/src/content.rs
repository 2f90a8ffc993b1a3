//! Rows as bytes: their order by content, and the hash of what a partition holds.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float32Type, Float64Type, Int32Type, Int64Type, Schema,
};
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

/// XXH3-128 of rows in their order, as hexadecimal digits: of their number, and of each column its type, its values and which
/// rows have none. How the rows are cut into batches plays no part.
pub(crate) fn content_hash(schema: &Schema, batches: &[RecordBatch]) -> Result<String> {
    let mut hash = XxHash3_128::new();
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    hash.write(&(rows as u64).to_le_bytes());
    for (i, field) in schema.fields().iter().enumerate() {
        let data_type = field.data_type().to_string();
        hash.write(&(data_type.len() as u64).to_le_bytes());
        hash.write(data_type.as_bytes());
        let pieces = || batches.iter().map(|batch| batch.column(i));
        for piece in pieces() {
            add_values(piece, &mut hash)?;
        }
        if matches!(field.data_type(), DataType::Utf8) {
            pieces().for_each(|piece| add_lengths(piece, &mut hash));
        }
        add_nulls(pieces(), &mut hash);
    }
    Ok(format!("{:032x}", hash.finish_128()))
}

/// Adds a column's values, of fixed width or as text without ends.
fn add_values(column: &ArrayRef, hash: &mut XxHash3_128) -> Result<()> {
    match column.data_type() {
        DataType::Int32 => add_numbers(column.as_primitive::<Int32Type>(), hash, i32::to_le_bytes),
        DataType::Int64 => add_numbers(column.as_primitive::<Int64Type>(), hash, i64::to_le_bytes),
        DataType::Float32 => add_numbers(column.as_primitive::<Float32Type>(), hash, f32::to_le_bytes),
        DataType::Float64 => add_numbers(column.as_primitive::<Float64Type>(), hash, f64::to_le_bytes),
        DataType::Utf8 => {
            let text = column.as_string::<i32>();
            match (text.null_count(), text.offsets().first(), text.offsets().last()) {
                (0, Some(first), Some(last)) => {
                    hash.write(&text.value_data()[*first as usize..*last as usize])
                }
                _ => text
                    .iter()
                    .flatten()
                    .for_each(|value| hash.write(value.as_bytes())),
            }
        }
        _ => {
            for row in &encode(vec![Arc::clone(column)])? {
                let row = row.as_ref();
                hash.write(&(row.len() as u64).to_le_bytes());
                hash.write(row);
            }
        }
    }
    Ok(())
}

/// Adds numbers as their bytes in memory, the lowest first; zeros where there is none.
fn add_numbers<T: ArrowPrimitiveType, const BYTES: usize>(
    column: &PrimitiveArray<T>,
    hash: &mut XxHash3_128,
    bytes: impl Fn(T::Native) -> [u8; BYTES],
) {
    if column.null_count() == 0 && cfg!(target_endian = "little") {
        hash.write(column.values().inner().as_slice());
        return;
    }
    let values = column.iter().map(|value| value.map_or([0; BYTES], &bytes));
    hash.write(values.collect::<Vec<_>>().as_flattened());
}

/// Adds how many bytes the texts have; none where there is no text.
fn add_lengths(column: &ArrayRef, hash: &mut XxHash3_128) {
    let text = column.as_string::<i32>();
    let lengths = text
        .iter()
        .map(|text| (text.map_or(0, str::len) as u64).to_le_bytes());
    hash.write(lengths.collect::<Vec<_>>().as_flattened());
}

/// Adds the numbers of the rows without a value, and how many there are.
fn add_nulls<'a>(pieces: impl Iterator<Item = &'a ArrayRef>, hash: &mut XxHash3_128) {
    let (mut first, mut count) = (0, 0_u64);
    for piece in pieces {
        if piece.null_count() > 0 {
            for row in (0..piece.len()).filter(|row| piece.is_null(*row)) {
                hash.write(&((first + row) as u64).to_le_bytes());
                count += 1;
            }
        }
        first += piece.len();
    }
    hash.write(&count.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, StringArray};
    use arrow::datatypes::Field;
    use proptest::prelude::*;

    use super::*;

    fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
        let field =
            |(i, column): (usize, &ArrayRef)| Field::new(i.to_string(), column.data_type().clone(), true);
        let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    fn hash(batches: &[RecordBatch]) -> String {
        content_hash(&batches[0].schema(), batches).unwrap()
    }

    fn of_all_types(values: &[(Option<f64>, Option<i64>)]) -> RecordBatch {
        let (numbers, whole) = (
            || values.iter().map(|(x, _)| *x),
            || values.iter().map(|(_, i)| *i),
        );
        batch(vec![
            Arc::new(numbers().collect::<Float64Array>()),
            Arc::new(numbers().map(|x| x.map(|x| x as f32)).collect::<Float32Array>()),
            Arc::new(whole().collect::<Int64Array>()),
            Arc::new(whole().map(|i| i.map(|i| i as i32)).collect::<Int32Array>()),
            Arc::new(
                whole()
                    .map(|i| i.map(|i| (i % 1000).to_string()))
                    .collect::<StringArray>(),
            ),
            Arc::new(whole().map(|i| i.map(|i| i > 0)).collect::<BooleanArray>()),
        ])
    }

    proptest! {
        #[test]
        fn cuts_play_no_part_and_every_value_does(
            values in prop::collection::vec((any::<Option<f64>>(), any::<Option<i64>>()), 1..300),
            cut in 0_usize..300,
            changed in 0_usize..300,
        ) {
            let rows = of_all_types(&values);
            let (cut, changed) = (cut.min(values.len()), changed % values.len());
            let whole = hash(std::slice::from_ref(&rows));
            prop_assert_eq!(&hash(&[rows.slice(0, cut), rows.slice(cut, values.len() - cut)]), &whole);
            let mut other = values.clone();
            other[changed].0 = match other[changed].0 {
                Some(_) => None,
                None => Some(0.0),
            };
            prop_assert_ne!(&hash(&[of_all_types(&other)]), &whole);
            other = values;
            other[changed].1 = other[changed].1.map_or(Some(0), |value| Some(value ^ 1));
            prop_assert_ne!(&hash(&[of_all_types(&other)]), &whole);
        }
    }

    #[test]
    fn what_looks_alike_is_told_apart() {
        let text = |texts: &[Option<&str>]| batch(vec![Arc::new(StringArray::from(texts.to_vec()))]);
        let hashes = [
            hash(&[text(&[Some("ab"), Some("c")])]),
            hash(&[text(&[Some("a"), Some("bc")])]),
            hash(&[text(&[Some("abc"), Some("")])]),
            hash(&[text(&[Some("abc"), None])]),
            hash(&[text(&[None, Some("abc")])]),
            hash(&[batch(vec![Arc::new(Int32Array::from(vec![0]))])]),
            hash(&[batch(vec![Arc::new(Float32Array::from(vec![0.0]))])]),
            hash(&[batch(vec![Arc::new(Float32Array::from(vec![-0.0]))])]),
        ];
        let different: std::collections::BTreeSet<&String> = hashes.iter().collect();
        assert_eq!(different.len(), hashes.len());
    }

    #[test]
    fn what_is_behind_a_null_plays_no_part() {
        let with = |behind: f32| {
            let nulls = vec![true, false].into();
            batch(vec![Arc::new(Float32Array::new(
                vec![1.0, behind].into(),
                Some(nulls),
            ))])
        };
        assert_eq!(hash(&[with(2.0)]), hash(&[with(3.0)]));
    }
}
