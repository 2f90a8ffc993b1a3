//! How CSV files are written, and reading them record by record with their line numbers. The engine reads the
//! rows; this reads headers, and finds the place of a bad value after the engine refused it.

use std::io::Read;

use serde::{Deserialize, Serialize};

use crate::error::{DataError, Result};
use crate::spec::{AsciiChar, Compression, SourceSpec};
use crate::stores::{self, SourceFile, compression_of, error_in};

/// The dialect of a source's CSV files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CsvDialect {
    /// Whether each file starts with a line of column names.
    pub header: bool,
    /// Between fields.
    pub delimiter: u8,
    /// Around fields.
    pub quote: u8,
    /// Before a quote inside a quoted field; `None`: quotes are doubled.
    pub escape: Option<u8>,
    /// Starts lines to skip.
    pub comment: Option<u8>,
    /// Texts that mean null, beside the empty one.
    pub null_tokens: Vec<String>,
    /// Whether quoted fields may hold line breaks.
    pub multiline: bool,
    /// The files' compression.
    pub compression: Compression,
}

/// Each character has one meaning, and none ends a line.
fn check_characters(spec: &SourceSpec) -> Result<()> {
    let named = [
        ("delimiter", Some(spec.delimiter)),
        ("quote", Some(spec.quote)),
        ("escape", spec.escape),
        ("comment", spec.comment),
    ];
    let named: Vec<(&str, u8)> = named
        .into_iter()
        .filter_map(|(name, c)| Some((name, c?.0)))
        .collect();
    for (i, (name, byte)) in named.iter().enumerate() {
        if matches!(byte, b'\n' | b'\r') {
            return Err(DataError::spec(format!(
                "{name} is a line break, expected another character"
            )));
        }
        if let Some((other, _)) = named[..i].iter().find(|(_, b)| b == byte) {
            let shown = char::from(*byte).escape_default();
            return Err(DataError::spec(format!(
                "{other} and {name} are both '{shown}', expected two characters"
            )));
        }
    }
    Ok(())
}

impl CsvDialect {
    /// The dialect that `spec` describes. Files of one source share one compression.
    pub(crate) fn of(spec: &SourceSpec, files: &[SourceFile]) -> Result<Self> {
        let byte = |c: Option<AsciiChar>| c.map(|c| c.0);
        let by_name = |file: &SourceFile| spec.compression.unwrap_or_else(|| compression_of(&file.name));
        let compression = by_name(&files[0]);
        check_characters(spec)?;
        if let Some(other) = files.iter().find(|file| by_name(file) != compression) {
            return Err(DataError::spec(format!(
                "compressions differ: {:?}, but {:?} for {}",
                by_name(other),
                compression,
                files[0].name
            ))
            .at(other.name.as_str())
            .hint("make a source for each compression, or set compression"));
        }
        Ok(Self {
            header: spec.header,
            delimiter: spec.delimiter.0,
            quote: spec.quote.0,
            escape: byte(spec.escape),
            comment: byte(spec.comment),
            null_tokens: spec.null_tokens.clone(),
            multiline: spec.multiline,
            compression,
        })
    }

    /// Whether a file can be cut at any byte: neither compressed nor with line breaks in fields.
    pub fn splittable(&self) -> bool {
        self.compression == Compression::None && !self.multiline
    }

    /// Whether a field means null.
    pub fn is_null(&self, field: &str) -> bool {
        field.is_empty() || self.null_tokens.iter().any(|token| token == field)
    }

    /// The file's text.
    pub(crate) fn open(&self, file: &SourceFile) -> Result<Box<dyn Read>> {
        let bytes = stores::open(file)?;
        Ok(match self.compression {
            Compression::None => bytes,
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(bytes).map_err(|e| {
                DataError::data(format!("can't be read as zstd: {e}")).at(file.name.as_str())
            })?),
        })
    }

    /// A reader over the file's records, the header included as a record; records may differ in length.
    pub(crate) fn reader(&self, file: &SourceFile) -> Result<csv::Reader<Box<dyn Read>>> {
        Ok(self.record_reader(self.open(file)?))
    }

    /// A reader over the records of some text; records may differ in length.
    pub(crate) fn record_reader<R: Read>(&self, text: R) -> csv::Reader<R> {
        csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter)
            .quote(self.quote)
            .escape(self.escape)
            .double_quote(self.escape.is_none())
            .comment(self.comment)
            .from_reader(text)
    }

    /// The fields of the first record.
    pub(crate) fn first_record(&self, file: &SourceFile) -> Result<Vec<String>> {
        let place = format!("{}:1", file.name);
        let mut record = csv::StringRecord::new();
        match self.reader(file)?.read_record(&mut record) {
            Ok(true) => {
                let mut fields: Vec<String> = record.iter().map(str::to_string).collect();
                // A byte-order mark is no part of the first name.
                if let Some(first) = fields.first_mut() {
                    *first = first.trim_start_matches('\u{feff}').to_string();
                }
                Ok(fields)
            }
            Ok(false) => Err(DataError::data("the file has no line, expected at least a header").at(place)),
            Err(e) => Err(said_in(&e).unwrap_or_else(|| {
                DataError::data(format!("can't be read as CSV: {e}"))
                    .at(place)
                    .hint("expected UTF-8 text; set format and compression if the file's ending misleads")
            })),
        }
    }
}

/// What the file's place said, if reading records failed because of it.
pub(crate) fn said_in(error: &csv::Error) -> Option<DataError> {
    match error.kind() {
        csv::ErrorKind::Io(io) => error_in(io),
        _ => None,
    }
}
