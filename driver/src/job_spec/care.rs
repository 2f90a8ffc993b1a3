//! What a training does beside minimising: standard errors, early stopping, deadlines.

use std::time::Duration;

use rookery_ml::{EarlyStoppingParams, Metric};
use rookery_proto::{ErrorClass, Failure};
use serde::{Deserialize, Serialize};

use crate::error::of_ml;

/// Part of the intervals that cover the truth, unless the job says another.
const DEFAULT_LEVEL: f64 = 0.95;

/// `training.inference`: `true`, or a table with the level of the intervals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected true, false, or a table with the level of the intervals: { level = 0.9 }"
)]
pub enum InferenceSection {
    /// Whether standard errors are wanted.
    Wanted(bool),
    /// They are, with these options.
    With(InferenceOptions),
}

/// Options of standard errors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InferenceOptions {
    /// Part of the intervals that cover the truth.
    pub level: f64,
}

/// `[training.early_stopping]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EarlyStoppingSection {
    /// The part of the split that is watched.
    pub part: WatchedPart,
    /// What is watched.
    pub metric: Metric,
    /// How many looks in a row without an improvement end the training.
    pub patience: usize,
    /// By how much more than this an improvement betters the best value so far.
    pub min_delta: f64,
    /// Every how many iterations is looked.
    pub every: usize,
    /// After how many looks the worse half of the runs is given up, and again after twice as many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub halve_after: Option<usize>,
}

/// A part of the split that may be watched: one that judges the model in the end may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WatchedPart {
    /// The third part.
    #[default]
    Validation,
}

impl Default for EarlyStoppingSection {
    fn default() -> Self {
        let params = EarlyStoppingParams::default();
        Self {
            part: WatchedPart::Validation,
            metric: params.metric,
            patience: params.patience,
            min_delta: params.min_delta,
            every: params.every,
            halve_after: params.halve_after,
        }
    }
}

impl InferenceSection {
    /// The level of the intervals; `None` without standard errors.
    pub(super) fn check(&self) -> Result<Option<f64>, Failure> {
        let level = match self {
            InferenceSection::Wanted(false) => return Ok(None),
            InferenceSection::Wanted(true) => DEFAULT_LEVEL,
            InferenceSection::With(options) => options.level,
        };
        if level > 0.0 && level < 1.0 {
            return Ok(Some(level));
        }
        let message = format!("the level of intervals is {level}, expected a number between 0 and 1");
        Err(Failure::new(ErrorClass::Config, message)
            .at("training.inference.level")
            .hint("0.95 is usual"))
    }
}

impl EarlyStoppingSection {
    /// The parameters, where `parts` says how the split shares out the rows.
    pub(super) fn check(&self, parts: &[f64]) -> Result<EarlyStoppingParams, Failure> {
        let params = EarlyStoppingParams {
            metric: self.metric,
            patience: self.patience,
            min_delta: self.min_delta,
            every: self.every,
            halve_after: self.halve_after,
        };
        let at = "training.early_stopping";
        params.check().map_err(|e| of_ml(&e).at(at))?;
        if parts.get(2).is_some_and(|weight| *weight > 0.0) {
            return Ok(params);
        }
        let message = "early stopping watches the validation part, but split.weights has no third part";
        Err(Failure::new(ErrorClass::Config, message)
            .at(at)
            .hint("for example weights = [0.7, 0.15, 0.15]: training, test, validation"))
    }
}

/// A length of time as people write it: `90s`, `10m`, `1.5h`.
///
/// # Errors
/// Class config, at `key`.
pub(super) fn duration(text: &str, key: &str) -> Result<Duration, Failure> {
    let text = text.trim();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = text[..text.len() - unit.len()].parse::<f64>();
    let seconds = match unit.trim() {
        "ms" => Some(1e-3),
        "s" => Some(1.0),
        "m" | "min" => Some(60.0),
        "h" => Some(3600.0),
        "d" => Some(86_400.0),
        _ => None,
    };
    let length = number.ok().zip(seconds).map(|(number, seconds)| number * seconds);
    length
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|length| !length.is_zero())
        .ok_or_else(|| {
            Failure::new(ErrorClass::Config, format!("\"{text}\" is no length of time"))
                .at(key)
                .hint("a number above 0 with a unit: 90s, 10m, 1.5h, 2d")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_read_as_people_write_them() {
        let read = |text| duration(text, "training.deadline");
        for (text, seconds) in [
            ("250ms", 0.25),
            ("90s", 90.0),
            ("10m", 600.0),
            ("1.5 h", 5400.0),
            ("2d", 172_800.0),
        ] {
            assert_eq!(
                read(text).map(|length| length.as_secs_f64()),
                Ok(seconds),
                "{text}"
            );
        }
        for text in ["", "10", "m", "0s", "-5m", "1e9h", "10 weeks", "1.2.3s"] {
            let failure = read(text).unwrap_err();
            assert_eq!(failure.location.as_deref(), Some("training.deadline"), "{text}");
        }
    }

    #[test]
    fn levels_are_between_0_and_1() {
        let level = |json: &str| serde_json::from_str::<InferenceSection>(json).unwrap().check();
        assert_eq!(level("true"), Ok(Some(0.95)));
        assert_eq!(level("false"), Ok(None));
        assert_eq!(level(r#"{"level": 0.5}"#), Ok(Some(0.5)));
        for json in [r#"{"level": 1}"#, r#"{"level": 95}"#] {
            assert!(level(json).is_err(), "{json}");
        }
        assert!(serde_json::from_str::<InferenceSection>(r#"{"levle": 1}"#).is_err());
    }

    #[test]
    fn early_stopping_needs_a_part_of_its_own() {
        let section: EarlyStoppingSection = serde_json::from_str(r#"{"metric": "f1"}"#).unwrap();
        assert_eq!(section.check(&[0.6, 0.2, 0.2]).unwrap().metric, Metric::F1);
        for parts in [&[0.7, 0.3][..], &[0.7, 0.3, 0.0]] {
            let failure = section.check(parts).unwrap_err();
            assert!(failure.message.contains("no third part"), "{failure}");
        }
        assert!(serde_json::from_str::<EarlyStoppingSection>(r#"{"part": "test"}"#).is_err());
    }
}
