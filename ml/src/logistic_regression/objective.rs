//! What is minimised, and how points of the optimiser translate to coefficients.
//!
//! Let μⱼ, σⱼ be mean and standard deviation of feature j, W = Σwᵢ, and let (β, b) be a point, laid out as
//! index = feature·K + class, intercepts last. The optimiser sees features divided by σⱼ and, with intercepts,
//! centred: zᵢₖ = Σⱼ βₖⱼ·(xᵢⱼ − μⱼ)/σⱼ + bₖ. Then
//!
//! objective = (1/W)·Σ wᵢ·loss(zᵢ, yᵢ) + λ₂/2·Σ (βₖⱼ·pⱼ)² + λ₁·Σ |βₖⱼ|·pⱼ
//!
//! with pⱼ = 1 if `standardization`, else 1/σⱼ. Intercepts are not penalised; a constant feature (σⱼ = 0) takes no
//! part and its coefficient is exactly 0. Rows are never rewritten: dividing and centring are folded into the
//! coefficients on the way out and into the gradient on the way back.

use serde::{Deserialize, Serialize};

mod facts;

use super::Family;
use super::params::{FamilyParam, ValidLogisticRegressionParams};
use crate::error::MlError;
use crate::kernel::{KernelCoefficients, Precision, RowSample};
use crate::lanes;
use crate::optimizer::Evaluation;
use crate::partial::Partial;
use crate::summary::Summary;

/// The objective of one training: parameters and the summary of its rows, reduced to what each round needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    family: Family,
    num_classes: usize,
    fit_intercept: bool,
    regularized: bool,
    l2: f64,
    l1: f64,
    #[serde(with = "crate::float_serde::packed")]
    mean: Vec<f64>,
    /// 1/σⱼ, and 0 where σⱼ = 0.
    #[serde(with = "crate::float_serde::packed")]
    inverse_std: Vec<f64>,
    /// pⱼ of the module's formula, and 0 where σⱼ = 0 and `standardization` is off.
    #[serde(with = "crate::float_serde::packed")]
    penalty_scale: Vec<f64>,
    #[serde(with = "crate::float_serde::packed")]
    label_weights: Vec<f64>,
    /// Factors of the rows' weights, by label; empty where every one is 1.
    #[serde(
        with = "crate::float_serde::vector",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    class_weights: Vec<f64>,
    #[serde(default, skip_serializing_if = "Precision::is_double")]
    precision: Precision,
}

/// Coefficients for raw feature values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Solution {
    /// K·d coefficients, row by row: index = class·d + feature.
    #[serde(with = "crate::float_serde::vector")]
    pub coefficient_matrix: Vec<f64>,
    /// K intercepts; zeros without intercepts, ±∞ if only one class was seen.
    #[serde(with = "crate::float_serde::vector")]
    pub intercepts: Vec<f64>,
}

impl Objective {
    /// Makes the objective for training rows summarised by `summary`.
    ///
    /// # Errors
    /// [`MlError::NothingSummarized`] without rows; [`MlError::Requirement`] for the binomial family with more than
    /// two classes or a wrong number of thresholds.
    pub fn new(params: &ValidLogisticRegressionParams, summary: &Summary) -> Result<Self, MlError> {
        if summary.rows == 0 {
            return Err(MlError::NothingSummarized);
        }
        summary.check_shape(summary.width())?;
        if summary.width() == 0 {
            return Err(MlError::Shape {
                what: "features",
                expected: 1,
                got: 0,
            });
        }
        let num_classes = summary.num_classes();
        if let Some(thresholds) = params.thresholds.as_ref().filter(|t| t.len() != num_classes) {
            return Err(MlError::Requirement(format!(
                "LogisticRegression.train() called with non-matching numClasses and thresholds.length. \
                 numClasses={num_classes}, but thresholds has length {}",
                thresholds.len()
            )));
        }
        let inverse_std: Vec<f64> = summary
            .std()
            .into_iter()
            .map(|std| if std == 0.0 { 0.0 } else { 1.0 / std })
            .collect();
        let penalty_scale = if params.standardization {
            vec![1.0; inverse_std.len()]
        } else {
            inverse_std.clone()
        };
        Ok(Objective {
            family: family(params.family, num_classes)?,
            num_classes,
            fit_intercept: params.fit_intercept,
            regularized: params.reg_param != 0.0,
            l2: params.l2_strength(),
            l1: params.l1_strength(),
            mean: summary.mean.clone(),
            inverse_std,
            penalty_scale,
            label_weights: summary.label_weights.clone(),
            class_weights: summary.class_weights.clone(),
            precision: params.precision,
        })
    }

