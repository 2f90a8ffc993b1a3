//! The training set in numbers: weighted moments of each feature and the weight of each class.
//!
//! With wᵢ the instance weights, W = Σwᵢ and W₂ = Σwᵢ²: μⱼ = Σ wᵢ·xᵢⱼ / W and the unbiased weighted variance is
//! σⱼ² = Σ wᵢ·(xᵢⱼ − μⱼ)² / (W − W₂/W), which is the n−1 formula for unit weights
//! (`org.apache.spark.ml.stat.Summarizer`). Rows of weight 0 count for nothing.

use pulp::NullaryFnOnce;
use serde::{Deserialize, Serialize};

use crate::block::{Block, Values};
use crate::error::MlError;
use crate::lanes::{self, LANES};
use crate::simd;

mod sparse;

/// Most classes there may be. Each costs a row of coefficients, so a label column that is really an identifier is
/// caught here and not when memory runs out.
pub const MAX_CLASSES: usize = 10_000;

/// Weighted moments and label histogram; a monoid under [`merge`](Summary::merge), with
/// [`default`](Summary::default) as its neutral element.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Rows with a positive weight.
    pub rows: u64,
    /// W = Σwᵢ.
    pub weight_sum: f64,
    /// Σwᵢ².
    pub weight_square_sum: f64,
    /// μⱼ for each feature; empty before the first row.
    pub mean: Vec<f64>,
    /// Σ wᵢ·(xᵢⱼ − μⱼ)² for each feature.
    pub m2: Vec<f64>,
    /// Σwᵢ of each class, by label; as long as the largest label needs.
    pub label_weights: Vec<f64>,
    /// The factors by class that are in all these weights; empty where every one is 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_weights: Vec<f64>,
}

impl Summary {
    /// Returns the summary of all rows of `blocks`, in order.
    ///
    /// # Errors
    /// [`MlError::TooManyClasses`] if a label is [`MAX_CLASSES`] or more.
    pub fn of_blocks(blocks: &[Block]) -> Result<Summary, MlError> {
        Summary::of_weighted_blocks(blocks, &[])
    }

    /// Returns the summary of all rows of `blocks`, in order, the weight of each row times the factor of its class, where
    /// there are factors: the same bits as if the products were the rows' weights.
    ///
    /// # Errors
    /// As [`of_blocks`](Summary::of_blocks).
    pub fn of_weighted_blocks(blocks: &[Block], class_weights: &[f64]) -> Result<Summary, MlError> {
        let is_dense = blocks.iter().all(|block| block.sparse().is_none());
        let mut total = blocks.iter().try_fold(Summary::default(), |total, block| {
            Summary::of_block(block, class_weights, is_dense).map(|of_block| total.merge(of_block))
        })?;
        if let (false, [first, ..]) = (is_dense || total.rows == 0, blocks) {
            (total.mean, total.m2) = sparse::moments(blocks, class_weights, first.width(), &total);
        }
        Ok(total)
    }

    /// The summary of one block's rows; its moments are left out if they are not wanted.
    fn of_block(block: &Block, class_weights: &[f64], with_moments: bool) -> Result<Summary, MlError> {
        let weights = block.weights_by(class_weights);
        let Some(first) = weights.iter().position(|weight| *weight > 0.0) else {
            return Ok(Summary::default());
        };
        let mut label_weights = Vec::new();
        let mut rows = 0;
        for (label, weight) in block.labels().zip(&weights).filter(|(_, weight)| **weight > 0.0) {
            if label >= MAX_CLASSES as f64 {
                return Err(MlError::TooManyClasses {
                    label,
                    bound: MAX_CLASSES,
                });
            }
            let class = label as usize;
            if label_weights.len() <= class {
                label_weights.resize(class + 1, 0.0);
            }
            label_weights[class] += weight;
            rows += 1;
        }
        let weight_sum = block.weight_sum_of(block.rows(), class_weights);
        let (mean, m2) = match with_moments {
            true => column_moments(block, &weights, first, weight_sum),
            false => (Vec::new(), Vec::new()),
        };
        Ok(Summary {
            rows,
            weight_sum,
            weight_square_sum: lanes::dot(&weights, &weights),
            mean,
            m2,
            label_weights,
            class_weights: class_weights.to_vec(),
        })
    }

