//! Answers requests with models: one decoder and one schema check for every way in, one scorer for every way out.
//!
//! A [`Scorer`] holds a model and what follows from it once: which columns it reads, what each of them is for, the
//! numbers of its categories. [`Scorer::score`] takes typed columns and is the only place that decides what happens to
//! values a model can't use; whatever comes in, by HTTP or from files, goes through it.

mod contribution;
pub mod endpoints;
mod json_records;
mod plan;
mod refusal;
mod scored;
mod scorer;
mod unusable;
mod wrong;

pub use contribution::Contribution;
pub use refusal::Refusal;
pub use scored::Scored;
pub use scorer::{Answer, Scorer, ScoringRequest};
pub use wrong::{ScoreError, WrongValue, WrongValues};
