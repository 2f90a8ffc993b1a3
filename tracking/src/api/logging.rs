//! `runs/…`, as far as something is logged to a run.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::post;

use super::error::ApiError;
use super::fields::Fields;
use super::parse;
use super::respond::{Answer, done};
use super::{Api, Routes};
use crate::entities::{Dataset, DatasetId, DatasetInput, ModelInput, ModelOutput};
use crate::error::TrackingError;
use crate::store::{LogBatch, LogInputs, LogOutputs};

/// What a model's description must tell.
const MODEL_FIELDS: [&str; 4] = ["artifact_path", "flavors", "run_id", "utc_time_created"];

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/runs/log-metric", post(log_metric))
        .route("/runs/log-parameter", post(log_parameter))
        .route("/runs/log-batch", post(log_batch))
        .route("/runs/set-tag", post(set_tag))
        .route("/runs/delete-tag", post(delete_tag))
        .route("/runs/log-inputs", post(log_inputs))
        .route("/runs/outputs", post(log_outputs))
        .route("/runs/log-model", post(log_model))
}

async fn log_metric(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let run_id = fields.run_id()?;
    let mut batch = LogBatch::default();
    parse::metric(&mut fields, &run_id, &mut batch)?;
    api.store.log_batch(&run_id, batch).await?;
    done()
}

async fn log_parameter(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let run_id = fields.run_id()?;
    let batch = LogBatch {
        params: vec![parse::param(&mut fields)?],
        ..LogBatch::default()
    };
    api.store.log_batch(&run_id, batch).await?;
    done()
}

async fn log_batch(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let run_id = fields.run_id()?;
    let mut batch = LogBatch {
        params: parse::params(&mut fields)?,
        tags: parse::tags(&mut fields)?,
        ..LogBatch::default()
    };
    for mut metric in fields.objects("metrics")? {
        parse::metric(&mut metric, &run_id, &mut batch)?;
    }
    api.store.log_batch(&run_id, batch).await.map_err(in_list)?;
    done()
}

/// MLflow has other words for a parameter that was changed in a list of them.
fn in_list(error: TrackingError) -> TrackingError {
    match error {
        TrackingError::ParamChanged {
            run_id,
            key,
            stored,
            given,
        } => TrackingError::rejected(format!(
            "Changing param values is not allowed. Params were already logged='[{{'key': '{key}', 'old_value': \
             '{stored}', 'new_value': '{given}'}}]' for run ID='{run_id}'."
        )),
        error => error,
    }
}

async fn set_tag(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let run_id = fields.run_id()?;
    let tag = parse::tag(&mut fields)?;
    api.store.set_tag(&run_id, tag).await?;
    done()
}

async fn delete_tag(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let run_id = fields.run_id()?;
    let key = fields.required("key")?;
    api.store.delete_tag(&run_id, &key).await?;
    done()
}

async fn log_inputs(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let run_id = fields.run_id()?;
    let model = |fields: &mut Fields| -> Result<ModelInput, ApiError> {
        Ok(ModelInput {
            model_id: fields.required("model_id")?,
        })
    };
    let inputs = LogInputs {
        datasets: fields
            .objects("datasets")?
            .iter_mut()
            .map(dataset_input)
            .collect::<Result<_, _>>()?,
        models: fields
            .objects("models")?
            .iter_mut()
            .map(model)
            .collect::<Result<_, _>>()?,
    };
    api.store.log_inputs(&run_id, inputs).await?;
    done()
}

fn dataset_input(fields: &mut Fields) -> Result<DatasetInput, ApiError> {
    let tags = parse::tags(fields)?;
    let mut dataset = fields
        .object("dataset")?
        .ok_or_else(|| fields.missing("dataset"))?;
    Ok(DatasetInput {
        dataset: Dataset {
            id: DatasetId {
                name: dataset.required("name")?,
                digest: dataset.text_or_empty("digest")?,
            },
            source_type: dataset.text_or_empty("source_type")?,
            source: dataset.text_or_empty("source")?,
            schema: dataset.some_text("schema")?,
            profile: dataset.some_text("profile")?,
        },
        tags,
    })
}

async fn log_outputs(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let run_id = fields.run_id()?;
    let model = |fields: &mut Fields| -> Result<ModelOutput, ApiError> {
        Ok(ModelOutput {
            model_id: fields.required("model_id")?,
            step: fields.int("step")?.unwrap_or(0),
        })
    };
    fields.require_list("models")?;
    let models = fields.objects("models")?;
    let models = models
        .into_iter()
        .map(|mut fields| model(&mut fields))
        .collect::<Result<_, _>>()?;
    api.store.log_outputs(&run_id, LogOutputs { models }).await?;
    done()
}

/// How models are logged that lie in the run's own artifacts, such as Spark's.
async fn log_model(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let run_id = fields.run_id()?;
    let text = fields.required("model_json")?;
    let model: serde_json::Value = serde_json::from_str(&text).map_err(|_| {
        let shown: String = text.chars().take(200).collect();
        ApiError::invalid(format!(
            "Malformed model info. \n {shown} \n is not a valid JSON."
        ))
    })?;
    let missing: Vec<&str> = MODEL_FIELDS
        .into_iter()
        .filter(|field| model.get(field).is_none())
        .collect();
    if !missing.is_empty() {
        return Err(ApiError::invalid(format!(
            "Model json is missing mandatory fields: {{'{}'}}",
            missing.join("', '")
        )));
    }
    api.store.record_model(&run_id, model).await?;
    done()
}
