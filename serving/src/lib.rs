//! Answers requests with models: one decoder and one schema check for every way in, one scorer for every way out.
//!
//! A [`Scorer`] holds a model and what follows from it once: which columns it reads, what each of them is for, the
//! numbers of its categories. [`Scorer::score`] takes typed columns and is the only place that decides what happens to
//! values a model can't use; whatever comes in, by HTTP or from files, goes through it.

mod accept;
mod answer;
mod contribution;
mod counts;
mod decode;
mod drift;
pub mod endpoints;
pub mod http;
pub mod metrics;
mod plan;
mod protocol;
mod refusal;
mod scored;
mod scorer;
mod unusable;
mod wrong;

pub use contribution::Contribution;
pub use counts::Snapshot;
pub use decode::{Decoded, Decoder, Options};
pub use refusal::Refusal;
pub use scored::Scored;
pub use scorer::{Answer, Scorer, ScoringRequest};
pub use wrong::{ScoreError, WrongValue, WrongValues};
