//! [`Lateness`]: workers that take their time.

use std::time::Duration;

/// How much later than it could a worker does its work.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lateness {
    /// The answer to each round.
    pub answers: Duration,
    /// Each batch of rows of a source.
    pub reads: Duration,
}

impl Lateness {
    /// Answers alone are late.
    pub fn of_answers(answers: Duration) -> Self {
        let reads = Duration::ZERO;
        Self { answers, reads }
    }

    /// Reads alone are late.
    pub fn of_reads(reads: Duration) -> Self {
        let answers = Duration::ZERO;
        Self { answers, reads }
    }
}
