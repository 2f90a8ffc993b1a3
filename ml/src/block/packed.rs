//! Blocks as bytes in a row, and back, for whoever keeps them outside memory. Nothing is read or written here: whoever has a
//! file gives and takes bytes.
//!
//! Values keep the form that the machine has them in, and each run of them starts where vectors want it, so that blocks
//! can share the bytes that were read. Where what lies is no part of the bytes: it is a [`BlockLayout`], which stays in memory
//! and is small.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::{Amounts, Block, Codes, Slice, SparseRows, Values};
use crate::error::MlError;

/// Every run of values starts at a multiple of so many bytes: a whole number of each type, and of a vector's lanes.
const ALIGNMENT: usize = 64;

/// Where the values of blocks lie in their bytes.
#[derive(Debug, Clone)]
pub struct BlockLayout {
    blocks: Vec<PackedBlock>,
    bytes: usize,
}

/// Bytes that [`BlockLayout::pack`] filled, seen as numbers of each type.
#[derive(Clone)]
pub struct PackedBytes {
    /// As 32-bit floats.
    pub singles: Arc<dyn AsRef<[f32]> + Send + Sync>,
    /// As 64-bit floats.
    pub doubles: Arc<dyn AsRef<[f64]> + Send + Sync>,
    /// As numbers of 16 bits.
    pub shorts: Arc<dyn AsRef<[u16]> + Send + Sync>,
    /// As numbers of 32 bits.
    pub longs: Arc<dyn AsRef<[u32]> + Send + Sync>,
}

impl fmt::Debug for PackedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = size_of_val::<[f32]>((*self.singles).as_ref());
        write!(f, "PackedBytes({bytes} bytes)")
    }
}

#[derive(Debug, Clone)]
struct PackedBlock {
    rows: usize,
    width: usize,
    weight_sum: f64,
    columns: Vec<PackedValues>,
    sparse: Option<PackedSparse>,
    labels: PackedValues,
    weights: Option<PackedValues>,
}

/// Positions are counted in values of the type.
#[derive(Debug, Clone)]
enum PackedValues {
    Single(Range<usize>),
    Double(Range<usize>),
}

#[derive(Debug, Clone)]
struct PackedSparse {
    column_features: Range<usize>,
    features: Range<usize>,
    starts: Range<usize>,
    codes: PackedCodes,
    amounts: PackedAmounts,
}

#[derive(Debug, Clone)]
enum PackedCodes {
    Short(Range<usize>),
    Long(Range<usize>),
}

#[derive(Debug, Clone)]
enum PackedAmounts {
    Ones,
    Values(PackedValues),
}

impl BlockLayout {
    /// Finds a place for everything that the blocks hold, what they share included.
    pub fn of(blocks: &[Block]) -> Self {
        Packing::default().blocks(blocks)
    }

    /// How many bytes the blocks take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes the blocks that this is the layout of.
    ///
    /// # Errors
    /// There are too few bytes, or too many.
    pub fn pack(&self, blocks: &[Block], into: &mut [u8]) -> Result<(), MlError> {
        self.check(into.len())?;
        let expected = self.bytes;
        let got = BlockLayout::of(blocks).bytes;
        if got != expected {
            return Err(shape(expected, got));
        }
        Packing {
            at: 0,
            into: Some(into),
        }
        .blocks(blocks);
        Ok(())
    }

    /// Returns the blocks. They share the bytes, but for codes of sparse rows.
    ///
    /// # Errors
    /// There are too few bytes, or too many.
    pub fn unpack(&self, bytes: &PackedBytes) -> Result<Vec<Block>, MlError> {
        self.check(size_of_val::<[f32]>((*bytes.singles).as_ref()))?;
        self.check(size_of_val::<[f64]>((*bytes.doubles).as_ref()))?;
        self.check(size_of_val::<[u16]>((*bytes.shorts).as_ref()))?;
        self.check(size_of_val::<[u32]>((*bytes.longs).as_ref()))?;
        Ok(self.blocks.iter().map(|block| block.unpack(bytes)).collect())
    }

    fn check(&self, got: usize) -> Result<(), MlError> {
        match got == self.bytes {
            true => Ok(()),
            false => Err(shape(self.bytes, got)),
        }
    }
}

fn shape(expected: usize, got: usize) -> MlError {
    MlError::Shape {
        what: "bytes of blocks",
        expected,
        got,
    }
}

impl PackedBlock {
    fn unpack(&self, bytes: &PackedBytes) -> Block {
        Block {
            rows: self.rows,
            width: self.width,
            columns: self.columns.iter().map(|column| column.unpack(bytes)).collect(),
            sparse: self.sparse.as_ref().map(|sparse| sparse.unpack(bytes)),
            labels: self.labels.unpack(bytes),
            weights: self.weights.as_ref().map(|weights| weights.unpack(bytes)),
            weight_sum: self.weight_sum,
        }
    }
}

