//! [`Counts`]: what a scorer has done since it was loaded.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::Refusal;
use crate::scored::Scored;

/// Upper bounds of the latency histogram's buckets, in microseconds.
pub(crate) const BOUNDS_US: [u64; 14] = [
    25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
];

/// What a scorer has done since it was loaded.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    answered: AtomicU64,
    rows: AtomicU64,
    left_out: AtomicU64,
    unseen: AtomicU64,
    nulls: AtomicU64,
    nanoseconds: AtomicU64,
    /// Answered requests by how long they took; the last is above all bounds.
    latency: [AtomicU64; BOUNDS_US.len() + 1],
    /// Refused requests by status and code.
    refused: Mutex<BTreeMap<(u16, &'static str), u64>>,
}

/// The same at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// Requests that were answered.
    pub answered: u64,
    /// Rows in them.
    pub rows: u64,
    /// Rows that got no prediction.
    pub left_out: u64,
    /// Values that training has not seen, in columns of categories.
    pub unseen: u64,
    /// Values that were null or no finite number.
    pub nulls: u64,
    /// How long all answers took together, from the body to the answer.
    pub busy: Duration,
    /// Requests that were refused, by HTTP status and MLflow's error code.
    pub refused: BTreeMap<(u16, &'static str), u64>,
    /// Answered requests in each bucket of the histogram of [`busy`](Self::busy): upper bound in seconds, requests.
    pub latency: Vec<(f64, u64)>,
}

impl Counts {
    pub(crate) fn answered(&self, scored: &Scored, took: Duration) {
        let left_out = scored.rows - scored.predictions.rows.len();
        let bucket = BOUNDS_US.partition_point(|bound| u128::from(*bound) < took.as_micros());
        for (count, by) in [
            (&self.answered, 1),
            (&self.rows, scored.rows as u64),
            (&self.left_out, left_out as u64),
            (&self.unseen, scored.unseen),
            (&self.nulls, scored.nulls),
            (
                &self.nanoseconds,
                u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
            ),
            (&self.latency[bucket], 1),
        ] {
            count.fetch_add(by, Ordering::Relaxed);
        }
    }

    pub(crate) fn refused(&self, refusal: &Refusal) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.entry((refusal.status, refusal.error_code)).or_default() += 1;
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let bounds = BOUNDS_US
            .iter()
            .map(|bound| *bound as f64 / 1e6)
            .chain([f64::INFINITY]);
        Snapshot {
            answered: of(&self.answered),
            rows: of(&self.rows),
            left_out: of(&self.left_out),
            unseen: of(&self.unseen),
            nulls: of(&self.nulls),
            busy: Duration::from_nanos(of(&self.nanoseconds)),
            refused: self
                .refused
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            latency: bounds.zip(self.latency.iter().map(of)).collect(),
        }
    }
}
