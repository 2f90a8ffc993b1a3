//! Rows in Arrow batches: from Parquet, from Arrow's stream and file formats, and from whoever has batches already.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::Buffer;
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::{Message, root_as_message};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rookery_ml::{Column, ColumnData, ColumnKind};

use super::cell::Cell;
use super::table::{Floats, Table};
use super::{Decoded, Decoder};
use crate::Refusal;

/// First and last bytes of Arrow's file format. Between them, after some zeros, is a stream.
const FILE_MAGIC: &[u8] = b"ARROW1";
/// What stands before a message's length.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Most rows that one Parquet body may hold: a few bytes can stand for any number of equal ones.
const MOST_ROWS: i64 = 10_000_000;

impl Decoder<'_> {
    /// Rows of Arrow batches of one schema. Columns of other types are converted as values in JSON are.
    ///
    /// # Errors
    /// A column that is missing or of a type that holds no single values; no row.
    pub fn batches(&self, batches: &[RecordBatch]) -> Result<Decoded, Refusal> {
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let mut table = Table::new(*self, Floats::Singles, 0);
        let Some(first) = batches.first() else {
            return table.finish(None);
        };
        let schema = first.schema();
        for (position, field) in schema.fields().iter().enumerate() {
            if let (None, Some(wrong)) = (
                self.plan.position(field.name(), position),
                self.other_column(field.name()),
            ) {
                return Err(Refusal::bad_request(wrong));
            }
        }
        let missing = self
            .inputs()
            .iter()
            .filter(|input| schema.index_of(&input.name).is_err());
        self.refuse_missing(missing)?;
        for (position, input) in self.inputs().iter().enumerate() {
            let pieces: Option<Vec<&dyn Array>> = batches
                .iter()
                .map(|batch| batch.column_by_name(&input.name).map(AsRef::as_ref))
                .collect();
            let pieces = pieces.ok_or_else(|| {
                Refusal::bad_request(format!("column {} is missing in some batches", input.name))
            })?;
            let array = concat(&pieces).map_err(|e| unusable(&input.name, &e.to_string()))?;
            put(&mut table, position, &input.name, input.kind, &array)?;
        }
        table.set_rows(rows);
        table.finish(None)
    }

    /// Rows of a Parquet file.
    ///
    /// # Errors
    /// No Parquet, or as [`batches`](Decoder::batches).
    pub fn parquet(&self, body: &[u8]) -> Result<Decoded, Refusal> {
        let batches = guarded("Parquet", || {
            let file = Bytes::copy_from_slice(body);
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| e.to_string())?;
            let rows = reader.metadata().file_metadata().num_rows();
            if rows > MOST_ROWS {
                return Err(format!(
                    "it holds {rows} rows, at most {MOST_ROWS} are taken at once"
                ));
            }
            let mask = match self.refuses_others {
                true => ProjectionMask::all(),
                false => {
                    let names = self.inputs().iter().map(|input| input.name.as_str());
                    ProjectionMask::columns(reader.parquet_schema(), names)
                }
            };
            let empty = RecordBatch::new_empty(Arc::clone(reader.schema()));
            let reader = reader.with_projection(mask).build().map_err(|e| e.to_string())?;
            let batches: Result<Vec<_>, _> = reader.collect();
            let batches = batches.map_err(|e| e.to_string())?;
            Ok(if batches.is_empty() { vec![empty] } else { batches })
        })?;
        self.batches(&batches)
    }

    /// Rows in Arrow's stream format, or its file format; without compression.
    ///
    /// # Errors
    /// Neither, or as [`batches`](Decoder::batches).
    pub fn arrow(&self, body: &[u8]) -> Result<Decoded, Refusal> {
        let batches = guarded("Arrow stream", || {
            let stream = match body.strip_prefix(FILE_MAGIC) {
                Some(rest) => &rest[rest.iter().take_while(|byte| **byte == 0).count()..],
                None => body,
            };
            let stream = checked(stream)?;
            let mut decoder = StreamDecoder::new();
            let mut buffer = Buffer::from(stream);
            let mut batches = Vec::new();
            while let Some(batch) = decoder.decode(&mut buffer).map_err(|e| e.to_string())? {
                batches.push(batch);
            }
            let schema = decoder.schema().ok_or("it has no schema")?;
            if batches.is_empty() {
                batches.push(RecordBatch::new_empty(schema));
            }
            Ok(batches)
        })?;
        self.batches(&batches)
    }
}

/// What a reader of a binary format makes of a body. Such readers trust lengths within a file, so that a body made to harm
/// may make one panic; that must not reach further than its request.
fn guarded<T>(format: &str, read: impl FnOnce() -> Result<T, String>) -> Result<T, Refusal> {
    let read = catch_unwind(AssertUnwindSafe(read));
    let read = read.unwrap_or_else(|_| Err("it is damaged".to_string()));
    read.map_err(|e| Refusal::bad_request(format!("Invalid input. The body is no {format}: {e}")))
}

