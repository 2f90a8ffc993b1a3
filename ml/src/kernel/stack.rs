//! A pass at several margins a row, of the classes of one coefficient vector, of several vectors, or of both: bound by
//! arithmetic. A tile's features are turned into doubles once, eight rows side by side, and used for all margins, some at a
//! time in registers. Each margin and each sum is made of the same operations in the same order as in a pass of its own.

use super::hessian::{Triangle, triangle};
use super::sparse::{Elements, column_coefficients};
use super::tile::{Lanes, LossSum, Scratch, interleave, weigh};
use super::{binomial, multinomial};
use crate::block::{Block, SparseRows};
use crate::kernel::KernelCoefficients;
use crate::lanes::LANES;
use crate::logistic_regression::Family;
use crate::partial::Partial;

/// Bytes of doubles that a tile may take: they are read over and over.
const TILE_BYTES: usize = 64 << 10;
/// With more chunks the margins of several vectors leave the first-level cache before they are used.
const MOST_TILE_CHUNKS: usize = 16;

/// Adds a block to a partial for each of the coefficients, which are alike but for their numbers.
#[inline(always)]
pub(super) fn accumulate(
    partials: &mut [Partial],
    block: &Block,
    labels: &[usize],
    members: &[&KernelCoefficients],
) {
    let like = members[0];
    let width = block.columns().len();
    let chunks = like.rows.gradient_rows(block.rows()).div_ceil(LANES);
    let curved = like.rows.hessian_rows(block.rows()).div_ceil(LANES);
    let tile_chunks = (TILE_BYTES / size_of::<Lanes>() / width.max(1)).clamp(1, MOST_TILE_CHUNKS);
    let stacked = Stacked::new(block, members);
    let mut sums = Scratch::new(width, members.len(), like.classes);
    let mut vectors: Vec<Vector> = members.iter().map(|member| Vector::new(block, member)).collect();
    let mut features = vec![[0.0; LANES]; width * tile_chunks];
    // Margins, then multipliers: index = margin·tile_chunks + chunk.
    let mut margins = vec![[0.0; LANES]; stacked.offsets.len() * tile_chunks];
    let mut room = binomial::Room::new(tile_chunks * LANES);
    let mut scratch = vec![[0.0; LANES]; tile_chunks];
    for first in (0..chunks).step_by(tile_chunks) {
        let chunks = tile_chunks.min(chunks - first);
        let features = &mut features[..width * chunks];
        let margins = &mut margins[..stacked.offsets.len() * chunks];
        interleave(block.columns(), first * LANES, features);
        all_margins(features, width, &stacked.coefficients, &stacked.offsets, margins);
        for (own, vector) in margins.chunks_exact_mut(like.classes * chunks).zip(&mut vectors) {
            vector.add_margins(first, own);
        }
        let tile = Tile {
            block,
            like,
            labels: labels.get(first * LANES..).unwrap_or_default(),
            first,
            curved: chunks.min(curved.saturating_sub(first)),
            features,
        };
        for (number, own) in margins.chunks_exact_mut(like.classes * chunks).enumerate() {
            let triangles = &mut vectors[number].triangles;
            let scratch = &mut scratch[..chunks];
            match like.family {
                Family::Binomial => tile.binomial(own, &mut room, sums.loss(number)),
                Family::Multinomial => tile.multinomial(own, scratch, sums.loss(number)),
            }
            tile.add_curvatures(own, scratch, triangles);
            if like.family == Family::Multinomial {
                multinomial::subtract_labels(tile.labels, own, chunks);
            }
            for of_class in own.chunks_exact_mut(chunks) {
                weigh(
                    block,
                    &like.class_weights,
                    first * LANES,
                    of_class.as_flattened_mut(),
                );
            }
        }
        all_dots(features, width, margins, &mut sums.features);
        for (own, vector) in margins.chunks_exact(like.classes * chunks).zip(&mut vectors) {
            vector.add_products(first, own);
        }
        for (margin, multipliers) in margins.chunks_exact(chunks).enumerate() {
            sums.add_totals(margin, multipliers.as_flattened());
        }
    }
    for (number, (partial, vector)) in partials.iter_mut().zip(&mut vectors).enumerate() {
        sums.add_to(number, partial, block.sparse().map(SparseRows::column_features));
        vector.add_to(partial);
    }
}

/// The coefficients of a block's columns, of all vectors one behind the other.
struct Stacked {
    /// Index = column·margins + margin.
    coefficients: Vec<f64>,
    offsets: Vec<f64>,
}

impl Stacked {
    #[inline(always)]
    fn new(block: &Block, members: &[&KernelCoefficients]) -> Self {
        let classes = members[0].classes;
        let of_columns: Vec<_> = members
            .iter()
            .map(|member| column_coefficients(block, member))
            .collect();
        let mut coefficients = Vec::with_capacity(block.columns().len() * classes * members.len());
        for column in 0..block.columns().len() {
            for own in &of_columns {
                coefficients.extend_from_slice(&own[column * classes..(column + 1) * classes]);
            }
        }
        let offsets = members.iter().flat_map(|member| &member.offsets).copied();
        Stacked {
            coefficients,
            offsets: offsets.collect(),
        }
    }
}

