//! What the names of files tell: format and compression, and the order that files are read in.

use std::cmp::Ordering;

use super::source_file::SourceFile;
use crate::error::{DataError, Result};
use crate::spec::{Compression, Format, SourceSpec};

/// The format that the job says, or else the first file's ending.
pub(crate) fn format_of(name: &str, spec: &SourceSpec, files: &[SourceFile]) -> Result<Format> {
    if let Some(format) = spec.format {
        return Ok(format);
    }
    let file = files[0].name.to_ascii_lowercase();
    let file = file.trim_end_matches(".gz").trim_end_matches(".zst");
    match file.rsplit('.').next() {
        Some("csv" | "tsv" | "txt") => Ok(Format::Csv),
        Some("parquet") => Ok(Format::Parquet),
        _ => Err(
            DataError::spec(format!("can't tell the format of {file} from its ending"))
                .at(format!("data.sources.{name}"))
                .hint("add format = \"csv\" or format = \"parquet\""),
        ),
    }
}

/// The compression of a file by its ending.
pub(crate) fn compression_of(name: &str) -> Compression {
    match name.to_ascii_lowercase().rsplit('.').next() {
        Some("gz") => Compression::Gzip,
        Some("zst") => Compression::Zstd,
        _ => Compression::None,
    }
}

/// Folder by folder, so that the same files come in the same order wherever they are: as text, `a-b/1` would come before
/// `a/1`.
pub(super) fn in_order(one: &str, other: &str) -> Ordering {
    one.split('/').cmp(other.split('/'))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn files_come_in_the_order_of_paths_wherever_they_are() {
        let mut names = ["d/a-b/1", "d/a/2", "d/a/10", "d/a.csv", "d/B"].map(String::from);
        let mut paths = names.clone().map(PathBuf::from);
        paths.sort();
        names.sort_by(|one, other| in_order(one, other));
        assert_eq!(names.map(PathBuf::from), paths);
    }
}
