//! Bounds of every request to a store: nothing waits for ever, and what may pass is tried again a few times.

use std::time::Duration;

use object_store::{BackoffConfig, ClientOptions, RetryConfig};

/// How long a connection to a store may take to open.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a store may take for one answer, which is never larger than a piece of a file.
const ANSWER: Duration = Duration::from_secs(30);
/// Until when a request that failed is tried again.
const RETRIES_END: Duration = Duration::from_secs(120);

/// How often a request is tried again: a few times, and not for long.
pub(super) fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 6,
        retry_timeout: RETRIES_END,
    }
}

/// Bounds of every request to a store.
pub(super) fn client_options() -> ClientOptions {
    ClientOptions::new()
        .with_connect_timeout(CONNECT)
        .with_timeout(ANSWER)
}
