//! A model in the formats of others: ONNX, Spark ML, PMML, and the MLflow model directory that holds them all.
//!
//! Bytes in, bytes out: nothing here reads or writes a file.
//!
//! - [`ModelDirectory`] is everything that is stored of a model; what describes it to MLflow's tools is in [`mlflow`].
//! - `onnx`, `spark` and `pmml` each *write* a model and *read* it back: the reader takes nothing but the written bytes,
//!   checks them as a stranger's, and scores rows by them.
//! - [`Comparison`] scores rows by what was written and by the model it was written from; [`Parity`] sums up how far the
//!   answers differ.
//!
//! What a model needs for its features is written, nothing else: stages that only made the label are left out.

mod check;
mod directory;
mod error;
mod example;
mod labels;
pub mod mlflow;
mod onnx;
mod parity;
mod plan;
mod pmml;
mod spark;
#[cfg(test)]
mod stage_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::fmt;

pub use check::{Comparison, Written};
pub use directory::{ModelDirectory, PARITY_FILE, files_of};
pub use error::FormatError;
pub use parity::{FormatParity, Parity, ParityReport};

/// A file of a model in some format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// Where it lies in the model's directory, with `/`.
    pub path: String,
    /// What it holds.
    pub content: Vec<u8>,
}

/// A format that a model is written in beside its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Open Neural Network Exchange: one file, [`ONNX_FILE`](Format::path).
    Onnx,
    /// A directory that Spark's `PipelineModel.load` reads.
    Spark,
    /// Predictive Model Markup Language 4.4: one file of XML.
    Pmml,
}

impl Format {
    /// Every format, in the order in which reports list them.
    pub const ALL: [Self; 3] = [Self::Onnx, Self::Spark, Self::Pmml];

    /// Returns the format's name in reports, events and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Onnx => "onnx",
            Self::Spark => "spark",
            Self::Pmml => "pmml",
        }
    }

    /// Returns the format of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Returns the file or folder of the format in a model's directory.
    pub fn path(self) -> &'static str {
        match self {
            Self::Onnx => "model.onnx",
            Self::Spark => "sparkml",
            Self::Pmml => "model.pmml",
        }
    }

    /// Returns how far a probability may be from the model's own before the format counts as unfaithful.
    pub fn tolerance(self) -> f64 {
        match self {
            Self::Onnx => 1e-6,
            Self::Spark | Self::Pmml => 1e-12,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Onnx => "ONNX",
            Self::Spark => "Spark ML",
            Self::Pmml => "PMML",
        })
    }
}
