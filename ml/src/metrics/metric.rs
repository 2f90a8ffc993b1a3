//! The metrics there are, by Spark's names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::MlError;

/// A classification metric; written and read by Spark's `metricName`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Metric {
    /// Weighted F-measure with β = 1; Spark's default.
    #[default]
    F1,
    /// Share of rows predicted right.
    Accuracy,
    /// Precision weighted by class.
    WeightedPrecision,
    /// Recall weighted by class; accuracy but for the last bit.
    WeightedRecall,
    /// The same as [`Metric::WeightedRecall`].
    WeightedTruePositiveRate,
    /// False positive rate weighted by class.
    WeightedFalsePositiveRate,
    /// F-measure weighted by class.
    WeightedFMeasure,
    /// Recall of one class.
    TruePositiveRateByLabel,
    /// False positive rate of one class.
    FalsePositiveRateByLabel,
    /// Precision of one class.
    PrecisionByLabel,
    /// Recall of one class.
    RecallByLabel,
    /// F-measure of one class.
    FMeasureByLabel,
    /// Mean −log probability of the true class.
    LogLoss,
    /// Share of rows predicted wrong.
    HammingLoss,
    /// Area under the ROC curve, of two classes.
    AreaUnderRoc,
    /// Area under the precision-recall curve, of two classes.
    AreaUnderPr,
}

impl Metric {
    /// Every metric, in Spark's order: those of its evaluator for many classes, then of that for two.
    pub const ALL: [Metric; 16] = [
        Metric::F1,
        Metric::Accuracy,
        Metric::WeightedPrecision,
        Metric::WeightedRecall,
        Metric::WeightedTruePositiveRate,
        Metric::WeightedFalsePositiveRate,
        Metric::WeightedFMeasure,
        Metric::TruePositiveRateByLabel,
        Metric::FalsePositiveRateByLabel,
        Metric::PrecisionByLabel,
        Metric::RecallByLabel,
        Metric::FMeasureByLabel,
        Metric::LogLoss,
        Metric::HammingLoss,
        Metric::AreaUnderRoc,
        Metric::AreaUnderPr,
    ];

    /// Returns Spark's `metricName`.
    pub fn name(self) -> &'static str {
        match self {
            Metric::F1 => "f1",
            Metric::Accuracy => "accuracy",
            Metric::WeightedPrecision => "weightedPrecision",
            Metric::WeightedRecall => "weightedRecall",
            Metric::WeightedTruePositiveRate => "weightedTruePositiveRate",
            Metric::WeightedFalsePositiveRate => "weightedFalsePositiveRate",
            Metric::WeightedFMeasure => "weightedFMeasure",
            Metric::TruePositiveRateByLabel => "truePositiveRateByLabel",
            Metric::FalsePositiveRateByLabel => "falsePositiveRateByLabel",
            Metric::PrecisionByLabel => "precisionByLabel",
            Metric::RecallByLabel => "recallByLabel",
            Metric::FMeasureByLabel => "fMeasureByLabel",
            Metric::LogLoss => "logLoss",
            Metric::HammingLoss => "hammingLoss",
            Metric::AreaUnderRoc => "areaUnderROC",
            Metric::AreaUnderPr => "areaUnderPR",
        }
    }

    /// Returns whether it is about how scores rank the rows of two classes, and so needs [`Ranking`](super::Ranking).
    pub fn is_of_ranking(self) -> bool {
        matches!(self, Metric::AreaUnderRoc | Metric::AreaUnderPr)
    }

    /// Returns whether a larger value is a better one.
    pub fn higher_is_better(self) -> bool {
        !matches!(
            self,
            Metric::WeightedFalsePositiveRate
                | Metric::FalsePositiveRateByLabel
                | Metric::LogLoss
                | Metric::HammingLoss
        )
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = MlError;

    fn from_str(name: &str) -> Result<Self, MlError> {
        Metric::ALL
            .into_iter()
            .find(|metric| metric.name() == name)
            .ok_or_else(|| MlError::UnknownMetric {
                name: name.to_owned(),
                allowed: Metric::ALL.map(Metric::name).to_vec(),
            })
    }
}

impl TryFrom<String> for Metric {
    type Error = MlError;

    fn try_from(name: String) -> Result<Self, MlError> {
        name.parse()
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_an_unknown_one_lists_the_others() {
        for metric in Metric::ALL {
            let json = serde_json::to_string(&metric).expect("a name");
            assert_eq!(
                serde_json::from_str::<Metric>(&json).expect("the same name"),
                metric
            );
        }
        let error = "acuracy".parse::<Metric>().expect_err("misspelt").to_string();
        assert!(
            error.starts_with("unknown metric acuracy; allowed: f1, accuracy, weightedPrecision"),
            "{error}"
        );
    }
}