impl PackedValues {
    fn unpack(&self, bytes: &PackedBytes) -> Values {
        match self {
            Self::Single(range) => Values::Single(Slice::shared(&bytes.singles, range.clone())),
            Self::Double(range) => Values::Double(Slice::shared(&bytes.doubles, range.clone())),
        }
    }
}

impl PackedSparse {
    fn unpack(&self, bytes: &PackedBytes) -> SparseRows {
        let longs = |range: &Range<usize>| (*bytes.longs).as_ref()[range.clone()].to_vec();
        SparseRows {
            column_features: longs(&self.column_features),
            features: longs(&self.features),
            starts: longs(&self.starts),
            codes: match &self.codes {
                PackedCodes::Short(range) => Codes::Short((*bytes.shorts).as_ref()[range.clone()].to_vec()),
                PackedCodes::Long(range) => Codes::Long(longs(range)),
            },
            amounts: match &self.amounts {
                PackedAmounts::Ones => Amounts::Ones,
                PackedAmounts::Values(PackedValues::Single(range)) => {
                    Amounts::Single((*bytes.singles).as_ref()[range.clone()].to_vec())
                }
                PackedAmounts::Values(PackedValues::Double(range)) => {
                    Amounts::Double((*bytes.doubles).as_ref()[range.clone()].to_vec())
                }
            },
        }
    }
}

/// A number as the machine has it.
trait Number: Copy {
    fn write(self, into: &mut [u8]);
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Number for $type {
            #[inline(always)]
            fn write(self, into: &mut [u8]) {
                into.copy_from_slice(&self.to_ne_bytes());
            }
        }
    )*};
}
number!(f32, f64, u16, u32);

/// Goes through blocks in a fixed order and gives each run of values its place; writes it where there are bytes to write to.
#[derive(Debug, Default)]
struct Packing<'a> {
    at: usize,
    into: Option<&'a mut [u8]>,
}

