//! What the folder's operations come to, as the caller who recorded them sees it: local ids, before any server has
//! said anything.

use std::collections::BTreeMap;

use serde_json::Value;

use super::operation::Operation;
use crate::entities::{
    Experiment, LifecycleStage, LoggedModel, LoggedModelStatus, Metric, Param, Run, RunInfo, RunStatus,
    TAG_LOGGED_MODELS, TAG_PARENT_RUN_ID, TAG_RUN_NAME, Tag,
};
use crate::error::TrackingError;
use crate::store::{CreateExperiment, CreateRun, LogBatch, Result, UpdateRun};

const SCHEME: &str = "rookery-spool:/";

/// The local artifact URI of a run or a logged model.
pub(super) fn run_uri(local_id: &str) -> String {
    format!("{SCHEME}{local_id}/artifacts")
}

/// The local artifact location of an experiment.
pub(super) fn experiment_uri(local_id: &str) -> String {
    format!("{SCHEME}experiment/{local_id}")
}

pub(super) fn is_local_uri(uri: &str) -> bool {
    uri.starts_with(SCHEME)
}

/// Returns whose artifacts lie under a local URI.
pub(super) fn owner_of(uri: &str) -> Option<&str> {
    uri.strip_prefix(SCHEME)?.split('/').next()
}

/// The records in the folder.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) experiments: BTreeMap<String, Experiment>,
    pub(super) runs: BTreeMap<String, LocalRun>,
    pub(super) models: BTreeMap<String, LoggedModel>,
}

/// A run and its curves.
#[derive(Debug)]
pub(super) struct LocalRun {
    pub(super) run: Run,
    /// By key; each point once, sorted by timestamp, step and value.
    pub(super) history: BTreeMap<String, Vec<Metric>>,
}

impl View {
    pub(super) fn experiment_named(&self, name: &str) -> Option<&Experiment> {
        self.experiments
            .values()
            .find(|experiment| experiment.name == name)
    }

    pub(super) fn run(&self, run_id: &str) -> Option<&LocalRun> {
        self.runs.get(run_id)
    }

    pub(super) fn open_runs(&self) -> Vec<String> {
        let infos = self.runs.values().map(|local| &local.run.info);
        let open = infos.filter(|info| !info.status.is_terminal());
        open.map(|info| info.run_id.clone()).collect()
    }