    /// Returns the summary of both sets of rows (Chan, Golub and LeVeque's update).
    ///
    /// Both must have the same number of features or be empty; see [`check_shape`](Summary::check_shape).
    #[must_use]
    pub fn merge(self, other: Summary) -> Summary {
        if other.rows == 0 {
            return self;
        }
        if self.rows == 0 {
            return other;
        }
        let weight_sum = self.weight_sum + other.weight_sum;
        let share = other.weight_sum / weight_sum;
        let moments = self
            .mean
            .iter()
            .zip(&self.m2)
            .zip(other.mean.iter().zip(&other.m2));
        let (mean, m2) = moments
            .map(|((mean, m2), (other_mean, other_m2))| {
                let delta = other_mean - mean;
                (
                    mean + delta * share,
                    m2 + other_m2 + delta * delta * self.weight_sum * share,
                )
            })
            .unzip();
        let (mut longer, shorter) = if self.label_weights.len() >= other.label_weights.len() {
            (self.label_weights, other.label_weights)
        } else {
            (other.label_weights, self.label_weights)
        };
        lanes::axpy(1.0, &shorter, &mut longer);
        Summary {
            rows: self.rows + other.rows,
            weight_sum,
            weight_square_sum: self.weight_square_sum + other.weight_square_sum,
            mean,
            m2,
            label_weights: longer,
            class_weights: self.class_weights,
        }
    }

    /// Checks a summary that came over the wire: `width` features (or no rows), and not too many classes.
    ///
    /// # Errors
    /// [`MlError::Shape`] or [`MlError::TooManyClasses`].
    pub fn check_shape(&self, width: usize) -> Result<(), MlError> {
        if self.label_weights.len() > MAX_CLASSES {
            let label = (self.label_weights.len() - 1) as f64;
            return Err(MlError::TooManyClasses {
                label,
                bound: MAX_CLASSES,
            });
        }
        for got in [self.mean.len(), self.m2.len()] {
            if self.rows > 0 && got != width {
                return Err(MlError::Shape {
                    what: "features in summary",
                    expected: width,
                    got,
                });
            }
        }
        Ok(())
    }

    /// Returns the number of features; 0 before the first row.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// Returns the standard deviation σⱼ of each feature; 0 for a constant one.
    pub fn std(&self) -> Vec<f64> {
        let denominator = self.weight_sum - self.weight_square_sum / self.weight_sum;
        self.m2
            .iter()
            .map(|m2| {
                if denominator > 0.0 {
                    (m2 / denominator).max(0.0).sqrt()
                } else {
                    0.0
                }
            })
            .collect()
    }

    /// Returns the number of classes: the largest label plus one.
    pub fn num_classes(&self) -> usize {
        self.label_weights.len()
    }

    /// Returns the classes that have rows, ascending. With only one of them there is nothing to learn.
    pub fn classes_present(&self) -> Vec<usize> {
        self.label_weights
            .iter()
            .enumerate()
            .filter(|(_, w)| **w > 0.0)
            .map(|(class, _)| class)
            .collect()
    }
}

/// Means and weighted sums of squared deviations of the columns of a block; row `first` is the first with a positive weight.
fn column_moments(block: &Block, weights: &[f64], first: usize, weight_sum: f64) -> (Vec<f64>, Vec<f64>) {
    let columns = block.columns();
    simd::dispatch(ColumnMoments {
        columns,
        weights,
        first,
        weight_sum,
    })
}

struct ColumnMoments<'a> {
    columns: &'a [Values],
    weights: &'a [f64],
    first: usize,
    weight_sum: f64,
}

impl NullaryFnOnce for ColumnMoments<'_> {
    type Output = (Vec<f64>, Vec<f64>);

    #[inline(always)]
    fn call(self) -> (Vec<f64>, Vec<f64>) {
        let (mut means, mut squares) = (Vec::new(), Vec::new());
        for values in self.columns {
            let (mean, m2) = match values {
                Values::Single(values) => moments(values, self.weights, self.first, self.weight_sum),
                Values::Double(values) => moments(values, self.weights, self.first, self.weight_sum),
            };
            means.push(mean);
            squares.push(m2);
        }
        (means, squares)
    }
}

#[inline(always)]
fn moments<T: Copy + Into<f64>>(values: &[T], weights: &[f64], first: usize, weight_sum: f64) -> (f64, f64) {
    // Measured from the first value, a constant feature has a deviation of exactly 0 and is recognised.
    let origin: f64 = values[first].into();
    let values = &values[..weights.len()];
    let shift = weighted_sum(values, weights, |w, x| w * (x - origin)) / weight_sum;
    let centre = origin + shift;
    let m2 = weighted_sum(values, weights, |w, x| w * (x - centre) * (x - centre));
    (centre, m2)
}

