//! Blocks: the training rows as the kernel wants them.
//!
//! A block holds up to [`BLOCK_ROWS`] rows of dense features, column by column, so that margins and gradients are
//! long straight loops over one feature at a time. A partition's blocks are filled in row order: block `b` holds
//! rows `b·BLOCK_ROWS..`, whatever the sizes of the frames pushed.

use crate::error::MlError;
use crate::frame::{Column, ColumnData, ColumnKind, Frame};
use crate::row::{self, RowProblem};

/// Most rows in one block. 4096 doubles are 32 KiB for each feature.
pub const BLOCK_ROWS: usize = 4096;

/// Up to [`BLOCK_ROWS`] validated training rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    rows: usize,
    width: usize,
    /// rows·width values, index = feature·rows + row.
    features: Vec<f64>,
    labels: Vec<f64>,
    weights: Option<Vec<f64>>,
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

    /// Returns the values of one feature, row by row; empty if there is no such feature.
    pub fn feature(&self, feature: usize) -> &[f64] {
        self.features
            .get(feature * self.rows..(feature + 1) * self.rows)
            .unwrap_or_default()
    }

    /// Returns the labels, whole numbers ≥ 0.
    pub fn labels(&self) -> &[f64] {
        &self.labels
    }

    /// Returns the instance weights; `None` means every weight is 1.
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// Returns the bytes the values take.
    pub fn memory_bytes(&self) -> usize {
        let weights = self.weights.as_ref().map_or(0, Vec::len);
        (self.features.len() + self.labels.len() + weights) * size_of::<f64>() + size_of::<Block>()
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
        let mut features = vec![0.0; rows * width];
        for (row, vector) in self.features.chunks_exact(width.max(1)).enumerate() {
            for (feature, value) in vector.iter().enumerate() {
                features[feature * rows + row] = *value;
            }
        }
        self.features.clear();
        let labels = std::mem::take(&mut self.labels);
        let weights = std::mem::take(&mut self.weights);
        let weights = self.weighted.then_some(weights);
        self.full.push(Block {
            rows,
            width,
            features,
            labels,
            weights,
        });
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
        assert_eq!(
            blocks[1].feature(1)[..2],
            [-(BLOCK_ROWS as f64), -(BLOCK_ROWS as f64) - 1.0]
        );
        assert_eq!(blocks[1].feature(2), &[] as &[f64]);
        assert!(blocks[1].memory_bytes() >= 10 * 3 * 8);
    }
}
