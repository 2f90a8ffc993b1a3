//! [`TrackingStore`] for [`SqlStore`]: each call is checked, then sent to the writer or to a reader.

use std::sync::Arc;

use async_trait::async_trait;

use super::rules::{ModelIdentity, RunIdentity};
use super::session::Session;
use super::{SqlStore, curves, experiments, leases, lineage, logged_models, logging, runs, searches};
use crate::entities::{
    Experiment, LifecycleStage, LoggedModel, LoggedModelStatus, Metric, MetricSummary, Param, Run, RunInfo,
    Tag,
};
use crate::page::{HistoryCursor, Page};
use crate::store::{
    CreateExperiment, CreateLoggedModel, CreateRun, LogBatch, LogInputs, LogOutputs, MetricHistory, Result,
    SearchExperiments, SearchLoggedModels, SearchRuns, TrackingStore, UpdateRun,
};
use crate::validate::{self, ValidBatch};

#[async_trait]
impl TrackingStore for SqlStore {
    async fn create_experiment(&self, request: CreateExperiment) -> Result<Experiment> {
        let request = validate::create_experiment(request)?;
        let now_ms = self.environment.now_ms();
        let work = move |db: &dyn Session| experiments::create(db, request, now_ms);
        self.pool.write("creating an experiment", work).await
    }

    async fn get_experiment(&self, experiment_id: &str) -> Result<Experiment> {
        let experiment_id = experiment_id.to_owned();
        let work = move |db: &dyn Session| experiments::get(db, &experiment_id);
        self.pool.read("reading an experiment", work).await
    }

    async fn get_experiment_by_name(&self, name: &str) -> Result<Option<Experiment>> {
        let name = name.to_owned();
        let work = move |db: &dyn Session| experiments::find_by_name(db, &name);
        self.pool.read("finding an experiment", work).await
    }

    async fn get_or_create_experiment(&self, name: &str) -> Result<Experiment> {
        let request = validate::create_experiment(CreateExperiment::named(name))?;
        let now_ms = self.environment.now_ms();
        let work = move |db: &dyn Session| experiments::get_or_create(db, request, now_ms);
        self.pool.write("finding or creating an experiment", work).await
    }

    async fn search_experiments(&self, request: SearchExperiments) -> Result<Page<Experiment>> {
        validate::max_results(request.search.max_results, validate::MAX_SEARCH_RESULTS)?;
        let work = move |db: &dyn Session| searches::experiments(db, &request);
        self.pool.read("searching experiments", work).await
    }

    async fn rename_experiment(&self, experiment_id: &str, name: &str) -> Result<()> {
        validate::experiment_name(name)?;
        let (experiment_id, name) = (experiment_id.to_owned(), name.to_owned());
        let now_ms = self.environment.now_ms();
        let work = move |db: &dyn Session| experiments::rename(db, &experiment_id, &name, now_ms);
        self.pool.write("renaming an experiment", work).await
    }

    async fn set_experiment_tag(&self, experiment_id: &str, tag: Tag) -> Result<()> {
        validate::experiment_tag(&tag)?;
        let experiment_id = experiment_id.to_owned();
        let now_ms = self.environment.now_ms();
        let work = move |db: &dyn Session| experiments::set_tag(db, &experiment_id, &tag, now_ms);
        self.pool.write("tagging an experiment", work).await
    }

    async fn delete_experiment_tag(&self, experiment_id: &str, key: &str) -> Result<()> {
        let (experiment_id, key) = (experiment_id.to_owned(), key.to_owned());
        let now_ms = self.environment.now_ms();
        let work = move |db: &dyn Session| experiments::delete_tag(db, &experiment_id, &key, now_ms);
        self.pool.write("removing an experiment's tag", work).await
    }

    async fn delete_experiment(&self, experiment_id: &str) -> Result<()> {
        self.move_experiment("deleting an experiment", experiment_id, LifecycleStage::Deleted)
            .await
    }

