//! Logs go to stderr, so that stdout stays clean for results. Spans go to a collector, if there is one.

use std::io::IsTerminal as _;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::args::LogFormat;
use crate::traces::Traces;

/// Starts logging: what RUST_LOG says, else warnings, and more of our own crates with each `-v`.
pub(crate) fn init(verbose: u8, format: LogFormat, traces: Option<&Traces>) {
    let default = match verbose {
        // A failed job is reported by the command itself; its driver's log line would say it twice.
        0 => "warn,rookery_driver::jobs=error",
        1 => "warn,rookery=info",
        _ => "info,rookery=debug",
    };
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::new(text),
        _ => EnvFilter::new(default),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(traces.map(Traces::layer))
        .init();
}
