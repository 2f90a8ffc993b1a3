//! Loss and gradient of the multinomial family: K margins a row, so the pass is bound by arithmetic. A tile's features
//! are turned into doubles once, eight rows side by side, and used for all classes, four at a time in registers.

use super::math;
use super::tile::{Scratch, typed, weigh};
use crate::block::{Block, Values};
use crate::kernel::KernelCoefficients;
use crate::lanes::LANES;
use crate::partial::Partial;

/// Bytes of doubles that a tile may take: they are read K/4 times over.
const TILE_BYTES: usize = 64 << 10;

type Lanes = [f64; LANES];

/// Adds a block to a partial of its shape.
#[inline(always)]
pub(super) fn accumulate(partial: &mut Partial, block: &Block, coefficients: &KernelCoefficients) {
    let (classes, width) = (coefficients.classes, block.width());
    let chunks = block.rows().div_ceil(LANES);
    let tile_chunks = (TILE_BYTES / size_of::<Lanes>() / width.max(1)).clamp(1, chunks.max(1));
    let mut sums = Scratch::new(width, classes);
    let mut features = vec![[0.0; LANES]; width * tile_chunks];
    // Margins, then multipliers: index = class·tile_chunks + chunk.
    let mut margins = vec![[0.0; LANES]; classes * tile_chunks];
    let mut losses = vec![0.0; tile_chunks * LANES];
    for first in (0..chunks).step_by(tile_chunks) {
        let chunks = tile_chunks.min(chunks - first);
        let (features, margins) = (&mut features[..width * chunks], &mut margins[..classes * chunks]);
        let losses = &mut losses[..chunks * LANES];
        interleave(block.columns(), first * LANES, features);
        all_margins(features, width, coefficients, margins);
        softmax(block, first * LANES, margins, losses);
        weigh(block, first * LANES, losses);
        for of_class in margins.chunks_exact_mut(chunks) {
            weigh(block, first * LANES, of_class.as_flattened_mut());
        }
        sums.add_losses(losses);
        all_dots(features, width, margins, &mut sums.features);
        for (class, of_class) in margins.chunks_exact(chunks).enumerate() {
            sums.add_totals(class, of_class.as_flattened());
        }
    }
    sums.add_to(partial);
}

/// Copies the features of a tile: index = chunk·width + feature.
#[inline(always)]
fn interleave(columns: &[Values], start: usize, features: &mut [Lanes]) {
    let width = columns.len();
    for (feature, values) in columns.iter().enumerate() {
        typed!(values, x => place(&x[start..], width, &mut features[feature..]));
    }
}

#[inline(always)]
fn place<T: Copy + Into<f64>>(x: &[T], width: usize, features: &mut [Lanes]) {
    for (into, x) in features.iter_mut().step_by(width).zip(x.as_chunks::<LANES>().0) {
        *into = x.map(Into::into);
    }
}

#[inline(always)]
fn all_margins(features: &[Lanes], width: usize, c: &KernelCoefficients, margins: &mut [Lanes]) {
    let chunks = margins.len() / c.classes;
    let mut class = 0;
    while class < c.classes {
        let margins = &mut margins[class * chunks..];
        match c.classes - class {
            1 => some_margins::<1>(features, width, c, class, margins, chunks),
            2 => some_margins::<2>(features, width, c, class, margins, chunks),
            3 => some_margins::<3>(features, width, c, class, margins, chunks),
            _ => some_margins::<4>(features, width, c, class, margins, chunks),
        }
        class += 4;
    }
}

/// The margins of N classes.
#[inline(always)]
fn some_margins<const N: usize>(
    features: &[Lanes],
    width: usize,
    c: &KernelCoefficients,
    class: usize,
    margins: &mut [Lanes],
    chunks: usize,
) {
    let offsets: [f64; N] = std::array::from_fn(|k| c.offsets[class + k]);
    for (chunk, x) in features.chunks_exact(width).enumerate() {
        let mut sums: [Lanes; N] = offsets.map(|offset| [offset; LANES]);
        for (x, c) in x.iter().zip(c.coefficients.chunks_exact(c.classes)) {
            let c: &[f64; N] = c[class..class + N].as_array().expect("N classes are left");
            for k in 0..N {
                for lane in 0..LANES {
                    sums[k][lane] = x[lane].mul_add(c[k], sums[k][lane]);
                }
            }
        }
        for (k, sum) in sums.into_iter().enumerate() {
            margins[k * chunks + chunk] = sum;
        }
    }
}

