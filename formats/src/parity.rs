//! How far a format's answers are from the model's own: counted where the rows are, merged, reported.

use std::collections::BTreeMap;

use rookery_ml::Predictions;
use serde_json::{Map, Value, json};

use crate::Format;

/// The `format` and `version` of a report.
const REPORT_FORMAT: &str = "rookery.parity";
const REPORT_VERSION: u32 = 1;

/// What the comparison of one format came to, over some rows. A monoid under [`merge`](FormatParity::merge).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FormatParity {
    /// Rows that were compared.
    pub rows: u64,
    /// Largest difference between two probabilities of the same class.
    pub max_difference: f64,
    /// Rows that got another class, or one where the other side has none.
    pub differing_predictions: u64,
    /// Why rows could not be scored by the format, for the first that could not.
    pub error: Option<String>,
}

impl FormatParity {
    /// Compares the answers for a frame of `rows` rows.
    pub(crate) fn of(ours: &Predictions, theirs: &Predictions, rows: usize) -> Self {
        let mut parity = Self {
            rows: rows as u64,
            ..Self::default()
        };
        if ours.classes != theirs.classes && !ours.rows.is_empty() && !theirs.rows.is_empty() {
            let (ours, theirs) = (ours.classes, theirs.classes);
            return Self::failed(rows, format!("expected {ours} classes, got {theirs}"));
        }
        let classes = ours.classes.max(1);
        let place_of: BTreeMap<usize, usize> = theirs.rows.iter().copied().zip(0..).collect();
        let mut matched = 0;
        for (place, row) in ours.rows.iter().enumerate() {
            let Some(other) = place_of.get(row).copied() else {
                parity.differing_predictions += 1;
                continue;
            };
            matched += 1;
            let own = &ours.probability[place * classes..(place + 1) * classes];
            let given = &theirs.probability[other * classes..(other + 1) * classes];
            for (own, given) in own.iter().zip(given) {
                parity.max_difference = parity.max_difference.max(difference(*own, *given));
            }
            parity.differing_predictions += u64::from(ours.prediction[place] != theirs.prediction[other]);
        }
        // Rows that only the format has an answer for.
        parity.differing_predictions += place_of.len().saturating_sub(matched) as u64;
        parity
    }

    /// Rows that the format can't score at all: each counts as differing.
    pub(crate) fn failed(rows: usize, error: impl ToString) -> Self {
        Self {
            rows: rows as u64,
            max_difference: if rows == 0 { 0.0 } else { 1.0 },
            differing_predictions: rows as u64,
            error: Some(error.to_string()),
        }
    }

    /// Adds what was compared elsewhere. Of two errors the first stays.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            max_difference: self.max_difference.max(other.max_difference),
            differing_predictions: self.differing_predictions + other.differing_predictions,
            error: self.error.or(other.error),
        }
    }

    /// Whether the format answers as the model does, within the format's tolerance.
    pub fn holds(&self, format: Format) -> bool {
        self.error.is_none() && self.differing_predictions == 0 && self.max_difference <= format.tolerance()
    }
}

/// Two NaN are the same; a number and NaN are as far apart as probabilities can be.
fn difference(a: f64, b: f64) -> f64 {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => 0.0,
        (false, false) => (a - b).abs(),
        _ => 1.0,
    }
}

/// The comparison of each format that was written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parity(pub BTreeMap<Format, FormatParity>);

impl Parity {
    /// Adds what was compared elsewhere.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        for (format, parity) in other.0 {
            let own = self.0.remove(&format).unwrap_or_default();
            self.0.insert(format, own.merge(parity));
        }
        self
    }
}

/// The report on all formats.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ParityReport {
    /// What was compared.
    pub parity: Parity,
    /// The formats that have no way to say the model, and what they can't say.
    pub not_written: BTreeMap<Format, String>,
}

impl ParityReport {
    /// Whether every format was written and answers as the model does.
    pub fn holds(&self) -> bool {
        self.not_written.is_empty() && self.parity.0.iter().all(|(format, parity)| parity.holds(*format))
    }

    /// Returns the report as JSON: the content of `parity.json`.
    pub fn to_json(&self) -> Value {
        let mut formats = Map::new();
        for (format, parity) in &self.parity.0 {
            let mut entry = json!({
                "rows": parity.rows,
                "max_difference": parity.max_difference,
                "differing_predictions": parity.differing_predictions,
                "tolerance": format.tolerance(),
                "holds": parity.holds(*format),
            });
            if let Some(error) = &parity.error {
                entry["error"] = json!(error);
            }
            formats.insert(format.name().to_owned(), entry);
        }
        for (format, why) in &self.not_written {
            formats.insert(
                format.name().to_owned(),
                json!({ "not_written": why, "holds": false }),
            );
        }
        json!({
            "format": REPORT_FORMAT,
            "version": REPORT_VERSION,
            "reference": "model.json",
            "part": "test",
            "formats": formats,
            "holds": self.holds(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions(rows: &[usize], p1: &[f64]) -> Predictions {
        Predictions {
            classes: 2,
            raw: Vec::new(),
            probability: p1.iter().flat_map(|p| [1.0 - p, *p]).collect(),
            prediction: p1.iter().map(|p| f64::from(u8::from(*p > 0.5))).collect(),
            rows: rows.to_vec(),
        }
    }

    #[test]
    fn every_difference_is_counted() {
        let ours = predictions(&[0, 1, 3, 4], &[0.25, 0.75, 0.5, f64::NAN]);
        let same = FormatParity::of(&ours, &ours, 5);
        assert_eq!(
            (same.rows, same.differing_predictions, same.max_difference),
            (5, 0, 0.0)
        );
        assert!(same.holds(Format::Pmml));
        // Row 1 has another class, row 3 has no answer, row 2 has one too many.
        let theirs = predictions(&[0, 1, 2, 4], &[0.25, 0.5, 0.5, f64::NAN]);
        let parity = FormatParity::of(&ours, &theirs, 5);
        assert_eq!((parity.differing_predictions, parity.max_difference), (3, 0.25));
        assert!(!parity.holds(Format::Onnx));
        let lost = FormatParity::of(&predictions(&[0], &[0.5]), &predictions(&[0], &[f64::NAN]), 1);
        assert_eq!(lost.max_difference, 1.0);
    }

    #[test]
    fn counts_add_and_the_first_error_stays() {
        let ours = predictions(&[0], &[0.25]);
        let one = FormatParity::of(&ours, &predictions(&[0], &[0.5]), 1);
        let merged = one
            .clone()
            .merge(FormatParity::failed(2, "first"))
            .merge(FormatParity::failed(1, "second"));
        assert_eq!(
            (merged.rows, merged.differing_predictions, merged.max_difference),
            (4, 3, 1.0)
        );
        assert_eq!(merged.error.as_deref(), Some("first"));
        assert_eq!(FormatParity::default().merge(one.clone()), one);
    }

    #[test]
    fn a_report_says_what_holds() {
        let mut report = ParityReport::default();
        report.parity.0.insert(Format::Onnx, FormatParity::default());
        assert_eq!(report.to_json()["formats"]["onnx"]["rows"], 0);
        assert_eq!(report.to_json()["holds"], true);
        report.not_written.insert(Format::Spark, "no booleans".to_owned());
        assert_eq!(report.to_json()["formats"]["spark"]["not_written"], "no booleans");
        assert_eq!(report.to_json()["holds"], false);
    }
}
