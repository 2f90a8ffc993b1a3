//! Which rows can be trained on and scored (`org.apache.spark.ml.util.DatasetUtils`).

use std::fmt;

use crate::error::MlError;
use crate::frame::Column;
use crate::java_text;

/// What is wrong with a row, in Spark's words.
#[derive(Debug, Clone, PartialEq)]
pub enum RowProblem {
    /// The feature vector is null.
    NullVector,
    /// The feature vector holds NaN or an infinity.
    NonFiniteVector(Vec<f64>),
    /// The same of a vector that leaves its zeros out.
    NonFiniteSparseVector {
        /// Elements, zeros included.
        width: usize,
        /// The elements that it mentions.
        indices: Vec<u32>,
        /// Their values.
        values: Vec<f64>,
    },
    /// The label is null or NaN.
    MissingLabel,
    /// The label is negative or too large for a class number.
    LabelOutOfRange(f64),
    /// The label is not a whole number.
    FractionalLabel(f64),
    /// The weight is null or NaN.
    MissingWeight,
    /// The weight is negative or infinite.
    WeightOutOfRange(f64),
}

impl fmt::Display for RowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |value: &f64| java_text::double_text(*value);
        match self {
            RowProblem::NullVector => write!(f, "Vectors MUST NOT be Null"),
            RowProblem::NonFiniteVector(vector) => {
                let vector = java_text::vector_text(vector);
                write!(f, "Vector values MUST NOT be NaN or Infinity, but got {vector}")
            }
            RowProblem::NonFiniteSparseVector {
                width,
                indices,
                values,
            } => {
                let indices: Vec<String> = indices.iter().map(u32::to_string).collect();
                let (indices, values) = (indices.join(","), java_text::vector_text(values));
                let text = "Vector values MUST NOT be NaN or Infinity, but got";
                write!(f, "{text} ({width},[{indices}],{values})")
            }
            RowProblem::MissingLabel => write!(f, "Labels MUST NOT be Null or NaN"),
            RowProblem::LabelOutOfRange(label) => {
                write!(f, "Labels MUST be in [0, 2147483647), but got {}", number(label))
            }
            RowProblem::FractionalLabel(label) => {
                write!(f, "Labels MUST be Integers, but got {}", number(label))
            }
            RowProblem::MissingWeight => write!(f, "Weights MUST NOT be Null or NaN"),
            RowProblem::WeightOutOfRange(weight) => {
                write!(
                    f,
                    "Weights MUST NOT be Negative or Infinity, but got {}",
                    number(weight)
                )
            }
        }
    }
}

/// Checks the label in `row` of `column`, which must be a number column.
pub(crate) fn label_at(column: &Column, row: usize) -> Result<f64, RowProblem> {
    let label = if column.is_null(row) {
        f64::NAN
    } else {
        column.number(row).unwrap_or(f64::NAN)
    };
    if label.is_nan() {
        Err(RowProblem::MissingLabel)
    } else if !(0.0..2_147_483_647.0).contains(&label) {
        Err(RowProblem::LabelOutOfRange(label))
    } else if label.fract() != 0.0 {
        Err(RowProblem::FractionalLabel(label))
    } else {
        // −0.0 is a label like 0.0; adding 0.0 gives both the same bits.
        Ok(label + 0.0)
    }
}

/// Checks the weight in `row` of `column`, which must be a number column.
pub(crate) fn weight_at(column: &Column, row: usize) -> Result<f64, RowProblem> {
    let weight = if column.is_null(row) {
        f64::NAN
    } else {
        column.number(row).unwrap_or(f64::NAN)
    };
    if weight.is_nan() {
        Err(RowProblem::MissingWeight)
    } else if weight < 0.0 || weight.is_infinite() {
        Err(RowProblem::WeightOutOfRange(weight))
    } else {
        Ok(weight)
    }
}

/// Checks that a label or weight column holds numbers.
pub(crate) fn require_numeric(name: &str, column: &Column) -> Result<(), MlError> {
    if column.kind().is_numeric() {
        return Ok(());
    }
    let expected = "numeric".to_owned();
    Err(MlError::WrongKind {
        column: name.to_owned(),
        expected,
        actual: column.kind(),
    })
}
