//! [`SpooledStore`]: records a job on another server, by way of a folder, so that a server that is down loses nothing
//! and a job does not wait for it.
//!
//! What is written about a run is first appended to the run's spool folder and synced to disk; only then is the caller
//! told that it is recorded. A task in the background delivers the operations, in order, one at a time, for as long as
//! it takes.
//!
//! The caller needs ids before the server has given any. So the store gives *local ids* (and artifact URIs) out, which
//! are random and occur nowhere else; when an operation is delivered, each local id in any text of it (and in artifacts
//! named `MLmodel`) is replaced by the server's. The table of ids is part of the folder.
//!
//! What holds at any time:
//! - An operation whose caller was told `Ok` is on disk until it is delivered or refused; what was refused stays.
//! - Operations are delivered in the order in which they were recorded. An operation is begun only after the one before
//!   it is acknowledged on disk.
//! - An operation may be sent twice (a crash between delivery and acknowledgement), and is then made once: it is
//!   idempotent in itself, or stamped with its local id, for which the server is asked first ([`super::TAG_REQUEST_ID`]).
//! - One process works in a folder at a time: it holds the lock.
//! - Only the operation itself can be to blame for a refusal (MLflow's 4xx). A server that cannot be reached, that
//!   refuses the credentials, or that knows no runs at all holds delivery up instead.
//!
//! A folder has: `operations.jsonl`, one operation a line; `delivered.jsonl`, one acknowledgement a line, with the ids
//! learned; `rejected.jsonl`, refused operations with the reason; `files/`, the artifacts; `lock`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{RestArtifacts, RestStore};
use crate::entities::{RunStatus, TAG_END_REASON, Tag};
use crate::error::TrackingError;
use crate::store::{Result, TrackingStore, UpdateRun};

mod deliver;
mod folder;
mod ids;
mod operation;
mod shared;
mod store;
mod view;

pub use deliver::TAG_REJECTED;

use deliver::Deliverer;
use folder::Folder;
use operation::Operation;
use shared::Shared;

/// A store that was dropped may hold its folder a moment longer, until its last write is on disk.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Why a run that was left open is ended.
const OWNER_IS_GONE: &str = "the process that recorded it ended before the run did";

/// What is still to be delivered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// Operations on disk that the server does not have yet.
    pub operations: usize,
    /// Operations that the server refused; they are in `rejected.jsonl`.
    pub rejected: usize,
    /// Why the first pending operation is not delivered.
    pub last_error: Option<String>,
}

