//! Stores to test, under a clock that stands still, and the requests most tests make.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rookery_tracking::{
    CreateRun, Environment, FixedEnvironment, LogBatch, MemoryStore, Metric, Param, Run, SqliteStore, Tag,
    TrackingStore,
};
use tempfile::TempDir;

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(120);
/// The time at which every fixture's clock stands.
pub(crate) const START_MS: i64 = 1_700_000_000_000;

/// A fresh store, and what it was made with.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn TrackingStore>,
    pub(crate) environment: Arc<FixedEnvironment>,
    /// Removed with the fixture.
    _folder: Option<TempDir>,
}

impl Fixture {
    pub(crate) async fn memory() -> Self {
        let environment = Arc::new(FixedEnvironment::new(7, START_MS));
        let store = MemoryStore::with_environment(Arc::clone(&environment) as Arc<dyn Environment>);
        Fixture {
            store: Arc::new(store),
            environment,
            _folder: None,
        }
    }

    pub(crate) async fn sqlite() -> Self {
        let environment = Arc::new(FixedEnvironment::new(7, START_MS));
        let (folder, path) = database();
        let store =
            SqliteStore::open_with_environment(path, Arc::clone(&environment) as Arc<dyn Environment>)
                .await
                .unwrap();
        Fixture {
            store: Arc::new(store),
            environment,
            _folder: Some(folder),
        }
    }

    /// Creates a run in the default experiment.
    pub(crate) async fn run(&self) -> Run {
        self.store.create_run(run_in("0")).await.unwrap()
    }
}

/// Returns the path of a database that does not exist yet, in a folder that does not either.
pub(crate) fn database() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state").join("tracking.db");
    (folder, path)
}

/// Waits for a test, but not for ever.
pub(crate) async fn bounded<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, test)
        .await
        .expect("the test did not end in time")
}

pub(crate) fn run_in(experiment_id: &str) -> CreateRun {
    CreateRun {
        experiment_id: experiment_id.to_owned(),
        user_id: "ada".to_owned(),
        start_time_ms: START_MS,
        ..CreateRun::default()
    }
}

pub(crate) fn metric(key: &str, value: f64, step: i64) -> Metric {
    Metric {
        key: key.to_owned(),
        value,
        timestamp_ms: START_MS + step,
        step,
    }
}

pub(crate) fn metrics(metrics: impl IntoIterator<Item = Metric>) -> LogBatch {
    LogBatch {
        metrics: metrics.into_iter().collect(),
        ..LogBatch::default()
    }
}

pub(crate) fn params(params: &[(&str, &str)]) -> LogBatch {
    LogBatch {
        params: params
            .iter()
            .map(|(key, value)| Param::new(*key, value))
            .collect(),
        ..LogBatch::default()
    }
}

pub(crate) fn tags(tags: &[(&str, &str)]) -> LogBatch {
    LogBatch {
        tags: tags.iter().map(|(key, value)| Tag::new(*key, value)).collect(),
        ..LogBatch::default()
    }
}
