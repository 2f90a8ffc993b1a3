//! The files of a source: found by path or glob, and what their endings tell.

use std::path::{Path, PathBuf};

use crate::error::{DataError, Result};
use crate::source::SourceFile;
use crate::spec::{Compression, Format, SourceSpec};

/// The files that a source's path or glob names, sorted by path.
pub(crate) fn find_files(name: &str, spec: &SourceSpec, base_dir: &Path) -> Result<Vec<SourceFile>> {
    let place = format!("data.sources.{name}.path");
    if let Some((scheme, _)) = spec.path.split_once("://")
        && scheme != "file"
    {
        return Err(DataError::spec(format!(
            "scheme \"{scheme}\" is not supported, expected a local path or glob"
        ))
        .at(place));
    }
    let given = spec.path.strip_prefix("file://").unwrap_or(&spec.path);
    let pattern = base_dir.join(given);
    let text = pattern.to_string_lossy().into_owned();
    let mut paths = Vec::new();
    if pattern.is_file() {
        paths.push(pattern.clone());
    } else {
        // The job's folder is no part of the pattern, whatever characters its name has.
        let folder = if Path::new(given).is_absolute() {
            String::new()
        } else {
            escaped_folder(base_dir)
        };
        let found = glob::glob(&format!("{folder}{given}"))
            .map_err(|e| DataError::spec(format!("\"{given}\" is not a glob: {e}")).at(place.clone()))?;
        for path in found {
            let path = path.map_err(|e| DataError::spec(format!("can't be read: {e}")).at(place.clone()))?;
            if path.is_file() {
                paths.push(path);
            }
        }
    }
    if paths.is_empty() {
        let what = if pattern.is_dir() {
            "is a folder"
        } else {
            "matches no file"
        };
        return Err(DataError::spec(format!("\"{text}\" {what}"))
            .at(place)
            .hint("relative paths start at the job file's folder; a folder's files are named by a glob such as \"parts/*.csv\""));
    }
    paths.sort();
    paths.into_iter().map(source_file).collect()
}

fn escaped_folder(folder: &Path) -> String {
    match folder.to_string_lossy() {
        text if text.is_empty() => String::new(),
        text => format!("{}/", glob::Pattern::escape(text.trim_end_matches('/'))),
    }
}

fn source_file(path: PathBuf) -> Result<SourceFile> {
    let open = |path: &Path| -> std::io::Result<(PathBuf, u64)> {
        Ok((path.canonicalize()?, std::fs::File::open(path)?.metadata()?.len()))
    };
    let (absolute, size) = open(&path)
        .map_err(|e| DataError::spec(format!("can't be read: {e}")).at(path.display().to_string()))?;
    if size == 0 {
        return Err(DataError::data("the file is empty, expected at least a header")
            .at(path.display().to_string())
            .hint("leave the file out of the glob, or write it with a header"));
    }
    Ok(SourceFile { path: absolute, size })
}

/// The format that the job says, or else the first file's ending.
pub(crate) fn format_of(name: &str, spec: &SourceSpec, files: &[SourceFile]) -> Result<Format> {
    if let Some(format) = spec.format {
        return Ok(format);
    }
    let file = files[0].path.to_string_lossy().to_ascii_lowercase();
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
pub(crate) fn compression_of(path: &Path) -> Compression {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        Some("gz") => Compression::Gzip,
        Some("zst") => Compression::Zstd,
        _ => Compression::None,
    }
}
