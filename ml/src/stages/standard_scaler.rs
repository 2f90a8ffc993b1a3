//! StandardScaler: moves each element of a vector to mean 0 and standard deviation 1
//! (`org.apache.spark.ml.feature.StandardScaler`).
//!
//! The deviation is that of a sample, divided by n − 1; an element that is constant, or of one row, has the deviation 0 and
//! becomes 0. Spark computes mean and deviation in one pass whose last digits depend on how the rows are partitioned; here
//! sums and sums of squares do not round, so that neither depends on anything but the rows.

use serde::{Deserialize, Serialize};

use super::stage::{Fitting, Stage, Transform, foreign};
use super::vectors::{Vectors, require_vectors};
use super::{Attributes, FittedStage, StageSpec, StageStatistics};
use crate::error::MlError;
use crate::exact_sum::{ExactSum, sample_deviation};
use crate::frame::{Column, ColumnData, ColumnKind, Frame, SparseVectors};

/// Parameters of a StandardScaler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandardScaler {
    /// The vector column to rescale.
    pub input: String,
    /// The vector column to add.
    pub output: String,
    /// Whether to subtract the mean, which makes all vectors dense.
    #[serde(default)]
    pub with_mean: bool,
    /// Whether to divide by the standard deviation.
    #[serde(default = "yes")]
    pub with_std: bool,
}

fn yes() -> bool {
    true
}

/// A StandardScaler that knows means and deviations of its training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedStandardScaler {
    /// The parameters it was fitted with.
    pub params: StandardScaler,
    /// Mean of each element in training.
    #[serde(with = "crate::float_serde::vector")]
    pub mean: Vec<f64>,
    /// Standard deviation of each element in training.
    #[serde(with = "crate::float_serde::vector")]
    pub std: Vec<f64>,
}

/// Sums and sums of squares of vectors: a commutative monoid, exact in any order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Moments {
    /// Rows seen.
    rows: u64,
    /// One for each element; empty before the first row.
    elements: Vec<ElementMoments>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct ElementMoments {
    sum: ExactSum,
    squares: ExactSum,
    /// The sum of what is not finite: 0 without any, else an infinity or NaN.
    #[serde(with = "crate::float_serde::scalar")]
    not_finite: f64,
}

impl Moments {
    fn add(&mut self, vectors: Vectors<'_>, row: usize) -> Result<(), MlError> {
        if self.rows == 0 {
            self.elements.resize(vectors.width(), ElementMoments::default());
        }
        vectors.require_width(self.elements.len())?;
        self.rows += 1;
        vectors.each_active(row, |index, value| {
            let element = &mut self.elements[index];
            if value.is_finite() {
                element.sum.add(value);
                element.squares.add_square(value);
            } else {
                element.not_finite = canonical(element.not_finite + value);
            }
        });
        Ok(())
    }

    pub(super) fn merge(&mut self, other: &Moments) -> Result<(), MlError> {
        if other.rows == 0 {
            return Ok(());
        }
        if self.rows == 0 {
            self.clone_from(other);
            return Ok(());
        }
        if self.elements.len() != other.elements.len() {
            return Err(MlError::Shape {
                what: "elements in vector",
                expected: self.elements.len(),
                got: other.elements.len(),
            });
        }
        self.rows += other.rows;
        for (own, other) in self.elements.iter_mut().zip(&other.elements) {
            own.sum.merge(&other.sum);
            own.squares.merge(&other.squares);
            own.not_finite = canonical(own.not_finite + other.not_finite);
        }
        Ok(())
    }
}

/// One NaN for all, so that equal statistics have equal bits.
fn canonical(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}

impl ElementMoments {
    /// Mean and standard deviation over `rows` rows.
    fn finish(&self, rows: u64) -> (f64, f64) {
        match self.not_finite {
            0.0 => (
                self.sum.mean(rows),
                sample_deviation(&self.sum, &self.squares, rows),
            ),
            not_finite => (not_finite, f64::NAN),
        }
    }
}

impl Stage for StandardScaler {
    fn inputs(&self) -> Vec<&str> {
        vec![&self.input]
    }

    fn outputs(&self) -> Vec<&str> {
        vec![&self.output]
    }

    fn check(&self, inputs: &[(&str, ColumnKind)]) -> Result<Vec<ColumnKind>, MlError> {
        require_vectors(inputs)?;
        Ok(vec![ColumnKind::Vector])
    }

