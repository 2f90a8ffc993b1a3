//! [`Session`]: one connection to a database, as far as the store's SQL needs it.
//!
//! SQLite and PostgreSQL speak nearly the same SQL: placeholders are written `?1`, values are integers, doubles, texts
//! and nulls, and what differs is a [`Dialect`]. So every table has one set of functions, whichever database it is in.

use super::fault::{Fault, Sql};
use crate::error::TrackingError;

/// A value bound to a placeholder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Int(i64),
    Real(f64),
    Text(&'a str),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<u32> for Value<'_> {
    fn from(value: u32) -> Self {
        Value::Int(i64::from(value))
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Int(i64::from(value))
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Value::Real(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Value::Text(value)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Value::Text(value)
    }
}

impl<'a, T> From<Option<T>> for Value<'a>
where
    Value<'a>: From<T>,
{
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Value::from)
    }
}

/// The values of the placeholders `?1`, `?2` …, in this order.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::sql::session::Value::from($value)),*]
    };
}
pub(super) use values;

/// What differs between the databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// A table of (`key`: place from 0, `value`: text) from a placeholder bound to a JSON list of texts: one statement
    /// then serves lists of any length.
    pub(super) fn list(self, placeholder: &str, alias: &str) -> String {
        match self {
            Dialect::Sqlite => format!("(SELECT key, value FROM json_each({placeholder})) AS {alias}"),
            Dialect::Postgres => format!(
                "(SELECT ordinality - 1 AS key, value FROM
                 json_array_elements_text(CAST(CAST({placeholder} AS TEXT) AS JSON)) WITH ORDINALITY AS e (value, ordinality)) AS {alias}"
            ),
        }
    }

    /// Joins a list to a table, the list outside: a look-up for each item, instead of a look at every row of the table.
    pub(super) fn list_join(self) -> &'static str {
        match self {
            // In SQLite CROSS JOIN is the way to say in which order to join.
            Dialect::Sqlite => "CROSS JOIN",
            Dialect::Postgres => "INNER JOIN",
        }
    }

    /// Starts a write.
    pub(super) fn begin_write(self) -> &'static str {
        match self {
            // IMMEDIATE takes the write lock now, where waiting for it is possible. Upgrading from a read later is not:
            // it fails at once if another process wrote in between.
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            // One writer at a time as in SQLite, so that "look, then write" needs no further thought.
            Dialect::Postgres => "BEGIN; SELECT pg_advisory_xact_lock(7265676973747279)",
        }
    }

    /// Starts a read in which all queries see the same state.
    pub(super) fn begin_read(self) -> &'static str {
        match self {
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }
}

/// One row of an answer; columns count from 0.
pub(super) trait Columns {
    fn value(&self, column: usize) -> Sql<Value<'_>>;
}

impl dyn Columns + '_ {
    pub(super) fn int(&self, column: usize) -> Sql<i64> {
        self.opt_int(column)?
            .ok_or_else(|| unexpected(column, "an integer, not null"))
    }

    pub(super) fn opt_int(&self, column: usize) -> Sql<Option<i64>> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Int(value) => Ok(Some(value)),
            _ => Err(unexpected(column, "an integer")),
        }
    }

    /// Reads a place in a list, such as [`Dialect::list`] counts them.
    pub(super) fn place(&self, column: usize) -> Sql<usize> {
        usize::try_from(self.int(column)?).map_err(|_| unexpected(column, "a place in a list"))
    }

    pub(super) fn bool(&self, column: usize) -> Sql<bool> {
        Ok(self.int(column)? != 0)
    }

    pub(super) fn real(&self, column: usize) -> Sql<f64> {
        self.opt_real(column)?
            .ok_or_else(|| unexpected(column, "a number, not null"))
    }

    pub(super) fn opt_real(&self, column: usize) -> Sql<Option<f64>> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Real(value) => Ok(Some(value)),
            Value::Int(value) => Ok(Some(value as f64)),
            Value::Text(_) => Err(unexpected(column, "a number")),
        }
    }

    pub(super) fn text(&self, column: usize) -> Sql<String> {
        self.opt_text(column)?
            .ok_or_else(|| unexpected(column, "a text, not null"))
    }

    pub(super) fn opt_text(&self, column: usize) -> Sql<Option<String>> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Text(value) => Ok(Some(value.to_owned())),
            _ => Err(unexpected(column, "a text")),
        }
    }

    /// Reads one of our words, such as a status.
    pub(super) fn word<T: std::str::FromStr<Err = TrackingError>>(&self, column: usize) -> Sql<T> {
        match self.value(column)? {
            Value::Text(value) => Ok(value.parse::<T>()?),
            _ => Err(unexpected(column, "a word")),
        }
    }
}

fn unexpected(column: usize, expected: &str) -> Fault {
    TrackingError::invalid("stored value", format!("column {column}: expected {expected}")).into()
}

/// One connection, used by one thread at a time.
pub(super) trait Session: Send {
    fn dialect(&self) -> Dialect;

    /// Runs a statement; returns the number of rows it changed.
    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Sql<u64>;

    /// Runs a query and shows every row of the answer to `visit`.
    fn for_each(
        &self,
        sql: &str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(&dyn Columns) -> Sql<()>,
    ) -> Sql<()>;

    /// Runs statements without values, such as `BEGIN` or a migration.
    fn batch(&self, sql: &str) -> Sql<()>;

    /// Whether the connection is known to be lost, so that a new one must be made.
    fn is_broken(&self) -> bool;
}

impl dyn Session + '_ {
    /// Every row of the answer.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&dyn Columns) -> Sql<T>,
    ) -> Sql<Vec<T>> {
        let mut found = Vec::new();
        self.for_each(sql, values, &mut |row| {
            found.push(read(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// The first row of the answer, if there is one.
    pub(super) fn first<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnMut(&dyn Columns) -> Sql<T>,
    ) -> Sql<Option<T>> {
        Ok(self.all(sql, values, read)?.into_iter().next())
    }
}

/// Returns a list as JSON, for [`Dialect::list`].
pub(super) fn json<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    serde_json::Value::from_iter(items).to_string()
}
