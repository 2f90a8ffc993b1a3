//! Loss and gradient of the binomial family: one margin a row, so the pass is bound by memory. The columns of a tile are
//! read in long runs, four at a time, and while the tile is still in a cache, once more for the gradient. The second time
//! goes along with the first time of the next tile: while the one waits for memory, the other computes.

use super::columns;
use super::hessian::Triangle;
use super::math;
use super::sparse::{Elements, column_coefficients};
use super::tile::{Lanes, LossSum, Scratch, interleave, is_alike, typed, weigh};
use crate::block::{Block, SparseRows, Values};
use crate::kernel::KernelCoefficients;
use crate::lanes::LANES;
use crate::partial::Partial;

/// Bytes of features in a tile: two of them stay in a second-level cache.
const TILE_BYTES: usize = 64 << 10;
const LEAST_TILE_ROWS: usize = 64;
/// Bytes of doubles of which second derivatives are made at a time.
const INTERLEAVED_BYTES: usize = 64 << 10;

/// Adds the rows of a block from `first` on, where a lane begins, to a partial of its shape.
#[inline(always)]
pub(super) fn accumulate(
    partial: &mut Partial,
    block: &Block,
    coefficients: &KernelCoefficients,
    first: usize,
) {
    let class_weights = &coefficients.class_weights;
    let gradient_rows = coefficients.rows.gradient_rows(block.rows());
    let padded = gradient_rows.next_multiple_of(LANES);
    let hessian_rows = coefficients.rows.hessian_rows(block.rows());
    let curved = hessian_rows.next_multiple_of(LANES);
    let tile_rows = tile_rows(block).min(padded);
    let mut sums = Scratch::new(block.columns().len(), 1, 1);
    let mut elements = block.sparse().map(|sparse| Elements::new(sparse, coefficients));
    let of_columns = column_coefficients(block, coefficients);
    let mut room = Room::new(tile_rows);
    let (mut here, mut before) = (vec![0.0; tile_rows], vec![0.0; tile_rows]);
    // Where the tile before begins, and its multipliers, which are not in the gradient yet.
    let mut waiting = 0..0;
    let mut second = (curved > 0).then(|| Second::new(block.width(), tile_rows));
    for start in (first..padded).step_by(tile_rows.max(1)) {
        let rows = tile_rows.min(padded - start);
        let multipliers = &mut here[..rows];
        multipliers.fill(coefficients.offsets[0]);
        columns::add_margins(
            block.columns(),
            &of_columns,
            (start, multipliers),
            (waiting.start, &before[..waiting.len()]),
            &mut sums.features,
        );
        if let Some(elements) = &elements {
            elements.add_margins(start, multipliers);
        }
        losses_and_multipliers(
            block,
            class_weights,
            start,
            multipliers,
            (&mut room, sums.loss(0)),
        );
        if let Some(second) = second.as_mut().filter(|_| start < curved) {
            let multipliers = &multipliers[..rows.min(curved - start)];
            second.add(block, class_weights, start, multipliers);
        }
        weigh(block, class_weights, start, multipliers);
        if let Some(elements) = &mut elements {
            elements.add_products(start, multipliers);
        }
        sums.add_totals(0, multipliers);
        std::mem::swap(&mut here, &mut before);
        waiting = start..start + rows;
    }
    let multipliers = &before[..waiting.len()];
    columns::add_products(block.columns(), waiting.start, multipliers, &mut sums.features);
    sums.add_to(0, partial, block.sparse().map(SparseRows::column_features));
    if let Some(elements) = elements {
        elements.add_to(partial);
    }
    if let Some(mut second) = second {
        second.triangle.move_to(&mut partial.hessian_sum);
    }
}

fn tile_rows(block: &Block) -> usize {
    let of_columns: usize = block.columns().iter().map(Values::bytes_per_row).sum();
    let bytes_per_row = of_columns + block.sparse().map_or(0, SparseRows::bytes_per_row);
    (TILE_BYTES / bytes_per_row.max(1)).max(LEAST_TILE_ROWS) / LANES * LANES
}

