//! Stores to test, under a clock that stands still, and the requests most tests make.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rookery_tracking::rest::{Credentials, RestStore, Url};
use rookery_tracking::{
    Api, ArtifactStore, CreateRun, Environment, FixedEnvironment, LogBatch, Metric, ModelRegistry, Param,
    Run, Search, SearchRuns, SqlStore, Tag, TrackingStore,
};
use tempfile::TempDir;

use crate::postgres;

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(120);
/// The time at which every fixture's clock stands.
pub(crate) const START_MS: i64 = 1_700_000_000_000;

/// A fresh store, and what it was made with.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn TrackingStore>,
    /// The same store.
    pub(crate) registry: Arc<dyn ModelRegistry>,
    pub(crate) environment: Arc<FixedEnvironment>,
    /// Removed with the fixture.
    _folder: Option<TempDir>,
}

impl Fixture {
    pub(crate) async fn memory() -> Option<Self> {
        let environment = environment();
        let store = SqlStore::in_memory(Arc::clone(&environment) as Arc<dyn Environment>).unwrap();
        Some(Fixture::of(store, environment, None))
    }

    pub(crate) async fn sqlite() -> Option<Self> {
        let environment = environment();
        let (folder, path) = database();
        let opening = SqlStore::open_with_environment(path, Arc::clone(&environment) as Arc<dyn Environment>);
        Some(Fixture::of(opening.await.unwrap(), environment, Some(folder)))
    }

    /// `None` where no server is installed.
    pub(crate) async fn postgres() -> Option<Self> {
        let environment = environment();
        let url = tokio::task::spawn_blocking(postgres::new_database)
            .await
            .unwrap()?;
        let opening = SqlStore::connect_postgres(&url, Arc::clone(&environment) as Arc<dyn Environment>);
        Some(Fixture::of(opening.await.unwrap(), environment, None))
    }

    fn of<S>(store: S, environment: Arc<FixedEnvironment>, folder: Option<TempDir>) -> Self
    where
        S: TrackingStore + ModelRegistry + 'static,
    {
        let store = Arc::new(store);
        Fixture {
            registry: Arc::<S>::clone(&store),
            store,
            environment,
            _folder: folder,
        }
    }

    /// Our own server before a store in memory, and its client.
    pub(crate) async fn rest() -> Option<Self> {
        let environment = environment();
        let behind = SqlStore::in_memory(Arc::clone(&environment) as Arc<dyn Environment>).unwrap();
        let served = Served::start(Arc::new(behind), None).await;
        Some(Fixture::of(served.client(Credentials::None), environment, None))
    }

    /// Creates a run in the default experiment.
    pub(crate) async fn run(&self) -> Run {
        self.store.create_run(run_in("0")).await.unwrap()
    }

    /// Searches runs in all experiments, page by page, and returns their names.
    pub(crate) async fn run_names(&self, filter: &str, order_by: &[&str], max_results: usize) -> Vec<String> {
        self.run_names_in(None, filter, order_by, max_results).await
    }

    /// Searches runs in these experiments, page by page, and returns their names.
    pub(crate) async fn run_names_in(
        &self,
        experiment_ids: Option<&[&str]>,
        filter: &str,
        order_by: &[&str],
        max_results: usize,
    ) -> Vec<String> {
        let mut names = Vec::new();
        let mut request = SearchRuns {
            experiment_ids: experiment_ids.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect()),
            search: search(filter, order_by, max_results),
            ..SearchRuns::default()
        };
        loop {
            let page = self.store.search_runs(request.clone()).await.unwrap();
            assert!(page.items.len() <= max_results);
            names.extend(page.items.into_iter().map(|run| run.info.run_name));
            let Some(token) = page.next_page_token else {
                return names;
            };
            request.search.page_token = Some(token);
        }
    }
}

/// The API on a store, at an address of this machine. It ends with the test's runtime.
pub(crate) struct Served {
    pub(crate) uri: Url,
}

impl Served {
    pub(crate) async fn start(store: Arc<SqlStore>, token: Option<String>) -> Self {
        let router = rookery_tracking::router(Api {
            store: Arc::clone(&store) as Arc<dyn TrackingStore>,
            registry: store,
            artifacts: ArtifactStore::in_memory(),
            token,
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Served {
            uri: uri.parse().unwrap(),
        }
    }

    pub(crate) fn client(&self, credentials: Credentials) -> RestStore {
        RestStore::connect(self.uri.clone(), credentials).unwrap()
    }
}

fn environment() -> Arc<FixedEnvironment> {
    Arc::new(FixedEnvironment::new(7, START_MS))
}

pub(crate) fn search(filter: &str, order_by: &[&str], max_results: usize) -> Search {
    Search {
        order_by: order_by.iter().map(|term| (*term).to_owned()).collect(),
        max_results,
        ..Search::matching(filter)
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
