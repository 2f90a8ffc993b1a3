//! What cleaning did: [`CleaningReport`]. The cleaning itself is an expression of the plan (`plan.rs`): it marks
//! rows in the column `__dropped`, and the cache operator leaves the marked ones out and counts them.

use std::collections::BTreeMap;
use std::fmt;

/// Name of the column that holds why a row is dropped; null for rows to keep.
pub(crate) const DROPPED_COLUMN: &str = "__dropped";

/// Rows read, kept, dropped, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CleaningReport {
    /// Rows that came out of the sources or the query.
    pub rows_read: u64,
    /// Rows that stayed.
    pub rows_kept: u64,
    /// Dropped rows by reason, for example `null CulmenLength, CulmenDepth`.
    pub dropped: BTreeMap<String, u64>,
}

impl CleaningReport {
    /// Rows that were dropped.
    pub fn rows_dropped(&self) -> u64 {
        self.rows_read - self.rows_kept
    }
}

impl fmt::Display for CleaningReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rows read, {} kept, {} dropped",
            self.rows_read,
            self.rows_kept,
            self.rows_dropped()
        )?;
        let reasons: Vec<String> = match self.dropped.len() {
            1 => self.dropped.keys().cloned().collect(),
            _ => self
                .dropped
                .iter()
                .map(|(reason, rows)| format!("{rows} {reason}"))
                .collect(),
        };
        match reasons.is_empty() {
            true => Ok(()),
            false => write!(f, " ({})", reasons.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_reads_as_a_sentence() {
        let mut report = CleaningReport {
            rows_read: 344,
            rows_kept: 342,
            ..Default::default()
        };
        report.dropped.insert("null CulmenLength, BodyMass".into(), 2);
        assert_eq!(
            report.to_string(),
            "344 rows read, 342 kept, 2 dropped (null CulmenLength, BodyMass)"
        );
        report.rows_kept = 341;
        report.dropped.insert("null Species".into(), 1);
        assert_eq!(
            report.to_string(),
            "344 rows read, 341 kept, 3 dropped (2 null CulmenLength, BodyMass; 1 null Species)"
        );
    }
}
