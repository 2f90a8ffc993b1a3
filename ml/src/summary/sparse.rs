//! Moments of features of which most values are 0 and not there.
//!
//! Of each feature the rows that have it are summed up: their weight n, mean and squared deviations, block by block, a row
//! without it costing nothing. At the end the other rows, of weight W − n, join with the value 0 (Chan, Golub and LeVeque's
//! update; `org.apache.spark.ml.stat.SummarizerBuffer` does the same): the mean becomes μ·n/W, the squared deviations
//! M₂ + μ²·n·(W − n)/W. A column counts as one that all rows have.

use super::{Summary, column_moments};
use crate::block::{Amounts, Block, Code, Codes, Ones, Run, SparseRows, elements};

/// What is known of the rows that have each feature.
struct Present {
    weight: Vec<f64>,
    mean: Vec<f64>,
    m2: Vec<f64>,
}

/// The same of one feature.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    weight: f64,
    mean: f64,
    m2: f64,
}

/// Mean and squared deviations of all features over the rows of `blocks`, the first of which has this `width`.
pub(super) fn moments(
    blocks: &[Block],
    class_weights: &[f64],
    width: usize,
    total: &Summary,
) -> (Vec<f64>, Vec<f64>) {
    let mut present = Present {
        weight: vec![0.0; width],
        mean: vec![0.0; width],
        m2: vec![0.0; width],
    };
    for block in blocks {
        let weights = block.weights_by(class_weights);
        let Some(first) = weights.iter().position(|weight| *weight > 0.0) else {
            continue;
        };
        let feature_of = |column: usize| match block.sparse() {
            Some(sparse) => sparse.column_features()[column] as usize,
            None => column,
        };
        let weight = block.weight_sum_of(block.rows(), class_weights);
        let (means, squares) = column_moments(block, &weights, first, weight);
        for (column, (mean, m2)) in means.into_iter().zip(squares).enumerate() {
            present.add(feature_of(column), Moments { weight, mean, m2 });
        }
        if let Some(sparse) = block.sparse() {
            let moments = element_moments(sparse, &weights);
            for (feature, moments) in sparse.features().iter().zip(moments) {
                present.add(*feature as usize, moments);
            }
        }
    }
    present.among_all(total.weight_sum)
}

/// Of each feature of a block, by code.
fn element_moments(sparse: &SparseRows, weights: &[f64]) -> Vec<Moments> {
    let mut moments = vec![Moments::default(); sparse.features().len()];
    // Measured from a feature's first value, equal values have a deviation of exactly 0.
    let mut origins = vec![0.0; moments.len()];
    for_each(sparse, weights, |code, value, weight| {
        let own = &mut moments[code];
        if own.weight == 0.0 {
            origins[code] = value;
        }
        own.weight += weight;
        own.mean += weight * (value - origins[code]);
    });
    for (own, origin) in moments
        .iter_mut()
        .zip(origins)
        .filter(|(own, _)| own.weight > 0.0)
    {
        own.mean = origin + own.mean / own.weight;
    }
    for_each(sparse, weights, |code, value, weight| {
        let deviation = value - moments[code].mean;
        moments[code].m2 += weight * deviation * deviation;
    });
    moments
}

/// Calls `work` with code, value and weight of every element, row by row, but for rows of weight 0.
fn for_each(sparse: &SparseRows, weights: &[f64], mut work: impl FnMut(usize, f64, f64)) {
    let starts = sparse.starts_from(0).array_windows();
    elements!(sparse, codes, values => {
        for (pair, weight) in starts.zip(weights).filter(|(_, weight)| **weight > 0.0) {
            let [start, end] = pair.map(|place| place as usize);
            for (code, value) in codes[start..end].iter().zip(values.run(start, end)) {
                work(code.at(), value, *weight);
            }
        }
    });
}

impl Present {
    fn add(&mut self, feature: usize, other: Moments) {
        if other.weight == 0.0 {
            return;
        }
        let (weight, mean, m2) = (
            &mut self.weight[feature],
            &mut self.mean[feature],
            &mut self.m2[feature],
        );
        if *weight == 0.0 {
            (*weight, *mean, *m2) = (other.weight, other.mean, other.m2);
            return;
        }
        let total = *weight + other.weight;
        let share = other.weight / total;
        let delta = other.mean - *mean;
        *m2 += other.m2 + delta * delta * *weight * share;
        *mean += delta * share;
        *weight = total;
    }

    /// Joins the rows that have not the feature, of `total` together.
    fn among_all(mut self, total: f64) -> (Vec<f64>, Vec<f64>) {
        let moments = self.mean.iter_mut().zip(&mut self.m2).zip(&self.weight);
        for ((mean, m2), weight) in moments {
            let (present, absent) = (weight / total, (total - weight) / total);
            *m2 += *mean * *mean * weight * absent;
            *mean *= present;
        }
        (self.mean, self.m2)
    }
}
