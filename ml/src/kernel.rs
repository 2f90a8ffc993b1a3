//! The one hot loop: loss and gradient of a block in a single pass.
//!
//! For row i and coefficient row k the margin is zᵢₖ = Σⱼ Cₖⱼ·xᵢⱼ + oₖ. The weighted loss and its derivatives by the
//! margins (the *multipliers* mᵢₖ) are
//!
//! - binomial (K = 1): wᵢ·log1pExp(−zᵢ) for y = 1, wᵢ·log1pExp(zᵢ) for y = 0; mᵢ = wᵢ·(1/(1+e^−zᵢ) − yᵢ)
//! - multinomial: wᵢ·(log Σₖ e^zᵢₖ − zᵢᵧ); mᵢₖ = wᵢ·(e^zᵢₖ/Σₗ e^zᵢₗ − [k = yᵢ])
//!
//! (`org.apache.spark.ml.optim.aggregator.{Binary,Multinomial}LogisticBlockAggregator`). Rows are taken in tiles
//! that stay in a cache: margins, then the multipliers in their place, then the sums, while the features are still
//! near. Row i of a block belongs to lane i mod 8 of every sum (see `lanes`), margins are added up feature by feature,
//! products go in by fused multiply-add, exp and log are `math`'s: the bits are the same on every machine, whatever its
//! vectors (`simd`). What a block keeps row by row is added to the margins after its columns, and to the sums row by row
//! (`sparse`).

use pulp::NullaryFnOnce;
use serde::{Deserialize, Serialize};

use crate::block::Block;
use crate::error::MlError;
use crate::logistic_regression::Family;
use crate::partial::Partial;
use crate::simd;

mod binomial;
mod hessian;
mod math;
mod multinomial;
mod row_sample;
mod sparse;
mod tile;

pub(crate) use hessian::{at, class_pairs, triangle};
pub use row_sample::RowSample;

/// Coefficients in feature space: standardisation and centring are folded in, so that they apply to raw feature
/// values. Coefficient Cₖⱼ = βₖⱼ/σⱼ, offset oₖ = bₖ − Σⱼ βₖⱼ·μⱼ/σⱼ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KernelCoefficients {
    /// Which loss.
    pub family: Family,
    /// K, the number of coefficient rows: 1 for binomial, the number of classes for multinomial.
    pub classes: usize,
    /// d, the number of features.
    pub width: usize,
    /// K·d coefficients, index = feature·K + class.
    #[serde(with = "crate::float_serde::vector")]
    pub coefficients: Vec<f64>,
    /// K offsets.
    #[serde(with = "crate::float_serde::vector")]
    pub offsets: Vec<f64>,
    /// Which rows of each block are wanted.
    #[serde(default)]
    pub rows: RowSample,
    /// Factors of the rows' weights, by label; empty where every one is 1.
    #[serde(
        with = "crate::float_serde::vector",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    pub class_weights: Vec<f64>,
}

impl KernelCoefficients {
    /// Checks that the sizes agree with each other, for coefficients that came over the wire.
    ///
    /// # Errors
    /// [`MlError::Shape`] with the sizes that do not agree.
    pub fn check_shape(&self) -> Result<(), MlError> {
        let shape = |what, expected, got| {
            if expected == got {
                Ok(())
            } else {
                Err(MlError::Shape { what, expected, got })
            }
        };
        let product = self.classes.saturating_mul(self.width);
        shape("coefficients", product, self.coefficients.len())?;
        shape("offsets", self.classes, self.offsets.len())?;
        match self.family {
            Family::Binomial => shape("coefficient rows of the binomial family", 1, self.classes),
            Family::Multinomial if self.classes == 0 => shape("coefficient rows", 1, 0),
            Family::Multinomial => Ok(()),
        }
    }

    /// Returns the contribution of no rows, of the shape these coefficients need.
    pub fn zero_partial(&self) -> Partial {
        Partial {
            hessian_sum: vec![0.0; self.hessian_length()],
            ..Partial::zero(self.classes, self.width)
        }
    }

    /// Returns how many numbers a partial has: derivatives and second derivatives.
    pub fn partial_length(&self) -> usize {
        self.classes * (self.width + 1) + self.hessian_length()
    }

    /// Returns how many second derivatives are wanted.
    pub fn hessian_length(&self) -> usize {
        match self.rows.hessian {
            0 => 0,
            _ => class_pairs(self.classes) * triangle(self.width),
        }
    }
}

