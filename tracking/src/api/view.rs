//! Experiments and runs as MLflow writes them: the fields' names and order, unset fields and empty lists left out.
//! Views borrow, so that an answer of fifty thousand runs is written without copying one of them.

use serde::{Serialize, Serializer};

use crate::entities::{
    Dataset, DatasetInput, Experiment, Metric, ModelInput, ModelOutput, Param, Run, RunInfo, Tag,
};

mod models;

pub(super) use models::{AliasView, LoggedModelView, ModelVersionView, RegisteredModelView};

#[derive(Serialize)]
pub(super) struct ExperimentView<'a> {
    experiment_id: &'a str,
    name: &'a str,
    artifact_location: &'a str,
    lifecycle_stage: &'static str,
    last_update_time: i64,
    creation_time: i64,
    #[serde(skip_serializing_if = "no_items")]
    tags: &'a [Tag],
    /// This server has one; MLflow's UI wants to read its name.
    workspace: &'static str,
}

impl<'a> From<&'a Experiment> for ExperimentView<'a> {
    fn from(experiment: &'a Experiment) -> Self {
        ExperimentView {
            experiment_id: &experiment.experiment_id,
            name: &experiment.name,
            artifact_location: &experiment.artifact_location,
            lifecycle_stage: experiment.lifecycle_stage.as_str(),
            last_update_time: experiment.last_update_time_ms,
            creation_time: experiment.creation_time_ms,
            tags: &experiment.tags,
            workspace: "default",
        }
    }
}

#[derive(Serialize)]
pub(super) struct RunView<'a> {
    info: RunInfoView<'a>,
    data: RunDataView<'a>,
    inputs: InputsView<'a>,
    /// Absent in the answer to a run's creation, as in MLflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    outputs: Option<OutputsView<'a>>,
}

#[derive(Serialize)]
pub(super) struct RunInfoView<'a> {
    run_uuid: &'a str,
    experiment_id: &'a str,
    run_name: &'a str,
    user_id: &'a str,
    status: &'static str,
    start_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<i64>,
    artifact_uri: &'a str,
    lifecycle_stage: &'static str,
    run_id: &'a str,
}

#[derive(Serialize)]
struct RunDataView<'a> {
    #[serde(skip_serializing_if = "no_items", serialize_with = "metrics")]
    metrics: &'a [Metric],
    #[serde(skip_serializing_if = "no_items")]
    params: &'a [Param],
    #[serde(skip_serializing_if = "no_items")]
    tags: &'a [Tag],
}

#[derive(Serialize)]
struct InputsView<'a> {
    #[serde(skip_serializing_if = "no_items", serialize_with = "dataset_inputs")]
    dataset_inputs: &'a [DatasetInput],
    #[serde(skip_serializing_if = "no_items")]
    model_inputs: &'a [ModelInput],
}

#[derive(Serialize)]
struct OutputsView<'a> {
    #[serde(skip_serializing_if = "no_items")]
    model_outputs: &'a [ModelOutput],
}

#[derive(Serialize)]
struct DatasetInputView<'a> {
    #[serde(skip_serializing_if = "no_items")]
    tags: &'a [Tag],
    dataset: DatasetView<'a>,
}

#[derive(Serialize)]
struct DatasetView<'a> {
    name: &'a str,
    digest: &'a str,
    source_type: &'a str,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a str>,
}

/// One point of a metric, of a run that is named where a list holds the points of several.
#[derive(Serialize)]
pub(super) struct MetricView<'a> {
    key: &'a str,
    value: Double,
    timestamp: i64,
    step: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<&'a str>,
}

/// A double, which is a text where JSON has no number for it.
pub(super) struct Double(pub(super) f64);

impl<'a> From<&'a Run> for RunView<'a> {
    fn from(run: &'a Run) -> Self {
        RunView {
            info: RunInfoView::from(&run.info),
            data: RunDataView {
                metrics: &run.metrics,
                params: &run.params,
                tags: &run.tags,
            },
            inputs: InputsView {
                dataset_inputs: &run.dataset_inputs,
                model_inputs: &run.model_inputs,
            },
            outputs: Some(OutputsView {
                model_outputs: &run.model_outputs,
            }),
        }
    }
}

impl<'a> RunView<'a> {
    /// Returns the view of a run that was just created.
    pub(super) fn of_created(run: &'a Run) -> Self {
        RunView {
            outputs: None,
            ..RunView::from(run)
        }
    }
}

impl<'a> From<&'a RunInfo> for RunInfoView<'a> {
    fn from(info: &'a RunInfo) -> Self {
        RunInfoView {
            run_uuid: &info.run_id,
            experiment_id: &info.experiment_id,
            run_name: &info.run_name,
            user_id: &info.user_id,
            status: info.status.as_str(),
            start_time: info.start_time_ms,
            end_time: info.end_time_ms,
            artifact_uri: &info.artifact_uri,
            lifecycle_stage: info.lifecycle_stage.as_str(),
            run_id: &info.run_id,
        }
    }
}

impl<'a> From<&'a Metric> for MetricView<'a> {
    fn from(metric: &'a Metric) -> Self {
        MetricView {
            key: &metric.key,
            value: Double(metric.value),
            timestamp: metric.timestamp_ms,
            step: metric.step,
            run_id: None,
        }
    }
}

impl<'a> MetricView<'a> {
    pub(super) fn of_run(metric: &'a Metric, run_id: &'a str) -> Self {
        MetricView {
            run_id: Some(run_id),
            ..MetricView::from(metric)
        }
    }
}

impl<'a> From<&'a DatasetInput> for DatasetInputView<'a> {
    fn from(DatasetInput { dataset, tags }: &'a DatasetInput) -> Self {
        let Dataset {
            id,
            source_type,
            source,
            schema,
            profile,
        } = dataset;
        DatasetInputView {
            tags,
            dataset: DatasetView {
                name: &id.name,
                digest: &id.digest,
                source_type,
                source,
                schema: schema.as_deref(),
                profile: profile.as_deref(),
            },
        }
    }
}

impl Serialize for Double {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_nan() => serializer.serialize_str("NaN"),
            f64::INFINITY => serializer.serialize_str("Infinity"),
            f64::NEG_INFINITY => serializer.serialize_str("-Infinity"),
            value => serializer.serialize_f64(value),
        }
    }
}

fn metrics<S: Serializer>(metrics: &&[Metric], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(metrics.iter().map(MetricView::from))
}

fn dataset_inputs<S: Serializer>(inputs: &&[DatasetInput], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(inputs.iter().map(DatasetInputView::from))
}

fn no_items<T>(items: &&[T]) -> bool {
    items.is_empty()
}
