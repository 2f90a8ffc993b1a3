//! A small table in memory: what a pipeline reads and what it adds columns to.
//!
//! The same type carries a partition's cached rows in training and a request's rows in serving, so a feature is
//! computed by one code path in both.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::MlError;
use crate::java_text;

mod sparse;

pub use sparse::SparseVectors;

/// Named columns of equal length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frame {
    rows: usize,
    columns: Vec<(String, Column)>,
    /// Where each row stood when the frame was made; `None` while no row has been dropped.
    origin: Option<Vec<usize>>,
}

/// The values of one column and which of them are present.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The values; where one is null the value here is arbitrary.
    pub data: ColumnData,
    /// `false` marks a null; `None` means no value is null.
    pub validity: Option<Vec<bool>>,
}

/// Values of one kind, one per row.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnData {
    /// Truth values; as a number 0.0 or 1.0.
    Boolean(Vec<bool>),
    /// Whole numbers of any width, widened to 64 bits.
    Integer(Vec<i64>),
    /// 32-bit floats; widening to 64 bits is exact and visible: 39.1 becomes 39.099998474121094.
    Float(Vec<f32>),
    /// 64-bit floats.
    Double(Vec<f64>),
    /// Strings.
    Text(Vec<String>),
    /// Dense vectors of equal width.
    Vector {
        /// Elements per row.
        width: usize,
        /// All elements, row by row.
        values: Vec<f64>,
    },
    /// Vectors of equal width whose zeros are left out.
    Sparse(SparseVectors),
}

/// What a column holds, without the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// Truth values.
    Boolean,
    /// Whole numbers.
    Integer,
    /// 32-bit floats.
    Float,
    /// 64-bit floats.
    Double,
    /// Strings; called `string` in messages, as in Spark.
    Text,
    /// Vectors, whatever their form.
    Vector,
}

impl ColumnKind {
    /// Returns whether a value of this kind is a number. As in Spark a boolean is not, though it can be assembled.
    pub fn is_numeric(self) -> bool {
        matches!(self, ColumnKind::Integer | ColumnKind::Float | ColumnKind::Double)
    }
}

impl fmt::Display for ColumnKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ColumnKind::Boolean => "boolean",
            ColumnKind::Integer => "integer",
            ColumnKind::Float => "float",
            ColumnKind::Double => "double",
            ColumnKind::Text => "string",
            ColumnKind::Vector => "vector",
        })
    }
}

impl Frame {
    /// Returns a frame of `rows` rows and no columns.
    pub fn new(rows: usize) -> Self {
        Frame {
            rows,
            columns: Vec::new(),
            origin: None,
        }
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns all columns in the order they were added.
    pub fn columns(&self) -> &[(String, Column)] {
        &self.columns
    }

    /// Returns the frame with one more column.
    ///
    /// # Errors
    /// [`MlError::DuplicateColumn`] if the name is taken, [`MlError::ColumnLength`] if the column's length is not
    /// the frame's.
    pub fn with_column(mut self, name: impl Into<String>, column: Column) -> Result<Self, MlError> {
        let name = name.into();
        if self.columns.iter().any(|(existing, _)| *existing == name) {
            return Err(MlError::DuplicateColumn { column: name });
        }
        let (expected, got) = match &column.data {
            ColumnData::Vector { width, values } => (self.rows * width, values.len()),
            data => (self.rows, data.scalars()),
        };
        let mask = column.validity.as_ref().map_or(self.rows, Vec::len);
        for (expected, got) in [(expected, got), (self.rows, mask)] {
            if expected != got {
                return Err(MlError::ColumnLength {
                    column: name,
                    expected,
                    got,
                });
            }
        }
        self.columns.push((name, column));
        Ok(self)
    }

    /// Returns all columns, to make another frame of them.
    pub fn into_columns(self) -> Vec<(String, Column)> {
        self.columns
    }

    /// Returns the column called `name`.
    ///
    /// # Errors
    /// [`MlError::UnknownColumn`], with the names there are.
    pub fn column(&self, name: &str) -> Result<&Column, MlError> {
        self.columns
            .iter()
            .find(|(existing, _)| existing == name)
            .map(|(_, column)| column)
            .ok_or_else(|| MlError::UnknownColumn {
                column: name.to_owned(),
                available: self.columns.iter().map(|(name, _)| name.clone()).collect(),
            })
    }

    /// Returns the frame with only the rows whose `mask` is true; every column loses the same rows.
    ///
    /// # Errors
    /// [`MlError::Shape`] if the mask's length is not the number of rows.
    pub fn retain(self, mask: &[bool]) -> Result<Self, MlError> {
        if mask.len() != self.rows {
            return Err(MlError::Shape {
                what: "rows in mask",
                expected: self.rows,
                got: mask.len(),
            });
        }
        let origin = (0..self.rows)
            .filter(|row| mask[*row])
            .map(|row| self.origin(row))
            .collect::<Vec<_>>();
        let columns = self
            .columns
            .into_iter()
            .map(|(name, column)| (name, column.retain(mask)))
            .collect();
        Ok(Frame {
            rows: origin.len(),
            columns,
            origin: Some(origin),
        })
    }

    /// Returns where `row` stood before any row was dropped.
    pub fn origin(&self, row: usize) -> usize {
        self.origin
            .as_ref()
            .and_then(|origin| origin.get(row).copied())
            .unwrap_or(row)
    }
}

impl Column {
    /// Returns a column without nulls.
    pub fn new(data: ColumnData) -> Self {
        Column { data, validity: None }
    }

