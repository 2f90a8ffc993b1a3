//! Blocks: the training rows as the kernel wants them.
//!
//! A block holds up to [`BLOCK_ROWS`] rows of dense features, column by column, so that margins and gradients are
//! long straight loops over one feature at a time. A partition's blocks are filled in row order: block `b` holds
//! rows `b·BLOCK_ROWS..`, whatever the sizes of the frames pushed.
//!
//! A column takes 4 bytes a value if all its values in the block are 32-bit floats, 8 if not: nothing is lost, and since
//! the kernel computes with doubles, the choice changes no bit of a result.

use crate::error::MlError;
use crate::frame::{Column, ColumnData, ColumnKind, Frame};
use crate::lanes::{self, LANES};
use crate::row::{self, RowProblem};

mod shared;

pub(crate) use shared::Slice;
pub use shared::{SharedBlocks, SharedColumn};

/// Most rows in one block. 4096 doubles are 32 KiB for each feature.
pub const BLOCK_ROWS: usize = 4096;

/// Up to [`BLOCK_ROWS`] validated training rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    rows: usize,
    features: Vec<Values>,
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
        self.features.len()
    }

    /// Returns the values of one feature, row by row.
    pub fn feature(&self, feature: usize) -> impl Iterator<Item = f64> + '_ {
        let values = self.features.get(feature);
        values
            .into_iter()
            .flat_map(|values| (0..self.rows).map(|row| values.at(row)))
    }

    /// Returns the labels, whole numbers ≥ 0.
    pub fn labels(&self) -> impl Iterator<Item = f64> + '_ {
        (0..self.rows).map(|row| self.labels.at(row))
    }

    /// Returns the instance weight of each row.
    pub fn weights(&self) -> impl Iterator<Item = f64> + '_ {
        (0..self.rows).map(|row| self.weight(row))
    }

    /// Returns the sum of the instance weights.
    pub fn weight_sum(&self) -> f64 {
        self.weight_sum
    }

    pub(crate) fn columns(&self) -> &[Values] {
        &self.features
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

    /// Returns the bytes the values take, without those that it shares.
    pub fn memory_bytes(&self) -> usize {
        let columns = self.features.iter().chain([&self.labels]).chain(&self.weights);
        columns.map(Values::memory_bytes).sum::<usize>()
            + self.features.len() * size_of::<Values>()
            + size_of::<Block>()
    }
}

/// Fills blocks from frames, row by row.
#[derive(Debug)]
pub struct BlockBuilder {
    width: usize,
    rows_pushed: u64,
    full: Vec<Block>,
    /// The block being filled, row by row; turned into columns when it is full.
    features: Vec<f64>,
    labels: Vec<f64>,
    weights: Vec<f64>,
    weighted: bool,
}

impl BlockBuilder {
    /// Starts without rows; every feature vector must have `width` elements.
    pub fn new(width: usize) -> Self {
        BlockBuilder {
            width,
            rows_pushed: 0,
            full: Vec::new(),
            features: Vec::new(),
            labels: Vec::new(),
            weights: Vec::new(),
            weighted: false,
        }
    }

    /// Adds the rows of `frame`: the vector column `features`, the number column `label` and, if given, the number
    /// column `weight`. Either all frames have weights or none.
    ///
    /// # Errors
    /// [`MlError::InvalidRow`] with the ordinal among all rows pushed so far; [`MlError::WrongKind`] or
    /// [`MlError::UnknownColumn`] for columns; [`MlError::Shape`] for a vector of another width.
    pub fn push_frame(
        &mut self,
        frame: &Frame,
        features: &str,
        label: &str,
        weight: Option<&str>,
    ) -> Result<(), MlError> {
        let feature_column = frame.column(features)?;
        let ColumnData::Vector { width, values } = &feature_column.data else {
            let expected = ColumnKind::Vector.to_string();
            let actual = feature_column.kind();
            return Err(MlError::WrongKind {
                column: features.to_owned(),
                expected,
                actual,
            });
        };
        if *width != self.width {
            return Err(MlError::Shape {
                what: "features in vector",
                expected: self.width,
                got: *width,
            });
        }
        let label_column = frame.column(label)?;
        row::require_numeric(label, label_column)?;
        let weight_column = weight.map(|weight| frame.column(weight)).transpose()?;
        if let (Some(name), Some(column)) = (weight, weight_column) {
            row::require_numeric(name, column)?;
        }
        if self.rows_pushed > 0 && self.weighted != weight.is_some() {
            return Err(MlError::Requirement(
                "either all frames have weights or none".to_owned(),
            ));
        }
        self.weighted = weight.is_some();
        for row in 0..frame.rows() {
            let vector = &values[row * width..(row + 1) * width];
            self.push_row(
                feature_column.is_null(row),
                vector,
                label_column,
                weight_column,
                row,
            )
            .map_err(|problem| MlError::InvalidRow {
                row: self.rows_pushed,
                problem,
            })?;
            self.rows_pushed += 1;
        }
        Ok(())
    }

