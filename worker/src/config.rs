//! What a worker is told at its start.

use std::path::PathBuf;
use std::time::Duration;

use rookery_proto::Token;
use rookery_tls::Identity;
use url::Url;

/// Configuration of a worker; the port it serves on is handed over beside it.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The driver.
    pub driver: Url,
    /// What the driver asks for, if it is known; this worker asks its callers for the same.
    pub token: Option<Token>,
    /// Proves who this worker is; `None` in a cluster that is not on TLS.
    pub identity: Option<Identity>,
    /// Where the driver and other workers reach this worker.
    pub url: Url,
    /// Whether files of the driver are looked for on this machine's disk before they are asked for; false in tests of
    /// machines without a shared disk.
    pub local_files: bool,
    /// Threads to compute with, at least 1.
    pub threads: usize,
    /// How much memory datasets and queries may take; `None` for as much as there is.
    pub memory: Option<MemoryConfig>,
    /// How long the driver may be unreachable before the worker gives up.
    pub driver_timeout: Duration,
    /// How long requests in flight may take once a shutdown has begun.
    pub shutdown_grace: Duration,
    /// How long a worker that was told to stop stays for the jobs that need it.
    pub drain_timeout: Duration,
    /// How much later than it could each round is answered; for tests of late work.
    pub answer_delay: Duration,
    /// How much later than it could be each batch of rows is read; for tests of slow workers.
    pub read_delay: Duration,
}

/// A limit to memory, and where the rest goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryConfig {
    /// The limit in bytes.
    pub limit: usize,
    /// The worker makes a folder of its own in it.
    pub spill_dir: PathBuf,
}

impl WorkerConfig {
    /// A worker at `url` for `driver`, with the default bounds.
    pub fn new(driver: Url, url: Url, threads: usize) -> Self {
        Self {
            driver,
            token: None,
            identity: None,
            url,
            local_files: true,
            threads: threads.max(1),
            memory: None,
            driver_timeout: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(30),
            answer_delay: Duration::ZERO,
            read_delay: Duration::ZERO,
        }
    }
}
