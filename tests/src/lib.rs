//! The cluster test language: real processes on real ports, told in a few words.
//!
//! ```no_run
//! # async fn example(binary: &str) {
//! use rookery_tests::TestCluster;
//! let cluster = TestCluster::new(binary).workers(3).start().await;
//! let job = cluster.submit("job.toml", &[]).await;
//! assert_eq!(job.code, 0, "{job}");
//! # }
//! ```
//!
//! Everything a test starts ends with it; nothing waits longer than [`DEADLINE`]. A failed expectation panics with
//! what the processes printed.

mod cluster;
mod collector;
mod datasets;
mod file_server;
pub mod http;
mod lateness;
mod network;
mod process;
mod python;
mod running_job;
mod served_model;
mod tls;

pub use cluster::{Builder, TestCluster};
pub use collector::{Collector, TracedSpan};
pub use datasets::{Dataset, write_gzip, write_jobs};
pub use file_server::FileServer;
pub use lateness::Lateness;
pub use network::Network;
pub use process::{Output, Rookery};
pub use python::{Python, say};
pub use running_job::RunningJob;
pub use served_model::ServedModel;
pub use tls::{Member, join, pass_on, register};

use std::time::Duration;

/// How long a test waits for anything before it fails.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// How often readiness is asked for.
pub(crate) const POLL: Duration = Duration::from_millis(10);
