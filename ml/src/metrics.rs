//! How good predictions are: mergeable sums, and Spark's metrics computed from them
//! (`org.apache.spark.ml.evaluation.MulticlassClassificationEvaluator`).
//!
//! With n_c the weight of rows of class c and N = Σn_c: precision(c) = tp/(tp+fp), recall(c) = tp/n_c,
//! F(c) = (1+β²)·p·r/(β²·p+r), false positive rate(c) = fp/(N−n_c), and a weighted metric is Σ_c metric(c)·n_c/N over
//! the true labels, ascending. That order decides the last bit: on the lab's split accuracy is 0.9545454545454546 and
//! weightedRecall, mathematically the same, 0.9545454545454545, here as in Spark.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::MlError;
use crate::java_text;

mod metric;
mod ranking;

pub use metric::Metric;
pub use ranking::{RankedScore, Ranking};

/// Probabilities are kept this far from 0 and 1 before their logarithm is taken.
pub const LOG_LOSS_EPSILON: f64 = 1e-15;

/// Sums over scored rows. A monoid under [`merge`](MulticlassMetrics::merge), with `default` as its neutral element;
/// merged along the fixed tree, as the sums round.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MulticlassMetrics {
    /// Non-zero cells of the confusion matrix, ascending by (label, prediction).
    pub cells: Vec<ConfusionCell>,
    /// Σ wᵢ·(−log p of the true label).
    pub log_loss_sum: f64,
    /// Rows scored.
    pub rows: u64,
    /// How the scores rank the rows, where that was asked for; else empty.
    #[serde(default)]
    pub ranking: Ranking,
}

/// One cell of the confusion matrix.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ConfusionCell {
    /// True class.
    pub label: f64,
    /// Predicted class.
    pub prediction: f64,
    /// Σ of the rows' weights.
    pub weight: f64,
    /// The rows.
    pub rows: u64,
}

impl MulticlassMetrics {
    /// Adds one row. `probability` holds the probability of each class; a label without one, which the model never
    /// saw, counts as probability 0.
    pub fn add(&mut self, label: f64, prediction: f64, probability: &[f64], weight: f64) {
        self.add_to_cell(ConfusionCell {
            label,
            prediction,
            weight,
            rows: 1,
        });
        let p = probability.get(label as usize).copied().unwrap_or(0.0);
        let clipped = p.clamp(LOG_LOSS_EPSILON, 1.0 - LOG_LOSS_EPSILON);
        self.log_loss_sum += weight * -libm::log(clipped);
        self.rows += 1;
    }

    /// Returns the sums of both, `self` being the left operand.
    #[must_use]
    pub fn merge(mut self, other: MulticlassMetrics) -> MulticlassMetrics {
        for cell in other.cells {
            self.add_to_cell(cell);
        }
        self.log_loss_sum += other.log_loss_sum;
        self.rows += other.rows;
        self.ranking = self.ranking.merge(other.ranking);
        self
    }

    /// Returns the value of `metric`, with β = 1 and for metrics of one label, label 0.
    ///
    /// # Errors
    /// [`MlError::LabelNotFound`] for a metric of one label without rows of that label.
    pub fn evaluate(&self, metric: Metric) -> Result<f64, MlError> {
        self.evaluate_with(metric, 1.0, 0.0)
    }

