//! Blocks: the training rows as the kernel wants them.
//!
//! A block holds up to [`BLOCK_ROWS`] rows, feature by feature in columns, so that margins and gradients are
//! long straight loops over one feature at a time. A partition's blocks are filled in row order: block `b` holds
//! rows `b·BLOCK_ROWS..`, whatever the sizes of the frames pushed.
//!
//! A column takes 4 bytes a value if all its values in the block are 32-bit floats, 8 if not: nothing is lost, and since
//! the kernel computes with doubles, the choice changes no bit of a result.
//!
//! Wide vectors that leave their zeros out keep columns for the features that many rows of the block have; the rest is kept
//! row by row (`sparse`).

use crate::lanes::{self, LANES};

mod builder;
mod packed;
mod sparse;

pub use builder::BlockBuilder;
pub use packed::{BlockLayout, PackedBytes};
pub(crate) use sparse::{Amounts, Code, Codes, Ones, Run, SparseRows, elements};

mod shared;

pub(crate) use shared::Slice;
pub use shared::{SharedBlocks, SharedColumn, SharedValues};

/// Most rows in one block. 4096 doubles are 32 KiB for each feature.
pub const BLOCK_ROWS: usize = 4096;

/// Up to [`BLOCK_ROWS`] validated training rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    rows: usize,
    width: usize,
    /// One for each feature, or for those that `sparse` says.
    columns: Vec<Values>,
    sparse: Option<SparseRows>,
    labels: Values,
    weights: Option<Values>,
    /// Σw of the rows.
    weight_sum: f64,
}

/// One column of a block: a value for each row, then zeros until the last lane is full.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    Single(Slice<f32>),
    Double(Slice<f64>),
}

impl Values {
    fn pack(values: impl Iterator<Item = f64> + Clone, rows: usize) -> Self {
        let padding = rows.next_multiple_of(LANES) - rows;
        let is_single = |value: f64| f64::from(value as f32).to_bits() == value.to_bits();
        if values.clone().all(is_single) {
            let values = values.map(|value| value as f32);
            Values::Single(values.chain(std::iter::repeat_n(0.0, padding)).collect())
        } else {
            Values::Double(values.chain(std::iter::repeat_n(0.0, padding)).collect())
        }
    }

    pub(crate) fn at(&self, row: usize) -> f64 {
        match self {
            Values::Single(values) => f64::from(values[row]),
            Values::Double(values) => values[row],
        }
    }

    pub(crate) fn bytes_per_row(&self) -> usize {
        match self {
            Values::Single(_) => size_of::<f32>(),
            Values::Double(_) => size_of::<f64>(),
        }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Values::Single(values) => values.memory_bytes(),
            Values::Double(values) => values.memory_bytes(),
        }
    }
}

impl Block {
    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of features.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the values of one feature, row by row.
    pub fn feature(&self, feature: usize) -> impl Iterator<Item = f64> + '_ {
        let column = match &self.sparse {
            Some(sparse) => sparse.column_of(feature),
            None => Some(feature),
        };
        let values = column.and_then(|column| self.columns.get(column));
        let sparse = self.sparse.as_ref().filter(|_| values.is_none());
        let value = move |row| match (values, sparse) {
            (Some(values), _) => values.at(row),
            (None, Some(sparse)) => sparse.at(row, feature),
            (None, None) => 0.0,
        };
        let rows = if feature < self.width { self.rows } else { 0 };
        (0..rows).map(value)
    }

    /// Returns the labels, whole numbers ≥ 0.
    pub fn labels(&self) -> impl Iterator<Item = f64> + '_ {
        (0..self.rows).map(|row| self.labels.at(row))
    }

    /// Returns the labels as classes, with zeros behind them until the last lane is full.
    pub(crate) fn classes(&self) -> Vec<usize> {
        match &self.labels {
            Values::Single(labels) => labels.iter().map(|label| *label as usize).collect(),
            Values::Double(labels) => labels.iter().map(|label| *label as usize).collect(),
        }
    }

    /// Returns the instance weight of each row.
    pub fn weights(&self) -> impl Iterator<Item = f64> + '_ {
        (0..self.rows).map(|row| self.weight(row))
    }

    /// Returns the sum of the instance weights.
    pub fn weight_sum(&self) -> f64 {
        self.weight_sum
    }

    /// Returns the sum of the weights of the first `rows` rows, each times the factor of its class, where there are such factors.
    pub(crate) fn weight_sum_of(&self, rows: usize, class_weights: &[f64]) -> f64 {
        match (class_weights.is_empty(), &self.weights) {
            (true, _) if rows == self.rows => self.weight_sum,
            (true, None) => rows as f64,
            _ => lanes::sum_by(rows, |row| self.weight_by(class_weights, row)),
        }
    }

    pub(crate) fn columns(&self) -> &[Values] {
        &self.columns
    }

    /// What is not in columns; `None` if everything is.
    pub(crate) fn sparse(&self) -> Option<&SparseRows> {
        self.sparse.as_ref()
    }

    /// Returns the block with a column for each feature.
    pub(crate) fn to_dense(&self) -> Block {
        let Some(sparse) = &self.sparse else {
            return self.clone();
        };
        let mut features = vec![vec![0.0; self.rows]; self.width];
        for (values, feature) in self.columns.iter().zip(sparse.column_features()) {
            let feature = &mut features[*feature as usize];
            (0..self.rows).for_each(|row| feature[row] = values.at(row));
        }
        sparse.for_each(|row, feature, value| features[feature][row] = value);
        let packed = features
            .into_iter()
            .map(|values| Values::pack(values.into_iter(), self.rows));
        Block {
            columns: packed.collect(),
            sparse: None,
            labels: self.labels.clone(),
            weights: self.weights.clone(),
            ..*self
        }
    }

    pub(crate) fn label_values(&self) -> &Values {
        &self.labels
    }

    /// `None` means that every weight is 1.
    pub(crate) fn weight_values(&self) -> Option<&Values> {
        self.weights.as_ref()
    }

    pub(crate) fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights.at(row))
    }

    /// Returns the weight of each row times the factor of its class, where there are such factors.
    pub(crate) fn weights_by(&self, class_weights: &[f64]) -> Vec<f64> {
        match class_weights.is_empty() {
            true => self.weights().collect(),
            false => (0..self.rows)
                .map(|row| self.weight_by(class_weights, row))
                .collect(),
        }
    }

    /// Returns the weight of a row times the factor of its class; a class without one counts as it is.
    #[inline(always)]
    pub(crate) fn weight_by(&self, class_weights: &[f64], row: usize) -> f64 {
        let factor = class_weights.get(self.labels.at(row) as usize).copied();
        self.weight(row) * factor.unwrap_or(1.0)
    }

    /// Returns the bytes the values take, without those that it shares.
    pub fn memory_bytes(&self) -> usize {
        let columns = self.columns.iter().chain([&self.labels]).chain(&self.weights);
        columns.map(Values::memory_bytes).sum::<usize>()
            + self.columns.len() * size_of::<Values>()
            + self.sparse.as_ref().map_or(0, SparseRows::memory_bytes)
            + size_of::<Block>()
    }
}
