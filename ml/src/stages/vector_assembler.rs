//! VectorAssembler: concatenates number and vector columns into one vector of doubles
//! (`org.apache.spark.ml.feature.VectorAssembler`).
//!
//! The vectors leave their zeros out if one of the columns does. Spark decides for each row by what is shorter; here all rows
//! of a pipeline have one form, so that what is computed of them follows from the pipeline.

use serde::{Deserialize, Serialize};

use super::HandleInvalid;
use crate::error::MlError;
use crate::frame::{Column, ColumnData, ColumnKind, Frame, SparseVectors};

/// Parameters of a VectorAssembler; there is nothing to fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorAssembler {
    /// The columns to concatenate, in order.
    pub inputs: Vec<String>,
    /// The vector column to add.
    pub output: String,
    /// What to do with nulls, and with NaN in a number column. NaN inside a vector passes, as in Spark.
    #[serde(default)]
    pub handle_invalid: HandleInvalid,
}

impl VectorAssembler {
    /// Checks the kinds of the inputs and returns the kind of the output.
    pub(super) fn check(&self, inputs: &[(&str, ColumnKind)]) -> Result<ColumnKind, MlError> {
        if inputs.is_empty() {
            return Err(MlError::InvalidParameter {
                component: "VectorAssembler",
                parameter: "inputs",
                value: "[]".to_owned(),
            });
        }
        match inputs.iter().find(|(_, kind)| *kind == ColumnKind::Text) {
            Some((column, kind)) => Err(MlError::UnsupportedKind {
                column: (*column).to_owned(),
                kind: *kind,
            }),
            None => Ok(ColumnKind::Vector),
        }
    }

    pub(super) fn transform(&self, frame: Frame) -> Result<Frame, MlError> {
        let columns = self
            .inputs
            .iter()
            .map(|name| frame.column(name))
            .collect::<Result<Vec<_>, _>>()?;
        let kinds: Vec<_> = self
            .inputs
            .iter()
            .map(String::as_str)
            .zip(columns.iter().map(|c| c.kind()))
            .collect();
        self.check(&kinds)?;
        let kept = self.usable_rows(&columns, &frame)?;
        // The form follows from the pipeline alone, never from what a frame holds.
        let is_sparse = columns
            .iter()
            .any(|column| matches!(column.data, ColumnData::Sparse(_)));
        let data = match is_sparse {
            true => ColumnData::Sparse(sparse(&columns, frame.rows())?),
            false => dense(&columns, frame.rows()),
        };
        let frame = frame.with_column(&self.output, Column::new(data))?;
        if kept.contains(&false) {
            frame.retain(&kept)
        } else {
            Ok(frame)
        }
    }

    /// Returns which rows are kept.
    ///
    /// # Errors
    /// With `handle_invalid = "error"` the first value, column by column, that can't be used.
    fn usable_rows(&self, columns: &[&Column], frame: &Frame) -> Result<Vec<bool>, MlError> {
        let mut kept = vec![true; frame.rows()];
        for (name, column) in self.inputs.iter().zip(columns) {
            for row in (0..frame.rows()).filter(|row| !is_valid(column, *row)) {
                match self.handle_invalid {
                    HandleInvalid::Error => return Err(invalid(name, column, row, frame)),
                    HandleInvalid::Skip => kept[row] = false,
                    HandleInvalid::Keep => {}
                }
            }
        }
        Ok(kept)
    }
}

/// Returns the columns side by side.
fn dense(columns: &[&Column], rows: usize) -> ColumnData {
    let width = columns.iter().map(|column| element_count(column)).sum();
    let mut values = vec![0.0; rows * width];
    let mut offset = 0;
    for column in columns {
        let elements = element_count(column);
        for row in 0..rows {
            let start = row * width + offset;
            let target = &mut values[start..start + elements];
            match &column.data {
                _ if column.is_null(row) => target.fill(f64::NAN),
                ColumnData::Vector { width, values } => {
                    target.copy_from_slice(&values[row * width..(row + 1) * width]);
                }
                _ => target.fill(column.number(row).unwrap_or(f64::NAN)),
            }
        }
        offset += elements;
    }
    ColumnData::Vector { width, values }
}

/// Returns the columns side by side, zeros left out.
fn sparse(columns: &[&Column], rows: usize) -> Result<SparseVectors, MlError> {
    let width = columns.iter().map(|column| element_count(column)).sum();
    if width > u32::MAX as usize {
        let text = format!(
            "a vector has at most {} elements, these columns have {width}",
            u32::MAX
        );
        return Err(MlError::Requirement(text));
    }
    let mut vectors = SparseVectors::empty(width);
    let mut elements: Vec<(u32, f64)> = Vec::new();
    for row in 0..rows {
        elements.clear();
        let mut offset = 0;
        for column in columns {
            let count = element_count(column) as u32;
            match &column.data {
                _ if column.is_null(row) => elements.extend((offset..offset + count).map(|i| (i, f64::NAN))),
                ColumnData::Sparse(vectors) => {
                    elements.extend(vectors.row(row).map(|(index, value)| (offset + index, value)));
                }
                ColumnData::Vector { width, values } => {
                    let values = &values[row * width..(row + 1) * width];
                    elements.extend((offset..).zip(values.iter().copied()));
                }
                _ => elements.push((offset, column.number(row).unwrap_or(f64::NAN))),
            }
            offset += count;
        }
        vectors.push(elements.iter().copied().filter(|(_, value)| *value != 0.0))?;
    }
    Ok(vectors)
}

