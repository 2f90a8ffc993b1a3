//! What some rows contribute to a round: sums, never means.

use serde::{Deserialize, Serialize};

use crate::error::MlError;
use crate::lanes;

/// Loss and gradient sums over some rows. A monoid under [`merge`](Partial::merge); merged along the fixed tree of
/// [`tree`](crate::tree), never by arrival.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Partial {
    /// Σ wᵢ·lossᵢ.
    #[serde(with = "crate::float_serde::scalar")]
    pub loss_sum: f64,
    /// Σ wᵢ.
    #[serde(with = "crate::float_serde::scalar")]
    pub weight_sum: f64,
    /// Number of rows.
    pub rows: u64,
    /// K·d sums G_kj = Σ mᵢₖ·xᵢⱼ at index j·K + k, then K sums M_k = Σ mᵢₖ, where mᵢₖ is the derivative of the
    /// weighted loss of row i by its k-th margin.
    #[serde(with = "crate::float_serde::vector")]
    pub gradient_sum: Vec<f64>,
    /// Σ wᵢ of the rows that second derivatives are of.
    #[serde(with = "crate::float_serde::scalar", default)]
    pub hessian_weight_sum: f64,
    /// Where second derivatives were asked for: for each pair of classes k ≤ l, in the order (0,0), (1,0), (1,1), …, the
    /// lower triangle of Σ hᵢₖₗ·x̂ᵢ·x̂ᵢᵀ, row by row, where x̂ is a row with a 1 behind it; else empty.
    #[serde(with = "crate::float_serde::vector", default)]
    pub hessian_sum: Vec<f64>,
}

impl Partial {
    /// Returns the contribution of no rows, for K = `classes` coefficient rows and d = `width` features.
    pub fn zero(classes: usize, width: usize) -> Self {
        Partial {
            gradient_sum: vec![0.0; classes * (width + 1)],
            ..Partial::default()
        }
    }

    /// Returns the sum of both, `self` being the left operand.
    ///
    /// Both must have one shape. If one is shorter its missing sums count as zero; a wrong shape is found by
    /// [`check_shape`](Partial::check_shape).
    #[must_use]
    pub fn merge(mut self, mut other: Partial) -> Partial {
        let length = self.gradient_sum.len().max(other.gradient_sum.len());
        self.gradient_sum.resize(length, 0.0);
        other.gradient_sum.resize(length, 0.0);
        lanes::axpy(1.0, &other.gradient_sum, &mut self.gradient_sum);
        let length = self.hessian_sum.len().max(other.hessian_sum.len());
        self.hessian_sum.resize(length, 0.0);
        other.hessian_sum.resize(length, 0.0);
        lanes::axpy(1.0, &other.hessian_sum, &mut self.hessian_sum);
        Partial {
            loss_sum: self.loss_sum + other.loss_sum,
            weight_sum: self.weight_sum + other.weight_sum,
            rows: self.rows + other.rows,
            gradient_sum: self.gradient_sum,
            hessian_weight_sum: self.hessian_weight_sum + other.hessian_weight_sum,
            hessian_sum: self.hessian_sum,
        }
    }

    /// Returns the sums of both, one by one: the partials of the same rows at several coefficients.
    #[must_use]
    pub fn merge_each(left: Vec<Partial>, right: Vec<Partial>) -> Vec<Partial> {
        left.into_iter().zip(right).map(|(a, b)| a.merge(b)).collect()
    }

    /// Checks that the partial is one of K = `classes` coefficient rows and d = `width` features.
    ///
    /// # Errors
    /// [`MlError::Shape`] with both sizes.
    pub fn check_shape(&self, classes: usize, width: usize) -> Result<(), MlError> {
        let (expected, got) = (classes * (width + 1), self.gradient_sum.len());
        if expected == got {
            Ok(())
        } else {
            Err(MlError::Shape {
                what: "sums in partial",
                expected,
                got,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_neutral_and_shapes_are_checked() {
        let partial = Partial {
            loss_sum: 1.5,
            weight_sum: 2.0,
            rows: 2,
            gradient_sum: vec![1.0, -2.0],
            hessian_weight_sum: 1.5,
            hessian_sum: vec![0.5, 0.25, 3.0],
        };
        assert_eq!(Partial::zero(1, 1).merge(partial.clone()), partial);
        assert_eq!(partial.clone().merge(Partial::zero(1, 1)), partial);
        let error = partial.check_shape(3, 1).expect_err("other shape").to_string();
        assert_eq!(error, "sums in partial: expected 6, got 2");
    }
}
