//! A fitted logistic regression: features in, raw scores, probabilities and a class out
//! (`org.apache.spark.ml.classification.LogisticRegressionModel`).

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Family;
use super::params::{ValidLogisticRegressionParams, equivalent_threshold};
use super::training::Fit;
use crate::error::MlError;
use crate::frame::SparseVectors;
use crate::lanes;

/// Coefficients and the rule that turns probabilities into a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogisticRegressionModel {
    /// The likelihood it was trained with.
    pub family: Family,
    /// Number of classes; 1 if all training rows were of class 0.
    pub num_classes: usize,
    /// d, the number of features.
    pub num_features: usize,
    /// K·d coefficients, index = class·d + feature. K is 1 for binomial.
    #[serde(with = "crate::float_serde::vector")]
    pub coefficient_matrix: Vec<f64>,
    /// K intercepts.
    #[serde(with = "crate::float_serde::vector")]
    pub intercepts: Vec<f64>,
    /// Binomial only: class 1 is predicted if its probability is above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Multinomial only: the class with the largest probability/threshold is predicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Vec<f64>>,
}

/// Scores of some rows; `classes` values for each row, row by row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scores {
    /// Values per row: the number of classes, at least 2.
    pub classes: usize,
    /// The margins: Spark's `rawPrediction`.
    pub raw: Vec<f64>,
    /// The probability of each class.
    pub probability: Vec<f64>,
    /// The predicted class of each row.
    pub prediction: Vec<f64>,
}

impl LogisticRegressionModel {
    /// Makes the model of a fit.
    ///
    /// # Errors
    /// [`MlError::Shape`] if the sizes of `fit`, or the thresholds of other parameters, do not agree.
    pub fn new(fit: &Fit, params: &ValidLogisticRegressionParams) -> Result<Self, MlError> {
        let (threshold, thresholds) = match (fit.family, params.thresholds.as_deref()) {
            (Family::Binomial, Some([t0, t1])) => (Some(equivalent_threshold(*t0, *t1)), None),
            (Family::Binomial, _) => (Some(params.threshold.unwrap_or(0.5)), None),
            (Family::Multinomial, thresholds) => (None, thresholds.map(<[f64]>::to_vec)),
        };
        let model = LogisticRegressionModel {
            family: fit.family,
            num_classes: fit.num_classes,
            num_features: fit.num_features,
            coefficient_matrix: fit.coefficient_matrix.clone(),
            intercepts: fit.intercepts.clone(),
            threshold,
            thresholds,
        };
        model.check_shape()?;
        Ok(model)
    }

