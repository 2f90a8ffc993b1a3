//! [`Profile`]: what a model's inputs looked like in training. Serving compares requests with it, and takes reference
//! values from it.

use serde::{Deserialize, Serialize};

use crate::metrics::MulticlassMetrics;

mod statistics;

pub use statistics::{ProfileStatistics, ProfiledColumn};

/// What the training part held in the model's input columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Rows of the training part.
    pub rows: u64,
    /// One entry for each input column.
    pub columns: Vec<ColumnProfile>,
    /// How often the model predicts each class on the test part, ascending by class; empty if that is not known.
    pub predictions: Vec<u64>,
}

impl Profile {
    /// The profile with what a model of `classes` classes predicted on the test part.
    #[must_use]
    pub fn with_predictions(mut self, classes: usize, tested: &MulticlassMetrics) -> Self {
        self.predictions = vec![0; classes];
        for cell in &tested.cells {
            // A prediction is the index of a class.
            if let Some(count) = self.predictions.get_mut(cell.prediction as usize) {
                *count += cell.rows;
            }
        }
        self
    }
}

/// What one input column held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnProfile {
    /// The column's name.
    pub name: String,
    /// Rows without a value; a NaN is none.
    pub nulls: u64,
    /// The values.
    pub values: ValueProfile,
}

/// How the values of a column were distributed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ValueProfile {
    /// Numbers, in a histogram.
    Numbers {
        /// The mean of the finite ones; NaN without any.
        #[serde(with = "crate::float_serde::scalar")]
        mean: f64,
        /// Where one bin ends and the next begins, ascending: a value goes to the first bin whose edge is not below it.
        #[serde(with = "crate::float_serde::vector")]
        edges: Vec<f64>,
        /// Values in each bin: one more than edges.
        counts: Vec<u64>,
    },
    /// Categories: of text, and of what is cast to text because a StringIndexer alone reads it.
    Categories {
        /// Each category that is counted, with its rows, the most frequent first; ties by name.
        counts: Vec<(String, u64)>,
        /// Rows of all other categories.
        others: u64,
    },
}

/// What serving does with a value that a model can't use as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvalidValue {
    /// The request is refused.
    #[default]
    Error,
    /// The row is kept and gets no prediction; an unseen category gets the index after the last one, as Spark's `keep`
    /// gives it, where the model was trained so.
    Keep,
    /// Training's reference takes its place: the most frequent category, the mean of a number.
    Reference,
}

/// What serving does with nulls and with categories that training has not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InvalidValues {
    /// For nulls.
    pub null: InvalidValue,
    /// For categories that training has not seen.
    pub unseen: InvalidValue,
}
