//! Which features are linear combinations of those before them, from the second moments of the training rows.
//!
//! The correlation matrix of the features that vary is factored in the features' order; a feature that leaves no pivot is
//! a combination of earlier ones (as R's `lm` and `glm` find aliased columns). No coefficient of such a combination is
//! determined without a penalty: any of its members could carry the others' effect.

use crate::kernel::{at, triangle};
use crate::lanes;
use crate::logistic_regression::Objective;

/// What a feature's regression on earlier ones must leave of its variance: a variance inflation of 10¹⁰.
const SMALLEST_PIVOT: f64 = 1e-10;
/// How many rounding errors of the raw sums may look like variance, at most.
const ROUNDINGS: f64 = 64.0;
/// A weight of a combination, of features in standard deviations, below which a feature is no part of it.
const SMALLEST_WEIGHT: f64 = 1e-6;

/// A feature and the earlier ones it is a combination of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Combination {
    pub(super) feature: usize,
    /// Those earlier features, ascending; empty if it is constant as far as doubles can tell.
    pub(super) of: Vec<usize>,
    /// Whether the 1 of the intercept is a part.
    pub(super) of_intercept: bool,
}

/// The second moments of the training rows, standardised, and what follows from them.
#[derive(Debug)]
pub(super) struct Moments {
    /// Features that vary and are no combination of earlier ones, ascending.
    pub(super) independent: Vec<usize>,
    pub(super) combinations: Vec<Combination>,
    /// The correlation matrix of `independent`, its lower triangle.
    pub(super) correlation: Vec<f64>,
}

impl Moments {
    /// `sums` are Σ wᵢ·x̂ᵢ·x̂ᵢᵀ over the rows, x̂ being a row with a 1 behind it: a triangle.
    pub(super) fn new(objective: &Objective, sums: &[f64]) -> Self {
        let width = objective.width();
        debug_assert_eq!(sums.len(), triangle(width));
        let weight = sums[at(width, width)];
        let standardized = objective.standardized(sums);
        let element = |row: usize, column: usize| standardized[at(row.max(column), row.min(column))] / weight;
        // Centring takes the difference of large sums where a mean is far from 0.
        let rounding = |feature: usize| {
            let scale = objective.scale(feature);
            let raw = sums[at(feature, feature)] / weight * scale * scale;
            ROUNDINGS * f64::EPSILON * raw / element(feature, feature)
        };
        let mut moments = Moments {
            independent: Vec::new(),
            combinations: Vec::new(),
            correlation: Vec::new(),
        };
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for feature in (0..width).filter(|feature| objective.takes_part(*feature)) {
            let correlation = |other: usize| {
                let variances = element(feature, feature) * element(other, other);
                element(feature, other) / variances.sqrt()
            };
            let mut row: Vec<f64> = Vec::with_capacity(rows.len() + 1);
            for (position, other) in moments.independent.iter().enumerate() {
                let above = &rows[position];
                let rest = correlation(*other) - lanes::dot(&row, &above[..position]);
                row.push(rest / above[position]);
            }
            let pivot = 1.0 - lanes::dot(&row, &row);
            if pivot > SMALLEST_PIVOT.max(rounding(feature)) && element(feature, feature) > 0.0 {
                row.push(pivot.sqrt());
                moments
                    .correlation
                    .extend(moments.independent.iter().map(|other| correlation(*other)));
                moments.correlation.push(1.0);
                moments.independent.push(feature);
                rows.push(row);
            } else {
                let weights = backward(&rows, row);
                let combination = moments.combination(objective, feature, &weights);
                moments.combinations.push(combination);
            }
        }
        moments
    }

    /// Whether a feature's coefficient is determined without a penalty.
    pub(super) fn determines(&self, feature: usize) -> bool {
        let involved = |c: &Combination| c.feature == feature || c.of.contains(&feature);
        !self.combinations.iter().any(involved)
    }

    pub(super) fn determine_intercept(&self) -> bool {
        !self
            .combinations
            .iter()
            .any(|combination| combination.of_intercept)
    }

