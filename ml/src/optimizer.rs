//! The optimiser, as a conversation: [`ask`](Optimizer::ask) where the objective is wanted, and
//! [`tell`](Optimizer::tell) what it is there.
//!
//! It is plain data with no thread and no closure inside, so a training can be written down between two rounds and
//! resumed with the same bits. It reproduces Breeze 2.1, which Spark uses: L-BFGS with a strong Wolfe line search
//! (`lbfgs`), or with an L1 penalty OWL-QN with a backtracking one (`owlqn`); both share the life of an
//! iteration told here (`breeze.optimize.FirstOrderMinimizer`). An accepted point is never evaluated again.

use serde::{Deserialize, Serialize};

use crate::error::MlError;
use crate::lanes;

mod armijo;
mod backtracking;
mod curvature;
mod inverse_hessian;
mod lbfgs;
mod newton;
mod owlqn;
mod strong_wolfe;
mod subsampled_newton;
mod termination;

use backtracking::Backtracking;
use curvature::CurvatureHistory;
pub use newton::Newton;
use strong_wolfe::StrongWolfe;
pub use subsampled_newton::SubsampledNewton;
use termination::StopRule;
pub use termination::TerminationReason;

/// Pairs of steps and gradient changes remembered (Spark's m).
pub const MEMORY: usize = 10;

/// The objective at a point.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Mean loss plus L2 penalty, without L1.
    pub loss: f64,
    /// Its gradient.
    pub gradient: Vec<f64>,
    /// For [`Newton`] and [`SubsampledNewton`], where they ask for it: the lower triangle of its Hessian over the coordinates that are free, row by row; else empty.
    pub hessian: Vec<f64>,
    /// The largest variance of a feature over the rows that the Hessian is of, each weighted by its curvature, as a part of
    /// the variance over all rows; 0 without a Hessian.
    pub variance: f64,
}

/// A minimisation in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Optimizer {
    /// L1 strength of each coordinate; `None` for L-BFGS, `Some` for OWL-QN.
    #[serde(with = "crate::float_serde::packed::option")]
    l1: Option<Vec<f64>>,
    stop_rule: StopRule,
    history: CurvatureHistory,
    current: Option<Iterate>,
    phase: Phase,
    iteration: usize,
    failed_before: bool,
    search_failed: bool,
    #[serde(with = "crate::float_serde::packed")]
    objective_history: Vec<f64>,
    evaluations: usize,
}

/// An accepted point and what is known there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Iterate {
    #[serde(with = "crate::float_serde::packed")]
    point: Vec<f64>,
    /// Without L1.
    #[serde(with = "crate::float_serde::scalar")]
    value: f64,
    /// Without L1.
    #[serde(with = "crate::float_serde::packed")]
    gradient: Vec<f64>,
    /// With L1.
    #[serde(with = "crate::float_serde::scalar")]
    adjusted_value: f64,
    /// The pseudo-gradient: with L1.
    #[serde(with = "crate::float_serde::packed")]
    adjusted_gradient: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    /// The start point is to be evaluated.
    Start {
        #[serde(with = "crate::float_serde::packed")]
        point: Vec<f64>,
    },
    /// A line search wants the objective at `trial`.
    Search {
        #[serde(with = "crate::float_serde::packed")]
        direction: Vec<f64>,
        #[serde(with = "crate::float_serde::packed")]
        trial: Vec<f64>,
        search: LineSearch,
    },
    Done(TerminationReason),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LineSearch {
    StrongWolfe(StrongWolfe),
    Backtracking(Backtracking),
}

/// What a line search says after an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Evaluate at the search's new step.
    Continue,
    /// The step just evaluated is taken.
    Accepted,
    /// No step was found.
    Failed,
}

/// A line search or direction that cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SearchFailure;

