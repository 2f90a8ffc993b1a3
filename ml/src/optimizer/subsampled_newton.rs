//! Newton's method with the Hessian of a sample, as a conversation.
//!
//! The objective is first minimised over a sample of the rows, which costs a few hundredths of a pass a round. From there on
//! every round is one gradient over all rows; directions come from the Hessian of the sample, taken once, and from what the
//! steps since have shown of the true one (L-BFGS with that Hessian to start from). With n coordinates and m rows in the
//! sample the two Hessians differ by some √(n/m), so each round leaves about n/m of what there was to gain. After Byrd, Chin,
//! Neveitt and Nocedal, On the use of stochastic Hessian information in optimization methods for machine learning (SIAM J.
//! Optim. 21, 2011); where the minimum is, and when it is reached, is decided by all rows alone.

use serde::{Deserialize, Serialize};

use super::armijo::Armijo;
use super::curvature::CurvatureHistory;
use super::inverse_hessian::InverseHessian;
use super::newton::{Newton, SMALLEST_GRADIENT};
use super::{Evaluation, Optimizer, TerminationReason};
use crate::error::MlError;
use crate::kernel::RowSample;
use crate::lanes;

/// The sample's own minimum is some n/m away from that of all rows: no use to look for it more closely.
const SAMPLE_TOLERANCE: f64 = 1e-4;
const SAMPLE_ITERATIONS: usize = 100;
/// A sample that classes are separable in would let Newton's method run far out.
const SAMPLE_NEWTON_ITERATIONS: usize = 8;
/// Steps along which the gradient changed by less than this part of their product tell nothing of curvature.
const SMALLEST_CURVATURE: f64 = 1e-12;

/// A feature varies more than this in the rows that the Hessian is of, by what it varies in all: they are not like the others.
const LARGEST_VARIANCE: f64 = 2.0;
/// The least part of the curvature that the true one is taken for.
const SMALLEST_SHARE: f64 = 1e-3;

/// A minimisation in progress. It stops when the step that it would take next lowers the objective by no more than tol·|f|,
/// as far as the gradient and the model of the Hessian can tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubsampledNewton {
    /// The coordinates that are moved, ascending; the others stay where they start.
    free: Vec<usize>,
    max_iter: usize,
    tol: f64,
    sample: RowSample,
    /// The rows that the Hessian is of: the sample, or all where that is misleading.
    hessian_rows: u32,
    #[serde(with = "crate::float_serde::vector")]
    start: Vec<f64>,
    /// The sample's objective at the start.
    #[serde(with = "crate::float_serde::scalar")]
    start_value: f64,
    current: Option<Iterate>,
    history: CurvatureHistory,
    /// Where the Hessian was taken. It is not written down, since it may be large: it is asked for again.
    #[serde(with = "crate::float_serde::vector")]
    anchor: Vec<f64>,
    #[serde(skip)]
    inverse_hessian: Option<InverseHessian>,
    phase: Phase,
    #[serde(with = "crate::float_serde::vector")]
    objective_history: Vec<f64>,
    evaluations: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Iterate {
    #[serde(with = "crate::float_serde::vector")]
    point: Vec<f64>,
    #[serde(with = "crate::float_serde::scalar")]
    value: f64,
    /// Of the free coordinates.
    #[serde(with = "crate::float_serde::vector")]
    gradient: Vec<f64>,
    #[serde(with = "crate::float_serde::scalar")]
    gradient_norm: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    /// The sample's minimum is looked for.
    Sample(SampleMinimizer),
    /// The first gradient over all rows, with the sample's Hessian.
    Anchor {
        is_warm: bool,
    },
    Search(Armijo),
    Done(TerminationReason),
}

/// How the sample's minimum is looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SampleMinimizer {
    /// Few rounds, each with second derivatives.
    Newton(Newton),
    /// Where second derivatives cost too much.
    Lbfgs(Box<Optimizer>),
}

impl SampleMinimizer {
    fn ask(&self) -> Option<&[f64]> {
        match self {
            SampleMinimizer::Newton(newton) => newton.ask(),
            SampleMinimizer::Lbfgs(optimizer) => optimizer.ask(),
        }
    }

    fn tell(&mut self, evaluation: Evaluation) -> Result<(), MlError> {
        match self {
            SampleMinimizer::Newton(newton) => newton.tell(evaluation),
            SampleMinimizer::Lbfgs(optimizer) => optimizer.tell(evaluation),
        }
    }

    fn point(&self) -> &[f64] {
        match self {
            SampleMinimizer::Newton(newton) => newton.point(),
            SampleMinimizer::Lbfgs(optimizer) => optimizer.point(),
        }
    }
}

