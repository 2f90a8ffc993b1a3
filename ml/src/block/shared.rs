//! Blocks whose features are columns that whoever cached the rows holds anyway: nothing is copied, and a partition's rows
//! are in memory once.
//!
//! Block `b` holds rows `b·BLOCK_ROWS..`, as everywhere, and its values are the same; only a column's type is chosen for
//! the whole column, not block by block, which changes no bit of a result.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::{Arc, OnceLock};

use super::{BLOCK_ROWS, Block, Values};
use crate::frame::Frame;
use crate::lanes::{self, LANES};
use crate::number::{self, Number};
use crate::row;

/// A feature of a partition's rows, row by row; behind the last one zeros until its lane is full.
#[derive(Debug, Clone)]
pub enum SharedColumn {
    /// 32-bit floats.
    Single(SharedValues<f32>),
    /// 64-bit floats.
    Double(SharedValues<f64>),
}

impl SharedColumn {
    /// How many values a column of `rows` rows has, those behind the last row included.
    pub fn padded(rows: usize) -> usize {
        rows.next_multiple_of(LANES)
    }

    /// Whether there are values for `rows` rows and their padding, all of them finite.
    pub(crate) fn is_usable(&self, rows: usize) -> bool {
        let length = Self::padded(rows);
        match self {
            SharedColumn::Single(values) => values.len() == length && values.are_finite(),
            SharedColumn::Double(values) => values.len() == length && values.are_finite(),
        }
    }

    fn slice(&self, range: Range<usize>) -> Values {
        match self {
            SharedColumn::Single(values) => Values::Single(Slice::shared(&values.values, range)),
            SharedColumn::Double(values) => Values::Double(Slice::shared(&values.values, range)),
        }
    }
}

/// Values that somebody else holds, too.
#[derive(Clone)]
pub struct SharedValues<T> {
    values: Arc<dyn AsRef<[T]> + Send + Sync>,
    /// Whether all of them are finite, once somebody has looked.
    are_finite: Arc<OnceLock<bool>>,
}

impl<T> SharedValues<T> {
    /// Shares `values`, which never change.
    pub fn new(values: impl AsRef<[T]> + Send + Sync + 'static) -> Self {
        SharedValues {
            values: Arc::new(values),
            are_finite: Arc::default(),
        }
    }

    /// Whether all are finite; looked up once for all who share them.
    pub(crate) fn are_finite(&self) -> bool
    where
        T: Number,
    {
        *self.are_finite.get_or_init(|| number::all_finite(self))
    }
}

impl<T> Deref for SharedValues<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        (*self.values).as_ref()
    }
}

impl<T> fmt::Debug for SharedValues<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedValues({})", self.len())
    }
}

/// Makes blocks of shared columns; labels and weights, which are checked row by row, come in frames.
#[derive(Debug)]
pub struct SharedBlocks {
    columns: Vec<SharedColumn>,
    labels: Vec<f64>,
    weights: Option<Vec<f64>>,
}

impl SharedBlocks {
    /// Starts with the features of all rows, and with weights if there will be some.
    pub fn new(columns: Vec<SharedColumn>, weighted: bool) -> Self {
        SharedBlocks {
            columns,
            labels: Vec::new(),
            weights: weighted.then(Vec::new),
        }
    }

    /// Adds labels and weights of the next rows. `None` if [`BlockBuilder`](crate::BlockBuilder) would refuse one, and has
    /// to be asked what is wrong.
    pub fn push_labels(&mut self, frame: &Frame, label: &str, weight: Option<&str>) -> Option<()> {
        let labels = frame.column(label).ok()?;
        row::require_numeric(label, labels).ok()?;
        for row in 0..frame.rows() {
            self.labels.push(row::label_at(labels, row).ok()?);
        }
        if let Some(name) = weight {
            let (own, column) = (self.weights.as_mut()?, frame.column(name).ok()?);
            row::require_numeric(name, column).ok()?;
            for row in 0..frame.rows() {
                own.push(row::weight_at(column, row).ok()?);
            }
        }
        Some(())
    }