    /// What `weights` of the independent features, in standard deviations, say of `feature`.
    fn combination(&self, objective: &Objective, feature: usize, weights: &[f64]) -> Combination {
        let parts = || self.independent.iter().zip(weights);
        let offsets =
            parts().map(|(other, weight)| weight * objective.centre(*other) * objective.scale(*other));
        let own = objective.centre(feature) * objective.scale(feature);
        let (offset, size) = offsets.fold((own, own.abs()), |(sum, size), offset| {
            (sum - offset, size + offset.abs())
        });
        Combination {
            feature,
            of: parts()
                .filter(|(_, weight)| weight.abs() > SMALLEST_WEIGHT)
                .map(|(other, _)| *other)
                .collect(),
            of_intercept: objective.fits_intercept() && offset.abs() > SMALLEST_WEIGHT * size,
        }
    }
}

/// Solves Lᵀ·x = b for the factor's rows L.
fn backward(rows: &[Vec<f64>], mut b: Vec<f64>) -> Vec<f64> {
    for position in (0..b.len()).rev() {
        b[position] /= rows[position][position];
        let value = b[position];
        let row = &rows[position][..position];
        lanes::axpy(-value, row, &mut b[..position]);
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::second_moments;
    use crate::kernel;
    use crate::summary::Summary;
    use crate::testing::block;

    fn moments<const D: usize>(x: &[[f64; D]], json: &str) -> Moments {
        let labels: Vec<f64> = (0..x.len())
            .map(|row| f64::from(u8::from(row % 3 == 0)))
            .collect();
        let block = block(x, &labels, None);
        let params = serde_json::from_str(json).expect("valid parameters");
        let summary = Summary::of_blocks(std::slice::from_ref(&block)).expect("few classes");
        let objective = Objective::new(&params, &summary).expect("an objective");
        let coefficients = second_moments(&objective);
        let mut partial = coefficients.zero_partial();
        kernel::accumulate(&mut partial, &block, &coefficients).expect("one shape");
        let sums: Vec<f64> = partial.hessian_sum.iter().map(|sum| sum * 4.0).collect();
        Moments::new(&objective, &sums)
    }

    /// Numbers without a pattern in 0..1.
    fn noise(i: usize) -> f64 {
        ((i * 2_654_435_761 + 12_345) % 1_000_003) as f64 / 1_000_003.0
    }

    #[test]
    fn a_combination_is_found_with_its_parts() {
        let x: Vec<[f64; 5]> = (0..200)
            .map(|i| {
                let (a, b, c) = (noise(i), 1e4 + 3.0 * noise(7 * i + 1), noise(13 * i + 5) - 0.5);
                [a, b, 4.0, 2.0 * a - 0.01 * b, c]
            })
            .collect();
        let moments = moments(&x, "{}");
        assert_eq!(moments.independent, [0, 1, 4]);
        let expected = Combination {
            feature: 3,
            of: vec![0, 1],
            of_intercept: false,
        };
        assert_eq!(moments.combinations, [expected]);
        let determined = [0, 1, 2, 3, 4].map(|feature| moments.determines(feature));
        assert_eq!(determined, [false, false, true, false, true]);
        assert!(moments.determine_intercept());
    }

    #[test]
    fn indicators_of_every_category_are_a_combination_with_the_intercept_only() {
        let x: Vec<[f64; 3]> = (0..90)
            .map(|i| std::array::from_fn(|j| f64::from(u8::from(i % 3 == j))))
            .collect();
        let with = moments(&x, "{}");
        let expected = Combination {
            feature: 2,
            of: vec![0, 1],
            of_intercept: true,
        };
        assert_eq!(with.combinations, [expected]);
        assert!(!with.determine_intercept());
        let without = moments(&x, r#"{"fit_intercept": false}"#);
        assert!(without.combinations.is_empty());
    }

    #[test]
    fn close_to_collinear_is_not_collinear() {
        let x: Vec<[f64; 2]> = (0..300)
            .map(|i| [noise(i), noise(i) + 1e-4 * noise(31 * i + 3)])
            .collect();
        assert!(moments(&x, "{}").combinations.is_empty());
        // A year hardly varies beside its size, which must not look like a combination either.
        let x: Vec<[f64; 2]> = (0..300)
            .map(|i| [2000.0 + (i % 7) as f64 * 1e-3, noise(i)])
            .collect();
        assert!(moments(&x, "{}").combinations.is_empty());
    }
}
