//! MinMaxScaler: rescales each element of a vector to [min, max] (`org.apache.spark.ml.feature.MinMaxScaler`).
//!
//! With E_min and E_max the smallest and largest value of an element in the training rows,
//! out = (x − E_min)·((max − min)/(E_max − E_min)) + min. The factor is computed first, which fixes the rounding.
//! A constant element becomes (min + max)/2; values outside the training range are not clipped.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::error::MlError;
use crate::frame::{Column, ColumnData, ColumnKind, Frame};

/// Parameters of a MinMaxScaler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinMaxScaler {
    /// The vector column to rescale.
    pub input: String,
    /// The vector column to add.
    pub output: String,
    /// Lower end of the target range.
    #[serde(default)]
    pub min: f64,
    /// Upper end of the target range.
    #[serde(default = "one")]
    pub max: f64,
}

/// A MinMaxScaler that knows the ranges of its training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedMinMaxScaler {
    /// The parameters it was fitted with.
    pub params: MinMaxScaler,
    /// Smallest training value of each element.
    #[serde(with = "crate::float_serde::vector")]
    pub original_min: Vec<f64>,
    /// Largest training value of each element.
    #[serde(with = "crate::float_serde::vector")]
    pub original_max: Vec<f64>,
}

fn one() -> f64 {
    1.0
}

impl MinMaxScaler {
    /// Checks parameters and the kind of the input, and returns the kind of the output.
    pub(super) fn check(&self, inputs: &[(&str, ColumnKind)]) -> Result<ColumnKind, MlError> {
        if !(self.min.is_finite() && self.max.is_finite() && self.min < self.max) {
            let (min, max) = (self.min, self.max);
            let text = format!("The specified min({min}) is larger or equal to max({max})");
            return Err(MlError::Requirement(text));
        }
        for (column, kind) in inputs {
            if *kind != ColumnKind::Vector {
                let expected = ColumnKind::Vector.to_string();
                return Err(MlError::WrongKind {
                    column: (*column).to_owned(),
                    expected,
                    actual: *kind,
                });
            }
        }
        Ok(ColumnKind::Vector)
    }

    /// Widens the range by the rows of `frame`. NaN is left out, null rows too.
    pub(super) fn observe(
        &self,
        frame: &Frame,
        min: &mut Vec<f64>,
        max: &mut Vec<f64>,
        count: &mut u64,
    ) -> Result<(), MlError> {
        let column = frame.column(&self.input)?;
        let (width, values) = vectors(&self.input, column)?;
        let values = &values[..];
        for row in (0..frame.rows()).filter(|row| !column.is_null(*row)) {
            let vector = &values[row * width..(row + 1) * width];
            widen(min, max, vector, vector)?;
            *count += 1;
        }
        Ok(())
    }

    /// Makes the fitted stage.
    ///
    /// # Errors
    /// [`MlError::NothingSummarized`] if no row was seen.
    pub(super) fn fit(
        &self,
        min: Vec<f64>,
        max: Vec<f64>,
        count: u64,
    ) -> Result<FittedMinMaxScaler, MlError> {
        if count == 0 {
            return Err(MlError::NothingSummarized);
        }
        // An element that was NaN in every row keeps the start values of Spark's summarizer.
        let original_min = min.into_iter().map(|min| min.min(f64::MAX)).collect();
        let original_max = max.into_iter().map(|max| max.max(-f64::MAX)).collect();
        Ok(FittedMinMaxScaler {
            params: self.clone(),
            original_min,
            original_max,
        })
    }
}

