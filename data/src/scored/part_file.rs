//! [`PartFile`]: one file of scored rows.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::parquet::arrow::ArrowWriter;
use serde::{Deserialize, Serialize};

use crate::error::{DataError, Result};

/// What a file of rows is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartFormat {
    /// Apache Parquet.
    #[default]
    Parquet,
    /// Comma-separated values with a header; nulls are empty.
    Csv,
}

impl PartFormat {
    /// The ending of its files' names.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
        }
    }
}

/// A file that rows are added to. The same rows, added in the same pieces, make the same bytes.
pub struct PartFile {
    name: String,
    writer: Writer,
}

enum Writer {
    Parquet(Box<ArrowWriter<File>>),
    Csv(Box<csv::Writer<BufWriter<File>>>),
}

impl std::fmt::Debug for PartFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartFile").field("name", &self.name).finish()
    }
}

impl PartFile {
    /// Creates the file at `path`, which must not be there.
    ///
    /// # Errors
    /// It can't be created.
    pub fn create(path: &Path, format: PartFormat, schema: &SchemaRef) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::create_new(path).map_err(|e| unwritable(&name, &e))?;
        let writer = match format {
            PartFormat::Parquet => {
                let writer = ArrowWriter::try_new(file, Arc::clone(schema), None);
                Writer::Parquet(Box::new(writer.map_err(|e| unwritable(&name, &e))?))
            }
            PartFormat::Csv => {
                let mut writer = csv::Writer::from_writer(BufWriter::new(file));
                let header = schema.fields().iter().map(|field| field.name().as_str());
                writer.write_record(header).map_err(|e| unwritable(&name, &e))?;
                Writer::Csv(Box::new(writer))
            }
        };
        Ok(Self { name, writer })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// They can't be written.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        match &mut self.writer {
            Writer::Parquet(writer) => writer.write(rows).map_err(|e| unwritable(&self.name, &e)),
            Writer::Csv(writer) => write_csv(writer, rows).map_err(|e| unwritable(&self.name, &e)),
        }
    }

    /// Ends the file; it is on the disk then.
    ///
    /// # Errors
    /// The rest can't be written.
    pub fn finish(self) -> Result<()> {
        let name = self.name;
        let file = match self.writer {
            Writer::Parquet(writer) => writer.into_inner().map_err(|e| unwritable(&name, &e))?,
            Writer::Csv(writer) => {
                let buffered = writer.into_inner().map_err(|e| unwritable(&name, &e.error()))?;
                buffered.into_inner().map_err(|e| unwritable(&name, &e.error()))?
            }
        };
        file.sync_all().map_err(|e| unwritable(&name, &e))
    }
}

fn write_csv(
    writer: &mut csv::Writer<BufWriter<File>>,
    rows: &RecordBatch,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let options = FormatOptions::default();
    let columns = rows
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    for row in 0..rows.num_rows() {
        for column in &columns {
            // A null is the empty text.
            writer.write_field(column.value(row).try_to_string()?)?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    Ok(())
}

fn unwritable(name: &str, error: &impl std::fmt::Display) -> DataError {
    DataError::internal(format!("can't be written: {error}")).at(name)
}