/// Replaces margins by unweighted multipliers, and writes the unweighted losses.
#[inline(always)]
fn softmax(block: &Block, start: usize, margins: &mut [Lanes], losses: &mut [f64]) {
    let chunks = losses.len() / LANES;
    let classes = margins.len() / chunks;
    for (chunk, losses) in losses.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let mut largest = [f64::NEG_INFINITY; LANES];
        for class in 0..classes {
            let margin = &margins[class * chunks + chunk];
            for lane in 0..LANES {
                // A NaN must come through: the loss is then NaN, as it should.
                largest[lane] = if margin[lane] <= largest[lane] {
                    largest[lane]
                } else {
                    margin[lane]
                };
            }
        }
        let labels: [usize; LANES] =
            std::array::from_fn(|lane| block.label_values().at(start + chunk * LANES + lane) as usize);
        // Subtracting the largest margin keeps every e^… in (0, 1].
        for lane in 0..LANES {
            losses[lane] = largest[lane] - margins[labels[lane] * chunks + chunk][lane];
        }
        let mut sum = [0.0; LANES];
        for class in 0..classes {
            let margin = &mut margins[class * chunks + chunk];
            for lane in 0..LANES {
                margin[lane] = math::exp(margin[lane] - largest[lane]);
                sum[lane] += margin[lane];
            }
        }
        for lane in 0..LANES {
            losses[lane] += math::ln(sum[lane]);
        }
        let inverse = sum.map(|sum| 1.0 / sum);
        for class in 0..classes {
            let margin = &mut margins[class * chunks + chunk];
            for lane in 0..LANES {
                margin[lane] *= inverse[lane];
            }
        }
        for (lane, label) in labels.into_iter().enumerate() {
            margins[label * chunks + chunk][lane] -= 1.0;
        }
    }
}

#[inline(always)]
fn all_dots(features: &[Lanes], width: usize, multipliers: &[Lanes], sums: &mut [Lanes]) {
    let chunks = features.len() / width;
    let classes = multipliers.len() / chunks;
    let mut class = 0;
    while class < classes {
        let multipliers = &multipliers[class * chunks..];
        let sums = &mut sums[class..];
        match classes - class {
            1 => some_dots::<1>(features, width, multipliers, sums, classes),
            2 => some_dots::<2>(features, width, multipliers, sums, classes),
            3 => some_dots::<3>(features, width, multipliers, sums, classes),
            _ => some_dots::<4>(features, width, multipliers, sums, classes),
        }
        class += 4;
    }
}

/// Adds Σᵢ mᵢₖ·xᵢⱼ to the lanes of all features and N classes.
#[inline(always)]
fn some_dots<const N: usize>(
    features: &[Lanes],
    width: usize,
    multipliers: &[Lanes],
    sums: &mut [Lanes],
    classes: usize,
) {
    let chunks = features.len() / width;
    let of_class: [&[Lanes]; N] = std::array::from_fn(|k| &multipliers[k * chunks..(k + 1) * chunks]);
    for (feature, sums) in sums.chunks_mut(classes).enumerate().take(width) {
        let sums: &mut [Lanes; N] = sums[..N].as_mut_array().expect("N classes are left");
        let mut own = *sums;
        for (chunk, x) in features[feature..].iter().step_by(width).enumerate() {
            for k in 0..N {
                let m = &of_class[k][chunk];
                for lane in 0..LANES {
                    own[k][lane] = x[lane].mul_add(m[lane], own[k][lane]);
                }
            }
        }
        *sums = own;
    }
}
