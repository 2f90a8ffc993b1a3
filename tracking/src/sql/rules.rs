//! What needs no database to decide: identifiers, new records, and what a deleted record refuses.

use crate::entities::{
    Experiment, LifecycleStage, LoggedModel, LoggedModelStatus, Param, Run, RunInfo, RunStatus,
    TAG_PARENT_RUN_ID, TAG_RUN_NAME, Tag,
};
use crate::environment::Environment;
use crate::error::TrackingError;
use crate::run_name;
use crate::store::{CreateExperiment, CreateLoggedModel, CreateRun, Result, UpdateRun};

/// Returns the number in an experiment's id. Only its own spelling finds an experiment: `007` is not `7`.
pub(super) fn experiment_number(experiment_id: &str) -> Result<i64> {
    experiment_id
        .parse()
        .ok()
        .filter(|number: &i64| number.to_string() == experiment_id)
        .ok_or_else(|| TrackingError::ExperimentNotFound {
            experiment: experiment_id.to_owned(),
        })
}

/// Returns the new experiment. `request` is checked.
pub(super) fn new_experiment(number: i64, request: CreateExperiment, now_ms: i64) -> Experiment {
    let default_location = || format!("mlflow-artifacts:/{number}");
    Experiment {
        experiment_id: number.to_string(),
        name: request.name,
        artifact_location: request.artifact_location.unwrap_or_else(default_location),
        lifecycle_stage: LifecycleStage::Active,
        creation_time_ms: now_ms,
        last_update_time_ms: now_ms,
        tags: request.tags,
    }
}

/// Everything random in a run, drawn before the store is locked.
#[derive(Debug, Clone)]
pub(super) struct RunIdentity {
    run_id: String,
    name_seed: u64,
}

impl RunIdentity {
    pub(super) fn draw(environment: &dyn Environment) -> Self {
        RunIdentity {
            run_id: id(environment),
            name_seed: seed(environment),
        }
    }
}

/// Everything random in a logged model, drawn before the store is locked.
#[derive(Debug, Clone)]
pub(super) struct ModelIdentity {
    model_id: String,
    name_seed: u64,
}

impl ModelIdentity {
    pub(super) fn draw(environment: &dyn Environment) -> Self {
        ModelIdentity {
            model_id: format!("m-{}", id(environment)),
            name_seed: seed(environment),
        }
    }
}

/// 32 lowercase hexadecimal digits.
fn id(environment: &dyn Environment) -> String {
    let id = uuid::Builder::from_random_bytes(environment.random().to_be_bytes()).into_uuid();
    id.simple().to_string()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "64 of the 128 random bits are enough for a name"
)]
fn seed(environment: &dyn Environment) -> u64 {
    environment.random() as u64
}

/// Returns the new run. `request` is checked, and its experiment is active.
pub(super) fn new_run(identity: RunIdentity, request: CreateRun, experiment: &Experiment) -> Run {
    let RunIdentity { run_id, name_seed } = identity;
    let run_name = request.run_name.unwrap_or_else(|| run_name::generate(name_seed));
    let location = experiment.artifact_location.trim_end_matches('/');
    let artifact_uri = format!("{location}/{run_id}/artifacts");

    let mut tags = request.tags;
    tags.push(Tag::new(TAG_RUN_NAME, &run_name));
    tags.extend(
        request
            .parent_run_id
            .map(|parent| Tag::new(TAG_PARENT_RUN_ID, parent)),
    );
    tags.sort_by(|a, b| a.key.cmp(&b.key));

    let info = RunInfo {
        run_id,
        run_name,
        experiment_id: request.experiment_id,
        user_id: request.user_id,
        status: RunStatus::Running,
        start_time_ms: request.start_time_ms,
        end_time_ms: None,
        lifecycle_stage: LifecycleStage::Active,
        artifact_uri,
        owner: request.owner,
    };
    Run {
        info,
        metrics: Vec::new(),
        params: Vec::new(),
        tags,
        dataset_inputs: Vec::new(),
        model_inputs: Vec::new(),
        model_outputs: Vec::new(),
    }
}