    /// Refuses what the server would refuse later, as far as the folder knows. Names, lengths and counts were checked
    /// before.
    pub(super) fn check(&self, operation: &Operation) -> Result<()> {
        match operation {
            Operation::LogBatch { run_id, batch } => {
                let Some(local) = self.run(run_id) else {
                    return Ok(());
                };
                check_params(run_id, &local.run.params, &batch.params)
            }
            Operation::LogLoggedModelParams { model_id, params } => {
                let Some(model) = self.models.get(model_id) else {
                    return Ok(());
                };
                check_params(model_id, &model.params, params)
            }
            Operation::DeleteTag { run_id, key } => match self.run(run_id) {
                Some(local) if local.run.tag(key).is_none() => Err(TrackingError::not_found(format!(
                    "No tag with name: {key} in run with id {run_id}"
                ))),
                _ => Ok(()),
            },
            Operation::CreateExperiment { request, .. } => match self.experiment_named(&request.name) {
                Some(_) => Err(TrackingError::exists(format!(
                    "Experiment(name={}) already exists.",
                    request.name
                ))),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Takes in an operation that was checked.
    pub(super) fn apply(&mut self, operation: &Operation, at_ms: i64) {
        match operation {
            Operation::EnsureExperiment { experiment_id, name } => {
                let request = CreateExperiment::named(name);
                let experiment = new_experiment(experiment_id, request, at_ms);
                self.experiments.insert(experiment_id.clone(), experiment);
            }
            Operation::CreateExperiment {
                experiment_id,
                request,
            } => {
                let experiment = new_experiment(experiment_id, request.clone(), at_ms);
                self.experiments.insert(experiment_id.clone(), experiment);
            }
            Operation::CreateRun { run_id, request } => {
                let local = LocalRun {
                    run: new_run(run_id, request.clone()),
                    history: BTreeMap::new(),
                };
                self.runs.insert(run_id.clone(), local);
            }
            Operation::CreateLoggedModel { model_id, request } => {
                let mut params = request.params.clone();
                params.sort_by(|a, b| a.key.cmp(&b.key));
                let model = LoggedModel {
                    model_id: model_id.clone(),
                    experiment_id: request.experiment_id.clone(),
                    name: request.name.clone().unwrap_or_default(),
                    artifact_uri: run_uri(model_id),
                    creation_timestamp_ms: at_ms,
                    last_updated_timestamp_ms: at_ms,
                    status: LoggedModelStatus::Pending,
                    status_message: String::new(),
                    model_type: request.model_type.clone(),
                    source_run_id: request.source_run_id.clone(),
                    tags: merged(Vec::new(), &request.tags),
                    params,
                    metrics: Vec::new(),
                };
                self.models.insert(model_id.clone(), model);
            }
            Operation::FinalizeLoggedModel { model_id, status } => {
                if let Some(model) = self.models.get_mut(model_id) {
                    model.status = *status;
                    model.last_updated_timestamp_ms = at_ms;
                }
            }
            Operation::SetLoggedModelTags { model_id, tags } => {
                if let Some(model) = self.models.get_mut(model_id) {
                    model.tags = merged(std::mem::take(&mut model.tags), tags);
                    model.last_updated_timestamp_ms = at_ms;
                }
            }
            Operation::LogLoggedModelParams { model_id, params } => {
                if let Some(model) = self.models.get_mut(model_id) {
                    add_params(&mut model.params, params);
                }
            }
            Operation::LogBatch { run_id, batch } => self.log(run_id, batch),
            Operation::PutArtifact { .. } => {}
            Operation::UpdateRun { run_id, .. }
            | Operation::DeleteTag { run_id, .. }
            | Operation::LogInputs { run_id, .. }
            | Operation::LogOutputs { run_id, .. }
            | Operation::RecordModel { run_id, .. } => {
                if let Some(local) = self.runs.get_mut(run_id) {
                    change_run(&mut local.run, operation);
                }
            }
        }
    }

    fn log(&mut self, run_id: &str, batch: &LogBatch) {
        for judged in &batch.model_metrics {
            if let Some(model) = self.models.get_mut(&judged.model_id)
                && !model.metrics.contains(judged)
            {
                model.metrics.push(judged.clone());
            }
        }
        if let Some(local) = self.runs.get_mut(run_id) {
            add_points(local, &batch.metrics);
            add_params(&mut local.run.params, &batch.params);
            set_tags(&mut local.run, &batch.tags);
        }
    }
}

fn change_run(run: &mut Run, operation: &Operation) {
    match operation {
        Operation::UpdateRun { change, .. } => update(run, change),
        Operation::DeleteTag { key, .. } => run.tags.retain(|tag| tag.key != *key),
        Operation::LogInputs { inputs, .. } => {
            for input in &inputs.datasets {
                let known = run.dataset_inputs.iter_mut();
                match known
                    .into_iter()
                    .find(|known| known.dataset.id == input.dataset.id)
                {
                    Some(known) => known.tags = merged(std::mem::take(&mut known.tags), &input.tags),
                    None => run.dataset_inputs.push(input.clone()),
                }
            }
            run.dataset_inputs.sort_by(|a, b| a.dataset.id.cmp(&b.dataset.id));
            run.model_inputs.extend(inputs.models.iter().cloned());
            run.model_inputs.sort_by(|a, b| a.model_id.cmp(&b.model_id));
            run.model_inputs.dedup();
        }
        Operation::LogOutputs { outputs, .. } => {
            run.model_outputs.extend(outputs.models.iter().cloned());
            run.model_outputs
                .sort_by(|a, b| (&a.model_id, a.step).cmp(&(&b.model_id, b.step)));
            run.model_outputs.dedup();
        }
        Operation::RecordModel { model, .. } => {
            let list = run.tag(TAG_LOGGED_MODELS).unwrap_or("[]");
            let mut list: Vec<Value> = serde_json::from_str(list).unwrap_or_default();
            list.push(model.clone());
            set_tags(run, &[Tag::new(TAG_LOGGED_MODELS, Value::from(list))]);
        }
        _ => {}
    }
}

fn update(run: &mut Run, change: &UpdateRun) {
    let info = &mut run.info;
    info.status = change.status.unwrap_or(info.status);
    info.end_time_ms = change.end_time_ms.or(info.end_time_ms);
    if let Some(owner) = &change.owner {
        info.owner = Some(owner.clone());
    }
    if let Some(name) = &change.run_name {
        set_tags(run, &[Tag::new(TAG_RUN_NAME, name)]);
    }
}

fn new_experiment(local_id: &str, request: CreateExperiment, at_ms: i64) -> Experiment {
    Experiment {
        experiment_id: local_id.to_owned(),
        name: request.name,
        artifact_location: request
            .artifact_location
            .unwrap_or_else(|| experiment_uri(local_id)),
        lifecycle_stage: LifecycleStage::Active,
        creation_time_ms: at_ms,
        last_update_time_ms: at_ms,
        tags: merged(Vec::new(), &request.tags),
    }
}

fn new_run(local_id: &str, request: CreateRun) -> Run {
    let name = request.run_name.unwrap_or_default();
    let mut tags = merged(request.tags, &[Tag::new(TAG_RUN_NAME, &name)]);
    if let Some(parent) = &request.parent_run_id {
        tags = merged(tags, &[Tag::new(TAG_PARENT_RUN_ID, parent)]);
    }
    Run {
        info: RunInfo {
            run_id: local_id.to_owned(),
            run_name: name,
            experiment_id: request.experiment_id,
            user_id: request.user_id,
            status: RunStatus::Running,
            start_time_ms: request.start_time_ms,
            end_time_ms: None,
            lifecycle_stage: LifecycleStage::Active,
            artifact_uri: run_uri(local_id),
            owner: request.owner,
        },
        metrics: Vec::new(),
        params: Vec::new(),
        tags,
        dataset_inputs: Vec::new(),
        model_inputs: Vec::new(),
        model_outputs: Vec::new(),
    }
}

fn check_params(owner: &str, known: &[Param], new: &[Param]) -> Result<()> {
    for param in new {
        let stored = known.iter().find(|stored| stored.key == param.key);
        if let Some(stored) = stored.filter(|stored| stored.value != param.value) {
            return Err(TrackingError::ParamChanged {
                run_id: owner.to_owned(),
                key: param.key.clone(),
                stored: stored.value.clone(),
                given: param.value.clone(),
            });
        }
    }
    Ok(())
}

fn add_params(known: &mut Vec<Param>, new: &[Param]) {
    let fresh: Vec<Param> = new
        .iter()
        .filter(|param| !known.contains(param))
        .cloned()
        .collect();
    known.extend(fresh);
    known.sort_by(|a, b| a.key.cmp(&b.key));
}

fn set_tags(run: &mut Run, tags: &[Tag]) {
    run.tags = merged(std::mem::take(&mut run.tags), tags);
    if let Some(name) = tags.iter().rfind(|tag| tag.key == TAG_RUN_NAME) {
        run.info.run_name.clone_from(&name.value);
    }
}

/// Returns the tags sorted by key; of two with one key the new one counts, and of two new ones the last.
fn merged(known: Vec<Tag>, new: &[Tag]) -> Vec<Tag> {
    let all = known.into_iter().chain(new.iter().cloned());
    let by_key: BTreeMap<String, String> = all.map(|tag| (tag.key, tag.value)).collect();
    by_key
        .into_iter()
        .map(|(key, value)| Tag { key, value })
        .collect()
}

fn add_points(local: &mut LocalRun, points: &[Metric]) {
    for point in points {
        let place = |known: &Metric| {
            let by_time = (known.timestamp_ms, known.step).cmp(&(point.timestamp_ms, point.step));
            by_time.then_with(|| known.value.total_cmp(&point.value))
        };
        let history = local.history.entry(point.key.clone()).or_default();
        if let Err(at) = history.binary_search_by(place) {
            history.insert(at, point.clone());
        }
        let latest = &mut local.run.metrics;
        match latest.binary_search_by(|known| known.key.cmp(&point.key)) {
            Ok(at) if latest[at].cmp_latest(point).is_lt() => latest[at] = point.clone(),
            Ok(_) => {}
            Err(at) => latest.insert(at, point.clone()),
        }
    }
}
