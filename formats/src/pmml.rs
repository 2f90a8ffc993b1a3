//! PMML 4.4: the model as a document that Java's scoring engines read.
//!
//! A `RegressionModel` over derived fields: a `MapValues` for each indexer of texts, arithmetic for each element of a
//! scaler. The predicted class is an output field of its own, because PMML has no thresholds: `prediction` is computed
//! from the probabilities by the same rule as ours.

mod document;
mod evaluate;
mod expression;
mod fields;
mod read;
mod stages;
mod write;

pub(crate) use evaluate::PmmlModel;
pub(crate) use write::write;
