//! [`Stats`]: what a version has done for an endpoint since the driver began. It outlives configurations, not the
//! endpoint.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

const HOUR_MS: i64 = 3_600_000;
const HOURS: i64 = 24;
/// The upper end of the first bucket of the latencies, in seconds, and how many there are, each twice the one before.
const FIRST_BUCKET_S: f64 = 0.000_125;
const BUCKETS: u16 = 17;

/// Milliseconds since the Unix epoch.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Counts and times.
#[derive(Debug)]
pub(super) struct Stats {
    by_status: Mutex<BTreeMap<u16, u64>>,
    pub(super) latency: Histogram,
    /// When the last request came, in milliseconds since the Unix epoch; 0 for never.
    last_ms: AtomicI64,
    /// Requests by hour since the epoch.
    hours: Mutex<BTreeMap<i64, u64>>,
    /// Values of category columns that training has not seen.
    pub(super) unseen: AtomicU64,
    pub(super) shadow: Agreement,
}

/// How far a shadow says the same as what answered.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    /// Requests that were compared.
    pub(super) requests: AtomicU64,
    /// Rows of these requests.
    pub(super) rows: AtomicU64,
    /// Rows for which both predict the same.
    pub(super) agreeing: AtomicU64,
    /// Copies that the shadow could not answer.
    pub(super) failed: AtomicU64,
    /// Copies that were not made, because too many were waiting.
    pub(super) dropped: AtomicU64,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            by_status: Mutex::default(),
            latency: Histogram::new(exponential_buckets(FIRST_BUCKET_S, 2.0, BUCKETS)),
            last_ms: AtomicI64::new(0),
            hours: Mutex::default(),
            unseen: AtomicU64::new(0),
            shadow: Agreement::default(),
        }
    }
}

impl Stats {
    /// A request came.
    pub(super) fn came(&self, now_ms: i64) {
        self.last_ms.fetch_max(now_ms, Ordering::Relaxed);
        let hour = now_ms / HOUR_MS;
        let mut hours = self.hours.lock().unwrap_or_else(PoisonError::into_inner);
        *hours.entry(hour).or_default() += 1;
        if hours.len() as i64 > HOURS + 1 {
            hours.retain(|known, _| *known > hour - HOURS);
        }
    }

    /// A request was answered with this status, after so long.
    pub(super) fn answered(&self, status: u16, took: Duration) {
        self.latency.observe(took.as_secs_f64());
        let mut by_status = self.by_status.lock().unwrap_or_else(PoisonError::into_inner);
        *by_status.entry(status).or_default() += 1;
    }

    /// Answers by status.
    pub(super) fn by_status(&self) -> BTreeMap<u16, u64> {
        self.by_status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// When the last request came, in milliseconds since the Unix epoch.
    pub(super) fn last_ms(&self) -> Option<i64> {
        Some(self.last_ms.load(Ordering::Relaxed)).filter(|ms| *ms > 0)
    }

    /// Requests of the last 24 hours, by the hour.
    pub(super) fn of_a_day(&self, now_ms: i64) -> u64 {
        let hours = self.hours.lock().unwrap_or_else(PoisonError::into_inner);
        hours
            .range(now_ms / HOUR_MS - HOURS + 1..)
            .map(|(_, count)| count)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_24_hours() {
        let stats = Stats::default();
        for hour in 0..40 {
            stats.came(hour * HOUR_MS + 1);
            stats.came(hour * HOUR_MS + 2);
        }
        assert_eq!(stats.of_a_day(39 * HOUR_MS + 5), 48);
        assert_eq!(stats.of_a_day(45 * HOUR_MS), 36);
        assert_eq!(stats.of_a_day(100 * HOUR_MS), 0);
        assert_eq!(stats.last_ms(), Some(39 * HOUR_MS + 2));
        assert!(stats.hours.lock().unwrap().len() <= 25);
    }
}
