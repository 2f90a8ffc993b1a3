//! What both stores decide alike: identifiers, new records, and what a deleted record refuses. No IO.

use crate::entities::{
    Experiment, LifecycleStage, Run, RunInfo, RunStatus, TAG_PARENT_RUN_ID, TAG_RUN_NAME, Tag,
};
use crate::environment::Environment;
use crate::error::TrackingError;
use crate::run_name;
use crate::store::{CreateExperiment, CreateRun, Result, UpdateRun};

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
        let run_id = uuid::Builder::from_random_bytes(environment.random().to_be_bytes()).into_uuid();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "64 of the 128 random bits are enough for a name"
        )]
        let name_seed = environment.random() as u64;
        RunIdentity {
            run_id: run_id.simple().to_string(),
            name_seed,
        }
    }
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

pub(super) fn param_changed(run_id: &str, key: &str, stored: &str, given: &str) -> TrackingError {
    let start = |text: &str| text.chars().take(80).collect();
    TrackingError::ParamChanged {
        run_id: run_id.to_owned(),
        key: key.to_owned(),
        stored: start(stored),
        given: start(given),
    }
}