/// Records runs in a folder and delivers them to a server. Runs that are not in the folder are the server's, and calls
/// about them go straight there; so do searches, which therefore show what was delivered.
#[derive(Debug)]
pub struct SpooledStore {
    shared: Arc<Shared>,
    rest: RestStore,
    artifacts: RestArtifacts,
    /// `None` once it was ended.
    delivery: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for SpooledStore {
    /// What is being delivered may be delivered again: that is harmless.
    fn drop(&mut self) {
        if let Some(delivery) = self.delivery.get_mut().unwrap_or_else(PoisonError::into_inner) {
            delivery.abort();
        }
    }
}

impl SpooledStore {
    /// Opens a spool folder, creating it if it is missing, and goes on delivering what is in it. Fails with
    /// [`TrackingError::WrongState`] if another process has it open.
    pub async fn open(folder: impl Into<PathBuf>, rest: RestStore, artifacts: RestArtifacts) -> Result<Self> {
        let path = folder.into();
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match SpooledStore::open_now(path.clone(), rest.clone(), artifacts.clone()).await {
                Err(TrackingError::WrongState { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(LOCK_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    async fn open_now(path: PathBuf, rest: RestStore, artifacts: RestArtifacts) -> Result<Self> {
        let folder = shared::blocking(move || Folder::open(path)).await?;
        let (shared, records) = Shared::new(folder);
        let shared = Arc::new(shared);
        let deliverer = Deliverer::new(Arc::clone(&shared), records, rest.clone(), artifacts.clone());
        Ok(SpooledStore {
            shared,
            rest,
            artifacts,
            delivery: Mutex::new(Some(tokio::spawn(deliverer.run()))),
        })
    }

    /// Returns what is still to be delivered.
    pub fn pending(&self) -> Pending {
        self.shared.progress.borrow().clone()
    }

    /// Waits until everything is delivered, but not longer than this. What is left stays on disk, and delivery goes on.
    pub async fn flush(&self, within: Duration) -> Pending {
        let mut progress = self.shared.progress.subscribe();
        let delivered = progress.wait_for(|pending| pending.operations == 0);
        // The sender lives as long as `self`, so the only way out early is the deadline.
        let _ = tokio::time::timeout(within, delivered).await;
        self.pending()
    }

    /// Does what [`flush`](Self::flush) does, ends delivery, and removes the folder if nothing in it is needed any more.
    /// From then on the store records nothing: [`TrackingError::Closed`].
    pub async fn close(&self, within: Duration) -> Result<Pending> {
        self.flush(within).await;
        let delivery = self
            .delivery
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(delivery) = delivery {
            delivery.abort();
            // It ends as cancelled; what counts is that it no longer holds the folder.
            let _ = delivery.await;
        }
        self.shared.close().await
    }

    /// Returns the server's id for a local id of a run, experiment or logged model, once it is known.
    pub fn server_id(&self, local_id: &str) -> Option<String> {
        self.shared.ids().get(local_id)
    }

    /// Records an artifact of a run. It is on disk when this returns.
    pub async fn put_artifact(&self, run_id: &str, path: &str, content: Vec<u8>) -> Result<()> {
        let root = self.get_run(run_id).await?.info.artifact_uri;
        self.put_below(&root, path, content).await
    }

    /// Records an artifact below the artifact URI of a run or logged model.
    pub async fn put_below(&self, root: &str, path: &str, content: Vec<u8>) -> Result<()> {
        if !view::is_local_uri(root) {
            return self.artifacts.put(root, path, content).await;
        }
        crate::artifacts::path::check_path(path)?;
        let operation = Operation::PutArtifact {
            root: root.to_owned(),
            path: path.to_owned(),
        };
        self.shared.record_with_file(operation, content).await
    }

    /// Ends as `FAILED`, with a reason, every run in the folder that was left open by a process that is gone. Returns
    /// their local ids.
    pub async fn fail_open_runs(&self, reason: &str, end_time_ms: i64) -> Result<Vec<String>> {
        let open = self.shared.view().open_runs();
        for run_id in &open {
            self.set_tag(run_id, Tag::new(TAG_END_REASON, reason)).await?;
            self.update_run(run_id, UpdateRun::end(RunStatus::Failed, end_time_ms))
                .await?;
        }
        Ok(open)
    }
}

/// Delivers what is left in every spool folder under `root`, one after another, and removes the folders that are done.
/// Folders that a living process has open are skipped; runs that are still open in the others belong to a process that
/// is gone, and end as `FAILED` at `now_ms`. Returns the folders with what is still pending in each.
pub async fn deliver_pending(
    root: &Path,
    rest: &RestStore,
    artifacts: &RestArtifacts,
    now_ms: i64,
    within: Duration,
) -> Result<Vec<(PathBuf, Pending)>> {
    let deadline = Instant::now() + within;
    let root = root.to_owned();
    let mut results = Vec::new();
    for folder in shared::blocking(move || folder::list(&root)).await? {
        let store = match SpooledStore::open_now(folder.clone(), rest.clone(), artifacts.clone()).await {
            Ok(store) => store,
            Err(TrackingError::WrongState { .. }) => continue,
            Err(error) => return Err(error),
        };
        store.fail_open_runs(OWNER_IS_GONE, now_ms).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        results.push((folder, store.close(left).await?));
    }
    Ok(results)
}
