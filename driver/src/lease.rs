//! A driver's sign of life in its records, and the end of runs whose driver gave none for too long.

use std::sync::Arc;

use rookery_proto::Failure;
use rookery_tracking::TrackingStore;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::DriverConfig;
use crate::error::of_tracking;
use crate::events::now_ms;

/// Renews the lease of `owner` and closes orphans, once and in this order: a driver that was asleep for longer than
/// its lease, with its machine, must not take its own runs for orphans.
///
/// # Errors
/// The records can't be written to: such a driver should not start.
pub(crate) async fn begin(
    store: &dyn TrackingStore,
    owner: &str,
    config: &DriverConfig,
) -> Result<(), Failure> {
    renew(store, owner, config).await?;
    close_orphans(store).await
}

/// Renews the lease and closes orphans, each in its interval, for ever. A failure is logged: the next turn may
/// succeed, and a lease that could not be renewed runs out by itself.
pub(crate) async fn keep(store: Arc<dyn TrackingStore>, owner: String, config: DriverConfig) {
    let (mut renewal, mut check) = (interval(config.lease_renewal), interval(config.orphan_check));
    for ticks in [&mut renewal, &mut check] {
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
    }
    loop {
        let done = tokio::select! {
            _ = renewal.tick() => renew(store.as_ref(), &owner, &config).await,
            _ = check.tick() => begin(store.as_ref(), &owner, &config).await,
        };
        if let Err(failure) = done {
            tracing::warn!(%failure, "the records were not kept up");
        }
    }
}

/// Says that `owner` lives.
///
/// # Errors
/// The records can't be written to.
pub(crate) async fn renew(
    store: &dyn TrackingStore,
    owner: &str,
    config: &DriverConfig,
) -> Result<(), Failure> {
    let until = now_ms().saturating_add(config.lease.as_millis() as i64);
    let renewed = store.renew_lease(owner, until).await;
    renewed.map_err(|e| of_tracking(&e))
}

async fn close_orphans(store: &dyn TrackingStore) -> Result<(), Failure> {
    let closed = store.close_orphans(now_ms()).await.map_err(|e| of_tracking(&e))?;
    for run_id in closed {
        tracing::warn!(run_id, "the run's driver gave no sign of life: closed as FAILED");
    }
    Ok(())
}
