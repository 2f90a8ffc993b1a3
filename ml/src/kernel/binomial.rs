//! Loss and gradient of the binomial family: one margin a row, so the pass is bound by reading the features. They are
//! read in long runs, four columns at a time, and while a tile is still in the second-level cache, once more for the
//! gradient.

use super::hessian::Triangle;
use super::math;
use super::sparse::{Elements, column_coefficients};
use super::tile::{Lanes, Scratch, interleave, typed, weigh};
use crate::block::{Block, SparseRows, Values};
use crate::kernel::KernelCoefficients;
use crate::lanes::LANES;
use crate::partial::Partial;

/// Bytes of features in a tile: a good part of a second-level cache.
const TILE_BYTES: usize = 192 << 10;
const LEAST_TILE_ROWS: usize = 64;
/// Bytes of doubles of which second derivatives are made at a time.
const INTERLEAVED_BYTES: usize = 64 << 10;

/// Adds a block to a partial of its shape.
#[inline(always)]
pub(super) fn accumulate(partial: &mut Partial, block: &Block, coefficients: &KernelCoefficients) {
    let padded = coefficients
        .rows
        .gradient_rows(block.rows())
        .next_multiple_of(LANES);
    let curved = coefficients
        .rows
        .hessian_rows(block.rows())
        .next_multiple_of(LANES);
    let bytes_per_row = block.columns().iter().map(Values::bytes_per_row).sum::<usize>()
        + block.sparse().map_or(0, SparseRows::bytes_per_row);
    let tile_rows = (TILE_BYTES / bytes_per_row.max(1)).max(LEAST_TILE_ROWS) / LANES * LANES;
    let mut sums = Scratch::new(block.columns().len(), 1);
    let mut elements = block.sparse().map(|sparse| Elements::new(sparse, coefficients));
    let of_columns = column_coefficients(block, coefficients);
    let mut multipliers = vec![0.0; tile_rows.min(padded)];
    let mut losses = multipliers.clone();
    let mut second = (curved > 0).then(|| Second::new(block.width(), multipliers.len()));
    for start in (0..padded).step_by(tile_rows) {
        let rows = tile_rows.min(padded - start);
        let (multipliers, losses) = (&mut multipliers[..rows], &mut losses[..rows]);
        multipliers.fill(coefficients.offsets[0]);
        margins(block.columns(), &of_columns, start, multipliers);
        if let Some(elements) = &elements {
            elements.add_margins(start, multipliers);
        }
        typed!(block.label_values(), labels => {
            losses_and_multipliers(&labels[start..start + rows], multipliers, losses);
        });
        if let Some(second) = second.as_mut().filter(|_| start < curved) {
            let multipliers = &multipliers[..rows.min(curved - start)];
            second.add(block, &coefficients.class_weights, start, multipliers);
        }
        weigh(block, &coefficients.class_weights, start, multipliers);
        weigh(block, &coefficients.class_weights, start, losses);
        sums.add_losses(losses);
        gradient(block.columns(), start, multipliers, &mut sums.features);
        if let Some(elements) = &mut elements {
            elements.add_products(start, multipliers);
        }
        sums.add_totals(0, multipliers);
    }
    sums.add_to(partial, block.sparse().map(SparseRows::column_features));
    if let Some(elements) = elements {
        elements.add_to(partial);
    }
    if let Some(second) = second {
        second.triangle.add_to(&mut partial.hessian_sum);
    }
}

/// The second derivatives of a block.
struct Second {
    triangle: Triangle,
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
        for (curvature, multiplier) in curvatures.iter_mut().zip(multipliers) {
            // m is p or p − 1, and either way this is p·(1 − p).
            let m = multiplier.abs();
            *curvature = m * (1.0 - m);
        }
        weigh(block, class_weights, start, curvatures);
        let chunks = self.features.len() / width;
        for (tile, h) in curvatures.as_chunks::<LANES>().0.chunks(chunks).enumerate() {
            let features = &mut self.features[..width * h.len()];
            interleave(block.columns(), start + tile * chunks * LANES, features);
            self.triangle.add(features, h);
        }
    }
}

/// Adds Σⱼ Cⱼ·xᵢⱼ to each margin, feature by feature.
#[inline(always)]
fn margins(columns: &[Values], coefficients: &[f64], start: usize, margins: &mut [f64]) {
    let range = start..start + margins.len();
    let (fours, rest) = columns.as_chunks::<4>();
    for (columns, c) in fours.iter().zip(coefficients.as_chunks::<4>().0) {
        match columns {
            [
                Values::Single(x0),
                Values::Single(x1),
                Values::Single(x2),
                Values::Single(x3),
            ] => {
                let x = [x0, x1, x2, x3].map(|x| &x[range.clone()]);
                four_margins(x, *c, margins);
            }
            [
                Values::Double(x0),
                Values::Double(x1),
                Values::Double(x2),
                Values::Double(x3),
            ] => {
                let x = [x0, x1, x2, x3].map(|x| &x[range.clone()]);
                four_margins(x, *c, margins);
            }
            columns => one_by_one(columns, c, range.start, margins),
        }
    }
    one_by_one(rest, &coefficients[fours.len() * 4..], range.start, margins);
}

