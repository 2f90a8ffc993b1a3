//! [`MemoryStore`]: records that live as long as the process. For tests, simulations and throw-away clusters.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;

use crate::entities::{
    DEFAULT_EXPERIMENT_NAME, Experiment, LifecycleStage, Metric, Param, Run, RunInfo, RunStatus,
    TAG_END_REASON, TAG_RUN_NAME, Tag,
};
use crate::environment::{Environment, SystemEnvironment};
use crate::error::TrackingError;
use crate::page::{ExperimentCursor, HistoryCursor, Page, RunCursor};
use crate::store::rules::{self, RunIdentity};
use crate::store::{
    CloseOrphans, CreateExperiment, CreateRun, ListExperiments, ListRuns, LogBatch, MetricHistory, Result,
    TrackingStore, UpdateRun,
};
use crate::validate::{self, ValidBatch};

mod stored_run;

use stored_run::StoredRun;

/// A [`TrackingStore`] in memory. Needs no runtime and starts no thread, so it works under a paused clock.
#[derive(Debug)]
pub struct MemoryStore {
    environment: Arc<dyn Environment>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By number, without gaps: experiments are never removed.
    experiments: BTreeMap<i64, Experiment>,
    /// By run id.
    runs: BTreeMap<String, StoredRun>,
}

