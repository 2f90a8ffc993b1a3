//! Arrow batches as the frames that feature stages read.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type};
use rookery_ml::{Column, ColumnData, ColumnKind, Frame};

use crate::error::{DataError, Result};
use crate::schema::ColumnType;

/// The kind of frame column that holds a declared type.
pub fn kind_of(column_type: ColumnType) -> ColumnKind {
    match column_type {
        ColumnType::String => ColumnKind::Text,
        ColumnType::Boolean => ColumnKind::Boolean,
        ColumnType::Int | ColumnType::Long => ColumnKind::Integer,
        ColumnType::Float => ColumnKind::Float,
        ColumnType::Double => ColumnKind::Double,
    }
}

/// Rows `[offset, offset + rows)` of a batch as a frame with the same columns.
///
/// # Errors
/// A column whose Arrow type is no declared type's.
pub fn to_frame(batch: &RecordBatch, offset: usize, rows: usize) -> Result<Frame> {
    let batch = batch.slice(offset, rows);
    let mut frame = Frame::new(rows);
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        let column = to_column(field.name(), array)?;
        frame = frame
            .with_column(field.name(), column)
            .map_err(|e| DataError::internal(e.to_string()))?;
    }
    Ok(frame)
}

fn to_column(name: &str, array: &ArrayRef) -> Result<Column> {
    let data = match array.data_type() {
        DataType::Utf8 => ColumnData::Text(
            array
                .as_string::<i32>()
                .iter()
                .map(|text| text.unwrap_or_default().to_string())
                .collect(),
        ),
        DataType::Boolean => ColumnData::Boolean(
            array
                .as_boolean()
                .iter()
                .map(|value| value.unwrap_or_default())
                .collect(),
        ),
        DataType::Int32 => ColumnData::Integer(
            array
                .as_primitive::<Int32Type>()
                .values()
                .iter()
                .map(|v| i64::from(*v))
                .collect(),
        ),
        DataType::Int64 => ColumnData::Integer(array.as_primitive::<Int64Type>().values().to_vec()),
        DataType::Float32 => ColumnData::Float(array.as_primitive::<Float32Type>().values().to_vec()),
        DataType::Float64 => ColumnData::Double(array.as_primitive::<Float64Type>().values().to_vec()),
        other => {
            return Err(DataError::internal(format!(
                "column \"{name}\" is cached as {other}"
            )));
        }
    };
    let validity = array.nulls().map(|nulls| nulls.iter().collect());
    Ok(Column { data, validity })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float32Array, Int32Array, StringArray};
    use arrow::datatypes::{Field, Schema};

    use super::*;

    #[test]
    fn values_and_nulls_come_over() {
        let schema = Schema::new(vec![
            Field::new("s", DataType::Utf8, true),
            Field::new("i", DataType::Int32, true),
            Field::new("f", DataType::Float32, true),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![Some("x"), None, Some("z")])),
            Arc::new(Int32Array::from(vec![1, 2, 3])),
            Arc::new(Float32Array::from(vec![39.1, 0.5, -1.0])),
        ];
        let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
        let frame = to_frame(&batch, 1, 2).unwrap();
        assert_eq!(frame.rows(), 2);
        assert_eq!(frame.column("s").unwrap().validity, Some(vec![false, true]));
        assert_eq!(frame.column("i").unwrap().data, ColumnData::Integer(vec![2, 3]));
        assert_eq!(
            frame.column("f").unwrap().data,
            ColumnData::Float(vec![0.5, -1.0])
        );
    }
}
