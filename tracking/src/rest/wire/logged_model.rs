//! Logged models.

use serde::Deserialize;

use super::{WireMetric, int64, sorted_params, sorted_tags};
use crate::entities::{DatasetId, LoggedModel, LoggedModelStatus, ModelMetric, Param, Tag};

#[derive(Debug, Deserialize)]
pub(in crate::rest) struct WireLoggedModel {
    info: WireLoggedModelInfo,
    #[serde(default)]
    data: WireLoggedModelData,
}

#[derive(Debug, Deserialize)]
struct WireLoggedModelInfo {
    model_id: String,
    experiment_id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    artifact_uri: String,
    #[serde(default, deserialize_with = "int64")]
    creation_timestamp_ms: i64,
    #[serde(default, deserialize_with = "int64")]
    last_updated_timestamp_ms: i64,
    status: LoggedModelStatus,
    #[serde(default)]
    status_message: String,
    #[serde(default)]
    model_type: String,
    #[serde(default)]
    source_run_id: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireLoggedModelData {
    params: Vec<Param>,
    metrics: Vec<WireMetric>,
}

impl From<WireLoggedModel> for LoggedModel {
    fn from(wire: WireLoggedModel) -> Self {
        let WireLoggedModel { info, data } = wire;
        let mut metrics: Vec<ModelMetric> = data
            .metrics
            .into_iter()
            .map(|metric| ModelMetric {
                model_id: metric.model_id.clone().unwrap_or_else(|| info.model_id.clone()),
                run_id: metric.run_id.clone().unwrap_or_default(),
                dataset: metric
                    .dataset_name
                    .clone()
                    .zip(metric.dataset_digest.clone())
                    .map(|(name, digest)| DatasetId { name, digest }),
                metric: metric.into(),
            })
            .collect();
        metrics.sort_by(|a, b| {
            let by_name = (&a.metric.key, &a.dataset).cmp(&(&b.metric.key, &b.dataset));
            by_name.then_with(|| a.metric.cmp_latest(&b.metric))
        });
        LoggedModel {
            model_id: info.model_id,
            experiment_id: info.experiment_id,
            name: info.name,
            artifact_uri: info.artifact_uri,
            creation_timestamp_ms: info.creation_timestamp_ms,
            last_updated_timestamp_ms: info.last_updated_timestamp_ms,
            status: info.status,
            status_message: info.status_message,
            model_type: info.model_type,
            source_run_id: info.source_run_id.filter(|id| !id.is_empty()),
            tags: sorted_tags(info.tags),
            params: sorted_params(data.params),
            metrics,
        }
    }
}
