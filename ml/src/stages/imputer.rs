//! Imputer: puts the mean, the median or the most frequent value of a column where it has none
//! (`org.apache.spark.ml.feature.Imputer`).
//!
//! Null, NaN and `missing_value` count as missing when fitting. When transforming, null and `missing_value` are replaced:
//! NaN is by default, since `missing_value` is NaN then, and stays where `missing_value` is a number, as in Spark. A column
//! keeps its kind: the mean of whole numbers is cut to a whole number. The mean is that of a sum that does not round; the
//! median is exact whatever `relative_error` allows; of several most frequent values the smallest is taken.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::columns::has_columns;
use super::ranks::{RankSearch, Step};
use super::stage::{Fitting, Stage, Transform, foreign};
use super::vectors::require_numbers;
use super::{Attributes, FittedStage, StageSpec, StageStatistics};
use crate::buckets::{key, value};
use crate::error::MlError;
use crate::exact_sum::ExactSum;
use crate::frame::{Column, ColumnData, ColumnKind, Frame};
use crate::java_text;

/// What is put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImputeStrategy {
    /// The mean.
    #[default]
    Mean,
    /// The median; of an even number of values the lower one in the middle.
    Median,
    /// The most frequent value.
    Mode,
}

/// Parameters of an Imputer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imputer {
    /// The number column to complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The column to add, of the same kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The columns to complete, where they are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// The columns to add, one for each of `inputs`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// What is put in.
    #[serde(default)]
    pub strategy: ImputeStrategy,
    /// The number that stands for a missing value, beside null; `None` is NaN, Spark's default.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "nan_is_none"
    )]
    pub missing_value: Option<f64>,
    /// How far the rank of the median may be from the middle, as a share of all values. It is kept with 0.
    #[serde(default = "thousandth")]
    pub relative_error: f64,
}

fn thousandth() -> f64 {
    0.001
}

fn nan_is_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let value = crate::float_serde::scalar::deserialize(deserializer)?;
    Ok(Some(value).filter(|value| !value.is_nan()))
}

has_columns!(Imputer);

/// An Imputer that knows what to put in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedImputer {
    /// The parameters it was fitted with.
    pub params: Imputer,
    /// What is put into each column.
    #[serde(with = "crate::float_serde::vector")]
    pub surrogates: Vec<f64>,
}

/// What an imputer must know of the values of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImputeStatistics {
    /// For the mean.
    Sum {
        /// Of the finite values.
        sum: ExactSum,
        /// Values, infinite ones included.
        count: u64,
        /// The sum of the infinite values, 0 without any.
        #[serde(with = "crate::float_serde::scalar")]
        infinite: f64,
    },
    /// For the median.
    Ranks(RankSearch),
    /// For the mode: how often each value occurs, by its key.
    Counts(BTreeMap<u64, u64>),
}

impl ImputeStatistics {
    fn empty(strategy: ImputeStrategy) -> Self {
        match strategy {
            ImputeStrategy::Mean => ImputeStatistics::Sum {
                sum: ExactSum::default(),
                count: 0,
                infinite: 0.0,
            },
            ImputeStrategy::Median => ImputeStatistics::Ranks(RankSearch::default()),
            ImputeStrategy::Mode => ImputeStatistics::Counts(BTreeMap::new()),
        }
    }

    fn add(&mut self, value: f64) {
        match self {
            ImputeStatistics::Sum { sum, count, infinite } => {
                *count += 1;
                if value.is_finite() {
                    sum.add(value);
                } else {
                    *infinite += value;
                }
            }
            ImputeStatistics::Ranks(search) => search.add(value),
            ImputeStatistics::Counts(counts) => *counts.entry(key(value)).or_default() += 1,
        }
    }

    pub(super) fn merge(&mut self, other: &ImputeStatistics) -> Result<(), MlError> {
        match (self, other) {
            (
                ImputeStatistics::Sum { sum, count, infinite },
                ImputeStatistics::Sum {
                    sum: other_sum,
                    count: other_count,
                    infinite: other_infinite,
                },
            ) => {
                sum.merge(other_sum);
                *count += other_count;
                *infinite += other_infinite;
                // One NaN for all: equal statistics have equal bits.
                if infinite.is_nan() {
                    *infinite = f64::NAN;
                }
                Ok(())
            }
            (ImputeStatistics::Ranks(search), ImputeStatistics::Ranks(other)) => search.merge(other),
            (ImputeStatistics::Counts(counts), ImputeStatistics::Counts(others)) => {
                for (key, count) in others {
                    *counts.entry(*key).or_default() += count;
                }
                Ok(())
            }
            _ => Err(foreign()),
        }
    }

    /// What is put in; `None` where there is no value.
    fn finish(&self) -> Option<Surrogate> {
        match self {
            ImputeStatistics::Sum { count: 0, .. } => None,
            ImputeStatistics::Sum { sum, count, infinite } => Some(Surrogate::Found(match *infinite {
                0.0 => sum.mean(*count),
                infinite => infinite,
            })),
            ImputeStatistics::Ranks(search) => search.step(&[0.5]).map(Surrogate::Searched),
            // The map ascends, and of equal counts the first is the smallest value.
            ImputeStatistics::Counts(counts) => {
                let most = counts.values().max()?;
                let (key, _) = counts.iter().find(|(_, count)| *count == most)?;
                Some(Surrogate::Found(value(*key)))
            }
        }
    }
}

