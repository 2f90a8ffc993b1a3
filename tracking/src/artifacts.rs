//! The files of a run: models, reports, plots. Kept in an object store, in MLflow's layout
//! `<root>/<experiment_id>/<run_id>/artifacts/<path>`.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use sha2::{Digest, Sha256};

use crate::entities::RunInfo;
use crate::error::TrackingError;

pub(crate) mod path;
mod stream;

use path::{check_path, check_segment};
pub use stream::{ByteRange, OpenArtifact, Opened};

type Result<T> = std::result::Result<T, TrackingError>;

/// What [`ArtifactStore::put`] stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredArtifact {
    /// Relative to the run's artifact directory.
    pub path: String,
    /// In bytes.
    pub size_bytes: u64,
    /// The SHA-256 of the content: 64 lowercase hexadecimal digits.
    pub sha256: String,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactEntry {
    /// Relative to the run's artifact directory.
    pub path: String,
    /// In bytes; `None` for a directory.
    pub size_bytes: Option<u64>,
}

impl ArtifactEntry {
    /// Returns whether the entry is a directory.
    pub fn is_dir(&self) -> bool {
        self.size_bytes.is_none()
    }
}

/// Keeps the files of runs. A path is relative to its run's artifact directory, separated by `/`, in any script; it
/// cannot leave that directory.
#[derive(Debug, Clone)]
pub struct ArtifactStore {
    objects: Arc<dyn ObjectStore>,
}

impl ArtifactStore {
    /// Returns a store in a local folder, creating the folder if it is missing.
    pub fn local(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref();
        let action = || format!("opening the artifact folder {}", root.display());
        std::fs::create_dir_all(root).map_err(|error| TrackingError::storage(action(), error))?;
        let objects = LocalFileSystem::new_with_prefix(root)
            .map_err(|error| TrackingError::storage(action(), error))?
            // A directory exists as long as it holds files, as in every other object store.
            .with_automatic_cleanup(true);
        Ok(ArtifactStore {
            objects: Arc::new(objects),
        })
    }

    /// Returns a store that lives as long as the process.
    pub fn in_memory() -> Self {
        ArtifactStore {
            objects: Arc::new(InMemory::new()),
        }
    }

    /// Stores a file, replacing one of that path. Readers see the old content or the new, never a part.
    pub async fn put(&self, run: &RunInfo, path: &str, content: Vec<u8>) -> Result<StoredArtifact> {
        let location = file_location(run, path)?;
        let stored = StoredArtifact {
            path: path.to_owned(),
            size_bytes: content.len() as u64,
            sha256: sha256_hex(&content),
        };
        self.objects
            .put(&location, content.into())
            .await
            .map_err(|error| failed("storing", run, path, error))?;
        Ok(stored)
    }

    /// Returns a file's content, or [`TrackingError::ArtifactNotFound`].
    pub async fn get(&self, run: &RunInfo, path: &str) -> Result<Vec<u8>> {
        let location = file_location(run, path)?;
        let reading = |error| failed("reading", run, path, error);
        let found = self.objects.get(&location).await.map_err(reading)?;
        Ok(found.bytes().await.map_err(reading)?.into())
    }

    /// Lists one directory of the run, sorted by path; `""` is the run's artifact directory itself. A directory that
    /// does not exist is empty.
    pub async fn list(&self, run: &RunInfo, directory: &str) -> Result<Vec<ArtifactEntry>> {
        let prefix = if directory.is_empty() {
            run_location(run)?
        } else {
            file_location(run, directory)?
        };
        let listing = self
            .objects
            .list_with_delimiter(Some(&prefix))
            .await
            .map_err(|error| failed("listing", run, directory, error))?;
        let files = listing
            .objects
            .iter()
            .map(|object| (&object.location, Some(object.size)));
        let directories = listing.common_prefixes.iter().map(|location| (location, None));
        entries(run, files.chain(directories))
    }

    /// Lists every file of the run, in all its directories, sorted by path.
    pub async fn list_all(&self, run: &RunInfo) -> Result<Vec<ArtifactEntry>> {
        let prefix = run_location(run)?;
        let files: Vec<ObjectMeta> = self
            .objects
            .list(Some(&prefix))
            .try_collect()
            .await
            .map_err(|error| failed("listing", run, "", error))?;
        entries(
            run,
            files.iter().map(|object| (&object.location, Some(object.size))),
        )
    }
}

/// Returns the SHA-256 of some bytes as 64 lowercase hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    use fmt::Write;

    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
            text
        })
}

fn run_location(run: &RunInfo) -> Result<ObjectPath> {
    check_segment(&run.experiment_id, &run.experiment_id)?;
    check_segment(&run.run_id, &run.run_id)?;
    parse(&format!("{}/{}/artifacts", run.experiment_id, run.run_id))
}

fn file_location(run: &RunInfo, path: &str) -> Result<ObjectPath> {
    check_path(path)?;
    parse(&format!("{}/{path}", run_location(run)?))
}

/// Takes the text as it is. The alternative, `ObjectPath::from`, would escape characters, and another name would
/// lie on the disk than the one that was asked for.
fn parse(location: &str) -> Result<ObjectPath> {
    ObjectPath::parse(location).map_err(|error| TrackingError::invalid("artifact path", error.to_string()))
}

fn entries<'a>(
    run: &RunInfo,
    found: impl Iterator<Item = (&'a ObjectPath, Option<u64>)>,
) -> Result<Vec<ArtifactEntry>> {
    let root = format!("{}/", run_location(run)?);
    let relative = |location: &ObjectPath| location.as_ref().strip_prefix(&root).map(str::to_owned);
    let mut entries: Vec<ArtifactEntry> = found
        .filter_map(|(location, size_bytes)| {
            Some(ArtifactEntry {
                path: relative(location)?,
                size_bytes,
            })
        })
        .collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn failed(action: &str, run: &RunInfo, path: &str, error: object_store::Error) -> TrackingError {
    match error {
        object_store::Error::NotFound { .. } => TrackingError::ArtifactNotFound {
            run_id: run.run_id.clone(),
            path: path.to_owned(),
        },
        error => TrackingError::storage(format!("{action} artifact {path:?} of run {}", run.run_id), error),
    }
}
