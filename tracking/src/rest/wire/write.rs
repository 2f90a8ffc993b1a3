//! What is sent.

use serde_json::{Value, json};

use crate::entities::{Dataset, DatasetInput, Metric, ModelMetric};
use crate::store::LogBatch;

/// Writes a batch. On the wire a point that judges a model is a point of the run with a `model_id`, so a point that
/// is in both lists is sent once.
pub(in crate::rest) fn batch_json(run_id: &str, batch: &LogBatch) -> Value {
    let judging = |point: &Metric| {
        batch
            .model_metrics
            .iter()
            .any(|judged| is_same(&judged.metric, point))
    };
    let plain = batch
        .metrics
        .iter()
        .filter(|point| !judging(point))
        .map(metric_json);
    let metrics: Vec<Value> = plain
        .chain(batch.model_metrics.iter().map(model_metric_json))
        .collect();
    json!({"run_id": run_id, "metrics": metrics, "params": batch.params, "tags": batch.tags})
}

fn is_same(a: &Metric, b: &Metric) -> bool {
    (&a.key, a.value.to_bits(), a.timestamp_ms, a.step) == (&b.key, b.value.to_bits(), b.timestamp_ms, b.step)
}

fn metric_json(metric: &Metric) -> Value {
    let mut json = json!(metric);
    let fields = json.as_object_mut().expect("a metric is an object");
    fields.remove("timestamp_ms");
    fields.insert("timestamp".to_owned(), json!(metric.timestamp_ms));
    json
}

fn model_metric_json(judged: &ModelMetric) -> Value {
    let mut json = metric_json(&judged.metric);
    json["model_id"] = json!(judged.model_id);
    json["run_id"] = json!(judged.run_id);
    if let Some(dataset) = &judged.dataset {
        json["dataset_name"] = json!(dataset.name);
        json["dataset_digest"] = json!(dataset.digest);
    }
    json
}

pub(in crate::rest) fn dataset_input_json(input: &DatasetInput) -> Value {
    let Dataset {
        id,
        source_type,
        source,
        schema,
        profile,
    } = &input.dataset;
    let mut dataset =
        json!({"name": id.name, "digest": id.digest, "source_type": source_type, "source": source});
    for (key, text) in [("schema", schema), ("profile", profile)] {
        if let Some(text) = text {
            dataset[key] = json!(text);
        }
    }
    json!({"dataset": dataset, "tags": input.tags})
}
