//! What the kernels of both families share: columns by their type, the rows of a tile that count, and sums in lanes.

use super::math;
use super::real::{Real, Value};
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

/// Runs an expression with the slices of four columns of one type, or another one where their types differ.
macro_rules! alike {
    ($columns:expr, $slices:ident => $work:expr, $otherwise:expr) => {
        match $columns {
            [
                Values::Single(x0),
                Values::Single(x1),
                Values::Single(x2),
                Values::Single(x3),
            ] => {
                let $slices = [x0, x1, x2, x3];
                $work
            }
            [
                Values::Double(x0),
                Values::Double(x1),
                Values::Double(x2),
                Values::Double(x3),
            ] => {
                let $slices = [x0, x1, x2, x3];
                $work
            }
            _ => $otherwise,
        }
    };
}
pub(super) use alike;

/// The same number of eight rows.
pub(super) type Lanes = [f64; LANES];

/// Copies the features of a tile: index = chunk·width + feature.
#[inline(always)]
pub(super) fn interleave<R: Real, const L: usize>(columns: &[Values], start: usize, features: &mut [[R; L]]) {
    let width = columns.len();
    let fours = columns.as_chunks::<4>().0;
    for (number, columns) in fours.iter().enumerate() {
        let features = &mut features[number * 4..];
        alike!(columns, x => place(x.map(|x| &x[start..]), width, features), {
            for (feature, values) in columns.iter().enumerate() {
                typed!(values, x => place([&x[start..]], width, &mut features[feature..]));
            }
        });
    }
    for (feature, values) in columns.iter().enumerate().skip(fours.len() * 4) {
        typed!(values, x => place([&x[start..]], width, &mut features[feature..]));
    }
}

/// Copies N columns that lie side by side: what is written of a chunk is in one piece.
#[inline(always)]
fn place<T: Value, R: Real, const L: usize, const N: usize>(
    x: [&[T]; N],
    width: usize,
    features: &mut [[R; L]],
) {
    let x = x.map(|x| x.as_chunks::<L>().0);
    let chunks = features.len().div_ceil(width);
    let x = x.map(|x| &x[..chunks]);
    // Not `step_by`, which is not always compiled into its caller.
    for (chunk, into) in features.chunks_mut(width).enumerate() {
        for (column, x) in x.iter().enumerate() {
            into[column] = x[chunk].map(Value::to);
        }
    }
}

/// Sums in lanes, over all tiles of a block: row i of the block belongs to lane i mod 8, so the size of a tile plays no
/// part. Of one coefficient vector or of several, their margins one behind the other.
pub(super) struct Scratch {
    /// Margins of a row.
    margins: usize,
    /// Index = feature·margins + margin.
    pub(super) features: Vec<Lanes>,
    totals: Vec<Lanes>,
    /// One for each vector.
    losses: Vec<LossSum>,
}

impl Scratch {
    pub(super) fn new(width: usize, vectors: usize, classes: usize) -> Self {
        let margins = vectors * classes;
        Scratch {
            margins,
            features: vec![[0.0; LANES]; width * margins],
            totals: vec![[0.0; LANES]; margins],
            losses: vec![LossSum::default(); vectors],
        }
    }

    #[inline(always)]
    pub(super) fn loss(&mut self, vector: usize) -> &mut LossSum {
        &mut self.losses[vector]
    }

    #[inline(always)]
    pub(super) fn add_totals(&mut self, margin: usize, multipliers: &[f64]) {
        self.totals[margin] = add(self.totals[margin], multipliers);
    }

    /// Adds the sums of a vector to a partial of the block's shape. `columns` says which feature each column is, if not all
    /// are columns.
    #[inline(always)]
    pub(super) fn add_to(&self, vector: usize, partial: &mut Partial, columns: Option<&[u32]>) {
        let classes = self.margins / self.losses.len();
        let first = vector * classes;
        let features = partial.gradient_sum.len() - classes;
        let (features, totals) = partial.gradient_sum.split_at_mut(features);
        for (column, of_margins) in self.features.chunks_exact(self.margins).enumerate() {
            let feature = columns.map_or(column, |columns| columns[column] as usize);
            let sums = features[feature * classes..].iter_mut();
            for (sum, of_lanes) in sums.zip(&of_margins[first..first + classes]) {
                *sum += lanes::add_lanes(*of_lanes);
            }
        }
        for (sum, of_lanes) in totals.iter_mut().zip(&self.totals[first..]) {
            *sum += lanes::add_lanes(*of_lanes);
        }
        partial.loss_sum += self.losses[vector].total();
    }
}

/// Losses added up in lanes. Of losses l + log(1 + s) the logarithms are taken as one logarithm of a product of many rows.
#[derive(Clone, Default)]
pub(super) struct LossSum {
    sum: Lanes,
    /// Apart from the other sum, so that it does not matter when one of them is added.
    logarithms: Lanes,
    /// Π(1 + s) − 1, so that small s are not lost, over the rows since the last logarithm.
    product: Lanes,
    /// So many chunks are in the product.
    chunks: usize,
}

impl LossSum {
    /// Chunks in a product at most: 2³² for s = 1.
    const MOST_CHUNKS: usize = 32;

    /// Adds the losses l + log(1 + s), of s in [0, 1], of the rows from `start` on, times their weights.
    #[inline(always)]
    pub(super) fn add_rows(
        &mut self,
        (block, class_weights): (&Block, &[f64]),
        start: usize,
        l: &mut [f64],
        s: &[f64],
    ) {
        if is_alike(block, class_weights) {
            self.add_all_with_logarithms(l, s);
        } else {
            for (loss, s) in l.iter_mut().zip(s) {
                *loss += math::ln_1p(*s);
            }
            weigh(block, class_weights, start, l);
            self.add_all(l);
        }
    }

    /// Adds losses l + log(1 + s), of s in [0, 1]. Which rows share a product follows from how many came before.
    #[inline(always)]
    fn add_all_with_logarithms(&mut self, l: &[f64], s: &[f64]) {
        self.add_all(l);
        let mut chunks = s.as_chunks::<LANES>().0;
        while !chunks.is_empty() {
            let some;
            (some, chunks) = chunks.split_at(chunks.len().min(Self::MOST_CHUNKS - self.chunks));
            let mut product = self.product;
            for s in some {
                product = std::array::from_fn(|lane| product[lane].mul_add(s[lane], product[lane]) + s[lane]);
            }
            (self.product, self.chunks) = (product, self.chunks + some.len());
            if self.chunks == Self::MOST_CHUNKS {
                for lane in 0..LANES {
                    self.logarithms[lane] += math::ln_1p_of_any(self.product[lane]);
                }
                (self.product, self.chunks) = ([0.0; LANES], 0);
            }
        }
    }

    #[inline(always)]
    pub(super) fn add_all(&mut self, losses: &[f64]) {
        self.sum = add(self.sum, losses);
    }

    #[inline(always)]
    pub(super) fn total(&self) -> f64 {
        let last = self.product.map(math::ln_1p_of_any);
        let logarithms: Lanes = std::array::from_fn(|lane| self.logarithms[lane] + last[lane]);
        lanes::add_lanes(self.sum) + lanes::add_lanes(logarithms)
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

/// Whether every row has the weight 1.
pub(super) fn is_alike(block: &Block, class_weights: &[f64]) -> bool {
    block.weight_values().is_none() && class_weights.is_empty()
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