/// Adds the rows of `block` to `partial`.
///
/// # Errors
/// [`MlError::Shape`] if block, coefficients and partial do not belong together, or a label is no class.
pub fn accumulate(
    partial: &mut Partial,
    block: &Block,
    coefficients: &KernelCoefficients,
) -> Result<(), MlError> {
    coefficients.check_shape()?;
    partial.check_shape(coefficients.classes, coefficients.width)?;
    if partial.hessian_sum.len() != coefficients.hessian_length() {
        let (expected, got) = (coefficients.hessian_length(), partial.hessian_sum.len());
        return Err(MlError::Shape {
            what: "second derivatives in partial",
            expected,
            got,
        });
    }
    if block.width() != coefficients.width {
        let (expected, got) = (coefficients.width, block.width());
        return Err(MlError::Shape {
            what: "features in block",
            expected,
            got,
        });
    }
    let classes = coefficients.classes;
    let labels = match coefficients.family {
        Family::Binomial => Vec::new(),
        Family::Multinomial => block.classes(),
    };
    if let Some(got) = labels.iter().find(|label| **label >= classes) {
        return Err(MlError::Shape {
            what: "label below",
            expected: classes,
            got: *got,
        });
    }
    let (rows, class_weights) = (coefficients.rows, &coefficients.class_weights);
    let counted = rows.gradient_rows(block.rows());
    partial.weight_sum += block.weight_sum_of(counted, class_weights);
    partial.rows += counted as u64;
    let curved = rows.hessian_rows(block.rows());
    partial.hessian_weight_sum += block.weight_sum_of(curved, class_weights);
    // Second derivatives are wanted of few coefficients only: then there is room for a column each.
    let dense = (curved > 0 && block.sparse().is_some()).then(|| block.to_dense());
    simd::dispatch(Pass {
        partial,
        block: dense.as_ref().unwrap_or(block),
        labels: &labels,
        coefficients,
    });
    Ok(())
}

/// Loss and gradient of a block whose shape was checked.
struct Pass<'a> {
    partial: &'a mut Partial,
    block: &'a Block,
    /// The classes of the rows and of those that fill the last lane, which the multinomial loss looks up.
    labels: &'a [usize],
    coefficients: &'a KernelCoefficients,
}

