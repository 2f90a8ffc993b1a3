//! The inverse of a Hessian, by Cholesky's factorisation.
//!
//! Where a Hessian is not positive definite (collinear features, classes that a plane separates) a multiple of the identity
//! is added (Nocedal and Wright, Numerical Optimization, 2006, §3.4).

use crate::cholesky;
use crate::kernel::at;

/// What is added to the Hessian at first, as a part of its largest diagonal element, and by how much more each time.
const FIRST_RIDGE: f64 = 1e-12;
const RIDGE_GROWTH: f64 = 100.0;
/// A Hessian whose diagonal is nowhere above this is taken for none.
const SMALLEST_CURVATURE: f64 = 1e-200;

/// H⁻¹, or as near to it as can be had.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum InverseHessian {
    /// The lower triangle of L, row by row, with L·Lᵀ = H.
    Cholesky(Vec<f64>),
    /// Nothing is known but the largest curvature.
    Identity(f64),
}

impl InverseHessian {
    /// Inverts the Hessian of `n` coordinates, given by its lower triangle, row by row.
    pub(super) fn of(hessian: &[f64], n: usize) -> Self {
        let largest = (0..n).map(|i| hessian[at(i, i)]).fold(0.0, f64::max);
        let mut ridge = 0.0;
        while largest >= SMALLEST_CURVATURE && ridge <= largest {
            let mut factor = hessian.to_vec();
            (0..n).for_each(|i| factor[at(i, i)] += ridge);
            if cholesky::factor(&mut factor, n) {
                return InverseHessian::Cholesky(factor);
            }
            ridge = if ridge == 0.0 {
                FIRST_RIDGE * largest
            } else {
                ridge * RIDGE_GROWTH
            };
        }
        InverseHessian::Identity(1.0 / largest.max(1.0))
    }

    /// Replaces x by H⁻¹·x.
    pub(super) fn apply(&self, x: &mut [f64]) {
        match self {
            InverseHessian::Cholesky(factor) => {
                cholesky::forward(factor, x);
                cholesky::backward(factor, x);
            }
            InverseHessian::Identity(scale) => x.iter_mut().for_each(|x| *x *= scale),
        }
    }

    /// Returns −H⁻¹·g.
    pub(super) fn downhill(&self, gradient: &[f64]) -> Vec<f64> {
        let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
        self.apply(&mut direction);
        direction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_solves_the_equations() {
        // H = [[4, 2, 1], [2, 5, 3], [1, 3, 6]]
        let inverse = InverseHessian::of(&[4.0, 2.0, 5.0, 1.0, 3.0, 6.0], 3);
        let mut x = [11.0, 21.0, 25.0];
        inverse.apply(&mut x);
        for (x, expected) in x.iter().zip([1.0, 2.0, 3.0]) {
            assert!((x - expected).abs() < 1e-14, "{x}");
        }
    }

    #[test]
    fn a_singular_hessian_still_gives_a_way_down() {
        let downhill = |hessian: &[f64], gradient: &[f64]| {
            InverseHessian::of(hessian, gradient.len()).downhill(gradient)
        };
        // x + y matters alone; the matrix has rank 1.
        let direction = downhill(&[1.0, 1.0, 1.0], &[2.0, 2.0]);
        assert!((direction[0] + direction[1] + 2.0).abs() < 1e-6, "{direction:?}");
        let direction = downhill(&[0.0, 0.0, 0.0], &[1.0, -2.0]);
        assert!(direction[0] < 0.0 && direction[1] > 0.0, "{direction:?}");
        let direction = downhill(&[f64::NAN, 0.0, 1.0], &[1.0, 0.0]);
        assert!(direction.iter().all(|p| p.is_finite()), "{direction:?}");
    }
}
