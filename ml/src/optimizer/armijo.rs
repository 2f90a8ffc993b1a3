//! The line search of Newton's methods: the full step first, shorter ones until the objective falls as Armijo's rule wants
//! (Nocedal and Wright, Numerical Optimization, 2006, §3.1).

use serde::{Deserialize, Serialize};

/// Part of the decrease that the slope promises which a step must bring.
const SUFFICIENT: f64 = 1e-4;
/// Most times a step is made shorter.
const SHORTENINGS: u32 = 40;

/// A search along a direction over the coordinates that are free; it wants the objective at `trial`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Armijo {
    /// Of the free coordinates.
    #[serde(with = "crate::float_serde::vector")]
    pub(super) direction: Vec<f64>,
    #[serde(with = "crate::float_serde::scalar")]
    pub(super) slope: f64,
    #[serde(with = "crate::float_serde::scalar")]
    pub(super) step: f64,
    #[serde(with = "crate::float_serde::vector")]
    pub(super) trial: Vec<f64>,
    shortenings: u32,
}

impl Armijo {
    /// The full step from `point`.
    pub(super) fn new(point: &[f64], free: &[usize], direction: Vec<f64>, slope: f64) -> Self {
        let mut search = Armijo {
            direction,
            slope,
            step: 1.0,
            trial: Vec::new(),
            shortenings: 0,
        };
        search.place(point, free);
        search
    }

    fn place(&mut self, point: &[f64], free: &[usize]) {
        self.trial = point.to_vec();
        for (index, change) in free.iter().zip(&self.direction) {
            self.trial[*index] += self.step * change;
        }
    }

    /// Whether the objective `after` the step is low enough below that `before` it.
    pub(super) fn is_sufficient(&self, before: f64, after: f64) -> bool {
        after <= before + SUFFICIENT * self.step * self.slope
    }

    /// The same search with a shorter step from `point`; `None` once it has been made shorter often enough.
    pub(super) fn shorter(mut self, point: &[f64], free: &[usize], before: f64, after: f64) -> Option<Self> {
        if self.shortenings == SHORTENINGS {
            return None;
        }
        self.step = shorter(self.step, self.slope, before, after);
        self.shortenings += 1;
        self.place(point, free);
        Some(self)
    }
}

/// Where a parabola through what is known is lowest, within a tenth and a half of the step.
fn shorter(step: f64, slope: f64, before: f64, after: f64) -> f64 {
    let lowest = -0.5 * slope * step * step / (after - before - slope * step);
    if lowest.is_finite() {
        lowest.clamp(0.1 * step, 0.5 * step)
    } else {
        0.1 * step
    }
}