/// Σ f(wᵢ, xᵢ) in the order of [`lanes::sum_by`]; eight at a time, by value, which becomes vector instructions.
#[inline(always)]
fn weighted_sum<T: Copy + Into<f64>>(values: &[T], weights: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    let ((chunks, rest), (of_chunks, of_rest)) = (values.as_chunks::<LANES>(), weights.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (x, w) in chunks.iter().zip(of_chunks) {
        let x: [f64; LANES] = x.map(Into::into);
        sums = std::array::from_fn(|lane| sums[lane] + f(w[lane], x[lane]));
    }
    for (sum, (x, w)) in sums.iter_mut().zip(rest.iter().zip(of_rest)) {
        *sum += f(*w, (*x).into());
    }
    lanes::add_lanes(sums)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block;

    #[test]
    fn weighted_moments_are_the_definition() {
        let x = [[1.0, 7.0], [2.0, 7.0], [4.0, 7.0]];
        let summary = Summary::of_blocks(&[block(&x, &[0.0, 2.0, 2.0], Some(&[1.0, 0.5, 2.0]))]);
        let summary = summary.expect("few classes");
        assert_eq!(
            (summary.rows, summary.weight_sum, summary.weight_square_sum),
            (3, 3.5, 5.25)
        );
        let mean = (1.0 + 1.0 + 8.0) / 3.5;
        assert!((summary.mean[0] - mean).abs() < 1e-15);
        let m2: f64 = [(1.0, 1.0), (0.5, 2.0), (2.0, 4.0)]
            .iter()
            .map(|(w, x)| w * (x - mean) * (x - mean))
            .sum();
        let std = (m2 / (3.5 - 5.25 / 3.5)).sqrt();
        assert!((summary.std()[0] - std).abs() < 1e-15);
        assert_eq!((summary.mean[1], summary.std()[1]), (7.0, 0.0));
        assert_eq!(summary.label_weights, [1.0, 0.0, 2.5]);
        assert_eq!(
            (summary.num_classes(), summary.classes_present()),
            (3, vec![0, 2])
        );
    }

    #[test]
    fn a_constant_feature_has_exactly_no_deviation_even_where_sums_round() {
        let parts: Vec<Block> = [3, 5, 7]
            .iter()
            .map(|rows| block(&vec![[0.1, 1.0]; *rows], &vec![0.0; *rows], None))
            .collect();
        assert_eq!(Summary::of_blocks(&parts).expect("one class").std(), [0.0, 0.0]);
    }

    #[test]
    fn rows_of_weight_zero_count_for_nothing() {
        let with = block(&[[9.0, 9.0], [1.0, 2.0]], &[5.0, 1.0], Some(&[0.0, 1.0]));
        let without = block(&[[1.0, 2.0]], &[1.0], Some(&[1.0]));
        assert_eq!(Summary::of_blocks(&[with]), Summary::of_blocks(&[without]));
        let nothing = block(&[[9.0, 9.0]], &[5.0], Some(&[0.0]));
        assert_eq!(Summary::of_blocks(&[nothing]), Ok(Summary::default()));
    }

    #[test]
    fn zeros_that_are_not_there_count_as_the_definition_says() {
        for weighted in [false, true] {
            let (sparse, dense) = crate::testing::wide_blocks(2, weighted);
            assert!(sparse.iter().all(|block| block.sparse().is_some()));
            let (found, expected) = (Summary::of_blocks(&sparse), Summary::of_blocks(&dense));
            let (found, expected) = (found.expect("two classes"), expected.expect("two classes"));
            assert_eq!(found.label_weights, expected.label_weights);
            assert_eq!(
                (found.rows, found.weight_sum),
                (expected.rows, expected.weight_sum)
            );
            let pairs = found
                .mean
                .iter()
                .zip(&expected.mean)
                .chain(found.m2.iter().zip(&expected.m2));
            for (found, expected) in pairs {
                let bound = 1e-12 * (1.0 + expected.abs());
                assert!((found - expected).abs() < bound, "{found} {expected}");
            }
            let std = found.std();
            assert_eq!(std[crate::testing::ALWAYS_SEVEN], 0.0, "a constant stays one");
            assert_eq!(std[crate::testing::NEVER], 0.0);
        }
    }

    #[test]
    fn an_identifier_is_no_label() {
        let error = Summary::of_blocks(&[block(&[[0.0, 0.0]], &[20_000.0], None)]).expect_err("too many");
        let text = "label 20000 implies 20001 classes, at most 10000 are supported";
        assert!(error.to_string().starts_with(text), "{error}");
    }
}
