//! What a driver is told at its start.

use std::sync::Arc;
use std::time::Duration;

use rookery_tracking::{ArtifactStore, TrackingStore};
use url::Url;

/// Configuration of a driver; the port it serves on is handed over beside it.
#[derive(Debug, Clone)]
pub struct DriverConfig {
    /// Where clients and workers reach it.
    pub url: Url,
    /// How often workers send heartbeats.
    pub heartbeat_interval: Duration,
    /// After how long without one a worker is lost.
    pub heartbeat_timeout: Duration,
    /// How long reading, cleaning and splitting may take.
    pub ingest_deadline: Duration,
    /// How long a worker may take for one call: a pass over its partitions.
    pub round_deadline: Duration,
    /// How long requests in flight may take once a shutdown has begun.
    pub shutdown_grace: Duration,
}

impl DriverConfig {
    /// A driver at `url` with the default bounds.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            heartbeat_interval: Duration::from_secs(1),
            heartbeat_timeout: Duration::from_secs(10),
            ingest_deadline: Duration::from_secs(3600),
            round_deadline: Duration::from_secs(600),
            shutdown_grace: Duration::from_secs(5),
        }
    }
}

/// Where runs are recorded.
#[derive(Debug, Clone)]
pub struct Records {
    /// Experiments, runs, params, metrics, tags.
    pub store: Arc<dyn TrackingStore>,
    /// Job files and models.
    pub artifacts: ArtifactStore,
}
