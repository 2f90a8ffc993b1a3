//! A run's model where MLflow's clients look for it: those before version 3 among the run's own files, with an entry
//! in the run's list of models; later ones as a logged model that the run put out.

use rookery_proto::Failure;
use rookery_tracking::entities::ModelOutput;
use rookery_tracking::{CreateLoggedModel, LogOutputs, LoggedModel, LoggedModelStatus, Tag};

use super::mlmodel::{MlModel, Origin};
use super::run::{Outcome, RunRecord};
use super::{MODEL_ARTIFACT, begun};
use crate::error::{of_ml, of_tracking};
use crate::records::JobRecords;

/// Where in a run's artifacts the model's description lies.
const MLMODEL_ARTIFACT: &str = "model/MLmodel";
/// The logged model's name, so that `runs:/RUN/model` leads to it as it leads to the run's own folder.
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
    let json = outcome.model.to_json().map_err(|e| of_ml(&e))?;
    let begun = match run.was_begun() {
        true => begun::model(records, run.run()).await?,
        false => None,
    };
    let logged = match begun {
        Some(logged) => logged,
        None => create(records, run).await?,
    };
    let origin = Origin {
        run_id: run.run_id(),
        model_id: &logged.model_id,
        created_ms: logged.creation_timestamp_ms,
    };
    let description = MlModel::new(&origin, outcome.model, outcome.columns, json.len());
    let stored = store_files(records, run, &logged, &description, json).await;
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
    description: &MlModel,
    json: String,
) -> Result<(), Failure> {
    let (json, description) = (json.into_bytes(), description.to_yaml().into_bytes());
    for (path, content) in [(MODEL_ARTIFACT, json), (MLMODEL_ARTIFACT, description)] {
        let name = path.rsplit('/').next().unwrap_or(path);
        let in_model = records.artifacts.put_model(logged, name, content.clone()).await;
        in_model.map_err(|e| of_tracking(&e))?;
        let in_run = records.artifacts.put(run.info(), path, content).await;
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