    fn push_row(
        &mut self,
        null: bool,
        vector: &[f64],
        label: &Column,
        weight: Option<&Column>,
        row: usize,
    ) -> Result<(), RowProblem> {
        if null {
            return Err(RowProblem::NullVector);
        }
        if !vector.iter().all(|value| value.is_finite()) {
            return Err(RowProblem::NonFiniteVector(vector.to_vec()));
        }
        let label = row::label_at(label, row)?;
        if let Some(weight) = weight {
            self.weights.push(row::weight_at(weight, row)?);
        }
        self.labels.push(label);
        self.features.extend_from_slice(vector);
        if self.labels.len() == BLOCK_ROWS {
            self.close_block();
        }
        Ok(())
    }

    /// Returns the blocks, all full but the last.
    pub fn finish(mut self) -> Vec<Block> {
        if !self.labels.is_empty() {
            self.close_block();
        }
        self.full
    }

    fn close_block(&mut self) {
        let (rows, width) = (self.labels.len(), self.width);
        let feature = |feature: usize| self.features[feature..].iter().step_by(width).copied();
        let features = (0..width).map(|j| Values::pack(feature(j), rows)).collect();
        let of_rows = |values: &[f64]| Values::pack(values.iter().copied(), rows);
        let weights = self.weighted.then(|| of_rows(&self.weights));
        let weight_sum = match self.weighted {
            true => lanes::sum_by(rows, |row| self.weights[row]),
            false => rows as f64,
        };
        self.full.push(Block {
            rows,
            features,
            labels: of_rows(&self.labels),
            weights,
            weight_sum,
        });
        self.features.clear();
        self.labels.clear();
        self.weights.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(vectors: &[[f64; 2]], labels: ColumnData, weights: Option<Vec<f64>>) -> Frame {
        let rows = vectors.len();
        let values = vectors.concat();
        let frame = Frame::new(rows)
            .with_column("x", Column::new(ColumnData::Vector { width: 2, values }))
            .and_then(|frame| frame.with_column("y", Column::new(labels)))
            .expect("columns fit");
        match weights {
            Some(weights) => frame
                .with_column("w", Column::new(ColumnData::Double(weights)))
                .expect("columns fit"),
            None => frame,
        }
    }

    fn problem(vector: [f64; 2], label: f64, weight: f64) -> String {
        let good = frame(
            &[[0.0; 2]; 3],
            ColumnData::Integer(vec![1; 3]),
            Some(vec![1.0; 3]),
        );
        let bad = frame(&[vector], ColumnData::Double(vec![label]), Some(vec![weight]));
        let mut builder = BlockBuilder::new(2);
        builder.push_frame(&good, "x", "y", Some("w")).expect("good rows");
        builder
            .push_frame(&bad, "x", "y", Some("w"))
            .expect_err("a bad row")
            .to_string()
    }

    #[test]
    fn bad_rows_are_refused_in_sparks_words_with_their_ordinal() {
        let cases = [
            (
                [f64::NAN, 1.0],
                0.0,
                1.0,
                "Vector values MUST NOT be NaN or Infinity, but got [NaN,1.0]",
            ),
            (
                [f64::INFINITY, 1.0],
                0.0,
                1.0,
                "Vector values MUST NOT be NaN or Infinity, but got [Infinity,1.0]",
            ),
            ([1.0, 1.0], f64::NAN, 1.0, "Labels MUST NOT be Null or NaN"),
            (
                [1.0, 1.0],
                -1.0,
                1.0,
                "Labels MUST be in [0, 2147483647), but got -1.0",
            ),
            ([1.0, 1.0], 0.5, 1.0, "Labels MUST be Integers, but got 0.5"),
            (
                [1.0, 1.0],
                0.0,
                -1.0,
                "Weights MUST NOT be Negative or Infinity, but got -1.0",
            ),
            ([1.0, 1.0], 0.0, f64::NAN, "Weights MUST NOT be Null or NaN"),
        ];
        for (vector, label, weight, text) in cases {
            assert_eq!(problem(vector, label, weight), format!("row 3: {text}"));
        }
    }

    #[test]
    fn a_text_label_is_refused_and_a_null_label_is_missing() {
        let text = frame(&[[0.0; 2]], ColumnData::Text(vec!["a".into()]), None);
        let error = BlockBuilder::new(2)
            .push_frame(&text, "x", "y", None)
            .expect_err("text")
            .to_string();
        assert_eq!(
            error,
            "requirement failed: Column y must be of type numeric but was actually of type string."
        );
        let column = Column {
            data: ColumnData::Integer(vec![0]),
            validity: Some(vec![false]),
        };
        assert_eq!(row::label_at(&column, 0), Err(RowProblem::MissingLabel));
    }

    #[test]
    fn rows_fill_blocks_in_order_whatever_the_frames() {
        let vectors: Vec<[f64; 2]> = (0..BLOCK_ROWS + 10).map(|i| [i as f64, -(i as f64)]).collect();
        let build = |frame_rows: usize| {
            let mut builder = BlockBuilder::new(2);
            for part in vectors.chunks(frame_rows) {
                let frame = frame(part, ColumnData::Integer(vec![1; part.len()]), None);
                builder.push_frame(&frame, "x", "y", None).expect("good rows");
            }
            builder.finish()
        };
        let blocks = build(1000);
        assert_eq!(blocks, build(7));
        assert_eq!(
            blocks.iter().map(Block::rows).collect::<Vec<_>>(),
            [BLOCK_ROWS, 10]
        );
        let second: Vec<f64> = blocks[1].feature(1).take(2).collect();
        assert_eq!(second, [-(BLOCK_ROWS as f64), -(BLOCK_ROWS as f64) - 1.0]);
        assert_eq!(blocks[1].feature(2).count(), 0);
        assert_eq!(blocks[1].weight_sum(), 10.0);
    }

    #[test]
    fn a_column_takes_the_bytes_that_its_values_need() {
        let vectors = [
            [0.1, f64::from(0.1_f32)],
            [1e300, -0.0],
            [3.0, 16_777_217.0_f32.into()],
        ];
        let mut builder = BlockBuilder::new(2);
        let frame = frame(
            &vectors,
            ColumnData::Integer(vec![1, 0, 1]),
            Some(vec![1.0, 0.1, 2.0]),
        );
        builder
            .push_frame(&frame, "x", "y", Some("w"))
            .expect("good rows");
        let block = &builder.finish()[0];
        assert!(
            matches!(block.columns(), [Values::Double(a), Values::Single(b)] if a.len() == 8 && b.len() == 8)
        );
        for (feature, j) in [(0, 0), (1, 1)] {
            let values: Vec<u64> = block.feature(feature).map(f64::to_bits).collect();
            assert_eq!(values, vectors.map(|vector| vector[j].to_bits()));
        }
        assert_eq!(block.labels().collect::<Vec<_>>(), [1.0, 0.0, 1.0]);
        assert_eq!(block.weights().collect::<Vec<_>>(), [1.0, 0.1, 2.0]);
        assert_eq!(block.weight_sum(), 1.0 + 0.1 + 2.0);
    }
}
