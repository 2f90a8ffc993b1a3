//! The Hessian of the objective in the optimiser's space, from the second derivatives that the kernel adds up over raw
//! rows.

use super::Family;
use super::objective::Objective;
use crate::error::MlError;
use crate::kernel::{at, class_pairs, triangle};
use crate::partial::Partial;

impl Objective {
    /// Returns the coordinates that a Newton step moves, ascending. Constant features take no part; and since the
    /// multinomial probabilities do not change when all classes' margins do alike, whatever of the last class is not
    /// penalised stays where it is.
    pub(crate) fn free_coordinates(&self) -> Vec<usize> {
        let (classes, width) = (self.coefficient_rows(), self.width());
        let redundant = |class: usize| self.family() == Family::Multinomial && class + 1 == classes;
        let coefficients = (0..width * classes).filter(|index| {
            let (feature, class) = (index / classes, index % classes);
            self.takes_part(feature) && (self.is_penalized(feature) || !redundant(class))
        });
        let intercepts = (0..classes).filter(|class| self.fits_intercept() && !redundant(*class));
        coefficients
            .chain(intercepts.map(|class| width * classes + class))
            .collect()
    }

    /// Returns the lower triangle, row by row, of the Hessian over the `free` coordinates, the L2 penalty included. For the
    /// raw sums S of two classes it is (S_jl − μⱼ·S_dl − μₗ·S_jd + μⱼ·μₗ·S_dd)/(σⱼ·σₗ·W), d standing for the 1 behind a row.
    ///
    /// # Errors
    /// [`MlError::Shape`] if the partial has not as many second derivatives as it should.
    pub(crate) fn hessian(&self, partial: &Partial, free: &[usize]) -> Result<Vec<f64>, MlError> {
        let (classes, width) = (self.coefficient_rows(), self.width());
        let (expected, got) = (class_pairs(classes) * triangle(width), partial.hessian_sum.len());
        if expected != got {
            return Err(MlError::Shape {
                what: "second derivatives in partial",
                expected,
                got,
            });
        }
        let inverse_weight = 1.0 / partial.hessian_weight_sum;
        let sums = partial.hessian_sum.chunks_exact(triangle(width));
        let pairs: Vec<Vec<f64>> = sums.map(|sums| self.standardized(sums)).collect();
        let mut hessian = Vec::with_capacity(free.len() * (free.len() + 1) / 2);
        for (position, row) in free.iter().enumerate() {
            for column in &free[..=position] {
                let (feature, other) = (row / classes, column / classes);
                let (class, other_class) = (row % classes, column % classes);
                let pair = at(class.max(other_class), class.min(other_class));
                let sum = pairs[pair][at(feature.max(other), feature.min(other))];
                let penalty = if row == column {
                    self.penalty_curvature(feature)
                } else {
                    0.0
                };
                hessian.push(sum * inverse_weight + penalty);
            }
        }
        Ok(hessian)
    }

    /// Returns the largest variance of a feature over the rows that second derivatives are of, each row weighted by its
    /// curvature; that over all rows is 1.
    pub(crate) fn largest_variance(&self, partial: &Partial) -> f64 {
        let (classes, width) = (self.coefficient_rows(), self.width());
        let triangles: Vec<&[f64]> = partial.hessian_sum.chunks_exact(triangle(width)).collect();
        let own = |row: usize, column: usize| -> f64 {
            let of_class = |class: usize| triangles[at(class, class)][at(row, column)];
            (0..classes).map(of_class).sum()
        };
        let weight = own(width, width);
        let variance = |feature: usize| {
            let mean = self.mean(feature);
            let sum = own(feature, feature) - 2.0 * mean * own(width, feature) + mean * mean * weight;
            sum * self.scale(feature) * self.scale(feature) / weight
        };
        (0..width).map(variance).fold(0.0, f64::max)
    }

