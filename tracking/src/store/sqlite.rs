//! [`SqliteStore`]: records in one SQLite file, which several processes may open at once.
//!
//! A call is checked, then travels to the one `writer` thread or to one of the `readers`, where a plain function
//! of `experiments`, `runs` or `logging` runs its SQL inside a transaction.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::time::{Instant, sleep};

use crate::entities::{Experiment, LifecycleStage, Metric, Run, RunInfo};
use crate::environment::{Environment, SystemEnvironment};
use crate::error::TrackingError;
use crate::page::{ExperimentCursor, HistoryCursor, Page, RunCursor};
use crate::store::rules::RunIdentity;
use crate::store::{
    CloseOrphans, CreateExperiment, CreateRun, ListExperiments, ListRuns, LogBatch, MetricHistory, Result,
    TrackingStore, UpdateRun,
};
use crate::validate::{self, ValidBatch};

mod connection;
mod experiments;
mod fault;
mod logging;
mod readers;
mod runs;
mod schema;
mod text;
mod writer;

use fault::{Fault, Sql};
use readers::Readers;
use writer::Writer;

/// How long SQLite waits for another process to release the file.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// How long opening may take while other processes open, migrate or close the same file.
const OPEN_WAIT: Duration = Duration::from_secs(15);
/// The pause between two tries to open.
const OPEN_PAUSE: Duration = Duration::from_millis(20);

/// A [`TrackingStore`] in an SQLite file. What a call has answered is on disk.
///
/// It works on threads of its own, and its waits are bounded by tokio's clock: under a paused clock they end at once,
/// so simulations use [`MemoryStore`](super::memory::MemoryStore).
#[derive(Debug)]
pub struct SqliteStore {
    environment: Arc<dyn Environment>,
    writer: Writer,
    readers: Readers,
}

impl SqliteStore {
    /// Opens the database file, creating it and its folder if they are missing, and brings its schema up to date.
    ///
    /// Fails with [`TrackingError::SchemaTooNew`] on a newer program's file, with [`TrackingError::Storage`] if the
    /// file cannot be opened or is not a database, and with [`TrackingError::Busy`] if others kept it locked.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        SqliteStore::open_with_environment(path, Arc::new(SystemEnvironment)).await
    }

    /// Opens the database file as [`SqliteStore::open`], taking time and randomness from `environment`.
    pub async fn open_with_environment(
        path: impl AsRef<Path>,
        environment: Arc<dyn Environment>,
    ) -> Result<Self> {
        let path = path.as_ref();
        let connection = open_migrated(path, environment.now_ms()).await?;
        let writer = Writer::start(connection)?;
        Ok(SqliteStore {
            environment,
            writer,
            readers: Readers::new(path.to_owned()),
        })
    }
}

/// Opens the file for writing, trying again while it is busy: for some steps, such as turning the write-ahead log
/// on, SQLite does not wait by itself.
async fn open_migrated(path: &Path, now_ms: i64) -> Result<Connection> {
    let deadline = Instant::now() + OPEN_WAIT;
    loop {
        let path_here = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || try_open_migrated(&path_here, now_ms))
            .await
            .map_err(|error| TrackingError::storage(opening(path), error))?;
        match opened {
            Ok(connection) => return Ok(connection),
            Err(fault) if fault.is_busy() && Instant::now() < deadline => sleep(OPEN_PAUSE).await,
            // A file that is not a database is easier to find when it is named.
            Err(Fault::Database(error)) if !fault::is_busy(&error) => {
                return Err(TrackingError::storage(opening(path), error));
            }
            Err(fault) => return Err(fault.into_error("opening the tracking database")),
        }
    }
}

fn opening(path: &Path) -> String {
    format!("opening the tracking database {}", path.display())
}

fn try_open_migrated(path: &Path, now_ms: i64) -> Sql<Connection> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| {
            TrackingError::storage(format!("creating the folder {}", folder.display()), error)
        })?;
    }
    let mut connection = connection::open_writer(path)?;
    schema::check_version(&connection, path)?;
    connection::keep_write_ahead_log(&connection)?;
    schema::migrate(&mut connection, path, now_ms)?;
    Ok(connection)
}

#[async_trait]
impl TrackingStore for SqliteStore {
    async fn create_experiment(&self, request: CreateExperiment) -> Result<Experiment> {
        let request = validate::create_experiment(request)?;
        let now_ms = self.environment.now_ms();
        self.writer
            .run("creating an experiment", move |db| {
                experiments::create(db, request, now_ms)
            })
            .await
    }

