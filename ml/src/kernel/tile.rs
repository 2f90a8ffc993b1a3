//! What the kernels of both families share: columns by their type, the rows of a tile that count, and sums in lanes.

use crate::block::{Block, Values};
use crate::lanes::{self, LANES};
use crate::partial::Partial;

/// Runs an expression with the slice of a column, whatever its type.
macro_rules! typed {
    ($values:expr, $slice:ident => $work:expr) => {
        match $values {
            Values::Single($slice) => $work,
            Values::Double($slice) => $work,
        }
    };
}
pub(super) use typed;

/// The same number of eight rows.
pub(super) type Lanes = [f64; LANES];

/// Copies the features of a tile: index = chunk·width + feature.
#[inline(always)]
pub(super) fn interleave(columns: &[Values], start: usize, features: &mut [Lanes]) {
    let width = columns.len();
    for (feature, values) in columns.iter().enumerate() {
        typed!(values, x => place(&x[start..], width, &mut features[feature..]));
    }
}

#[inline(always)]
fn place<T: Copy + Into<f64>>(x: &[T], width: usize, features: &mut [Lanes]) {
    // Not `step_by`, which is not always compiled into its caller.
    for (into, x) in features.chunks_mut(width).zip(x.as_chunks::<LANES>().0) {
        into[0] = x.map(Into::into);
    }
}

/// Sums in lanes, over all tiles of a block: row i of the block belongs to lane i mod 8, so the size of a tile plays no
/// part.
pub(super) struct Scratch {
    classes: usize,
    /// Index = feature·classes + class.
    pub(super) features: Vec<Lanes>,
    totals: Vec<Lanes>,
    loss: Lanes,
}

impl Scratch {
    pub(super) fn new(width: usize, classes: usize) -> Self {
        Scratch {
            classes,
            features: vec![[0.0; LANES]; width * classes],
            totals: vec![[0.0; LANES]; classes],
            loss: [0.0; LANES],
        }
    }

    #[inline(always)]
    pub(super) fn add_losses(&mut self, losses: &[f64]) {
        self.loss = add(self.loss, losses);
    }

    #[inline(always)]
    pub(super) fn add_totals(&mut self, class: usize, multipliers: &[f64]) {
        self.totals[class] = add(self.totals[class], multipliers);
    }

    /// Adds the sums to a partial of the block's shape. `columns` says which feature each column is, if not all are columns.
    #[inline(always)]
    pub(super) fn add_to(&self, partial: &mut Partial, columns: Option<&[u32]>) {
        let features = partial.gradient_sum.len() - self.classes;
        let (features, totals) = partial.gradient_sum.split_at_mut(features);
        match columns {
            None => {
                for (sum, of_lanes) in features.iter_mut().zip(&self.features) {
                    *sum += lanes::add_lanes(*of_lanes);
                }
            }
            Some(columns) => {
                for (feature, of_classes) in columns.iter().zip(self.features.chunks_exact(self.classes)) {
                    let sums = &mut features[*feature as usize * self.classes..];
                    for (sum, of_lanes) in sums.iter_mut().zip(of_classes) {
                        *sum += lanes::add_lanes(*of_lanes);
                    }
                }
            }
        }
        for (sum, of_lanes) in totals.iter_mut().zip(&self.totals) {
            *sum += lanes::add_lanes(*of_lanes);
        }
        partial.loss_sum += lanes::add_lanes(self.loss);
    }
}

#[inline(always)]
fn add(mut sums: Lanes, values: &[f64]) -> Lanes {
    for values in values.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            sums[lane] += values[lane];
        }
    }
    sums
}

/// The factor is rounded once, as that of a column of weights.
#[inline(always)]
fn weigh_by_class(block: &Block, class_weights: &[f64], start: usize, values: &mut [f64]) {
    for (row, value) in (start..block.rows()).zip(values) {
        *value *= block.weight_by(class_weights, row);
    }
}

#[inline(always)]
fn multiply<T: Copy + Into<f64>>(values: &mut [f64], weights: &[T]) {
    for (value, weight) in values.iter_mut().zip(weights) {
        *value *= (*weight).into();
    }
}

/// Multiplies losses and multipliers by the rows' weights, and leaves out the rows that fill the last lanes.
#[inline(always)]
pub(super) fn weigh(block: &Block, class_weights: &[f64], start: usize, values: &mut [f64]) {
    if !class_weights.is_empty() {
        weigh_by_class(block, class_weights, start, values);
    } else if let Some(weights) = block.weight_values() {
        typed!(weights, weights => multiply(values, &weights[start..]));
    }
    if let Some(padding) = block
        .rows()
        .checked_sub(start)
        .filter(|rows| *rows < values.len())
    {
        values[padding..].fill(0.0);
    }
}
