//! Rows in Arrow batches: from Arrow's stream and file formats, and from whoever has batches already.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::buffer::Buffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::{Message, root_as_message};
use rookery_ml::{Column, ColumnData, ColumnKind};

use super::bounds::Bounds;
use super::cell::Cell;
use super::table::{Floats, Table};
use super::{Decoded, Decoder};
use crate::Refusal;

/// First and last bytes of Arrow's file format. Between them, after some zeros, is a stream.
const FILE_MAGIC: &[u8] = b"ARROW1";
/// What stands before a message's length.
const CONTINUATION: [u8; 4] = [0xff; 4];

impl Decoder<'_> {
    /// Rows of Arrow batches of one schema. Columns of other types are converted as values in JSON are.
    ///
    /// # Errors
    /// A column that is missing or of a type that holds no single values; no row.
    pub fn batches(&self, batches: &[RecordBatch]) -> Result<Decoded, Refusal> {
        let bytes = batches.iter().map(RecordBatch::get_array_memory_size).sum();
        self.batches_within(batches, Bounds::of(bytes))
    }

    /// The same, within what is left of `bounds` for texts.
    pub(super) fn batches_within(
        &self,
        batches: &[RecordBatch],
        mut bounds: Bounds,
    ) -> Result<Decoded, Refusal> {
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
            for batch in batches {
                // Where there is none the input has a default, or it would have been missed.
                let Some(array) = batch.column_by_name(&input.name) else {
                    continue;
                };
                put(
                    &mut table,
                    position,
                    &input.name,
                    input.kind,
                    array.as_ref(),
                    &mut bounds,
                )?;
            }
        }
        table.set_rows(batches.iter().map(RecordBatch::num_rows).sum());
        table.finish(None)
    }

    /// Rows in Arrow's stream format, or its file format; without compression.
    ///
    /// # Errors
    /// Neither, or as [`batches`](Decoder::batches).
    pub fn arrow(&self, body: &[u8]) -> Result<Decoded, Refusal> {
        let mut bounds = Bounds::of(body.len());
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
                bounds.add_rows(batch.num_rows())?;
                batches.push(batch);
            }
            let schema = decoder.schema().ok_or("it has no schema")?;
            if batches.is_empty() {
                batches.push(RecordBatch::new_empty(schema));
            }
            Ok(batches)
        })?;
        self.batches_within(&batches, bounds)
    }
}

/// What a reader of a binary format makes of a body. Such readers trust lengths within a file, so that a body made to harm
/// may make one panic; that must not reach further than its request.
pub(super) fn guarded<T>(format: &str, read: impl FnOnce() -> Result<T, String>) -> Result<T, Refusal> {
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
        if message
            .header_as_dictionary_batch()
            .is_some_and(|batch| batch.isDelta())
        {
            // Each would be put together anew with all before it.
            return Err("its dictionaries come in pieces, which is not read".to_string());
        }
        let body = usize::try_from(message.bodyLength()).ok();
        if !has_its_buffers(&message) {
            return Err("a column lies outside of its message".to_string());
        }
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

/// Whether all that a message says is in its body is.
fn has_its_buffers(message: &Message<'_>) -> bool {
    let dictionary = message
        .header_as_dictionary_batch()
        .and_then(|batch| batch.data());
    let Some(batch) = message.header_as_record_batch().or(dictionary) else {
        return true;
    };
    batch.buffers().into_iter().flatten().all(|buffer| {
        let end = buffer.offset().checked_add(buffer.length());
        buffer.offset() >= 0 && buffer.length() >= 0 && end.is_some_and(|end| end <= message.bodyLength())
    })
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
    array: &dyn Array,
    bounds: &mut Bounds,
) -> Result<(), Refusal> {
    let as_type = |data_type: DataType| cast(array, &data_type).map_err(|e| unusable(name, &e.to_string()));
    let array_type = array.data_type();
    if is_text(array_type) {
        let texts = texts(array).map_err(|e| unusable(name, &e))?;
        for row in 0..array.len() {
            let text = texts(row);
            let bytes = text.map_or(0, str::len);
            bounds.add_bytes(bytes).map_err(|e| unusable(name, &e))?;
            table.put(column, text.map_or(Cell::Null, Cell::Text));
        }
    } else if array_type.is_integer() && *array_type != DataType::UInt64 {
        let integers = as_type(DataType::Int64)?;
        let integers = integers.as_primitive::<Int64Type>();
        match kind {
            ColumnKind::Integer | ColumnKind::Double => {
                let data = ColumnData::Integer(integers.values().to_vec());
                table.append(column, array.len(), with_validity(data, integers));
            }
            _ => put_cells(
                table,
                column,
                integers.iter().map(|value| value.map(Cell::Integer)),
            ),
        }
    } else if *array_type == DataType::Float32 && kind != ColumnKind::Integer && kind != ColumnKind::Boolean {
        let floats = array.as_primitive::<Float32Type>();
        table.append(
            column,
            array.len(),
            with_validity(ColumnData::Float(floats.values().to_vec()), floats),
        );
    } else if array_type.is_numeric() {
        let doubles = as_type(DataType::Float64)?;
        let doubles = doubles.as_primitive::<Float64Type>();
        match kind {
            ColumnKind::Double | ColumnKind::Float | ColumnKind::Text => {
                let data = ColumnData::Double(doubles.values().to_vec());
                table.append(column, array.len(), with_validity(data, doubles));
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

/// The text of a row, if it has one.
type TextOf<'a> = Box<dyn Fn(usize) -> Option<&'a str> + 'a>;

/// The texts where they are: a dictionary or a view may name a long one many times.
fn texts<'a>(array: &'a dyn Array) -> Result<TextOf<'a>, String> {
    let is_there = |row: usize| array.is_valid(row);
    Ok(match array.data_type() {
        DataType::Utf8 => {
            let texts = array.as_string::<i32>();
            Box::new(move |row| is_there(row).then(|| texts.value(row)))
        }
        DataType::LargeUtf8 => {
            let texts = array.as_string::<i64>();
            Box::new(move |row| is_there(row).then(|| texts.value(row)))
        }
        DataType::Utf8View => {
            let texts = array.as_string_view();
            Box::new(move |row| is_there(row).then(|| texts.value(row)))
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let keys = cast(dictionary.keys(), &DataType::Int64).map_err(|e| e.to_string())?;
            let values = texts(dictionary.values().as_ref())?;
            Box::new(move |row| {
                let keys = keys.as_primitive::<Int64Type>();
                let key = is_there(row).then(|| keys.value(row))?;
                values(usize::try_from(key).ok()?)
            })
        }
        other => return Err(format!("values of type {other} are not read")),
    })
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