impl SubsampledNewton {
    /// Starts at `point`; only the `free` coordinates, ascending, are moved. The first `sample_rows` rows of each block are the
    /// sample; its minimum is looked for by Newton's method, or if that is `costly` by L-BFGS.
    ///
    /// # Errors
    /// None that can happen: see [`Optimizer::new`].
    pub fn new(
        point: Vec<f64>,
        free: Vec<usize>,
        sample_rows: u32,
        costly: bool,
        max_iter: usize,
        tol: f64,
    ) -> Result<Self, MlError> {
        let (start, tolerance) = (point.clone(), tol.max(SAMPLE_TOLERANCE));
        let minimizer = match costly {
            true => SampleMinimizer::Lbfgs(Box::new(Optimizer::new(
                point,
                None,
                SAMPLE_ITERATIONS,
                tolerance,
            )?)),
            false => SampleMinimizer::Newton(Newton::new(
                point,
                free.clone(),
                SAMPLE_NEWTON_ITERATIONS,
                tolerance,
            )),
        };
        let phase = match max_iter {
            0 => Phase::Anchor { is_warm: false },
            _ => Phase::Sample(minimizer),
        };
        Ok(SubsampledNewton {
            free,
            max_iter,
            tol,
            sample: RowSample {
                gradient: sample_rows,
                hessian: sample_rows,
            },
            hessian_rows: sample_rows,
            anchor: start.clone(),
            start,
            start_value: f64::NAN,
            current: None,
            history: CurvatureHistory::default(),
            inverse_hessian: None,
            phase,
            objective_history: Vec::new(),
            evaluations: 0,
        })
    }

    /// Returns the point at which the objective is wanted and the rows that count; `None` when finished.
    pub fn ask(&self) -> Option<(&[f64], RowSample)> {
        match &self.phase {
            Phase::Sample(minimizer) => {
                let rows = match minimizer {
                    SampleMinimizer::Newton(_) => self.sample,
                    SampleMinimizer::Lbfgs(_) => RowSample {
                        hessian: 0,
                        ..self.sample
                    },
                };
                Some((minimizer.ask()?, rows))
            }
            Phase::Anchor { .. } => {
                let hessian = self.hessian_rows;
                Some((
                    &self.anchor,
                    RowSample {
                        hessian,
                        ..RowSample::GRADIENT
                    },
                ))
            }
            Phase::Search(_) if self.inverse_hessian.is_none() => {
                let (gradient, hessian) = (self.hessian_rows, self.hessian_rows);
                Some((&self.anchor, RowSample { gradient, hessian }))
            }
            Phase::Search(search) => Some((&search.trial, RowSample::GRADIENT)),
            Phase::Done(_) => None,
        }
    }

    /// Takes the objective at the point asked for, over the rows asked for.
    ///
    /// # Errors
    /// [`MlError::TrainingFinished`] if nothing was asked for; [`MlError::Shape`] for a gradient or Hessian of another size.
    pub fn tell(&mut self, evaluation: Evaluation) -> Result<(), MlError> {
        let (point, rows) = self.ask().ok_or(MlError::TrainingFinished)?;
        let n = self.free.len();
        let hessian = if rows.hessian == 0 { 0 } else { n * (n + 1) / 2 };
        for (what, expected, got) in [
            ("gradient", point.len(), evaluation.gradient.len()),
            ("Hessian", hessian, evaluation.hessian.len()),
        ] {
            if expected != got {
                return Err(MlError::Shape { what, expected, got });
            }
        }
        self.evaluations += 1;
        match std::mem::replace(&mut self.phase, Phase::Done(TerminationReason::SearchFailed)) {
            Phase::Sample(minimizer) => return self.tell_sample(minimizer, evaluation),
            Phase::Anchor { is_warm } => self.tell_anchor(is_warm, evaluation),
            // Read back: the Hessian is at hand again.
            search @ Phase::Search(_) if self.inverse_hessian.is_none() => {
                self.inverse_hessian = Some(InverseHessian::of(&evaluation.hessian, n));
                self.phase = search;
            }
            Phase::Search(search) => {
                let Some(current) = &self.current else {
                    return Err(MlError::TrainingFinished);
                };
                let (before, after) = (current.value, evaluation.loss);
                if search.is_sufficient(before, after) {
                    let curvature = self.true_curvature(&search, &evaluation.gradient);
                    self.accept(search.trial, evaluation, Some(curvature));
                } else if let Some(search) = search.shorter(&current.point, &self.free, before, after) {
                    self.phase = Phase::Search(search);
                }
            }
            Phase::Done(_) => return Err(MlError::TrainingFinished),
        }
        Ok(())
    }

    /// The curvature that a step has met, as a part of what it was taken for; at most 1. A sample may show much more than
    /// there is: then steps are too short, and what is left to gain looks less than it is.
    fn true_curvature(&self, search: &Armijo, gradient: &[f64]) -> f64 {
        let here: Vec<f64> = self.free.iter().map(|index| gradient[*index]).collect();
        let change = lanes::dot(&search.direction, &here) - search.slope;
        (change / (search.step * -search.slope)).clamp(SMALLEST_SHARE, 1.0)
    }

