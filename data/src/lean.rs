//! Columns as a partition keeps them: of exactly the bytes that they need, doubles as floats where that loses nothing. A
//! column of such doubles takes half the memory, and blocks can use it as it is.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, Float32Array, PrimitiveArray, RecordBatch,
    RecordBatchOptions, UInt32Array, make_array, new_empty_array,
};
use arrow::buffer::ScalarBuffer;
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use rookery_ml::{SharedColumn, SharedValues};

/// Rows of one part of a partition.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The rows. A column may be of floats where doubles are declared.
    pub(crate) rows: RecordBatch,
    /// For each column its values as blocks share them, if it is of floats or doubles without nulls. They are those of
    /// `rows`, with zeros behind them: not a copy.
    shared: Vec<Option<SharedColumn>>,
}

impl Kept {
    /// Rows, and for each of their columns its values as blocks share them.
    pub(crate) fn new(rows: RecordBatch, shared: Vec<Option<SharedColumn>>) -> Self {
        Self { rows, shared }
    }

    /// The values of the column at `index` as blocks share them.
    pub(crate) fn shared(&self, index: usize) -> Option<&SharedColumn> {
        self.shared.get(index)?.as_ref()
    }
}

/// Chosen rows of `batches` as one lean batch: of each batch those that `rows` names, which are ascending.
pub(crate) fn gather(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    rows: &[UInt32Array],
) -> Result<Kept, ArrowError> {
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    let mut shared = Vec::with_capacity(schema.fields().len());
    for i in 0..schema.fields().len() {
        let pieces: Vec<&ArrayRef> = batches.iter().map(|batch| batch.column(i)).collect();
        let (column, values) = gather_column(schema.field(i).data_type(), &pieces, rows)?;
        columns.push(column);
        shared.push(values);
    }
    let field = |(field, column): (&Arc<Field>, &ArrayRef)| {
        field.as_ref().clone().with_data_type(column.data_type().clone())
    };
    let fields: Vec<Field> = schema.fields().iter().zip(&columns).map(field).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.iter().map(Array::len).sum()));
    let rows = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?;
    Ok(Kept { rows, shared })
}

fn gather_column(
    data_type: &DataType,
    pieces: &[&ArrayRef],
    rows: &[UInt32Array],
) -> Result<(ArrayRef, Option<SharedColumn>), ArrowError> {
    let is_full = pieces.iter().all(|piece| piece.null_count() == 0);
    match data_type {
        DataType::Float32 if is_full => Ok(singles(values::<Float32Type>(pieces, rows))),
        DataType::Float64 if is_full => {
            let column = values::<Float64Type>(pieces, rows);
            let values = &column.values[..column.count];
            // Without a branch inside, which makes vectors of it.
            let are_single = values.iter().fold(true, |all, value| all & is_single(*value));
            Ok(match are_single {
                true => singles(padded(values.iter().map(|value| *value as f32).collect())),
                false => doubles(column),
            })
        }
        _ => {
            let taken = pieces
                .iter()
                .zip(rows)
                .map(|(piece, rows)| take(piece, rows, None));
            let taken = taken.collect::<Result<Vec<ArrayRef>, _>>()?;
            let taken: Vec<&dyn Array> = taken.iter().map(AsRef::as_ref).collect();
            let column = match taken.is_empty() {
                true => new_empty_array(data_type),
                false => concat(&taken)?,
            };
            Ok((narrowed(without_idle_nulls(column)?), None))
        }
    }
}

/// The column without a list of nulls that names none: what a column takes must follow from its values alone.
fn without_idle_nulls(column: ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.nulls().is_some_and(|nulls| nulls.null_count() == 0) {
        true => Ok(make_array(column.to_data().into_builder().nulls(None).build()?)),
        false => Ok(column),
    }
}

/// Whether a float holds the value, bit for bit.
fn is_single(value: f64) -> bool {
    f64::from(value as f32).to_bits() == value.to_bits()
}

