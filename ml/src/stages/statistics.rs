//! [`StageStatistics`]: what one stage learns from some rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::imputer::ImputeStatistics;
use super::min_max_scaler;
use super::ranks::RankSearch;
use super::stage::foreign;
use super::standard_scaler::Moments;
use crate::error::MlError;

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
    /// The stage follows from its input columns; rows say nothing more.
    Nothing,
    /// As `LabelCounts`, for each column of an indexer of several.
    LabelCountsOf(Vec<BTreeMap<String, u64>>),
    /// The largest index of each column; 0 before the first row.
    LargestIndices(Vec<f64>),
    /// Sums and sums of squares of each vector element.
    Moments(Moments),
    /// What an imputer must know of each column.
    Imputed(Vec<ImputeStatistics>),
    /// Where the wanted ranks of each column lie.
    Ranks(Vec<RankSearch>),
}

impl StageStatistics {
    /// Adds what `other` saw.
    ///
    /// # Errors
    /// [`MlError::ForeignStatistics`] if `other` belongs to another kind of stage, [`MlError::Shape`] if its vectors
    /// have another width.
    pub fn merge(&mut self, other: &StageStatistics) -> Result<(), MlError> {
        use StageStatistics::{
            Imputed, LabelCounts, LabelCountsOf, LargestIndices, Moments, Nothing, Range, Ranks,
        };
        match (self, other) {
            (LabelCounts(counts), LabelCounts(others)) => add_counts(counts, others),
            (LabelCountsOf(columns), LabelCountsOf(others)) => {
                each(columns, others, |counts, others| {
                    add_counts(counts, others);
                    Ok(())
                })?;
            }
            (
                Range { min, max, count },
                Range {
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
            }
            (Nothing, Nothing) => {}
            (LargestIndices(largest), LargestIndices(others)) => each(largest, others, |largest, other| {
                *largest = largest.max(*other);
                Ok(())
            })?,
            (Moments(moments), Moments(others)) => moments.merge(others)?,
            (Imputed(columns), Imputed(others)) => each(columns, others, ImputeStatistics::merge)?,
            (Ranks(columns), Ranks(others)) => each(columns, others, RankSearch::merge)?,
            _ => return Err(foreign()),
        }
        Ok(())
    }
}

fn add_counts(counts: &mut BTreeMap<String, u64>, others: &BTreeMap<String, u64>) {
    for (label, count) in others {
        *counts.entry(label.clone()).or_default() += count;
    }
}

/// Merges column by column.
fn each<T>(
    own: &mut [T],
    others: &[T],
    merge: impl Fn(&mut T, &T) -> Result<(), MlError>,
) -> Result<(), MlError> {
    if own.len() != others.len() {
        let text = format!("{} columns against {}", own.len(), others.len());
        return Err(MlError::ForeignStatistics(text));
    }
    own.iter_mut()
        .zip(others)
        .try_for_each(|(own, other)| merge(own, other))
}