/// What is put into a column.
enum Surrogate {
    Found(f64),
    /// The median, which may need another pass.
    Searched(Step),
}

impl Imputer {
    fn is_missing(&self, value: f64) -> bool {
        match self.missing_value {
            Some(missing) => value == missing,
            None => value.is_nan(),
        }
    }

    /// The fitted stage, or the next pass of a search for medians.
    fn finish(&self, columns: &[ImputeStatistics]) -> Result<Fitting, MlError> {
        let (mut surrogates, mut steps, mut empty) = (Vec::new(), Vec::new(), Vec::new());
        for (input, column) in self.columns().read().into_iter().zip(columns) {
            match column.finish() {
                Some(Surrogate::Found(surrogate)) => surrogates.push(surrogate),
                Some(Surrogate::Searched(step)) => steps.push(step),
                None => empty.push(input),
            }
        }
        if !empty.is_empty() {
            let missing = java_text::double_text(self.missing_value.unwrap_or(f64::NAN));
            return Err(MlError::NoSurrogate {
                columns: empty.join(","),
                missing,
            });
        }
        match RankSearch::step_all(steps) {
            Ok(medians) => surrogates.extend(medians.into_iter().flatten()),
            Err(next) => {
                let next = next.into_iter().map(ImputeStatistics::Ranks);
                return Ok(Fitting::Again(StageStatistics::Imputed(next.collect())));
            }
        }
        Ok(Fitting::Done(FittedStage::Imputer(FittedImputer {
            params: self.clone(),
            surrogates,
        })))
    }
}

impl Stage for Imputer {
    fn inputs(&self) -> Vec<&str> {
        self.columns().read()
    }

    fn outputs(&self) -> Vec<&str> {
        self.columns().added()
    }

    fn check(&self, inputs: &[(&str, ColumnKind)]) -> Result<Vec<ColumnKind>, MlError> {
        self.columns().check("Imputer")?;
        super::quantile_discretizer::check_relative_error("Imputer", self.relative_error)?;
        require_numbers(inputs)?;
        Ok(inputs.iter().map(|(_, kind)| *kind).collect())
    }

    fn no_statistics(&self) -> StageStatistics {
        let columns = self.columns().read().len();
        StageStatistics::Imputed(vec![ImputeStatistics::empty(self.strategy); columns])
    }

    fn accumulate(&self, frame: &Frame, statistics: &mut StageStatistics) -> Result<(), MlError> {
        let StageStatistics::Imputed(statistics) = statistics else {
            return Err(foreign());
        };
        for (input, statistics) in self.columns().read().into_iter().zip(statistics) {
            let column = frame.column(input)?;
            require_numbers(&[(input, column.kind())])?;
            let values = (0..frame.rows()).filter(|row| !column.is_null(*row));
            values
                .filter_map(|row| column.number(row))
                .filter(|value| !value.is_nan() && !self.is_missing(*value))
                .for_each(|value| statistics.add(value));
        }
        Ok(())
    }

    fn fit(&self, statistics: StageStatistics, _known: &Attributes) -> Result<Fitting, MlError> {
        match statistics {
            StageStatistics::Imputed(columns) if columns.len() == self.columns().read().len() => {
                self.finish(&columns)
            }
            _ => Err(foreign()),
        }
    }
}

impl FittedImputer {
    fn complete(&self, column: &Column, surrogate: f64) -> Column {
        let is_missing = |row: usize, value: f64| column.is_null(row) || self.params.is_missing(value);
        let complete = |values: &[f64]| -> Vec<f64> {
            let value = |(row, value): (usize, &f64)| {
                if is_missing(row, *value) {
                    surrogate
                } else {
                    *value
                }
            };
            values.iter().enumerate().map(value).collect()
        };
        Column::new(match &column.data {
            // A Java cast to a whole number cuts, and takes the nearest there is.
            ColumnData::Integer(values) => {
                let value = |(row, value): (usize, &i64)| match is_missing(row, *value as f64) {
                    true => surrogate as i64,
                    false => *value,
                };
                ColumnData::Integer(values.iter().enumerate().map(value).collect())
            }
            ColumnData::Float(values) => {
                let value = |(row, value): (usize, &f32)| match is_missing(row, f64::from(*value)) {
                    true => surrogate as f32,
                    false => *value,
                };
                ColumnData::Float(values.iter().enumerate().map(value).collect())
            }
            ColumnData::Double(values) => ColumnData::Double(complete(values)),
            other => other.clone(),
        })
    }
}

impl Transform for FittedImputer {
    fn spec(&self) -> StageSpec {
        StageSpec::Imputer(self.params.clone())
    }

    fn transform(&self, mut frame: Frame) -> Result<Frame, MlError> {
        for ((input, output), surrogate) in self.params.columns().pairs().zip(&self.surrogates) {
            let column = frame.column(input)?;
            require_numbers(&[(input, column.kind())])?;
            let column = self.complete(column, *surrogate);
            frame = frame.with_column(output, column)?;
        }
        Ok(frame)
    }

    fn describe(&self, known: &mut Attributes) {
        for (_, output) in self.params.columns().pairs() {
            known.put_scalar(output, None);
        }
    }
}
