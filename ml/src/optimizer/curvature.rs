//! The L-BFGS approximation of the inverse Hessian, from the last few steps (`breeze.optimize.LBFGS`, two-loop
//! recursion of Nocedal & Wright, algorithm 7.4).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{MEMORY, SearchFailure};
use crate::lanes;

/// The last steps and gradient changes, newest first. Every pair is kept, also one without positive curvature.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct CurvatureHistory {
    pairs: VecDeque<Pair>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pair {
    /// s = xₜ₊₁ − xₜ.
    #[serde(with = "crate::float_serde::packed")]
    step: Vec<f64>,
    /// y = ∇fₜ₊₁ − ∇fₜ.
    #[serde(with = "crate::float_serde::packed")]
    gradient_change: Vec<f64>,
}

impl CurvatureHistory {
    pub(super) fn push(&mut self, step: Vec<f64>, gradient_change: Vec<f64>) {
        self.pairs.push_front(Pair {
            step,
            gradient_change,
        });
        self.pairs.truncate(MEMORY);
    }

    /// Returns −H·g.
    ///
    /// # Errors
    /// [`SearchFailure`] if the newest pair has s·y < 0 or NaN (Breeze's `NaNHistory`).
    pub(super) fn descent_direction(&self, gradient: &[f64]) -> Result<Vec<f64>, SearchFailure> {
        let scale = match self.pairs.front() {
            None => 1.0,
            Some(Pair {
                step,
                gradient_change,
            }) => {
                let curvature = lanes::dot(step, gradient_change);
                if curvature < 0.0 || curvature.is_nan() {
                    return Err(SearchFailure);
                }
                curvature / lanes::dot(gradient_change, gradient_change)
            }
        };
        let mut direction = self.apply(gradient, |direction| {
            direction.iter_mut().for_each(|d| *d *= scale)
        });
        direction.iter_mut().for_each(|d| *d = -*d);
        Ok(direction)
    }

    /// Returns H·g, where `initial` applies what the inverse Hessian is taken for before any step is looked at.
    pub(super) fn apply(&self, gradient: &[f64], initial: impl FnOnce(&mut [f64])) -> Vec<f64> {
        let mut direction = gradient.to_vec();
        let mut factors = Vec::with_capacity(self.pairs.len());
        for Pair {
            step,
            gradient_change,
        } in &self.pairs
        {
            let curvature = lanes::dot(step, gradient_change);
            let factor = lanes::dot(step, &direction) / curvature;
            lanes::axpy(-factor, gradient_change, &mut direction);
            factors.push((factor, curvature));
        }
        initial(&mut direction);
        for (
            Pair {
                step,
                gradient_change,
            },
            (factor, curvature),
        ) in self.pairs.iter().zip(factors).rev()
        {
            let correction = lanes::dot(gradient_change, &direction) / curvature;
            lanes::axpy(factor - correction, step, &mut direction);
        }
        direction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_pair_satisfies_the_secant_equation() {
        let mut history = CurvatureHistory::default();
        assert_eq!(
            history.descent_direction(&[1.0, -2.0]),
            Ok(vec![-1.0, 2.0]),
            "steepest descent first"
        );
        history.push(vec![0.3, 0.1], vec![1.0, 0.5]);
        history.push(vec![0.2, -0.4], vec![0.5, -2.0]);
        let direction = history
            .descent_direction(&[0.5, -2.0])
            .expect("positive curvature");
        // H·y = s for the newest pair.
        assert!(
            (direction[0] + 0.2).abs() < 1e-15 && (direction[1] - 0.4).abs() < 1e-15,
            "{direction:?}"
        );
    }

    #[test]
    fn negative_curvature_is_a_failure() {
        let mut history = CurvatureHistory::default();
        history.push(vec![1.0], vec![-1.0]);
        assert_eq!(history.descent_direction(&[1.0]), Err(SearchFailure));
    }
}