/// A column with nulls, as floats if it is of doubles that floats hold.
fn narrowed(column: ArrayRef) -> ArrayRef {
    let Some(doubles) = column.as_primitive_opt::<Float64Type>() else {
        return column;
    };
    if !doubles.iter().flatten().all(is_single) {
        return column;
    }
    let values: Vec<f32> = doubles.values().iter().map(|value| *value as f32).collect();
    Arc::new(Float32Array::new(values.into(), doubles.nulls().cloned()))
}

/// The chosen values, with zeros behind them; not copied where they are a piece's as they have to be.
fn values<T: ArrowPrimitiveType>(pieces: &[&ArrayRef], rows: &[UInt32Array]) -> Padded<T> {
    let count = rows.iter().map(Array::len).sum();
    if let ([piece], [_]) = (pieces, rows) {
        let values = piece.as_primitive::<T>().values();
        let is_whole = count == values.len() && count == SharedColumn::padded(count);
        if is_whole && values.inner().capacity() == size_of_val::<[T::Native]>(values) {
            return Padded {
                values: values.clone(),
                count,
            };
        }
    }
    let mut chosen = Vec::with_capacity(SharedColumn::padded(count));
    for (piece, rows) in pieces.iter().zip(rows) {
        let (values, rows) = (piece.as_primitive::<T>().values(), rows.values());
        match in_a_row(rows) {
            Some(range) => chosen.extend_from_slice(&values[range]),
            None => chosen.extend(rows.iter().map(|row| values[*row as usize])),
        }
    }
    padded(chosen)
}

/// The range of ascending numbers that leave none out.
fn in_a_row(rows: &[u32]) -> Option<std::ops::Range<usize>> {
    let (first, last) = (*rows.first()? as usize, *rows.last()? as usize);
    (last - first + 1 == rows.len()).then_some(first..last + 1)
}

fn singles(column: Padded<Float32Type>) -> (ArrayRef, Option<SharedColumn>) {
    let array = unpadded::<Float32Type>(&column.values, column.count);
    (
        array,
        Some(SharedColumn::Single(SharedValues::new(column.values))),
    )
}

fn doubles(column: Padded<Float64Type>) -> (ArrayRef, Option<SharedColumn>) {
    let array = unpadded::<Float64Type>(&column.values, column.count);
    (
        array,
        Some(SharedColumn::Double(SharedValues::new(column.values))),
    )
}

/// A column's values and, behind them, the zeros that blocks need.
struct Padded<T: ArrowPrimitiveType> {
    values: ScalarBuffer<T::Native>,
    /// How many there are without the zeros.
    count: usize,
}

fn padded<T: ArrowPrimitiveType>(mut values: Vec<T::Native>) -> Padded<T> {
    let count = values.len();
    // Of exactly the bytes that it needs.
    values.reserve_exact(SharedColumn::padded(count) - count);
    values.resize(SharedColumn::padded(count), T::Native::default());
    Padded {
        values: values.into(),
        count,
    }
}

/// The column of `rows` values that have zeros behind them. It shares them.
pub(crate) fn unpadded<T: ArrowPrimitiveType>(padded: &ScalarBuffer<T::Native>, rows: usize) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(padded.slice(0, rows), None))
}