/// The second derivatives of a block.
struct Second {
    triangle: Triangle<f64, LANES>,
    curvatures: Vec<f64>,
    features: Vec<Lanes>,
}

impl Second {
    fn new(width: usize, rows: usize) -> Self {
        let chunks = (INTERLEAVED_BYTES / size_of::<Lanes>() / width).max(1);
        Second {
            triangle: Triangle::new(width),
            curvatures: vec![0.0; rows],
            features: vec![[0.0; LANES]; chunks * width],
        }
    }

    /// Adds a tile, by its unweighted multipliers.
    #[inline(always)]
    fn add(&mut self, block: &Block, class_weights: &[f64], start: usize, multipliers: &[f64]) {
        let width = block.width();
        let curvatures = &mut self.curvatures[..multipliers.len()];
        curvatures_of(multipliers, curvatures);
        weigh(block, class_weights, start, curvatures);
        let chunks = self.features.len() / width;
        for (tile, h) in curvatures.as_chunks::<LANES>().0.chunks(chunks).enumerate() {
            let features = &mut self.features[..width * h.len()];
            interleave(block.columns(), start + tile * chunks * LANES, features);
            self.triangle.add(features, h);
        }
    }
}

/// The unweighted curvatures by the unweighted multipliers.
#[inline(always)]
pub(super) fn curvatures_of(multipliers: &[f64], curvatures: &mut [f64]) {
    for (curvature, multiplier) in curvatures.iter_mut().zip(multipliers) {
        // m is p or p − 1, and either way this is p·(1 − p).
        let m = multiplier.abs();
        *curvature = m * (1.0 - m);
    }
}

/// Numbers for each row of a tile, to be overwritten.
pub(super) struct Room {
    smalls: Vec<f64>,
    linears: Vec<f64>,
}

impl Room {
    #[inline(always)]
    pub(super) fn new(rows: usize) -> Self {
        Room {
            smalls: vec![0.0; rows],
            linears: vec![0.0; rows],
        }
    }
}

/// Replaces the margins of the rows from `start` on by unweighted multipliers, and adds up the rows' losses.
#[inline(always)]
pub(super) fn losses_and_multipliers(
    block: &Block,
    class_weights: &[f64],
    start: usize,
    margins: &mut [f64],
    (room, sum): (&mut Room, &mut LossSum),
) {
    let rows = margins.len();
    let (smalls, linears) = (&mut room.smalls[..rows], &mut room.linears[..rows]);
    for (margin, small) in margins.iter().zip(smalls.iter_mut()) {
        // e^−|z| ≤ 1 cannot overflow, and serves both the loss and the multiplier.
        *small = math::exp(-margin.abs());
    }
    if is_alike(block, class_weights)
        && let Some(padding) = block.rows().checked_sub(start).filter(|padding| *padding < rows)
    {
        // Their label is 0: with this they lose nothing.
        margins[padding..].fill(0.0);
        smalls[padding..].fill(0.0);
    }
    typed!(block.label_values(), labels => multipliers(&labels[start..start + rows], margins, smalls, linears));
    sum.add_rows((block, class_weights), start, linears, smalls);
}

/// Replaces margins by unweighted multipliers, and writes the losses without their log(1 + e^−|z|).
#[inline(always)]
fn multipliers<T: Copy + Into<f64>>(labels: &[T], margins: &mut [f64], smalls: &[f64], linears: &mut [f64]) {
    let rows = margins.len();
    let (labels, smalls, linears) = (&labels[..rows], &smalls[..rows], &mut linears[..rows]);
    for row in 0..rows {
        let (z, small, label): (f64, f64, f64) = (margins[row], smalls[row], labels[row].into());
        let inverse = 1.0 / (1.0 + small);
        let probability = if z >= 0.0 { inverse } else { small * inverse };
        let target = if label > 0.0 { 1.0 } else { 0.0 };
        let towards_wrong = if label > 0.0 { -z } else { z };
        linears[row] = if towards_wrong > 0.0 { towards_wrong } else { 0.0 };
        margins[row] = probability - target;
    }
}
