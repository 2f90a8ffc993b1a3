//! Early stopping: a training ends when a metric of rows that it does not train on has stopped getting better, and its
//! outcome is the point at which that metric was best.

use serde::{Deserialize, Serialize};

use crate::error::MlError;
use crate::metrics::Metric;

/// When to stop early.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EarlyStoppingParams {
    /// What is watched.
    pub metric: Metric,
    /// How many looks in a row without an improvement end the training; at least 1.
    pub patience: usize,
    /// By how much more than this an improvement betters the best value so far.
    pub min_delta: f64,
    /// Every how many iterations is looked; at least 1. The start point and the last are looked at in any case.
    pub every: usize,
    /// After how many looks the worse half of the trainings that share their passes is given up, and of those that are left
    /// again after twice as many; at least 1. Never without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub halve_after: Option<usize>,
}

impl Default for EarlyStoppingParams {
    fn default() -> Self {
        EarlyStoppingParams {
            metric: Metric::LogLoss,
            patience: 5,
            min_delta: 0.0,
            every: 1,
            halve_after: None,
        }
    }
}

impl EarlyStoppingParams {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`MlError::InvalidParameter`] for the first one out of its range.
    pub fn check(&self) -> Result<(), MlError> {
        let checks = [
            ("patience", self.patience as f64, self.patience > 0),
            ("every", self.every as f64, self.every > 0),
            ("halve_after", 0.0, self.halve_after != Some(0)),
            (
                "min_delta",
                self.min_delta,
                self.min_delta >= 0.0 && self.min_delta.is_finite(),
            ),
        ];
        match checks.into_iter().find(|(_, _, valid)| !valid) {
            None => Ok(()),
            Some((parameter, value, _)) => Err(MlError::InvalidParameter {
                component: "early_stopping",
                parameter,
                value: crate::java_text::double_text(value),
            }),
        }
    }
}

/// What was seen so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    params: EarlyStoppingParams,
    /// Iteration and value of each look.
    looks: Vec<Look>,
    best: Option<Best>,
    /// Looks since the best.
    waited: usize,
}

/// A value of the metric that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// At which iteration.
    pub iteration: usize,
    /// The metric.
    #[serde(with = "crate::float_serde::scalar")]
    pub value: f64,
}

/// The point at which the metric was best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Best {
    pub(super) look: Look,
    #[serde(with = "crate::float_serde::vector")]
    pub(super) point: Vec<f64>,
    #[serde(with = "crate::float_serde::scalar")]
    pub(super) gradient_norm: f64,
}

impl Watch {
    pub(super) fn new(params: EarlyStoppingParams) -> Self {
        Watch {
            params,
            looks: Vec::new(),
            best: None,
            waited: 0,
        }
    }

    pub(super) fn looks(&self) -> &[Look] {
        &self.looks
    }

    pub(super) fn best(&self) -> Option<&Best> {
        self.best.as_ref()
    }

    /// Whether the state after `iteration` iterations is to be looked at, `is_last` being the one at which the optimiser
    /// stopped.
    pub(super) fn wants(&self, iteration: usize, is_last: bool) -> bool {
        let is_new = self.looks.last().is_none_or(|look| look.iteration < iteration);
        is_new && (is_last || iteration.is_multiple_of(self.params.every))
    }

    /// Takes a look; returns whether patience has run out.
    pub(super) fn take(&mut self, look: Look, point: &[f64], gradient_norm: f64) -> bool {
        self.looks.push(look);
        let is_better = self.best.as_ref().is_none_or(|best| {
            let gain = match self.params.metric.higher_is_better() {
                true => look.value - best.look.value,
                false => best.look.value - look.value,
            };
            // Anything is better than what could not be measured.
            gain > self.params.min_delta || (best.look.value.is_nan() && !look.value.is_nan())
        });
        if is_better {
            self.waited = 0;
            self.best = Some(Best {
                look,
                point: point.to_vec(),
                gradient_norm,
            });
        } else {
            self.waited += 1;
        }
        self.waited >= self.params.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(json: &str, values: &[f64]) -> (Watch, Vec<bool>) {
        let mut watch = Watch::new(serde_json::from_str(json).expect("parameters"));
        let looks = values.iter().enumerate();
        let stops = looks
            .map(|(iteration, value)| {
                let look = Look {
                    iteration,
                    value: *value,
                };
                watch.take(look, &[iteration as f64], 0.0)
            })
            .collect();
        (watch, stops)
    }

    #[test]
    fn patience_runs_out_and_the_best_is_kept() {
        let (watch, stops) = watch(r#"{"patience": 2}"#, &[0.9, 0.5, 0.6, 0.4, 0.4, 0.41]);
        assert_eq!(stops, [false, false, false, false, false, true]);
        let best = watch.best().expect("there are looks");
        assert_eq!((best.look.iteration, best.point[0]), (3, 3.0));
    }

    #[test]
    fn a_metric_that_should_grow_grows_by_more_than_the_least() {
        let (watch, stops) = watch(
            r#"{"metric": "accuracy", "patience": 1, "min_delta": 0.05}"#,
            &[0.5, 0.6, 0.64],
        );
        assert_eq!(stops, [false, false, true]);
        assert_eq!(watch.best().expect("there are looks").look.iteration, 1);
    }

    #[test]
    fn what_could_not_be_measured_is_no_improvement() {
        let (watch, stops) = watch(r#"{"patience": 2}"#, &[f64::NAN, 0.5, f64::NAN, f64::NAN]);
        assert_eq!(stops, [false, false, false, true]);
        assert_eq!(watch.best().expect("there are looks").look.iteration, 1);
    }

    #[test]
    fn states_are_looked_at_once_and_as_often_as_is_asked_for() {
        let (watch, _) = watch(r#"{"every": 3}"#, &[1.0]);
        let wanted: Vec<usize> = (0..8)
            .filter(|iteration| watch.wants(*iteration, false))
            .collect();
        assert_eq!(wanted, [3, 6]);
        assert!(watch.wants(7, true) && !watch.wants(0, true));
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let error = |json: &str| {
            let params: EarlyStoppingParams = serde_json::from_str(json).expect("numbers");
            params.check().expect_err("out of range").to_string()
        };
        assert!(error(r#"{"patience": 0}"#).contains("patience given invalid value 0"));
        assert!(error(r#"{"min_delta": -1}"#).contains("min_delta given invalid value -1"));
        assert!(error(r#"{"every": 0}"#).contains("every given invalid value 0"));
    }
}
