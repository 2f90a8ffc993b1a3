//! Declared column types and what text means in them: [`ColumnType`], with Spark's casts.
//!
//! Source: Spark SQL `Cast` in ANSI mode (the default since Spark 4), `UTF8String.toIntExact` and
//! `Cast.processFloatingPointSpecialLiterals`. A `float` is a real 32-bit float: 39.1 becomes
//! 39.099998474121094 once it is widened.

use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

/// A column type as job files name it (Spark's type names).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// UTF-8 text.
    String,
    /// `true` or `false`.
    Boolean,
    /// 32-bit signed integer.
    #[serde(alias = "integer")]
    Int,
    /// 64-bit signed integer.
    #[serde(alias = "bigint")]
    Long,
    /// 32-bit IEEE 754 number.
    #[serde(alias = "real")]
    Float,
    /// 64-bit IEEE 754 number.
    Double,
}

impl ColumnType {
    /// Every type, in the order of the documentation.
    pub const ALL: [Self; 6] = [
        Self::String,
        Self::Boolean,
        Self::Int,
        Self::Long,
        Self::Float,
        Self::Double,
    ];

    /// The name used in job files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
        }
    }

    /// The Arrow type that holds it.
    pub fn arrow(self) -> DataType {
        match self {
            Self::String => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Int => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
        }
    }

    /// The declared type for a column found with this Arrow type, if there is one that loses nothing.
    pub fn of_arrow(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::String,
            DataType::Dictionary(_, value) => return Self::of_arrow(value),
            DataType::Boolean => Self::Boolean,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => {
                Self::Int
            }
            DataType::Int64 | DataType::UInt32 => Self::Long,
            DataType::Float16 | DataType::Float32 => Self::Float,
            DataType::Float64 | DataType::Decimal128(..) => Self::Double,
            _ => return None,
        })
    }

    /// Whether `text` can be cast to this type.
    pub fn accepts(self, text: &str) -> bool {
        match self {
            Self::String => true,
            Self::Boolean => parse_boolean(text).is_some(),
            Self::Int => parse_int(text).is_some(),
            Self::Long => parse_long(text).is_some(),
            Self::Float => parse_float(text).is_some(),
            Self::Double => parse_double(text).is_some(),
        }
    }
}

/// What is wrong with a value that its column's type does not accept.
pub(crate) fn refusal(column: &str, value: &str, target: ColumnType) -> String {
    format!(
        "column \"{column}\" holds \"{value}\", expected {}",
        target.name()
    )
}

/// Spark's string to boolean: `t true y yes 1` and `f false n no 0` in any case, white space trimmed.
pub fn parse_boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    let is_one_of = |words: [&str; 5]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(["t", "true", "y", "yes", "1"]) {
        Some(true)
    } else if is_one_of(["f", "false", "n", "no", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// Spark's string to int: an optional sign and digits, white space trimmed; no fraction, no overflow.
pub fn parse_int(text: &str) -> Option<i32> {
    text.trim().parse().ok()
}

/// Spark's string to long, see [`parse_int`].
pub fn parse_long(text: &str) -> Option<i64> {
    text.trim().parse().ok()
}

/// Spark's string to float: rounded once, straight to 32 bits; `nan`, `inf`, `infinity` in any case.
pub fn parse_float(text: &str) -> Option<f32> {
    text.trim().parse().ok()
}

/// Spark's string to double, see [`parse_float`].
pub fn parse_double(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_is_a_32_bit_round_trip() {
        assert_eq!(parse_float("39.1").map(f64::from), Some(39.099998474121094));
        assert_eq!(parse_double("39.1"), Some(39.1));
    }

    #[test]
    fn a_float_is_rounded_once() {
        // Rounding to 64 bits first would give the neighbour below.
        let text = "1.00000005960464477540";
        assert_eq!(parse_float(text), Some(1.0000001));
        assert_eq!(parse_double(text).map(|d| d as f32), Some(1.0));
    }

    #[test]
    fn casts_follow_spark_in_ansi_mode() {
        assert_eq!(parse_int(" 42 "), Some(42));
        assert_eq!(parse_int("+7"), Some(7));
        assert_eq!(parse_int("1.0"), None);
        assert_eq!(parse_int("2147483648"), None);
        assert_eq!(parse_long("2147483648"), Some(2_147_483_648));
        assert_eq!(parse_float("abc"), None);
        assert_eq!(parse_float(""), None);
        assert_eq!(parse_float("1e3"), Some(1000.0));
        assert!(parse_double("NaN").is_some_and(f64::is_nan));
        assert_eq!(parse_double("-Infinity"), Some(f64::NEG_INFINITY));
        assert_eq!(parse_boolean("Yes"), Some(true));
        assert_eq!(parse_boolean("2"), None);
    }
}
