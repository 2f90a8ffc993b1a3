//! A model in the formats of others: ONNX, Spark ML, PMML, and the MLflow model directory that holds them all.

/// A file of a model in some format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// Where it lies in the model's directory, with `/`.
    pub path: String,
    /// What it holds.
    pub content: Vec<u8>,
}
