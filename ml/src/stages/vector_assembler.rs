//! VectorAssembler: concatenates number and vector columns into one vector of doubles
//! (`org.apache.spark.ml.feature.VectorAssembler`).

use serde::{Deserialize, Serialize};

use super::HandleInvalid;
use crate::error::MlError;
use crate::frame::{Column, ColumnData, ColumnKind, Frame};

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
        let width = columns.iter().map(|column| element_count(column)).sum();
        let mut values = vec![0.0; frame.rows() * width];
        let mut kept = vec![true; frame.rows()];
        let mut offset = 0;
        for (name, column) in self.inputs.iter().zip(&columns) {
            let elements = element_count(column);
            for (row, kept) in kept.iter_mut().enumerate() {
                let start = row * width + offset;
                if !self.copy(column, row, &mut values[start..start + elements]) {
                    match self.handle_invalid {
                        HandleInvalid::Error => return Err(invalid(name, column, row, &frame)),
                        HandleInvalid::Skip => *kept = false,
                        HandleInvalid::Keep => {}
                    }
                }
            }
            offset += elements;
        }
        let column = Column::new(ColumnData::Vector { width, values });
        let frame = frame.with_column(&self.output, column)?;
        if kept.contains(&false) {
            frame.retain(&kept)
        } else {
            Ok(frame)
        }
    }

    /// Copies the value of one row and returns whether it was valid; an invalid one becomes NaN.
    fn copy(&self, column: &Column, row: usize, target: &mut [f64]) -> bool {
        if column.is_null(row) {
            target.fill(f64::NAN);
            return false;
        }
        if let ColumnData::Vector { width, values } = &column.data {
            target.copy_from_slice(&values[row * width..(row + 1) * width]);
            return true;
        }
        let value = column.number(row).unwrap_or(f64::NAN);
        target.fill(value);
        !value.is_nan()
    }
}

/// Returns how many elements of the vector `column` gives.
fn element_count(column: &Column) -> usize {
    match &column.data {
        ColumnData::Vector { width, .. } => *width,
        _ => 1,
    }
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
