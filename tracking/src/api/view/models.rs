//! Logged and registered models as MLflow writes them.

use serde::{Serialize, Serializer};

use super::{Double, no_items};
use crate::entities::{Alias, LoggedModel, ModelMetric, ModelVersion, Param, RegisteredModel, Tag};

#[derive(Serialize)]
pub(in crate::api) struct LoggedModelView<'a> {
    info: LoggedModelInfoView<'a>,
    data: LoggedModelDataView<'a>,
}

#[derive(Serialize)]
struct LoggedModelInfoView<'a> {
    model_id: &'a str,
    experiment_id: &'a str,
    name: &'a str,
    creation_timestamp_ms: i64,
    last_updated_timestamp_ms: i64,
    artifact_uri: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    status_message: &'a str,
    model_type: &'a str,
    source_run_id: &'a str,
    #[serde(skip_serializing_if = "no_items")]
    tags: &'a [Tag],
}

#[derive(Serialize)]
struct LoggedModelDataView<'a> {
    #[serde(skip_serializing_if = "no_items")]
    params: &'a [Param],
    #[serde(skip_serializing_if = "no_items", serialize_with = "model_metrics")]
    metrics: &'a [ModelMetric],
}

#[derive(Serialize)]
struct ModelMetricView<'a> {
    key: &'a str,
    value: Double,
    timestamp: i64,
    step: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_digest: Option<&'a str>,
    model_id: &'a str,
    run_id: &'a str,
}

impl<'a> From<&'a LoggedModel> for LoggedModelView<'a> {
    fn from(model: &'a LoggedModel) -> Self {
        LoggedModelView {
            info: LoggedModelInfoView {
                model_id: &model.model_id,
                experiment_id: &model.experiment_id,
                name: &model.name,
                creation_timestamp_ms: model.creation_timestamp_ms,
                last_updated_timestamp_ms: model.last_updated_timestamp_ms,
                artifact_uri: &model.artifact_uri,
                status: model.status.as_str(),
                status_message: &model.status_message,
                model_type: &model.model_type,
                source_run_id: model.source_run_id.as_deref().unwrap_or_default(),
                tags: &model.tags,
            },
            data: LoggedModelDataView {
                params: &model.params,
                metrics: &model.metrics,
            },
        }
    }
}

impl<'a> From<&'a ModelMetric> for ModelMetricView<'a> {
    fn from(judgement: &'a ModelMetric) -> Self {
        let dataset = judgement.dataset.as_ref();
        ModelMetricView {
            key: &judgement.metric.key,
            value: Double(judgement.metric.value),
            timestamp: judgement.metric.timestamp_ms,
            step: judgement.metric.step,
            dataset_name: dataset.map(|id| id.name.as_str()),
            dataset_digest: dataset.map(|id| id.digest.as_str()),
            model_id: &judgement.model_id,
            run_id: &judgement.run_id,
        }
    }
}

fn model_metrics<S: Serializer>(metrics: &&[ModelMetric], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(metrics.iter().map(ModelMetricView::from))
}

#[derive(Serialize)]
pub(in crate::api) struct RegisteredModelView<'a> {
    name: &'a str,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    latest_versions: Vec<ModelVersionView<'a>>,
    #[serde(skip_serializing_if = "no_items")]
    tags: &'a [Tag],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<AliasView<'a>>,
}

impl<'a> From<&'a RegisteredModel> for RegisteredModelView<'a> {
    fn from(model: &'a RegisteredModel) -> Self {
        RegisteredModelView {
            name: &model.name,
            creation_timestamp: model.creation_timestamp_ms,
            last_updated_timestamp: model.last_updated_timestamp_ms,
            description: &model.description,
            latest_versions: model.latest_versions.iter().map(ModelVersionView::from).collect(),
            tags: &model.tags,
            aliases: model.aliases.iter().map(AliasView::from).collect(),
        }
    }
}

#[derive(Serialize)]
pub(in crate::api) struct AliasView<'a> {
    alias: &'a str,
    version: Number,
}

impl<'a> From<&'a Alias> for AliasView<'a> {
    fn from(alias: &'a Alias) -> Self {
        AliasView {
            alias: &alias.alias,
            version: Number(alias.version),
        }
    }
}

#[derive(Serialize)]
pub(in crate::api) struct ModelVersionView<'a> {
    name: &'a str,
    version: Number,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_id: &'a str,
    current_stage: &'static str,
    description: &'a str,
    source: &'a str,
    run_id: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "no_items")]
    tags: &'a [Tag],
    run_link: &'a str,
    #[serde(skip_serializing_if = "no_items")]
    aliases: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    model_id: Option<&'a str>,
}

impl<'a> From<&'a ModelVersion> for ModelVersionView<'a> {
    fn from(version: &'a ModelVersion) -> Self {
        ModelVersionView {
            name: &version.name,
            version: Number(version.version),
            creation_timestamp: version.creation_timestamp_ms,
            last_updated_timestamp: version.last_updated_timestamp_ms,
            user_id: &version.user_id,
            current_stage: version.stage.as_str(),
            description: &version.description,
            source: &version.source,
            run_id: &version.run_id,
            status: "READY",
            tags: &version.tags,
            run_link: &version.run_link,
            aliases: &version.aliases,
            model_id: version.model_id.as_deref(),
        }
    }
}

/// A version's number, which is a text on MLflow's wire.
struct Number(u32);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
