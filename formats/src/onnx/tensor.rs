//! [`Tensor`]: values with a shape.

use rookery_ml::{Column, ColumnData};

use super::element;
use crate::{Format, FormatError};

/// Most elements of one tensor: a file can't make a worker run out of memory.
pub(super) const MAX_ELEMENTS: usize = 1 << 25;

/// Values with a shape, row by row.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) data: Data,
}

/// Values of one type.
#[derive(Debug, Clone)]
pub(super) enum Data {
    Double(Vec<f64>),
    /// Kept as 64-bit numbers; each is one that 32 bits hold.
    Float(Vec<f64>),
    Int(Vec<i64>),
    Bool(Vec<bool>),
    Text(Vec<String>),
}

impl Tensor {
    /// A tensor of that shape, if the values fill it and are not too many.
    pub(super) fn new(shape: Vec<usize>, data: Data) -> Result<Self, FormatError> {
        let elements = elements(&shape)?;
        if elements != data.len() {
            let what = format!("{} values don't fill the shape {shape:?}", data.len());
            return Err(Format::Onnx.invalid(what));
        }
        Ok(Self { shape, data })
    }

    /// Rows of a column, of the type that a graph's input has.
    pub(super) fn of_column(
        column: &Column,
        name: &str,
        rows: std::ops::Range<usize>,
        element: i32,
        null_text: &str,
    ) -> Result<Self, FormatError> {
        let wrong = || Format::Onnx.invalid(format!("input {name} does not take {}", column.kind()));
        let refuse_null = |row| match column.is_null(row) {
            true => Err(Format::Onnx.refused(format!("column {name}, row {row}: null"))),
            false => Ok(row),
        };
        let number = |row| match column.is_null(row) {
            true => Some(f64::NAN),
            false => column.number(row),
        };
        let count = rows.len();
        let data = match (element, &column.data) {
            (element::STRING, ColumnData::Text(values)) => {
                let text = |row| match column.is_null(row) {
                    true => null_text.to_owned(),
                    false => String::clone(&values[row]),
                };
                Data::Text(rows.map(text).collect())
            }
            (element::INT64, ColumnData::Integer(values)) => {
                let values = rows.map(|row| refuse_null(row).map(|row| values[row]));
                Data::Int(values.collect::<Result<_, _>>()?)
            }
            (element::BOOL, ColumnData::Boolean(values)) => {
                let values = rows.map(|row| refuse_null(row).map(|row| values[row]));
                Data::Bool(values.collect::<Result<_, _>>()?)
            }
            (element::FLOAT, ColumnData::Float(_)) => {
                Data::Float(rows.map(number).collect::<Option<_>>().ok_or_else(wrong)?)
            }
            (element::DOUBLE, _) => Data::Double(rows.map(number).collect::<Option<_>>().ok_or_else(wrong)?),
            _ => return Err(wrong()),
        };
        Self::new(vec![count], data)
    }

    /// The elements as numbers, if they are.
    pub(super) fn doubles(&self) -> Result<&[f64], FormatError> {
        match &self.data {
            Data::Double(values) => Ok(values),
            _ => Err(Format::Onnx.invalid("an operator of numbers got something else")),
        }
    }

    pub(super) fn ints(&self) -> Result<&[i64], FormatError> {
        match &self.data {
            Data::Int(values) => Ok(values),
            _ => Err(Format::Onnx.invalid("an operator of whole numbers got something else")),
        }
    }

    pub(super) fn bools(&self) -> Result<&[bool], FormatError> {
        match &self.data {
            Data::Bool(values) => Ok(values),
            _ => Err(Format::Onnx.invalid("an operator of truth values got something else")),
        }
    }

    /// Rows and columns; a tensor of one dimension has one column.
    pub(super) fn matrix(&self) -> Result<(usize, usize), FormatError> {
        match self.shape.as_slice() {
            [] => Ok((1, 1)),
            [rows] => Ok((*rows, 1)),
            [rows, columns] => Ok((*rows, *columns)),
            _ => Err(Format::Onnx.invalid("a tensor of more than two dimensions")),
        }
    }
}

impl Data {
    pub(super) fn len(&self) -> usize {
        match self {
            Data::Double(values) | Data::Float(values) => values.len(),
            Data::Int(values) => values.len(),
            Data::Bool(values) => values.len(),
            Data::Text(values) => values.len(),
        }
    }

    /// The values at these positions, which must be there.
    pub(super) fn pick(&self, positions: &[usize]) -> Option<Self> {
        fn pick<T: Clone>(values: &[T], positions: &[usize]) -> Option<Vec<T>> {
            let values = positions.iter().map(|position| values.get(*position).cloned());
            values.collect()
        }
        Some(match self {
            Data::Double(values) => Data::Double(pick(values, positions)?),
            Data::Float(values) => Data::Float(pick(values, positions)?),
            Data::Int(values) => Data::Int(pick(values, positions)?),
            Data::Bool(values) => Data::Bool(pick(values, positions)?),
            Data::Text(values) => Data::Text(pick(values, positions)?),
        })
    }
}

/// How many elements a shape has, within bounds.
pub(super) fn elements(shape: &[usize]) -> Result<usize, FormatError> {
    let product = shape
        .iter()
        .try_fold(1_usize, |product, size| product.checked_mul(*size));
    match product {
        Some(product) if product <= MAX_ELEMENTS && shape.len() <= 2 => Ok(product),
        _ => Err(Format::Onnx.invalid(format!("a tensor of the shape {shape:?} is too large"))),
    }
}