    /// Checks that the sizes agree with each other, for a model that came from a file.
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
        let rows = self.family.coefficient_rows(self.num_classes);
        shape(
            "coefficients",
            rows.saturating_mul(self.num_features),
            self.coefficient_matrix.len(),
        )?;
        shape("intercepts", rows, self.intercepts.len())?;
        if rows == 0 || self.num_features == 0 {
            return shape("coefficient rows and features", 1, 0);
        }
        match &self.thresholds {
            Some(thresholds) => shape("thresholds", self.num_classes, thresholds.len()),
            None => Ok(()),
        }
    }

    /// Scores rows of `num_features` values each, row by row.
    ///
    /// # Errors
    /// [`MlError::Shape`] if `width` is not the number of features.
    pub fn score(&self, width: usize, features: &[f64]) -> Result<Scores, MlError> {
        self.check_width(width)?;
        let rows = features.chunks_exact(width.max(1));
        let margin = |row: &[f64], coefficients: &[f64]| lanes::dot(coefficients, row);
        Ok(self.score_rows(rows, margin))
    }

    /// Scores rows that leave their zeros out; the bits are those of [`score`](LogisticRegressionModel::score).
    ///
    /// # Errors
    /// [`MlError::Shape`] if the vectors' width is not the number of features.
    pub fn score_sparse(&self, vectors: &SparseVectors) -> Result<Scores, MlError> {
        self.check_width(vectors.width())?;
        let margin = |row: usize, coefficients: &[f64]| lanes::sparse_dot(coefficients, vectors.row(row));
        Ok(self.score_rows(0..vectors.rows(), margin))
    }

    fn check_width(&self, width: usize) -> Result<(), MlError> {
        self.check_shape()?;
        if width != self.num_features {
            return Err(MlError::Shape {
                what: "features in vector",
                expected: self.num_features,
                got: width,
            });
        }
        Ok(())
    }

    /// Scores rows by their product with the coefficients of each class.
    fn score_rows<R: Copy>(
        &self,
        rows: impl Iterator<Item = R>,
        product: impl Fn(R, &[f64]) -> f64,
    ) -> Scores {
        let mut scores = Scores {
            classes: self.score_width(),
            ..Scores::default()
        };
        for row in rows {
            let raw = self.raw(|coefficients| product(row, coefficients));
            let probability = self.probability(&raw);
            scores.prediction.push(self.prediction(&raw, &probability));
            scores.raw.extend(raw);
            scores.probability.extend(probability);
        }
        scores
    }

    /// Returns the SHA-256, in hex, of number of classes, number of features (64-bit), coefficients and intercepts,
    /// all little-endian: equal models have equal sums, on every machine.
    pub fn coefficients_sha256(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update((self.num_classes as u64).to_le_bytes());
        hasher.update((self.num_features as u64).to_le_bytes());
        for value in self.coefficient_matrix.iter().chain(&self.intercepts) {
            hasher.update(value.to_le_bytes());
        }
        hasher
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn score_width(&self) -> usize {
        match self.family {
            Family::Binomial => 2,
            Family::Multinomial => self.num_classes,
        }
    }

    /// Margins B·x + b; binomial: [−m, m].
    fn raw(&self, product: impl Fn(&[f64]) -> f64) -> Vec<f64> {
        let margin = |class: usize, intercept: &f64| {
            let start = class * self.num_features;
            product(&self.coefficient_matrix[start..start + self.num_features]) + intercept
        };
        let margins = self
            .intercepts
            .iter()
            .enumerate()
            .map(|(class, intercept)| margin(class, intercept));
        match self.family {
            Family::Binomial => margins.flat_map(|margin| [-margin, margin]).collect(),
            Family::Multinomial => margins.collect(),
        }
    }

    fn probability(&self, raw: &[f64]) -> Vec<f64> {
        match self.family {
            Family::Binomial => {
                // Spark rounds p₀ first and takes p₁ from it.
                let p0 = 1.0 / (1.0 + libm::exp(-raw[0]));
                vec![p0, 1.0 - p0]
            }
            Family::Multinomial => softmax(raw),
        }
    }

    fn prediction(&self, raw: &[f64], probability: &[f64]) -> f64 {
        match (self.family, &self.thresholds) {
            (Family::Binomial, _) => {
                let threshold = self.threshold.unwrap_or(0.5);
                f64::from(u8::from(raw[1] > log_odds(threshold)))
            }
            (Family::Multinomial, None) => first_largest(raw.iter().copied()),
            // Dividing by a threshold of 0 gives +∞, so that class wins unless its probability is 0 too (NaN).
            (Family::Multinomial, Some(thresholds)) => {
                first_largest(probability.iter().zip(thresholds).map(|(p, t)| p / t))
            }
        }
    }
}

fn log_odds(threshold: f64) -> f64 {
    if threshold == 0.0 {
        f64::NEG_INFINITY
    } else if threshold == 1.0 {
        f64::INFINITY
    } else {
        libm::log(threshold / (1.0 - threshold))
    }
}

/// Returns the position of the first of the largest values; NaN is never the largest.
fn first_largest(values: impl Iterator<Item = f64>) -> f64 {
    let start = (0, f64::NEG_INFINITY);
    let (position, _) = values.enumerate().fold(
        start,
        |best, (position, value)| {
            if value > best.1 { (position, value) } else { best }
        },
    );
    position as f64
}

