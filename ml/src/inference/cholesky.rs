//! Symmetric matrices as packed lower triangles, row by row, scaled to a unit diagonal before they are factored: what a
//! pivot means then does not depend on the units of the features.

use crate::cholesky;
use crate::kernel::at;
use crate::lanes;

/// Steps of the power iterations; each gains at least what separates the two outermost eigenvalues.
const POWER_STEPS: usize = 200;

/// S·M·S = G·Gᵀ with S = diag(M)^−½.
#[derive(Debug)]
pub(super) struct Cholesky {
    /// The diagonal of S.
    scale: Vec<f64>,
    /// S·M·S.
    scaled: Vec<f64>,
    /// G.
    factor: Vec<f64>,
}

impl Cholesky {
    /// Factors a matrix of `n` rows; `None` if it is not positive definite as far as doubles can tell.
    pub(super) fn new(matrix: &[f64], n: usize) -> Option<Self> {
        let diagonal = (0..n).map(|i| matrix[at(i, i)]);
        let scale: Vec<f64> = diagonal
            .map(|d| if d > 0.0 { 1.0 / d.sqrt() } else { f64::NAN })
            .collect();
        if !scale.iter().all(|s| s.is_finite()) {
            return None;
        }
        let mut scaled = Vec::with_capacity(matrix.len());
        for (row, of_row) in scale.iter().enumerate() {
            let elements = &matrix[at(row, 0)..=at(row, row)];
            scaled.extend(elements.iter().zip(&scale).map(|(m, s)| m * s * of_row));
        }
        let mut factor = scaled.clone();
        if !cholesky::factor(&mut factor, n) {
            return None;
        }
        Some(Cholesky {
            scale,
            scaled,
            factor,
        })
    }

    /// Returns bᵀ·M⁻¹·b.
    pub(super) fn inverse_form(&self, b: &[f64]) -> f64 {
        let x = self.forward(b.iter().zip(&self.scale).map(|(b, s)| b * s).collect());
        lanes::dot(&x, &x)
    }

    /// Returns M⁻¹·b.
    pub(super) fn solve(&self, b: &[f64]) -> Vec<f64> {
        let scaled = |b: &[f64]| {
            b.iter()
                .zip(&self.scale)
                .map(|(b, s)| b * s)
                .collect::<Vec<f64>>()
        };
        scaled(&self.backward(self.forward(scaled(b))))
    }

    /// Returns the 2-norm condition number of the scaled matrix: its largest eigenvalue over its smallest, both by power
    /// iteration, so rather too small than too large.
    pub(super) fn condition_number(&self) -> f64 {
        let n = self.scale.len();
        let largest = dominant(n, |x| self.product(x));
        let inverse_smallest = dominant(n, |x| self.backward(self.forward(x.to_vec())));
        (largest * inverse_smallest).max(1.0)
    }

    /// (S·M·S)·x.
    fn product(&self, x: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; x.len()];
        for row in 0..x.len() {
            let elements = &self.scaled[at(row, 0)..=at(row, row)];
            y[row] += lanes::dot(elements, &x[..=row]);
            lanes::axpy(x[row], &elements[..row], &mut y[..row]);
        }
        y
    }

    /// G⁻¹·b.
    fn forward(&self, mut b: Vec<f64>) -> Vec<f64> {
        cholesky::forward(&self.factor, &mut b);
        b
    }

    /// G⁻ᵀ·b.
    fn backward(&self, mut b: Vec<f64>) -> Vec<f64> {
        cholesky::backward(&self.factor, &mut b);
        b
    }
}

/// The largest eigenvalue of a positive definite matrix, by its product with a vector.
fn dominant(n: usize, product: impl Fn(&[f64]) -> Vec<f64>) -> f64 {
    // Multiples of the golden ratio: in no subspace that features of any practice leave out.
    let mut x: Vec<f64> = (1..=n)
        .map(|i| (i as f64 * 0.618_033_988_749_894_9).fract() - 0.4)
        .collect();
    let mut value = 0.0;
    for _ in 0..POWER_STEPS {
        let norm = lanes::norm(&x);
        x.iter_mut().for_each(|x| *x /= norm);
        let y = product(&x);
        let next = lanes::dot(&x, &y);
        x = y;
        if (next - value).abs() <= 1e-6 * next {
            return next;
        }
        value = next;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    // Of very different scales, as features are.
    const M: [f64; 6] = [4e6, 2e3, 9.0, -1e3, 0.5, 2.0];

    fn full() -> [[f64; 3]; 3] {
        std::array::from_fn(|i| std::array::from_fn(|j| M[at(i.max(j), i.min(j))]))
    }

    #[test]
    fn a_solution_is_one() {
        let cholesky = Cholesky::new(&M, 3).expect("positive definite");
        let b = [1.0, -2.0, 0.25];
        let x = cholesky.solve(&b);
        for (row, b) in full().iter().zip(b) {
            let product: f64 = row.iter().zip(&x).map(|(m, x)| m * x).sum();
            assert!((product - b).abs() < 1e-12, "{product} {b}");
        }
        let form: f64 = x.iter().zip(b).map(|(x, b)| x * b).sum();
        assert!((cholesky.inverse_form(&b) - form).abs() < 1e-12 * form);
    }

    #[test]
    fn the_condition_number_is_that_of_the_scaled_matrix() {
        // Eigenvalues of [[1, r], [r, 1]] are 1 ± r.
        for r in [0.0, 0.5, 0.999] {
            let cholesky = Cholesky::new(&[25.0, 5.0 * 1e-3 * r, 1e-6], 2).expect("positive definite");
            let expected = (1.0 + r) / (1.0 - r);
            let found = cholesky.condition_number();
            assert!((found - expected).abs() < 1e-4 * expected, "{found} {expected}");
        }
    }

    #[test]
    fn what_is_not_positive_definite_has_no_factor() {
        assert!(Cholesky::new(&[1.0, 2.0, 1.0], 2).is_none());
        assert!(Cholesky::new(&[1.0, 1.0, 1.0], 2).is_none());
        assert!(Cholesky::new(&[0.0], 1).is_none());
        assert!(Cholesky::new(&[f64::NAN], 1).is_none());
    }
}
