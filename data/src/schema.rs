//! Declared column types and what text means in them: [`ColumnType`], with Spark's casts.
//!
//! A `float` is a real 32-bit float: 39.1 becomes 39.099998474121094 once it is widened.

use arrow::datatypes::DataType;
pub use rookery_ml::spark_cast::{parse_boolean, parse_double, parse_float, parse_int, parse_long};
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
