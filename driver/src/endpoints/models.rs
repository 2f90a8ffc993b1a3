//! [`RegistryModels`]: models of serving endpoints come from the registry, and their files from the artifacts beside it.

use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use rookery_ml::Model;
use rookery_serving::Scorer;
use rookery_serving::endpoints::{EndpointError, Kind, LoadedModel, ModelSource, Target};
use rookery_tracking::artifacts::Opened;
use rookery_tracking::{ArtifactStore, ErrorCode, ModelRegistry, TrackingError};

/// The model's file inside the folder that a version names.
const MODEL_FILE: &str = "model.json";
/// How addresses begin whose files are kept beside the registry.
const PROXIED: &str = "mlflow-artifacts:/";

/// The registry's models.
#[derive(Debug)]
pub(super) struct RegistryModels {
    pub(super) registry: Arc<dyn ModelRegistry>,
    pub(super) artifacts: ArtifactStore,
}

#[async_trait]
impl ModelSource for RegistryModels {
    async fn resolve(&self, model: &str, target: &Target) -> Result<u32, EndpointError> {
        let found = match target {
            Target::Version(version) => self.registry.get_model_version(model, *version).await,
            Target::Alias(alias) => self.registry.get_version_by_alias(model, alias).await,
        };
        found
            .map(|version| version.version)
            .map_err(|error| match (error.code(), target) {
                // MLflow's word for an alias that is not there.
                (ErrorCode::InvalidParameterValue, Target::Alias(_)) => {
                    EndpointError::not_found(error.to_string())
                }
                _ => of_tracking(&error),
            })
    }

    async fn load(&self, model: &str, version: u32) -> Result<LoadedModel, EndpointError> {
        let found = self.registry.get_model_version(model, version).await;
        let location = found.map_err(|e| of_tracking(&e))?.storage_location;
        let bytes = self.file(&location).await.map_err(|e| of_tracking(&e))?;
        let bytes = bytes.ok_or_else(|| {
            EndpointError::invalid(format!(
                "version {version} of {model} can't be served: it has no {MODEL_FILE} of Rookery's at {location}"
            ))
        })?;
        let size = bytes.len() as u64;
        let what = format!("version {version} of {model}");
        // Reading a large model takes a while, in which others are to be answered.
        let read = tokio::task::spawn_blocking(move || read(&bytes)).await;
        let scorer = read
            .map_err(|error| EndpointError::new(Kind::Internal, format!("{what}: {error}")))?
            .map_err(|error| EndpointError::invalid(format!("{what} can't be served: {error}")))?;
        Ok(LoadedModel {
            scorer: Arc::new(scorer),
            bytes: size,
        })
    }
}

impl RegistryModels {
    /// The model's file, if it is there.
    async fn file(&self, location: &str) -> Result<Option<Vec<u8>>, TrackingError> {
        let Some(folder) = location.strip_prefix(PROXIED) else {
            return Ok(None);
        };
        let path = format!("{}/{MODEL_FILE}", folder.trim_matches('/'));
        let Opened::File(file) = self.artifacts.open(&path, None).await? else {
            return Ok(None);
        };
        let parts: Vec<_> = file.content.try_collect().await?;
        Ok(Some(parts.concat()))
    }
}

fn read(bytes: &[u8]) -> Result<Scorer, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    Model::from_json(text).map(Scorer::new).map_err(|e| e.to_string())
}

fn of_tracking(error: &TrackingError) -> EndpointError {
    match error.code() {
        ErrorCode::ResourceDoesNotExist => EndpointError::not_found(error.to_string()),
        ErrorCode::InvalidParameterValue => EndpointError::invalid(error.to_string()),
        _ => {
            tracing::warn!(%error, "the registry did not answer an endpoint");
            EndpointError::unavailable("the registry does not answer now; the driver's log says why")
        }
    }
}
