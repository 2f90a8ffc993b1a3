//! Shared by the unit tests of this crate.

use crate::block::{Block, BlockBuilder};
use crate::frame::{Column, ColumnData, Frame};

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