impl NullaryFnOnce for Pass<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        match self.coefficients.family {
            Family::Binomial => binomial::accumulate(self.partial, self.block, self.coefficients),
            Family::Multinomial => {
                multinomial::accumulate(self.partial, self.block, self.labels, self.coefficients)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{WIDTH, block, wide_blocks};

    fn coefficients(family: Family, classes: usize) -> KernelCoefficients {
        let coefficients = (0..2 * classes).map(|i| 0.7 - 0.3 * i as f64).collect();
        let offsets = (0..classes).map(|k| 0.1 * k as f64 - 0.2).collect();
        KernelCoefficients {
            family,
            classes,
            width: 2,
            coefficients,
            offsets,
            rows: RowSample::GRADIENT,
            class_weights: Vec::new(),
        }
    }

    const X: [[f64; 2]; 4] = [[1.0, -2.0], [0.5, 3.0], [-1.5, 0.25], [2.0, 2.0]];
    const W: [f64; 4] = [1.0, 0.5, 2.0, 1.5];

    /// The definition, term by term, with no regard for speed or overflow.
    fn definition(labels: &[f64], c: &KernelCoefficients) -> Partial {
        let mut partial = c.zero_partial();
        for ((x, y), w) in X.iter().zip(labels).zip(W) {
            let margin =
                |k: usize| c.coefficients[k] * x[0] + c.coefficients[c.classes + k] * x[1] + c.offsets[k];
            let powers: Vec<f64> = match c.family {
                Family::Binomial => vec![libm::exp(margin(0)), 1.0],
                Family::Multinomial => (0..c.classes).map(|k| libm::exp(margin(k))).collect(),
            };
            let sum: f64 = powers.iter().sum();
            let class = match c.family {
                Family::Binomial => usize::from(*y == 0.0),
                Family::Multinomial => *y as usize,
            };
            partial.loss_sum += -w * libm::log(powers[class] / sum);
            partial.weight_sum += w;
            partial.rows += 1;
            for (k, power) in powers.iter().take(c.classes).enumerate() {
                let multiplier = w * (power / sum - f64::from(u8::from(k == class)));
                partial.gradient_sum[k] += multiplier * x[0];
                partial.gradient_sum[c.classes + k] += multiplier * x[1];
                partial.gradient_sum[2 * c.classes + k] += multiplier;
            }
        }
        partial
    }

    fn assert_close(a: &Partial, b: &Partial) {
        assert!((a.loss_sum - b.loss_sum).abs() < 1e-14, "{a:?} {b:?}");
        for (a, b) in a.gradient_sum.iter().zip(&b.gradient_sum) {
            assert!((a - b).abs() < 1e-14, "{a} {b}");
        }
        assert_eq!((a.rows, a.weight_sum), (b.rows, b.weight_sum));
    }

    #[test]
    fn both_families_are_their_definition() {
        let cases = [
            (coefficients(Family::Binomial, 1), [0.0, 1.0, 1.0, 0.0]),
            (coefficients(Family::Multinomial, 3), [0.0, 2.0, 1.0, 2.0]),
            (coefficients(Family::Multinomial, 1), [0.0; 4]),
        ];
        for (coefficients, labels) in cases {
            let mut partial = coefficients.zero_partial();
            accumulate(&mut partial, &block(&X, &labels, Some(&W)), &coefficients).expect("one shape");
            assert_close(&partial, &definition(&labels, &coefficients));
        }
    }

    /// Rows of both storage types, several tiles and a last lane that is not full.
    fn uneven_block(classes: usize, weighted: bool) -> Block {
        let value = |i: usize| ((i * 2_654_435_761) % 1_000_003) as f64 / 1e5 - 5.0;
        let rows: Vec<[f64; 7]> = (0..4003)
            .map(|row| {
                std::array::from_fn(|j| match j {
                    0 | 5 => value(row * 7 + j),
                    _ => f64::from(value(row * 7 + j) as f32),
                })
            })
            .collect();
        let labels: Vec<f64> = (0..rows.len()).map(|row| (row * 5 % classes) as f64).collect();
        let weights: Vec<f64> = (0..rows.len()).map(|row| value(row).abs()).collect();
        block(&rows, &labels, weighted.then_some(&weights))
    }

    #[test]
    fn vectors_change_no_bit_and_neither_does_the_size_of_a_tile() {
        for (family, classes) in [
            (Family::Binomial, 1),
            (Family::Multinomial, 3),
            (Family::Multinomial, 10),
        ] {
            let c = KernelCoefficients {
                family,
                classes,
                width: 7,
                coefficients: (0..7 * classes).map(|i| 0.7 - 0.3 * (i % 5) as f64).collect(),
                offsets: vec![0.1; classes],
                rows: RowSample::HESSIAN,
                class_weights: Vec::new(),
            };
            for weighted in [false, true] {
                let block = uneven_block(classes.max(2), weighted);
                let (mut here, mut anywhere) = (c.zero_partial(), c.zero_partial());
                accumulate(&mut here, &block, &c).expect("one shape");
                simd::baseline(Pass {
                    partial: &mut anywhere,
                    block: &block,
                    labels: &block.classes(),
                    coefficients: &c,
                });
                assert_eq!(bits(&here), bits(&anywhere), "{family:?} {classes}");
            }
        }
    }

    /// Coefficients of the size that standardised features get.
    fn wide_coefficients(family: Family, classes: usize, hessian: bool) -> KernelCoefficients {
        let coefficient = |i: usize| ((i * 37 % 101) as f64 - 50.0) / 100.0;
        KernelCoefficients {
            family,
            classes,
            width: WIDTH,
            coefficients: (0..WIDTH * classes).map(coefficient).collect(),
            offsets: (0..classes).map(|k| 0.1 * k as f64 - 0.3).collect(),
            rows: match hessian {
                true => RowSample::HESSIAN,
                false => RowSample::GRADIENT,
            },
            class_weights: Vec::new(),
        }
    }

    const WIDE: [(Family, usize, bool); 6] = [
        (Family::Binomial, 1, false),
        (Family::Binomial, 1, true),
        (Family::Multinomial, 2, false),
        (Family::Multinomial, 5, false),
        (Family::Multinomial, 7, false),
        (Family::Multinomial, 2, true),
    ];

    #[test]
    fn rows_without_their_zeros_give_the_sums_of_rows_with_them() {
        for (family, classes, hessian) in WIDE {
            for weighted in [false, true] {
                let c = wide_coefficients(family, classes, hessian);
                let (sparse, dense) = wide_blocks(classes.max(2), weighted);
                let sum = |blocks: &[Block]| {
                    let mut partial = c.zero_partial();
                    for block in blocks {
                        accumulate(&mut partial, block, &c).expect("one shape");
                    }
                    partial
                };
                let (found, expected) = (sum(&sparse), sum(&dense));
                assert_eq!(
                    (found.rows, found.weight_sum),
                    (expected.rows, expected.weight_sum)
                );
                let sums = |partial: &Partial| {
                    let loss = std::iter::once(partial.loss_sum);
                    let gradient = partial.gradient_sum.clone().into_iter();
                    loss.chain(gradient)
                        .chain(partial.hessian_sum.clone())
                        .collect::<Vec<f64>>()
                };
                for (found, expected) in sums(&found).iter().zip(sums(&expected)) {
                    let bound = 1e-12 * (1e3 + expected.abs());
                    assert!(
                        (found - expected).abs() < bound,
                        "{family:?} {classes}: {found} {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn vectors_change_no_bit_of_sparse_rows() {
        // For second derivatives sparse rows are written out.
        for (family, classes, _) in WIDE.into_iter().filter(|(_, _, hessian)| !hessian) {
            let c = wide_coefficients(family, classes, false);
            let (blocks, _) = wide_blocks(classes.max(2), true);
            let (mut here, mut anywhere) = (c.zero_partial(), c.zero_partial());
            for block in &blocks {
                accumulate(&mut here, block, &c).expect("one shape");
                simd::baseline(Pass {
                    partial: &mut anywhere,
                    block,
                    labels: &block.classes(),
                    coefficients: &c,
                });
            }
            assert_eq!(bits(&here), bits(&anywhere), "{family:?} {classes}");
        }
    }

    #[test]
    fn the_gradient_of_sparse_rows_is_that_of_their_loss() {
        for (family, classes) in [(Family::Binomial, 1), (Family::Multinomial, 3)] {
            let (blocks, _) = wide_blocks(classes.max(2), true);
            let evaluate = |c: &KernelCoefficients| {
                let mut partial = c.zero_partial();
                accumulate(&mut partial, &blocks[0], c).expect("one shape");
                partial
            };
            let c = wide_coefficients(family, classes, false);
            let gradient = evaluate(&c).gradient_sum;
            // A number, a constant, frequent and rare categories, a far number, and the offset's neighbour.
            for feature in [0, 5, 10, 40, 69, 130, 249, 285] {
                for class in 0..classes {
                    let index = feature * classes + class;
                    let shifted = |h: f64| {
                        let mut c = c.clone();
                        c.coefficients[index] += h;
                        evaluate(&c).loss_sum
                    };
                    // Values that go up to 1e5 leave less room for a step.
                    let h = if feature == 285 { 1e-7 } else { 1e-4 };
                    let difference = (shifted(h) - shifted(-h)) / (2.0 * h);
                    let bound = 1e-5 * (10.0 + gradient[index].abs());
                    assert!(
                        (difference - gradient[index]).abs() < bound,
                        "{family:?} {feature} {class}: {difference} {}",
                        gradient[index]
                    );
                }
            }
        }
    }

    fn bits(partial: &Partial) -> Vec<u64> {
        let sums = partial
            .gradient_sum
            .iter()
            .chain([&partial.loss_sum])
            .chain(&partial.hessian_sum);
        sums.map(|sum| sum.to_bits()).collect()
    }

    #[test]
    fn huge_margins_stay_finite() {
        for (family, classes) in [(Family::Binomial, 1), (Family::Multinomial, 2)] {
            let mut c = coefficients(family, classes);
            c.coefficients.iter_mut().for_each(|c| *c *= 1e6);
            let mut partial = c.zero_partial();
            // Whichever label the margins favour, the other is among these.
            for labels in [[0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]] {
                accumulate(&mut partial, &block(&X, &labels, None), &c).expect("one shape");
            }
            assert!(
                partial.loss_sum.is_finite() && partial.loss_sum > 1e5,
                "{partial:?}"
            );
            assert!(
                partial.gradient_sum.iter().all(|sum| sum.is_finite()),
                "{partial:?}"
            );
        }
    }

    #[test]
    fn shapes_that_do_not_belong_together_are_refused() {
        let c = coefficients(Family::Multinomial, 3);
        let run = |partial: &mut Partial, c: &KernelCoefficients, labels: &[f64]| {
            accumulate(partial, &block(&X, labels, None), c)
                .expect_err("shapes differ")
                .to_string()
        };
        let text = run(&mut Partial::zero(2, 2), &c, &[0.0; 4]);
        assert_eq!(text, "sums in partial: expected 9, got 6");
        let text = run(&mut c.zero_partial(), &c, &[0.0, 3.0, 0.0, 0.0]);
        assert_eq!(text, "label below: expected 3, got 3");
        let wide = KernelCoefficients { width: 3, ..c };
        let text = run(&mut wide.zero_partial(), &wide, &[0.0; 4]);
        assert_eq!(text, "coefficients: expected 9, got 6");
    }
}
