//! Where runs are recorded: this driver's own [`Records`], or those of another server. A job sees either as
//! [`JobRecords`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rookery_proto::{ErrorClass, Failure};
use rookery_tracking::{ArtifactStore, LoggedModel, ModelRegistry, RunInfo, TrackingError, TrackingStore};
use url::Url;

use crate::config::DriverConfig;

/// What a driver keeps and serves.
#[derive(Debug, Clone)]
pub struct Records {
    /// Experiments, runs, params, metrics, tags.
    pub store: Arc<dyn TrackingStore>,
    /// Registered models.
    pub registry: Arc<dyn ModelRegistry>,
    /// Job files and models.
    pub artifacts: ArtifactStore,
}

/// Where one job is recorded.
#[derive(Debug, Clone)]
pub struct JobRecords {
    /// Experiments, runs, params, metrics, tags.
    pub store: Arc<dyn TrackingStore>,
    /// Job files and models.
    pub artifacts: Arc<dyn RunArtifacts>,
    /// Set when the records travel to another server.
    pub delivery: Option<Arc<dyn Delivery>>,
}

/// Brings a job's records to another server.
#[async_trait]
pub trait Delivery: Send + Sync + fmt::Debug {
    /// Waits until the server has everything, but not longer than this. What is left is kept, and delivered later;
    /// the answer then says how much, why, and where it is.
    async fn finish(&self, within: Duration) -> Result<(), String>;

    /// The server's id of a run, once it has one.
    fn server_id(&self, run_id: &str) -> Option<String>;
}

/// Keeps the files that a job writes.
#[async_trait]
pub trait RunArtifacts: Send + Sync + fmt::Debug {
    /// Stores a file of a run, replacing one of that path.
    async fn put(&self, run: &RunInfo, path: &str, content: Vec<u8>) -> Result<(), TrackingError>;

    /// Stores a file of a logged model, replacing one of that path.
    async fn put_model(&self, model: &LoggedModel, path: &str, content: Vec<u8>)
    -> Result<(), TrackingError>;
}

/// Reaches the records of other servers.
#[async_trait]
pub trait RemoteRecords: Send + Sync + fmt::Debug {
    /// The records of the server at `uri`.
    async fn open(&self, uri: &Url) -> Result<JobRecords, Failure>;
}

#[async_trait]
impl RunArtifacts for ArtifactStore {
    async fn put(&self, run: &RunInfo, path: &str, content: Vec<u8>) -> Result<(), TrackingError> {
        ArtifactStore::put(self, run, path, content).await.map(|_| ())
    }

    async fn put_model(
        &self,
        model: &LoggedModel,
        path: &str,
        content: Vec<u8>,
    ) -> Result<(), TrackingError> {
        // The store gives every model a directory under this root; the paths of its proxy begin there too.
        let directory = model
            .artifact_uri
            .strip_prefix("mlflow-artifacts:/")
            .ok_or_else(|| {
                TrackingError::rejected(format!("{} is not kept by this driver", model.artifact_uri))
            })?;
        let path = format!("{}/{path}", directory.trim_matches('/'));
        let content = futures::stream::iter([Ok::<_, std::io::Error>(content.into())]);
        self.put_stream(&path, content).await.map(|_| ())
    }
}

impl Records {
    /// The records for a job that names `wanted`, or nothing: then the driver's configuration decides. A driver
    /// whose own address is named (it is what clients are told to set) does not go through its own port.
    ///
    /// # Errors
    /// Class config when another server is named and can't be reached from here.
    pub(crate) async fn for_job(
        &self,
        wanted: Option<&Url>,
        config: &DriverConfig,
    ) -> Result<JobRecords, Failure> {
        match wanted.or(config.tracking_uri.as_ref()) {
            Some(uri) if *uri != config.url => match &config.remote {
                Some(remote) => remote.open(uri).await,
                None => Err(Failure::new(
                    ErrorClass::Config,
                    format!("this driver can't record runs at {uri}"),
                )
                .at(wanted.map_or("MLFLOW_TRACKING_URI", |_| "tracking.uri"))
                .hint("leave it away to record in the driver's state directory")),
            },
            _ => Ok(JobRecords {
                store: Arc::clone(&self.store),
                artifacts: Arc::new(self.artifacts.clone()),
                delivery: None,
            }),
        }
    }
}
