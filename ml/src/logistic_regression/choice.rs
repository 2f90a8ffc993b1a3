//! Which solver, where it is left to us.
//!
//! A round of L-BFGS costs one gradient, one of Newton's method as much more as there are second derivatives for each
//! derivative. With a sample both are rare: some three gradients over all rows, and work on a few hundredths of them. What
//! was measured is in `docs/benchmarks.md`.

use super::objective::Objective;
use super::params::Solver;
use crate::block::BLOCK_ROWS;
use crate::kernel::{class_pairs, triangle};
use crate::lanes::LANES;

/// Most second derivatives that are sent around: 2 MiB.
const MOST_SECOND_DERIVATIVES: usize = 1 << 18;
/// Second derivatives for each derivative from which L-BFGS finds the sample's minimum sooner.
const COSTLY_HESSIAN: usize = 64;
/// A sample has this many rows for each coordinate that is moved, and at least this part of all and this many.
const SAMPLE_ROWS_PER_COORDINATE: u64 = 40;
const SAMPLE_SHARE: u64 = 50;
const LEAST_SAMPLE: u64 = 4096;
/// A sample that would be more than this part of all rows is no use.
const LARGEST_SAMPLE_SHARE: u64 = 4;

/// A solver and what it needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    /// Never [`Solver::Auto`].
    pub(super) solver: Solver,
    /// Rows of each block that are the sample.
    pub(super) sample_rows: u32,
    /// Whether second derivatives take much longer than the gradient.
    pub(super) is_hessian_costly: bool,
}

impl Choice {
    /// Chooses for `rows` rows; a solver that was asked for is kept.
    pub(super) fn new(objective: &Objective, wanted: Solver, rows: u64) -> Self {
        let (classes, width) = (objective.coefficient_rows(), objective.width());
        let second_derivatives = class_pairs(classes).saturating_mul(triangle(width));
        let is_hessian_costly = second_derivatives > COSTLY_HESSIAN * classes * (width + 1);
        let coordinates = match wanted {
            // With millions of features it is no use to list them.
            Solver::Spark | Solver::Lbfgs | Solver::Owlqn => 0,
            _ => objective.free_coordinates().len() as u64,
        };
        let sample = (SAMPLE_ROWS_PER_COORDINATE * coordinates)
            .max(rows / SAMPLE_SHARE)
            .max(LEAST_SAMPLE);
        let solver = match wanted {
            Solver::Auto if objective.l1().is_some() => Solver::Owlqn,
            Solver::Auto if second_derivatives > MOST_SECOND_DERIVATIVES => Solver::Lbfgs,
            Solver::Auto if sample * LARGEST_SAMPLE_SHARE <= rows => Solver::SubsampledNewton,
            Solver::Auto if is_hessian_costly => Solver::Lbfgs,
            Solver::Auto => Solver::Newton,
            asked_for => asked_for,
        };
        let block_rows = (BLOCK_ROWS as u64 * sample).div_ceil(rows.max(1));
        Choice {
            solver,
            sample_rows: (block_rows as u32).next_multiple_of(LANES as u32),
            is_hessian_costly,
        }
    }
}