/// Whether the value in `row` can be used: NaN inside a vector can.
fn is_valid(column: &Column, row: usize) -> bool {
    let is_nan = || column.number(row).is_some_and(f64::is_nan);
    !column.is_null(row) && !is_nan()
}

/// Returns how many elements of the vector `column` gives.
fn element_count(column: &Column) -> usize {
    column.vector_width().unwrap_or(1)
}

fn invalid(name: &str, column: &Column, row: usize, frame: &Frame) -> MlError {
    let what = if column.is_null(row) { "null" } else { "NaN" };
    let text = format!(
        "Encountered {what} while assembling a row with handleInvalid = \"error\". Consider removing {what}s from \
         dataset or using handleInvalid = \"keep\" or \"skip\"."
    );
    MlError::Value {
        column: name.to_owned(),
        row: frame.origin(row),
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(doubles: Vec<f64>, validity: Vec<bool>) -> Frame {
        let rows = doubles.len();
        let floats = ColumnData::Float(vec![39.1; rows]);
        let vectors = ColumnData::Vector {
            width: 2,
            values: vec![7.0; 2 * rows],
        };
        Frame::new(rows)
            .with_column(
                "x",
                Column {
                    data: ColumnData::Double(doubles),
                    validity: Some(validity),
                },
            )
            .and_then(|frame| frame.with_column("f", Column::new(floats)))
            .and_then(|frame| frame.with_column("v", Column::new(vectors)))
            .expect("columns fit")
    }

    fn assemble(handle_invalid: HandleInvalid, frame: Frame) -> Result<(usize, Vec<f64>), MlError> {
        let inputs = vec!["x".into(), "v".into(), "f".into()];
        let frame = VectorAssembler {
            inputs,
            output: "o".into(),
            handle_invalid,
        }
        .transform(frame)?;
        match &frame.column("o")?.data {
            ColumnData::Vector { width: 4, values } => Ok((frame.rows(), values.clone())),
            other => panic!("unexpected {other:?}"),
        }
    }

    #[test]
    fn columns_are_concatenated_in_order_and_widened() {
        let (rows, values) = assemble(HandleInvalid::Error, frame(vec![1.5], vec![true])).expect("valid");
        assert_eq!((rows, values), (1, vec![1.5, 7.0, 7.0, 39.099998474121094]));
    }

    #[test]
    fn null_and_nan_fail_are_skipped_or_kept() {
        let rows = || frame(vec![1.0, f64::NAN, 3.0], vec![true, true, false]);
        let error = assemble(HandleInvalid::Error, rows())
            .expect_err("NaN in row 1")
            .to_string();
        let start = "column x, row 1: Encountered NaN while assembling a row with handleInvalid = \"error\".";
        assert!(error.starts_with(start), "{error}");
        let error = assemble(HandleInvalid::Error, frame(vec![0.0], vec![false])).expect_err("null");
        assert!(
            error
                .to_string()
                .contains("Encountered null while assembling a row"),
            "{error}"
        );

        let (rows_kept, values) = assemble(HandleInvalid::Skip, rows()).expect("rows are dropped");
        assert_eq!((rows_kept, values[0]), (1, 1.0));
        let (rows_kept, values) = assemble(HandleInvalid::Keep, rows()).expect("rows are kept");
        assert_eq!(rows_kept, 3);
        assert!(
            values[4].is_nan() && values[8].is_nan() && values[9] == 7.0,
            "{values:?}"
        );
    }

    #[test]
    fn one_sparse_column_makes_sparse_vectors_of_the_same_values() {
        let sparse = |handle_invalid| {
            let rows = frame(vec![0.0, f64::NAN, -3.0], vec![true, true, false]);
            let mut categories = SparseVectors::empty(3);
            for row in [vec![(2, 1.0)], vec![], vec![(0, 1.0)]] {
                categories.push(row).expect("ascending");
            }
            let frame = rows
                .with_column("c", Column::new(ColumnData::Sparse(categories)))
                .expect("three rows");
            let inputs = ["x", "c", "v"].map(str::to_owned).to_vec();
            let output = "o".to_owned();
            let stage = VectorAssembler {
                inputs,
                output,
                handle_invalid,
            };
            stage.transform(frame)
        };
        let vectors = |frame: Frame| match &frame.column("o").expect("the output").data {
            ColumnData::Sparse(vectors) => vectors.clone(),
            other => panic!("unexpected {other:?}"),
        };
        let kept = vectors(sparse(HandleInvalid::Keep).expect("kept"));
        assert_eq!((kept.rows(), kept.width()), (3, 6));
        let row: Vec<_> = kept.row(0).collect();
        assert_eq!(row, [(3, 1.0), (4, 7.0), (5, 7.0)], "a zero is left out");
        assert!(kept.values(1)[0].is_nan() && kept.values(2)[0].is_nan());
        assert_eq!(kept.indices(2), [0, 1, 4, 5]);
        let skipped = vectors(sparse(HandleInvalid::Skip).expect("skipped"));
        assert_eq!(skipped.to_dense(), [0.0, 0.0, 0.0, 1.0, 7.0, 7.0]);
        assert!(sparse(HandleInvalid::Error).is_err());
    }

    #[test]
    fn text_is_refused_in_sparks_words() {
        let column = Column::new(ColumnData::Text(vec!["a".into()]));
        let frame = Frame::new(1).with_column("x", column).expect("one column");
        let stage = VectorAssembler {
            inputs: vec!["x".into()],
            output: "o".into(),
            handle_invalid: HandleInvalid::Keep,
        };
        let error = stage.transform(frame).expect_err("text");
        assert_eq!(
            error.to_string(),
            "Data type string of column x is not supported."
        );
    }
}
