//! [`EndpointFile`]: serving endpoints and what was done to them, in an SQLite file that one driver at a time can hold.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rookery_proto::Failure;
use rookery_serving::endpoints::{Act, EndpointRecord, EndpointStore, StoreError};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::state_file::StateFile;

const FILE: StateFile = StateFile {
    name: "the driver's endpoints",
    is_plural: true,
    oldest: 1,
    version: 1,
    tables: TABLES,
    pragmas: "PRAGMA synchronous = FULL;",
};

/// Acts are only ever added: nothing changes or deletes a row of theirs.
const TABLES: &str = "
    CREATE TABLE endpoints (
        name TEXT PRIMARY KEY,
        record TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE acts (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        endpoint TEXT NOT NULL,
        act TEXT NOT NULL
    );
    CREATE INDEX acts_by_endpoint ON acts (endpoint, sequence);
    CREATE TRIGGER acts_stay BEFORE DELETE ON acts BEGIN SELECT RAISE(ABORT, 'acts stay'); END;
    CREATE TRIGGER acts_are_final BEFORE UPDATE ON acts BEGIN SELECT RAISE(ABORT, 'acts are final'); END;
    PRAGMA user_version = 1;";

/// The file. Its transactions are short and rare: changes of endpoints, not requests.
#[derive(Debug)]
pub(super) struct EndpointFile(Arc<Mutex<Connection>>);

impl EndpointFile {
    /// Opens the file for this process alone, made if it is not there.
    ///
    /// # Errors
    /// Another driver holds it; it is of a later release; it can't be read or written.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let opened = Connection::open(path).map_err(failed).and_then(set_up);
        opened.map_err(|failure| failure.at(path.display().to_string()))
    }

    /// Endpoints that end with the process.
    pub(super) fn in_memory() -> Result<Self, Failure> {
        Connection::open_in_memory().map_err(failed).and_then(set_up)
    }

    /// Does something in one transaction, where it holds up no request.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let file = Arc::clone(&self.0);
        let worked = tokio::task::spawn_blocking(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        });
        match worked.await {
            Ok(result) => result.map_err(|error: rusqlite::Error| StoreError(error.to_string())),
            Err(error) => Err(StoreError(error.to_string())),
        }
    }
}

fn set_up(file: Connection) -> Result<EndpointFile, Failure> {
    Ok(EndpointFile(Arc::new(Mutex::new(FILE.take(file)?))))
}

#[async_trait]
impl EndpointStore for EndpointFile {
    async fn load(&self) -> Result<Vec<EndpointRecord>, StoreError> {
        let texts = self.with(|file| {
            let mut rows = file.prepare("SELECT name, record FROM endpoints ORDER BY name")?;
            let rows = rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        let read = |(name, text): (String, String)| {
            serde_json::from_str(&text).map_err(|error| unreadable(&name, &error))
        };
        texts.await?.into_iter().map(read).collect()
    }

    async fn keep(&self, record: &EndpointRecord, act: Option<&Act>) -> Result<(), StoreError> {
        let name = record.name.clone();
        let record = text(record)?;
        let act = act.map(text).transpose()?;
        self.with(move |file| {
            file.prepare_cached("INSERT OR REPLACE INTO endpoints (name, record) VALUES (?1, ?2)")?
                .execute(params![name, record])?;
            act.map_or(Ok(()), |act| add_act(file, &name, &act))
        })
        .await
    }

    async fn forget(&self, name: &str, act: &Act) -> Result<(), StoreError> {
        let (name, act) = (name.to_string(), text(act)?);
        self.with(move |file| {
            file.execute("DELETE FROM endpoints WHERE name = ?1", [&name])?;
            add_act(file, &name, &act)
        })
        .await
    }

    async fn acts(&self, endpoint: &str, most: usize) -> Result<Vec<Act>, StoreError> {
        let (name, most) = (endpoint.to_string(), i64::try_from(most).unwrap_or(i64::MAX));
        let texts = self.with(move |file| {
            let mut rows = file
                .prepare_cached("SELECT act FROM acts WHERE endpoint = ?1 ORDER BY sequence DESC LIMIT ?2")?;
            let rows = rows.query_map(params![name, most], |row| row.get::<_, String>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        let read = |text: String| serde_json::from_str(&text).map_err(|error| unreadable(endpoint, &error));
        texts.await?.into_iter().map(read).collect()
    }
}

fn add_act(file: &Transaction<'_>, name: &str, act: &str) -> rusqlite::Result<()> {
    file.prepare_cached("INSERT INTO acts (endpoint, act) VALUES (?1, ?2)")?
        .execute(params![name, act])?;
    Ok(())
}

fn text(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError(error.to_string()))
}

fn unreadable(name: &str, error: &serde_json::Error) -> StoreError {
    StoreError(format!("something unreadable is kept of {name}: {error}"))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn failed(error: rusqlite::Error) -> Failure {
    FILE.failed(&error)
}