    /// Returns the blocks, all full but the last. `None` if a feature is not finite, and
    /// [`BlockBuilder`](crate::BlockBuilder) has to be asked which.
    pub fn finish(self) -> Option<Vec<Block>> {
        let rows = self.labels.len();
        let weights = self.weights.as_ref();
        if weights.is_some_and(|weights| weights.len() != rows)
            || !self.columns.iter().all(|column| column.is_usable(rows))
        {
            return None;
        }
        let block = |start: usize| {
            let rows = BLOCK_ROWS.min(rows - start);
            let of_rows = |values: &[f64]| Values::pack(values[start..start + rows].iter().copied(), rows);
            let shared = start..start + SharedColumn::padded(rows);
            Block {
                rows,
                width: self.columns.len(),
                columns: self
                    .columns
                    .iter()
                    .map(|column| column.slice(shared.clone()))
                    .collect(),
                sparse: None,
                labels: of_rows(&self.labels),
                weights: weights.map(|weights| of_rows(weights)),
                weight_sum: weights.map_or(rows as f64, |weights| {
                    lanes::sum_by(rows, |row| weights[start + row])
                }),
            }
        };
        Some((0..rows).step_by(BLOCK_ROWS).map(block).collect())
    }
}

/// Values in a row, of a block's own or of a column that it shares.
pub(crate) struct Slice<T> {
    owner: Arc<dyn AsRef<[T]> + Send + Sync>,
    range: Range<usize>,
    is_own: bool,
}

impl<T> Slice<T> {
    pub(super) fn shared(owner: &Arc<dyn AsRef<[T]> + Send + Sync>, range: Range<usize>) -> Self {
        Slice {
            owner: Arc::clone(owner),
            range,
            is_own: false,
        }
    }

    /// Bytes that the block takes for it.
    pub(super) fn memory_bytes(&self) -> usize {
        if self.is_own { size_of_val::<[T]>(self) } else { 0 }
    }
}

impl<T> Deref for Slice<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &(*self.owner).as_ref()[self.range.clone()]
    }
}

impl<T: Send + Sync + 'static> FromIterator<T> for Slice<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let values: Vec<T> = values.into_iter().collect();
        Slice {
            range: 0..values.len(),
            owner: Arc::new(values),
            is_own: true,
        }
    }
}

impl<T> Clone for Slice<T> {
    fn clone(&self) -> Self {
        Slice {
            owner: Arc::clone(&self.owner),
            range: self.range.clone(),
            is_own: self.is_own,
        }
    }
}

