//! [`BlockBuilder`]: from frames to blocks.

use super::sparse::Pending;
use super::{BLOCK_ROWS, Block, Values};
use crate::error::MlError;
use crate::frame::{Column, ColumnData, ColumnKind, Frame, SparseVectors};
use crate::lanes;
use crate::row::{self, RowProblem};

/// Vectors of at most so many elements get a column for each, whatever form they come in: a row of columns is then
/// 256 bytes long, which costs no more than to name what is not 0.
const DENSE_WIDTH: usize = 64;
/// A block is full, too, when it has so many elements: a bound on its memory where rows are long.
const BLOCK_ELEMENTS: usize = 1 << 24;

/// Fills blocks from frames, row by row.
#[derive(Debug)]
pub struct BlockBuilder {
    width: usize,
    rows_pushed: u64,
    full: Vec<Block>,
    /// The block being filled, row by row; turned into columns when it is full.
    features: Features,
    labels: Vec<f64>,
    weights: Vec<f64>,
    weighted: bool,
}

/// The features of the rows that are no block yet. Which form they have is decided by the first frame: a pipeline makes
/// the same form of all.
#[derive(Debug)]
enum Features {
    Dense(Vec<f64>),
    Sparse(Pending),
}

/// One row's features.
#[derive(Debug, Clone, Copy)]
enum Vector<'a> {
    Dense(&'a [f64]),
    Sparse(&'a SparseVectors, usize),
}

impl BlockBuilder {
    /// Starts without rows; every feature vector must have `width` elements.
    pub fn new(width: usize) -> Self {
        BlockBuilder {
            width,
            rows_pushed: 0,
            full: Vec::new(),
            features: Features::Dense(Vec::new()),
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
        let Some(width) = feature_column.vector_width() else {
            let expected = ColumnKind::Vector.to_string();
            let actual = feature_column.kind();
            return Err(MlError::WrongKind {
                column: features.to_owned(),
                expected,
                actual,
            });
        };
        if width != self.width {
            return Err(MlError::Shape {
                what: "features in vector",
                expected: self.width,
                got: width,
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
        let is_sparse = matches!(feature_column.data, ColumnData::Sparse(_));
        if self.rows_pushed == 0 && is_sparse && width > DENSE_WIDTH {
            self.features = Features::Sparse(Pending::default());
        }
        for row in 0..frame.rows() {
            self.push_row(feature_column, label_column, weight_column, row)
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
        features: &Column,
        label: &Column,
        weight: Option<&Column>,
        row: usize,
    ) -> Result<(), RowProblem> {
        if features.is_null(row) {
            return Err(RowProblem::NullVector);
        }
        let vector = match &features.data {
            ColumnData::Sparse(vectors) => Vector::Sparse(vectors, row),
            ColumnData::Vector { width, values } => Vector::Dense(&values[row * width..(row + 1) * width]),
            _ => return Err(RowProblem::NullVector),
        };
        vector.check()?;
        let label = row::label_at(label, row)?;
        if let Some(weight) = weight {
            self.weights.push(row::weight_at(weight, row)?);
        }
        self.labels.push(label);
        vector.add_to(&mut self.features, self.width);
        let elements = match &self.features {
            Features::Dense(_) => 0,
            Features::Sparse(pending) => pending.len(),
        };
        if self.labels.len() == BLOCK_ROWS || elements >= BLOCK_ELEMENTS {
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
        let (columns, sparse) = match &mut self.features {
            Features::Dense(values) => {
                let feature = |feature: usize| values[feature..].iter().step_by(width).copied();
                let columns = (0..width).map(|j| Values::pack(feature(j), rows)).collect();
                values.clear();
                (columns, None)
            }
            Features::Sparse(pending) => {
                let (columns, sparse) = pending.take(width);
                (columns, Some(sparse))
            }
        };
        let of_rows = |values: &[f64]| Values::pack(values.iter().copied(), rows);
        let weights = self.weighted.then(|| of_rows(&self.weights));
        let weight_sum = match self.weighted {
            true => lanes::sum_by(rows, |row| self.weights[row]),
            false => rows as f64,
        };
        self.full.push(Block {
            rows,
            width,
            columns,
            sparse,
            labels: of_rows(&self.labels),
            weights,
            weight_sum,
        });
        self.labels.clear();
        self.weights.clear();
    }
}

impl Vector<'_> {
    fn check(self) -> Result<(), RowProblem> {
        let values = match self {
            Vector::Dense(values) => values,
            Vector::Sparse(vectors, row) => vectors.values(row),
        };
        if values.iter().all(|value| value.is_finite()) {
            return Ok(());
        }
        Err(match self {
            Vector::Dense(values) => RowProblem::NonFiniteVector(values.to_vec()),
            Vector::Sparse(vectors, row) => RowProblem::NonFiniteSparseVector {
                width: vectors.width(),
                indices: vectors.indices(row).to_vec(),
                values: vectors.values(row).to_vec(),
            },
        })
    }

    fn add_to(self, features: &mut Features, width: usize) {
        match (self, features) {
            (Vector::Dense(values), Features::Dense(all)) => all.extend_from_slice(values),
            (Vector::Dense(values), Features::Sparse(pending)) => {
                pending.push((0..).zip(values.iter().copied()));
            }
            (Vector::Sparse(vectors, row), Features::Sparse(pending)) => pending.push(vectors.row(row)),
            (Vector::Sparse(vectors, row), Features::Dense(all)) => {
                let start = all.len();
                all.resize(start + width, 0.0);
                for (index, value) in vectors.row(row) {
                    all[start + index as usize] = value;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Amounts;
    use crate::testing;

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

    #[test]
    fn wide_sparse_rows_keep_columns_for_what_is_frequent_and_lose_nothing() {
        let (sparse, dense) = testing::wide_blocks(2, true);
        assert_eq!(sparse.len(), dense.len());
        for (sparse, dense) in sparse.iter().zip(&dense) {
            let rows = sparse.sparse().expect("300 elements are many");
            let columns = rows.column_features();
            assert!((0..6).all(|number| columns.contains(&number)), "{columns:?}");
            assert!(columns.len() < 20 && rows.features().len() > 150, "{columns:?}");
            assert_eq!(sparse.width(), dense.width());
            for feature in 0..testing::WIDTH {
                let values = |block: &Block| block.feature(feature).map(f64::to_bits).collect::<Vec<_>>();
                assert_eq!(values(sparse), values(dense), "{feature}");
            }
            assert!(sparse.labels().eq(dense.labels()) && sparse.weights().eq(dense.weights()));
            assert!(sparse.memory_bytes() * 8 < dense.memory_bytes());
            assert_eq!(sparse.to_dense(), *dense);
        }
    }

    #[test]
    fn narrow_sparse_rows_become_columns() {
        let rows = [vec![(1, 2.0)], vec![(0, 0.0), (2, -1.0)]];
        let mut vectors = SparseVectors::empty(3);
        for row in rows {
            vectors.push(row).expect("ascending");
        }
        let build = |features: ColumnData| {
            let frame = Frame::new(2)
                .with_column("x", Column::new(features))
                .and_then(|frame| frame.with_column("y", Column::new(ColumnData::Integer(vec![0, 1]))))
                .expect("columns fit");
            let mut builder = BlockBuilder::new(3);
            builder.push_frame(&frame, "x", "y", None).expect("good rows");
            builder.finish()
        };
        let values = vec![0.0, 2.0, 0.0, 0.0, 0.0, -1.0];
        assert_eq!(
            build(ColumnData::Sparse(vectors)),
            build(ColumnData::Vector { width: 3, values })
        );
    }

    #[test]
    fn ones_take_no_bytes_and_a_bad_sparse_vector_is_shown_as_spark_shows_it() {
        let frame = |value: f64| {
            let mut vectors = SparseVectors::empty(100);
            for row in 0..40 {
                let value = if row == 39 { value } else { 1.0 };
                vectors
                    .push([(2 * row, 1.0), (2 * row + 1, value)])
                    .expect("ascending");
            }
            Frame::new(40)
                .with_column("x", Column::new(ColumnData::Sparse(vectors)))
                .and_then(|frame| frame.with_column("y", Column::new(ColumnData::Integer(vec![1; 40]))))
                .expect("columns fit")
        };
        let push = |value: f64| {
            let mut builder = BlockBuilder::new(100);
            builder
                .push_frame(&frame(value), "x", "y", None)
                .map(|()| builder.finish())
        };
        let amounts = |value: f64| {
            let blocks = push(value).expect("good rows");
            blocks[0].sparse().expect("100 elements").amounts().clone()
        };
        assert_eq!(amounts(1.0), Amounts::Ones);
        assert!(matches!(amounts(0.5), Amounts::Single(_)) && matches!(amounts(0.1), Amounts::Double(_)));
        let error = push(f64::NAN).expect_err("NaN").to_string();
        assert_eq!(
            error,
            "row 39: Vector values MUST NOT be NaN or Infinity, but got (100,[78,79],[1.0,NaN])"
        );
    }
}
