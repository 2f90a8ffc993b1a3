//! [`Contribution`]: what each feature adds to the margin of a class.

use rookery_ml::{Family, LogisticRegressionModel};

/// The parts of one class' margin: intercept and coefficient × value. They add up to Spark's `rawPrediction`, but for
/// rounding: the model adds in another order.
#[derive(Debug, Clone, PartialEq)]
pub struct Contribution {
    /// The intercept.
    pub intercept: f64,
    /// What each feature adds, in the order of [`crate::Scorer::feature_names`].
    pub features: Vec<f64>,
}

impl Contribution {
    /// The class' margin.
    pub fn sum(&self) -> f64 {
        self.features.iter().sum::<f64>() + self.intercept
    }

    fn negated(&self) -> Self {
        Self {
            intercept: -self.intercept,
            features: self.features.iter().map(|value| -value).collect(),
        }
    }
}

/// One contribution for each class. A binomial model has the coefficients of class 1 alone; class 0 has the negative.
pub(crate) fn of_row(classifier: &LogisticRegressionModel, features: &[f64]) -> Vec<Contribution> {
    let width = classifier.num_features.max(1);
    let rows = classifier.coefficient_matrix.chunks_exact(width);
    let parts = rows.zip(&classifier.intercepts).map(|(coefficients, intercept)| {
        let product = |(coefficient, value): (&f64, &f64)| coefficient * value;
        Contribution {
            intercept: *intercept,
            features: coefficients.iter().zip(features).map(product).collect(),
        }
    });
    match classifier.family {
        Family::Multinomial => parts.collect(),
        Family::Binomial => parts.flat_map(|part| [part.negated(), part]).collect(),
    }
}
