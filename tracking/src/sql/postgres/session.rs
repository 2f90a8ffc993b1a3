//! [`PostgresSession`]: a [`Session`] on a PostgreSQL server.

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;

use postgres::error::SqlState;
use postgres::types::private::BytesMut;
use postgres::types::{IsNull, ToSql, Type};
use postgres::{Client, Row, Statement};

use crate::sql::fault::{Fault, Sql};
use crate::sql::session::{Columns, Dialect, Session, Value};

/// How many compiled statements a connection keeps.
const STATEMENTS_KEPT: usize = 256;

pub(in crate::sql) struct PostgresSession {
    /// `None` only while it is being dropped.
    client: RefCell<Option<Client>>,
    /// By the statement's text as the store writes it.
    statements: RefCell<HashMap<String, Statement>>,
}

impl PostgresSession {
    pub(super) fn new(client: Client) -> Self {
        PostgresSession {
            client: RefCell::new(Some(client)),
            statements: RefCell::default(),
        }
    }

    fn with_client<T>(
        &self,
        work: impl FnOnce(&mut Client) -> std::result::Result<T, postgres::Error>,
    ) -> Sql<T> {
        let mut client = self.client.borrow_mut();
        let client = client.as_mut().expect("the client goes with the session");
        Ok(work(client)?)
    }

    fn prepared(&self, sql: &str) -> Sql<Statement> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.with_client(|client| client.prepare(&placeholders(sql)))?;
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= STATEMENTS_KEPT {
            // Searches have as many shapes as users have ideas. Those in use are back at once.
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl Drop for PostgresSession {
    /// Closing waits for the server, which must not happen on a thread of the asynchronous runtime.
    fn drop(&mut self) {
        if let Some(client) = self.client.get_mut().take() {
            let closing = std::thread::Builder::new().name("tracking-close".to_owned());
            // Without a thread to close it on, the connection ends with the process.
            let _ = closing.spawn(move || drop(client));
        }
    }
}

impl Session for PostgresSession {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Sql<u64> {
        let statement = self.prepared(sql)?;
        self.with_client(|client| client.execute(&statement, &bound(values)))
    }

    fn for_each(
        &self,
        sql: &str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(&dyn Columns) -> Sql<()>,
    ) -> Sql<()> {
        let statement = self.prepared(sql)?;
        let rows = self.with_client(|client| client.query(&statement, &bound(values)))?;
        rows.iter().try_for_each(|row| visit(&PostgresRow(row)))
    }

    fn batch(&self, sql: &str) -> Sql<()> {
        self.with_client(|client| client.batch_execute(sql))
    }

    fn is_broken(&self) -> bool {
        self.client.borrow().as_ref().is_none_or(Client::is_closed)
    }
}

/// `?1` → `$1`. The store's SQL has no question mark elsewhere.
fn placeholders(sql: &str) -> String {
    sql.replace('?', "$")
}

fn bound<'a>(values: &'a [Value<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

impl ToSql for Value<'_> {
    /// Writes the value in the type that the server expects at its place.
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match (*self, ty) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Int(value), &Type::INT4) => i32::try_from(value)?.to_sql(ty, out),
            (Value::Int(value), &Type::FLOAT8) => (value as f64).to_sql(ty, out),
            (Value::Int(value), &Type::BOOL) => (value != 0).to_sql(ty, out),
            (Value::Int(value), &Type::INT8) => value.to_sql(ty, out),
            (Value::Real(value), &Type::FLOAT8) => value.to_sql(ty, out),
            // The server's texts cannot hold a NUL, SQLite's can.
            (Value::Text(value), _) if value.contains('\0') => {
                Err("a text with a NUL character can't be stored".into())
            }
            (Value::Text(value), _) if <&str as ToSql>::accepts(ty) => value.to_sql(ty, out),
            (value, ty) => Err(format!("{value:?} at a place for {ty}").into()),
        }
    }

    fn accepts(_ty: &Type) -> bool {
        true
    }

    postgres::types::to_sql_checked!();
}

struct PostgresRow<'a>(&'a Row);

impl Columns for PostgresRow<'_> {
    fn value(&self, column: usize) -> Sql<Value<'_>> {
        let row = self.0;
        let value = match *row.columns()[column].type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(column)?.map(Value::Int),
            Type::INT4 => row
                .try_get::<_, Option<i32>>(column)?
                .map(|value| Value::Int(value.into())),
            Type::BOOL => row
                .try_get::<_, Option<bool>>(column)?
                .map(|value| Value::Int(value.into())),
            Type::FLOAT8 => row.try_get::<_, Option<f64>>(column)?.map(Value::Real),
            _ => row.try_get::<_, Option<&str>>(column)?.map(Value::Text),
        };
        Ok(value.unwrap_or(Value::Null))
    }
}

impl From<postgres::Error> for Fault {
    fn from(error: postgres::Error) -> Self {
        let busy = matches!(
            error.code(),
            Some(
                &SqlState::LOCK_NOT_AVAILABLE
                    | &SqlState::T_R_SERIALIZATION_FAILURE
                    | &SqlState::T_R_DEADLOCK_DETECTED
                    | &SqlState::TOO_MANY_CONNECTIONS
            )
        );
        Fault::database(error, busy)
    }
}
