//! [`RunFiles`]: the files of runs, in a folder of this machine or behind a server.

use futures::TryStreamExt as _;
use rookery_tracking::artifacts::{ArtifactEntry, Opened};
use rookery_tracking::rest::RestArtifacts;
use rookery_tracking::{ArtifactStore, RunInfo, TrackingError};

/// How URIs begin whose files are kept beside the records.
const PROXIED: &str = "mlflow-artifacts:/";

/// Reads the files of runs.
#[derive(Debug, Clone)]
pub(crate) enum RunFiles {
    Local(ArtifactStore),
    Remote(RestArtifacts),
}

impl RunFiles {
    /// A file's content, or [`TrackingError::ArtifactNotFound`].
    pub(crate) async fn get(&self, run: &RunInfo, path: &str) -> Result<Vec<u8>, TrackingError> {
        match self {
            RunFiles::Local(artifacts) => artifacts.get(run, path).await,
            RunFiles::Remote(artifacts) => match artifacts.get(&run.artifact_uri, path, None).await {
                Ok(bytes) => Ok(bytes.to_vec()),
                // A server says "no such thing" of a missing file, and "that is a folder" of a folder.
                Err(TrackingError::NotFound { .. } | TrackingError::Rejected { .. }) => {
                    Err(TrackingError::ArtifactNotFound {
                        run_id: run.run_id.clone(),
                        path: path.to_owned(),
                    })
                }
                Err(error) => Err(error),
            },
        }
    }

    /// Hands a file's content over in parts; returns its length in bytes, or [`TrackingError::ArtifactNotFound`].
    pub(crate) async fn get_in_parts(
        &self,
        run: &RunInfo,
        path: &str,
        mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<u64, TrackingError> {
        let not_found = || TrackingError::ArtifactNotFound {
            run_id: run.run_id.clone(),
            path: path.to_owned(),
        };
        match self {
            RunFiles::Local(artifacts) => {
                let whole = format!("{}/{}/artifacts/{path}", run.experiment_id, run.run_id);
                let Opened::File(mut file) = artifacts.open(&whole, None).await? else {
                    return Err(not_found());
                };
                while let Some(part) = file.content.try_next().await? {
                    take(&part)
                        .map_err(|e| TrackingError::storage(format!("writing what came of {path}"), e))?;
                }
                Ok(file.size_bytes)
            }
            RunFiles::Remote(artifacts) => {
                match artifacts.get_in_parts(&run.artifact_uri, path, take).await {
                    Err(TrackingError::NotFound { .. } | TrackingError::Rejected { .. }) => Err(not_found()),
                    result => result,
                }
            }
        }
    }

    /// A file below an artifact URI, which need not be a run's; none if it is not there, or not kept here.
    pub(crate) async fn get_at(&self, root: &str, path: &str) -> Result<Option<Vec<u8>>, TrackingError> {
        let Some(folder) = root.strip_prefix(PROXIED) else {
            return Ok(None);
        };
        match self {
            RunFiles::Local(artifacts) => {
                let path = format!("{}/{path}", folder.trim_matches('/'));
                let Opened::File(file) = artifacts.open(&path, None).await? else {
                    return Ok(None);
                };
                let parts: Vec<_> = file.content.try_collect().await?;
                Ok(Some(parts.concat()))
            }
            RunFiles::Remote(artifacts) => match artifacts.get(root, path, None).await {
                Ok(bytes) => Ok(Some(bytes.to_vec())),
                Err(TrackingError::NotFound { .. } | TrackingError::Rejected { .. }) => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// One folder of the run, sorted by path; `""` is their top.
    pub(crate) async fn list(
        &self,
        run: &RunInfo,
        folder: &str,
    ) -> Result<Vec<ArtifactEntry>, TrackingError> {
        match self {
            RunFiles::Local(artifacts) => artifacts.list(run, folder).await,
            RunFiles::Remote(artifacts) => artifacts.list(&run.artifact_uri, folder).await,
        }
    }

    /// Every file of the run, in all its folders, sorted by path.
    pub(crate) async fn list_all(&self, run: &RunInfo) -> Result<Vec<ArtifactEntry>, TrackingError> {
        let artifacts = match self {
            RunFiles::Local(artifacts) => return artifacts.list_all(run).await,
            RunFiles::Remote(artifacts) => artifacts,
        };
        let mut folders = vec![String::new()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in artifacts.list(&run.artifact_uri, &folder).await? {
                match entry.is_dir() {
                    true => folders.push(entry.path),
                    false => files.push(entry),
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }
}
