//! What endpoints need from the outside: models, and a place to be kept.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use rookery_ml::InputColumn;

use super::error::EndpointError;
use super::record::{Act, EndpointRecord};
use super::spec::Target;
use crate::{Answer, Refusal, Scorer, ScoringRequest};

/// A model that is loaded. Apart from [`Scorer`], because tests need one that is slow or wrong on purpose.
pub trait Score: Send + Sync + fmt::Debug {
    /// Scores the rows of a request.
    ///
    /// # Errors
    /// The request holds no rows, or rows that the model can't use.
    fn answer(&self, request: &ScoringRequest<'_>) -> Result<Answer, Refusal>;

    /// The columns that it reads.
    fn inputs(&self) -> &[InputColumn];

    /// The scorer, if it is one.
    fn scorer(self: Arc<Self>) -> Option<Arc<Scorer>> {
        None
    }
}

impl Score for Scorer {
    fn answer(&self, request: &ScoringRequest<'_>) -> Result<Answer, Refusal> {
        Scorer::answer(self, request)
    }

    fn inputs(&self) -> &[InputColumn] {
        &self.model().inputs
    }

    fn scorer(self: Arc<Self>) -> Option<Arc<Scorer>> {
        Some(self)
    }
}

/// A model in memory.
#[derive(Debug, Clone)]
pub struct LoadedModel {
    /// What answers.
    pub scorer: Arc<dyn Score>,
    /// The size of its file, in bytes.
    pub bytes: u64,
}

/// Where models come from.
#[async_trait]
pub trait ModelSource: Send + Sync + fmt::Debug {
    /// The number of the version that is meant.
    ///
    /// # Errors
    /// [`Kind::NotFound`](super::Kind::NotFound): there is no such model, version or alias;
    /// [`Kind::Unavailable`](super::Kind::Unavailable): nobody can tell now.
    async fn resolve(&self, model: &str, target: &Target) -> Result<u32, EndpointError>;

    /// Loads a version.
    ///
    /// # Errors
    /// It is gone, is no model of ours, or can't be read now.
    async fn load(&self, model: &str, version: u32) -> Result<LoadedModel, EndpointError>;
}

/// What went wrong when endpoints were written down.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the endpoints can't be kept: {0}")]
pub struct StoreError(pub String);

impl From<StoreError> for EndpointError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "an endpoint can't be changed");
        Self::new(super::Kind::Internal, error.to_string())
    }
}

/// Where endpoints are kept. Each call happens wholly or not at all, and is on the disk when it returns.
#[async_trait]
pub trait EndpointStore: Send + Sync + fmt::Debug {
    /// Every endpoint.
    async fn load(&self) -> Result<Vec<EndpointRecord>, StoreError>;

    /// Keeps an endpoint as it is now, and the act that made it so, if it is one that is told of.
    async fn keep(&self, record: &EndpointRecord, act: Option<&Act>) -> Result<(), StoreError>;

    /// Forgets an endpoint; its acts stay.
    async fn forget(&self, name: &str, act: &Act) -> Result<(), StoreError>;

    /// The newest acts of the endpoints that had this name, newest first.
    async fn acts(&self, endpoint: &str, most: usize) -> Result<Vec<Act>, StoreError>;
}