/// The messages of a stream, after it was seen that each of them lies within the body: the reader allocates what a message
/// says it needs. For the same reason compressed ones are refused.
fn checked(stream: &[u8]) -> Result<&[u8], String> {
    let mut at = 0;
    while let Some(size) = word(stream, &mut at) {
        let size = match size {
            CONTINUATION => word(stream, &mut at).ok_or("it ends within a message")?,
            size => size,
        };
        let size = u32::from_le_bytes(size) as usize;
        if size == 0 {
            // What follows in a file is its table of contents.
            return Ok(&stream[..at]);
        }
        let header = at.checked_add(size).and_then(|end| stream.get(at..end));
        let message = root_as_message(header.ok_or("it ends within a message")?)
            .map_err(|e| format!("a message can't be read: {e}"))?;
        if is_compressed(&message) {
            return Err("its batches are compressed, which is not read".to_string());
        }
        let body = usize::try_from(message.bodyLength()).ok();
        let end = body.and_then(|body| at.checked_add(size)?.checked_add(body));
        at = end
            .filter(|end| *end <= stream.len())
            .ok_or("it ends within a message")?;
    }
    Ok(stream)
}

fn word(stream: &[u8], at: &mut usize) -> Option<[u8; 4]> {
    let word = stream.get(*at..*at + 4)?.try_into().ok()?;
    *at += 4;
    Some(word)
}

fn is_compressed(message: &Message<'_>) -> bool {
    let dictionary = message
        .header_as_dictionary_batch()
        .and_then(|batch| batch.data());
    let batch = message.header_as_record_batch().or(dictionary);
    batch.is_some_and(|batch| batch.compression().is_some())
}

/// Puts an array's values into a column, as they are where the type fits, else one by one.
fn put(
    table: &mut Table<'_>,
    column: usize,
    name: &str,
    kind: ColumnKind,
    array: &ArrayRef,
) -> Result<(), Refusal> {
    let as_type = |data_type: DataType| cast(array, &data_type).map_err(|e| unusable(name, &e.to_string()));
    let array_type = array.data_type();
    if is_text(array_type) {
        let texts = as_type(DataType::Utf8)?;
        let cells = texts.as_string::<i32>().iter().map(|text| text.map(Cell::Text));
        put_cells(table, column, cells);
    } else if array_type.is_integer() && *array_type != DataType::UInt64 {
        let integers = as_type(DataType::Int64)?;
        let integers = integers.as_primitive::<Int64Type>();
        match kind {
            ColumnKind::Integer | ColumnKind::Double => {
                let data = ColumnData::Integer(integers.values().to_vec());
                table.set(column, with_validity(data, integers));
            }
            _ => put_cells(
                table,
                column,
                integers.iter().map(|value| value.map(Cell::Integer)),
            ),
        }
    } else if *array_type == DataType::Float32 && kind != ColumnKind::Integer && kind != ColumnKind::Boolean {
        let floats = array.as_primitive::<Float32Type>();
        table.set(
            column,
            with_validity(ColumnData::Float(floats.values().to_vec()), floats),
        );
    } else if array_type.is_numeric() {
        let doubles = as_type(DataType::Float64)?;
        let doubles = doubles.as_primitive::<Float64Type>();
        match kind {
            ColumnKind::Double | ColumnKind::Float | ColumnKind::Text => {
                let data = ColumnData::Double(doubles.values().to_vec());
                table.set(column, with_validity(data, doubles));
            }
            _ => put_cells(table, column, doubles.iter().map(|value| value.map(Cell::Double))),
        }
    } else if *array_type == DataType::Boolean {
        let booleans = array.as_boolean();
        put_cells(
            table,
            column,
            booleans.iter().map(|value| value.map(Cell::Boolean)),
        );
    } else if *array_type == DataType::Null {
        put_cells(table, column, (0..array.len()).map(|_| None));
    } else {
        return Err(unusable(
            name,
            &format!("values of type {array_type} are not read"),
        ));
    }
    Ok(())
}

fn put_cells<'a>(table: &mut Table<'_>, column: usize, cells: impl Iterator<Item = Option<Cell<'a>>>) {
    cells.for_each(|cell| table.put(column, cell.unwrap_or(Cell::Null)));
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// The values where they are; a NaN is left for the scorer, which treats it like a null.
fn with_validity(data: ColumnData, array: &dyn Array) -> Column {
    let validity = array.nulls().map(|nulls| nulls.iter().collect());
    Column { data, validity }
}

fn unusable(column: &str, why: &str) -> Refusal {
    Refusal::bad_request(format!("Invalid input. Column {column}: {why}"))
}