/// Widens the ranges [min, max] to include [`lower`, `upper`], element by element.
pub(super) fn widen(
    min: &mut Vec<f64>,
    max: &mut Vec<f64>,
    lower: &[f64],
    upper: &[f64],
) -> Result<(), MlError> {
    if min.is_empty() {
        min.resize(lower.len(), f64::INFINITY);
        max.resize(lower.len(), f64::NEG_INFINITY);
    }
    if min.len() != lower.len() {
        return Err(MlError::Shape {
            what: "elements in vector",
            expected: min.len(),
            got: lower.len(),
        });
    }
    // Adding 0.0 turns −0.0 into 0.0, so the answer does not depend on which of the two came first. A comparison
    // with NaN is false, which leaves NaN out.
    for (min, value) in min.iter_mut().zip(lower) {
        if *value < *min {
            *min = value + 0.0;
        }
    }
    for (max, value) in max.iter_mut().zip(upper) {
        if *value > *max {
            *max = value + 0.0;
        }
    }
    Ok(())
}

/// Most elements of a vector whose zeros are to be written out: of a frame's rows that is a gigabyte, about.
const MOST_ELEMENTS: usize = 1 << 13;

/// Width and values of all rows, zeros included: a range has no place for values that are not there, and what is scaled has
/// hardly a zero any more (Spark's scaler makes dense vectors, too).
fn vectors<'a>(name: &str, column: &'a Column) -> Result<(usize, Cow<'a, [f64]>), MlError> {
    match &column.data {
        ColumnData::Vector { width, values } => Ok((*width, values.into())),
        ColumnData::Sparse(vectors) if vectors.width() <= MOST_ELEMENTS => {
            Ok((vectors.width(), vectors.to_dense().into()))
        }
        ColumnData::Sparse(vectors) => Err(MlError::Requirement(format!(
            "MinMaxScaler writes out the zeros of column {name}, of which it takes at most {MOST_ELEMENTS} elements, \
             but got {}; scale the numbers before they are assembled with the encoded categories",
            vectors.width()
        ))),
        _ => Err(MlError::WrongKind {
            column: name.to_owned(),
            expected: ColumnKind::Vector.to_string(),
            actual: column.kind(),
        }),
    }
}

impl FittedMinMaxScaler {
    /// The factor of each element; `None` for a constant one.
    fn scales(&self) -> Vec<Option<f64>> {
        let (min, max) = (self.params.min, self.params.max);
        let ranges = self.original_min.iter().zip(&self.original_max);
        ranges
            .map(|(lowest, highest)| highest - lowest)
            .map(|range| (range != 0.0).then(|| (max - min) / range))
            .collect()
    }

    /// What a constant element becomes.
    fn midpoint(&self) -> f64 {
        (self.params.max + self.params.min) / 2.0
    }

    /// Factor and shift of each element; a transform rounds in another order.
    pub(crate) fn scaling(&self) -> Vec<(f64, f64)> {
        let scales = self.scales();
        let of_elements = scales.iter().zip(&self.original_min);
        of_elements
            .map(|(scale, lowest)| match scale {
                Some(scale) => (*scale, self.params.min - lowest * scale),
                None => (0.0, self.midpoint()),
            })
            .collect()
    }

