//! Where stores take time and randomness from, so that a test decides both.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Time and randomness.
pub trait Environment: Send + Sync + fmt::Debug {
    /// Returns the time, in milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;

    /// Returns 128 fresh random bits.
    fn random(&self) -> u128;
}

/// The machine's clock and its random generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    fn now_ms(&self) -> i64 {
        // A clock before 1970 or after the year 292 million is not worth an error path.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
    }

    fn random(&self) -> u128 {
        rand::rng().random()
    }
}

/// A clock that stands still until it is moved, and random bits that repeat for a seed.
#[derive(Debug)]
pub struct FixedEnvironment {
    now_ms: AtomicI64,
    rng: Mutex<StdRng>,
}

impl FixedEnvironment {
    /// Returns an environment for a seed, at a time in milliseconds since the Unix epoch.
    pub fn new(seed: u64, now_ms: i64) -> Self {
        FixedEnvironment {
            now_ms: AtomicI64::new(now_ms),
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
        }
    }

    /// Moves the clock forward.
    pub fn advance_ms(&self, by_ms: i64) {
        self.now_ms.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl Environment for FixedEnvironment {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    fn random(&self) -> u128 {
        // A panic while holding the lock leaves a usable generator behind.
        self.rng
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .random()
    }
}