    async fn restore_experiment(&self, experiment_id: &str) -> Result<()> {
        self.move_experiment("restoring an experiment", experiment_id, LifecycleStage::Active)
            .await
    }

    async fn create_run(&self, request: CreateRun) -> Result<Run> {
        let request = validate::create_run(request)?;
        let identity = RunIdentity::draw(&*self.environment);
        let work = move |db: &dyn Session| runs::create(db, identity, request);
        self.pool.write("creating a run", work).await
    }

    async fn get_run(&self, run_id: &str) -> Result<Run> {
        let run_id = run_id.to_owned();
        let cache = Arc::clone(&self.run_cache);
        let work = move |db: &dyn Session| runs::get(db, &cache, &run_id);
        self.pool.read("reading a run", work).await
    }

    async fn update_run(&self, run_id: &str, change: UpdateRun) -> Result<RunInfo> {
        validate::update_run(&change)?;
        let run_id = run_id.to_owned();
        let work = move |db: &dyn Session| runs::update(db, &run_id, change);
        self.pool.write("updating a run", work).await
    }

    async fn search_runs(&self, request: SearchRuns) -> Result<Page<Run>> {
        validate::max_results(request.search.max_results, validate::MAX_SEARCH_RESULTS)?;
        let cache = Arc::clone(&self.run_cache);
        let work = move |db: &dyn Session| searches::runs(db, &cache, &request);
        self.pool.read("searching runs", work).await
    }

    async fn delete_run(&self, run_id: &str) -> Result<()> {
        let run_id = run_id.to_owned();
        let work = move |db: &dyn Session| runs::move_to(db, &run_id, LifecycleStage::Deleted);
        self.pool.write("deleting a run", work).await
    }

    async fn restore_run(&self, run_id: &str) -> Result<()> {
        let run_id = run_id.to_owned();
        let work = move |db: &dyn Session| runs::move_to(db, &run_id, LifecycleStage::Active);
        self.pool.write("restoring a run", work).await
    }

    async fn log_batch(&self, run_id: &str, batch: LogBatch) -> Result<()> {
        let batch = ValidBatch::check(batch)?;
        let run_id = run_id.to_owned();
        let work = move |db: &dyn Session| logging::log_batch(db, &run_id, &batch);
        self.pool.write("logging to a run", work).await
    }

    async fn delete_tag(&self, run_id: &str, key: &str) -> Result<()> {
        let (run_id, key) = (run_id.to_owned(), key.to_owned());
        let work = move |db: &dyn Session| logging::delete_tag(db, &run_id, &key);
        self.pool.write("removing a run's tag", work).await
    }

    async fn metric_history(&self, request: MetricHistory) -> Result<Page<Metric>> {
        validate::max_results(request.max_results, validate::MAX_HISTORY_RESULTS)?;
        let cursor = request
            .page_token
            .as_deref()
            .map(HistoryCursor::parse)
            .transpose()?;
        let work = move |db: &dyn Session| curves::history(db, &request, cursor);
        self.pool.read("reading a metric", work).await
    }

    async fn metric_summaries(&self, run_id: &str) -> Result<Vec<MetricSummary>> {
        let run_id = run_id.to_owned();
        let work = move |db: &dyn Session| curves::summaries(db, &run_id);
        self.pool.read("reading a run's metrics", work).await
    }

    async fn log_inputs(&self, run_id: &str, inputs: LogInputs) -> Result<()> {
        validate::log_inputs(&inputs)?;
        let run_id = run_id.to_owned();
        let work = move |db: &dyn Session| lineage::log_inputs(db, &run_id, &inputs);
        self.pool.write("logging a run's inputs", work).await
    }

    async fn log_outputs(&self, run_id: &str, outputs: LogOutputs) -> Result<()> {
        let run_id = run_id.to_owned();
        let work = move |db: &dyn Session| lineage::log_outputs(db, &run_id, &outputs);
        self.pool.write("logging a run's outputs", work).await
    }

