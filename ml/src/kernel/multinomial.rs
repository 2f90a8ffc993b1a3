//! Loss and gradient of the multinomial family: K margins a row, so the pass is bound by arithmetic. A tile's features
//! are turned into doubles once, eight rows side by side, and used for all classes, four at a time in registers.

use super::hessian::{Triangle, triangle};
use super::math;
use super::sparse::{Elements, column_coefficients};
use super::tile::{Lanes, Scratch, interleave, weigh};
use crate::block::{Block, SparseRows};
use crate::kernel::KernelCoefficients;
use crate::lanes::LANES;
use crate::partial::Partial;

/// Bytes of doubles that a tile may take: they are read K/4 times over.
const TILE_BYTES: usize = 64 << 10;

/// Adds a block to a partial of its shape.
#[inline(always)]
pub(super) fn accumulate(
    partial: &mut Partial,
    block: &Block,
    labels: &[usize],
    coefficients: &KernelCoefficients,
) {
    let (classes, width) = (coefficients.classes, block.columns().len());
    let chunks = coefficients.rows.gradient_rows(block.rows()).div_ceil(LANES);
    let curved = coefficients.rows.hessian_rows(block.rows()).div_ceil(LANES);
    let tile_chunks = (TILE_BYTES / size_of::<Lanes>() / width.max(1)).clamp(1, chunks.max(1));
    let mut sums = Scratch::new(width, classes);
    let mut elements = block.sparse().map(|sparse| Elements::new(sparse, coefficients));
    let of_columns = column_coefficients(block, coefficients);
    let mut features = vec![[0.0; LANES]; width * tile_chunks];
    // Margins, then multipliers: index = class·tile_chunks + chunk.
    let mut margins = vec![[0.0; LANES]; classes * tile_chunks];
    let mut losses = vec![0.0; tile_chunks * LANES];
    let mut curvature = vec![[0.0; LANES]; tile_chunks];
    let pairs = coefficients.hessian_length() / triangle(block.width());
    let mut triangles: Vec<Triangle> = (0..pairs).map(|_| Triangle::new(width)).collect();
    for first in (0..chunks).step_by(tile_chunks) {
        let chunks = tile_chunks.min(chunks - first);
        let (features, margins) = (&mut features[..width * chunks], &mut margins[..classes * chunks]);
        let losses = &mut losses[..chunks * LANES];
        interleave(block.columns(), first * LANES, features);
        all_margins(features, width, &of_columns, &coefficients.offsets, margins);
        if let Some(elements) = &mut elements {
            elements.add_all_margins(first * LANES, margins.as_flattened_mut(), chunks * LANES);
        }
        losses_and_probabilities(&labels[first * LANES..], margins, losses);
        let curved = chunks.min(curved.saturating_sub(first));
        if curved > 0 {
            for (k, triangles) in triangles_of(&mut triangles).enumerate() {
                for (l, triangle) in triangles.iter_mut().enumerate() {
                    let of_class = |class: usize| &margins[class * chunks..][..curved];
                    let curvature = &mut curvature[..curved];
                    curvatures(of_class(k), (k != l).then(|| of_class(l)), curvature);
                    weigh(
                        block,
                        &coefficients.class_weights,
                        first * LANES,
                        curvature.as_flattened_mut(),
                    );
                    triangle.add(&features[..width * curved], curvature);
                }
            }
        }
        subtract_labels(&labels[first * LANES..], margins, chunks);
        weigh(block, &coefficients.class_weights, first * LANES, losses);
        for of_class in margins.chunks_exact_mut(chunks) {
            weigh(
                block,
                &coefficients.class_weights,
                first * LANES,
                of_class.as_flattened_mut(),
            );
        }
        sums.add_losses(losses);
        all_dots(features, width, margins, &mut sums.features);
        if let Some(elements) = &mut elements {
            elements.add_all_products(first * LANES, margins.as_flattened(), chunks * LANES);
        }
        for (class, of_class) in margins.chunks_exact(chunks).enumerate() {
            sums.add_totals(class, of_class.as_flattened());
        }
    }
    sums.add_to(partial, block.sparse().map(SparseRows::column_features));
    if let Some(elements) = elements {
        elements.add_to(partial);
    }
    for (triangle, sums) in triangles
        .iter()
        .zip(partial.hessian_sum.chunks_exact_mut(triangle(width)))
    {
        triangle.add_to(sums);
    }
}

/// The triangles of (k, 0) to (k, k), for each class k.
fn triangles_of(triangles: &mut [Triangle]) -> impl Iterator<Item = &mut [Triangle]> {
    let mut left = triangles;
    (1..).map_while(move |count| left.split_off_mut(..count))
}

