//! Casts as Spark makes them in ANSI mode: what can't be cast is refused.

use super::{SqlType, Value};
use crate::{java_text, spark_cast};

/// The value as one of another type.
///
/// # Errors
/// The value can't be cast.
pub(super) fn cast(value: Value, to: SqlType) -> Result<Value, String> {
    let value = match value {
        Value::Null => return Ok(Value::Null),
        value => value,
    };
    match to {
        SqlType::Null => Ok(Value::Null),
        SqlType::Boolean => boolean(&value),
        SqlType::Int => whole(&value, to, i64::from(i32::MIN), i64::from(i32::MAX)),
        SqlType::Long => whole(&value, to, i64::MIN, i64::MAX),
        SqlType::Float => float(&value),
        SqlType::Double => double(&value),
        SqlType::Text => Ok(Value::Text(text(&value))),
    }
}

/// The value as text.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Boolean(value) => value.to_string(),
        Value::Whole(value) => value.to_string(),
        Value::Float(value) => java_text::float_text(*value),
        Value::Double(value) => java_text::double_text(*value),
        Value::Text(value) => value.clone(),
    }
}

fn malformed(text: &str, to: SqlType) -> String {
    let to = to.name();
    format!(
        "[CAST_INVALID_INPUT] The value '{text}' of the type \"STRING\" cannot be cast to \"{to}\" because it is \
         malformed. Use `try_cast` to get a null instead."
    )
}

fn boolean(value: &Value) -> Result<Value, String> {
    Ok(Value::Boolean(match value {
        Value::Boolean(value) => *value,
        Value::Text(text) => {
            spark_cast::parse_boolean(text).ok_or_else(|| malformed(text, SqlType::Boolean))?
        }
        number => number.double() != Some(0.0),
    }))
}

fn whole(value: &Value, to: SqlType, least: i64, most: i64) -> Result<Value, String> {
    let overflow = || {
        let (value, to) = (text(value), to.name());
        format!(
            "[CAST_OVERFLOW] The value {value} cannot be cast to \"{to}\" due to an overflow. Use `try_cast` to get \
             a null instead."
        )
    };
    let found = match value {
        Value::Whole(value) => Some(*value),
        Value::Boolean(value) => Some(i64::from(*value)),
        Value::Text(text) => Some(spark_cast::parse_long(text).ok_or_else(|| malformed(text, to))?),
        number => number.double().and_then(cut),
    };
    let found = found.filter(|found| (least..=most).contains(found));
    match (found, value) {
        (Some(found), _) => Ok(Value::Whole(found)),
        (None, Value::Text(text)) => Err(malformed(text, to)),
        (None, _) => Err(overflow()),
    }
}

/// A double without its fraction, where 64 bits have room for it.
pub(super) fn cut(value: f64) -> Option<i64> {
    let bound = 9_223_372_036_854_775_808.0;
    (value >= -bound && value < bound).then_some(value as i64)
}

fn float(value: &Value) -> Result<Value, String> {
    Ok(Value::Float(match value {
        Value::Float(value) => *value,
        Value::Double(value) => *value as f32,
        Value::Whole(value) => *value as f32,
        Value::Boolean(value) => f32::from(u8::from(*value)),
        Value::Text(text) => spark_cast::parse_float(text).ok_or_else(|| malformed(text, SqlType::Float))?,
        Value::Null => return Ok(Value::Null),
    }))
}

fn double(value: &Value) -> Result<Value, String> {
    Ok(Value::Double(match value {
        Value::Text(text) => {
            spark_cast::parse_double(text).ok_or_else(|| malformed(text, SqlType::Double))?
        }
        Value::Boolean(value) => f64::from(u8::from(*value)),
        number => match number.double() {
            Some(number) => number,
            None => return Ok(Value::Null),
        },
    }))
}