    /// Returns the likelihood used.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Returns the number of classes: the largest label plus one.
    pub fn num_classes(&self) -> usize {
        self.num_classes
    }

    /// Returns d, the number of features.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// Returns K, the number of coefficient rows.
    pub fn coefficient_rows(&self) -> usize {
        self.family.coefficient_rows(self.num_classes)
    }

    /// Returns Spark's answer where there is nothing to optimise: intercepts, and only one class in the rows. Its
    /// intercept is +∞ (binomial: −∞ for class 0), everything else 0.
    pub fn degenerate(&self) -> Option<Solution> {
        let mut present = self
            .label_weights
            .iter()
            .enumerate()
            .filter(|(_, weight)| **weight > 0.0);
        let only = present.next().filter(|_| present.next().is_none())?.0;
        if !self.fit_intercept {
            return None;
        }
        let rows = self.coefficient_rows();
        let mut intercepts = vec![0.0; rows];
        match self.family {
            Family::Binomial => {
                intercepts[0] = if only == 1 {
                    f64::INFINITY
                } else {
                    f64::NEG_INFINITY
                }
            }
            Family::Multinomial => intercepts[only] = f64::INFINITY,
        }
        Some(Solution {
            coefficient_matrix: vec![0.0; rows * self.width()],
            intercepts,
        })
    }

    /// Returns where the optimiser starts: coefficients 0 and, with intercepts, the class frequencies: ln(w₁/w₀) for
    /// binomial, log1p(wₖ) less its mean for multinomial.
    pub fn initial_point(&self) -> Vec<f64> {
        let rows = self.coefficient_rows();
        let mut point = vec![0.0; rows * self.width()];
        if !self.fit_intercept {
            return point;
        }
        match self.family {
            Family::Binomial => {
                let weight = |class: usize| self.label_weights.get(class).copied().unwrap_or(0.0);
                point.push(libm::log(weight(1) / weight(0)));
            }
            Family::Multinomial => {
                let mut intercepts: Vec<f64> = self.label_weights.iter().map(|w| libm::log1p(*w)).collect();
                centre(&mut intercepts);
                point.extend(intercepts);
            }
        }
        point
    }

    /// Returns the L1 strength of each coordinate of a point; `None` without an L1 penalty.
    pub fn l1(&self) -> Option<Vec<f64>> {
        if self.l1 == 0.0 {
            return None;
        }
        let rows = self.coefficient_rows();
        let mut l1: Vec<f64> = self
            .penalty_scale
            .iter()
            .flat_map(|scale| std::iter::repeat_n(self.l1 * scale, rows))
            .collect();
        l1.resize(rows * (self.width() + usize::from(self.fit_intercept)), 0.0);
        Some(l1)
    }

    /// Returns the coefficients that the kernel applies to raw rows: Cₖⱼ = βₖⱼ/σⱼ and, with intercepts,
    /// oₖ = bₖ − Σⱼ Cₖⱼ·μⱼ.
    pub fn kernel_coefficients(&self, point: &[f64]) -> KernelCoefficients {
        let (classes, width) = (self.coefficient_rows(), self.width());
        let (betas, intercepts) = point.split_at((classes * width).min(point.len()));
        let coefficients: Vec<f64> = betas
            .chunks(classes)
            .zip(&self.inverse_std)
            .flat_map(|(of_feature, inverse_std)| of_feature.iter().map(move |beta| beta * inverse_std))
            .collect();
        let mut offsets = vec![0.0; classes];
        if self.fit_intercept {
            offsets
                .iter_mut()
                .zip(intercepts)
                .for_each(|(offset, intercept)| *offset = *intercept);
            for (of_feature, mean) in coefficients.chunks(classes).zip(&self.mean) {
                lanes::axpy(-mean, of_feature, &mut offsets);
            }
        }
        KernelCoefficients {
            family: self.family,
            classes,
            width,
            coefficients,
            offsets,
            rows: RowSample::GRADIENT,
            class_weights: self.class_weights.clone(),
            precision: self.precision,
        }
    }