    fn no_statistics(&self) -> StageStatistics {
        StageStatistics::Moments(Moments::default())
    }

    fn accumulate(&self, frame: &Frame, statistics: &mut StageStatistics) -> Result<(), MlError> {
        let StageStatistics::Moments(moments) = statistics else {
            return Err(foreign());
        };
        let column = frame.column(&self.input)?;
        let vectors = Vectors::of(&self.input, column)?;
        (0..frame.rows())
            .filter(|row| !column.is_null(*row))
            .try_for_each(|row| moments.add(vectors, row))
    }

    fn fit(&self, statistics: StageStatistics, _known: &Attributes) -> Result<Fitting, MlError> {
        let StageStatistics::Moments(moments) = statistics else {
            return Err(foreign());
        };
        if moments.rows == 0 {
            return Err(MlError::NothingSummarized);
        }
        let finished = moments
            .elements
            .iter()
            .map(|element| element.finish(moments.rows));
        let (mean, std) = finished.unzip();
        Ok(Fitting::Done(FittedStage::StandardScaler(FittedStandardScaler {
            params: self.clone(),
            mean,
            std,
        })))
    }
}

impl FittedStandardScaler {
    /// What each element is multiplied with: 1/σ, and 0 where σ is 0. `None` without `with_std`.
    pub fn factors(&self) -> Option<Vec<f64>> {
        let factor = |std: &f64| if *std == 0.0 { 0.0 } else { 1.0 / std };
        self.params
            .with_std
            .then(|| self.std.iter().map(factor).collect())
    }

    /// Factor and shift of each element; a transform rounds in another order.
    pub(crate) fn scaling(&self) -> Vec<(f64, f64)> {
        let factors = self.factors().unwrap_or_else(|| vec![1.0; self.mean.len()]);
        let shifts = self.shifts();
        let shift = |index: usize, factor: f64| shifts.map_or(0.0, |means| -means[index] * factor);
        factors
            .iter()
            .enumerate()
            .map(|(index, factor)| (*factor, shift(index, *factor)))
            .collect()
    }

    /// What is subtracted from each element. `None` without `with_mean`.
    pub fn shifts(&self) -> Option<&[f64]> {
        self.params.with_mean.then_some(&self.mean)
    }
}

impl Transform for FittedStandardScaler {
    fn spec(&self) -> StageSpec {
        StageSpec::StandardScaler(self.params.clone())
    }

    fn transform(&self, frame: Frame) -> Result<Frame, MlError> {
        let column = frame.column(&self.params.input)?;
        let vectors = Vectors::of(&self.params.input, column)?;
        vectors.require_width(self.mean.len())?;
        vectors.require_width(self.std.len())?;
        let factors = self.factors();
        let data = match (&column.data, self.shifts()) {
            (ColumnData::Sparse(sparse), None) => {
                ColumnData::Sparse(scale_sparse(sparse, factors.as_deref())?)
            }
            (data, shifts) => {
                let mut values = match data {
                    ColumnData::Sparse(sparse) => sparse.to_dense(),
                    ColumnData::Vector { values, .. } => values.clone(),
                    _ => Vec::new(),
                };
                let width = vectors.width();
                for row in values.chunks_exact_mut(width.max(1)) {
                    for (index, value) in row.iter_mut().enumerate() {
                        *value -= shifts.map_or(0.0, |shifts| shifts[index]);
                        *value *= factors.as_ref().map_or(1.0, |factors| factors[index]);
                    }
                }
                ColumnData::Vector { width, values }
            }
        };
        let validity = column.validity.clone();
        frame.with_column(&self.params.output, Column { data, validity })
    }

    fn describe(&self, known: &mut Attributes) {
        known.rescale(&self.params.input, &self.params.output);
    }
}

/// Zeros stay zeros.
fn scale_sparse(vectors: &SparseVectors, factors: Option<&[f64]>) -> Result<SparseVectors, MlError> {
    let mut scaled = SparseVectors::empty(vectors.width());
    for row in 0..vectors.rows() {
        let factor = |index: u32| factors.map_or(1.0, |factors| factors[index as usize]);
        scaled.push(
            vectors
                .row(row)
                .map(|(index, value)| (index, value * factor(index))),
        )?;
    }
    Ok(scaled)
}
