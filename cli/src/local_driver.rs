//! [`LocalDriver`]: a driver in this process, with the state directory's records.

use std::time::Duration;

use clap::Args;
use rookery_driver::DriverConfig;
use rookery_proto::{ErrorClass, Failure};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::diagnostic::internal;
use crate::state_dir::StateDir;
use crate::{listen, records};

/// The driver's bounds, for tests and for unusual networks.
#[derive(Debug, Clone, Args)]
pub(crate) struct DriverBounds {
    /// How often workers send heartbeats
    #[arg(long, hide = true, value_name = "MS")]
    heartbeat_interval_ms: Option<u64>,

    /// After how long without a heartbeat a worker is lost
    #[arg(long, hide = true, value_name = "MS")]
    heartbeat_timeout_ms: Option<u64>,

    /// How long a worker may take for one pass over its partitions
    #[arg(long, hide = true, value_name = "MS")]
    round_deadline_ms: Option<u64>,

    /// How long reading, cleaning and splitting may take
    #[arg(long, hide = true, value_name = "MS")]
    ingest_deadline_ms: Option<u64>,
}

impl DriverBounds {
    fn apply(&self, mut config: DriverConfig) -> DriverConfig {
        for (bound, ms) in [
            (&mut config.heartbeat_interval, self.heartbeat_interval_ms),
            (&mut config.heartbeat_timeout, self.heartbeat_timeout_ms),
            (&mut config.round_deadline, self.round_deadline_ms),
            (&mut config.ingest_deadline, self.ingest_deadline_ms),
        ] {
            if let Some(ms) = ms {
                *bound = Duration::from_millis(ms.max(1));
            }
        }
        config
    }
}

/// A running driver. Dropping it tells it to stop.
#[derive(Debug)]
pub(crate) struct LocalDriver {
    url: Url,
    /// How long it may take to stop: its own grace periods, and some more.
    stop_within: Duration,
    shutdown: CancellationToken,
    /// `None` once it has ended and its result was taken.
    task: Option<JoinHandle<Result<(), Failure>>>,
}

impl LocalDriver {
    /// Opens the port and the records, and starts serving. It stops when `shutdown` is cancelled.
    pub(crate) async fn start(
        address: &str,
        state: &StateDir,
        bounds: &DriverBounds,
        shutdown: &CancellationToken,
    ) -> Result<Self, Failure> {
        let listener = listen::bind(address).await?;
        let url = listen::url_of(&listener)?;
        let records = records::open(state).await?;
        let config = bounds.apply(DriverConfig::new(url.clone()));
        let stop_within = config.shutdown_grace * 2 + Duration::from_secs(5);
        let shutdown = shutdown.child_token();
        let task = Some(tokio::spawn(rookery_driver::run(
            config,
            records,
            listener,
            shutdown.clone(),
        )));
        Ok(Self {
            url,
            stop_within,
            shutdown,
            task,
        })
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Waits until it has ended, of its own accord or because it was told to.
    pub(crate) async fn ended(&mut self) -> Result<(), Failure> {
        let Some(task) = &mut self.task else { return Ok(()) };
        let result = task.await;
        self.task = None;
        result.unwrap_or_else(|e| Err(internal(format!("the driver ended early: {e}"))))
    }

    /// Tells it to stop and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        self.shutdown.cancel();
        let stop_within = self.stop_within;
        tokio::time::timeout(stop_within, self.ended())
            .await
            .unwrap_or_else(|_| {
                Err(Failure::new(
                    ErrorClass::TimedOut,
                    format!("the driver did not stop within {} s", stop_within.as_secs()),
                ))
            })
    }
}

impl Drop for LocalDriver {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
