//! Cholesky's factorisation of symmetric matrices, which are packed as lower triangles, row by row.

use crate::kernel::at;
use crate::lanes;

/// A pivot below this part of its diagonal element is noise.
const SMALLEST_PIVOT: f64 = 1e-13;

/// Replaces the lower triangle of a matrix of `n` rows by L with L·Lᵀ equal to it; false if it is not positive definite as far
/// as doubles can tell.
pub(crate) fn factor(matrix: &mut [f64], n: usize) -> bool {
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

/// Replaces x by L⁻¹·x.
pub(crate) fn forward(factor: &[f64], x: &mut [f64]) {
    for row in 0..x.len() {
        let of_row = &factor[at(row, 0)..=at(row, row)];
        x[row] = (x[row] - lanes::dot(&of_row[..row], &x[..row])) / of_row[row];
    }
}

/// Replaces x by L⁻ᵀ·x.
pub(crate) fn backward(factor: &[f64], x: &mut [f64]) {
    for row in (0..x.len()).rev() {
        x[row] /= factor[at(row, row)];
        let (above, own) = x.split_at_mut(row);
        lanes::axpy(-own[0], &factor[at(row, 0)..][..row], above);
    }
}
