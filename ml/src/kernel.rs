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
mod columns;
mod fast;
mod hessian;
mod math;
mod multinomial;
mod precision;
mod real;
mod row_sample;
mod sparse;
mod stack;
#[cfg(test)]
mod tests;
mod tile;
mod together;

pub(crate) use hessian::{at, class_pairs, triangle};
pub use precision::Precision;
pub use row_sample::RowSample;
pub use together::evaluate_blocks;

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
    /// With how many bits to compute.
    #[serde(default, skip_serializing_if = "Precision::is_double")]
    pub precision: Precision,
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
    accumulate_stack(std::slice::from_mut(partial), block, &[coefficients])
}

/// Adds the rows of `block` to a partial for each of the coefficients, whose shape was checked, and which are alike but for
/// their numbers.
fn accumulate_stack(
    partials: &mut [Partial],
    block: &Block,
    members: &[&KernelCoefficients],
) -> Result<(), MlError> {
    let Some(first) = members.first() else {
        return Ok(());
    };
    let labels = match first.family {
        Family::Binomial => Vec::new(),
        Family::Multinomial => block.classes(),
    };
    check_shapes(partials, block, &labels, first)?;
    let (rows, class_weights) = (first.rows, &first.class_weights);
    let counted = rows.gradient_rows(block.rows());
    let weight_sum = block.weight_sum_of(counted, class_weights);
    let curved = rows.hessian_rows(block.rows());
    let hessian_weight_sum = block.weight_sum_of(curved, class_weights);
    for partial in &mut *partials {
        partial.weight_sum += weight_sum;
        partial.rows += counted as u64;
        partial.hessian_weight_sum += hessian_weight_sum;
    }
    // Second derivatives are wanted of few coefficients only: then there is room for a column each.
    let dense = (curved > 0 && block.sparse().is_some()).then(|| block.to_dense());
    simd::dispatch(Pass {
        partials,
        block: dense.as_ref().unwrap_or(block),
        labels: &labels,
        members,
    });
    Ok(())
}

fn check_shapes(
    partials: &[Partial],
    block: &Block,
    labels: &[usize],
    coefficients: &KernelCoefficients,
) -> Result<(), MlError> {
    let shape = |what, expected, got| match expected == got {
        true => Ok(()),
        false => Err(MlError::Shape { what, expected, got }),
    };
    for partial in partials {
        partial.check_shape(coefficients.classes, coefficients.width)?;
        let (expected, got) = (coefficients.hessian_length(), partial.hessian_sum.len());
        shape("second derivatives in partial", expected, got)?;
    }
    shape("features in block", coefficients.width, block.width())?;
    let expected = coefficients.classes;
    match labels.iter().find(|label| **label >= expected) {
        Some(got) => Err(MlError::Shape {
            what: "label below",
            expected,
            got: *got,
        }),
        None => Ok(()),
    }
}

/// Loss and gradient of a block whose shape was checked.
struct Pass<'a> {
    partials: &'a mut [Partial],
    block: &'a Block,
    /// The classes of the rows and of those that fill the last lane, which the multinomial loss looks up.
    labels: &'a [usize],
    members: &'a [&'a KernelCoefficients],
}

impl NullaryFnOnce for Pass<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let like = self.members[0];
        if (like.precision, like.family) == (Precision::Fast, Family::Binomial) {
            for (partial, member) in self.partials.iter_mut().zip(self.members) {
                fast::accumulate(partial, self.block, member);
            }
            return;
        }
        match (self.partials, self.members) {
            ([partial], [alone]) if alone.family == Family::Binomial => {
                binomial::accumulate(partial, self.block, alone, 0);
            }
            (partials, members) => stack::accumulate(partials, self.block, self.labels, members),
        }
    }
}
