//! SIGINT and SIGTERM ask for an orderly end; a second one does not wait for it.

use rookery_proto::{ErrorClass, Failure};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::diagnostic::internal;

/// A token that is cancelled by the first SIGINT or SIGTERM. The second one ends the process; child processes
/// notice that their parent is gone.
pub(crate) fn shutdown() -> Result<CancellationToken, Failure> {
    let listen = |kind| signal(kind).map_err(|e| internal(format!("signals can't be handled: {e}")));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let token = CancellationToken::new();
    let shutdown = token.clone();
    tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        shutdown.cancel();
        either(&mut interrupt, &mut terminate).await;
        std::process::exit(i32::from(ErrorClass::Cancelled.exit_code()));
    });
    Ok(token)
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