fn softmax(raw: &[f64]) -> Vec<f64> {
    if let Some(certain) = raw.iter().position(|margin| *margin == f64::INFINITY) {
        let mut probability = vec![0.0; raw.len()];
        probability[certain] = 1.0;
        return probability;
    }
    let largest = raw.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = raw.iter().map(|margin| libm::exp(margin - largest)).collect();
    // Multiplying by the inverse sum rounds as Spark does.
    let inverse_sum = 1.0 / powers.iter().sum::<f64>();
    powers.into_iter().map(|power| power * inverse_sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binomial(coefficients: &[f64], intercept: f64, threshold: f64) -> LogisticRegressionModel {
        LogisticRegressionModel {
            family: Family::Binomial,
            num_classes: 2,
            num_features: coefficients.len(),
            coefficient_matrix: coefficients.to_vec(),
            intercepts: vec![intercept],
            threshold: Some(threshold),
            thresholds: None,
        }
    }

    fn multinomial(intercepts: &[f64], thresholds: Option<Vec<f64>>) -> LogisticRegressionModel {
        LogisticRegressionModel {
            family: Family::Multinomial,
            num_classes: intercepts.len(),
            num_features: 1,
            coefficient_matrix: vec![0.0; intercepts.len()],
            intercepts: intercepts.to_vec(),
            threshold: None,
            thresholds,
        }
    }

    #[test]
    fn a_binomial_tie_is_class_0() {
        let scores = binomial(&[1.0], 0.0, 0.5)
            .score(1, &[0.0, 1.0])
            .expect("one feature");
        assert_eq!(scores.raw[..2], [-0.0, 0.0]);
        assert_eq!(scores.probability[..2], [0.5, 0.5]);
        assert_eq!(scores.prediction, [0.0, 1.0]);
    }

    #[test]
    fn sparks_stored_binomial_answer_with_threshold() {
        let coefficients = [0.02135547821468932, -0.007505708939506248];
        let scores = binomial(&coefficients, -0.1878651961037984, 0.9)
            .score(2, &[0.0, 0.0])
            .expect("shape");
        assert_eq!(scores.raw, [0.1878651961037984, -0.1878651961037984]);
        assert_eq!(scores.probability, [0.5468286517104544, 0.45317134828954564]);
        assert_eq!(scores.prediction, [0.0]);
        let always = |threshold| {
            binomial(&coefficients, 5.0, threshold)
                .score(2, &[0.0; 2])
                .expect("shape")
        };
        assert_eq!((always(0.0).prediction[0], always(1.0).prediction[0]), (1.0, 0.0));
    }

    #[test]
    fn one_class_models_are_certain() {
        let zero = binomial(&[0.0], f64::NEG_INFINITY, 0.5)
            .score(1, &[3.0])
            .expect("shape");
        assert_eq!((zero.probability, zero.prediction), (vec![1.0, 0.0], vec![0.0]));
        let two = multinomial(&[0.0, 0.0, f64::INFINITY], None)
            .score(1, &[3.0])
            .expect("shape");
        assert_eq!(
            (two.probability, two.prediction),
            (vec![0.0, 0.0, 1.0], vec![2.0])
        );
    }

    #[test]
    fn ties_go_to_the_first_class_and_thresholds_divide() {
        let predict = |thresholds: Option<&[f64]>| {
            let model = multinomial(&[1.0, 2.0, 2.0], thresholds.map(<[f64]>::to_vec));
            model.score(1, &[0.0]).expect("shape").prediction[0]
        };
        assert_eq!(predict(None), 1.0);
        assert_eq!(predict(Some(&[0.1, 1.0, 0.9])), 0.0);
        assert_eq!(
            predict(Some(&[0.1, 1.0, 0.0])),
            2.0,
            "a threshold of 0 always wins"
        );
    }

    #[test]
    fn rows_without_their_zeros_get_the_bits_of_rows_with_them() {
        let width = 37;
        let coefficients: Vec<f64> = (0..3 * width).map(|i| 1.0 / (i as f64 + 0.7) - 0.2).collect();
        let model = LogisticRegressionModel {
            num_features: width,
            coefficient_matrix: coefficients,
            ..multinomial(&[0.1, -0.2, 0.3], None)
        };
        let mut vectors = SparseVectors::empty(width);
        for row in 0..20_u32 {
            let elements = (0..37).filter(|j| (j * 7 + row * 11) % 5 == 0);
            vectors
                .push(elements.map(|j| (j, libm::exp(f64::from(j) - 18.0))))
                .expect("ascending");
        }
        let dense = model.score(width, &vectors.to_dense()).expect("37 features");
        let sparse = model.score_sparse(&vectors).expect("37 features");
        let bits = |scores: &Scores| scores.raw.iter().map(|raw| raw.to_bits()).collect::<Vec<_>>();
        assert_eq!((sparse.prediction.len(), bits(&sparse)), (20, bits(&dense)));
        assert_eq!(sparse.probability, dense.probability);
        assert!(model.score_sparse(&SparseVectors::empty(36)).is_err());
    }

    #[test]
    fn the_checksum_sees_every_bit() {
        let model = binomial(&[1.0, 2.0], 0.5, 0.5);
        let mut other = model.clone();
        other.coefficient_matrix[1] = f64::from_bits(2.0_f64.to_bits() + 1);
        assert_ne!(model.coefficients_sha256(), other.coefficients_sha256());
        assert_eq!(model.coefficients_sha256(), model.clone().coefficients_sha256());
        assert_eq!(model.coefficients_sha256().len(), 64);
    }
}
