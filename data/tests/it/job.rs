//! Jobs as their authors write them, over files in a folder of the test's own.

use std::path::{Path, PathBuf};

use rookery_data::spec::{DataSpec, SplitSpec};
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
        text.replace(&format!("{}/", real.display()), "").replace(&format!("{}/", self.path().display()), "")
    }
}

#[derive(Deserialize)]
struct Job {
    data: DataSpec,
    #[serde(default = "seven_to_three")]
    split: SplitSpec,
}

fn seven_to_three() -> SplitSpec {
    toml::from_str("weights = [0.7, 0.3]").unwrap()
}

/// Opens the `[data]` and `[split]` tables of a job.
pub(crate) async fn open_in(folder: &Path, job: &str) -> Result<IngestPlan, DataError> {
    let job: Job = toml::from_str(job).unwrap_or_else(|e| panic!("{e}"));
    IngestPlan::open(&job.data, &job.split, folder).await
}
