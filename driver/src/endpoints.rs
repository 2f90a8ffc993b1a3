//! Serving endpoints of a driver: where they are kept ([`file`]) and where their models come from ([`models`]). What they
//! do is in `rookery_serving::endpoints`.

use std::sync::Arc;

use axum::Router;
use rookery_proto::Failure;
use rookery_serving::endpoints::{Endpoints, api};

use crate::config::DriverConfig;
use crate::error::internal;
use crate::records::Records;

mod file;
mod models;
#[cfg(test)]
mod models_tests;
#[cfg(test)]
mod tests;

use file::EndpointFile;
use models::RegistryModels;

/// The endpoints that are kept where the configuration says. Their models are loaded in the background.
///
/// # Errors
/// Another driver holds the file; it is of a later release; it can't be read.
pub(crate) async fn open(config: &DriverConfig, records: &Records) -> Result<Arc<Endpoints>, Failure> {
    let file = match &config.endpoints {
        Some(path) => EndpointFile::open(path)?,
        None => EndpointFile::in_memory()?,
    };
    let models = RegistryModels {
        registry: Arc::clone(&records.registry),
        artifacts: records.artifacts.clone(),
    };
    Endpoints::open(Arc::new(file), Arc::new(models), config.serving)
        .await
        .map_err(|error| {
            let failure = internal(error.to_string());
            match &config.endpoints {
                Some(path) => failure.at(path.display().to_string()),
                None => failure,
            }
        })
}

/// The routes that need the token.
pub(crate) fn routes(endpoints: &Arc<Endpoints>, config: &DriverConfig) -> Router {
    api::router(Arc::clone(endpoints), config.url.as_str())
}

/// The routes that anybody may ask.
pub(crate) fn open_routes() -> Router {
    api::open_router()
}
