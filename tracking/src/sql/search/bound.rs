//! [`Bound`]: the values of a statement that is being written.

use crate::error::TrackingError;
use crate::sql::fault::Sql;
use crate::sql::session::{Dialect, Value, json};

/// A value that outlives its row or request.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sql) enum OwnedValue {
    Int(i64),
    Real(f64),
    Text(String),
}

impl OwnedValue {
    pub(super) fn of(value: Value<'_>) -> Sql<Self> {
        match value {
            Value::Int(value) => Ok(OwnedValue::Int(value)),
            Value::Real(value) => Ok(OwnedValue::Real(value)),
            Value::Text(value) => Ok(OwnedValue::Text(value.to_owned())),
            Value::Null => {
                Err(TrackingError::invalid("order", "a record has no value to be sorted by").into())
            }
        }
    }

    fn borrow(&self) -> Value<'_> {
        match self {
            OwnedValue::Int(value) => Value::Int(*value),
            OwnedValue::Real(value) => Value::Real(*value),
            OwnedValue::Text(value) => Value::Text(value),
        }
    }
}

/// The values bound so far; each call answers the placeholder to write.
#[derive(Debug, Clone)]
pub(in crate::sql) struct Bound {
    dialect: Dialect,
    values: Vec<OwnedValue>,
}

impl Bound {
    pub(super) fn new(dialect: Dialect) -> Self {
        Bound {
            dialect,
            values: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, value: OwnedValue) -> String {
        self.values.push(value);
        format!("?{}", self.values.len())
    }

    pub(super) fn text(&mut self, text: &str) -> String {
        self.add(OwnedValue::Text(text.to_owned()))
    }

    pub(super) fn int(&mut self, value: i64) -> String {
        self.add(OwnedValue::Int(value))
    }

    pub(super) fn real(&mut self, value: f64) -> String {
        self.add(OwnedValue::Real(value))
    }

    /// A table named `items` with the texts as `value`, however many they are.
    pub(super) fn list<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> String {
        let placeholder = self.add(OwnedValue::Text(json(texts)));
        self.dialect.list(&placeholder, "items")
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) fn values(&self) -> Vec<Value<'_>> {
        self.values.iter().map(OwnedValue::borrow).collect()
    }
}