#[inline(always)]
fn one_by_one(columns: &[Values], coefficients: &[f64], start: usize, margins: &mut [f64]) {
    for (values, c) in columns.iter().zip(coefficients) {
        typed!(values, x => one_margin(&x[start..], *c, margins));
    }
}

#[inline(always)]
fn one_margin<T: Copy + Into<f64>>(x: &[T], c: f64, margins: &mut [f64]) {
    for (margin, x) in margins.iter_mut().zip(x) {
        *margin = (*x).into().mul_add(c, *margin);
    }
}

#[inline(always)]
fn four_margins<T: Copy + Into<f64>>(x: [&[T]; 4], c: [f64; 4], margins: &mut [f64]) {
    let rows = margins.len();
    let [x0, x1, x2, x3] = x.map(|x| &x[..rows]);
    for row in 0..rows {
        let margin = x0[row].into().mul_add(c[0], margins[row]);
        let margin = x1[row].into().mul_add(c[1], margin);
        let margin = x2[row].into().mul_add(c[2], margin);
        margins[row] = x3[row].into().mul_add(c[3], margin);
    }
}

/// Replaces margins by unweighted multipliers, and writes the unweighted losses.
#[inline(always)]
fn losses_and_multipliers<T: Copy + Into<f64>>(labels: &[T], margins: &mut [f64], losses: &mut [f64]) {
    let rows = margins.len();
    let (labels, losses) = (&labels[..rows], &mut losses[..rows]);
    for (margin, loss) in margins.iter().zip(losses.iter_mut()) {
        // e^−|z| ≤ 1 cannot overflow, and serves both the loss and the multiplier.
        *loss = math::exp(-margin.abs());
    }
    for row in 0..rows {
        let (z, small, label): (f64, f64, f64) = (margins[row], losses[row], labels[row].into());
        let inverse = 1.0 / (1.0 + small);
        let probability = if z >= 0.0 { inverse } else { small * inverse };
        let target = if label > 0.0 { 1.0 } else { 0.0 };
        let towards_wrong = if label > 0.0 { -z } else { z };
        let linear = if towards_wrong > 0.0 { towards_wrong } else { 0.0 };
        losses[row] = linear + math::ln_1p(small);
        margins[row] = probability - target;
    }
}

/// Adds Σᵢ mᵢ·xᵢⱼ to the lanes of each feature.
#[inline(always)]
fn gradient(columns: &[Values], start: usize, multipliers: &[f64], sums: &mut [Lanes]) {
    let range = start..start + multipliers.len();
    let (fours, rest) = columns.as_chunks::<4>();
    let (sums_of_fours, sums_of_rest) = sums.split_at_mut(fours.len() * 4);
    for (columns, sums) in fours.iter().zip(sums_of_fours.as_chunks_mut::<4>().0) {
        match columns {
            [
                Values::Single(x0),
                Values::Single(x1),
                Values::Single(x2),
                Values::Single(x3),
            ] => {
                four_dots([x0, x1, x2, x3].map(|x| &x[range.clone()]), multipliers, sums);
            }
            [
                Values::Double(x0),
                Values::Double(x1),
                Values::Double(x2),
                Values::Double(x3),
            ] => {
                four_dots([x0, x1, x2, x3].map(|x| &x[range.clone()]), multipliers, sums);
            }
            columns => dots_one_by_one(columns, range.clone(), multipliers, sums),
        }
    }
    dots_one_by_one(rest, range, multipliers, sums_of_rest);
}

#[inline(always)]
fn dots_one_by_one(
    columns: &[Values],
    range: std::ops::Range<usize>,
    multipliers: &[f64],
    sums: &mut [Lanes],
) {
    for (values, sums) in columns.iter().zip(sums) {
        typed!(values, x => *sums = dot(&x[range.clone()], multipliers, *sums));
    }
}

#[inline(always)]
fn dot<T: Copy + Into<f64>>(x: &[T], multipliers: &[f64], mut sums: Lanes) -> Lanes {
    let chunks = x.as_chunks().0.iter().zip(multipliers.as_chunks().0);
    for (x, m) in chunks {
        sums = add_product(x, m, sums);
    }
    sums
}

#[inline(always)]
fn four_dots<T: Copy + Into<f64>>(x: [&[T]; 4], multipliers: &[f64], sums: &mut [Lanes; 4]) {
    let [x0, x1, x2, x3] = x.map(|x| x[..multipliers.len()].as_chunks().0);
    let [mut s0, mut s1, mut s2, mut s3] = *sums;
    let columns = x0.iter().zip(x1).zip(x2).zip(x3);
    for ((((x0, x1), x2), x3), m) in columns.zip(multipliers.as_chunks().0) {
        s0 = add_product(x0, m, s0);
        s1 = add_product(x1, m, s1);
        s2 = add_product(x2, m, s2);
        s3 = add_product(x3, m, s3);
    }
    *sums = [s0, s1, s2, s3];
}

/// Eight at a time, by value: element by element of slices the compiler makes shuffles of it.
#[inline(always)]
fn add_product<T: Copy + Into<f64>>(x: &[T; LANES], m: &Lanes, sums: Lanes) -> Lanes {
    let x: Lanes = x.map(Into::into);
    std::array::from_fn(|lane| x[lane].mul_add(m[lane], sums[lane]))
}
