//! [`Affine`]: features that are columns times a factor plus a shift, so that rounds can run on the columns themselves.
//!
//! With x'ⱼ = aⱼ·xⱼ + bⱼ a margin is Σⱼ Cⱼ·x'ⱼ + o = Σⱼ (Cⱼ·aⱼ)·xⱼ + (o + Σⱼ Cⱼ·bⱼ), and whatever is summed over x' follows from
//! the same sums over x: Σ m·x'ⱼ = aⱼ·Σ m·xⱼ + bⱼ·Σ m, and so on for products of two. Coefficients are translated on their way
//! to the columns, sums on their way back; whoever asks sees scaled features alone.

use crate::kernel::{KernelCoefficients, at, triangle};
use crate::partial::Partial;
use crate::summary::Summary;

/// How much larger than its range a feature may be: so much of a sum's precision is lost when the shift is undone.
const MOST_OFFSET: f64 = 1024.0;

/// For each feature a factor a and a shift b: x' = a·x + b.
#[derive(Debug, Clone, PartialEq)]
pub struct Affine {
    factors: Vec<f64>,
    shifts: Vec<f64>,
}

impl Affine {
    /// Columns as they are.
    pub(crate) fn identity(width: usize) -> Self {
        Affine {
            factors: vec![1.0; width],
            shifts: vec![0.0; width],
        }
    }

    /// This one, and then the same again by factor and shift of each feature. `None` if there is not one for each, or if
    /// sums over the columns would lose too much: a shift is far larger than what it leaves.
    pub(crate) fn then(&self, next: &[(f64, f64)]) -> Option<Self> {
        if next.len() != self.factors.len() {
            return None;
        }
        let factors = self.factors.iter().zip(next).map(|(factor, (a, _))| factor * a);
        let shifts = self.shifts.iter().zip(next).map(|(shift, (a, b))| shift * a + b);
        let affine = Affine {
            factors: factors.collect(),
            shifts: shifts.collect(),
        };
        let is_usable = affine.factors.iter().all(|factor| factor.is_finite())
            && affine.shifts.iter().all(|shift| shift.abs() <= MOST_OFFSET);
        is_usable.then_some(affine)
    }

    /// Returns whether nothing is changed.
    pub fn is_identity(&self) -> bool {
        self.factors.iter().all(|factor| *factor == 1.0) && self.shifts.iter().all(|shift| *shift == 0.0)
    }

    /// Returns the coefficients for the columns of those for scaled features, which must be as many.
    pub fn coefficients(&self, scaled: &KernelCoefficients) -> KernelCoefficients {
        let mut raw = scaled.clone();
        let of_features = raw.coefficients.chunks_mut(raw.classes.max(1));
        for (of_feature, (factor, shift)) in of_features.zip(self.factors.iter().zip(&self.shifts)) {
            for (coefficient, offset) in of_feature.iter_mut().zip(&mut raw.offsets) {
                *offset += *coefficient * shift;
                *coefficient *= factor;
            }
        }
        raw
    }

    /// Returns the partial of scaled features, of one of the columns with `classes` coefficient rows.
    pub fn partial(&self, raw: Partial, classes: usize) -> Partial {
        // Named one by one: a sum that is added must be translated here.
        let Partial {
            loss_sum,
            weight_sum,
            rows,
            mut gradient_sum,
            hessian_weight_sum,
            mut hessian_sum,
        } = raw;
        let width = self.factors.len();
        let of_features = (width * classes).min(gradient_sum.len());
        let (features, totals) = gradient_sum.split_at_mut(of_features);
        for (of_feature, (factor, shift)) in features
            .chunks_mut(classes.max(1))
            .zip(self.factors.iter().zip(&self.shifts))
        {
            for (sum, total) in of_feature.iter_mut().zip(totals.iter()) {
                *sum = factor * *sum + shift * total;
            }
        }
        for of_classes in hessian_sum.chunks_exact_mut(triangle(width)) {
            self.scale_products(of_classes);
        }
        Partial {
            loss_sum,
            weight_sum,
            rows,
            gradient_sum,
            hessian_weight_sum,
            hessian_sum,
        }
    }

    /// The triangle of Σ h·x̂'·x̂'ᵀ in place of that of Σ h·x̂·x̂ᵀ.
    fn scale_products(&self, products: &mut [f64]) {
        let width = self.factors.len();
        let total = products[at(width, width)];
        // The sums of the columns are in the last row, which is translated last.
        for row in 0..width {
            let (a, b, of_row) = (self.factors[row], self.shifts[row], products[at(width, row)]);
            for column in 0..=row {
                let (c, d, of_column) = (
                    self.factors[column],
                    self.shifts[column],
                    products[at(width, column)],
                );
                let product = &mut products[at(row, column)];
                *product = a * c * *product + a * d * of_row + b * c * of_column + b * d * total;
            }
        }
        for column in 0..width {
            let sum = &mut products[at(width, column)];
            *sum = self.factors[column] * *sum + self.shifts[column] * total;
        }
    }