    /// The triangle of raw sums, for centred features divided by their deviation.
    pub(crate) fn standardized(&self, sums: &[f64]) -> Vec<f64> {
        let width = self.width();
        let (mean, scale) = (|j: usize| self.centre(j), |j: usize| self.scale(j));
        let of_one = &sums[at(width, 0)..];
        let mut standardized = Vec::with_capacity(sums.len());
        for row in 0..=width {
            for column in 0..=row {
                let centred = sums[at(row, column)] - mean(row) * of_one[column] - mean(column) * of_one[row]
                    + mean(row) * mean(column) * of_one[width];
                standardized.push(centred * scale(row) * scale(column));
            }
        }
        standardized
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{self, RowSample};
    use crate::summary::Summary;
    use crate::testing::block;

    const X: [[f64; 3]; 6] = [
        [1.0, -2.0, 5.0],
        [0.5, 3.0, 5.0],
        [-1.5, 0.25, 5.0],
        [2.0, 2.0, 5.0],
        [0.0, 1.0, 5.0],
        [-0.5, -1.0, 5.0],
    ];

    /// The Hessian against differences of gradients, all parameters that shape it.
    fn check(json: &str, labels: &[f64]) {
        let params = serde_json::from_str(json).expect("valid parameters");
        let block = block(&X, labels, Some(&[1.0, 0.5, 2.0, 1.5, 1.0, 0.25]));
        let summary = Summary::of_blocks(std::slice::from_ref(&block)).expect("few classes");
        let objective = Objective::new(&params, &summary).expect("an objective");
        let partial = |point: &[f64]| {
            let mut coefficients = objective.kernel_coefficients(point);
            coefficients.rows = RowSample::HESSIAN;
            let mut partial = coefficients.zero_partial();
            kernel::accumulate(&mut partial, &block, &coefficients).expect("one shape");
            partial
        };
        let gradient = |point: &[f64]| {
            let evaluation = objective.evaluate(point, &partial(point));
            evaluation.expect("one shape").gradient
        };
        let mut point = objective.initial_point();
        point
            .iter_mut()
            .enumerate()
            .for_each(|(i, x)| *x += 0.3 - 0.17 * i as f64);
        let free = objective.free_coordinates();
        let hessian = objective.hessian(&partial(&point), &free).expect("one shape");
        assert_eq!(hessian.len(), free.len() * (free.len() + 1) / 2, "{json}");
        for (row, index) in free.iter().enumerate() {
            let shifted = |h: f64| {
                let mut point = point.clone();
                point[*index] += h;
                gradient(&point)
            };
            let (above, below) = (shifted(1e-5), shifted(-1e-5));
            for (column, other) in free[..=row].iter().enumerate() {
                let difference = (above[*other] - below[*other]) / 2e-5;
                let found = hessian[at(row, column)];
                assert!(
                    (difference - found).abs() < 1e-8,
                    "{json} {index} {other}: {difference} {found}"
                );
            }
        }
    }

    #[test]
    fn the_hessian_is_the_derivative_of_the_gradient() {
        for fit_intercept in [true, false] {
            for standardization in [true, false] {
                for reg_param in [0.0, 0.3] {
                    for (family, labels) in [
                        ("binomial", [0.0, 1.0, 1.0, 0.0, 1.0, 0.0]),
                        ("multinomial", [0.0, 1.0, 2.0, 0.0, 1.0, 2.0]),
                    ] {
                        let json = format!(
                            r#"{{"family": "{family}", "fit_intercept": {fit_intercept}, "reg_param": {reg_param},
                                "standardization": {standardization}}}"#
                        );
                        check(&json, &labels);
                    }
                }
            }
        }
    }

    #[test]
    fn what_no_probability_depends_on_is_not_free() {
        let free = |json: &str| {
            let params = serde_json::from_str(json).expect("valid parameters");
            let block = block(&X, &[0.0, 1.0, 2.0, 0.0, 1.0, 2.0], None);
            let summary = Summary::of_blocks(&[block]).expect("few classes");
            Objective::new(&params, &summary)
                .expect("an objective")
                .free_coordinates()
        };
        // Feature 2 is constant; coordinates 2 and 5 are the last class's coefficients, 11 its intercept.
        assert_eq!(free("{}"), [0, 1, 3, 4, 9, 10]);
        assert_eq!(free(r#"{"reg_param": 1.0}"#), [0, 1, 2, 3, 4, 5, 9, 10]);
        assert_eq!(free(r#"{"fit_intercept": false}"#), [0, 1, 3, 4]);
    }
}
