//! Newton's method with a line search, as a conversation.
//!
//! Each evaluation brings loss, gradient and Hessian, so a full step that is taken costs one pass over the rows. The
//! direction solves H·p = −g by Cholesky's factorisation; where H is not positive definite (collinear features, classes
//! that a plane separates) a multiple of the identity is added. The step is halved, or less, until the objective falls as
//! Armijo's rule wants (Nocedal and Wright, Numerical Optimization, 2006, §3.1 and §3.4).

use serde::{Deserialize, Serialize};

use super::armijo::Armijo;
use super::inverse_hessian::InverseHessian;
use super::{Evaluation, TerminationReason};
use crate::error::MlError;
use crate::lanes;

/// The gradient test never asks for a norm below this.
pub(super) const SMALLEST_GRADIENT: f64 = 1e-8;

/// A minimisation in progress. It stops when the step that it would take next lowers the objective by no more than
/// tol·|f|, as far as the gradient and the Hessian can tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Newton {
    /// The coordinates that are moved, ascending; the others stay where they start.
    free: Vec<usize>,
    max_iter: usize,
    tol: f64,
    current: Option<Iterate>,
    phase: Phase,
    #[serde(with = "crate::float_serde::packed")]
    objective_history: Vec<f64>,
    evaluations: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Iterate {
    #[serde(with = "crate::float_serde::packed")]
    point: Vec<f64>,
    #[serde(with = "crate::float_serde::scalar")]
    value: f64,
    #[serde(with = "crate::float_serde::scalar")]
    gradient_norm: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    Start {
        #[serde(with = "crate::float_serde::packed")]
        point: Vec<f64>,
    },
    Search(Armijo),
    Done(TerminationReason),
}

impl Newton {
    /// Starts at `point`; only the `free` coordinates, ascending, are moved.
    pub fn new(point: Vec<f64>, free: Vec<usize>, max_iter: usize, tol: f64) -> Self {
        Newton {
            free,
            max_iter,
            tol,
            current: None,
            phase: Phase::Start { point },
            objective_history: Vec::new(),
            evaluations: 0,
        }
    }

    /// Returns the point at which objective, gradient and Hessian are wanted; `None` when finished.
    pub fn ask(&self) -> Option<&[f64]> {
        match &self.phase {
            Phase::Start { point } => Some(point),
            Phase::Search(search) => Some(&search.trial),
            Phase::Done(_) => None,
        }
    }

    /// Takes the objective at the point asked for.
    ///
    /// # Errors
    /// [`MlError::TrainingFinished`] if nothing was asked for; [`MlError::Shape`] for a gradient or Hessian of another
    /// size.
    pub fn tell(&mut self, evaluation: Evaluation) -> Result<(), MlError> {
        let coordinates = self.ask().ok_or(MlError::TrainingFinished)?.len();
        let n = self.free.len();
        for (what, expected, got) in [
            ("gradient", coordinates, evaluation.gradient.len()),
            ("Hessian", n * (n + 1) / 2, evaluation.hessian.len()),
        ] {
            if expected != got {
                return Err(MlError::Shape { what, expected, got });
            }
        }
        self.evaluations += 1;
        match std::mem::replace(&mut self.phase, Phase::Done(TerminationReason::SearchFailed)) {
            Phase::Start { point } => self.accept(point, evaluation),
            Phase::Search(search) => {
                let Some(current) = &self.current else {
                    return Err(MlError::TrainingFinished);
                };
                let (before, after) = (current.value, evaluation.loss);
                if search.is_sufficient(before, after) {
                    self.accept(search.trial, evaluation);
                } else if let Some(search) = search.shorter(&current.point, &self.free, before, after) {
                    self.phase = Phase::Search(search);
                }
            }
            Phase::Done(_) => return Err(MlError::TrainingFinished),
        }
        Ok(())
    }

    fn accept(&mut self, point: Vec<f64>, evaluation: Evaluation) {
        let iteration = self.objective_history.len();
        let (value, gradient) = (evaluation.loss, evaluation.gradient);
        self.objective_history.push(value);
        let gradient_norm = lanes::norm(&gradient);
        self.current = Some(Iterate {
            point,
            value,
            gradient_norm,
        });
        let tolerance = self.tol * value.abs();
        if iteration >= self.max_iter {
            self.phase = Phase::Done(TerminationReason::MaxIterations);
        } else if gradient_norm <= tolerance.max(SMALLEST_GRADIENT) {
            self.phase = Phase::Done(TerminationReason::GradientConverged);
        } else {
            let gradient: Vec<f64> = self.free.iter().map(|index| gradient[*index]).collect();
            let direction = InverseHessian::of(&evaluation.hessian, gradient.len()).downhill(&gradient);
            let slope = lanes::dot(&direction, &gradient);
            // −slope/2 is what the full step would bring, were the objective a parabola.
            if -0.5 * slope <= tolerance {
                self.phase = Phase::Done(TerminationReason::FunctionValueConverged);
            } else {
                self.search(direction, slope);
            }
        }
    }

