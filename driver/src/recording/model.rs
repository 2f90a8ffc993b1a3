//! A run's model where MLflow's clients look for it: those before version 3 among the run's own files, with an entry
//! in the run's list of models; later ones as a logged model that the run put out.

use rookery_formats::ModelFile;
use rookery_formats::mlflow::{MlModel, Origin};
use rookery_proto::Failure;
use rookery_tracking::entities::ModelOutput;
use rookery_tracking::{CreateLoggedModel, LogOutputs, LoggedModel, LoggedModelStatus, Tag};

use super::begun;
use super::run::{Outcome, RunRecord};
use crate::error::of_tracking;
use crate::records::JobRecords;

/// The folder of the model in a run's artifacts, and the logged model's name, so that `runs:/RUN/model` leads to it as it leads to the run's own folder.
const MODEL_NAME: &str = "model";
const MODEL_TYPE: &str = "logistic_regression";
/// What a logged model takes over from its run.
const SHARED_TAGS: [&str; 3] = ["mlflow.user", "mlflow.source.name", "mlflow.source.type"];

/// Stores the model of a run, and returns the id of the logged model.
pub(super) async fn publish(
    records: &JobRecords,
    run: &RunRecord,
    outcome: &Outcome<'_>,
) -> Result<String, Failure> {
    let begun = match run.was_begun() {
        true => begun::model(records, run.run()).await?,
        false => None,
    };
    let logged = match begun {
        Some(logged) => logged,
        None => create(records, run).await?,
    };
    let created = chrono::DateTime::from_timestamp_millis(logged.creation_timestamp_ms).unwrap_or_default();
    let origin = Origin {
        run_id: Some(run.run_id().to_string()),
        model_id: Some(logged.model_id.clone()),
        created: created.format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
        uuid: uuid::Uuid::new_v4().simple().to_string(),
    };
    let (files, description) = outcome.directory.describe(&origin);
    let stored = store_files(records, run, &logged, files).await;
    let status = match stored {
        Ok(()) => LoggedModelStatus::Ready,
        Err(_) => LoggedModelStatus::UploadFailed,
    };
    let finalized = records
        .store
        .finalize_logged_model(&logged.model_id, status)
        .await
        .map_err(|e| of_tracking(&e));
    stored?;
    finalized?;
    link(records, run, &logged, &description).await?;
    Ok(logged.model_id)
}

async fn create(records: &JobRecords, run: &RunRecord) -> Result<LoggedModel, Failure> {
    let shared = SHARED_TAGS
        .iter()
        .filter_map(|key| Some(Tag::new(*key, run.tag(key)?)));
    let created = records
        .store
        .create_logged_model(CreateLoggedModel {
            experiment_id: run.info().experiment_id.clone(),
            name: Some(MODEL_NAME.to_string()),
            source_run_id: Some(run.run_id().to_string()),
            model_type: MODEL_TYPE.to_string(),
            params: run.params().to_vec(),
            tags: shared.collect(),
        })
        .await;
    created.map_err(|e| of_tracking(&e))
}

async fn store_files(
    records: &JobRecords,
    run: &RunRecord,
    logged: &LoggedModel,
    files: Vec<ModelFile>,
) -> Result<(), Failure> {
    for ModelFile { path, content } in files {
        let in_model = records.artifacts.put_model(logged, &path, content.clone()).await;
        in_model.map_err(|e| of_tracking(&e))?;
        let in_run = format!("{MODEL_NAME}/{path}");
        let in_run = records.artifacts.put(run.info(), &in_run, content).await;
        in_run.map_err(|e| of_tracking(&e))?;
    }
    Ok(())
}

/// Ties the model to the run, in both ways.
async fn link(
    records: &JobRecords,
    run: &RunRecord,
    logged: &LoggedModel,
    description: &MlModel,
) -> Result<(), Failure> {
    let models = vec![ModelOutput {
        model_id: logged.model_id.clone(),
        step: 0,
    }];
    let store = &records.store;
    let put_out = store.log_outputs(run.run_id(), LogOutputs { models }).await;
    put_out.map_err(|e| of_tracking(&e))?;
    if run.lists_model(&logged.model_id) {
        return Ok(());
    }
    let listed = store.record_model(run.run_id(), description.to_json()).await;
    listed.map_err(|e| of_tracking(&e))
}
