//! The binomial pass with floats ([`Precision::Fast`](super::Precision::Fast)): as in `binomial`, but sixteen rows side by
//! side. Margins, multipliers and what is added up of a tile are floats; losses, and the sums of tiles, are doubles. A tile has
//! so many rows whatever the machine, so its sums have the same bits everywhere.

use std::ops::Range;

use super::columns;
use super::hessian::Triangle;
use super::real::Real;
use super::tile::{LossSum, interleave, is_alike, typed, weigh};
use super::{binomial, math};
use crate::block::{Block, Values};
use crate::kernel::KernelCoefficients;
use crate::lanes;
use crate::partial::Partial;

const LANES: usize = 16;
type Floats = [f32; LANES];

/// 28 floats of so many rows, of two tiles, stay in a second-level cache.
const TILE_ROWS: usize = 512;
/// Tiles whose second derivatives are added up as floats.
const CURVED_TILES: usize = 2;

/// Adds a block to a partial of its shape; with doubles, where elements are kept row by row, or something leaves the floats.
#[inline(always)]
pub(super) fn accumulate(partial: &mut Partial, block: &Block, coefficients: &KernelCoefficients) {
    let gradient_rows = coefficients.rows.gradient_rows(block.rows());
    let mut done = 0;
    // A partial of a wide model is large: none is made where it would not be used.
    if block.sparse().is_none() {
        let rows = gradient_rows / LANES * LANES;
        let mut own = coefficients.zero_partial();
        add_floats(&mut own, block, coefficients, rows);
        let mut sums = own.gradient_sum.iter().chain(&own.hessian_sum);
        if own.loss_sum.is_finite() && sums.all(|sum| sum.is_finite()) {
            lanes::axpy(1.0, &own.gradient_sum, &mut partial.gradient_sum);
            lanes::axpy(1.0, &own.hessian_sum, &mut partial.hessian_sum);
            partial.loss_sum += own.loss_sum;
            done = rows;
        }
    }
    if done < gradient_rows {
        // All, or too few to fill the lanes.
        binomial::accumulate(partial, block, coefficients, done);
    }
}

/// Adds the first `rows` rows, which fill lanes.
#[inline(always)]
fn add_floats(partial: &mut Partial, block: &Block, coefficients: &KernelCoefficients, rows: usize) {
    let mut pass = Pass::new(block, coefficients, rows);
    let mut before = 0..0;
    for start in (0..rows).step_by(TILE_ROWS) {
        let tile = start..rows.min(start + TILE_ROWS);
        pass.add_margins(tile.clone(), before, &mut partial.gradient_sum);
        pass.add_losses(tile.clone(), partial);
        before = tile;
    }
    pass.add_margins(rows..rows, before, &mut partial.gradient_sum);
    partial.loss_sum += pass.losses.total();
}

struct Pass<'a> {
    block: &'a Block,
    class_weights: &'a [f64],
    coefficients: Vec<f32>,
    offset: f32,
    /// Rows that second derivatives are wanted of.
    curved: usize,
    losses: LossSum,
    /// Margins, then multipliers of a tile; and those of the tile before, which are not in the gradient yet.
    here: Vec<f32>,
    before: Vec<f32>,
    smalls: Vec<f64>,
    linears: Vec<f64>,
    weights: Vec<f64>,
    features: Vec<Floats>,
    /// Of each feature, over a tile.
    sums: Vec<Floats>,
    triangle: Option<Triangle<f32, LANES>>,
}

impl<'a> Pass<'a> {
    fn new(block: &'a Block, coefficients: &'a KernelCoefficients, rows: usize) -> Self {
        let tile = rows.min(TILE_ROWS);
        let curved = coefficients.rows.hessian_rows(block.rows()).min(rows);
        Pass {
            block,
            class_weights: &coefficients.class_weights,
            coefficients: coefficients.coefficients.iter().map(|c| *c as f32).collect(),
            offset: coefficients.offsets[0] as f32,
            curved,
            losses: LossSum::default(),
            here: vec![0.0; tile],
            before: vec![0.0; tile],
            smalls: vec![0.0; tile],
            linears: vec![0.0; tile],
            weights: Vec::new(),
            features: Vec::new(),
            sums: vec![[0.0; LANES]; block.width()],
            triangle: (curved > 0).then(|| Triangle::new(block.width())),
        }
    }

