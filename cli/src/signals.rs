//! SIGINT and SIGTERM ask for an orderly end; a second one does not wait for it.

use std::time::Duration;

use rookery_proto::{ErrorClass, Failure};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::diagnostic::internal;

/// Launchers such as `timeout` signal a process and then its group: within this time it is still the first signal.
const ECHO: Duration = Duration::from_secs(1);

/// A token that is cancelled by the first SIGINT or SIGTERM. The second one ends the process; child processes
/// notice that their parent is gone.
pub(crate) fn shutdown() -> Result<CancellationToken, Failure> {
    let first = Signals::listen()?;
    let token = CancellationToken::new();
    let shutdown = token.clone();
    tokio::spawn(async move {
        first.arrived().await;
        shutdown.cancel();
        tokio::time::sleep(ECHO).await;
        if let Ok(second) = Signals::listen() {
            second.arrived().await;
            std::process::exit(i32::from(ErrorClass::Cancelled.exit_code()));
        }
    });
    Ok(token)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Hears signals from now on.
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|e| internal(format!("signals can't be handled: {e}")));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn arrived(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
