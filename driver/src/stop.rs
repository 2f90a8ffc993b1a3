//! [`Stop`]: a job or the driver is asked to end, and remembers by whom and why.

use std::sync::{Arc, OnceLock};

use rookery_proto::{ErrorClass, Failure};
use tokio_util::sync::CancellationToken;

/// What listens to being asked.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    token: CancellationToken,
    reason: Arc<OnceLock<String>>,
}

impl Stop {
    /// Stops with `whole`, at the latest.
    pub(crate) fn with(whole: &CancellationToken) -> Self {
        Self {
            token: whole.child_token(),
            reason: Arc::default(),
        }
    }

    /// Asks to end; the first reason counts.
    pub(crate) fn because(&self, reason: String) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// Waits until it is asked to end.
    pub(crate) async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    /// Why, if somebody said so.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }

    /// The result of `work`, or a failure as soon as it is asked to end.
    pub(crate) async fn unless<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            result = work => result,
            () = self.token.cancelled() => {
                let reason = self.reason().unwrap_or("the driver was asked to stop");
                Err(Failure::new(ErrorClass::Cancelled, reason))
            }
        }
    }
}
