//! [`SqlStore`]: records in a database: SQLite in a file, SQLite in memory, or PostgreSQL.
//!
//! A call is checked, then travels to the one `writer` or to one of the `readers` of the `pool`, where a plain function
//! of `experiments`, `runs`, `logging`, `search`, `logged_models` or `registry` runs its SQL on a `session`, inside a
//! transaction.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::environment::{Environment, SystemEnvironment};
use crate::error::TrackingError;
use crate::store::Result;

mod curves;
mod experiments;
mod fault;
mod leases;
mod lineage;
mod logged_models;
mod logging;
mod model_metrics;
mod pool;
mod postgres;
mod readers;
mod registry;
mod rules;
mod run_cache;
mod run_data;
mod runs;
mod schema;
mod search;
mod searches;
mod session;
mod sqlite;
mod tracking_store;
mod writer;

use fault::Sql;
use pool::{Connect, Pool};
use postgres::PostgresServer;
use run_cache::RunCache;
use session::Session;
use sqlite::SqliteFile;

/// How long the database waits for another process to release it.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// How long opening may take while other processes open, migrate or close the same database.
const OPEN_WAIT: Duration = Duration::from_secs(15);
/// The pause between two tries to open.
const OPEN_PAUSE: Duration = Duration::from_millis(20);

/// Records in a database. What a call has answered is on disk.
///
/// On a file or a server it works on threads of its own, and its waits are bounded by tokio's clock: under a paused
/// clock they end at once, so simulations use [`SqlStore::in_memory`].
#[derive(Debug)]
pub struct SqlStore {
    environment: Arc<dyn Environment>,
    pool: Pool,
    run_cache: Arc<RunCache>,
}

impl SqlStore {
    /// Opens a database file, creating it and its folder if they are missing, and brings its schema up to date.
    ///
    /// Fails with [`TrackingError::SchemaTooNew`] on a newer program's file, with [`TrackingError::Storage`] if the
    /// file cannot be opened or is not a database, and with [`TrackingError::Busy`] if others kept it locked.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        SqlStore::open_with_environment(path, Arc::new(SystemEnvironment)).await
    }

    /// Opens a database file as [`SqlStore::open`], taking time and randomness from `environment`.
    pub async fn open_with_environment(
        path: impl AsRef<Path>,
        environment: Arc<dyn Environment>,
    ) -> Result<Self> {
        SqlStore::connect(Arc::new(SqliteFile::new(path.as_ref())), environment).await
    }

    /// Connects to a PostgreSQL server, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, and brings the database's schema
    /// up to date.
    ///
    /// Fails with [`TrackingError::Invalid`] if that is no such URL, else as [`SqlStore::open`].
    pub async fn connect_postgres(url: &str, environment: Arc<dyn Environment>) -> Result<Self> {
        SqlStore::connect(Arc::new(PostgresServer::parse(url)?), environment).await
    }

    /// Returns a store that lives as long as the value. It starts no thread and works under a paused clock.
    pub fn in_memory(environment: Arc<dyn Environment>) -> Result<Self> {
        let opening = "opening a database in memory";
        let session = SqliteFile::memory().map_err(|fault| fault.into_error(opening))?;
        schema::migrate(&*session, "memory", environment.now_ms())
            .map_err(|fault| fault.into_error(opening))?;
        Ok(SqlStore {
            environment,
            pool: Pool::inline(session),
            run_cache: Arc::default(),
        })
    }

    async fn connect(connect: Arc<dyn Connect>, environment: Arc<dyn Environment>) -> Result<Self> {
        let session = open_migrated(&connect, environment.now_ms()).await?;
        Ok(SqlStore {
            environment,
            pool: Pool::threads(&connect, session)?,
            run_cache: Arc::default(),
        })
    }
}

/// Opens the database for writing, trying again while it is busy: for some steps, such as turning the write-ahead log
/// on, SQLite does not wait by itself.
async fn open_migrated(connect: &Arc<dyn Connect>, now_ms: i64) -> Result<Box<dyn Session>> {
    let deadline = Instant::now() + OPEN_WAIT;
    loop {
        let opening = format!("opening the tracking database {}", connect.name());
        let here = Arc::clone(connect);
        let opened = tokio::task::spawn_blocking(move || try_open_migrated(&*here, now_ms))
            .await
            .map_err(|error| TrackingError::storage(opening.clone(), error))?;
        match opened {
            Ok(session) => return Ok(session),
            Err(fault) if fault.is_busy() && Instant::now() < deadline => sleep(OPEN_PAUSE).await,
            Err(fault) => return Err(fault.into_error(opening)),
        }
    }
}

fn try_open_migrated(connect: &dyn Connect, now_ms: i64) -> Sql<Box<dyn Session>> {
    let session = connect.writer()?;
    schema::check_version(&*session, &connect.name())?;
    connect.prepare(&*session)?;
    schema::migrate(&*session, &connect.name(), now_ms)?;
    Ok(session)
}
