//! [`Stop`]: a job is asked to end, by the driver or by a person, and says by whom.

use std::sync::{Arc, OnceLock};

use rookery_proto::{ErrorClass, Failure};
use tokio_util::sync::CancellationToken;

/// What a job listens to.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    token: CancellationToken,
    reason: Arc<OnceLock<String>>,
}

impl Stop {
    /// Stops with `driver`, at the latest.
    pub(crate) fn with(driver: &CancellationToken) -> Self {
        Self {
            token: driver.child_token(),
            reason: Arc::default(),
        }
    }

    /// Asks the job to end; the first reason counts.
    pub(crate) fn because(&self, reason: String) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// The result of `work`, or a failure as soon as the job is asked to end.
    pub(crate) async fn unless<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            result = work => result,
            () = self.token.cancelled() => {
                let reason = self.reason.get().map_or("the driver was asked to stop", String::as_str);
                Err(Failure::new(ErrorClass::Cancelled, reason))
            }
        }
    }
}
