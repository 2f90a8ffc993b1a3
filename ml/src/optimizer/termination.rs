//! When to stop, and why (`breeze.optimize.FirstOrderMinimizer.ConvergenceCheck`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Values of the objective that the function-value test looks back on.
const WINDOW: usize = 20;
/// The gradient test never asks for a norm below this.
const SMALLEST_GRADIENT: f64 = 1e-8;

/// Why a minimisation finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TerminationReason {
    /// The iteration limit was reached first.
    MaxIterations,
    /// The objective no longer changes: |fₜ − max of the last 20| ≤ tol·|f₀|.
    FunctionValueConverged,
    /// The gradient vanishes: ‖g̃‖₂ ≤ max(tol·|fₜ|, 10⁻⁸).
    GradientConverged,
    /// Two line searches in a row found no step. With a very small `tol` this is the normal end at machine
    /// precision.
    SearchFailed,
    /// A metric of the validation rows stopped getting better.
    EarlyStopping,
    /// Others that trained side by side with it did better on the validation rows.
    Outperformed,
    /// There was no more time.
    Deadline,
}

impl TerminationReason {
    /// Returns whether a test of convergence was met.
    pub fn converged(self) -> bool {
        matches!(
            self,
            TerminationReason::FunctionValueConverged | TerminationReason::GradientConverged
        )
    }
}

impl TerminationReason {
    /// Returns the reason as it is recorded, e.g. `max_iterations`.
    pub fn name(self) -> &'static str {
        match self {
            TerminationReason::MaxIterations => "max_iterations",
            TerminationReason::FunctionValueConverged => "function_value_converged",
            TerminationReason::GradientConverged => "gradient_converged",
            TerminationReason::SearchFailed => "search_failed",
            TerminationReason::EarlyStopping => "early_stopping",
            TerminationReason::Outperformed => "outperformed",
            TerminationReason::Deadline => "deadline",
        }
    }
}

impl fmt::Display for TerminationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TerminationReason::MaxIterations => "max iterations reached",
            TerminationReason::FunctionValueConverged => "function value converged",
            TerminationReason::GradientConverged => "gradient converged",
            TerminationReason::SearchFailed => "line search failed",
            TerminationReason::EarlyStopping => "stopped early",
            TerminationReason::Outperformed => "others did better",
            TerminationReason::Deadline => "deadline reached",
        })
    }
}

/// The stop tests and the values they look back on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StopRule {
    max_iter: usize,
    tol: f64,
    #[serde(with = "crate::float_serde::scalar")]
    start_value: f64,
    /// The last values, oldest first, without the start value.
    #[serde(with = "crate::float_serde::vector")]
    recent: Vec<f64>,
}

impl StopRule {
    pub(super) fn new(max_iter: usize, tol: f64) -> Self {
        StopRule {
            max_iter,
            tol,
            start_value: 0.0,
            recent: Vec::new(),
        }
    }

    pub(super) fn start(&mut self, value: f64) {
        self.start_value = value;
    }

    /// Takes the value of an accepted step.
    pub(super) fn observe(&mut self, value: f64) {
        self.recent.push(value);
        if self.recent.len() > WINDOW {
            self.recent.remove(0);
        }
    }

    /// Returns the first test that is met, in Breeze's order.
    pub(super) fn check(
        &self,
        iteration: usize,
        value: f64,
        gradient_norm: f64,
        search_failed: bool,
    ) -> Option<TerminationReason> {
        if iteration >= self.max_iter {
            Some(TerminationReason::MaxIterations)
        } else if self.is_flat(value) {
            Some(TerminationReason::FunctionValueConverged)
        } else if gradient_norm <= (self.tol * value.abs()).max(SMALLEST_GRADIENT) {
            Some(TerminationReason::GradientConverged)
        } else if search_failed {
            Some(TerminationReason::SearchFailed)
        } else {
            None
        }
    }

    /// Breeze's window starts with +∞ in it, so nothing is flat before 20 values have pushed that out.
    fn is_flat(&self, value: f64) -> bool {
        let largest = self.recent.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.recent.len() == WINDOW && (value - largest).abs() <= self.tol * self.start_value.abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_what_is_serialised() {
        use TerminationReason::{FunctionValueConverged, GradientConverged, MaxIterations, SearchFailed};
        for reason in [
            MaxIterations,
            FunctionValueConverged,
            GradientConverged,
            SearchFailed,
        ] {
            assert_eq!(serde_json::to_value(reason).expect("a string"), reason.name());
        }
    }

    #[test]
    fn the_tests_come_in_breezes_order() {
        let mut rule = StopRule::new(100, 1e-6);
        rule.start(2.0);
        assert_eq!(
            rule.check(100, 1.0, 0.0, true),
            Some(TerminationReason::MaxIterations)
        );
        assert_eq!(
            rule.check(0, 1.0, 1e-6, true),
            Some(TerminationReason::GradientConverged)
        );
        assert_eq!(
            rule.check(0, 1e-3, 1e-8, false),
            Some(TerminationReason::GradientConverged)
        );
        assert_eq!(
            rule.check(0, 1.0, 1.1e-6, true),
            Some(TerminationReason::SearchFailed)
        );
        assert_eq!(rule.check(0, 1.0, 1.1e-6, false), None);
        for seen in 1..=WINDOW {
            assert_eq!(rule.check(0, 1.0, 1.0, false), None, "after {} values", seen - 1);
            rule.observe(1.0);
        }
        assert_eq!(
            rule.check(0, 1.0, 1.0, false),
            Some(TerminationReason::FunctionValueConverged)
        );
        assert_eq!(rule.check(0, 1.0 - 2.1e-6, 1.0, false), None);
    }
}
