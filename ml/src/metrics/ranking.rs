//! How well scores rank rows: the areas under the ROC and the precision-recall curve, exactly
//! (`org.apache.spark.mllib.evaluation.BinaryClassificationMetrics` with `numBins` 0).
//!
//! The curves follow from how much weight of each class has each score, and from nothing else: no bins, no sampling, and
//! ties are one point of the curve. Spark's `BinaryClassificationEvaluator` makes about 1000 points of more by default, so
//! its areas are near these.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// The rows of one score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RankedScore {
    /// The margin of class 1.
    pub score: f64,
    /// Σ weights of rows of class 1.
    pub positive: f64,
    /// Σ weights of the other rows.
    pub negative: f64,
}

/// The scores of some rows, descending, each once. A monoid under [`merge`](Ranking::merge); merging is exact in any order
/// as long as the weights are whole numbers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Ranking {
    scores: Vec<RankedScore>,
}

impl Ranking {
    /// Returns the ranking of `scores`, in whatever order they are.
    pub fn new(mut scores: Vec<RankedScore>) -> Self {
        // A stable sort: rows of one score are added up in their order.
        scores.sort_by(descending);
        Ranking {
            scores: joined(scores.into_iter()),
        }
    }

    /// Returns the scores, descending.
    pub fn scores(&self) -> &[RankedScore] {
        &self.scores
    }

    /// Returns the ranking of both, `self` being the left operand.
    #[must_use]
    pub fn merge(self, other: Ranking) -> Ranking {
        if self.scores.is_empty() {
            return other;
        }
        let (mut left, mut right) = (
            self.scores.into_iter().peekable(),
            other.scores.into_iter().peekable(),
        );
        let merged = std::iter::from_fn(|| match (left.peek(), right.peek()) {
            (Some(l), Some(r)) if descending(l, r) == Ordering::Greater => right.next(),
            (Some(_), _) => left.next(),
            (None, _) => right.next(),
        });
        Ranking {
            scores: joined(merged),
        }
    }

    /// Returns the area under the curve of the true positive rate over the false positive rate: the chance that a row of
    /// class 1 scores higher than another, ties counted half. NaN if there are no rows of one kind.
    pub fn area_under_roc(&self) -> f64 {
        let (positive, negative) = self.totals();
        let (mut area, mut above) = (0.0, 0.0);
        for score in &self.scores {
            area += score.negative * (above + 0.5 * score.positive);
            above += score.positive;
        }
        area / (positive * negative)
    }

    /// Returns the area under the curve of precision over recall, by trapezoids from recall 0 at the first score's
    /// precision. NaN if there are no rows of class 1.
    pub fn area_under_pr(&self) -> f64 {
        let (positive, _) = self.totals();
        let (mut area, mut last) = (0.0, None);
        let (mut true_positive, mut predicted) = (0.0, 0.0);
        for score in &self.scores {
            true_positive += score.positive;
            predicted += score.positive + score.negative;
            let precision = true_positive / predicted;
            area += score.positive * 0.5 * (precision + last.unwrap_or(precision));
            last = Some(precision);
        }
        area / positive
    }

    fn totals(&self) -> (f64, f64) {
        let add = |(p, n), score: &RankedScore| (p + score.positive, n + score.negative);
        self.scores.iter().fold((0.0, 0.0), add)
    }
}

/// By score, the largest first; NaN before all, −0 as 0.
fn descending(a: &RankedScore, b: &RankedScore) -> Ordering {
    (b.score + 0.0).total_cmp(&(a.score + 0.0))
}

/// Adds up neighbours of one score, and leaves out what weighs nothing.
fn joined(scores: impl Iterator<Item = RankedScore>) -> Vec<RankedScore> {
    let mut joined: Vec<RankedScore> = Vec::new();
    for score in scores.filter(|score| score.positive > 0.0 || score.negative > 0.0) {
        match joined.last_mut() {
            Some(last) if descending(last, &score) == Ordering::Equal => {
                last.positive += score.positive;
                last.negative += score.negative;
            }
            _ => joined.push(score),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranked(rows: &[(f64, bool, f64)]) -> Ranking {
        let score = |(score, is_positive, weight): &(f64, bool, f64)| RankedScore {
            score: *score,
            positive: if *is_positive { *weight } else { 0.0 },
            negative: if *is_positive { 0.0 } else { *weight },
        };
        Ranking::new(rows.iter().map(score).collect())
    }

    #[test]
    fn the_areas_are_sparks_example() {
        // BinaryClassificationMetricsSuite: thresholds 0.8 (1 of 1), 0.6 (tie of 1 and 0), 0.4, 0.1.
        let rows = [
            (0.1, false, 1.0),
            (0.1, true, 1.0),
            (0.4, false, 1.0),
            (0.6, false, 1.0),
            (0.6, true, 1.0),
            (0.6, true, 1.0),
            (0.8, true, 1.0),
        ];
        let ranking = ranked(&rows);
        // By its curves: (0,0) (0,¼) (⅓,¾) (⅔,¾) (1,1), and precision 1, ¾, ⅗, 4/7 at recall ¼, ¾, ¾, 1.
        let roc: f64 = (0.25 + 0.75) / 2.0 / 3.0 + 0.75 / 3.0 + (0.75 + 1.0) / 2.0 / 3.0;
        let pr: f64 = 0.25 + 0.5 * (1.0 + 0.75) / 2.0 + 0.25 * (0.6 + 4.0 / 7.0) / 2.0;
        assert!(
            (ranking.area_under_roc() - roc).abs() < 1e-15,
            "{}",
            ranking.area_under_roc()
        );
        assert!(
            (ranking.area_under_pr() - pr).abs() < 1e-15,
            "{}",
            ranking.area_under_pr()
        );
    }

    #[test]
    fn one_kind_of_rows_ranks_nothing() {
        assert!(ranked(&[(0.5, true, 1.0)]).area_under_roc().is_nan());
        assert!(Ranking::default().area_under_pr().is_nan());
        assert_eq!(ranked(&[(0.5, true, 1.0)]).area_under_pr(), 1.0);
        assert_eq!(
            ranked(&[(0.0, true, 1.0), (-0.0, false, 1.0)]).area_under_roc(),
            0.5
        );
        assert_eq!(ranked(&[(0.5, true, 0.0)]), Ranking::default());
    }

    proptest! {
        /// The area is the chance that a row of class 1 is above another; merging in any order is adding the rows.
        #[test]
        fn the_area_is_a_probability_and_merging_is_exact(
            rows in prop::collection::vec((0..20_i32, any::<bool>(), 0..4_u32), 1..60),
            cut in 0..60_usize,
        ) {
            let rows: Vec<_> = rows.iter().map(|(s, p, w)| (f64::from(*s) / 7.0, *p, f64::from(*w))).collect();
            let ranking = ranked(&rows);
            let (mut wins, mut pairs) = (0.0, 0.0);
            for (score, _, weight) in rows.iter().filter(|row| row.1) {
                for (other, _, other_weight) in rows.iter().filter(|row| !row.1) {
                    let win = if score > other { 1.0 } else if score == other { 0.5 } else { 0.0 };
                    wins += win * weight * other_weight;
                    pairs += weight * other_weight;
                }
            }
            let area = ranking.area_under_roc();
            prop_assert!((area - wins / pairs).abs() < 1e-12 || pairs == 0.0 && area.is_nan());
            let (left, right) = rows.split_at(cut.min(rows.len()));
            prop_assert_eq!(&ranked(left).merge(ranked(right)), &ranking);
            prop_assert_eq!(&ranked(right).merge(ranked(left)), &ranking);
        }
    }
}