/// Returns the new logged model. `request` is checked, and its experiment is active.
pub(super) fn new_logged_model(
    identity: ModelIdentity,
    request: CreateLoggedModel,
    experiment: &Experiment,
    now_ms: i64,
) -> LoggedModel {
    let ModelIdentity { model_id, name_seed } = identity;
    let location = experiment.artifact_location.trim_end_matches('/');
    LoggedModel {
        artifact_uri: format!("{location}/models/{model_id}/artifacts"),
        model_id,
        experiment_id: request.experiment_id,
        name: request.name.unwrap_or_else(|| run_name::generate(name_seed)),
        creation_timestamp_ms: now_ms,
        last_updated_timestamp_ms: now_ms,
        status: LoggedModelStatus::Pending,
        status_message: String::new(),
        model_type: request.model_type,
        source_run_id: request.source_run_id,
        tags: request.tags,
        params: request.params,
        metrics: Vec::new(),
    }
}

/// Changes the header. `change` is checked. The caller keeps the run's name tag in step.
pub(super) fn update(info: &mut RunInfo, change: UpdateRun) {
    let UpdateRun {
        status,
        end_time_ms,
        run_name,
        owner,
    } = change;
    info.status = status.unwrap_or(info.status);
    info.end_time_ms = end_time_ms.or(info.end_time_ms);
    if let Some(run_name) = run_name {
        info.run_name = run_name;
    }
    info.owner = owner.or(info.owner.take());
}

pub(super) fn check_experiment_is_active(experiment: &Experiment) -> Result<()> {
    match experiment.lifecycle_stage {
        LifecycleStage::Active => Ok(()),
        LifecycleStage::Deleted => Err(TrackingError::ExperimentDeleted {
            experiment_id: experiment.experiment_id.clone(),
        }),
    }
}

pub(super) fn check_run_is_active(info: &RunInfo) -> Result<()> {
    match info.lifecycle_stage {
        LifecycleStage::Active => Ok(()),
        LifecycleStage::Deleted => Err(TrackingError::RunDeleted {
            run_id: info.run_id.clone(),
        }),
    }
}

pub(super) fn experiment_exists(existing: Experiment) -> TrackingError {
    TrackingError::ExperimentExists {
        name: existing.name,
        experiment_id: existing.experiment_id,
        lifecycle_stage: existing.lifecycle_stage,
    }
}

/// Returns the error for parameters logged before with another value, if there are any.
pub(super) fn params_changed(run_id: &str, changed: &[(&Param, String)]) -> Option<TrackingError> {
    match changed {
        [] => None,
        [(param, stored)] => Some(TrackingError::ParamChanged {
            run_id: run_id.to_owned(),
            key: param.key.clone(),
            stored: start(stored),
            given: start(&param.value),
        }),
        several => {
            let several: Vec<String> = several
                .iter()
                .map(|(param, stored)| {
                    let (stored, given) = (start(stored), start(&param.value));
                    format!(
                        "{{'key': '{}', 'old_value': '{stored}', 'new_value': '{given}'}}",
                        param.key
                    )
                })
                .collect();
            Some(TrackingError::rejected(format!(
                "Changing param values is not allowed. Params were already logged='[{}]' for run ID='{run_id}'.",
                several.join(", ")
            )))
        }
    }
}

pub(super) fn model_param_changed(model_id: &str, param: &Param, stored: &str) -> TrackingError {
    TrackingError::rejected(format!(
        "Changing param values is not allowed. Param with key='{}' was already logged with value='{}' for model \
         ID='{model_id}'. Attempted logging new value '{}'.",
        param.key,
        start(stored),
        start(&param.value)
    ))
}

/// Enough of a value to recognise it.
fn start(text: &str) -> String {
    text.chars().take(80).collect()
}
