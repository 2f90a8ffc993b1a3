//! The optimiser that the parameters ask for.

use serde::{Deserialize, Serialize};

use super::objective::Objective;
use super::params::{Solver, ValidLogisticRegressionParams};
use crate::error::MlError;
use crate::kernel::KernelCoefficients;
use crate::optimizer::{Newton, Optimizer, TerminationReason};
use crate::partial::Partial;

/// A minimisation of an objective in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Minimizer {
    /// Breeze's L-BFGS or OWL-QN, as Spark uses them.
    FirstOrder(Optimizer),
    Newton(Newton),
}

/// The same call of whichever it is.
macro_rules! either {
    ($minimizer:expr, $inner:ident => $call:expr) => {
        match $minimizer {
            Minimizer::FirstOrder($inner) => $call,
            Minimizer::Newton($inner) => $call,
        }
    };
}

impl Minimizer {
    pub(super) fn new(
        objective: &Objective,
        params: &ValidLogisticRegressionParams,
    ) -> Result<Self, MlError> {
        let (start, max_iter, tol) = (objective.initial_point(), params.max_iter, params.tol);
        Ok(match params.solver {
            Solver::Newton => {
                Minimizer::Newton(Newton::new(start, objective.free_coordinates(), max_iter, tol))
            }
            Solver::Auto | Solver::Lbfgs | Solver::Owlqn => {
                Minimizer::FirstOrder(Optimizer::new(start, objective.l1(), max_iter, tol)?)
            }
        })
    }

    pub(super) fn ask(&self, objective: &Objective) -> Option<KernelCoefficients> {
        let coefficients = objective.kernel_coefficients(either!(self, inner => inner.ask())?);
        Some(KernelCoefficients {
            hessian: matches!(self, Minimizer::Newton(_)),
            ..coefficients
        })
    }

    pub(super) fn tell(&mut self, objective: &Objective, partial: &Partial) -> Result<(), MlError> {
        let point = either!(self, inner => inner.ask()).ok_or(MlError::TrainingFinished)?;
        let mut evaluation = objective.evaluate(point, partial)?;
        match self {
            Minimizer::FirstOrder(optimizer) => optimizer.tell(evaluation),
            Minimizer::Newton(newton) => {
                evaluation.hessian = objective.hessian(partial, newton.free())?;
                newton.tell(evaluation)
            }
        }
    }

    pub(super) fn point(&self) -> &[f64] {
        either!(self, inner => inner.point())
    }

    pub(super) fn objective_history(&self) -> &[f64] {
        either!(self, inner => inner.objective_history())
    }

    pub(super) fn iterations(&self) -> usize {
        self.objective_history().len().saturating_sub(1)
    }

    pub(super) fn evaluations(&self) -> usize {
        either!(self, inner => inner.evaluations())
    }

    pub(super) fn gradient_norm(&self) -> Option<f64> {
        either!(self, inner => inner.gradient_norm())
    }

    pub(super) fn termination(&self) -> Option<TerminationReason> {
        either!(self, inner => inner.termination())
    }
}
