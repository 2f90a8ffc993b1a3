//! What is special to L-BFGS (`breeze.optimize.LBFGS`): straight steps, and how long the first one is.

use crate::lanes;

/// A step whose length times ‖∇f‖ is below this is a failure (Breeze's `StepSizeUnderflow`).
pub(super) const SMALLEST_MOVE: f64 = 1e-10;

/// Returns the first trial step: 1/‖d‖ in the first iteration, when nothing is known about scale, else 1.
pub(super) fn first_step(first_iteration: bool, direction: &[f64]) -> f64 {
    if first_iteration {
        1.0 / lanes::norm(direction)
    } else {
        1.0
    }
}

/// Returns x + t·d.
pub(super) fn step(point: &[f64], direction: &[f64], step: f64) -> Vec<f64> {
    point.iter().zip(direction).map(|(x, d)| x + step * d).collect()
}