    async fn get_experiment(&self, experiment_id: &str) -> Result<Experiment> {
        let experiment_id = experiment_id.to_owned();
        self.readers
            .run("reading an experiment", move |db| {
                experiments::get(db, &experiment_id)
            })
            .await
    }

    async fn get_experiment_by_name(&self, name: &str) -> Result<Option<Experiment>> {
        let name = name.to_owned();
        self.readers
            .run("finding an experiment", move |db| {
                experiments::find_by_name(db, &name)
            })
            .await
    }

    async fn get_or_create_experiment(&self, name: &str) -> Result<Experiment> {
        let request = validate::create_experiment(CreateExperiment::named(name))?;
        let now_ms = self.environment.now_ms();
        let work = move |db: &Connection| experiments::get_or_create(db, request, now_ms);
        self.writer.run("finding or creating an experiment", work).await
    }

    async fn list_experiments(&self, request: ListExperiments) -> Result<Page<Experiment>> {
        validate::max_results(request.max_results, validate::MAX_SEARCH_RESULTS)?;
        let cursor = request
            .page_token
            .as_deref()
            .map(ExperimentCursor::parse)
            .transpose()?;
        self.readers
            .run("listing experiments", move |db| {
                experiments::list(db, &request, cursor)
            })
            .await
    }

    async fn delete_experiment(&self, experiment_id: &str) -> Result<()> {
        self.move_experiment("deleting an experiment", experiment_id, LifecycleStage::Deleted)
            .await
    }

    async fn restore_experiment(&self, experiment_id: &str) -> Result<()> {
        self.move_experiment("restoring an experiment", experiment_id, LifecycleStage::Active)
            .await
    }

    async fn create_run(&self, request: CreateRun) -> Result<Run> {
        let request = validate::create_run(request)?;
        let identity = RunIdentity::draw(&*self.environment);
        self.writer
            .run("creating a run", move |db| runs::create(db, identity, request))
            .await
    }

    async fn get_run(&self, run_id: &str) -> Result<Run> {
        let run_id = run_id.to_owned();
        self.readers
            .run("reading a run", move |db| runs::get(db, &run_id))
            .await
    }

    async fn update_run(&self, run_id: &str, change: UpdateRun) -> Result<RunInfo> {
        validate::update_run(&change)?;
        let run_id = run_id.to_owned();
        self.writer
            .run("updating a run", move |db| runs::update(db, &run_id, change))
            .await
    }

    async fn list_runs(&self, request: ListRuns) -> Result<Page<Run>> {
        validate::max_results(request.max_results, validate::MAX_SEARCH_RESULTS)?;
        let cursor = request.page_token.as_deref().map(RunCursor::parse).transpose()?;
        self.readers
            .run("listing runs", move |db| runs::list(db, &request, cursor))
            .await
    }

    async fn delete_run(&self, run_id: &str) -> Result<()> {
        let run_id = run_id.to_owned();
        let work = move |db: &Connection| runs::move_to(db, &run_id, LifecycleStage::Deleted);
        self.writer.run("deleting a run", work).await
    }

    async fn restore_run(&self, run_id: &str) -> Result<()> {
        let run_id = run_id.to_owned();
        let work = move |db: &Connection| runs::move_to(db, &run_id, LifecycleStage::Active);
        self.writer.run("restoring a run", work).await
    }

    async fn log_batch(&self, run_id: &str, batch: LogBatch) -> Result<()> {
        let batch = ValidBatch::check(batch)?;
        let run_id = run_id.to_owned();
        self.writer
            .run("logging to a run", move |db| {
                logging::log_batch(db, &run_id, &batch)
            })
            .await
    }

    async fn metric_history(&self, request: MetricHistory) -> Result<Page<Metric>> {
        validate::max_results(request.max_results, validate::MAX_HISTORY_RESULTS)?;
        let cursor = request
            .page_token
            .as_deref()
            .map(HistoryCursor::parse)
            .transpose()?;
        self.readers
            .run("reading a metric", move |db| {
                logging::history(db, &request, cursor)
            })
            .await
    }

    async fn close_orphans(&self, request: CloseOrphans) -> Result<Vec<String>> {
        validate::close_orphans(&request)?;
        self.writer
            .run("closing orphaned runs", move |db| {
                runs::close_orphans(db, &request)
            })
            .await
    }
}

impl SqliteStore {
    async fn move_experiment(
        &self,
        action: &'static str,
        experiment_id: &str,
        stage: LifecycleStage,
    ) -> Result<()> {
        let experiment_id = experiment_id.to_owned();
        let now_ms = self.environment.now_ms();
        self.writer
            .run(action, move |db| {
                experiments::move_to(db, &experiment_id, stage, now_ms)
            })
            .await
    }
}
