//! [`MetricGate`]: what a version must show before an alias may point at it.

use std::fmt;
use std::str::FromStr;

use crate::error::TrackingError;

/// A condition on a metric of the version that is to get an alias. Written `accuracy >= 0.95`, or, against the
/// version that has the alias (or another one) now, `accuracy >= champion`, with a tolerance
/// `loss <= champion + 0.01`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricGate {
    /// A metric of the version's run or logged model.
    pub metric: String,
    /// On which side of the bound it must lie.
    pub comparison: Comparison,
    /// What it is compared with.
    pub bound: Bound,
}

/// The side of the bound on which the metric must lie; the bound itself is good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
}

/// What a metric is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    /// A number.
    Value(f64),
    /// The same metric of the version that an alias points at, plus an offset. If the alias points nowhere yet there
    /// is nothing to compare with, and the gate is open.
    Alias {
        /// The alias, often the one being set.
        alias: String,
        /// Added to the metric of the alias' version.
        offset: f64,
    },
}

impl MetricGate {
    /// Returns whether a metric may pass, given the bound's value.
    pub fn admits(&self, value: f64, bound: f64) -> bool {
        match self.comparison {
            Comparison::AtLeast => value >= bound,
            Comparison::AtMost => value <= bound,
        }
    }
}

impl fmt::Display for MetricGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.comparison {
            Comparison::AtLeast => ">=",
            Comparison::AtMost => "<=",
        };
        write!(f, "{} {sign} ", self.metric)?;
        match &self.bound {
            Bound::Value(value) => write!(f, "{value}"),
            Bound::Alias { alias, offset } if *offset == 0.0 => f.write_str(alias),
            Bound::Alias { alias, offset } if *offset < 0.0 => write!(f, "{alias} - {}", -offset),
            Bound::Alias { alias, offset } => write!(f, "{alias} + {offset}"),
        }
    }
}

impl FromStr for MetricGate {
    type Err = TrackingError;

    fn from_str(text: &str) -> Result<Self, TrackingError> {
        let unreadable = || {
            TrackingError::invalid(
                "gate",
                format!(
                    "{text:?} is no condition, expected METRIC >= BOUND or METRIC <= BOUND, such as \"accuracy >= champion\""
                ),
            )
        };
        let (at, comparison) = match (text.find(">="), text.find("<=")) {
            (Some(at), None) => (at, Comparison::AtLeast),
            (None, Some(at)) => (at, Comparison::AtMost),
            _ => return Err(unreadable()),
        };
        let metric = text[..at].trim();
        let bound = text[at + 2..].trim();
        if metric.is_empty() || bound.is_empty() {
            return Err(unreadable());
        }
        Ok(MetricGate {
            metric: metric.to_owned(),
            comparison,
            bound: parse_bound(bound).ok_or_else(unreadable)?,
        })
    }
}

fn parse_bound(text: &str) -> Option<Bound> {
    let number = |text: &str| text.parse().ok().filter(|value: &f64| value.is_finite());
    if let Ok(value) = text.parse::<f64>() {
        return value.is_finite().then_some(Bound::Value(value));
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let (alias, offset) = match words[..] {
        // Neither infinite nor NaN.
        [alias] if alias.parse::<f64>().is_err() => (alias, 0.0),
        [alias, "+", offset] => (alias, number(offset)?),
        [alias, "-", offset] => (alias, -number(offset)?),
        _ => return None,
    };
    alias
        .chars()
        .all(|c| c.is_alphanumeric() || "_-".contains(c))
        .then(|| Bound::Alias {
            alias: alias.to_owned(),
            offset,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_read_as_it_is_written() {
        for text in [
            "accuracy >= 0.95",
            "accuracy >= champion",
            "test loss <= champion + 0.01",
            "f1 >= champion - 0.5",
            "loss <= -1",
        ] {
            assert_eq!(text.parse::<MetricGate>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for text in [
            "",
            "accuracy",
            "accuracy > 1",
            ">= 1",
            "a >= ",
            "a >= b c",
            "a >= 1 <= 2",
            "a >= inf",
            "a >= b + x",
        ] {
            assert!(text.parse::<MetricGate>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_bound_itself_is_good_enough_and_nan_never_is() {
        let gate: MetricGate = "accuracy >= 0.5".parse().unwrap();
        assert!(gate.admits(0.5, 0.5) && gate.admits(0.6, 0.5) && !gate.admits(0.4, 0.5));
        assert!(!gate.admits(f64::NAN, 0.5));
    }
}
