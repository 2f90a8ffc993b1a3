//! Opening the database file: one way for the writer, one for readers.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::BUSY_WAIT;
use super::fault::Sql;

/// How many compiled statements a connection keeps. There are fewer than this in the store.
const STATEMENTS_KEPT: usize = 64;

/// Opens the file for writing, creating it if it is missing.
pub(super) fn open_writer(path: &Path) -> Sql<Connection> {
    let connection = open(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    )?;
    // A write that was answered survives a power cut. The writer commits in groups, so that under load one sync
    // pays for many writes.
    connection.pragma_update(None, "synchronous", "full")?;
    Ok(connection)
}

/// Turns the write-ahead log on, which the file then remembers. With it readers never wait for the writer, nor the
/// writer for them: the CLI reads while a driver writes.
pub(super) fn keep_write_ahead_log(connection: &Connection) -> Sql<()> {
    Ok(connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?)
}

/// Opens the existing file for reading.
pub(super) fn open_reader(path: &Path) -> Sql<Connection> {
    // Not opened read-only: in a write-ahead log a reader too has to note in the shared index what it reads.
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn open(path: &Path, flags: OpenFlags) -> Sql<Connection> {
    // Each connection is used by one thread at a time, so SQLite's own mutex would be taken for nothing.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(connection)
}
