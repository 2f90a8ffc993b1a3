//! Feature stages: how raw columns become the feature vector, as specified (`StageSpec`) and as fitted
//! (`FittedStage`).
//!
//! An *estimator* (StringIndexer, MinMaxScaler) must see the training rows first; a *transformer*
//! (VectorAssembler) is ready as it is. Fitting is distributed: each partition yields a [`StageStatistics`], these
//! merge exactly in any order (counts, minima, maxima), and the merged statistics make the fitted stage.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::MlError;
use crate::frame::{ColumnKind, Frame};

mod min_max_scaler;
mod string_indexer;
mod vector_assembler;

pub use min_max_scaler::{FittedMinMaxScaler, MinMaxScaler};
pub use string_indexer::{FittedStringIndexer, StringIndexer, StringOrder};
pub use vector_assembler::VectorAssembler;

/// What to do with a row holding a value a stage cannot use (null, NaN, unseen label).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HandleInvalid {
    /// Fail, naming the row.
    #[default]
    Error,
    /// Drop the row.
    Skip,
    /// Keep the row: an extra label index, or NaN in the vector.
    Keep,
}

/// One stage of a pipeline as the user writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum StageSpec {
    /// Numbers the distinct values of a column.
    StringIndexer(StringIndexer),
    /// Concatenates columns into one vector.
    VectorAssembler(VectorAssembler),
    /// Rescales each element of a vector to a range.
    MinMaxScaler(MinMaxScaler),
}

/// One stage of a pipeline, ready to transform rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum FittedStage {
    /// A StringIndexer with its labels.
    StringIndexer(FittedStringIndexer),
    /// A VectorAssembler: nothing to fit.
    VectorAssembler(VectorAssembler),
    /// A MinMaxScaler with the ranges it saw.
    MinMaxScaler(FittedMinMaxScaler),
}

/// What one stage learns from some rows. For each stage these form a commutative monoid under
/// [`merge`](StageStatistics::merge).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageStatistics {
    /// How often each label occurred; nulls are not counted.
    LabelCounts(BTreeMap<String, u64>),
    /// The range of each vector element; NaN is left out.
    Range {
        /// Smallest value of each element, +∞ where there was none; empty before the first row.
        #[serde(with = "crate::float_serde::vector")]
        min: Vec<f64>,
        /// Largest value of each element, −∞ where there was none; empty before the first row.
        #[serde(with = "crate::float_serde::vector")]
        max: Vec<f64>,
        /// Rows seen.
        count: u64,
    },
}

impl StageStatistics {
    /// Adds what `other` saw.
    ///
    /// # Errors
    /// [`MlError::ForeignStatistics`] if `other` belongs to another kind of stage, [`MlError::Shape`] if its vectors
    /// have another width.
    pub fn merge(&mut self, other: &StageStatistics) -> Result<(), MlError> {
        match (self, other) {
            (StageStatistics::LabelCounts(counts), StageStatistics::LabelCounts(others)) => {
                for (label, count) in others {
                    *counts.entry(label.clone()).or_default() += count;
                }
                Ok(())
            }
            (
                StageStatistics::Range { min, max, count },
                StageStatistics::Range {
                    min: other_min,
                    max: other_max,
                    count: other_count,
                },
            ) => {
                *count += other_count;
                if other_min.len() != other_max.len() {
                    return Err(MlError::Shape {
                        what: "maxima in range",
                        expected: other_min.len(),
                        got: other_max.len(),
                    });
                }
                if !other_min.is_empty() {
                    min_max_scaler::widen(min, max, other_min, other_max)?;
                }
                Ok(())
            }
            _ => Err(MlError::ForeignStatistics(
                "label counts and ranges cannot be merged".to_owned(),
            )),
        }
    }
}