impl Optimizer {
    /// Starts at `point`. With `l1`, one strength ≥ 0 for each coordinate, OWL-QN is used, otherwise L-BFGS.
    ///
    /// # Errors
    /// [`MlError::Shape`] if `l1` has another length than `point`.
    pub fn new(point: Vec<f64>, l1: Option<Vec<f64>>, max_iter: usize, tol: f64) -> Result<Self, MlError> {
        if let Some(l1) = l1.as_ref().filter(|l1| l1.len() != point.len()) {
            return Err(MlError::Shape {
                what: "L1 strengths",
                expected: point.len(),
                got: l1.len(),
            });
        }
        Ok(Optimizer {
            l1,
            stop_rule: StopRule::new(max_iter, tol),
            history: CurvatureHistory::default(),
            current: None,
            phase: Phase::Start { point },
            iteration: 0,
            failed_before: false,
            search_failed: false,
            objective_history: Vec::new(),
            evaluations: 0,
        })
    }

    /// Returns the point at which the objective is wanted; `None` when finished.
    pub fn ask(&self) -> Option<&[f64]> {
        match &self.phase {
            Phase::Start { point } => Some(point),
            Phase::Search { trial, .. } => Some(trial),
            Phase::Done(_) => None,
        }
    }

    /// Takes the objective at the point asked for.
    ///
    /// # Errors
    /// [`MlError::TrainingFinished`] if nothing was asked for, [`MlError::Shape`] for a gradient of another length.
    pub fn tell(&mut self, evaluation: Evaluation) -> Result<(), MlError> {
        let expected = self.ask().ok_or(MlError::TrainingFinished)?.len();
        let got = evaluation.gradient.len();
        if expected != got {
            return Err(MlError::Shape {
                what: "gradient",
                expected,
                got,
            });
        }
        self.evaluations += 1;
        // `Done` is only a placeholder here: every arm and `start_iteration` set the phase anew.
        match std::mem::replace(&mut self.phase, Phase::Done(TerminationReason::SearchFailed)) {
            Phase::Start { point } => {
                let start = self.iterate(point, evaluation);
                self.stop_rule.start(start.adjusted_value);
                self.objective_history.push(start.adjusted_value);
                self.current = Some(start);
            }
            Phase::Search {
                direction,
                trial,
                mut search,
            } => {
                let candidate = self.iterate(trial, evaluation);
                let slope = lanes::dot(&candidate.adjusted_gradient, &direction);
                match search.tell(candidate.adjusted_value, slope) {
                    Progress::Continue => {
                        let trial = self.trial(&direction, search.step());
                        self.phase = Phase::Search {
                            direction,
                            trial,
                            search,
                        };
                        return Ok(());
                    }
                    Progress::Accepted if !self.underflows(search.step()) => self.accept(candidate),
                    Progress::Accepted | Progress::Failed => self.fail(),
                }
            }
            Phase::Done(_) => return Err(MlError::TrainingFinished),
        }
        self.start_iteration();
        Ok(())
    }

    /// Returns the best point so far; the start point before the first evaluation.
    pub fn point(&self) -> &[f64] {
        match (&self.current, &self.phase) {
            (Some(current), _) => &current.point,
            (None, Phase::Start { point }) => point,
            (None, _) => &[],
        }
    }

    /// Returns the number of states after the first: Spark's `totalIterations`.
    pub fn iterations(&self) -> usize {
        self.objective_history.len().saturating_sub(1)
    }

    /// Returns the objective, L1 included, of each state; a failed line search repeats the last value.
    pub fn objective_history(&self) -> &[f64] {
        &self.objective_history
    }

    /// Returns how often the objective was evaluated.
    pub fn evaluations(&self) -> usize {
        self.evaluations
    }

    /// Returns ‖g̃‖₂ at the best point so far; `None` before the first evaluation.
    pub fn gradient_norm(&self) -> Option<f64> {
        self.current
            .as_ref()
            .map(|current| lanes::norm(&current.adjusted_gradient))
    }

    /// Returns why the minimisation finished; `None` while it has not.
    pub fn termination(&self) -> Option<TerminationReason> {
        match self.phase {
            Phase::Done(reason) => Some(reason),
            _ => None,
        }
    }