    /// Returns loss and gradient at `point`, from the merged partial of all rows: the mean plus the L2 penalty. The
    /// gradient is (Gₖⱼ − μⱼ·Mₖ)/(σⱼ·W) for coefficients (without the centring term if there are no intercepts) and
    /// Mₖ/W for intercepts.
    ///
    /// # Errors
    /// [`MlError::Shape`] if point or partial have another size; [`MlError::NothingSummarized`] if W is not positive.
    pub fn evaluate(&self, point: &[f64], partial: &Partial) -> Result<Evaluation, MlError> {
        let (classes, width) = (self.coefficient_rows(), self.width());
        partial.check_shape(classes, width)?;
        let expected = classes * (width + usize::from(self.fit_intercept));
        if point.len() != expected {
            return Err(MlError::Shape {
                what: "coordinates in point",
                expected,
                got: point.len(),
            });
        }
        let weight_sum = partial.weight_sum;
        if weight_sum.is_nan() || weight_sum <= 0.0 {
            return Err(MlError::NothingSummarized);
        }
        let (sums, multipliers) = partial.gradient_sum.split_at(classes * width);
        let mut gradient = Vec::with_capacity(expected);
        for (of_feature, (mean, inverse_std)) in
            sums.chunks(classes).zip(self.mean.iter().zip(&self.inverse_std))
        {
            for (sum, multiplier) in of_feature.iter().zip(multipliers) {
                let centred = if self.fit_intercept {
                    sum - mean * multiplier
                } else {
                    *sum
                };
                gradient.push(centred * inverse_std / weight_sum);
            }
        }
        if self.fit_intercept {
            gradient.extend(multipliers.iter().map(|multiplier| multiplier / weight_sum));
        }
        let penalty = self.add_l2(point, &mut gradient);
        Ok(Evaluation {
            loss: partial.loss_sum / weight_sum + penalty,
            gradient,
            hessian: Vec::new(),
            variance: 0.0,
        })
    }

    /// Adds the gradient of the L2 penalty and returns its value.
    fn add_l2(&self, point: &[f64], gradient: &mut [f64]) -> f64 {
        if self.l2 == 0.0 {
            return 0.0;
        }
        let classes = self.coefficient_rows();
        let coefficients = classes * self.width();
        let scale = |index: usize| {
            let scale = self.penalty_scale[index / classes];
            scale * scale
        };
        for (index, gradient) in gradient[..coefficients].iter_mut().enumerate() {
            *gradient += self.l2 * point[index] * scale(index);
        }
        0.5 * self.l2 * lanes::sum_by(coefficients, |index| point[index] * point[index] * scale(index))
    }

    /// Returns the coefficients for raw rows at `point`. A multinomial solution is one of many with the same
    /// probabilities; as in Spark the intercepts are made to sum to 0 over the classes and, without a penalty to
    /// decide it, each feature's coefficients too.
    pub fn solution(&self, point: &[f64]) -> Solution {
        let KernelCoefficients {
            classes,
            width,
            mut coefficients,
            offsets: mut intercepts,
            ..
        } = self.kernel_coefficients(point);
        if self.family == Family::Multinomial {
            if !self.regularized {
                coefficients.chunks_mut(classes).for_each(centre);
            }
            if self.fit_intercept {
                centre(&mut intercepts);
            }
        }
        let row_major = |index: usize| coefficients[(index % width) * classes + index / width];
        Solution {
            coefficient_matrix: (0..coefficients.len()).map(row_major).collect(),
            intercepts,
        }
    }
}

fn family(param: FamilyParam, num_classes: usize) -> Result<Family, MlError> {
    match param {
        FamilyParam::Binomial if num_classes > 2 => Err(MlError::Requirement(format!(
            "Binomial family only supports 1 or 2 outcome classes but found {num_classes}."
        ))),
        FamilyParam::Binomial => Ok(Family::Binomial),
        FamilyParam::Multinomial => Ok(Family::Multinomial),
        FamilyParam::Auto => Ok(if num_classes <= 2 {
            Family::Binomial
        } else {
            Family::Multinomial
        }),
    }
}

