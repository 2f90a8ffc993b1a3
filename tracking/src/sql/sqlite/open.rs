//! Opening the database: one way for the writer, one for readers, one for memory.

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::session::SqliteSession;
use crate::error::TrackingError;
use crate::sql::BUSY_WAIT;
use crate::sql::fault::{Fault, Sql};
use crate::sql::pool::Connect;
use crate::sql::session::Session;

/// How many compiled statements a connection keeps. There are fewer than this in the store.
const STATEMENTS_KEPT: usize = 256;

/// A database file, or memory.
#[derive(Debug, Clone)]
pub(in crate::sql) struct SqliteFile {
    path: PathBuf,
}

impl SqliteFile {
    pub(in crate::sql) fn new(path: &Path) -> Self {
        SqliteFile {
            path: path.to_owned(),
        }
    }

    /// Opens a database that is gone with its only connection.
    pub(in crate::sql) fn memory() -> Sql<Box<dyn Session>> {
        Ok(Box::new(SqliteSession::new(prepare(
            Connection::open_in_memory()?,
        )?)))
    }
}

impl Connect for SqliteFile {
    /// Opens the file for writing, creating it and its folder if they are missing.
    fn writer(&self) -> Sql<Box<dyn Session>> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| {
                TrackingError::storage(format!("creating the folder {}", folder.display()), error)
            })?;
        }
        let connection = open(
            &self.path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        )?;
        // A write that was answered survives a power cut. The writer commits in groups, so that under load one sync
        // pays for many writes.
        connection.pragma_update(None, "synchronous", "full")?;
        Ok(Box::new(SqliteSession::new(connection)))
    }

    /// Opens the existing file for reading.
    fn reader(&self) -> Sql<Box<dyn Session>> {
        // Not opened read-only: in a write-ahead log a reader too has to note in the shared index what it reads.
        let connection = open(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(Box::new(SqliteSession::new(connection)))
    }

    /// Turns the write-ahead log on, which the file then remembers. With it readers never wait for the writer, nor the
    /// writer for them: the CLI reads while a driver writes.
    fn prepare(&self, session: &dyn Session) -> Sql<()> {
        session.for_each("PRAGMA journal_mode = wal", &[], &mut |_| Ok(()))
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

fn open(path: &Path, flags: OpenFlags) -> Sql<Connection> {
    // Each connection is used by one thread at a time, so SQLite's own mutex would be taken for nothing.
    prepare(Connection::open_with_flags(
        path,
        flags | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?)
}

fn prepare(connection: Connection) -> Sql<Connection> {
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // LIKE as in PostgreSQL and in MLflow's grammar; ILIKE is written with lower().
    connection.pragma_update(None, "case_sensitive_like", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", -16_000)?;
    connection.pragma_update(None, "mmap_size", 1_i64 << 30)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // A plan does not depend on the values bound to it: else SQLite would compile a kept statement again for each range.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // SQLite's own lower() knows ASCII only.
    connection
        .create_scalar_function(
            "lower",
            1,
            rusqlite::functions::FunctionFlags::SQLITE_UTF8
                | rusqlite::functions::FunctionFlags::SQLITE_DETERMINISTIC,
            |context| Ok(context.get::<Option<String>>(0)?.map(|text| text.to_lowercase())),
        )
        .map_err(Fault::from)?;
    Ok(connection)
}