    /// Finishes, or finds a direction and asks for the first step along it. A failure on the way is a state of its
    /// own (Breeze), hence the loop; two failures in a row finish.
    fn start_iteration(&mut self) {
        while let Some(current) = &self.current {
            let norm = lanes::norm(&current.adjusted_gradient);
            let stop = self
                .stop_rule
                .check(self.iteration, current.adjusted_value, norm, self.search_failed);
            if let Some(reason) = stop {
                self.phase = Phase::Done(reason);
                return;
            }
            match self.start_search(current) {
                Ok((direction, search)) => {
                    let trial = self.trial(&direction, search.step());
                    self.phase = Phase::Search {
                        direction,
                        trial,
                        search,
                    };
                    return;
                }
                Err(SearchFailure) => self.fail(),
            }
        }
    }

    fn start_search(&self, current: &Iterate) -> Result<(Vec<f64>, LineSearch), SearchFailure> {
        let mut direction = self.history.descent_direction(&current.adjusted_gradient)?;
        let first = self.iteration == 0;
        let search = if self.l1.is_some() {
            owlqn::keep_descent(&mut direction, &current.adjusted_gradient);
            let slope = lanes::dot(&current.adjusted_gradient, &direction);
            let step = owlqn::first_step(first, &current.gradient);
            let (value, adjusted) = (current.value, current.adjusted_value);
            LineSearch::Backtracking(Backtracking::new(adjusted, slope, value, step, first))
        } else {
            let slope = lanes::dot(&current.gradient, &direction);
            let step = lbfgs::first_step(first, &direction);
            LineSearch::StrongWolfe(StrongWolfe::new(current.value, slope, step)?)
        };
        Ok((direction, search))
    }

    fn iterate(&self, point: Vec<f64>, evaluation: Evaluation) -> Iterate {
        let Evaluation {
            loss: value,
            gradient,
            ..
        } = evaluation;
        let (adjusted_value, adjusted_gradient) = match &self.l1 {
            Some(l1) => (
                owlqn::adjusted_value(&point, value, l1),
                owlqn::pseudo_gradient(&point, &gradient, l1),
            ),
            None => (value, gradient.clone()),
        };
        Iterate {
            point,
            value,
            gradient,
            adjusted_value,
            adjusted_gradient,
        }
    }

    fn trial(&self, direction: &[f64], step: f64) -> Vec<f64> {
        match &self.current {
            Some(current) if self.l1.is_some() => {
                owlqn::step(&current.point, &current.adjusted_gradient, direction, step)
            }
            Some(current) => lbfgs::step(&current.point, direction, step),
            None => Vec::new(),
        }
    }

    /// Breeze's L-BFGS gives up on steps that change nothing any more; its OWL-QN does not look.
    fn underflows(&self, step: f64) -> bool {
        let gradient = self
            .current
            .as_ref()
            .map(|current| current.gradient.as_slice())
            .unwrap_or_default();
        self.l1.is_none() && step * lanes::norm(gradient) < lbfgs::SMALLEST_MOVE
    }

    fn accept(&mut self, next: Iterate) {
        if let Some(current) = &self.current {
            let change = |new: &[f64], old: &[f64]| new.iter().zip(old).map(|(new, old)| new - old).collect();
            let step = change(&next.point, &current.point);
            // OWL-QN too remembers plain gradients: the L1 term has no curvature.
            self.history.push(step, change(&next.gradient, &current.gradient));
        }
        self.stop_rule.observe(next.adjusted_value);
        self.objective_history.push(next.adjusted_value);
        self.current = Some(next);
        self.iteration += 1;
        self.failed_before = false;
    }

    fn fail(&mut self) {
        if let Some(current) = &self.current {
            self.objective_history.push(current.adjusted_value);
        }
        if self.failed_before {
            self.search_failed = true;
        } else {
            self.failed_before = true;
            self.history = CurvatureHistory::default();
        }
    }
}

impl LineSearch {
    fn step(&self) -> f64 {
        match self {
            LineSearch::StrongWolfe(search) => search.step(),
            LineSearch::Backtracking(search) => search.step(),
        }
    }

    fn tell(&mut self, value: f64, slope: f64) -> Progress {
        match self {
            LineSearch::StrongWolfe(search) => search.tell(value, slope),
            LineSearch::Backtracking(search) => search.tell(value, slope),
        }
    }
}