    /// Returns the summary of scaled features, of that of the columns.
    pub fn summary(&self, raw: Summary) -> Summary {
        // Named one by one, as above.
        let Summary {
            rows,
            weight_sum,
            weight_square_sum,
            mean,
            m2,
            label_weights,
            class_weights,
        } = raw;
        let of_features = self.factors.iter().zip(&self.shifts);
        Summary {
            rows,
            weight_sum,
            weight_square_sum,
            mean: mean
                .iter()
                .zip(of_features)
                .map(|(mean, (a, b))| a * mean + b)
                .collect(),
            m2: m2.iter().zip(&self.factors).map(|(m2, a)| a * a * m2).collect(),
            label_weights,
            class_weights,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::accumulate;
    use crate::kernel::{Precision, RowSample};
    use crate::logistic_regression::Family;
    use crate::testing::block;

    const FACTORS: [f64; 3] = [0.5, -2.0, 0.0];
    const SHIFTS: [f64; 3] = [3.0, 0.25, 0.5];

    fn affine() -> Affine {
        let next: Vec<(f64, f64)> = FACTORS.into_iter().zip(SHIFTS).collect();
        Affine::identity(3).then(&next).expect("small shifts")
    }

    fn rows() -> Vec<[f64; 3]> {
        let value = |i: usize| ((i * 2_654_435_761) % 10_007) as f64 / 1e3 - 4.0;
        (0..500)
            .map(|row| std::array::from_fn(|j| value(3 * row + j)))
            .collect()
    }

    fn close(a: &[f64], b: &[f64]) {
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() <= 1e-12 * (1.0 + a.abs()) * 500.0, "{a} {b}");
        }
    }

    #[test]
    fn sums_over_columns_give_those_over_scaled_features() {
        let raw = rows();
        let scaled: Vec<[f64; 3]> = raw
            .iter()
            .map(|row| std::array::from_fn(|j| FACTORS[j] * row[j] + SHIFTS[j]))
            .collect();
        let labels: Vec<f64> = (0..raw.len()).map(|row| (row % 3) as f64).collect();
        let weights: Vec<f64> = (0..raw.len()).map(|row| (row % 4) as f64 / 2.0).collect();
        for (family, classes) in [(Family::Binomial, 1), (Family::Multinomial, 3)] {
            let labels: Vec<f64> = labels.iter().map(|label| label.min(classes as f64)).collect();
            let (raw, scaled) = (
                block(&raw, &labels, Some(&weights)),
                block(&scaled, &labels, Some(&weights)),
            );
            let asked = KernelCoefficients {
                family,
                classes,
                width: 3,
                coefficients: (0..3 * classes).map(|i| 0.3 - 0.1 * i as f64).collect(),
                offsets: (0..classes).map(|k| 0.2 * k as f64 - 0.1).collect(),
                rows: RowSample::HESSIAN,
                class_weights: Vec::new(),
                precision: Precision::Double,
            };
            let (mut of_raw, mut of_scaled) = (asked.zero_partial(), asked.zero_partial());
            accumulate(&mut of_raw, &raw, &affine().coefficients(&asked)).expect("one shape");
            accumulate(&mut of_scaled, &scaled, &asked).expect("one shape");
            let of_raw = affine().partial(of_raw, classes);
            close(
                &[of_raw.loss_sum, of_raw.weight_sum],
                &[of_scaled.loss_sum, of_scaled.weight_sum],
            );
            close(&of_raw.gradient_sum, &of_scaled.gradient_sum);
            close(&of_raw.hessian_sum, &of_scaled.hessian_sum);
            let summary = |block| Summary::of_blocks(&[block]).expect("few classes");
            let (of_raw, of_scaled) = (affine().summary(summary(raw)), summary(scaled));
            close(&of_raw.mean, &of_scaled.mean);
            close(&of_raw.std(), &of_scaled.std());
            assert_eq!((of_raw.mean[2], of_raw.std()[2]), (0.5, 0.0), "a constant is one");
            assert_eq!(of_raw.label_weights, of_scaled.label_weights);
        }
    }

    #[test]
    fn large_shifts_are_refused_and_several_are_one() {
        assert!(Affine::identity(1).then(&[(1.0, 1e6)]).is_none());
        assert!(Affine::identity(1).then(&[(f64::INFINITY, 0.0)]).is_none());
        assert!(Affine::identity(2).then(&[(1.0, 0.0)]).is_none());
        assert!(Affine::identity(2).is_identity() && !affine().is_identity());
        let twice = Affine::identity(1)
            .then(&[(2.0, 1.0)])
            .and_then(|affine| affine.then(&[(3.0, -1.0)]));
        assert_eq!(twice, Affine::identity(1).then(&[(6.0, 2.0)]));
    }
}
