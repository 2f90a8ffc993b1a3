//! Jobs as their authors write them, over files in a folder of the test's own.

use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, RecordBatch};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use rookery_data::spec::{DataSpec, SplitSpec};
use rookery_data::stores::Environment;
use rookery_data::{DataError, IngestPlan};
use serde::Deserialize;
use tempfile::TempDir;

/// A folder of source files.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// Writes a file; returns the folder, to write the next one.
    pub(crate) fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.write(name, content);
        self
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Writes a Parquet file with `rows` rows in each row group.
    pub(crate) fn with_parquet(self, name: &str, batch: &RecordBatch, rows: usize) -> Self {
        let file = std::fs::File::create(self.0.path().join(name)).unwrap();
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(rows))
            .build();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Opens a job whose relative paths start here.
    pub(crate) async fn open(&self, job: &str) -> Result<IngestPlan, DataError> {
        open_in(self.path(), job).await
    }

    /// The text of an error without the folder's name.
    pub(crate) fn strip(&self, text: &str) -> String {
        let real = self.path().canonicalize().unwrap();
        text.replace(&format!("{}/", real.display()), "")
            .replace(&format!("{}/", self.path().display()), "")
    }
}

#[derive(Deserialize)]
struct Job {
    data: DataSpec,
    #[serde(default = "all_in_one_part")]
    split: SplitSpec,
}

fn all_in_one_part() -> SplitSpec {
    toml::from_str("weights = [1, 0]").unwrap()
}

/// Opens the `[data]` and `[split]` tables of a job.
pub(crate) async fn open_in(folder: &Path, job: &str) -> Result<IngestPlan, DataError> {
    let job: Job = toml::from_str(job).unwrap_or_else(|e| panic!("{e}"));
    IngestPlan::open(&job.data, &job.split, folder, &Environment::none()).await
}

/// A batch of named columns.
pub(crate) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .unwrap()
}

/// `text` as gzip.
pub(crate) fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// `text` as Zstandard.
pub(crate) fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 3).unwrap()
}
