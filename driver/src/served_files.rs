//! [`ServedFiles`]: the files of this machine's disk that workers may read while a job runs, and no others. A request
//! names a dataset and a number, never a path.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use rookery_data::IngestPlan;
use rookery_data::stores::Identity;

/// A file as it was when the job was planned.
#[derive(Debug, Clone)]
pub(crate) struct ServedFile {
    pub(crate) path: PathBuf,
    pub(crate) identity: Identity,
}

/// The files by dataset and number.
#[derive(Debug, Default)]
pub(crate) struct ServedFiles {
    datasets: RwLock<BTreeMap<String, BTreeMap<usize, ServedFile>>>,
}

impl ServedFiles {
    /// Serves the plan's files on this disk under the name of `dataset`, as long as what is returned lives.
    pub(crate) fn serve(self: &Arc<Self>, dataset: &str, plan: &IngestPlan) -> Serving {
        let files = plan.local_files().into_iter();
        let files = files.map(|(number, path, identity)| (number, ServedFile { path, identity }));
        self.datasets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(dataset.to_string(), files.collect());
        Serving {
            files: Arc::clone(self),
            dataset: dataset.to_string(),
        }
    }

    /// The file that a request names.
    pub(crate) fn find(&self, dataset: &str, number: &str) -> Option<ServedFile> {
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_number.then(|| number.parse().ok())??;
        let datasets = self.datasets.read().unwrap_or_else(PoisonError::into_inner);
        datasets.get(dataset)?.get(&number).cloned()
    }
}

/// Files are served until this goes, however the job ends.
#[derive(Debug)]
pub(crate) struct Serving {
    files: Arc<ServedFiles>,
    dataset: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.files
            .datasets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.dataset);
    }
}
