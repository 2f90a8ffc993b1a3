//! What a driver is told at its start.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rookery_data::stores::Environment;
use rookery_proto::Token;
use rookery_serving::endpoints::Bounds;
use url::Url;

use crate::join::Tls;
use crate::named_clusters::NamedClusters;
use crate::records::RemoteRecords;
use crate::reduction::Reduction;

/// How long a driver's word that it lives holds. A run of a driver that died is closed when it has run out.
pub const LEASE: Duration = Duration::from_secs(30);
/// How often a driver says that it lives: a few words may get lost before the lease runs out.
pub const LEASE_RENEWAL: Duration = Duration::from_secs(5);
/// How often runs of drivers that died are looked for.
pub const ORPHAN_CHECK: Duration = Duration::from_secs(30);

/// How long a job waits at its end until another server has its records.
pub const DELIVERY_WAIT: Duration = Duration::from_secs(30);

/// Configuration of a driver; the port it serves on is handed over beside it.
#[derive(Debug, Clone)]
pub struct DriverConfig {
    /// Where clients and workers reach it.
    pub url: Url,
    /// What every caller must know; `None` lets everybody in.
    pub token: Option<Token>,
    /// How the port is on TLS; `None` for a port in the clear.
    pub tls: Option<Arc<Tls>>,
    /// Where runs are recorded, unless the job says otherwise; `None` for this driver's own records.
    pub tracking_uri: Option<Url>,
    /// How the records of other servers are reached; `None` if they can't be.
    pub remote: Option<Arc<dyn RemoteRecords>>,
    /// Keeps clusters under names, for clients that ask for some; without it there are none.
    pub clusters: Option<Arc<dyn NamedClusters>>,
    /// Where jobs are noted so that a driver that was killed can go on with them; `None` if they end with it.
    pub journal: Option<PathBuf>,
    /// Where serving endpoints are kept; `None` if they end with the driver.
    pub endpoints: Option<PathBuf>,
    /// How long serving endpoints wait for what.
    pub serving: Bounds,
    /// Whether a driver that is told to stop by a signal leaves its jobs to the next one, by way of the journal.
    pub keep_jobs: bool,
    /// What the operator gave this driver to read object stores with.
    pub environment: Environment,
    /// How often workers send heartbeats.
    pub heartbeat_interval: Duration,
    /// After how long without one a worker is lost.
    pub heartbeat_timeout: Duration,
    /// How long reading, cleaning and splitting may take.
    pub ingest_deadline: Duration,
    /// How long a worker may take for one call: a pass over its partitions.
    pub round_deadline: Duration,
    /// After how long without a job the driver ends by itself; `None` for never.
    pub idle_timeout: Option<Duration>,
    /// How many jobs run at once; others wait.
    pub max_running_jobs: usize,
    /// How long a job waits for a worker when the last one is gone.
    pub replacement_wait: Duration,
    /// How much longer than the others a worker may take before its partitions are given to them: this, and three times
    /// as long as they took.
    pub straggler_after: Duration,
    /// How the partials of a round come together.
    pub reduction: Reduction,
    /// How long requests in flight may take once a shutdown has begun.
    pub shutdown_grace: Duration,
    /// How long this driver's runs are its own after its last sign of life.
    pub lease: Duration,
    /// How often it gives one.
    pub lease_renewal: Duration,
    /// How often it closes the runs of drivers that died.
    pub orphan_check: Duration,
    /// How long a job waits at its end until another server has its records.
    pub delivery_wait: Duration,
}

impl DriverConfig {
    /// A driver at `url` with the default bounds, that lets everybody in and records at home.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            token: None,
            tls: None,
            tracking_uri: None,
            remote: None,
            clusters: None,
            journal: None,
            endpoints: None,
            serving: Bounds::default(),
            keep_jobs: false,
            environment: Environment::none(),
            heartbeat_interval: Duration::from_secs(1),
            heartbeat_timeout: Duration::from_secs(10),
            ingest_deadline: Duration::from_secs(3600),
            round_deadline: Duration::from_secs(600),
            idle_timeout: None,
            max_running_jobs: 4,
            replacement_wait: Duration::from_secs(60),
            straggler_after: Duration::from_secs(30),
            reduction: Reduction::Auto,
            shutdown_grace: Duration::from_secs(5),
            lease: LEASE,
            lease_renewal: LEASE_RENEWAL,
            orphan_check: ORPHAN_CHECK,
            delivery_wait: DELIVERY_WAIT,
        }
    }
}
