//! Answers requests with models: one decoder and one schema check for every way in, one scorer for every way out.

pub mod endpoints;
mod scorer;

pub use scorer::{Answer, Refusal, Scorer, ScoringRequest};
