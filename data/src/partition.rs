//! Partitions defined by the data alone: each is a piece of one file, cut by bytes (CSV) or row groups
//! (Parquet). Neither workers nor threads play a part, so a partition's content never changes.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::file::metadata::RowGroupMetaData;

use crate::csv_dialect::CsvDialect;
use crate::error::{DataError, Result};
use crate::stores::{FileChunks, SourceFile, error_in};

/// A piece of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePart {
    /// Position of the file in the source.
    pub file: usize,
    /// Bytes `[start, end)` of it; `None` for the whole file. A line or row group belongs to the piece in
    /// which it starts.
    pub range: Option<(u64, u64)>,
}

/// Cuts CSV files every `bytes`; files that can't be cut are one piece each.
pub(crate) fn csv_parts(files: &[SourceFile], dialect: &CsvDialect, bytes: u64) -> Vec<FilePart> {
    let cut = |(file, source_file): (usize, &SourceFile)| -> Vec<FilePart> {
        if !dialect.splittable() {
            return vec![FilePart { file, range: None }];
        }
        let size = source_file.identity.size;
        (0..size.div_ceil(bytes))
            .map(|i| FilePart {
                file,
                range: Some((i * bytes, ((i + 1) * bytes).min(size))),
            })
            .collect()
    };
    files.iter().enumerate().flat_map(cut).collect()
}

/// Cuts Parquet files between row groups: consecutive groups share a piece up to `bytes`.
pub(crate) fn parquet_parts(files: &[SourceFile], footers: &[ParquetFooter], bytes: u64) -> Vec<FilePart> {
    let mut parts = Vec::new();
    for (file, (source_file, footer)) in files.iter().zip(footers).enumerate() {
        let groups = &footer.row_groups;
        // Offsets that do not ascend leave no ranges to cut at.
        if groups.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            parts.push(FilePart { file, range: None });
            continue;
        }
        parts.extend(
            merge_groups(groups, source_file.identity.size, bytes).map(|range| FilePart {
                file,
                range: Some(range),
            }),
        );
    }
    parts
}

/// Ranges that each hold whole row groups, given as (start, size): the first group and those after it that fit.
fn merge_groups(groups: &[(u64, u64)], file_size: u64, bytes: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let (start, mut sum) = *groups.get(next)?;
        next += 1;
        while let Some((_, size)) = groups.get(next)
            && sum + size <= bytes
        {
            sum += size;
            next += 1;
        }
        Some((start, groups.get(next).map_or(file_size, |group| group.0)))
    })
}

/// What a Parquet file says about itself.
pub(crate) struct ParquetFooter {
    pub(crate) schema: SchemaRef,
    /// Start offset, as DataFusion's range pruning computes it, and compressed size of each row group.
    pub(crate) row_groups: Vec<(u64, u64)>,
}

pub(crate) fn parquet_footer(file: &SourceFile) -> Result<ParquetFooter> {
    let damaged = |e| {
        error_in(&e).unwrap_or_else(|| {
            DataError::data(format!("can't be read as Parquet: {e}")).at(file.name.as_str())
        })
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(FileChunks::new(file)).map_err(damaged)?;
    let row_groups = reader
        .metadata()
        .row_groups()
        .iter()
        .filter_map(|group| {
            let start = first_byte(group)?;
            Some((start, group.compressed_size().max(0) as u64))
        })
        .collect();
    Ok(ParquetFooter {
        schema: Arc::clone(reader.schema()),
        row_groups,
    })
}

/// The byte by which a row group is told to be in a range, as DataFusion's scan does it; `None` without columns.
pub(crate) fn first_byte(group: &RowGroupMetaData) -> Option<u64> {
    let column = group.columns().first()?;
    let start = column
        .dictionary_page_offset()
        .unwrap_or_else(|| column.data_page_offset());
    Some(start.max(0) as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_of_csv_files_cover_every_byte_once(sizes in prop::collection::vec(1u64..5000, 1..5), bytes in 1u64..6000) {
            let files: Vec<SourceFile> =
                sizes.iter().map(|size| SourceFile::fake("f.csv", *size)).collect();
            let spec = serde_json::from_str(r#"{"path": "f.csv"}"#).unwrap();
            let parts = csv_parts(&files, &CsvDialect::of(&spec, &files).unwrap(), bytes);
            let mut expected = (0, 0);
            for part in parts {
                let (start, end) = part.range.unwrap();
                prop_assert_eq!((part.file, start), expected);
                prop_assert!(start < end && end - start <= bytes);
                expected = if end == sizes[part.file] { (part.file + 1, 0) } else { (part.file, end) };
            }
            prop_assert_eq!(expected, (sizes.len(), 0));
        }
    }

    #[test]
    fn row_groups_share_a_piece_up_to_the_size() {
        let groups = [(4, 10), (14, 10), (24, 30), (54, 1), (55, 1)];
        let ranges: Vec<_> = merge_groups(&groups, 60, 20).collect();
        assert_eq!(ranges, [(4, 24), (24, 54), (54, 60)]);
    }

    #[test]
    fn a_row_group_larger_than_the_size_is_a_piece_of_its_own() {
        let ranges: Vec<_> = merge_groups(&[(4, 100), (104, 100)], 210, 1).collect();
        assert_eq!(ranges, [(4, 104), (104, 210)]);
    }
}
