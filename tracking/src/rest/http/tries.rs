//! How often a call is repeated, and when it is enough.

use std::time::{Duration, Instant};

use rand::Rng;

use super::Http;
use super::fault::Fault;
use crate::error::TrackingError;
use crate::rest::Bounds;
use crate::store::Result;

/// How often a call was tried. Pauses double, with jitter, so that clients of a server that was restarted do not
/// come back all at once.
#[derive(Debug)]
pub(in crate::rest) struct Tries {
    bounds: Bounds,
    started: Instant,
    pause: Duration,
    attempts: u32,
    /// Some attempt may have been carried out.
    pub(in crate::rest) maybe_done: bool,
}

impl Tries {
    /// Waits before the next attempt, or returns the error if there is to be none.
    pub(in crate::rest) async fn pause_after(&mut self, fault: Fault) -> Result<()> {
        self.attempts += 1;
        let Some(again) = fault.again else {
            return Err(fault.error);
        };
        self.maybe_done |= again.maybe_done;
        let jitter = rand::rng().random_range(0.5..1.0);
        let pause = self.pause.mul_f64(jitter).max(again.after.unwrap_or_default());
        if self.started.elapsed() + pause > self.bounds.retry_for {
            let TrackingError::Unavailable { message } = fault.error else {
                return Err(fault.error);
            };
            let (attempts, after) = (self.attempts, self.started.elapsed());
            return Err(TrackingError::Unavailable {
                message: format!(
                    "{message} (tried {attempts} times in {:.1} s)",
                    after.as_secs_f64()
                ),
            });
        }
        tracing::debug!(error = %fault.error, ?pause, "asking again");
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(self.bounds.longest_pause);
        Ok(())
    }
}

impl Http {
    pub(in crate::rest) fn tries(&self) -> Tries {
        Tries {
            bounds: self.bounds,
            started: Instant::now(),
            pause: self.bounds.first_pause,
            attempts: 0,
            maybe_done: false,
        }
    }
}