    /// Returns what the column holds.
    pub fn kind(&self) -> ColumnKind {
        match &self.data {
            ColumnData::Boolean(_) => ColumnKind::Boolean,
            ColumnData::Integer(_) => ColumnKind::Integer,
            ColumnData::Float(_) => ColumnKind::Float,
            ColumnData::Double(_) => ColumnKind::Double,
            ColumnData::Text(_) => ColumnKind::Text,
            ColumnData::Vector { .. } | ColumnData::Sparse(_) => ColumnKind::Vector,
        }
    }

    /// Returns the number of elements of each vector, whatever their form; `None` for other columns.
    pub fn vector_width(&self) -> Option<usize> {
        match &self.data {
            ColumnData::Vector { width, .. } => Some(*width),
            ColumnData::Sparse(vectors) => Some(vectors.width()),
            _ => None,
        }
    }

    /// Returns whether the value in `row` is null.
    pub fn is_null(&self, row: usize) -> bool {
        self.validity
            .as_ref()
            .is_some_and(|validity| validity.get(row) == Some(&false))
    }

    /// Returns the value in `row` cast to a double as Spark casts it; `None` for text, vectors and rows that do not
    /// exist. Nulls are not looked at.
    pub fn number(&self, row: usize) -> Option<f64> {
        match &self.data {
            ColumnData::Boolean(values) => values.get(row).map(|value| f64::from(u8::from(*value))),
            // Rounds to nearest beyond 2^53, like Java's widening conversion.
            ColumnData::Integer(values) => values.get(row).map(|value| *value as f64),
            ColumnData::Float(values) => values.get(row).map(|value| f64::from(*value)),
            ColumnData::Double(values) => values.get(row).copied(),
            ColumnData::Text(_) | ColumnData::Vector { .. } | ColumnData::Sparse(_) => None,
        }
    }

    /// Returns the value in `row` cast to a string as Spark casts it (`1`, `1.0`, `true`); `None` for vectors and
    /// rows that do not exist. Nulls are not looked at.
    pub fn text(&self, row: usize) -> Option<Cow<'_, str>> {
        match &self.data {
            ColumnData::Boolean(values) => values.get(row).map(|value| value.to_string().into()),
            ColumnData::Integer(values) => values.get(row).map(|value| value.to_string().into()),
            ColumnData::Float(values) => values.get(row).map(|value| java_text::float_text(*value).into()),
            ColumnData::Double(values) => values.get(row).map(|value| java_text::double_text(*value).into()),
            ColumnData::Text(values) => values.get(row).map(|value| value.as_str().into()),
            ColumnData::Vector { .. } | ColumnData::Sparse(_) => None,
        }
    }