    /// Returns the value of `metric` with `beta` for F-measures and `metric_label` for metrics of one label.
    ///
    /// # Errors
    /// As [`evaluate`](MulticlassMetrics::evaluate).
    pub fn evaluate_with(&self, metric: Metric, beta: f64, metric_label: f64) -> Result<f64, MlError> {
        let classes = self.classes();
        let of_label = || {
            let class = classes.values().find(|class| class.label == metric_label);
            class.ok_or_else(|| MlError::LabelNotFound(java_text::double_text(metric_label)))
        };
        let total: f64 = classes.values().map(|class| class.weight).sum();
        let weighted = |of_class: &dyn Fn(&ClassCounts) -> f64| {
            // A plain fold from 0.0: `sum()` would start from −0.0, which shows on no rows at all.
            classes
                .values()
                .fold(0.0, |sum, class| sum + of_class(class) * class.weight / total)
        };
        Ok(match metric {
            Metric::F1 => weighted(&|class| class.f_measure(1.0)),
            Metric::WeightedFMeasure => weighted(&|class| class.f_measure(beta)),
            Metric::Accuracy => classes.values().map(|class| class.true_positives).sum::<f64>() / total,
            Metric::HammingLoss => {
                let wrong = self.cells.iter().filter(|cell| cell.label != cell.prediction);
                wrong
                    .map(|cell| cell.weight)
                    .fold(0.0, |sum, weight| sum + weight)
                    / total
            }
            Metric::LogLoss => self.log_loss_sum / total,
            Metric::WeightedPrecision => weighted(&ClassCounts::precision),
            Metric::WeightedRecall | Metric::WeightedTruePositiveRate => weighted(&ClassCounts::recall),
            Metric::WeightedFalsePositiveRate => weighted(&|class| class.false_positive_rate(total)),
            Metric::PrecisionByLabel => of_label()?.precision(),
            Metric::RecallByLabel | Metric::TruePositiveRateByLabel => of_label()?.recall(),
            Metric::FalsePositiveRateByLabel => of_label()?.false_positive_rate(total),
            Metric::FMeasureByLabel => of_label()?.f_measure(beta),
            Metric::AreaUnderRoc => self.ranking.area_under_roc(),
            Metric::AreaUnderPr => self.ranking.area_under_pr(),
        })
    }

    fn add_to_cell(&mut self, cell: ConfusionCell) {
        let key = |cell: &ConfusionCell| (cell.label, cell.prediction);
        let place = self.cells.binary_search_by(|other| {
            let ((label, prediction), (wanted_label, wanted_prediction)) = (key(other), key(&cell));
            label
                .total_cmp(&wanted_label)
                .then(prediction.total_cmp(&wanted_prediction))
        });
        match place {
            Ok(place) => {
                self.cells[place].weight += cell.weight;
                self.cells[place].rows += cell.rows;
            }
            Err(place) => self.cells.insert(place, cell),
        }
    }

    /// Returns the counts of every true label, ascending. A class that is only predicted is not among them.
    fn classes(&self) -> BTreeMap<u64, ClassCounts> {
        let mut classes = BTreeMap::new();
        for cell in &self.cells {
            // Labels are whole and not negative, so their bits are in their order.
            let class = classes.entry(cell.label.to_bits()).or_insert(ClassCounts {
                label: cell.label,
                weight: 0.0,
                true_positives: 0.0,
                false_positives: 0.0,
            });
            class.weight += cell.weight;
            if cell.prediction == cell.label {
                class.true_positives += cell.weight;
            }
        }
        for cell in self.cells.iter().filter(|cell| cell.label != cell.prediction) {
            if let Some(class) = classes.get_mut(&cell.prediction.to_bits()) {
                class.false_positives += cell.weight;
            }
        }
        classes
    }
}

/// What the metrics of one class are made of.
struct ClassCounts {
    label: f64,
    /// n_c.
    weight: f64,
    true_positives: f64,
    false_positives: f64,
}

impl ClassCounts {
    fn precision(&self) -> f64 {
        let predicted = self.true_positives + self.false_positives;
        if predicted == 0.0 {
            0.0
        } else {
            self.true_positives / predicted
        }
    }

    fn recall(&self) -> f64 {
        self.true_positives / self.weight
    }

    fn false_positive_rate(&self, total: f64) -> f64 {
        self.false_positives / (total - self.weight)
    }