/// Kept rows with the types that `schema` gives their columns.
pub(crate) fn widened(schema: &SchemaRef, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns = schema.fields().iter().zip(rows.columns());
    let columns = columns.map(|(field, column)| cast(column, field.data_type()));
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect::<Result<_, _>>()?, &options)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, StringArray};

    use super::*;

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("floats", DataType::Float64, true),
            Field::new("doubles", DataType::Float64, true),
            Field::new("some", DataType::Float64, true),
            Field::new("text", DataType::Utf8, true),
        ]))
    }

    fn batch(floats: [f64; 3], doubles: [f64; 3], some: [Option<f64>; 3], text: [&str; 3]) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Float64Array::from(floats.to_vec())),
            Arc::new(Float64Array::from(doubles.to_vec())),
            Arc::new(Float64Array::from(some.to_vec())),
            Arc::new(StringArray::from(text.to_vec())),
        ];
        RecordBatch::try_new(schema(), columns).unwrap()
    }

    #[test]
    fn doubles_that_floats_hold_are_kept_as_floats_and_read_as_doubles() {
        let batches = [
            batch(
                [1.0, 39.1, -0.0],
                [0.1, 1.0, 2.0],
                [Some(0.5), None, Some(0.1)],
                ["a", "b", "c"],
            ),
            batch(
                [f64::NAN, 2.5, 3.0],
                [1e300, 5.0, 6.0],
                [None, Some(4.0), Some(0.1)],
                ["d", "e", "f"],
            ),
        ];
        let rows = [UInt32Array::from(vec![0, 2]), UInt32Array::from(vec![0, 1])];
        let kept = gather(&schema(), &batches, &rows).unwrap();
        let shared: Vec<bool> = (0..4).map(|i| kept.shared(i).is_some()).collect();
        assert_eq!(shared, [true, true, false, false]);
        let kept = kept.rows;
        let types: Vec<&DataType> = kept.columns().iter().map(|column| column.data_type()).collect();
        assert_eq!(
            types,
            [
                &DataType::Float32,
                &DataType::Float64,
                &DataType::Float64,
                &DataType::Utf8
            ]
        );
        let read = widened(&schema(), &kept).unwrap();
        let bits = |i: usize| -> Vec<u64> {
            read.column(i)
                .as_primitive::<Float64Type>()
                .values()
                .iter()
                .map(|x| x.to_bits())
                .collect()
        };
        assert_eq!(bits(0), [1.0, -0.0, f64::NAN, 2.5].map(f64::to_bits));
        assert_eq!(bits(1), [0.1, 2.0, 1e300, 5.0].map(f64::to_bits));
        let some: Vec<Option<f64>> = read.column(2).as_primitive::<Float64Type>().iter().collect();
        assert_eq!(some, [Some(0.5), Some(0.1), None, Some(4.0)]);
        // A value that is not chosen does not matter.
        let rows = [UInt32Array::from(vec![0]), UInt32Array::from(vec![1])];
        let kept = gather(&schema(), &batches, &rows).unwrap().rows;
        assert_eq!(kept.column(2).data_type(), &DataType::Float32);
        // One lane of floats.
        assert_eq!(kept.column(0).get_buffer_memory_size(), 8 * size_of::<f32>());
        let nothing = gather(&schema(), &[], &[]).unwrap().rows;
        assert_eq!((nothing.num_rows(), nothing.num_columns()), (0, 4));
    }

    #[test]
    fn what_is_as_it_has_to_be_is_not_copied() {
        let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Float32, true)]));
        let address = |batch: &RecordBatch| batch.column(0).as_primitive::<Float32Type>().values().as_ptr();
        let all = |count: u32| UInt32Array::from_iter_values(0..count);
        // (values there, room for them, rows chosen): of full lanes and without anything behind, or copied.
        for (length, room, chosen, is_copied) in [
            (16, 16, 16, false),
            (16, 17, 16, true),
            (16, 16, 8, true),
            (15, 15, 15, true),
        ] {
            let mut values = Vec::with_capacity(room);
            values.extend((0..length).map(|i| i as f32));
            let column: ArrayRef = Arc::new(Float32Array::from(values));
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column]).unwrap();
            let kept = gather(&schema, std::slice::from_ref(&batch), &[all(chosen)]).unwrap();
            let case = format!("{length} of {room}, {chosen} chosen");
            assert_eq!(address(&kept.rows) != address(&batch), is_copied, "{case}");
            let bytes = SharedColumn::padded(chosen as usize) * size_of::<f32>();
            assert_eq!(kept.rows.column(0).get_buffer_memory_size(), bytes, "{case}");
            let Some(SharedColumn::Single(shared)) = kept.shared(0) else {
                panic!("{case}")
            };
            assert_eq!(shared.len(), SharedColumn::padded(chosen as usize), "{case}");
        }
    }
}
