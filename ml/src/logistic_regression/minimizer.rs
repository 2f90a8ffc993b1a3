//! The optimiser that the parameters ask for.

use serde::{Deserialize, Serialize};

use super::choice::Choice;
use super::objective::Objective;
use super::params::{Solver, ValidLogisticRegressionParams};
use crate::error::MlError;
use crate::kernel::{KernelCoefficients, Precision, RowSample, class_pairs, triangle};
use crate::optimizer::{Newton, Optimizer, SubsampledNewton, TerminationReason};
use crate::partial::Partial;

/// A minimisation of an objective in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Minimizer {
    /// Breeze's L-BFGS or OWL-QN, as Spark uses them.
    FirstOrder(Optimizer),
    Newton(Newton),
    SubsampledNewton(Box<SubsampledNewton>),
}

/// Most second derivatives that a partition sums up: 16 MiB of doubles, for 2046 coefficients of one row. To solve with
/// more takes the driver longer than many passes with gradients alone.
const MOST_SECOND_DERIVATIVES: usize = 1 << 21;

/// The least tolerance with floats: what they do not resolve would have a solver look for a better point that it can't
/// recognise.
const RESOLVED_BY_FLOATS: f64 = 1e-7;

/// The same call of whichever it is.
macro_rules! either {
    ($minimizer:expr, $inner:ident => $call:expr) => {
        match $minimizer {
            Minimizer::FirstOrder($inner) => $call,
            Minimizer::Newton($inner) => $call,
            Minimizer::SubsampledNewton($inner) => $call,
        }
    };
}

impl Minimizer {
    pub(super) fn new(
        objective: &Objective,
        params: &ValidLogisticRegressionParams,
        rows: u64,
    ) -> Result<Self, MlError> {
        let (start, max_iter) = (objective.initial_point(), params.max_iter);
        let tol = params.tol.max(match params.precision {
            Precision::Double => 0.0,
            Precision::Fast => RESOLVED_BY_FLOATS,
        });
        let choice = Choice::new(objective, params.solver, rows);
        if matches!(choice.solver, Solver::Newton | Solver::SubsampledNewton) {
            check_second_derivatives(objective, choice.solver)?;
        }
        Ok(match choice.solver {
            Solver::Newton => {
                Minimizer::Newton(Newton::new(start, objective.free_coordinates(), max_iter, tol))
            }
            Solver::SubsampledNewton => Minimizer::SubsampledNewton(Box::new(SubsampledNewton::new(
                start,
                objective.free_coordinates(),
                choice.sample_rows,
                choice.is_hessian_costly,
                max_iter,
                tol,
            )?)),
            Solver::Spark | Solver::Auto | Solver::Lbfgs | Solver::Owlqn => {
                Minimizer::FirstOrder(Optimizer::new(start, objective.l1(), max_iter, tol)?)
            }
        })
    }

    pub(super) fn ask(&self, objective: &Objective) -> Option<KernelCoefficients> {
        let (point, rows) = self.wanted()?;
        let coefficients = objective.kernel_coefficients(point);
        Some(KernelCoefficients { rows, ..coefficients })
    }

    /// The point at which the objective is wanted, and the rows that count.
    fn wanted(&self) -> Option<(&[f64], RowSample)> {
        match self {
            Minimizer::FirstOrder(optimizer) => Some((optimizer.ask()?, RowSample::GRADIENT)),
            Minimizer::Newton(newton) => Some((newton.ask()?, RowSample::HESSIAN)),
            Minimizer::SubsampledNewton(newton) => newton.ask(),
        }
    }

    /// The coordinates of the Hessian.
    fn free(&self) -> &[usize] {
        match self {
            Minimizer::FirstOrder(_) => &[],
            Minimizer::Newton(newton) => newton.free(),
            Minimizer::SubsampledNewton(newton) => newton.free(),
        }
    }

    pub(super) fn tell(&mut self, objective: &Objective, partial: &Partial) -> Result<(), MlError> {
        let (point, rows) = self.wanted().ok_or(MlError::TrainingFinished)?;
        let mut evaluation = objective.evaluate(point, partial)?;
        if rows.hessian > 0 {
            evaluation.hessian = objective.hessian(partial, self.free())?;
            evaluation.variance = objective.largest_variance(partial);
        }
        either!(self, inner => inner.tell(evaluation))
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

fn check_second_derivatives(objective: &Objective, solver: Solver) -> Result<(), MlError> {
    let (classes, width) = (objective.coefficient_rows(), objective.width());
    let needed = class_pairs(classes).saturating_mul(triangle(width));
    if needed <= MOST_SECOND_DERIVATIVES {
        return Ok(());
    }
    Err(MlError::Requirement(format!(
        "solver {} needs {needed} second derivatives for {} coefficients, at most {MOST_SECOND_DERIVATIVES} are \
         supported; use lbfgs or auto",
        solver.name(),
        classes * (width + 1)
    )))
}

#[cfg(test)]
mod tests {
    use crate::logistic_regression::Training;
    use crate::summary::Summary;

    #[test]
    fn newton_is_refused_where_its_second_derivatives_are_too_many() {
        let start = |width: usize, classes: usize, solver: &str| {
            let summary = Summary {
                rows: 9,
                weight_sum: 9.0,
                weight_square_sum: 9.0,
                mean: vec![0.0; width],
                m2: vec![1.0; width],
                label_weights: vec![9.0 / classes as f64; classes],
                ..Summary::default()
            };
            let params = serde_json::from_value(serde_json::json!({ "solver": solver }));
            Training::new(&params.expect("valid parameters"), &summary).map(|_| ())
        };
        for (width, classes) in [(2046, 2), (270, 10)] {
            assert_eq!(start(width, classes, "newton"), Ok(()), "{width} {classes}");
        }
        for (width, classes) in [(2047, 2), (280, 10), (3_000_000, 2)] {
            let error = start(width, classes, "newton").expect_err("too many").to_string();
            assert!(error.contains("use lbfgs or auto"), "{error}");
            assert!(start(width, classes, "subsampled_newton").is_err());
            for solver in ["lbfgs", "auto"] {
                assert_eq!(start(width, classes, solver), Ok(()));
            }
        }
    }
}