impl MemoryStore {
    /// Returns a store with nothing but the default experiment.
    #[expect(
        clippy::new_without_default,
        reason = "a store is made on purpose, never by filling in a default"
    )]
    pub fn new() -> Self {
        MemoryStore::with_environment(Arc::new(SystemEnvironment))
    }

    /// Returns a store that takes time and randomness from `environment`.
    pub fn with_environment(environment: Arc<dyn Environment>) -> Self {
        let mut state = State::default();
        state.add_experiment(
            CreateExperiment::named(DEFAULT_EXPERIMENT_NAME),
            environment.now_ms(),
        );
        MemoryStore {
            environment,
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Changes are made only after every check has passed, so a panic leaves no half-made change behind.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[async_trait]
impl TrackingStore for MemoryStore {
    async fn create_experiment(&self, request: CreateExperiment) -> Result<Experiment> {
        let request = validate::create_experiment(request)?;
        let mut state = self.lock();
        if let Some(existing) = state.experiment_named(&request.name) {
            return Err(rules::experiment_exists(existing.clone()));
        }
        Ok(state.add_experiment(request, self.environment.now_ms()))
    }

    async fn get_experiment(&self, experiment_id: &str) -> Result<Experiment> {
        self.lock().experiment(experiment_id).cloned()
    }

    async fn get_experiment_by_name(&self, name: &str) -> Result<Option<Experiment>> {
        Ok(self.lock().experiment_named(name).cloned())
    }

    async fn get_or_create_experiment(&self, name: &str) -> Result<Experiment> {
        let request = validate::create_experiment(CreateExperiment::named(name))?;
        let mut state = self.lock();
        match state.experiment_named(name) {
            Some(existing) => rules::check_experiment_is_active(existing).map(|()| existing.clone()),
            None => Ok(state.add_experiment(request, self.environment.now_ms())),
        }
    }

    async fn list_experiments(&self, request: ListExperiments) -> Result<Page<Experiment>> {
        validate::max_results(request.max_results, validate::MAX_SEARCH_RESULTS)?;
        let cursor = request
            .page_token
            .as_deref()
            .map(ExperimentCursor::parse)
            .transpose()?;
        let state = self.lock();
        let items = state
            .experiments
            .range(..cursor.map_or(i64::MAX, |cursor| cursor.number))
            .rev()
            .map(|(_, experiment)| experiment)
            .filter(|experiment| request.view.shows(experiment.lifecycle_stage))
            .take(request.max_results + 1)
            .cloned()
            .collect();
        Ok(Page::from_lookahead(
            items,
            request.max_results,
            ExperimentCursor::token_after,
        ))
    }

    async fn delete_experiment(&self, experiment_id: &str) -> Result<()> {
        self.lock()
            .move_experiment(experiment_id, LifecycleStage::Deleted, self.environment.now_ms())
    }

    async fn restore_experiment(&self, experiment_id: &str) -> Result<()> {
        self.lock()
            .move_experiment(experiment_id, LifecycleStage::Active, self.environment.now_ms())
    }

    async fn create_run(&self, request: CreateRun) -> Result<Run> {
        let request = validate::create_run(request)?;
        let identity = RunIdentity::draw(&*self.environment);
        let mut state = self.lock();
        if let Some(parent) = &request.parent_run_id {
            state.run(parent)?;
        }
        let experiment = state.experiment(&request.experiment_id)?;
        rules::check_experiment_is_active(experiment)?;
        let run = rules::new_run(identity, request, experiment);
        state.runs.insert(run.info.run_id.clone(), StoredRun::new(&run));
        Ok(run)
    }

    async fn get_run(&self, run_id: &str) -> Result<Run> {
        self.lock().run(run_id).map(StoredRun::to_run)
    }

    async fn update_run(&self, run_id: &str, change: UpdateRun) -> Result<RunInfo> {
        validate::update_run(&change)?;
        let mut state = self.lock();
        let run = state.active_run_mut(run_id)?;
        rules::update(&mut run.info, change);
        run.set_tag(Tag::new(TAG_RUN_NAME, &run.info.run_name));
        Ok(run.info.clone())
    }

    async fn list_runs(&self, request: ListRuns) -> Result<Page<Run>> {
        validate::max_results(request.max_results, validate::MAX_SEARCH_RESULTS)?;
        let cursor = request.page_token.as_deref().map(RunCursor::parse).transpose()?;
        let state = self.lock();
        let is_wanted = |info: &RunInfo| {
            (request.experiment_ids.is_empty() || request.experiment_ids.contains(&info.experiment_id))
                && (request.statuses.is_empty() || request.statuses.contains(&info.status))
                && request.view.shows(info.lifecycle_stage)
                && cursor.as_ref().is_none_or(|cursor| cursor.is_before(info))
        };
        let mut found: Vec<&StoredRun> = state.runs.values().filter(|run| is_wanted(&run.info)).collect();
        // The map is sorted by id and the sort is stable: equal starts stay ordered by id.
        found.sort_by_key(|run| std::cmp::Reverse(run.info.start_time_ms));
        let items = found
            .into_iter()
            .take(request.max_results + 1)
            .map(StoredRun::to_run)
            .collect();
        Ok(Page::from_lookahead(
            items,
            request.max_results,
            RunCursor::token_after,
        ))
    }

    async fn delete_run(&self, run_id: &str) -> Result<()> {
        self.lock().run_mut(run_id)?.info.lifecycle_stage = LifecycleStage::Deleted;
        Ok(())
    }

    async fn restore_run(&self, run_id: &str) -> Result<()> {
        self.lock().run_mut(run_id)?.info.lifecycle_stage = LifecycleStage::Active;
        Ok(())
    }

    async fn log_batch(&self, run_id: &str, batch: LogBatch) -> Result<()> {
        let batch = ValidBatch::check(batch)?;
        self.lock().active_run_mut(run_id)?.log(batch)
    }

    async fn metric_history(&self, request: MetricHistory) -> Result<Page<Metric>> {
        validate::max_results(request.max_results, validate::MAX_HISTORY_RESULTS)?;
        let cursor = request
            .page_token
            .as_deref()
            .map(HistoryCursor::parse)
            .transpose()?;
        let state = self.lock();
        let points = state.run(&request.run_id)?.history_after(&request.key, cursor);
        let items = points.iter().take(request.max_results + 1).cloned().collect();
        Ok(Page::from_lookahead(
            items,
            request.max_results,
            HistoryCursor::token_after,
        ))
    }

    async fn close_orphans(&self, request: CloseOrphans) -> Result<Vec<String>> {
        validate::close_orphans(&request)?;
        let mut state = self.lock();
        let orphans = state.runs.values_mut().filter(|run| {
            !run.info.status.is_terminal() && request.owners.include(run.info.owner.as_deref())
        });
        let close = |run: &mut StoredRun| {
            rules::update(
                &mut run.info,
                UpdateRun::end(RunStatus::Failed, request.end_time_ms),
            );
            run.set_tag(Tag::new(TAG_END_REASON, &request.reason));
            run.info.run_id.clone()
        };
        Ok(orphans.map(close).collect())
    }
}

impl State {
    fn experiment(&self, experiment_id: &str) -> Result<&Experiment> {
        let number = rules::experiment_number(experiment_id)?;
        self.experiments
            .get(&number)
            .ok_or_else(|| TrackingError::ExperimentNotFound {
                experiment: experiment_id.to_owned(),
            })
    }

    fn experiment_named(&self, name: &str) -> Option<&Experiment> {
        self.experiments
            .values()
            .find(|experiment| experiment.name == name)
    }

    fn add_experiment(&mut self, request: CreateExperiment, now_ms: i64) -> Experiment {
        let number = self
            .experiments
            .last_key_value()
            .map_or(0, |(number, _)| number + 1);
        let experiment = rules::new_experiment(number, request, now_ms);
        self.experiments.insert(number, experiment.clone());
        experiment
    }

    fn move_experiment(&mut self, experiment_id: &str, stage: LifecycleStage, now_ms: i64) -> Result<()> {
        let number = rules::experiment_number(experiment_id)?;
        let experiment =
            self.experiments
                .get_mut(&number)
                .ok_or_else(|| TrackingError::ExperimentNotFound {
                    experiment: experiment_id.to_owned(),
                })?;
        if experiment.lifecycle_stage == stage {
            return Ok(());
        }
        experiment.lifecycle_stage = stage;
        experiment.last_update_time_ms = now_ms;
        for run in self
            .runs
            .values_mut()
            .filter(|run| run.info.experiment_id == experiment_id)
        {
            run.info.lifecycle_stage = stage;
        }
        Ok(())
    }

    fn run(&self, run_id: &str) -> Result<&StoredRun> {
        self.runs.get(run_id).ok_or_else(|| TrackingError::RunNotFound {
            run_id: run_id.to_owned(),
        })
    }

    fn run_mut(&mut self, run_id: &str) -> Result<&mut StoredRun> {
        self.runs
            .get_mut(run_id)
            .ok_or_else(|| TrackingError::RunNotFound {
                run_id: run_id.to_owned(),
            })
    }

    fn active_run_mut(&mut self, run_id: &str) -> Result<&mut StoredRun> {
        let run = self.run_mut(run_id)?;
        rules::check_run_is_active(&run.info)?;
        Ok(run)
    }
}
