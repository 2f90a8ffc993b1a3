//! Expressions of SQL that compute a column from others, row by row, with Spark's meaning of nulls, NaN and overflow (its
//! ANSI mode, the default since Spark 4): the same code in training and in serving, without an engine.
//!
//! 1. [`parse`] reads `SELECT *, expression AS name, … FROM __THIS__`.
//! 2. [`typing`] looks columns up, inserts the casts that Spark would, and refuses what is not known here, with its place.
//! 3. [`node`] computes, one row at a time; [`functions`], [`cast`] and [`round`] are its parts.
//!
//! Two differences from Spark are meant. Whole numbers in columns have 64 bits, whatever the source had. A literal such as
//! `0.1` is a double, where Spark has decimals.

mod cast;
mod functions;
mod node;
mod parse;
mod round;
mod typing;

use std::cmp::Ordering;

pub(crate) use node::Row;
pub(crate) use parse::{Added, Statement};
pub(crate) use typing::{Scope, typed};

use crate::frame::ColumnKind;

/// What an expression gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SqlType {
    /// Nothing but nulls.
    Null,
    Boolean,
    /// 32 bits: literals and casts.
    Int,
    Long,
    Float,
    Double,
    Text,
}

impl SqlType {
    pub(crate) fn of(kind: ColumnKind) -> Option<Self> {
        match kind {
            ColumnKind::Boolean => Some(SqlType::Boolean),
            ColumnKind::Integer => Some(SqlType::Long),
            ColumnKind::Float => Some(SqlType::Float),
            ColumnKind::Double => Some(SqlType::Double),
            ColumnKind::Text => Some(SqlType::Text),
            ColumnKind::Vector => None,
        }
    }

    pub(crate) fn kind(self) -> Option<ColumnKind> {
        match self {
            SqlType::Null => None,
            SqlType::Boolean => Some(ColumnKind::Boolean),
            SqlType::Int | SqlType::Long => Some(ColumnKind::Integer),
            SqlType::Float => Some(ColumnKind::Float),
            SqlType::Double => Some(ColumnKind::Double),
            SqlType::Text => Some(ColumnKind::Text),
        }
    }

    fn is_whole(self) -> bool {
        matches!(self, SqlType::Int | SqlType::Long)
    }

    fn is_number(self) -> bool {
        self.is_whole() || matches!(self, SqlType::Float | SqlType::Double)
    }

    /// Spark's name.
    fn name(self) -> &'static str {
        match self {
            SqlType::Null => "VOID",
            SqlType::Boolean => "BOOLEAN",
            SqlType::Int => "INT",
            SqlType::Long => "BIGINT",
            SqlType::Float => "FLOAT",
            SqlType::Double => "DOUBLE",
            SqlType::Text => "STRING",
        }
    }
}

/// A value of one row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    /// Of `Int` and of `Long`.
    Whole(i64),
    Float(f32),
    Double(f64),
    Text(String),
}

impl Value {
    /// The value as a double; `None` for a null and for what is no number.
    fn double(&self) -> Option<f64> {
        match self {
            Value::Whole(value) => Some(*value as f64),
            Value::Float(value) => Some(f64::from(*value)),
            Value::Double(value) => Some(*value),
            Value::Null | Value::Boolean(_) | Value::Text(_) => None,
        }
    }

    /// The order of two values of one type: NaN is equal to itself and above everything, both zeros are one, texts compare
    /// by their bytes. `None` where one is null.
    fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Null, _) | (_, Value::Null) => None,
            (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
            (Value::Whole(a), Value::Whole(b)) => Some(a.cmp(b)),
            (Value::Text(a), Value::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (a, b) => {
                let (a, b) = (a.double()?, b.double()?);
                Some(a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())))
            }
        }
    }
}
