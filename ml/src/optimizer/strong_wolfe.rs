//! The line search of L-BFGS: a step t with the strong Wolfe conditions
//! φ(t) ≤ φ(0) + c₁·t·φ′(0) and |φ′(t)| ≤ c₂·|φ′(0)|, where φ(t) = f(x + t·d)
//! (`breeze.optimize.StrongWolfeLineSearch`; Nocedal & Wright, algorithms 3.5 and 3.6).
//!
//! First the step grows until a bracket is known to hold such a step, then the bracket is narrowed ("zoom") by
//! cubic interpolation.

use serde::{Deserialize, Serialize};

use super::{Progress, SearchFailure};

const C1: f64 = 1e-4;
const C2: f64 = 0.9;
const MAX_BRACKETINGS: u32 = 10;
const MAX_ZOOMS: u32 = 10;

/// A strong Wolfe search in progress; it wants φ and φ′ at [`step`](StrongWolfe::step).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StrongWolfe {
    start: Sample,
    stage: Stage,
    tries: u32,
    #[serde(with = "crate::float_serde::scalar")]
    step: f64,
}

/// φ and φ′ at one t.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Sample {
    #[serde(with = "crate::float_serde::scalar")]
    step: f64,
    #[serde(with = "crate::float_serde::scalar")]
    value: f64,
    #[serde(with = "crate::float_serde::scalar")]
    slope: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// `low` is the last step that was still too short.
    Bracket { low: Sample },
    /// A good step lies between the two; `low` has the smaller value.
    Zoom { low: Sample, high: Sample },
}

impl StrongWolfe {
    /// Starts with φ(0), φ′(0) and the first step to try.
    ///
    /// # Errors
    /// [`SearchFailure`] if φ′(0) > 0: the direction does not descend.
    pub(super) fn new(value: f64, slope: f64, step: f64) -> Result<Self, SearchFailure> {
        if slope > 0.0 {
            return Err(SearchFailure);
        }
        let start = Sample {
            step: 0.0,
            value,
            slope,
        };
        Ok(StrongWolfe {
            start,
            stage: Stage::Bracket { low: start },
            tries: 0,
            step,
        })
    }

    pub(super) fn step(&self) -> f64 {
        self.step
    }

    /// Takes φ and φ′ at [`step`](StrongWolfe::step).
    pub(super) fn tell(&mut self, value: f64, slope: f64) -> Progress {
        let sample = Sample {
            step: self.step,
            value,
            slope,
        };
        match self.stage {
            Stage::Bracket { low } => self.bracket(low, sample),
            Stage::Zoom { low, high } => self.zoom(low, high, sample),
        }
    }

    fn bracket(&mut self, low: Sample, sample: Sample) -> Progress {
        let first = self.tries == 0;
        self.tries += 1;
        if !sample.value.is_finite() {
            self.step /= 2.0;
        } else if self.rises(sample) || (sample.value >= low.value && !first) {
            return self.start_zoom(low, sample);
        } else if self.is_flat(sample) {
            return Progress::Accepted;
        } else if sample.slope >= 0.0 {
            return self.start_zoom(sample, low);
        } else {
            self.stage = Stage::Bracket { low: sample };
            self.step *= 1.5;
        }
        if self.tries == MAX_BRACKETINGS {
            Progress::Failed
        } else {
            Progress::Continue
        }
    }

    fn start_zoom(&mut self, low: Sample, high: Sample) -> Progress {
        self.tries = 0;
        self.narrow(low, high)
    }

    fn zoom(&mut self, low: Sample, high: Sample, sample: Sample) -> Progress {
        self.tries += 1;
        let (low, high) = if self.rises(sample) || sample.value >= low.value {
            (low, sample)
        } else if self.is_flat(sample) {
            return Progress::Accepted;
        } else if sample.slope * (high.step - low.step) >= 0.0 {
            (sample, low)
        } else {
            (sample, high)
        };
        if self.tries == MAX_ZOOMS {
            Progress::Failed
        } else {
            self.narrow(low, high)
        }
    }

    fn narrow(&mut self, low: Sample, high: Sample) -> Progress {
        self.stage = Stage::Zoom { low, high };
        self.step = if low.step > high.step {
            interpolate(high, low)
        } else {
            interpolate(low, high)
        };
        if self.step.is_nan() {
            Progress::Failed
        } else {
            Progress::Continue
        }
    }

    /// The first Wolfe condition is broken.
    fn rises(&self, sample: Sample) -> bool {
        sample.value > self.start.value + C1 * sample.step * self.start.slope
    }

    /// The second Wolfe condition holds.
    fn is_flat(&self, sample: Sample) -> bool {
        sample.slope.abs() <= C2 * self.start.slope.abs()
    }
}

/// Returns the minimum of the cubic through both samples (Nocedal & Wright, equation 3.59), kept off the ends by a
/// tenth of the bracket; NaN if the cubic has none.
fn interpolate(left: Sample, right: Sample) -> f64 {
    let width = right.step - left.step;
    let d1 = left.slope + right.slope - 3.0 * (left.value - right.value) / (left.step - right.step);
    let d2 = (d1 * d1 - left.slope * right.slope).sqrt();
    let minimum = right.step - width * (right.slope + d2 - d1) / (right.slope - left.slope + 2.0 * d2);
    let (lower, upper) = (left.step + 0.1 * width, left.step + 0.9 * width);
    if minimum < lower {
        lower
    } else if minimum > upper {
        upper
    } else {
        minimum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a search on `phi`, which returns value and slope, and returns the accepted step and the tries.
    fn search(phi: impl Fn(f64) -> (f64, f64), first: f64) -> Option<(f64, u32)> {
        let (value, slope) = phi(0.0);
        let mut search = StrongWolfe::new(value, slope, first).ok()?;
        for tries in 1..=30 {
            let (value, slope) = phi(search.step());
            match search.tell(value, slope) {
                Progress::Continue => {}
                Progress::Accepted => return Some((search.step(), tries)),
                Progress::Failed => return None,
            }
        }
        panic!("a search ends after 20 tries")
    }

    #[test]
    fn a_parabola_is_solved_by_its_cubic() {
        let phi = |t: f64| ((t - 1.0) * (t - 1.0), 2.0 * (t - 1.0));
        let (step, tries) = search(phi, 10.0).expect("there is a minimum");
        assert!((step - 1.0).abs() < 1e-12, "{step}");
        assert_eq!(tries, 2);
    }

    #[test]
    fn a_short_first_step_grows_and_an_infinite_value_shrinks() {
        let phi = |t: f64| ((t - 1.0) * (t - 1.0), 2.0 * (t - 1.0));
        let (step, tries) = search(phi, 0.05).expect("there is a minimum");
        assert!(tries == 3 && (step - 0.1125).abs() < 1e-15, "{step} {tries}");
        let wall = |t: f64| {
            if t > 2.0 {
                (f64::INFINITY, f64::NAN)
            } else {
                phi(t)
            }
        };
        assert_eq!(search(wall, 6.0).expect("there is a minimum").0, 1.5);
    }

    #[test]
    fn what_never_descends_fails() {
        assert_eq!(search(|_| (1.0, 1.0), 1.0), None);
        assert_eq!(search(|t| (-t, -1.0), 1.0), None, "unbounded");
        assert_eq!(
            search(|t| (t.min(0.0) + if t > 0.0 { 1.0 } else { 0.0 }, -1.0), 1.0),
            None,
            "a jump"
        );
    }
}
