//! MLflow's JSON for experiments, runs and logged models. Fields that are not set are missing, and whole numbers come
//! as numbers or as text.

use serde::{Deserialize, Deserializer};

use crate::entities::{
    Dataset, DatasetId, DatasetInput, Experiment, LifecycleStage, Metric, ModelInput, ModelOutput, Param,
    Run, RunInfo, RunStatus, Tag, json_double,
};

use super::stamp;

mod logged_model;
mod write;

pub(super) use logged_model::WireLoggedModel;
pub(super) use write::{batch_json, dataset_input_json};

/// Reads a whole number that may be written as text.
pub(super) fn int64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Number(i64),
        Text(String),
    }
    match Form::deserialize(deserializer)? {
        Form::Number(number) => Ok(number),
        Form::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

fn maybe_int64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    struct Number(#[serde(deserialize_with = "int64")] i64);
    Ok(Option::<Number>::deserialize(deserializer)?.map(|number| number.0))
}

#[derive(Debug, Deserialize)]
pub(super) struct WireExperiment {
    experiment_id: String,
    name: String,
    #[serde(default)]
    artifact_location: String,
    lifecycle_stage: LifecycleStage,
    #[serde(default, deserialize_with = "int64")]
    creation_time: i64,
    #[serde(default, deserialize_with = "int64")]
    last_update_time: i64,
    #[serde(default)]
    pub(super) tags: Vec<Tag>,
}

impl From<WireExperiment> for Experiment {
    fn from(wire: WireExperiment) -> Self {
        Experiment {
            experiment_id: wire.experiment_id,
            name: wire.name,
            artifact_location: wire.artifact_location,
            lifecycle_stage: wire.lifecycle_stage,
            creation_time_ms: wire.creation_time,
            last_update_time_ms: wire.last_update_time,
            tags: sorted_tags(wire.tags),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct WireRun {
    pub(super) info: WireRunInfo,
    #[serde(default)]
    data: WireRunData,
    #[serde(default)]
    inputs: WireInputs,
    #[serde(default)]
    outputs: WireOutputs,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireRunInfo {
    run_id: String,
    #[serde(default)]
    run_name: String,
    experiment_id: String,
    #[serde(default)]
    user_id: String,
    status: RunStatus,
    #[serde(default, deserialize_with = "int64")]
    start_time: i64,
    #[serde(default, deserialize_with = "maybe_int64")]
    end_time: Option<i64>,
    #[serde(default)]
    artifact_uri: String,
    lifecycle_stage: LifecycleStage,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireRunData {
    metrics: Vec<WireMetric>,
    params: Vec<Param>,
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireMetric {
    key: String,
    #[serde(with = "json_double")]
    value: f64,
    #[serde(default, deserialize_with = "int64")]
    timestamp: i64,
    #[serde(default, deserialize_with = "int64")]
    step: i64,
    #[serde(default)]
    model_id: Option<String>,
    #[serde(default)]
    run_id: Option<String>,
    #[serde(default)]
    dataset_name: Option<String>,
    #[serde(default)]
    dataset_digest: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireInputs {
    dataset_inputs: Vec<WireDatasetInput>,
    model_inputs: Vec<ModelInput>,
}

#[derive(Debug, Deserialize)]
struct WireDatasetInput {
    #[serde(default)]
    tags: Vec<Tag>,
    dataset: WireDataset,
}

#[derive(Debug, Deserialize)]
struct WireDataset {
    name: String,
    digest: String,
    #[serde(default)]
    source_type: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    schema: Option<String>,
    #[serde(default)]
    profile: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireOutputs {
    model_outputs: Vec<WireModelOutput>,
}

#[derive(Debug, Deserialize)]
struct WireModelOutput {
    model_id: String,
    #[serde(default, deserialize_with = "int64")]
    step: i64,
}

impl From<WireRunInfo> for RunInfo {
    fn from(wire: WireRunInfo) -> Self {
        RunInfo {
            run_id: wire.run_id,
            run_name: wire.run_name,
            experiment_id: wire.experiment_id,
            user_id: wire.user_id,
            status: wire.status,
            start_time_ms: wire.start_time,
            end_time_ms: wire.end_time,
            lifecycle_stage: wire.lifecycle_stage,
            artifact_uri: wire.artifact_uri,
            owner: None,
        }
    }
}

impl From<WireRun> for Run {
    fn from(wire: WireRun) -> Self {
        let mut metrics: Vec<Metric> = wire.data.metrics.into_iter().map(Metric::from).collect();
        metrics.sort_by(|a, b| a.key.cmp(&b.key));
        let mut dataset_inputs: Vec<DatasetInput> = wire
            .inputs
            .dataset_inputs
            .into_iter()
            .map(dataset_input)
            .collect();
        dataset_inputs.sort_by(|a, b| a.dataset.id.cmp(&b.dataset.id));
        let mut model_inputs = wire.inputs.model_inputs;
        model_inputs.sort_by(|a, b| a.model_id.cmp(&b.model_id));
        let mut model_outputs: Vec<ModelOutput> = (wire.outputs.model_outputs.into_iter())
            .map(|output| ModelOutput {
                model_id: output.model_id,
                step: output.step,
            })
            .collect();
        model_outputs.sort_by(|a, b| a.model_id.cmp(&b.model_id));
        Run {
            info: wire.info.into(),
            metrics,
            params: sorted_params(wire.data.params),
            tags: sorted_tags(wire.data.tags),
            dataset_inputs,
            model_inputs,
            model_outputs,
        }
    }
}

impl From<WireMetric> for Metric {
    fn from(wire: WireMetric) -> Self {
        Metric {
            key: wire.key,
            value: wire.value,
            timestamp_ms: wire.timestamp,
            step: wire.step,
        }
    }
}

fn dataset_input(wire: WireDatasetInput) -> DatasetInput {
    let WireDataset {
        name,
        digest,
        source_type,
        source,
        schema,
        profile,
    } = wire.dataset;
    DatasetInput {
        dataset: Dataset {
            id: DatasetId { name, digest },
            source_type,
            source,
            schema,
            profile,
        },
        tags: sorted_tags(wire.tags),
    }
}

/// Sorts tags by key, without the stamps of this client.
pub(super) fn sorted_tags(mut tags: Vec<Tag>) -> Vec<Tag> {
    tags.retain(|tag| tag.key != stamp::TAG_REQUEST_ID);
    tags.sort_by(|a, b| a.key.cmp(&b.key));
    tags
}

fn sorted_params(mut params: Vec<Param>) -> Vec<Param> {
    params.sort_by(|a, b| a.key.cmp(&b.key));
    params
}