    /// Makes the margins of a tile, and adds the products of the tile before.
    #[inline(always)]
    fn add_margins(&mut self, tile: Range<usize>, before: Range<usize>, sums: &mut [f64]) {
        std::mem::swap(&mut self.here, &mut self.before);
        let margins = &mut self.here[..tile.len()];
        let multipliers = &self.before[..before.len()];
        margins.fill(self.offset);
        self.sums.fill([0.0; LANES]);
        columns::add_margins(
            self.block.columns(),
            &self.coefficients,
            (tile.start, margins),
            (before.start, multipliers),
            &mut self.sums,
        );
        for (sum, of_tile) in sums.iter_mut().zip(&self.sums) {
            *sum += f32::total(of_tile);
        }
    }

    /// Turns the margins of a tile into multipliers, and adds its losses, second derivatives and the sum of its multipliers.
    #[inline(always)]
    fn add_losses(&mut self, tile: Range<usize>, partial: &mut Partial) {
        let rows = tile.len();
        let (margins, smalls, linears) = (
            &mut self.here[..rows],
            &mut self.smalls[..rows],
            &mut self.linears[..rows],
        );
        typed!(self.block.label_values(), labels => multipliers(&labels[tile.clone()], margins, smalls, linears));
        let of_rows = (self.block, self.class_weights);
        self.losses.add_rows(of_rows, tile.start, linears, smalls);
        self.weights.clear();
        if !is_alike(self.block, self.class_weights) {
            self.weights.resize(rows, 1.0);
            weigh(self.block, self.class_weights, tile.start, &mut self.weights);
        }
        if tile.start < self.curved {
            self.add_curvatures(tile.clone(), &mut partial.hessian_sum);
        }
        let multipliers = &mut self.here[..rows];
        for (multiplier, weight) in multipliers.iter_mut().zip(&self.weights) {
            *multiplier *= *weight as f32;
        }
        let mut total = [0.0; LANES];
        for multipliers in multipliers.as_chunks::<LANES>().0 {
            total = std::array::from_fn(|lane| total[lane] + multipliers[lane]);
        }
        partial.gradient_sum[self.coefficients.len()] += f32::total(&total);
    }

    /// Adds the second derivatives of a tile, by its unweighted multipliers.
    #[inline(always)]
    fn add_curvatures(&mut self, tile: Range<usize>, hessian_sum: &mut [f64]) {
        let Some(triangle) = &mut self.triangle else {
            return;
        };
        let mut curvatures: Vec<Floats> = self.here[..tile.len()].as_chunks::<LANES>().0.to_vec();
        for curvature in curvatures.as_flattened_mut() {
            let m = curvature.abs();
            *curvature = m * (1.0 - m);
        }
        for (curvature, weight) in curvatures.as_flattened_mut().iter_mut().zip(&self.weights) {
            *curvature *= *weight as f32;
        }
        if let Some(uncounted) = curvatures.as_flattened_mut().get_mut(self.curved - tile.start..) {
            uncounted.fill(0.0);
        }
        let width = self.coefficients.len();
        self.features.resize(curvatures.len() * width, [0.0; LANES]);
        interleave(self.block.columns(), tile.start, &mut self.features);
        triangle.add(&self.features, &curvatures);
        let tiles = tile.start / TILE_ROWS + 1;
        if tiles.is_multiple_of(CURVED_TILES) || tile.end >= self.curved {
            triangle.move_to(hessian_sum);
        }
    }
}

/// Replaces margins by unweighted multipliers, and writes e^−|z| and the losses without their log(1 + e^−|z|).
#[inline(always)]
fn multipliers<T: Copy + Default + PartialOrd>(
    labels: &[T],
    margins: &mut [f32],
    smalls: &mut [f64],
    linears: &mut [f64],
) {
    let rows = margins.len();
    let (labels, smalls, linears) = (&labels[..rows], &mut smalls[..rows], &mut linears[..rows]);
    for row in 0..rows {
        let z = margins[row];
        let is_one = labels[row] > T::default();
        let small = math::exp_single(-z.abs());
        let inverse = 1.0 / (1.0 + small);
        let probability = if z >= 0.0 { inverse } else { small * inverse };
        let target = if is_one { 1.0 } else { 0.0 };
        let towards_wrong = if is_one { -z } else { z };
        let linear = if towards_wrong > 0.0 { towards_wrong } else { 0.0 };
        margins[row] = probability - target;
        smalls[row] = f64::from(small);
        linears[row] = f64::from(linear);
    }
}