/// What one vector has beside the sums of its columns.
struct Vector<'a> {
    elements: Option<Elements<'a>>,
    /// Of each pair of classes.
    triangles: Vec<Triangle<f64, LANES>>,
}

impl<'a> Vector<'a> {
    #[inline(always)]
    fn new(block: &'a Block, member: &KernelCoefficients) -> Self {
        let pairs = member.hessian_length() / triangle(block.width());
        Vector {
            elements: block.sparse().map(|sparse| Elements::new(sparse, member)),
            triangles: (0..pairs).map(|_| Triangle::new(block.width())).collect(),
        }
    }

    #[inline(always)]
    fn add_margins(&mut self, first: usize, margins: &mut [Lanes]) {
        if let Some(elements) = &mut self.elements {
            elements.add_all_margins(first * LANES, margins.as_flattened_mut());
        }
    }

    #[inline(always)]
    fn add_products(&mut self, first: usize, multipliers: &[Lanes]) {
        if let Some(elements) = &mut self.elements {
            elements.add_all_products(first * LANES, multipliers.as_flattened());
        }
    }

    #[inline(always)]
    fn add_to(&mut self, partial: &mut Partial) {
        if let Some(elements) = &self.elements {
            elements.add_to(partial);
        }
        let numbers = self.triangles.first().map_or(1, Triangle::numbers);
        let sums = partial.hessian_sum.chunks_exact_mut(numbers);
        for (triangle, sums) in self.triangles.iter_mut().zip(sums) {
            triangle.move_to(sums);
        }
    }
}

/// Some chunks of a block, and what is the same for all vectors.
struct Tile<'a> {
    block: &'a Block,
    like: &'a KernelCoefficients,
    labels: &'a [usize],
    /// The first chunk.
    first: usize,
    /// Chunks that second derivatives are wanted of.
    curved: usize,
    features: &'a [Lanes],
}

impl Tile<'_> {
    /// Replaces margins by unweighted multipliers, and adds up the losses.
    #[inline(always)]
    fn binomial(&self, margins: &mut [Lanes], room: &mut binomial::Room, sum: &mut LossSum) {
        binomial::losses_and_multipliers(
            self.block,
            &self.like.class_weights,
            self.first * LANES,
            margins.as_flattened_mut(),
            (room, sum),
        );
    }

    /// Replaces margins by probabilities, and adds up the losses.
    #[inline(always)]
    fn multinomial(&self, margins: &mut [Lanes], losses: &mut [Lanes], sum: &mut LossSum) {
        let losses = losses.as_flattened_mut();
        multinomial::losses_and_probabilities(self.labels, margins, losses);
        weigh(self.block, &self.like.class_weights, self.first * LANES, losses);
        sum.add_all(losses);
    }

    /// Adds the second derivatives, by unweighted multipliers or probabilities.
    #[inline(always)]
    fn add_curvatures(&self, own: &[Lanes], curvature: &mut [Lanes], triangles: &mut [Triangle<f64, LANES>]) {
        if self.curved == 0 {
            return;
        }
        let (chunks, curvature) = (curvature.len(), &mut curvature[..self.curved]);
        let of_class = |class: usize| &own[class * chunks..][..self.curved];
        for (k, triangles) in triangles_of(triangles).enumerate() {
            for (l, triangle) in triangles.iter_mut().enumerate() {
                match self.like.family {
                    Family::Binomial => {
                        binomial::curvatures_of(of_class(k).as_flattened(), curvature.as_flattened_mut())
                    }
                    Family::Multinomial => {
                        multinomial::curvatures(of_class(k), (k != l).then(|| of_class(l)), curvature);
                    }
                }
                weigh(
                    self.block,
                    &self.like.class_weights,
                    self.first * LANES,
                    curvature.as_flattened_mut(),
                );
                triangle.add(
                    &self.features[..self.block.columns().len() * self.curved],
                    curvature,
                );
            }
        }
    }
}

/// The triangles of (k, 0) to (k, k), for each class k.
fn triangles_of(triangles: &mut [Triangle<f64, LANES>]) -> impl Iterator<Item = &mut [Triangle<f64, LANES>]> {
    let mut left = triangles;
    (1..).map_while(move |count| left.split_off_mut(..count))
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
        class += match classes - class {
            1 => some_dots::<1>(features, width, multipliers, sums, classes),
            // Two and two are quicker than three and one.
            2 | 4 => some_dots::<2>(features, width, multipliers, sums, classes),
            _ => some_dots::<3>(features, width, multipliers, sums, classes),
        };
    }
}

/// Adds Σᵢ mᵢₖ·xᵢⱼ to the lanes of all features and N classes, two features at a time: with three classes that is what 16
/// registers of four doubles hold, and what is read of one feature lies beside the next one. Returns N.
#[inline(always)]
fn some_dots<const N: usize>(
    features: &[Lanes],
    width: usize,
    multipliers: &[Lanes],
    sums: &mut [Lanes],
    classes: usize,
) -> usize {
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
    N
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
