//! [`Cell`]: one value as it came in, and what each type of column makes of it.

use rookery_ml::{ColumnData, ColumnKind, spark_cast};

use super::json::Json;
use crate::wrong;

/// Largest whole number up to which every one has its own double: beyond it `210.0` may have been another number.
const EXACT_WHOLE: f64 = 9_007_199_254_740_992.0;

/// One value as it came in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(&'a str),
    /// A list or an object, which no column takes.
    Nested(&'a Json<'a>),
}

/// A value that a column does not take.
#[derive(Debug)]
pub(super) struct NotTaken;

impl<'a> Cell<'a> {
    pub(super) fn of(value: &'a Json<'a>) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Boolean(value) => Self::Boolean(*value),
            Json::Integer(value) => Self::Integer(*value),
            Json::Double(value) => Self::Double(*value),
            Json::Text(text) => Self::Text(text),
            Json::List(_) | Json::Object(_) => Self::Nested(value),
        }
    }

    /// The value as messages show it: JSON, cut off where it is long.
    pub(super) fn shown(self) -> String {
        match self {
            Self::Null => "null".to_string(),
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Double(value) => format!("{value:?}"),
            Self::Text(text) => wrong::shown(text),
            Self::Nested(value) => wrong::shortened(&value.to_string()),
        }
    }

    fn boolean(self) -> Result<bool, NotTaken> {
        match self {
            Self::Boolean(value) => Ok(value),
            Self::Integer(0) => Ok(false),
            Self::Integer(1) => Ok(true),
            Self::Double(value) if value == 0.0 || value == 1.0 => Ok(value == 1.0),
            Self::Text(text) => spark_cast::parse_boolean(text).ok_or(NotTaken),
            _ => Err(NotTaken),
        }
    }

    fn integer(self) -> Result<i64, NotTaken> {
        let found = match self {
            Self::Boolean(value) => Some(i64::from(value)),
            Self::Integer(value) => Some(value),
            // Tables made by data-frame libraries write whole numbers as `210.0`.
            Self::Double(value) => whole(value),
            Self::Text(text) => {
                spark_cast::parse_long(text).or_else(|| spark_cast::parse_double(text).and_then(whole))
            }
            _ => None,
        };
        found.ok_or(NotTaken)
    }

    fn double(self) -> Result<f64, NotTaken> {
        let found = match self {
            Self::Boolean(value) => Some(f64::from(u8::from(value))),
            Self::Integer(value) => Some(value as f64),
            Self::Double(value) => Some(value),
            Self::Text(text) => spark_cast::parse_double(text),
            _ => None,
        };
        found.filter(|value| value.is_finite()).ok_or(NotTaken)
    }

    /// A 32-bit number: text is rounded once, as in training.
    fn single(self) -> Result<f32, NotTaken> {
        let found = match self {
            Self::Text(text) => spark_cast::parse_float(text),
            other => return other.double().map(|value| value as f32).and_then(finite),
        };
        found.ok_or(NotTaken).and_then(finite)
    }

    fn text(self) -> Result<String, NotTaken> {
        match self {
            Self::Text(text) => Ok(text.to_string()),
            Self::Boolean(value) => Ok(value.to_string()),
            Self::Integer(value) => Ok(value.to_string()),
            Self::Double(value) => Ok(format!("{value:?}")),
            Self::Null | Self::Nested(_) => Err(NotTaken),
        }
    }
}

fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() <= EXACT_WHOLE).then_some(value as i64)
}

fn finite(value: f32) -> Result<f32, NotTaken> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(NotTaken)
    }
}

/// Adds the value to a column of `kind`; a null adds a value that does not matter.
pub(super) fn push(data: &mut ColumnData, kind: ColumnKind, cell: Cell<'_>) -> Result<(), NotTaken> {
    let is_null = matches!(cell, Cell::Null);
    match data {
        ColumnData::Boolean(values) if is_null => values.push(false),
        ColumnData::Integer(values) if is_null => values.push(0),
        ColumnData::Float(values) if is_null => values.push(0.0),
        ColumnData::Double(values) if is_null => values.push(0.0),
        ColumnData::Text(values) if is_null => values.push(String::new()),
        ColumnData::Boolean(values) => values.push(cell.boolean()?),
        ColumnData::Integer(values) => values.push(cell.integer()?),
        ColumnData::Float(values) => values.push(cell.single()?),
        // A column that was 32-bit in training must be finite as such.
        ColumnData::Double(values) if kind == ColumnKind::Float => {
            let value = cell.double()?;
            finite(value as f32)?;
            values.push(value);
        }
        ColumnData::Double(values) => values.push(cell.double()?),
        ColumnData::Text(values) => values.push(cell.text()?),
        ColumnData::Vector { .. } | ColumnData::Sparse(_) => return Err(NotTaken),
    }
    Ok(())
}
