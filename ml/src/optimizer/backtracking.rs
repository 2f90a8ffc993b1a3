//! The line search of OWL-QN (`breeze.optimize.BacktrackingLineSearch` as `OWLQN` calls it).
//!
//! The step shrinks while φ is too large or too steep upwards, and grows by 2.1 while φ still falls steeply. One
//! quirk is kept because Spark's answers depend on it: the first test of sufficient decrease compares φ(0) not with
//! φ at the first step but with the *smooth* value f(x), without the L1 term. As f ≤ f + L1, the first step mostly
//! passes that test for free and is judged by its slope alone.

use serde::{Deserialize, Serialize};

use super::Progress;

const SUFFICIENT_DECREASE: f64 = 1e-4;
const CURVATURE: f64 = 0.9;
const GROWTH: f64 = 2.1;
const MAX_TRIES: u32 = 20;
const STEP_BOUNDS: std::ops::RangeInclusive<f64> = 1e-10..=1e10;

/// A backtracking search in progress; it wants φ and φ′ at [`step`](Backtracking::step).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Backtracking {
    /// φ(0), with L1.
    #[serde(with = "crate::float_serde::scalar")]
    start_value: f64,
    /// φ′(0).
    #[serde(with = "crate::float_serde::scalar")]
    start_slope: f64,
    /// f(x), without L1: the stand-in for φ at the first step.
    #[serde(with = "crate::float_serde::scalar")]
    smooth_value: f64,
    shrink: f64,
    tries: u32,
    #[serde(with = "crate::float_serde::scalar")]
    step: f64,
}

impl Backtracking {
    pub(super) fn new(
        start_value: f64,
        start_slope: f64,
        smooth_value: f64,
        step: f64,
        first_iteration: bool,
    ) -> Self {
        let shrink = if first_iteration { 0.1 } else { 0.5 };
        Backtracking {
            start_value,
            start_slope,
            smooth_value,
            shrink,
            tries: 0,
            step,
        }
    }

    pub(super) fn step(&self) -> f64 {
        self.step
    }

    /// Takes φ and φ′ at [`step`](Backtracking::step).
    pub(super) fn tell(&mut self, value: f64, slope: f64) -> Progress {
        if self.tries == MAX_TRIES {
            return Progress::Accepted;
        }
        let value = if self.tries == 0 { self.smooth_value } else { value };
        let factor = if value > self.start_value + self.step * self.start_slope * SUFFICIENT_DECREASE {
            self.shrink
        } else if slope < CURVATURE * self.start_slope {
            GROWTH
        } else if slope > -CURVATURE * self.start_slope {
            self.shrink
        } else {
            return Progress::Accepted;
        };
        self.step *= factor;
        self.tries += 1;
        if STEP_BOUNDS.contains(&self.step) {
            Progress::Continue
        } else {
            Progress::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(first_iteration: bool, step: f64, smooth_value: f64) -> (f64, u32) {
        let phi = |t: f64| ((t - 1.0) * (t - 1.0), 2.0 * (t - 1.0));
        let (value, slope) = phi(0.0);
        let mut search = Backtracking::new(value, slope, smooth_value, step, first_iteration);
        loop {
            let (value, slope) = phi(search.step());
            match search.tell(value, slope) {
                Progress::Continue => {}
                Progress::Accepted => return (search.step(), search.tries),
                Progress::Failed => panic!("a parabola has a good step"),
            }
        }
    }

    #[test]
    fn steps_shrink_and_grow_by_breezes_factors() {
        assert_eq!(search(false, 1.0, 0.0), (1.0, 0));
        assert_eq!(search(false, 4.0, 0.0), (1.0, 2));
        assert_eq!(search(true, 10.0, 0.0), (1.0, 1));
        let (step, tries) = search(false, 0.04, 0.0);
        assert!((step - 0.084 * 2.1).abs() < 1e-15 && tries == 2, "{step} {tries}");
    }

    #[test]
    fn the_first_test_looks_at_the_smooth_value() {
        assert_eq!(
            search(false, 1.0, 5.0),
            (0.5, 1),
            "5 > φ(0), so even the minimum is refused at first"
        );
    }
}