/// Subtracts the mean.
fn centre(values: &mut [f64]) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter_mut().for_each(|value| *value -= mean);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel;
    use crate::logistic_regression::LogisticRegressionParams;
    use crate::testing::block;

    const X: [[f64; 3]; 6] = [
        [1.0, -2.0, 5.0],
        [0.5, 3.0, 5.0],
        [-1.5, 0.25, 5.0],
        [2.0, 2.0, 5.0],
        [0.0, 1.0, 5.0],
        [-0.5, -1.0, 5.0],
    ];

    fn params(json: &str) -> ValidLogisticRegressionParams {
        serde_json::from_str(json).expect("valid parameters")
    }

    fn check_gradient(params: &ValidLogisticRegressionParams, labels: &[f64], weights: Option<&[f64]>) {
        let block = block(&X, labels, weights);
        let summary = Summary::of_blocks(std::slice::from_ref(&block)).expect("few classes");
        let objective = Objective::new(params, &summary).expect("an objective");
        let evaluate = |point: &[f64]| {
            let coefficients = objective.kernel_coefficients(point);
            let mut partial = coefficients.zero_partial();
            kernel::accumulate(&mut partial, &block, &coefficients).expect("one shape");
            objective.evaluate(point, &partial).expect("one shape")
        };
        let mut point = objective.initial_point();
        point
            .iter_mut()
            .enumerate()
            .for_each(|(i, x)| *x += 0.3 - 0.17 * i as f64);
        let gradient = evaluate(&point).gradient;
        for (coordinate, derivative) in gradient.iter().enumerate() {
            let shifted = |h: f64| {
                let mut point = point.clone();
                point[coordinate] += h;
                evaluate(&point).loss
            };
            // Richardson's extrapolation of the central difference: error of order h⁴.
            let central = |h: f64| (shifted(h) - shifted(-h)) / (2.0 * h);
            let difference = (4.0 * central(5e-4) - central(1e-3)) / 3.0;
            assert!(
                (difference - derivative).abs() < 1e-9,
                "{params:?} coordinate {coordinate}: {difference} {derivative}"
            );
        }
    }

    #[test]
    fn the_gradient_is_that_of_the_loss() {
        let weights = [1.0, 0.5, 2.0, 1.5, 1.0, 0.25];
        for family in ["binomial", "multinomial"] {
            for standardization in [true, false] {
                for fit_intercept in [true, false] {
                    let params = params(&format!(
                        "{{\"family\": \"{family}\", \"standardization\": {standardization}, \
                         \"fit_intercept\": {fit_intercept}, \"reg_param\": 0.3}}"
                    ));
                    let labels = if family == "binomial" {
                        [0., 1., 1., 0., 1., 0.]
                    } else {
                        [0., 2., 1., 1., 2., 0.]
                    };
                    check_gradient(&params, &labels, None);
                    check_gradient(&params, &labels, Some(&weights));
                }
            }
        }
    }

    fn summary(labels: &[f64]) -> Summary {
        Summary::of_blocks(&[block(&X[..labels.len()], labels, None)]).expect("few classes")
    }

    #[test]
    fn one_class_with_intercepts_is_sparks_infinite_intercept() {
        let degenerate = |labels: &[f64], json| {
            Objective::new(&params(json), &summary(labels))
                .expect("an objective")
                .degenerate()
        };
        let intercepts = |labels: &[f64]| degenerate(labels, "{}").expect("one class").intercepts;
        assert_eq!(intercepts(&[0.0, 0.0]), [f64::NEG_INFINITY]);
        assert_eq!(intercepts(&[1.0, 1.0]), [f64::INFINITY]);
        assert_eq!(intercepts(&[2.0, 2.0]), [0.0, 0.0, f64::INFINITY]);
        assert_eq!(degenerate(&[1.0, 1.0], r#"{"fit_intercept": false}"#), None);
        assert_eq!(
            degenerate(&[0.0, 2.0], "{}"),
            None,
            "an empty class is no degenerate case"
        );
    }

    #[test]
    fn impossible_combinations_are_refused_in_sparks_words() {
        let error = |json, labels: &[f64]| {
            Objective::new(&params(json), &summary(labels))
                .expect_err("impossible")
                .to_string()
        };
        assert_eq!(
            error(r#"{"family": "binomial"}"#, &[0.0, 1.0, 2.0]),
            "requirement failed: Binomial family only supports 1 or 2 outcome classes but found 3."
        );
        assert_eq!(
            error(r#"{"thresholds": [0.5, 0.2, 0.3]}"#, &[0.0, 1.0]),
            "requirement failed: LogisticRegression.train() called with non-matching numClasses and \
             thresholds.length. numClasses=2, but thresholds has length 3"
        );
        let nothing = Objective::new(&params("{}"), &Summary::default())
            .expect_err("no rows")
            .to_string();
        assert_eq!(
            nothing,
            "requirement failed: Nothing has been added to this summarizer."
        );
    }

    #[test]
    fn default_params_need_no_file() {
        let params = LogisticRegressionParams::default().check().expect("valid");
        let objective = Objective::new(&params, &summary(&[0.0, 1.0, 1.0])).expect("an objective");
        assert_eq!(objective.initial_point(), [0.0, 0.0, 0.0, libm::log(2.0)]);
    }
}
