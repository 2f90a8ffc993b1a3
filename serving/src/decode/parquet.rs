//! Rows in Parquet.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::arrow::guarded;
use super::bounds::Bounds;
use super::thrift::{self, Told};
use super::{Decoded, Decoder};
use crate::Refusal;

/// The last bytes of a file, after the length of its footer.
const MAGIC: &[u8] = b"PAR1";
/// The footer's list of row groups.
const ROW_GROUPS: &[i16] = &[4];
/// More row groups than this no reader takes.
const ROW_GROUPS_MAX: usize = i16::MAX as usize;

impl Decoder<'_> {
    /// Rows of a Parquet file, within bounds: see `bounds`.
    ///
    /// # Errors
    /// No Parquet; more than the bounds; or as [`batches`](Decoder::batches).
    pub fn parquet(&self, body: &[u8]) -> Result<Decoded, Refusal> {
        let mut bounds = Bounds::of(body.len());
        let batches = guarded("Parquet", || self.parquet_batches(body, &mut bounds))?;
        self.batches_within(&batches, bounds)
    }

    fn parquet_batches(&self, body: &[u8], bounds: &mut Bounds) -> Result<Vec<RecordBatch>, String> {
        check_footer(body)?;
        let file = Bytes::copy_from_slice(body);
        let metadata = metadata(&file)?;
        let rows = metadata.metadata().file_metadata().num_rows();
        let rows = usize::try_from(rows).map_err(|_| format!("it holds {rows} rows"))?;
        bounds.add_rows(rows)?;
        let is_read = |column: &ColumnChunkMetaData| {
            let root = column.column_path().parts().first();
            self.refuses_others || self.inputs().iter().any(|input| Some(&input.name) == root)
        };
        check_pages(body, metadata.metadata(), is_read, bounds)?;
        let empty = RecordBatch::new_empty(Arc::clone(metadata.schema()));
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
        let mask = match self.refuses_others {
            true => ProjectionMask::all(),
            false => {
                let names = self.inputs().iter().map(|input| input.name.as_str());
                ProjectionMask::columns(reader.parquet_schema(), names)
            }
        };
        let reader = reader.with_projection(mask).build().map_err(|e| e.to_string())?;
        let batches: Result<Vec<_>, _> = reader.collect();
        let batches = batches.map_err(|e| e.to_string())?;
        let found: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if found > rows {
            return Err(format!("it says that it holds {rows} rows, and holds {found}"));
        }
        Ok(if batches.is_empty() { vec![empty] } else { batches })
    }
}

/// What the file says of itself, with texts as views: one that many rows share is in memory once.
fn metadata(file: &Bytes) -> Result<ArrowReaderMetadata, String> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let found = ArrowReaderMetadata::load(file, options).map_err(|e| e.to_string())?;
    let fields = found
        .schema()
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Utf8 => field.as_ref().clone().with_data_type(DataType::Utf8View),
            _ => field.as_ref().clone(),
        });
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let options = ArrowReaderOptions::new()
        .with_skip_arrow_metadata(true)
        .with_schema(Arc::new(schema));
    ArrowReaderMetadata::try_new(Arc::clone(found.metadata()), options).map_err(|e| e.to_string())
}

/// The reader allocates as many row groups as the footer announces.
fn check_footer(body: &[u8]) -> Result<(), String> {
    let rest = body.strip_suffix(MAGIC).ok_or("it does not end as a file does")?;
    let (rest, length) = rest.split_last_chunk::<4>().ok_or("it has no footer")?;
    let length = u32::from_le_bytes(*length) as usize;
    let start = rest.len().checked_sub(length).ok_or("its footer is cut off")?;
    let checked = thrift::walk(&rest[start..], &mut |path, told| match told {
        Told::Elements(count) if path == ROW_GROUPS && count > ROW_GROUPS_MAX => {
            Err(format!("it has {count} row groups"))
        }
        _ => Ok(()),
    });
    checked.map(drop)
}

/// The pages of the columns that are read: the reader allocates what each of them says that it takes.
fn check_pages(
    body: &[u8],
    metadata: &ParquetMetaData,
    is_read: impl Fn(&ColumnChunkMetaData) -> bool,
    bounds: &mut Bounds,
) -> Result<(), String> {
    for group in metadata.row_groups() {
        for column in group.columns().iter().filter(|column| is_read(column)) {
            match column.compression() {
                Compression::UNCOMPRESSED
                | Compression::SNAPPY
                | Compression::ZSTD(_)
                | Compression::LZ4_RAW => {}
                // Their readers unpack whatever there is.
                other => {
                    return Err(format!(
                        "it is compressed with {other}; it is read without compression, or with Snappy, Zstandard or raw LZ4"
                    ));
                }
            }
            let (start, length) = column.byte_range();
            let range = usize::try_from(start).ok().zip(usize::try_from(length).ok());
            let chunk = range.and_then(|(start, length)| body.get(start..start.checked_add(length)?));
            check_chunk(chunk.ok_or("a column lies outside of it")?, bounds)?;
        }
    }
    Ok(())
}

fn check_chunk(mut chunk: &[u8], bounds: &mut Bounds) -> Result<(), String> {
    while !chunk.is_empty() {
        let mut page = Page::default();
        let header = thrift::walk(chunk, &mut |path, told| page.note(path, told))?;
        page.check(bounds)?;
        let packed = usize::try_from(page.packed_bytes).map_err(|_| "a page has no size")?;
        let end = header.checked_add(packed);
        chunk = end.and_then(|end| chunk.get(end..)).ok_or("a page is cut off")?;
    }
    Ok(())
}

/// What a page's header says.
#[derive(Debug, Default)]
struct Page {
    unpacked_bytes: i64,
    packed_bytes: i64,
    values: i64,
    dictionary_values: i64,
}

impl Page {
    /// Takes a field of `PageHeader`.
    fn note(&mut self, path: &[i16], told: Told) -> Result<(), String> {
        let Told::Integer(value) = told else {
            return Ok(());
        };
        match path {
            [2] => self.unpacked_bytes = value,
            [3] => self.packed_bytes = value,
            // `num_values` of a page of either version, and of a dictionary.
            [5, 1] | [8, 1] => self.values = value,
            [7, 1] => self.dictionary_values = value,
            _ => {}
        }
        Ok(())
    }

    fn check(&self, bounds: &mut Bounds) -> Result<(), String> {
        let unpacked = usize::try_from(self.unpacked_bytes).map_err(|_| "a page has no size")?;
        bounds.add_bytes(unpacked)?;
        // Each value of a dictionary takes a byte at least; those of other pages may be nulls, which take none.
        if self.dictionary_values < 0 || self.dictionary_values > self.unpacked_bytes || self.values < 0 {
            return Err("a page holds less than it says".to_string());
        }
        Ok(())
    }
}
