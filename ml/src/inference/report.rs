//! [`Inference`]: the table, as it is recorded.

use serde::{Deserialize, Serialize};

use super::normal;
use crate::logistic_regression::Family;

/// What standard errors mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StandardErrors {
    /// By the observed Fisher information: no penalty.
    Fisher,
    /// Standard deviations of the posterior under the Gaussian prior that the L2 penalty is, by Laplace's approximation.
    Posterior,
    /// There are none; `problem` says why.
    None,
}

/// How certain each coefficient of a fit is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inference {
    /// What the standard errors are.
    pub standard_errors: StandardErrors,
    /// Why there are no standard errors.
    pub problem: Option<String>,
    /// What a reader of the table should know.
    pub notes: Vec<String>,
    /// The likelihood.
    pub family: Family,
    /// Multinomial: the class that the others are told against.
    pub reference_class: Option<usize>,
    /// Part of the intervals that cover the truth.
    pub level: f64,
    /// Rows of the training part.
    pub rows: u64,
    /// Σ of their weights, which count as frequencies.
    pub weight_sum: f64,
    /// Number of coefficients that the rows determine, intercepts included.
    pub degrees_of_freedom: usize,
    /// ln L at the fit, without the penalty.
    pub log_likelihood: f64,
    /// ln L of the classes' frequencies alone; only with intercepts.
    pub null_log_likelihood: Option<f64>,
    /// 2-norm condition number of the information scaled to a unit diagonal.
    pub condition_number: Option<f64>,
    /// The coefficients, class by class; the intercept first.
    pub terms: Vec<Term>,
    /// Features that took no part, or that are combinations of others.
    pub left_out: Vec<LeftOut>,
    /// Whether a plane separates classes: what coefficients would grow without bound for, and so mean nothing.
    pub separation: Option<String>,
}

/// One coefficient of raw feature values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// The class whose log-odds it changes.
    pub class: usize,
    /// The class that these are against.
    pub against: usize,
    /// The feature's name; `(intercept)` for the intercept.
    pub name: String,
    /// The feature's position; `None` for the intercept.
    pub feature: Option<usize>,
    /// Change of the log-odds for one unit of the feature.
    pub coefficient: f64,
    /// Standard error of `coefficient`; `None` where it is not determined.
    pub standard_error: Option<f64>,
    /// coefficient / standard error.
    pub z: Option<f64>,
    /// P(|Z| ≥ |z|) for a standard normal Z.
    pub p_value: Option<f64>,
    /// Lower end of the interval.
    pub lower: Option<f64>,
    /// Upper end of the interval.
    pub upper: Option<f64>,
    /// e^coefficient.
    pub odds_ratio: Option<f64>,
    /// e^lower.
    pub odds_ratio_lower: Option<f64>,
    /// e^upper.
    pub odds_ratio_upper: Option<f64>,
}

/// A feature without a standard error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// Its position.
    pub feature: usize,
    /// Names of the earlier features that it is a linear combination of; empty for a constant one.
    pub combination_of: Vec<String>,
}

impl Term {
    /// Fills in what follows from the standard error. What no double holds is left out.
    pub(super) fn judge(&mut self, standard_error: Option<f64>, quantile: f64) {
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        self.odds_ratio = finite(libm::exp(self.coefficient));
        let Some(error) = standard_error.filter(|error| error.is_finite() && *error > 0.0) else {
            return;
        };
        let (lower, upper) = (
            self.coefficient - quantile * error,
            self.coefficient + quantile * error,
        );
        let z = self.coefficient / error;
        self.standard_error = Some(error);
        self.z = finite(z);
        self.p_value = finite(normal::two_sided(z));
        (self.lower, self.upper) = (finite(lower), finite(upper));
        self.odds_ratio_lower = finite(libm::exp(lower));
        self.odds_ratio_upper = finite(libm::exp(upper));
    }
}

impl Inference {
    /// Returns Akaike's criterion; `None` for penalised fits, whose degrees of freedom are fewer than their coefficients.
    pub fn aic(&self) -> Option<f64> {
        let is_likelihood = self.standard_errors == StandardErrors::Fisher;
        is_likelihood.then_some(2.0 * self.degrees_of_freedom as f64 - 2.0 * self.log_likelihood)
    }

    /// Returns McFadden's R² = 1 − ln L / ln L₀.
    pub fn mcfadden_r2(&self) -> Option<f64> {
        let null = self.null_log_likelihood.filter(|null| *null < 0.0)?;
        Some(1.0 - self.log_likelihood / null)
    }
}
