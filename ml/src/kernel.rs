//! The one hot loop: loss and gradient of a block in a single pass.
//!
//! For row i and coefficient row k the margin is zᵢₖ = Σⱼ Cₖⱼ·xᵢⱼ + oₖ. The weighted loss and its derivatives by the
//! margins (the *multipliers* mᵢₖ) are
//!
//! - binomial (K = 1): wᵢ·log1pExp(−zᵢ) for y = 1, wᵢ·log1pExp(zᵢ) for y = 0; mᵢ = wᵢ·(1/(1+e^−zᵢ) − yᵢ)
//! - multinomial: wᵢ·(log Σₖ e^zᵢₖ − zᵢᵧ); mᵢₖ = wᵢ·(e^zᵢₖ/Σₗ e^zᵢₗ − [k = yᵢ])
//!
//! (`org.apache.spark.ml.optim.aggregator.{Binary,Multinomial}LogisticBlockAggregator`). Rows are taken in tiles
//! that stay in the first-level cache: margins by one axpy for each (feature, class), then the multipliers in
//! their place, then one dot product for each (feature, class). Every sum has one fixed order (see `lanes`), and
//! exp and log come from `libm`, so the bits are the same on every machine.

use serde::{Deserialize, Serialize};

use crate::block::Block;
use crate::error::MlError;
use crate::lanes;
use crate::logistic_regression::Family;
use crate::partial::Partial;

/// Rows in a tile: 512 doubles are 4 KiB for each class and each feature in flight.
const TILE_ROWS: usize = 512;

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
        Partial::zero(self.classes, self.width)
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
    if block.width() != coefficients.width {
        let (expected, got) = (coefficients.width, block.width());
        return Err(MlError::Shape {
            what: "features in block",
            expected,
            got,
        });
    }
    let classes = coefficients.classes;
    if coefficients.family == Family::Multinomial {
        let outside = block.labels().iter().find(|label| **label >= classes as f64);
        if let Some(label) = outside {
            return Err(MlError::Shape {
                what: "label below",
                expected: classes,
                got: *label as usize,
            });
        }
    }
    let mut margins = vec![0.0; classes * TILE_ROWS.min(block.rows())];
    let mut start = 0;
    while start < block.rows() {
        let tile = Tile {
            block,
            start,
            rows: TILE_ROWS.min(block.rows() - start),
        };
        let margins = &mut margins[..classes * tile.rows];
        tile.margins(coefficients, margins);
        partial.loss_sum += match coefficients.family {
            Family::Binomial => tile.binomial_loss(margins),
            Family::Multinomial => tile.multinomial_loss(margins),
        };
        tile.add_gradient(margins, &mut partial.gradient_sum);
        partial.weight_sum += lanes::sum_by(tile.rows, |row| tile.weight(row));
        start += tile.rows;
    }
    partial.rows += block.rows() as u64;
    Ok(())
}

/// Some consecutive rows of a block.
struct Tile<'a> {
    block: &'a Block,
    start: usize,
    rows: usize,
}

impl Tile<'_> {
    fn feature(&self, feature: usize) -> &[f64] {
        &self.block.feature(feature)[self.start..self.start + self.rows]
    }

    fn label(&self, row: usize) -> f64 {
        self.block.labels()[self.start + row]
    }

    fn weight(&self, row: usize) -> f64 {
        self.block
            .weights()
            .map_or(1.0, |weights| weights[self.start + row])
    }

    /// Writes the margins, index = class·rows + row.
    fn margins(&self, coefficients: &KernelCoefficients, margins: &mut [f64]) {
        let classes = coefficients.classes;
        for (of_class, offset) in margins.chunks_exact_mut(self.rows).zip(&coefficients.offsets) {
            of_class.fill(*offset);
        }
        for (feature, of_feature) in coefficients.coefficients.chunks_exact(classes).enumerate() {
            let values = self.feature(feature);
            for (of_class, coefficient) in margins.chunks_exact_mut(self.rows).zip(of_feature) {
                lanes::axpy(*coefficient, values, of_class);
            }
        }
    }

    /// Replaces the margins by the multipliers and returns the loss sum.
    fn binomial_loss(&self, margins: &mut [f64]) -> f64 {
        let mut loss_sum = 0.0;
        for (row, margin) in margins.iter_mut().enumerate() {
            let (z, weight) = (*margin, self.weight(row));
            let positive = self.label(row) > 0.0;
            // e^−|z| ≤ 1 cannot overflow, and serves both the loss and the multiplier.
            let small = libm::exp(-z.abs());
            let towards_wrong = if positive { -z } else { z };
            loss_sum += weight * (towards_wrong.max(0.0) + libm::log1p(small));
            let probability = if z >= 0.0 {
                1.0 / (1.0 + small)
            } else {
                small / (1.0 + small)
            };
            *margin = weight * (probability - f64::from(u8::from(positive)));
        }
        loss_sum
    }

    /// Replaces the margins by the multipliers and returns the loss sum.
    fn multinomial_loss(&self, margins: &mut [f64]) -> f64 {
        let classes = margins.len() / self.rows;
        let mut loss_sum = 0.0;
        for row in 0..self.rows {
            let at = |class: usize| class * self.rows + row;
            let (label, weight) = (self.label(row) as usize, self.weight(row));
            // Subtracting the largest margin keeps every e^… in (0, 1].
            let largest = (0..classes)
                .map(|class| margins[at(class)])
                .fold(f64::NEG_INFINITY, f64::max);
            let margin_of_label = margins[at(label)] - largest;
            let mut sum = 0.0;
            for class in 0..classes {
                let power = libm::exp(margins[at(class)] - largest);
                margins[at(class)] = power;
                sum += power;
            }
            loss_sum += weight * (libm::log(sum) - margin_of_label);
            for class in 0..classes {
                let target = f64::from(u8::from(class == label));
                margins[at(class)] = weight * (margins[at(class)] / sum - target);
            }
        }
        loss_sum
    }

    fn add_gradient(&self, multipliers: &[f64], gradient_sum: &mut [f64]) {
        let classes = multipliers.len() / self.rows;
        let (features, totals) = gradient_sum.split_at_mut(self.block.width() * classes);
        for (feature, of_feature) in features.chunks_exact_mut(classes).enumerate() {
            let values = self.feature(feature);
            for (sum, of_class) in of_feature.iter_mut().zip(multipliers.chunks_exact(self.rows)) {
                *sum += lanes::dot(of_class, values);
            }
        }
        for (total, of_class) in totals.iter_mut().zip(multipliers.chunks_exact(self.rows)) {
            *total += lanes::sum_by(self.rows, |row| of_class[row]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block;

    fn coefficients(family: Family, classes: usize) -> KernelCoefficients {
        let coefficients = (0..2 * classes).map(|i| 0.7 - 0.3 * i as f64).collect();
        let offsets = (0..classes).map(|k| 0.1 * k as f64 - 0.2).collect();
        KernelCoefficients {
            family,
            classes,
            width: 2,
            coefficients,
            offsets,
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
