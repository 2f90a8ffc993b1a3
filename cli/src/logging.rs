//! Logs go to stderr, so that stdout stays clean for results.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;

/// Starts logging: what RUST_LOG says, else warnings, and more of our own crates with each `-v`.
pub(crate) fn init(verbose: u8, format: LogFormat) {
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
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}