    fn tell_sample(&mut self, mut minimizer: SampleMinimizer, evaluation: Evaluation) -> Result<(), MlError> {
        if self.start_value.is_nan() {
            self.start_value = evaluation.loss;
        }
        minimizer.tell(evaluation)?;
        self.phase = match minimizer.ask() {
            Some(_) => Phase::Sample(minimizer),
            None => {
                self.anchor = minimizer.point().to_vec();
                Phase::Anchor { is_warm: true }
            }
        };
        Ok(())
    }

    fn tell_anchor(&mut self, is_warm: bool, evaluation: Evaluation) {
        // A sample that tells less than nothing.
        let is_worse = evaluation.loss.is_nan() || evaluation.loss > self.start_value;
        if is_warm && is_worse {
            self.anchor.clone_from(&self.start);
            self.phase = Phase::Anchor { is_warm: false };
            return;
        }
        // With too much curvature steps are too short, and what is left to gain looks less than it is.
        if evaluation.variance > LARGEST_VARIANCE && self.hessian_rows != u32::MAX {
            self.hessian_rows = u32::MAX;
            self.phase = Phase::Anchor { is_warm: false };
            return;
        }
        self.inverse_hessian = Some(InverseHessian::of(&evaluation.hessian, self.free.len()));
        self.accept(self.anchor.clone(), evaluation, None);
    }

    /// `curvature` is what the step to this point has shown of the true curvature, as a part of what it was taken for.
    fn accept(&mut self, point: Vec<f64>, evaluation: Evaluation, curvature: Option<f64>) {
        let iteration = self.objective_history.len();
        let value = evaluation.loss;
        self.objective_history.push(value);
        let gradient_norm = lanes::norm(&evaluation.gradient);
        let gradient: Vec<f64> = self
            .free
            .iter()
            .map(|index| evaluation.gradient[*index])
            .collect();
        let now = Iterate {
            point,
            value,
            gradient,
            gradient_norm,
        };
        if let Some(before) = &self.current {
            remember(&mut self.history, before, &now, &self.free);
        }
        let (direction, slope) = self.direction(&now.gradient);
        self.current = Some(now);
        let tolerance = self.tol * value.abs();
        self.phase = Phase::Done(if iteration >= self.max_iter {
            TerminationReason::MaxIterations
        } else if gradient_norm <= tolerance.max(SMALLEST_GRADIENT) {
            TerminationReason::GradientConverged
        } else if curvature.is_some_and(|curvature| -0.5 * slope / curvature <= tolerance) {
            TerminationReason::FunctionValueConverged
        } else {
            self.search(direction, slope);
            return;
        });
    }

    /// A direction over the free coordinates, and the slope along it.
    fn direction(&mut self, gradient: &[f64]) -> (Vec<f64>, f64) {
        let downhill = |history: &CurvatureHistory| {
            let mut direction = history.apply(gradient, |x| {
                if let Some(inverse) = &self.inverse_hessian {
                    inverse.apply(x);
                }
            });
            direction.iter_mut().for_each(|d| *d = -*d);
            let slope = lanes::dot(&direction, gradient);
            (direction, slope)
        };
        let (direction, slope) = downhill(&self.history);
        if slope < 0.0 {
            return (direction, slope);
        }
        // Rounding has made the history useless.
        let none = CurvatureHistory::default();
        let found = downhill(&none);
        self.history = none;
        found
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

    /// Returns the best point so far; the start point before the first evaluation over all rows.
    pub fn point(&self) -> &[f64] {
        self.current
            .as_ref()
            .map_or(&self.start, |current| &current.point)
    }

    /// Returns the objective over all rows of each point that was taken, from the sample's minimum on.
    pub fn objective_history(&self) -> &[f64] {
        &self.objective_history
    }

    /// Returns how often the objective was evaluated, over the sample or over all rows.
    pub fn evaluations(&self) -> usize {
        self.evaluations
    }

    /// Returns the gradient's norm at the best point so far; `None` before the first evaluation over all rows.
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

/// Keeps what a step has shown of the curvature.
fn remember(history: &mut CurvatureHistory, before: &Iterate, now: &Iterate, free: &[usize]) {
    let step: Vec<f64> = free
        .iter()
        .map(|index| now.point[*index] - before.point[*index])
        .collect();
    let change: Vec<f64> = now
        .gradient
        .iter()
        .zip(&before.gradient)
        .map(|(a, b)| a - b)
        .collect();
    let curvature = lanes::dot(&step, &change);
    if curvature > SMALLEST_CURVATURE * lanes::norm(&step) * lanes::norm(&change) {
        history.push(step, change);
    }
}