impl Packing<'_> {
    fn blocks(mut self, blocks: &[Block]) -> BlockLayout {
        let blocks = blocks.iter().map(|block| self.block(block)).collect();
        BlockLayout {
            blocks,
            bytes: self.at,
        }
    }

    fn block(&mut self, block: &Block) -> PackedBlock {
        PackedBlock {
            rows: block.rows,
            width: block.width,
            weight_sum: block.weight_sum,
            columns: block.columns.iter().map(|values| self.values(values)).collect(),
            sparse: block.sparse.as_ref().map(|sparse| self.sparse(sparse)),
            labels: self.values(&block.labels),
            weights: block.weights.as_ref().map(|weights| self.values(weights)),
        }
    }

    fn values(&mut self, values: &Values) -> PackedValues {
        match values {
            Values::Single(values) => PackedValues::Single(self.run::<f32>(values)),
            Values::Double(values) => PackedValues::Double(self.run::<f64>(values)),
        }
    }

    fn sparse(&mut self, sparse: &SparseRows) -> PackedSparse {
        PackedSparse {
            column_features: self.run(&sparse.column_features),
            features: self.run(&sparse.features),
            starts: self.run(&sparse.starts),
            codes: match &sparse.codes {
                Codes::Short(codes) => PackedCodes::Short(self.run(codes)),
                Codes::Long(codes) => PackedCodes::Long(self.run(codes)),
            },
            amounts: match &sparse.amounts {
                Amounts::Ones => PackedAmounts::Ones,
                Amounts::Single(values) => PackedAmounts::Values(PackedValues::Single(self.run(values))),
                Amounts::Double(values) => PackedAmounts::Values(PackedValues::Double(self.run(values))),
            },
        }
    }

    /// The place of some values, in values from the beginning.
    fn run<T: Number>(&mut self, values: &[T]) -> Range<usize> {
        let (start, bytes) = (self.at, size_of_val(values));
        if let Some(into) = &mut self.into {
            let places = into[start..start + bytes].chunks_exact_mut(size_of::<T>());
            for (place, value) in places.zip(values) {
                value.write(place);
            }
        }
        self.at = (start + bytes).next_multiple_of(ALIGNMENT);
        let first = start / size_of::<T>();
        first..first + values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{BLOCK_ROWS, BlockBuilder};
    use crate::frame::{Column, ColumnData, Frame, SparseVectors};
    use crate::kernel::{KernelCoefficients, Precision, RowSample, accumulate};
    use crate::logistic_regression::Family;

    /// Bytes read as numbers, as a file's reader does it without a copy.
    fn seen(bytes: &[u8]) -> PackedBytes {
        macro_rules! numbers {
            ($type:ty) => {
                Arc::new(
                    bytes
                        .chunks_exact(size_of::<$type>())
                        .map(|chunk| <$type>::from_ne_bytes(chunk.try_into().expect("whole numbers")))
                        .collect::<Vec<$type>>(),
                )
            };
        }
        PackedBytes {
            singles: numbers!(f32),
            doubles: numbers!(f64),
            shorts: numbers!(u16),
            longs: numbers!(u32),
        }
    }

    fn packed(blocks: &[Block]) -> (BlockLayout, Vec<u8>) {
        let layout = BlockLayout::of(blocks);
        let mut bytes = vec![0; layout.bytes()];
        layout.pack(blocks, &mut bytes).expect("as many as there are");
        (layout, bytes)
    }

    const ROWS: usize = BLOCK_ROWS + 37;

    fn blocks(features: ColumnData, width: usize, weight: Option<&str>) -> Vec<Block> {
        let labels = (0..ROWS).map(|row| (row % 3 % 2) as i64).collect();
        let weights = (0..ROWS).map(|row| (row % 7) as f64 / 3.0).collect();
        let frame = Frame::new(ROWS)
            .with_column("x", Column::new(features))
            .and_then(|frame| frame.with_column("y", Column::new(ColumnData::Integer(labels))))
            .and_then(|frame| frame.with_column("w", Column::new(ColumnData::Double(weights))))
            .expect("columns fit");
        let mut builder = BlockBuilder::new(width);
        builder.push_frame(&frame, "x", "y", weight).expect("good rows");
        builder.finish()
    }

    /// One feature of floats, one of doubles.
    fn dense() -> ColumnData {
        let values = (0..ROWS).flat_map(|row| [row as f64 / 8.0, (row as f64).sin()]);
        ColumnData::Vector {
            width: 2,
            values: values.collect(),
        }
    }

    /// A feature that many rows have, and some that few have, with these values.
    fn sparse(width: usize, value: impl Fn(usize) -> f64) -> ColumnData {
        let mut vectors = SparseVectors::empty(width);
        for row in 0..ROWS {
            let rare = 1 + (row * 31) % (width - 1);
            vectors
                .push([(0, 1.0), (rare as u32, value(row))])
                .expect("ascending");
        }
        ColumnData::Sparse(vectors)
    }

    fn sums(blocks: &[Block], width: usize) -> Vec<u64> {
        let coefficients = KernelCoefficients {
            family: Family::Binomial,
            classes: 1,
            width,
            coefficients: (0..width).map(|j| 0.3 - (j % 5) as f64 / 8.0).collect(),
            offsets: vec![0.2],
            rows: RowSample::GRADIENT,
            class_weights: Vec::new(),
            precision: Precision::Double,
        };
        let mut partial = coefficients.zero_partial();
        for block in blocks {
            accumulate(&mut partial, block, &coefficients).expect("one shape");
        }
        let sums = partial.gradient_sum.iter().chain([&partial.loss_sum]);
        sums.map(|sum| sum.to_bits()).collect()
    }

    #[test]
    fn blocks_come_back_as_they_were() {
        let cases = [
            (dense(), 2),
            (sparse(1000, |_| 1.0), 1000),
            (sparse(1000, |row| row as f64), 1000),
            (sparse(90_000, |row| 0.1 + row as f64), 90_000),
        ];
        for (features, width) in cases {
            for weight in [None, Some("w")] {
                let blocks = blocks(features.clone(), width, weight);
                let (layout, bytes) = packed(&blocks);
                let back = layout.unpack(&seen(&bytes)).expect("all bytes are there");
                assert_eq!(back, blocks, "width {width}, weights {weight:?}");
                assert_eq!(sums(&back, width), sums(&blocks, width));
                assert_eq!(packed(&back).1, bytes);
            }
        }
    }

    #[test]
    fn no_blocks_take_no_bytes() {
        let (layout, bytes) = packed(&[]);
        assert!(bytes.is_empty());
        assert!(
            layout
                .unpack(&seen(&bytes))
                .expect("nothing is missing")
                .is_empty()
        );
    }

    #[test]
    fn bytes_of_other_blocks_are_refused() {
        let blocks = blocks(dense(), 2, None);
        let (layout, mut bytes) = packed(&blocks);
        assert!(layout.pack(&blocks[1..], &mut bytes).is_err());
        bytes.truncate(bytes.len() - 64);
        assert!(layout.unpack(&seen(&bytes)).is_err());
        assert!(layout.pack(&blocks, &mut bytes).is_err());
    }
}
