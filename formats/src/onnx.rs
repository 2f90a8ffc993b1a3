//! ONNX: the model as a graph of tensor operations.
//!
//! Each input column is a tensor `[N]`, as MLflow's tools feed them; so are the outputs `prediction` and
//! `probability_0` … Numbers are 64-bit throughout: in 32 bits no model whose columns hold, say, the seconds of a year
//! would keep to a millionth. A value that a stage refuses makes the graph fail as the stage would: an index out of its
//! table's range, in a node whose name says why.

mod compile;
mod graph;
mod operators;
mod run;
mod stages;
mod tensor;
mod write;

#[expect(unreachable_pub, reason = "generated from onnx.proto")]
mod proto {
    include!(concat!(env!("OUT_DIR"), "/onnx.rs"));
}

pub(crate) use run::OnnxModel;
pub(crate) use write::{Scaling, write};

/// The key of the metadata that says by which text a null goes into the graph: one that is no category.
const NULL_TEXT: &str = "rookery.null_text";

/// Types of tensors' elements, by ONNX's numbers.
mod element {
    pub(super) const FLOAT: i32 = 1;
    pub(super) const INT64: i32 = 7;
    pub(super) const STRING: i32 = 8;
    pub(super) const BOOL: i32 = 9;
    pub(super) const DOUBLE: i32 = 11;
}