    pub(super) fn transform(&self, frame: Frame) -> Result<Frame, MlError> {
        let column = frame.column(&self.params.input)?;
        let (width, values) = vectors(&self.params.input, column)?;
        for got in [self.original_min.len(), self.original_max.len()] {
            if got != width {
                return Err(MlError::Shape {
                    what: "elements in vector",
                    expected: got,
                    got: width,
                });
            }
        }
        let (min, midpoint) = (self.params.min, self.midpoint());
        let scales = self.scales();
        let mut scaled = values.into_owned();
        for row in scaled.chunks_exact_mut(width.max(1)) {
            for ((value, scale), lowest) in row.iter_mut().zip(&scales).zip(&self.original_min) {
                *value = match scale {
                    _ if value.is_nan() => *value,
                    Some(scale) => (*value - lowest) * scale + min,
                    None => midpoint,
                };
            }
        }
        let validity = column.validity.clone();
        let data = ColumnData::Vector {
            width,
            values: scaled,
        };
        frame.with_column(&self.params.output, Column { data, validity })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::SparseVectors;

    fn frame(values: &[f64]) -> Frame {
        let data = ColumnData::Vector {
            width: 3,
            values: values.to_vec(),
        };
        Frame::new(values.len() / 3)
            .with_column("v", Column::new(data))
            .expect("one column")
    }

    fn scaler(min: f64, max: f64) -> MinMaxScaler {
        MinMaxScaler {
            input: "v".into(),
            output: "o".into(),
            min,
            max,
        }
    }

    fn fitted(scaler: &MinMaxScaler, frame: &Frame) -> FittedMinMaxScaler {
        let (mut min, mut max, mut count) = (Vec::new(), Vec::new(), 0);
        scaler
            .observe(frame, &mut min, &mut max, &mut count)
            .expect("vectors");
        scaler.fit(min, max, count).expect("rows")
    }

    fn output(stage: &FittedMinMaxScaler, frame: Frame) -> Vec<f64> {
        match &stage
            .transform(frame)
            .expect("vectors")
            .column("o")
            .expect("output")
            .data
        {
            ColumnData::Vector { values, .. } => values.clone(),
            other => panic!("unexpected {other:?}"),
        }
    }

    const ROWS: [f64; 9] = [5.0, 0.0, f64::NAN, 5.0, 10.0, 2.0, 5.0, 4.0, 1.0];

    #[test]
    fn constants_nan_and_values_out_of_range_are_sparks() {
        let stage = fitted(&scaler(0.0, 1.0), &frame(&ROWS));
        assert_eq!(stage.original_min, [5.0, 0.0, 1.0]);
        assert_eq!(stage.original_max, [5.0, 10.0, 2.0]);
        let out = output(&stage, frame(&ROWS));
        assert!(out[2].is_nan());
        assert_eq!(out[..2], [0.5, 0.0]);
        assert_eq!(out[3..], [0.5, 1.0, 1.0, 0.5, 0.4, 0.0]);
        assert_eq!(
            output(&stage, frame(&[9.0, 20.0, 0.0])),
            [0.5, 2.0, -1.0],
            "not clipped"
        );
    }

    #[test]
    fn zeros_that_are_not_mentioned_count_and_wide_vectors_are_refused() {
        let sparse = |width: usize, rows: &[&[(u32, f64)]]| {
            let mut vectors = SparseVectors::empty(width);
            for row in rows {
                vectors.push(row.iter().copied()).expect("ascending");
            }
            Frame::new(rows.len())
                .with_column("v", Column::new(ColumnData::Sparse(vectors)))
                .expect("one column")
        };
        let rows = sparse(3, &[&[(0, 5.0), (1, 2.0)], &[(0, 7.0), (2, -4.0)]]);
        let stage = fitted(&scaler(0.0, 1.0), &rows);
        assert_eq!(stage.original_min, [5.0, 0.0, -4.0]);
        assert_eq!(stage.original_max, [7.0, 2.0, 0.0]);
        assert_eq!(output(&stage, rows), [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]);

        let wide = sparse(MOST_ELEMENTS + 1, &[&[]]);
        let (mut min, mut max, mut count) = (Vec::new(), Vec::new(), 0);
        let error = scaler(0.0, 1.0)
            .observe(&wide, &mut min, &mut max, &mut count)
            .expect_err("too wide");
        assert!(
            error.to_string().contains("at most 8192 elements, but got 8193"),
            "{error}"
        );
    }

    #[test]
    fn another_target_range_rounds_like_spark() {
        let stage = fitted(&scaler(-1.0, 1.0), &frame(&ROWS));
        let out = output(&stage, frame(&ROWS));
        assert_eq!(out[..2], [0.0, -1.0]);
        assert_eq!(out[3..], [0.0, 1.0, 1.0, 0.0, -0.19999999999999996, -1.0]);
    }

    #[test]
    fn an_empty_range_and_no_rows_are_refused() {
        let error = scaler(1.0, 1.0).check(&[]).expect_err("empty range").to_string();
        assert!(error.contains("min(1) is larger or equal to max(1)"), "{error}");
        assert_eq!(
            scaler(0.0, 1.0).fit(vec![], vec![], 0),
            Err(MlError::NothingSummarized)
        );
    }
}
