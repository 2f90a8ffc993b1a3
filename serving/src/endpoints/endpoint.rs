//! [`Endpoint`]: one endpoint of this driver, as requests and changes find it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::error::EndpointError;
use super::record::{EndpointRecord, LastUpdate};
use super::routing::{AllStats, Routing, Served};

/// An endpoint. What it serves is read without waiting; it is changed by one act at a time.
#[derive(Debug)]
pub struct Endpoint {
    /// Held by whoever changes it.
    pub(super) acts: tokio::sync::Mutex<()>,
    record: ArcSwap<EndpointRecord>,
    routing: ArcSwapOption<Routing>,
    /// What is being loaded.
    pub(super) next: ArcSwapOption<Routing>,
    pub(super) stats: AllStats,
    /// Takes the pending configuration back.
    pub(super) take_back: Mutex<CancellationToken>,
    /// Counts the changes of the record, for those who wait for one.
    changes: watch::Sender<u64>,
    is_deleted: AtomicBool,
    /// Aliases that could not be followed, with what was said of them: it is said once.
    pub(super) stuck: Mutex<BTreeMap<String, String>>,
}

impl Endpoint {
    pub(super) fn new(record: EndpointRecord) -> Self {
        Self {
            acts: tokio::sync::Mutex::default(),
            record: ArcSwap::from_pointee(record),
            routing: ArcSwapOption::empty(),
            next: ArcSwapOption::empty(),
            stats: AllStats::default(),
            take_back: Mutex::default(),
            changes: watch::Sender::new(0),
            is_deleted: AtomicBool::new(false),
            stuck: Mutex::default(),
        }
    }

    /// The endpoint as it is kept.
    pub fn record(&self) -> Arc<EndpointRecord> {
        self.record.load_full()
    }

    pub(super) fn routing(&self) -> Option<Arc<Routing>> {
        self.routing.load_full()
    }

    /// From now on it is so; requests that come go by `routing`, if there is a new one.
    pub(super) fn put(&self, record: EndpointRecord, routing: Option<Arc<Routing>>) {
        self.record.store(Arc::new(record));
        if let Some(routing) = routing {
            self.routing.store(Some(routing));
        }
        self.changes.send_modify(|count| *count += 1);
    }

    /// It is gone: nobody changes it any more. Requests that have it end with it.
    pub(super) fn set_deleted(&self) {
        self.is_deleted.store(true, Ordering::Release);
        self.take_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .cancel();
        self.changes.send_modify(|count| *count += 1);
    }

    pub(super) fn check_there(&self) -> Result<(), EndpointError> {
        match self.is_deleted.load(Ordering::Acquire) {
            true => Err(no_endpoint(&self.record().name)),
            false => Ok(()),
        }
    }

    /// Waits until no configuration is pending.
    pub(super) async fn settled(&self) {
        let mut changes = self.changes.subscribe();
        while self.check_there().is_ok() && self.record().pending.is_some() {
            // The sender lives as long as this endpoint.
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Databricks' word for whether it answers.
    pub fn ready(&self) -> &'static str {
        match self.routing() {
            Some(routing) if routing.is_ready() => "READY",
            _ => "NOT_READY",
        }
    }

    /// Databricks' word for how its last change went.
    pub fn config_update(&self) -> &'static str {
        let record = self.record();
        match (&record.pending, &record.last_update) {
            (Some(_), _) => "IN_PROGRESS",
            (None, LastUpdate::Done) => "NOT_UPDATING",
            (None, LastUpdate::Failed { .. }) => "UPDATE_FAILED",
            (None, LastUpdate::Canceled) => "UPDATE_CANCELED",
        }
    }

    /// When the last request came, in milliseconds since the Unix epoch.
    pub fn last_request_ms(&self) -> Option<i64> {
        self.stats
            .all()
            .iter()
            .filter_map(|(_, stats)| stats.last_ms())
            .max()
    }

    /// The entity that a configuration in action, or one that is being loaded, has under this name.
    pub(super) fn served(&self, name: &str) -> Option<Arc<Served>> {
        let find = |routing: Option<Arc<Routing>>| routing.and_then(|routing| routing.named(name).cloned());
        find(self.routing()).or_else(|| find(self.next.load_full()))
    }
}

/// There is no endpoint of that name.
pub(super) fn no_endpoint(name: &str) -> EndpointError {
    EndpointError::not_found(format!("Endpoint with name '{name}' does not exist"))
}