impl<T: PartialEq> PartialEq for Slice<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: fmt::Debug> fmt::Debug for Slice<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::BlockBuilder;
    use crate::frame::{Column, ColumnData};
    use crate::kernel::{KernelCoefficients, Precision, RowSample, accumulate};
    use crate::logistic_regression::Family;
    use crate::summary::Summary;

    const ROWS: usize = 2 * BLOCK_ROWS + 13;

    fn values(feature: usize) -> Vec<f64> {
        let value = |row: usize| ((row * 7919 + feature * 104_729) % 10_007) as f64 / 1e3 - 5.0;
        let values = (0..ROWS).map(value);
        // The second feature has a value here and there that no float holds.
        match feature {
            1 => values.collect(),
            _ => values.map(|value| f64::from(value as f32)).collect(),
        }
    }

    fn padded<T: Clone + Default>(mut values: Vec<T>) -> Vec<T> {
        values.resize(SharedColumn::padded(values.len()), T::default());
        values
    }

    fn columns() -> Vec<SharedColumn> {
        let single = |feature| values(feature).iter().map(|value| *value as f32).collect();
        vec![
            SharedColumn::Single(SharedValues::new(padded::<f32>(single(0)))),
            SharedColumn::Double(SharedValues::new(padded(values(1)))),
            SharedColumn::Single(SharedValues::new(padded::<f32>(single(2)))),
        ]
    }

    fn labels() -> Frame {
        let labels = (0..ROWS).map(|row| (row % 5 % 2) as i64).collect();
        let weights = (0..ROWS).map(|row| (row % 7) as f64 / 4.0).collect();
        Frame::new(ROWS)
            .with_column("y", Column::new(ColumnData::Integer(labels)))
            .and_then(|frame| frame.with_column("w", Column::new(ColumnData::Double(weights))))
            .expect("columns fit")
    }

    fn copied(weight: Option<&str>) -> Vec<Block> {
        let features: Vec<Vec<f64>> = (0..3).map(values).collect();
        let vectors = (0..ROWS).flat_map(|row| features.iter().map(move |feature| feature[row]));
        let vectors = ColumnData::Vector {
            width: 3,
            values: vectors.collect(),
        };
        let frame = labels()
            .with_column("x", Column::new(vectors))
            .expect("columns fit");
        let mut builder = BlockBuilder::new(3);
        builder.push_frame(&frame, "x", "y", weight).expect("good rows");
        builder.finish()
    }

    fn shared(columns: Vec<SharedColumn>, weight: Option<&str>) -> Option<Vec<Block>> {
        let mut blocks = SharedBlocks::new(columns, weight.is_some());
        blocks.push_labels(&labels(), "y", weight)?;
        blocks.finish()
    }

    fn bits(blocks: &[Block]) -> Vec<u64> {
        let coefficients = KernelCoefficients {
            family: Family::Binomial,
            classes: 1,
            width: 3,
            coefficients: vec![0.3, -0.7, 0.1],
            offsets: vec![0.2],
            rows: RowSample::HESSIAN,
            class_weights: Vec::new(),
            precision: Precision::Double,
        };
        let mut partial = coefficients.zero_partial();
        for block in blocks {
            accumulate(&mut partial, block, &coefficients).expect("one shape");
        }
        let sums = partial.gradient_sum.iter().chain(&partial.hessian_sum);
        sums.chain([&partial.loss_sum]).map(|sum| sum.to_bits()).collect()
    }

    #[test]
    fn shared_blocks_are_the_copied_ones_bit_for_bit() {
        for weight in [None, Some("w")] {
            let (copied, shared) = (copied(weight), shared(columns(), weight).expect("usable"));
            let rows = |blocks: &[Block]| blocks.iter().map(Block::rows).collect::<Vec<_>>();
            assert_eq!(rows(&shared), rows(&copied));
            for (a, b) in shared.iter().zip(&copied) {
                assert_eq!(a.weight_sum(), b.weight_sum());
                assert!(a.labels().eq(b.labels()) && a.weights().eq(b.weights()));
                assert!((0..3).all(|feature| a.feature(feature).eq(b.feature(feature))));
            }
            assert_eq!(bits(&shared), bits(&copied));
            assert_eq!(Summary::of_blocks(&shared), Summary::of_blocks(&copied));
            let bytes = |blocks: &[Block]| blocks.iter().map(Block::memory_bytes).sum::<usize>();
            assert!(bytes(&shared) * 2 < bytes(&copied));
        }
    }

    #[test]
    fn what_can_not_be_trained_on_is_left_to_the_builder() {
        let mut bad = values(1);
        bad[ROWS - 1] = f64::INFINITY;
        let mut columns = columns();
        columns[1] = SharedColumn::Double(SharedValues::new(padded(bad)));
        assert!(shared(columns.clone(), None).is_none());
        columns[1] = SharedColumn::Double(SharedValues::new(values(1)));
        assert!(shared(columns, None).is_none(), "without padding");
        let negative = Frame::new(1).with_column("y", Column::new(ColumnData::Double(vec![-1.0])));
        let mut blocks = SharedBlocks::new(Vec::new(), false);
        assert!(
            blocks
                .push_labels(&negative.expect("one column"), "y", None)
                .is_none()
        );
    }
}
