//! Shared by the unit tests of this crate.

use crate::block::{Block, BlockBuilder};
use crate::frame::{Column, ColumnData, Frame, SparseVectors};

/// Returns one block of the given rows.
pub(crate) fn block<const D: usize>(x: &[[f64; D]], labels: &[f64], weights: Option<&[f64]>) -> Block {
    let vector = ColumnData::Vector {
        width: D,
        values: x.concat(),
    };
    let mut frame = Frame::new(x.len())
        .with_column("x", Column::new(vector))
        .and_then(|frame| frame.with_column("y", Column::new(ColumnData::Double(labels.to_vec()))))
        .expect("columns fit");
    if let Some(weights) = weights {
        let column = Column::new(ColumnData::Double(weights.to_vec()));
        frame = frame.with_column("w", column).expect("columns fit");
    }
    let mut builder = BlockBuilder::new(D);
    builder
        .push_frame(&frame, "x", "y", weights.map(|_| "w"))
        .expect("good rows");
    builder.finish().remove(0)
}

/// Elements of the vectors of [`wide_blocks`].
pub(crate) const WIDTH: usize = 300;
/// An element of them that is 7 in every row.
pub(crate) const ALWAYS_SEVEN: usize = 5;
/// One that is 0 in every row.
pub(crate) const NEVER: usize = 299;

/// Rows like encoded clicks, in several blocks: a few numbers that all rows have, four categories of which some are
/// frequent, and now and then a number far behind. Once as they come, once with all zeros written out.
pub(crate) fn wide_blocks(classes: usize, weighted: bool) -> (Vec<Block>, Vec<Block>) {
    let hash = |row: usize, salt: usize| ((row * 2_654_435_761 + salt * 40_503) ^ (row >> 3)) % 1_000_003;
    let rows = 9_001;
    let mut vectors = SparseVectors::empty(WIDTH);
    for row in 0..rows {
        let mut elements: Vec<(u32, f64)> = (0..5)
            .map(|j| (j, hash(row, j as usize) as f64 / 1e5 - 4.0))
            .collect();
        elements.push((ALWAYS_SEVEN as u32, 7.0));
        for category in 0..4 {
            // The product of two uniform numbers: small ones are frequent.
            let rank = hash(row, 10 + category) * hash(row, 20 + category) / 1_000_003 * 60 / 1_000_003;
            elements.push((10 + 60 * category as u32 + rank as u32, 1.0));
        }
        if hash(row, 30) % 7 == 0 {
            elements.push((280 + (hash(row, 31) % 10) as u32, 1e-3 * hash(row, 32) as f64));
        }
        vectors.push(elements).expect("ascending");
    }
    let labels = (0..rows).map(|row| (hash(row, 40) % classes) as f64).collect();
    let weights: Vec<f64> = (0..rows).map(|row| (hash(row, 50) % 5) as f64 / 2.0).collect();
    let dense = ColumnData::Vector {
        width: WIDTH,
        values: vectors.to_dense(),
    };
    let frame = Frame::new(rows)
        .with_column("sparse", Column::new(ColumnData::Sparse(vectors)))
        .and_then(|frame| frame.with_column("dense", Column::new(dense)))
        .and_then(|frame| frame.with_column("y", Column::new(ColumnData::Double(labels))))
        .and_then(|frame| frame.with_column("w", Column::new(ColumnData::Double(weights))))
        .expect("columns fit");
    let blocks = |features| {
        let mut builder = BlockBuilder::new(WIDTH);
        builder
            .push_frame(&frame, features, "y", weighted.then_some("w"))
            .expect("good rows");
        builder.finish()
    };
    (blocks("sparse"), blocks("dense"))
}
