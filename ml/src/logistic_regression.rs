//! Logistic regression as Spark MLlib defines it (`org.apache.spark.ml.classification.LogisticRegression`).
//!
//! [`LogisticRegressionParams`] → checked → [`Objective`] (what is minimised, over a [`Summary`](crate::Summary) of
//! the training rows) → [`Training`] (the rounds) → [`Fit`] → [`LogisticRegressionModel`] (predicts).

use serde::{Deserialize, Serialize};

mod choice;
mod class_weight;
mod classifier;
mod curvature;
mod early_stopping;
mod halving;
mod minimizer;
mod objective;
mod params;
mod training;

pub use class_weight::{ClassWeight, ClassWeightRule};
pub use classifier::{LogisticRegressionModel, Scores};
pub use early_stopping::{EarlyStoppingParams, Look};
pub use halving::outperformed;
pub use objective::{Objective, Solution};
pub use params::{FamilyParam, LogisticRegressionParams, Solver, ValidLogisticRegressionParams};
pub use training::{Ask, Fit, Training};

/// Which likelihood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Two classes, one coefficient row: the log-odds of class 1.
    Binomial,
    /// Any number of classes, one coefficient row for each.
    Multinomial,
}

impl Family {
    /// Returns K, the number of coefficient rows for `num_classes` classes.
    pub fn coefficient_rows(self, num_classes: usize) -> usize {
        match self {
            Family::Binomial => 1,
            Family::Multinomial => num_classes,
        }
    }
}
