//! The inverse of a Hessian, by Cholesky's factorisation.
//!
//! Where a Hessian is not positive definite (collinear features, classes that a plane separates) a multiple of the identity
//! is added (Nocedal and Wright, Numerical Optimization, 2006, §3.4).

use crate::kernel::at;
use crate::lanes;

/// What is added to the Hessian at first, as a part of its largest diagonal element, and by how much more each time.
const FIRST_RIDGE: f64 = 1e-12;
const RIDGE_GROWTH: f64 = 100.0;
/// A Hessian whose diagonal is nowhere above this is taken for none.
const SMALLEST_CURVATURE: f64 = 1e-200;
/// A pivot below this part of its diagonal element is noise.
const SMALLEST_PIVOT: f64 = 1e-13;

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
            if cholesky(&mut factor, n) {
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
            InverseHessian::Cholesky(factor) => solve(factor, x),
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

/// Replaces the lower triangle of a matrix by L with L·Lᵀ equal to it; false if it is not positive definite.
fn cholesky(matrix: &mut [f64], n: usize) -> bool {
    for row in 0..n {
        let (above, own) = matrix.split_at_mut(at(row, 0));
        for column in 0..row {
            let other = &above[at(column, 0)..][..column];
            let pivot = above[at(column, column)];
            own[column] = (own[column] - lanes::dot(&own[..column], other)) / pivot;
        }
        let diagonal = own[row];
        let rest = diagonal - lanes::dot(&own[..row], &own[..row]);
        if !(rest > SMALLEST_PIVOT * diagonal && rest.is_finite()) {
            return false;
        }
        own[row] = rest.sqrt();
    }
    true
}

/// Replaces x by the solution of L·Lᵀ·y = x.
fn solve(factor: &[f64], x: &mut [f64]) {
    for row in 0..x.len() {
        let of_row = &factor[at(row, 0)..=at(row, row)];
        x[row] = (x[row] - lanes::dot(&of_row[..row], &x[..row])) / of_row[row];
    }
    for row in (0..x.len()).rev() {
        x[row] /= factor[at(row, row)];
        let (above, own) = x.split_at_mut(row);
        lanes::axpy(-own[0], &factor[at(row, 0)..][..row], above);
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