    /// Adds how often each value occurs, as text and without nulls; returns how many values there are. They are hashed
    /// first: of many texts most ways through an ordered map are new to the cache.
    pub(crate) fn add_text_counts(&self, counts: &mut BTreeMap<String, u64>) -> u64 {
        let mut added = 0;
        let mut add = |text: Cow<'_, str>, count| {
            added += count;
            match counts.get_mut(text.as_ref()) {
                Some(counted) => *counted += count,
                None => drop(counts.insert(text.into_owned(), count)),
            }
        };
        if let ColumnData::Integer(values) = &self.data {
            let mut of_values: HashMap<i64, u64> = HashMap::new();
            let present = values.iter().enumerate().filter(|(row, _)| !self.is_null(*row));
            present.for_each(|(_, value)| *of_values.entry(*value).or_default() += 1);
            of_values
                .into_iter()
                .for_each(|(value, count)| add(value.to_string().into(), count));
            return added;
        }
        let texts = (0..).map_while(|row| Some((row, self.text(row)?)));
        let mut of_texts: HashMap<Cow<'_, str>, u64> = HashMap::new();
        for (_, text) in texts.filter(|(row, _)| !self.is_null(*row)) {
            *of_texts.entry(text).or_default() += 1;
        }
        of_texts.into_iter().for_each(|(text, count)| add(text, count));
        added
    }

    fn retain(self, mask: &[bool]) -> Self {
        let data = match self.data {
            ColumnData::Boolean(values) => ColumnData::Boolean(keep(values, mask, 1)),
            ColumnData::Integer(values) => ColumnData::Integer(keep(values, mask, 1)),
            ColumnData::Float(values) => ColumnData::Float(keep(values, mask, 1)),
            ColumnData::Double(values) => ColumnData::Double(keep(values, mask, 1)),
            ColumnData::Text(values) => ColumnData::Text(keep(values, mask, 1)),
            ColumnData::Vector { width, values } => ColumnData::Vector {
                width,
                values: keep(values, mask, width),
            },
            ColumnData::Sparse(vectors) => ColumnData::Sparse(vectors.retain(mask)),
        };
        Column {
            data,
            validity: self.validity.map(|validity| keep(validity, mask, 1)),
        }
    }
}

impl ColumnData {
    /// Numbers of dense vectors, else values.
    fn scalars(&self) -> usize {
        match self {
            ColumnData::Boolean(values) => values.len(),
            ColumnData::Integer(values) => values.len(),
            ColumnData::Float(values) => values.len(),
            ColumnData::Double(values) => values.len(),
            ColumnData::Text(values) => values.len(),
            ColumnData::Vector { values, .. } => values.len(),
            ColumnData::Sparse(vectors) => vectors.rows(),
        }
    }
}

/// Keeps the rows of `width` values each whose `mask` is true.
fn keep<T>(values: Vec<T>, mask: &[bool], width: usize) -> Vec<T> {
    let wide_mask = mask.iter().flat_map(|kept| std::iter::repeat_n(*kept, width));
    values
        .into_iter()
        .zip(wide_mask)
        .filter_map(|(value, kept)| kept.then_some(value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame::new(3)
            .with_column("a", Column::new(ColumnData::Integer(vec![1, 2, 3])))
            .and_then(|frame| {
                let values = vec![1.0, 10.0, 2.0, 20.0, 3.0, 30.0];
                frame.with_column("v", Column::new(ColumnData::Vector { width: 2, values }))
            })
            .expect("columns fit the frame")
    }

    #[test]
    fn retain_drops_the_same_rows_everywhere_and_remembers_where_they_were() {
        let frame = frame()
            .retain(&[false, true, true])
            .and_then(|frame| frame.retain(&[false, true]));
        let frame = frame.expect("masks fit");
        assert_eq!(frame.rows(), 1);
        assert_eq!(frame.origin(0), 2);
        assert_eq!(
            frame.column("a").expect("exists").data,
            ColumnData::Integer(vec![3])
        );
        let vector = ColumnData::Vector {
            width: 2,
            values: vec![3.0, 30.0],
        };
        assert_eq!(frame.column("v").expect("exists").data, vector);
    }

    #[test]
    fn mistakes_are_named() {
        let short = frame().with_column("b", Column::new(ColumnData::Double(vec![1.0])));
        assert_eq!(
            short.expect_err("too short").to_string(),
            "column b: expected 3 values, got 1"
        );
        let again = frame().with_column("a", Column::new(ColumnData::Double(vec![1.0; 3])));
        assert_eq!(again.expect_err("taken").to_string(), "column a already exists");
        let unknown = frame().column("c").expect_err("unknown").to_string();
        assert_eq!(unknown, "unknown column c; available columns: a, v");
    }

    #[test]
    fn floats_widen_exactly() {
        let column = Column::new(ColumnData::Float(vec![39.1]));
        assert_eq!(column.number(0), Some(39.099998474121094));
        assert_eq!(column.number(1), None);
        assert_eq!(Column::new(ColumnData::Boolean(vec![true])).number(0), Some(1.0));
    }
}
