//! The journal's file: SQLite with three tables.

use std::path::Path;

use prost::Message as _;
use rookery_ml::Training;
use rookery_proto::Failure;
use rookery_proto::v1::{JobEvent, SubmitJobRequest};
use rusqlite::{Connection, Transaction, params};

use crate::error::internal;
use crate::state_file::StateFile;

/// Before version 2 a training was written without packed numbers, before version 3 it was written alone; all are read.
const FILE: StateFile = StateFile {
    name: "the driver's journal",
    is_plural: false,
    oldest: 1,
    version: 3,
    tables: TABLES,
    pragmas: "PRAGMA foreign_keys = ON;",
};

const TABLES: &str = "
    CREATE TABLE jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id TEXT NOT NULL UNIQUE,
        submitted_ms INTEGER NOT NULL,
        request BLOB NOT NULL
    );
    CREATE TABLE events (
        job_id TEXT NOT NULL REFERENCES jobs (job_id) ON DELETE CASCADE,
        sequence INTEGER NOT NULL,
        event BLOB NOT NULL,
        PRIMARY KEY (job_id, sequence)
    ) WITHOUT ROWID;
    CREATE TABLE checkpoints (
        job_id TEXT PRIMARY KEY REFERENCES jobs (job_id) ON DELETE CASCADE,
        run INTEGER NOT NULL,
        training TEXT NOT NULL
    );
    PRAGMA user_version = 3;";

/// A job as the journal knows it.
#[derive(Debug)]
pub(crate) struct JournalledJob {
    pub(crate) job_id: String,
    pub(crate) submitted_ms: i64,
    pub(crate) request: SubmitJobRequest,
    /// What happened in it, in order.
    pub(crate) events: Vec<JobEvent>,
    /// Where the trainings stood that ran side by side: the position of each one's run, and the training.
    pub(crate) checkpoint: Vec<(u32, Training)>,
}

/// Opens the file for this process alone.
pub(super) fn open(path: &Path) -> Result<Connection, Failure> {
    FILE.take(Connection::open(path).map_err(failed)?)
}

/// The jobs in the order of their submission.
pub(super) fn jobs(file: &mut Connection) -> Result<Vec<JournalledJob>, Failure> {
    let transaction = file.transaction().map_err(failed)?;
    let mut jobs = transaction
        .prepare("SELECT job_id, submitted_ms, request FROM jobs ORDER BY number")
        .map_err(failed)?;
    let rows = jobs
        .query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?))
        })
        .map_err(failed)?;
    rows.map(|row| {
        let (job_id, submitted_ms, request) = row.map_err(failed)?;
        Ok(JournalledJob {
            submitted_ms,
            request: SubmitJobRequest::decode(request.as_slice()).map_err(|e| unreadable(&job_id, e))?,
            events: events(&transaction, &job_id)?,
            checkpoint: checkpoint(&transaction, &job_id)?,
            job_id,
        })
    })
    .collect()
}

fn events(transaction: &Transaction<'_>, job_id: &str) -> Result<Vec<JobEvent>, Failure> {
    let mut events = transaction
        .prepare_cached("SELECT event FROM events WHERE job_id = ?1 ORDER BY sequence")
        .map_err(failed)?;
    let rows = events
        .query_map([job_id], |row| row.get::<_, Vec<u8>>(0))
        .map_err(failed)?;
    rows.map(|row| JobEvent::decode(row.map_err(failed)?.as_slice()).map_err(|e| unreadable(job_id, e)))
        .collect()
}

/// A checkpoint: the first run's position in a column of its own, and the trainings as JSON, [[position, training], …].
/// Up to version 2 it is the training of that run alone.
fn checkpoint(transaction: &Transaction<'_>, job_id: &str) -> Result<Vec<(u32, Training)>, Failure> {
    let mut checkpoints = transaction
        .prepare_cached("SELECT run, training FROM checkpoints WHERE job_id = ?1")
        .map_err(failed)?;
    let mut rows = checkpoints.query([job_id]).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else {
        return Ok(Vec::new());
    };
    let (run, training) = (
        row.get(0).map_err(failed)?,
        row.get::<_, String>(1).map_err(failed)?,
    );
    let trainings = match training.starts_with('{') {
        true => serde_json::from_str(&training).map(|training| vec![(run, training)]),
        false => serde_json::from_str(&training),
    };
    trainings.map_err(|e| unreadable(job_id, e))
}

/// One change of the file. What is written twice stays as it was written first: a change that may have been carried out
/// can be carried out again.
#[derive(Debug)]
pub(super) enum Change {
    Job {
        job_id: String,
        submitted_ms: i64,
        request: Vec<u8>,
    },
    Event {
        job_id: String,
        sequence: u64,
        event: Vec<u8>,
        is_last: bool,
    },
    Checkpoint {
        job_id: String,
        run: u32,
        trainings: String,
    },
    Forget(String),
}

/// Carries out changes in one transaction, that is on the disk when it returns if it is to be `durable`. Otherwise the
/// end of this process takes nothing from it, the end of the machine may.
pub(super) fn apply(file: &mut Connection, changes: &[Change], durable: bool) -> rusqlite::Result<()> {
    file.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
    let transaction = file.transaction()?;
    for change in changes {
        match change {
            Change::Job { job_id, submitted_ms, request } => transaction
                .prepare_cached(
                    "INSERT INTO jobs (job_id, submitted_ms, request) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                )?
                .execute(params![job_id, submitted_ms, request])?,
            Change::Event { job_id, sequence, event, is_last } => {
                if *is_last {
                    transaction.execute("DELETE FROM checkpoints WHERE job_id = ?1", [job_id])?;
                }
                transaction
                    .prepare_cached(
                        "INSERT INTO events (job_id, sequence, event) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                    )?
                    .execute(params![job_id, *sequence as i64, event])?
            }
            Change::Checkpoint { job_id, run, trainings } => transaction
                .prepare_cached("INSERT OR REPLACE INTO checkpoints (job_id, run, training) VALUES (?1, ?2, ?3)")?
                .execute(params![job_id, run, trainings])?,
            Change::Forget(job_id) => transaction.execute("DELETE FROM jobs WHERE job_id = ?1", [job_id])?,
        };
    }
    transaction.commit()
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn failed(error: rusqlite::Error) -> Failure {
    FILE.failed(&error)
}

fn unreadable(job_id: &str, error: impl std::fmt::Display) -> Failure {
    internal(format!(
        "the driver's journal says something unreadable of {job_id}: {error}"
    ))
    .hint("move the file away to start without the jobs in it")
}