impl StageSpec {
    /// Returns the stage's type as it is written in a job.
    pub fn type_name(&self) -> &'static str {
        match self {
            StageSpec::StringIndexer(_) => "StringIndexer",
            StageSpec::VectorAssembler(_) => "VectorAssembler",
            StageSpec::MinMaxScaler(_) => "MinMaxScaler",
        }
    }

    /// Returns the columns the stage reads.
    pub fn inputs(&self) -> Vec<&str> {
        match self {
            StageSpec::StringIndexer(stage) => vec![&stage.input],
            StageSpec::VectorAssembler(stage) => stage.inputs.iter().map(String::as_str).collect(),
            StageSpec::MinMaxScaler(stage) => vec![&stage.input],
        }
    }

    /// Returns the column the stage adds.
    pub fn output(&self) -> &str {
        match self {
            StageSpec::StringIndexer(stage) => &stage.output,
            StageSpec::VectorAssembler(stage) => &stage.output,
            StageSpec::MinMaxScaler(stage) => &stage.output,
        }
    }

    /// Returns whether the stage may drop rows.
    pub(crate) fn drops_rows(&self) -> bool {
        match self {
            StageSpec::StringIndexer(stage) => stage.handle_invalid == HandleInvalid::Skip,
            StageSpec::VectorAssembler(stage) => stage.handle_invalid == HandleInvalid::Skip,
            StageSpec::MinMaxScaler(_) => false,
        }
    }

    /// Returns the kind of the output column, given the kinds of the inputs in order.
    pub(crate) fn check(&self, inputs: &[(&str, ColumnKind)]) -> Result<ColumnKind, MlError> {
        match self {
            StageSpec::StringIndexer(_) => string_indexer::check(inputs),
            StageSpec::VectorAssembler(stage) => stage.check(inputs),
            StageSpec::MinMaxScaler(stage) => stage.check(inputs),
        }
    }

    /// Returns the fitted stage if there is nothing to fit.
    pub(crate) fn as_transformer(&self) -> Option<FittedStage> {
        match self {
            StageSpec::VectorAssembler(stage) => Some(FittedStage::VectorAssembler(stage.clone())),
            StageSpec::StringIndexer(_) | StageSpec::MinMaxScaler(_) => None,
        }
    }

    /// Returns the statistics of no rows; `None` for a transformer.
    pub(crate) fn empty_statistics(&self) -> Option<StageStatistics> {
        match self {
            StageSpec::StringIndexer(_) => Some(StageStatistics::LabelCounts(BTreeMap::new())),
            StageSpec::MinMaxScaler(_) => Some(StageStatistics::Range {
                min: Vec::new(),
                max: Vec::new(),
                count: 0,
            }),
            StageSpec::VectorAssembler(_) => None,
        }
    }

    /// Adds the rows of `frame` to `statistics`.
    pub(crate) fn accumulate(&self, frame: &Frame, statistics: &mut StageStatistics) -> Result<(), MlError> {
        match (self, statistics) {
            (StageSpec::StringIndexer(stage), StageStatistics::LabelCounts(counts)) => {
                stage.count(frame, counts)
            }
            (StageSpec::MinMaxScaler(stage), StageStatistics::Range { min, max, count }) => {
                stage.observe(frame, min, max, count)
            }
            _ => Err(self.foreign_statistics()),
        }
    }

    /// Turns the statistics of all rows into the fitted stage.
    pub(crate) fn fit(&self, statistics: StageStatistics) -> Result<FittedStage, MlError> {
        match (self, statistics) {
            (StageSpec::StringIndexer(stage), StageStatistics::LabelCounts(counts)) => {
                Ok(FittedStage::StringIndexer(stage.fit(counts)))
            }
            (StageSpec::MinMaxScaler(stage), StageStatistics::Range { min, max, count }) => {
                stage.fit(min, max, count).map(FittedStage::MinMaxScaler)
            }
            _ => Err(self.foreign_statistics()),
        }
    }

    fn foreign_statistics(&self) -> MlError {
        MlError::ForeignStatistics(format!("they are not those of a {}", self.type_name()))
    }
}

impl FittedStage {
    /// Returns the stage as it was specified.
    pub fn spec(&self) -> StageSpec {
        match self {
            FittedStage::StringIndexer(stage) => StageSpec::StringIndexer(stage.params.clone()),
            FittedStage::VectorAssembler(stage) => StageSpec::VectorAssembler(stage.clone()),
            FittedStage::MinMaxScaler(stage) => StageSpec::MinMaxScaler(stage.params.clone()),
        }
    }

    /// Returns `frame` with the stage's output column added, and without the rows the stage drops.
    ///
    /// # Errors
    /// Unknown or wrong columns, and with `handle_invalid = "error"` the first row that cannot be used.
    pub fn transform(&self, frame: Frame) -> Result<Frame, MlError> {
        match self {
            FittedStage::StringIndexer(stage) => stage.transform(frame),
            FittedStage::VectorAssembler(stage) => stage.transform(frame),
            FittedStage::MinMaxScaler(stage) => stage.transform(frame),
        }
    }
}
