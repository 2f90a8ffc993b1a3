//! Vector columns, whatever their form, as stages read them.

use crate::error::MlError;
use crate::frame::{Column, ColumnData, ColumnKind, SparseVectors};

/// A vector column.
#[derive(Debug, Clone, Copy)]
pub(super) enum Vectors<'a> {
    Dense { width: usize, values: &'a [f64] },
    Sparse(&'a SparseVectors),
}

impl<'a> Vectors<'a> {
    /// The vectors of a column.
    ///
    /// # Errors
    /// [`MlError::WrongKind`] if it holds something else.
    pub(super) fn of(name: &str, column: &'a Column) -> Result<Self, MlError> {
        match &column.data {
            ColumnData::Vector { width, values } => Ok(Vectors::Dense {
                width: *width,
                values,
            }),
            ColumnData::Sparse(vectors) => Ok(Vectors::Sparse(vectors)),
            _ => Err(wrong_kind(name, column.kind())),
        }
    }

    /// Elements of each row.
    pub(super) fn width(self) -> usize {
        match self {
            Vectors::Dense { width, .. } => width,
            Vectors::Sparse(vectors) => vectors.width(),
        }
    }

    /// Calls `f` for the elements of a row that may differ from 0.
    pub(super) fn each_active(self, row: usize, mut f: impl FnMut(usize, f64)) {
        match self {
            Vectors::Dense { width, values } => {
                let values = &values[row * width..(row + 1) * width];
                values
                    .iter()
                    .enumerate()
                    .for_each(|(index, value)| f(index, *value));
            }
            Vectors::Sparse(vectors) => vectors
                .row(row)
                .for_each(|(index, value)| f(index as usize, value)),
        }
    }

    /// Returns an error unless each row has `expected` elements.
    pub(super) fn require_width(self, expected: usize) -> Result<(), MlError> {
        match self.width() {
            got if got == expected => Ok(()),
            got => Err(MlError::Shape {
                what: "elements in vector",
                expected,
                got,
            }),
        }
    }
}

/// Refuses columns that hold no vectors.
pub(super) fn require_vectors(inputs: &[(&str, ColumnKind)]) -> Result<(), MlError> {
    match inputs.iter().find(|(_, kind)| *kind != ColumnKind::Vector) {
        Some((column, kind)) => Err(wrong_kind(column, *kind)),
        None => Ok(()),
    }
}

/// Refuses columns that hold no numbers.
pub(super) fn require_numbers(inputs: &[(&str, ColumnKind)]) -> Result<(), MlError> {
    match inputs.iter().find(|(_, kind)| !kind.is_numeric()) {
        Some((column, kind)) => Err(MlError::WrongKind {
            column: (*column).to_owned(),
            expected: "numeric".to_owned(),
            actual: *kind,
        }),
        None => Ok(()),
    }
}

fn wrong_kind(column: &str, actual: ColumnKind) -> MlError {
    MlError::WrongKind {
        column: column.to_owned(),
        expected: ColumnKind::Vector.to_string(),
        actual,
    }
}
