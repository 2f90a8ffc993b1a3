//! Numbers in Spark's metadata: JSON has no infinity and no NaN, so that Spark writes `"Inf"`, `"-Inf"` and `"NaN"`.

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// A number as Spark writes it.
pub(super) fn number(value: f64) -> Value {
    match value {
        value if value.is_finite() => json!(value),
        value if value.is_nan() => json!("NaN"),
        value if value > 0.0 => json!("Inf"),
        _ => json!("-Inf"),
    }
}

/// Numbers as Spark writes them.
pub(super) fn numbers(values: &[f64]) -> Value {
    values.iter().map(|value| number(*value)).collect()
}

/// A number as Spark writes it, read back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number(pub(super) f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = match value.as_str() {
            Some("Inf") => Some(f64::INFINITY),
            Some("-Inf") => Some(f64::NEG_INFINITY),
            Some("NaN") => Some(f64::NAN),
            _ => value.as_f64(),
        };
        number
            .map(Number)
            .ok_or_else(|| serde::de::Error::custom(format!("{value} is no number")))
    }
}