    fn f_measure(&self, beta: f64) -> f64 {
        let (p, r, b2) = (self.precision(), self.recall(), beta * beta);
        if p + r == 0.0 {
            0.0
        } else {
            (1.0 + b2) * p * r / (b2 * p + r)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_pairs(pairs: &[(f64, f64)]) -> MulticlassMetrics {
        let mut metrics = MulticlassMetrics::default();
        pairs
            .iter()
            .for_each(|(label, prediction)| metrics.add(*label, *prediction, &[0.25, 0.75], 1.0));
        metrics
    }

    fn value(metrics: &MulticlassMetrics, metric: Metric) -> f64 {
        metrics.evaluate(metric).expect("label 0 has rows")
    }

    #[test]
    fn a_predicted_class_without_rows_carries_no_weight() {
        let metrics = of_pairs(&[(0.0, 0.0), (0.0, 2.0), (1.0, 1.0)]);
        assert_eq!(value(&metrics, Metric::Accuracy), 0.6666666666666666);
        assert_eq!(value(&metrics, Metric::WeightedRecall), 0.6666666666666666);
        assert_eq!(value(&metrics, Metric::WeightedPrecision), 1.0);
        assert_eq!(value(&metrics, Metric::F1), 0.7777777777777777);
        assert_eq!(value(&metrics, Metric::WeightedFalsePositiveRate), 0.0);
    }

    #[test]
    fn a_class_that_is_never_predicted_is_sparks_answer() {
        let pairs = [
            (0.0, 0.0),
            (0.0, 0.0),
            (1.0, 0.0),
            (1.0, 0.0),
            (1.0, 1.0),
            (2.0, 0.0),
        ];
        let metrics = of_pairs(&pairs);
        assert_eq!(value(&metrics, Metric::Accuracy), 0.5);
        assert_eq!(value(&metrics, Metric::WeightedPrecision), 0.6333333333333333);
        assert_eq!(value(&metrics, Metric::F1), 0.44047619047619047);
        assert_eq!(value(&metrics, Metric::WeightedFalsePositiveRate), 0.25);
        assert_eq!(value(&metrics, Metric::HammingLoss), 0.5);
    }

    #[test]
    fn no_rows_are_sparks_answers() {
        let metrics = MulticlassMetrics::default();
        assert!(value(&metrics, Metric::Accuracy).is_nan());
        assert_eq!(
            value(&metrics, Metric::WeightedPrecision).to_bits(),
            0.0_f64.to_bits()
        );
        assert_eq!(value(&metrics, Metric::F1), 0.0);
    }

    #[test]
    fn a_label_without_rows_is_sparks_error() {
        let error = of_pairs(&[(0.0, 0.0)]).evaluate_with(Metric::RecallByLabel, 1.0, 2.0);
        assert_eq!(
            error.expect_err("no such label").to_string(),
            "key not found: 2.0"
        );
    }

    #[test]
    fn log_loss_is_clipped_and_weighted() {
        let mut metrics = MulticlassMetrics::default();
        metrics.add(1.0, 1.0, &[0.5, 0.5], 3.0);
        metrics.add(0.0, 1.0, &[0.0, 1.0], 1.0);
        metrics.add(7.0, 1.0, &[0.0, 1.0], 0.0);
        let expected = (3.0 * -libm::log(0.5) - libm::log(1e-15)) / 4.0;
        assert!((value(&metrics, Metric::LogLoss) - expected).abs() < 1e-15);
    }

    #[test]
    fn merging_is_adding_the_rows() {
        let pairs = [(2.0, 0.0), (0.0, 0.0), (1.0, 2.0), (0.0, 1.0), (10.0, 2.0)];
        let (left, right) = pairs.split_at(2);
        assert_eq!(
            of_pairs(left).merge(of_pairs(right)).cells,
            of_pairs(&pairs).cells
        );
        let labels: Vec<f64> = of_pairs(&pairs).cells.iter().map(|cell| cell.label).collect();
        assert_eq!(labels, [0.0, 0.0, 1.0, 2.0, 10.0]);
    }
}
