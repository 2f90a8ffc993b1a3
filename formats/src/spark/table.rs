//! A table of one row in Parquet, written and read.

use std::panic::catch_unwind;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int8Array, Int32Array, ListArray, RecordBatch,
    StringArray, StructArray, new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Float64Type, Int8Type, Int32Type, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::schema::{ROW_METADATA, SparkType, element, matrix_fields, row_metadata, vector_fields};
use crate::{Format, FormatError};

/// The mark of a dense vector or matrix.
const DENSE: i8 = 1;
/// Most values of a column that are read.
const MAX_VALUES: i64 = 1 << 25;

/// A value of the row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell<'a> {
    Int(usize),
    Double(f64),
    Boolean(bool),
    Ints(&'a [usize]),
    /// The labels of each column.
    Labels(&'a [Vec<String>]),
    Vector(&'a [f64]),
    /// Values row by row, and the number of columns.
    Matrix(&'a [f64], usize),
}

impl Cell<'_> {
    fn spark_type(&self) -> SparkType {
        match self {
            Cell::Int(_) => SparkType::Int,
            Cell::Double(_) => SparkType::Double,
            Cell::Ints(_) => SparkType::Ints,
            Cell::Boolean(_) => SparkType::Boolean,
            Cell::Labels(_) => SparkType::TextLists,
            Cell::Vector(_) => SparkType::Vector,
            Cell::Matrix(..) => SparkType::Matrix,
        }
    }

    fn array(&self) -> Result<ArrayRef, FormatError> {
        Ok(match self {
            Cell::Int(value) => Arc::new(Int32Array::from(vec![int32(*value)?])),
            Cell::Boolean(value) => Arc::new(BooleanArray::from(vec![*value])),
            Cell::Double(value) => Arc::new(Float64Array::from(vec![*value])),
            Cell::Ints(values) => {
                let values = values
                    .iter()
                    .map(|value| int32(*value))
                    .collect::<Result<Vec<_>, _>>()?;
                Arc::new(list(Arc::new(Int32Array::from(values)), true))
            }
            Cell::Labels(labels) => {
                let texts: ArrayRef = Arc::new(StringArray::from(labels.concat()));
                let item = element(texts.data_type().clone(), true);
                let offsets = OffsetBuffer::from_lengths(labels.iter().map(Vec::len));
                let inner: ArrayRef = Arc::new(ListArray::new(item, offsets, texts, None));
                Arc::new(list(inner, true))
            }
            Cell::Vector(values) => {
                let arrays: Vec<ArrayRef> = vec![
                    Arc::new(Int8Array::from(vec![DENSE])),
                    new_null_array(&DataType::Int32, 1),
                    null_list(),
                    Arc::new(list(Arc::new(Float64Array::from(values.to_vec())), false)),
                ];
                Arc::new(StructArray::new(vector_fields(), arrays, None))
            }
            Cell::Matrix(values, columns) => {
                let rows = values.len().checked_div(*columns).unwrap_or_default();
                let arrays: Vec<ArrayRef> = vec![
                    Arc::new(Int8Array::from(vec![DENSE])),
                    Arc::new(Int32Array::from(vec![int32(rows)?])),
                    Arc::new(Int32Array::from(vec![int32(*columns)?])),
                    null_list(),
                    null_list(),
                    Arc::new(list(Arc::new(Float64Array::from(values.to_vec())), false)),
                    // Row by row is column by column of the transposed matrix.
                    Arc::new(BooleanArray::from(vec![true])),
                ];
                Arc::new(StructArray::new(matrix_fields(), arrays, None))
            }
        })
    }
}

fn int32(value: usize) -> Result<i32, FormatError> {
    i32::try_from(value).map_err(|_| Format::Spark.unsupported(format!("{value} is too large for an int")))
}

/// A list column of one row that holds all of `values`.
fn list(values: ArrayRef, nullable: bool) -> ListArray {
    let item = element(values.data_type().clone(), nullable);
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    ListArray::new(item, offsets, values, None)
}

fn null_list() -> ArrayRef {
    new_null_array(&DataType::List(element(DataType::Int32, false)), 1)
}

/// Writes a table of one row.
pub(super) fn write(cells: &[(&str, Cell<'_>)]) -> Result<Vec<u8>, FormatError> {
    let failed = |what: String| Format::Spark.invalid(format!("writing Parquet: {what}"));
    let types: Vec<(&str, SparkType)> = cells
        .iter()
        .map(|(name, cell)| (*name, cell.spark_type()))
        .collect();
    let fields: Vec<_> = types.iter().map(|(name, kind)| kind.field(name)).collect();
    let arrays = cells
        .iter()
        .map(|(_, cell)| cell.array())
        .collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(|e| failed(e.to_string()))?;
    let spark = KeyValue::new(ROW_METADATA.to_owned(), row_metadata(&types));
    // Plain values: what is read back is never larger than the file.
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .set_created_by(format!("rookery version {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(vec![spark]))
        .build();
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true);
    let mut bytes = Vec::new();
    let written = ArrowWriter::try_new_with_options(&mut bytes, schema, options).and_then(|mut writer| {
        writer.write(&batch)?;
        writer.close()
    });
    written.map_err(|e| failed(e.to_string()))?;
    Ok(bytes)
}

/// A table of one row that was read.
#[derive(Debug)]
pub(super) struct Row {
    batch: RecordBatch,
}

impl Row {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        let bytes = Bytes::copy_from_slice(bytes);
        // Parquet's decoders assert what a sound file keeps to; a broken one must not end a worker's task so.
        let read = catch_unwind(move || Self::read_sound(bytes));
        read.unwrap_or_else(|_| Err(Format::Spark.invalid("a Parquet file is broken")))
    }

    fn read_sound(bytes: Bytes) -> Result<Self, FormatError> {
        let invalid = |what: String| Format::Spark.invalid(format!("a Parquet file: {what}"));
        let size = bytes.len() as i64;
        let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(|e| invalid(e.to_string()))?;
        let metadata = builder.metadata();
        if metadata.file_metadata().num_rows() != 1 || metadata.num_row_groups() != 1 {
            return Err(invalid("it holds other than one row".to_owned()));
        }
        for column in metadata.row_group(0).columns() {
            let is_plain = column.compression() == Compression::UNCOMPRESSED
                && column.uncompressed_size() <= size
                && column.num_values() <= MAX_VALUES;
            if !is_plain {
                return Err(invalid("it is compressed, or too large".to_owned()));
            }
        }
        let mut reader = builder
            .with_batch_size(1)
            .build()
            .map_err(|e| invalid(e.to_string()))?;
        match reader.next() {
            Some(Ok(batch)) if batch.num_rows() == 1 => Ok(Self { batch }),
            Some(Err(error)) => Err(invalid(error.to_string())),
            _ => Err(invalid("it holds no row".to_owned())),
        }
    }

    fn column(&self, name: &str) -> Result<&ArrayRef, FormatError> {
        let column = self
            .batch
            .column_by_name(name)
            .filter(|column| !column.is_null(0));
        column.ok_or_else(|| Format::Spark.invalid(format!("a table lacks {name}")))
    }

    pub(super) fn int(&self, name: &str) -> Result<usize, FormatError> {
        let column = self.column(name)?.as_primitive_opt::<Int32Type>();
        let value = column.and_then(|column| usize::try_from(column.value(0)).ok());
        value.ok_or_else(|| Format::Spark.invalid(format!("{name} is no count")))
    }

    pub(super) fn boolean(&self, name: &str) -> Result<bool, FormatError> {
        let column = self.column(name)?.as_boolean_opt();
        let value = column.map(|column| column.value(0));
        value.ok_or_else(|| Format::Spark.invalid(format!("{name} is no truth value")))
    }

    /// The number in a column.
    pub(super) fn double(&self, name: &str) -> Result<f64, FormatError> {
        let column = self.column(name)?.as_primitive_opt::<Float64Type>();
        let value = column.map(|column| column.value(0));
        value.ok_or_else(|| Format::Spark.invalid(format!("{name} is no number")))
    }

    /// A list of counts.
    pub(super) fn ints(&self, name: &str) -> Result<Vec<usize>, FormatError> {
        let invalid = || Format::Spark.invalid(format!("{name} is no list of counts"));
        let list = self
            .column(name)?
            .as_list_opt::<i32>()
            .ok_or_else(invalid)?
            .value(0);
        let values = list
            .as_primitive_opt::<Int32Type>()
            .filter(|values| values.null_count() == 0);
        let values = values.ok_or_else(invalid)?.values().iter();
        let counts = values.map(|value| usize::try_from(*value).map_err(|_| invalid()));
        counts.collect()
    }

    /// The labels of an indexer, for each of its columns.
    pub(super) fn labels(&self, name: &str) -> Result<Vec<Vec<String>>, FormatError> {
        let invalid = || Format::Spark.invalid(format!("{name} is no list of lists of texts"));
        let outer = self
            .column(name)?
            .as_list_opt::<i32>()
            .ok_or_else(invalid)?
            .value(0);
        let inner = outer
            .as_list_opt::<i32>()
            .filter(|lists| lists.null_count() == 0)
            .ok_or_else(invalid)?;
        let column = |texts: Option<ArrayRef>| -> Result<Vec<String>, FormatError> {
            let texts = texts.ok_or_else(invalid)?;
            let texts = texts
                .as_string_opt::<i32>()
                .filter(|texts| texts.null_count() == 0);
            let texts = texts.ok_or_else(invalid)?.iter().flatten();
            Ok(texts.map(str::to_owned).collect())
        };
        inner.iter().map(column).collect()
    }

    /// The elements of a dense vector.
    pub(super) fn vector(&self, name: &str) -> Result<Vec<f64>, FormatError> {
        let column = self.column(name)?.as_struct_opt();
        let values = column.and_then(dense_values);
        values.ok_or_else(|| Format::Spark.invalid(format!("{name} is no dense vector")))
    }

    /// The elements of a dense matrix, row by row, and the numbers of rows and columns.
    pub(super) fn matrix(&self, name: &str) -> Result<(Vec<f64>, usize, usize), FormatError> {
        let invalid = || Format::Spark.invalid(format!("{name} is no dense matrix, row by row"));
        let column = self.column(name)?.as_struct_opt().ok_or_else(invalid)?;
        let values = dense_values(column).ok_or_else(invalid)?;
        let size = |field: &str| {
            let sizes = column.column_by_name(field)?.as_primitive_opt::<Int32Type>()?;
            usize::try_from(sizes.value(0)).ok()
        };
        let (rows, columns) = size("numRows").zip(size("numCols")).ok_or_else(invalid)?;
        let transposed = column
            .column_by_name("isTransposed")
            .and_then(|flags| flags.as_boolean_opt());
        let by_rows = transposed.is_some_and(|flags| flags.value(0));
        match by_rows && rows.checked_mul(columns) == Some(values.len()) {
            true => Ok((values, rows, columns)),
            false => Err(invalid()),
        }
    }
}

fn dense_values(column: &StructArray) -> Option<Vec<f64>> {
    let mark = column
        .column_by_name("type")?
        .as_primitive_opt::<Int8Type>()?
        .value(0);
    let lists = column.column_by_name("values")?.as_list_opt::<i32>()?;
    let values = (mark == DENSE && !lists.is_null(0)).then(|| lists.value(0))?;
    let values = values.as_primitive_opt::<Float64Type>()?;
    (values.null_count() == 0).then(|| values.values().to_vec())
}