/// wᵢ is left out: pₖ·(1 − pₖ), or −pₖ·pₗ for another class.
#[inline(always)]
fn curvatures(p: &[Lanes], other: Option<&[Lanes]>, curvatures: &mut [Lanes]) {
    for (chunk, curvature) in curvatures.iter_mut().enumerate() {
        for lane in 0..LANES {
            let p = p[chunk][lane];
            curvature[lane] = other.map_or(p * (1.0 - p), |other| -p * other[chunk][lane]);
        }
    }
}

#[inline(always)]
fn all_margins(features: &[Lanes], width: usize, c: &[f64], offsets: &[f64], margins: &mut [Lanes]) {
    let chunks = margins.len() / offsets.len();
    if width == 0 {
        for (margins, offset) in margins.chunks_exact_mut(chunks).zip(offsets) {
            margins.fill([*offset; LANES]);
        }
        return;
    }
    let mut class = 0;
    while class < offsets.len() {
        let margins = &mut margins[class * chunks..];
        match offsets.len() - class {
            1 => some_margins::<1>(features, width, c, offsets, class, margins),
            2 => some_margins::<2>(features, width, c, offsets, class, margins),
            3 => some_margins::<3>(features, width, c, offsets, class, margins),
            _ => some_margins::<4>(features, width, c, offsets, class, margins),
        }
        class += 4;
    }
}

/// The margins of N classes.
#[inline(always)]
fn some_margins<const N: usize>(
    features: &[Lanes],
    width: usize,
    c: &[f64],
    offsets: &[f64],
    class: usize,
    margins: &mut [Lanes],
) {
    let (chunks, classes) = (features.len() / width, offsets.len());
    let offsets: [f64; N] = std::array::from_fn(|k| offsets[class + k]);
    for (chunk, x) in features.chunks_exact(width).enumerate() {
        let mut sums: [Lanes; N] = offsets.map(|offset| [offset; LANES]);
        for (x, c) in x.iter().zip(c.chunks_exact(classes)) {
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

/// Replaces margins by probabilities, and writes the unweighted losses.
#[inline(always)]
fn losses_and_probabilities(labels: &[usize], margins: &mut [Lanes], losses: &mut [f64]) {
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
        let labels: &[usize] = &labels[chunk * LANES..][..LANES];
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
    }
}

/// Turns probabilities into unweighted multipliers.
#[inline(always)]
fn subtract_labels(labels: &[usize], probabilities: &mut [Lanes], chunks: usize) {
    for (row, label) in labels.iter().enumerate().take(chunks * LANES) {
        probabilities[label * chunks + row / LANES][row % LANES] -= 1.0;
    }
}

#[inline(always)]
fn all_dots(features: &[Lanes], width: usize, multipliers: &[Lanes], sums: &mut [Lanes]) {
    if width == 0 {
        return;
    }
    let chunks = features.len() / width;
    let classes = multipliers.len() / chunks;
    let mut class = 0;
    while class < classes {
        let multipliers = &multipliers[class * chunks..];
        let sums = &mut sums[class..];
        match classes - class {
            1 => some_dots::<1>(features, width, multipliers, sums, classes),
            2 => some_dots::<2>(features, width, multipliers, sums, classes),
            _ => some_dots::<3>(features, width, multipliers, sums, classes),
        }
        class += 3;
    }
}

/// Adds Σᵢ mᵢₖ·xᵢⱼ to the lanes of all features and N classes, two features at a time: with three classes that is what 16
/// registers of four doubles hold, and what is read of one feature lies beside the next one.
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
    let mut feature = 0;
    while feature < width {
        let sums = &mut sums[feature * classes..];
        match width - feature {
            1 => dots::<1, N>(features, (width, feature), of_class, sums, classes),
            _ => dots::<2, N>(features, (width, feature), of_class, sums, classes),
        }
        feature += 2;
    }
}

/// The same of F features, from `feature` on.
#[inline(always)]
fn dots<const F: usize, const N: usize>(
    features: &[Lanes],
    (width, feature): (usize, usize),
    multipliers: [&[Lanes]; N],
    sums: &mut [Lanes],
    classes: usize,
) {
    let mut own: [[Lanes; N]; F] =
        std::array::from_fn(|f| *sums[f * classes..][..N].as_array().expect("N classes are left"));
    for (chunk, x) in features.chunks_exact(width).enumerate() {
        let x: &[Lanes; F] = x[feature..feature + F].as_array().expect("F features are left");
        for f in 0..F {
            for n in 0..N {
                let (x, m, sum) = (x[f], multipliers[n][chunk], own[f][n]);
                own[f][n] = std::array::from_fn(|lane| x[lane].mul_add(m[lane], sum[lane]));
            }
        }
    }
    for (f, own) in own.iter().enumerate() {
        sums[f * classes..][..N].copy_from_slice(own);
    }
}