    async fn record_model(&self, run_id: &str, model: serde_json::Value) -> Result<()> {
        let run_id = run_id.to_owned();
        let work = move |db: &dyn Session| logging::record_model(db, &run_id, model);
        self.pool.write("recording a run's model", work).await
    }

    async fn create_logged_model(&self, request: CreateLoggedModel) -> Result<LoggedModel> {
        let request = validate::create_logged_model(request)?;
        let identity = ModelIdentity::draw(&*self.environment);
        let now_ms = self.environment.now_ms();
        let work = move |db: &dyn Session| logged_models::create(db, identity, request, now_ms);
        self.pool.write("creating a logged model", work).await
    }

    async fn get_logged_model(&self, model_id: &str) -> Result<LoggedModel> {
        let model_id = model_id.to_owned();
        let work = move |db: &dyn Session| logged_models::get(db, &model_id);
        self.pool.read("reading a logged model", work).await
    }

    async fn finalize_logged_model(&self, model_id: &str, status: LoggedModelStatus) -> Result<LoggedModel> {
        let model_id = model_id.to_owned();
        let now_ms = self.environment.now_ms();
        let work = move |db: &dyn Session| logged_models::finalize(db, &model_id, status, now_ms);
        self.pool.write("changing a logged model's status", work).await
    }

    async fn delete_logged_model(&self, model_id: &str) -> Result<()> {
        let model_id = model_id.to_owned();
        let now_ms = self.environment.now_ms();
        let work = move |db: &dyn Session| logged_models::delete(db, &model_id, now_ms);
        self.pool.write("deleting a logged model", work).await
    }

    async fn set_logged_model_tags(&self, model_id: &str, tags: Vec<Tag>) -> Result<()> {
        let tags = validate::logged_model_tags(tags)?;
        let model_id = model_id.to_owned();
        let now_ms = self.environment.now_ms();
        let work = move |db: &dyn Session| logged_models::set_tags(db, &model_id, &tags, now_ms);
        self.pool.write("tagging a logged model", work).await
    }

    async fn delete_logged_model_tag(&self, model_id: &str, key: &str) -> Result<()> {
        let (model_id, key) = (model_id.to_owned(), key.to_owned());
        let now_ms = self.environment.now_ms();
        let work = move |db: &dyn Session| logged_models::delete_tag(db, &model_id, &key, now_ms);
        self.pool.write("removing a logged model's tag", work).await
    }

    async fn log_logged_model_params(&self, model_id: &str, params: Vec<Param>) -> Result<()> {
        let params = validate::logged_model_params(params)?;
        let model_id = model_id.to_owned();
        let now_ms = self.environment.now_ms();
        let work = move |db: &dyn Session| logged_models::log_params(db, &model_id, &params, now_ms);
        self.pool.write("logging a logged model's parameters", work).await
    }

    async fn search_logged_models(&self, request: SearchLoggedModels) -> Result<Page<LoggedModel>> {
        validate::search_logged_models(&request)?;
        let work = move |db: &dyn Session| searches::logged_models(db, &request);
        self.pool.read("searching logged models", work).await
    }

    async fn renew_lease(&self, owner: &str, until_ms: i64) -> Result<()> {
        validate::owner(owner)?;
        let owner = owner.to_owned();
        let work = move |db: &dyn Session| leases::renew(db, &owner, until_ms);
        self.pool.write("renewing a lease", work).await
    }

    async fn close_orphans(&self, now_ms: i64) -> Result<Vec<String>> {
        let work = move |db: &dyn Session| leases::close_orphans(db, now_ms);
        self.pool.write("closing orphaned runs", work).await
    }
}

impl SqlStore {
    async fn move_experiment(
        &self,
        action: &'static str,
        experiment_id: &str,
        stage: LifecycleStage,
    ) -> Result<()> {
        let experiment_id = experiment_id.to_owned();
        let now_ms = self.environment.now_ms();
        let work = move |db: &dyn Session| experiments::move_to(db, &experiment_id, stage, now_ms);
        self.pool.write(action, work).await
    }
}
