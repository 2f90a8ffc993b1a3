//! [`SqliteSession`]: a [`Session`] on an SQLite file or in memory.

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, Row, Statement};

use crate::sql::fault::{Fault, Sql};
use crate::sql::session::{Columns, Dialect, Session, Value};

#[derive(Debug)]
pub(in crate::sql) struct SqliteSession {
    connection: Connection,
}

impl SqliteSession {
    pub(super) fn new(connection: Connection) -> Self {
        SqliteSession { connection }
    }
}

impl Session for SqliteSession {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Sql<u64> {
        let mut statement = self.connection.prepare_cached(sql)?;
        bind(&mut statement, values)?;
        Ok(statement.raw_execute()? as u64)
    }

    fn for_each(
        &self,
        sql: &str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(&dyn Columns) -> Sql<()>,
    ) -> Sql<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        bind(&mut statement, values)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            visit(&SqliteRow(row))?;
        }
        Ok(())
    }

    fn batch(&self, sql: &str) -> Sql<()> {
        Ok(self.connection.execute_batch(sql)?)
    }

    fn is_broken(&self) -> bool {
        false
    }
}

fn bind(statement: &mut Statement<'_>, values: &[Value<'_>]) -> Sql<()> {
    for (place, value) in (1..).zip(values) {
        statement.raw_bind_parameter(place, value)?;
    }
    Ok(())
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(value) => ValueRef::Integer(*value),
            Value::Real(value) => ValueRef::Real(*value),
            Value::Text(value) => ValueRef::Text(value.as_bytes()),
        }))
    }
}

struct SqliteRow<'a, 'b>(&'a Row<'b>);

impl Columns for SqliteRow<'_, '_> {
    fn value(&self, column: usize) -> Sql<Value<'_>> {
        Ok(match self.0.get_ref(column)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(value) => Value::Int(value),
            ValueRef::Real(value) => Value::Real(value),
            text => Value::Text(text.as_str().map_err(rusqlite::Error::from)?),
        })
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        let busy = matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        );
        Fault::database(error, busy)
    }
}
