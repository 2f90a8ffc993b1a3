//! What the kernels of both families do with the elements that a block keeps row by row.
//!
//! Coefficients are gathered and sums are scattered once for each feature of the block, so that in between the loops jump
//! about in as little memory as the block has features. A margin adds up a row's elements in the order of their features; a
//! sum adds up a feature's elements in the order of the rows, starting from 0 in each block.

use std::borrow::Cow;

use crate::block::{Amounts, Block, Code, Codes, Ones, Run, SparseRows, elements};
use crate::kernel::KernelCoefficients;
use crate::partial::Partial;

/// The coefficients of a block's columns: index = column·K + class.
#[inline(always)]
pub(super) fn column_coefficients<'a>(block: &Block, c: &'a KernelCoefficients) -> Cow<'a, [f64]> {
    match block.sparse() {
        None => Cow::Borrowed(&c.coefficients),
        Some(sparse) => Cow::Owned(gather(sparse.column_features(), c)),
    }
}

#[inline(always)]
fn gather(features: &[u32], c: &KernelCoefficients) -> Vec<f64> {
    let classes = c.classes;
    let mut gathered = Vec::with_capacity(features.len() * classes);
    for feature in features {
        let start = *feature as usize * classes;
        gathered.extend_from_slice(&c.coefficients[start..start + classes]);
    }
    gathered
}

/// A block's elements in a pass.
pub(super) struct Elements<'a> {
    sparse: &'a SparseRows,
    classes: usize,
    /// By code: index = code·K + class.
    coefficients: Vec<f64>,
    sums: Vec<f64>,
    /// K numbers of one row.
    of_row: Vec<f64>,
}

impl<'a> Elements<'a> {
    #[inline(always)]
    pub(super) fn new(sparse: &'a SparseRows, coefficients: &KernelCoefficients) -> Self {
        Elements {
            sparse,
            classes: coefficients.classes,
            coefficients: gather(sparse.features(), coefficients),
            sums: vec![0.0; sparse.features().len() * coefficients.classes],
            of_row: vec![0.0; coefficients.classes],
        }
    }

    /// Adds the elements of the rows from `start` on to one margin each.
    #[inline(always)]
    pub(super) fn add_margins(&self, start: usize, margins: &mut [f64]) {
        let starts = self.sparse.starts_from(start);
        elements!(self.sparse, codes, values => add_margins(starts, codes, values, &self.coefficients, margins));
    }

    /// Adds Σᵢ mᵢ·xᵢⱼ of the rows from `start` on, for one multiplier each.
    #[inline(always)]
    pub(super) fn add_products(&mut self, start: usize, multipliers: &[f64]) {
        let starts = self.sparse.starts_from(start);
        elements!(self.sparse, codes, values => add_products(starts, codes, values, multipliers, &mut self.sums));
    }

    /// Adds the elements of as many rows from `start` on as there are K margins for: index = class·rows + row.
    #[inline(always)]
    pub(super) fn add_all_margins(&mut self, start: usize, margins: &mut [f64]) {
        let rows = margins.len() / self.classes;
        let starts = self.sparse.starts_from(start);
        let (coefficients, of_row) = (&self.coefficients, &mut self.of_row);
        elements!(self.sparse, codes, values =>
            add_all_margins(starts, codes, values, coefficients, margins, rows, of_row));
    }

    /// Adds Σᵢ mᵢₖ·xᵢⱼ of as many rows from `start` on as there are K multipliers for: index = class·rows + row.
    #[inline(always)]
    pub(super) fn add_all_products(&mut self, start: usize, multipliers: &[f64]) {
        let rows = multipliers.len() / self.classes;
        let starts = self.sparse.starts_from(start);
        let (sums, of_row) = (&mut self.sums, &mut self.of_row);
        elements!(self.sparse, codes, values =>
            add_all_products(starts, codes, values, multipliers, rows, sums, of_row));
    }

    /// Adds the sums to a partial of the block's shape.
    #[inline(always)]
    pub(super) fn add_to(&self, partial: &mut Partial) {
        let features = self.sparse.features().iter();
        for (feature, of_classes) in features.zip(self.sums.chunks_exact(self.classes)) {
            let start = *feature as usize * self.classes;
            for (sum, own) in partial.gradient_sum[start..start + self.classes]
                .iter_mut()
                .zip(of_classes)
            {
                *sum += own;
            }
        }
    }
}

#[inline(always)]
fn add_margins<C: Code>(
    starts: &[u32],
    codes: &[C],
    values: impl Run,
    coefficients: &[f64],
    margins: &mut [f64],
) {
    for (margin, pair) in margins.iter_mut().zip(starts.array_windows()) {
        let [start, end] = pair.map(|place| place as usize);
        let mut sum = *margin;
        for (code, x) in codes[start..end].iter().zip(values.run(start, end)) {
            sum = x.mul_add(coefficients[code.at()], sum);
        }
        *margin = sum;
    }
}

#[inline(always)]
fn add_products<C: Code>(
    starts: &[u32],
    codes: &[C],
    values: impl Run,
    multipliers: &[f64],
    sums: &mut [f64],
) {
    for (multiplier, pair) in multipliers.iter().zip(starts.array_windows()) {
        let [start, end] = pair.map(|place| place as usize);
        for (code, x) in codes[start..end].iter().zip(values.run(start, end)) {
            let sum = &mut sums[code.at()];
            *sum = x.mul_add(*multiplier, *sum);
        }
    }
}

#[inline(always)]
fn add_all_margins<C: Code>(
    starts: &[u32],
    codes: &[C],
    values: impl Run,
    coefficients: &[f64],
    margins: &mut [f64],
    rows: usize,
    of_row: &mut [f64],
) {
    let classes = of_row.len();
    for (row, pair) in starts.array_windows().enumerate().take(rows) {
        let [start, end] = pair.map(|place| place as usize);
        for (class, margin) in of_row.iter_mut().enumerate() {
            *margin = margins[class * rows + row];
        }
        for (code, x) in codes[start..end].iter().zip(values.run(start, end)) {
            let coefficients = &coefficients[code.at() * classes..][..classes];
            for (margin, c) in of_row.iter_mut().zip(coefficients) {
                *margin = x.mul_add(*c, *margin);
            }
        }
        for (class, margin) in of_row.iter().enumerate() {
            margins[class * rows + row] = *margin;
        }
    }
}

#[inline(always)]
fn add_all_products<C: Code>(
    starts: &[u32],
    codes: &[C],
    values: impl Run,
    multipliers: &[f64],
    rows: usize,
    sums: &mut [f64],
    of_row: &mut [f64],
) {
    let classes = of_row.len();
    for (row, pair) in starts.array_windows().enumerate().take(rows) {
        let [start, end] = pair.map(|place| place as usize);
        for (class, multiplier) in of_row.iter_mut().enumerate() {
            *multiplier = multipliers[class * rows + row];
        }
        for (code, x) in codes[start..end].iter().zip(values.run(start, end)) {
            let sums = &mut sums[code.at() * classes..][..classes];
            for (sum, multiplier) in sums.iter_mut().zip(&*of_row) {
                *sum = x.mul_add(*multiplier, *sum);
            }
        }
    }
}
