//! QuantileDiscretizer: a Bucketizer whose buckets hold about as many training rows each
//! (`org.apache.spark.ml.feature.QuantileDiscretizer`).
//!
//! The splits are quantiles of the values that are neither null nor NaN, with −∞ and ∞ at the ends; equal ones are one, so
//! there may be fewer buckets than asked for. The quantiles are exact, which is within any `relative_error`: Spark's are
//! the same for a relative error of 0.

use serde::{Deserialize, Serialize};

use super::bucketizer::{bucket_names, bucketize, check_splits};
use super::columns::has_columns;
use super::ranks::RankSearch;
use super::stage::{Fitting, Stage, Transform, foreign};
use super::vectors::require_numbers;
use super::{Attributes, FittedStage, HandleInvalid, StageSpec, StageStatistics};
use crate::error::MlError;
use crate::frame::{ColumnKind, Frame};
use crate::java_text::double_text;

/// Parameters of a QuantileDiscretizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantileDiscretizer {
    /// The number column to sort into buckets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The column of buckets' numbers (doubles) to add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The columns to sort into buckets, where they are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// The columns to add, one for each of `inputs`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// Buckets of each column, at least 2.
    #[serde(default = "two")]
    pub num_buckets: usize,
    /// Buckets of each of `inputs`, where they differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub num_buckets_array: Vec<usize>,
    /// How far the rank of a split may be from the quantile, as a share of all values. It is kept with 0.
    #[serde(default = "thousandth")]
    pub relative_error: f64,
    /// What to do with NaN; for `skip` with null, too.
    #[serde(default)]
    pub handle_invalid: HandleInvalid,
}

fn two() -> usize {
    2
}

fn thousandth() -> f64 {
    0.001
}

has_columns!(QuantileDiscretizer);

/// A QuantileDiscretizer that knows its splits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedQuantileDiscretizer {
    /// The parameters it was fitted with.
    pub params: QuantileDiscretizer,
    /// The splits of each column, ascending, from −∞ to ∞.
    #[serde(with = "crate::float_serde::vectors")]
    pub splits: Vec<Vec<f64>>,
}

/// Refuses a relative error that is no share.
pub(super) fn check_relative_error(component: &'static str, relative_error: f64) -> Result<(), MlError> {
    match (0.0..=1.0).contains(&relative_error) {
        true => Ok(()),
        false => Err(MlError::InvalidParameter {
            component,
            parameter: "relativeError",
            value: double_text(relative_error),
        }),
    }
}

impl QuantileDiscretizer {
    /// The buckets of each column.
    fn buckets(&self) -> Vec<usize> {
        match self.num_buckets_array.is_empty() {
            true => vec![self.num_buckets; self.columns().read().len()],
            false => self.num_buckets_array.clone(),
        }
    }

    fn steps(&self, searches: &[RankSearch]) -> Result<Fitting, MlError> {
        let step = |(search, buckets): (&RankSearch, usize)| {
            let quantiles: Vec<f64> = (1..buckets).map(|i| i as f64 / buckets as f64).collect();
            search.step(&quantiles).ok_or(MlError::NothingSummarized)
        };
        let steps = searches.iter().zip(self.buckets()).map(step);
        let found = match RankSearch::step_all(steps.collect::<Result<_, _>>()?) {
            Ok(found) => found,
            Err(next) => return Ok(Fitting::Again(StageStatistics::Ranks(next))),
        };
        let splits: Vec<Vec<f64>> = found.into_iter().map(distinct_splits).collect();
        for splits in &splits {
            check_splits("QuantileDiscretizer", splits)?;
        }
        Ok(Fitting::Done(FittedStage::QuantileDiscretizer(
            FittedQuantileDiscretizer {
                params: self.clone(),
                splits,
            },
        )))
    }
}

/// The quantiles between −∞ and ∞, each once.
fn distinct_splits(quantiles: Vec<f64>) -> Vec<f64> {
    let mut splits = vec![f64::NEG_INFINITY];
    splits.extend(quantiles);
    splits.push(f64::INFINITY);
    splits.dedup();
    splits
}

impl Stage for QuantileDiscretizer {
    fn inputs(&self) -> Vec<&str> {
        self.columns().read()
    }

    fn outputs(&self) -> Vec<&str> {
        self.columns().added()
    }

    fn drops_rows(&self) -> bool {
        self.handle_invalid == HandleInvalid::Skip
    }

    fn check(&self, inputs: &[(&str, ColumnKind)]) -> Result<Vec<ColumnKind>, MlError> {
        self.columns().check("QuantileDiscretizer")?;
        check_relative_error("QuantileDiscretizer", self.relative_error)?;
        let buckets = self.buckets();
        if buckets.len() != inputs.len() {
            let (columns, got) = (inputs.len(), buckets.len());
            let text =
                format!("QuantileDiscretizer with {columns} inputs got {got} numbers in num_buckets_array");
            return Err(MlError::Requirement(text));
        }
        if let Some(too_few) = buckets.iter().find(|buckets| **buckets < 2) {
            return Err(MlError::InvalidParameter {
                component: "QuantileDiscretizer",
                parameter: "numBuckets",
                value: too_few.to_string(),
            });
        }
        require_numbers(inputs)?;
        Ok(vec![ColumnKind::Double; inputs.len()])
    }

    fn no_statistics(&self) -> StageStatistics {
        StageStatistics::Ranks(vec![RankSearch::default(); self.columns().read().len()])
    }

    fn accumulate(&self, frame: &Frame, statistics: &mut StageStatistics) -> Result<(), MlError> {
        let StageStatistics::Ranks(searches) = statistics else {
            return Err(foreign());
        };
        for (input, search) in self.columns().read().into_iter().zip(searches) {
            let column = frame.column(input)?;
            require_numbers(&[(input, column.kind())])?;
            let values = (0..frame.rows()).filter(|row| !column.is_null(*row));
            values
                .filter_map(|row| column.number(row))
                .filter(|value| !value.is_nan())
                .for_each(|value| search.add(value));
        }
        Ok(())
    }

    fn fit(&self, statistics: StageStatistics, _known: &Attributes) -> Result<Fitting, MlError> {
        match statistics {
            StageStatistics::Ranks(searches) if searches.len() == self.columns().read().len() => {
                self.steps(&searches)
            }
            _ => Err(foreign()),
        }
    }
}

impl FittedQuantileDiscretizer {
    /// Returns input, output and splits of each column.
    pub fn bucketed(&self) -> Vec<(&str, &str, &[f64])> {
        let pairs = self.params.columns().pairs().zip(&self.splits);
        pairs
            .map(|((input, output), splits)| (input, output, splits.as_slice()))
            .collect()
    }
}

impl Transform for FittedQuantileDiscretizer {
    fn spec(&self) -> StageSpec {
        StageSpec::QuantileDiscretizer(self.params.clone())
    }

    fn transform(&self, frame: Frame) -> Result<Frame, MlError> {
        bucketize(frame, &self.bucketed(), self.params.handle_invalid)
    }

    fn describe(&self, known: &mut Attributes) {
        for (_, output, splits) in self.bucketed() {
            known.put_scalar(output, Some(bucket_names(splits)));
        }
    }
}