    fn search(&mut self, direction: Vec<f64>, slope: f64) {
        if let Some(current) = &self.current {
            self.phase = Phase::Search(Armijo::new(&current.point, &self.free, direction, slope));
        }
    }

    /// Returns the coordinates that are moved, ascending: the Hessian is wanted over these.
    pub fn free(&self) -> &[usize] {
        &self.free
    }

    /// Returns the best point so far; the start point before the first evaluation.
    pub fn point(&self) -> &[f64] {
        match (&self.current, &self.phase) {
            (Some(current), _) => &current.point,
            (None, Phase::Start { point }) => point,
            (None, _) => &[],
        }
    }

    /// Returns the objective of each point that was taken.
    pub fn objective_history(&self) -> &[f64] {
        &self.objective_history
    }

    /// Returns how often the objective was evaluated.
    pub fn evaluations(&self) -> usize {
        self.evaluations
    }

    /// Returns the gradient's norm at the best point so far; `None` before the first evaluation.
    pub fn gradient_norm(&self) -> Option<f64> {
        self.current.as_ref().map(|current| current.gradient_norm)
    }

    /// Returns why the minimisation finished; `None` while it has not.
    pub fn termination(&self) -> Option<TerminationReason> {
        match self.phase {
            Phase::Done(reason) => Some(reason),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::at;

    /// Σ exp(aᵢ·x) + ‖x‖²/2 over a few directions: smooth, convex, no parabola.
    fn evaluate(x: &[f64]) -> Evaluation {
        let directions = [
            [1.0, 2.0, 0.0],
            [-1.0, 0.5, 3.0],
            [0.0, -2.0, 1.0],
            [2.0, 0.0, -1.0],
        ];
        let mut loss = 0.5 * lanes::dot(x, x);
        let mut gradient = x.to_vec();
        let mut hessian = vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0];
        for a in directions {
            let power = libm::exp(lanes::dot(&a, x));
            loss += power;
            for row in 0..3 {
                gradient[row] += power * a[row];
                for column in 0..=row {
                    hessian[at(row, column)] += power * a[row] * a[column];
                }
            }
        }
        Evaluation {
            loss,
            gradient,
            hessian,
            variance: 1.0,
        }
    }

    fn minimize(start: Vec<f64>, tol: f64) -> Newton {
        let mut newton = Newton::new(start, vec![0, 1, 2], 100, tol);
        while let Some(point) = newton.ask() {
            let evaluation = evaluate(point);
            newton.tell(evaluation).expect("it was asked for");
            let text = serde_json::to_string(&newton).expect("plain data");
            newton = serde_json::from_str(&text).expect("what was written");
        }
        newton
    }

    #[test]
    fn it_converges_from_afar_and_faster_and_faster() {
        let newton = minimize(vec![4.0, -3.0, 5.0], 0.0);
        let reason = newton.termination().expect("finished");
        assert!(reason.converged(), "{reason:?} {:?}", newton.objective_history());
        assert!(lanes::norm(&evaluate(newton.point()).gradient) <= 1e-8);
        let history = newton.objective_history();
        assert!(history.windows(2).all(|pair| pair[1] <= pair[0]), "{history:?}");
        assert!(newton.evaluations() < 30, "{}", newton.evaluations());
    }

    #[test]
    fn the_tolerance_is_what_is_left_to_gain() {
        let best = evaluate(minimize(vec![0.0; 3], 0.0).point()).loss;
        for tol in [1e-2, 1e-4, 1e-6] {
            let newton = minimize(vec![4.0, -3.0, 5.0], tol);
            let gap = evaluate(newton.point()).loss - best;
            assert!(gap <= 2.0 * tol * best, "{tol}: {gap}");
        }
    }

    #[test]
    fn coordinates_that_are_not_free_stay() {
        let mut newton = Newton::new(vec![0.3, 0.5, -0.25], vec![0, 2], 100, 1e-12);
        while let Some(point) = newton.ask() {
            let mut evaluation = evaluate(point);
            let h = &evaluation.hessian;
            evaluation.hessian = vec![h[at(0, 0)], h[at(2, 0)], h[at(2, 2)]];
            newton.tell(evaluation).expect("it was asked for");
        }
        assert_eq!(newton.point()[1], 0.5);
        let gradient = evaluate(newton.point()).gradient;
        assert!(
            gradient[0].abs() < 1e-5 && gradient[2].abs() < 1e-5,
            "{gradient:?}"
        );
    }

    #[test]
    fn sizes_are_checked() {
        let mut newton = Newton::new(vec![0.0; 3], vec![0, 1, 2], 1, 0.0);
        let mut evaluation = evaluate(&[0.0; 3]);
        evaluation.hessian.pop();
        let text = newton.tell(evaluation).expect_err("too short").to_string();
        assert_eq!(text, "Hessian: expected 6, got 5");
    }
}
