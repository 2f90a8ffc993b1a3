//! A run as programs read it, and the words that all views of a run share.

use std::collections::BTreeMap;

use rookery_tracking::entities::TAG_PARENT_RUN_ID;
use rookery_tracking::{LifecycleStage, Run};
use serde::{Serialize, Serializer};

/// Names of experiments by id.
pub(super) type Names = BTreeMap<String, String>;

/// A number; the three that JSON lacks are text, as on MLflow's wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Number(pub(crate) f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_finite() => serializer.serialize_f64(value),
            value if value.is_nan() => serializer.serialize_str("NaN"),
            value if value > 0.0 => serializer.serialize_str("Infinity"),
            _ => serializer.serialize_str("-Infinity"),
        }
    }
}

/// A run.
#[derive(Debug, Serialize)]
pub(super) struct RunObject<'a> {
    event: &'static str,
    run_id: &'a str,
    run_name: &'a str,
    experiment_id: &'a str,
    experiment: &'a str,
    parent_run_id: Option<&'a str>,
    status: &'static str,
    lifecycle_stage: &'static str,
    user: &'a str,
    start_time_ms: i64,
    end_time_ms: Option<i64>,
    params: BTreeMap<&'a str, &'a str>,
    metrics: BTreeMap<&'a str, Number>,
    tags: BTreeMap<&'a str, &'a str>,
}

impl<'a> RunObject<'a> {
    /// Replaces the metrics by chosen values of those that were asked for.
    pub(super) fn choose_metrics(&mut self, names: &'a [String], values: &[Option<f64>]) {
        let named = names.iter().map(String::as_str).zip(values);
        self.metrics = named
            .filter_map(|(name, value)| Some((name, Number((*value)?))))
            .collect();
    }
}

pub(super) fn run<'a>(run: &'a Run, names: &'a Names) -> RunObject<'a> {
    let info = &run.info;
    RunObject {
        event: "run",
        run_id: &info.run_id,
        run_name: &info.run_name,
        experiment_id: &info.experiment_id,
        experiment: experiment(run, names),
        parent_run_id: run.tag(TAG_PARENT_RUN_ID),
        status: info.status.as_str(),
        lifecycle_stage: info.lifecycle_stage.as_str(),
        user: &info.user_id,
        start_time_ms: info.start_time_ms,
        end_time_ms: info.end_time_ms,
        params: run
            .params
            .iter()
            .map(|param| (param.key.as_str(), param.value.as_str()))
            .collect(),
        metrics: run
            .metrics
            .iter()
            .map(|metric| (metric.key.as_str(), Number(metric.value)))
            .collect(),
        tags: run
            .tags
            .iter()
            .map(|tag| (tag.key.as_str(), tag.value.as_str()))
            .collect(),
    }
}

/// The name of a run's experiment, its id if that is unknown.
pub(super) fn experiment<'a>(run: &'a Run, names: &'a Names) -> &'a str {
    names
        .get(&run.info.experiment_id)
        .map_or(run.info.experiment_id.as_str(), String::as_str)
}

/// How far a run came, and whether it is deleted.
pub(super) fn status(run: &Run) -> String {
    match run.info.lifecycle_stage {
        LifecycleStage::Active => run.info.status.to_string(),
        LifecycleStage::Deleted => format!("{} (deleted)", run.info.status),
    }
}

/// Runs for the tests of this folder.
#[cfg(test)]
pub(super) mod samples {
    use rookery_tracking::{LifecycleStage, Metric, Param, Run, RunInfo, RunStatus, Tag};

    use super::Names;

    pub(crate) fn metric(key: &str, value: f64, step: i64) -> Metric {
        Metric {
            key: key.into(),
            value,
            timestamp_ms: 0,
            step,
        }
    }

    pub(crate) fn run(run_id: &str, run_name: &str) -> Run {
        Run {
            info: RunInfo {
                run_id: run_id.into(),
                run_name: run_name.into(),
                experiment_id: "1".into(),
                user_id: "ada".into(),
                status: RunStatus::Finished,
                start_time_ms: 1_700_000_000_000,
                end_time_ms: Some(1_700_000_001_250),
                lifecycle_stage: LifecycleStage::Active,
                artifact_uri: format!("mlflow-artifacts:/1/{run_id}/artifacts"),
                owner: None,
            },
            metrics: vec![metric("accuracy", 0.9545454545454546, 0), metric("loss", 0.5, 2)],
            params: vec![Param::new("maxIter", 5), Param::new("regParam", 0.5)],
            tags: vec![Tag::new("rookery.converged", false)],
            dataset_inputs: Vec::new(),
            model_inputs: Vec::new(),
            model_outputs: Vec::new(),
        }
    }

    pub(crate) fn names() -> Names {
        Names::from([("1".to_string(), "penguins".to_string())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_full_precision_and_has_every_number() {
        let mut sample = samples::run("a", "calm-penguin-7");
        sample.metrics.push(samples::metric("odd", f64::NEG_INFINITY, 0));
        let names = samples::names();
        let json = serde_json::to_string(&run(&sample, &names)).unwrap();
        let expected = r#""metrics":{"accuracy":0.9545454545454546,"loss":0.5,"odd":"-Infinity"}"#;
        assert!(json.contains(expected), "{json}");
    }
}
