//! One training as a conversation with whoever holds the rows.
//!
//! ```text
//! while let Ask::Evaluate(coefficients) = training.ask() {
//!     // every partition accumulates its blocks; the partials are merged along the tree
//!     training.tell(&partial)?;
//! }
//! let fit = training.into_fit()?;
//! ```
//!
//! A [`Training`] is plain data: written down between two rounds and read back, it goes on with the same bits.

use serde::{Deserialize, Serialize};

use super::Family;
use super::minimizer::Minimizer;
use super::objective::{Objective, Solution};
use super::params::ValidLogisticRegressionParams;
use crate::error::MlError;
use crate::kernel::KernelCoefficients;
use crate::optimizer::{MEMORY, TerminationReason};
use crate::partial::Partial;
use crate::summary::Summary;

/// A training in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    objective: Objective,
    optimizer: Minimizer,
    degenerate: Option<Solution>,
}

/// What a training wants next.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// The loss and gradient sums of all rows at these coefficients.
    Evaluate(KernelCoefficients),
    /// Nothing: it has finished.
    Done,
}

/// The outcome of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fit {
    /// The likelihood used.
    pub family: Family,
    /// Number of classes.
    pub num_classes: usize,
    /// d, the number of features.
    pub num_features: usize,
    /// K·d coefficients for raw rows: index = class·d + feature. K is 1 for binomial.
    #[serde(with = "crate::float_serde::vector")]
    pub coefficient_matrix: Vec<f64>,
    /// K intercepts.
    #[serde(with = "crate::float_serde::vector")]
    pub intercepts: Vec<f64>,
    /// The objective of each state, from the start point on.
    #[serde(with = "crate::float_serde::vector")]
    pub objective_history: Vec<f64>,
    /// States after the first: Spark's `totalIterations`.
    pub iterations: usize,
    /// Rounds: evaluations of the objective.
    pub evaluations: usize,
    /// ‖g̃‖₂ at the end, in the optimiser's space.
    #[serde(with = "crate::float_serde::scalar")]
    pub gradient_norm: f64,
    /// Why it finished.
    pub termination: TerminationReason,
}

impl Training {
    /// Starts a training over rows summarised by `summary`.
    ///
    /// # Errors
    /// As [`Objective::new`].
    pub fn new(params: &ValidLogisticRegressionParams, summary: &Summary) -> Result<Self, MlError> {
        let objective = Objective::new(params, summary)?;
        let degenerate = objective.degenerate();
        let optimizer = Minimizer::new(&objective, params, summary.rows)?;
        Ok(Training {
            objective,
            optimizer,
            degenerate,
        })
    }

    /// Returns what is wanted next.
    pub fn ask(&self) -> Ask {
        match self.optimizer.ask(&self.objective) {
            Some(coefficients) if self.degenerate.is_none() => Ask::Evaluate(coefficients),
            _ => Ask::Done,
        }
    }

    /// Takes the merged partial of all rows at the coefficients asked for.
    ///
    /// # Errors
    /// [`MlError::TrainingFinished`] if nothing was asked for, [`MlError::Shape`] for a partial of another size.
    pub fn tell(&mut self, partial: &Partial) -> Result<(), MlError> {
        if self.degenerate.is_some() {
            return Err(MlError::TrainingFinished);
        }
        self.optimizer.tell(&self.objective, partial)
    }

    /// Returns the objective being minimised.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// Returns about how many numbers the training consists of: what it takes to write it down.
    pub fn state_values(&self) -> usize {
        // Steps and changes of gradients; points, gradients and a direction; what is known of the features.
        let coordinates = self.objective.coefficient_rows() * (self.objective.width() + 1);
        coordinates * (2 * MEMORY + 5) + 3 * self.objective.width()
    }

    /// Returns the number of states after the first.
    pub fn iteration(&self) -> usize {
        self.optimizer.iterations()
    }

    /// Returns the number of rounds told so far.
    pub fn evaluations(&self) -> usize {
        self.optimizer.evaluations()
    }

    /// Returns the objective of each state so far.
    pub fn objective_history(&self) -> &[f64] {
        // Spark's history of a training without anything to optimise.
        if self.degenerate.is_some() {
            &[0.0]
        } else {
            self.optimizer.objective_history()
        }
    }

    /// Returns the gradient's norm at the best point so far; `None` before the first round.
    pub fn gradient_norm(&self) -> Option<f64> {
        if self.degenerate.is_some() {
            Some(0.0)
        } else {
            self.optimizer.gradient_norm()
        }
    }

    /// Returns why the training finished; `None` while it has not.
    pub fn termination(&self) -> Option<TerminationReason> {
        match self.degenerate {
            Some(_) => Some(TerminationReason::GradientConverged),
            None => self.optimizer.termination(),
        }
    }

    /// Returns whether the rows had only one class, so that there was nothing to optimise: the fit is Spark's
    /// infinite intercept and hardly what the user wants.
    pub fn is_degenerate(&self) -> bool {
        self.degenerate.is_some()
    }

    /// Returns the outcome.
    ///
    /// # Errors
    /// [`MlError::TrainingUnfinished`] if a round is still wanted.
    pub fn into_fit(self) -> Result<Fit, MlError> {
        let unfinished = MlError::TrainingUnfinished {
            iterations: self.iteration(),
        };
        let termination = self.termination().ok_or(unfinished)?;
        let objective_history = self.objective_history().to_vec();
        let gradient_norm = self.gradient_norm().unwrap_or(f64::NAN);
        let Training {
            objective,
            optimizer,
            degenerate,
        } = self;
        let Solution {
            coefficient_matrix,
            intercepts,
        } = degenerate.unwrap_or_else(|| objective.solution(optimizer.point()));
        Ok(Fit {
            family: objective.family(),
            num_classes: objective.num_classes(),
            num_features: objective.width(),
            coefficient_matrix,
            intercepts,
            iterations: objective_history.len().saturating_sub(1),
            objective_history,
            evaluations: optimizer.evaluations(),
            gradient_norm,
            termination,
        })
    }
}
