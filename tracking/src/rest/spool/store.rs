//! [`TrackingStore`] on the spool: runs of the folder are read from the folder's view and written to the folder; calls
//! about anything else go to the server, with the server's ids put in place of local ones.

use async_trait::async_trait;
use serde_json::Value;

use super::SpooledStore;
use super::operation::Operation;
use crate::entities::{
    Experiment, LoggedModel, LoggedModelStatus, Metric, MetricSummary, Param, Run, RunInfo, Tag,
};
use crate::error::TrackingError;
use crate::page::Page;
use crate::rest::summaries::summarise;
use crate::run_name;
use crate::store::{
    CreateExperiment, CreateLoggedModel, CreateRun, LogBatch, LogInputs, LogOutputs, MetricHistory, Result,
    SearchExperiments, SearchLoggedModels, SearchRuns, TrackingStore, UpdateRun,
};
use crate::validate::{self, ValidBatch};

/// 32 random hexadecimal digits, which occur nowhere else.
fn fresh_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

impl SpooledStore {
    fn has_run(&self, run_id: &str) -> bool {
        self.shared.view().run(run_id).is_some()
    }

    fn has_model(&self, model_id: &str) -> bool {
        self.shared.view().models.contains_key(model_id)
    }

    /// Returns the server's id for calls that go straight to the server.
    fn on_server(&self, id: &str) -> Result<String> {
        if let Some(server_id) = self.server_id(id) {
            return Ok(server_id);
        }
        let view = self.shared.view();
        if view.experiments.contains_key(id) || view.runs.contains_key(id) || view.models.contains_key(id) {
            return Err(TrackingError::WrongState {
                message: format!("{id} is not delivered to the server {} yet", self.rest.uri()),
            });
        }
        Ok(id.to_owned())
    }

    fn local_model(&self, model_id: &str) -> Result<LoggedModel> {
        let view = self.shared.view();
        let found = view.models.get(model_id).cloned();
        found.ok_or_else(|| TrackingError::not_found(format!("Logged Model with ID '{model_id}' not found")))
    }

    fn local_run(&self, run_id: &str) -> Option<Run> {
        self.shared.view().run(run_id).map(|local| local.run.clone())
    }
}

#[async_trait]
impl TrackingStore for SpooledStore {
    async fn create_experiment(&self, request: CreateExperiment) -> Result<Experiment> {
        let request = validate::create_experiment(request)?;
        let experiment_id = format!("local-{}", fresh_id());
        let operation = Operation::CreateExperiment {
            experiment_id: experiment_id.clone(),
            request,
        };
        self.shared.record(operation).await?;
        self.get_experiment(&experiment_id).await
    }

    async fn get_experiment(&self, experiment_id: &str) -> Result<Experiment> {
        let local = self.shared.view().experiments.get(experiment_id).cloned();
        match local {
            Some(experiment) => Ok(experiment),
            None => self.rest.get_experiment(experiment_id).await,
        }
    }

    async fn get_experiment_by_name(&self, name: &str) -> Result<Option<Experiment>> {
        let local = self.shared.view().experiment_named(name).cloned();
        match local {
            Some(experiment) => Ok(Some(experiment)),
            None => self.rest.get_experiment_by_name(name).await,
        }
    }

    /// Does not ask the server. Whether the experiment is deleted there shows at delivery.
    async fn get_or_create_experiment(&self, name: &str) -> Result<Experiment> {
        let local = self.shared.view().experiment_named(name).cloned();
        if let Some(experiment) = local {
            return Ok(experiment);
        }
        let request = validate::create_experiment(CreateExperiment::named(name))?;
        let experiment_id = format!("local-{}", fresh_id());
        let operation = Operation::EnsureExperiment {
            experiment_id: experiment_id.clone(),
            name: request.name,
        };
        self.shared.record(operation).await?;
        self.get_experiment(&experiment_id).await
    }

    async fn search_experiments(&self, request: SearchExperiments) -> Result<Page<Experiment>> {
        self.rest.search_experiments(request).await
    }

    async fn rename_experiment(&self, experiment_id: &str, name: &str) -> Result<()> {
        let id = self.on_server(experiment_id)?;
        self.rest.rename_experiment(&id, name).await
    }

    async fn set_experiment_tag(&self, experiment_id: &str, tag: Tag) -> Result<()> {
        let id = self.on_server(experiment_id)?;
        self.rest.set_experiment_tag(&id, tag).await
    }

    async fn delete_experiment_tag(&self, experiment_id: &str, key: &str) -> Result<()> {
        let id = self.on_server(experiment_id)?;
        self.rest.delete_experiment_tag(&id, key).await
    }

    async fn delete_experiment(&self, experiment_id: &str) -> Result<()> {
        let id = self.on_server(experiment_id)?;
        self.rest.delete_experiment(&id).await
    }

    async fn restore_experiment(&self, experiment_id: &str) -> Result<()> {
        let id = self.on_server(experiment_id)?;
        self.rest.restore_experiment(&id).await
    }

    async fn create_run(&self, request: CreateRun) -> Result<Run> {
        let mut request = validate::create_run(request)?;
        // The server would give another name than the one that was shown here.
        request
            .run_name
            .get_or_insert_with(|| run_name::generate(rand::random()));
        let run_id = fresh_id();
        let operation = Operation::CreateRun {
            run_id: run_id.clone(),
            request,
        };
        self.shared.record(operation).await?;
        self.get_run(&run_id).await
    }

    async fn get_run(&self, run_id: &str) -> Result<Run> {
        match self.local_run(run_id) {
            Some(run) => Ok(run),
            None => self.rest.get_run(run_id).await,
        }
    }

    async fn update_run(&self, run_id: &str, change: UpdateRun) -> Result<RunInfo> {
        if !self.has_run(run_id) {
            return self.rest.update_run(run_id, change).await;
        }
        validate::update_run(&change)?;
        let operation = Operation::UpdateRun {
            run_id: run_id.to_owned(),
            change,
        };
        self.shared.record(operation).await?;
        Ok(self.get_run(run_id).await?.info)
    }

    async fn search_runs(&self, mut request: SearchRuns) -> Result<Page<Run>> {
        for id in request.experiment_ids.iter_mut().flatten() {
            *id = self.on_server(id)?;
        }
        self.rest.search_runs(request).await
    }

    async fn delete_run(&self, run_id: &str) -> Result<()> {
        let id = self.on_server(run_id)?;
        self.rest.delete_run(&id).await
    }

    async fn restore_run(&self, run_id: &str) -> Result<()> {
        let id = self.on_server(run_id)?;
        self.rest.restore_run(&id).await
    }

    async fn log_batch(&self, run_id: &str, batch: LogBatch) -> Result<()> {
        if !self.has_run(run_id) {
            return self.rest.log_batch(run_id, batch).await;
        }
        let valid = ValidBatch::check(batch)?;
        let batch = LogBatch {
            metrics: valid.metrics,
            params: valid.params,
            tags: valid.tags,
            model_metrics: valid.model_metrics,
        };
        let run_id = run_id.to_owned();
        self.shared.record(Operation::LogBatch { run_id, batch }).await
    }

    async fn delete_tag(&self, run_id: &str, key: &str) -> Result<()> {
        if !self.has_run(run_id) {
            return self.rest.delete_tag(run_id, key).await;
        }
        let (run_id, key) = (run_id.to_owned(), key.to_owned());
        self.shared.record(Operation::DeleteTag { run_id, key }).await
    }

    async fn metric_history(&self, request: MetricHistory) -> Result<Page<Metric>> {
        if !self.has_run(&request.run_id) {
            return self.rest.metric_history(request).await;
        }
        validate::max_results(request.max_results, validate::MAX_HISTORY_RESULTS)?;
        // Here a token is a count: points of a living run may arrive before it, but none goes away.
        let seen = request.page_token.map_or(Ok(0), |token| {
            let unreadable =
                |_| TrackingError::invalid("page_token", format!("{token:?} was not made by this listing"));
            token.parse::<usize>().map_err(unreadable)
        })?;
        let view = self.shared.view();
        let history = view
            .run(&request.run_id)
            .and_then(|local| local.history.get(&request.key));
        let points = history.map_or(&[][..], Vec::as_slice);
        let end = seen.saturating_add(request.max_results);
        Ok(Page {
            items: points
                .iter()
                .skip(seen)
                .take(request.max_results)
                .cloned()
                .collect(),
            next_page_token: (end < points.len()).then(|| end.to_string()),
        })
    }

    async fn metric_summaries(&self, run_id: &str) -> Result<Vec<MetricSummary>> {
        let local = self.shared.view().run(run_id).map(|local| {
            let curves = local.history.iter();
            curves
                .filter_map(|(key, points)| summarise(key, points))
                .collect()
        });
        match local {
            Some(summaries) => Ok(summaries),
            None => self.rest.metric_summaries(run_id).await,
        }
    }

    async fn log_inputs(&self, run_id: &str, inputs: LogInputs) -> Result<()> {
        if !self.has_run(run_id) {
            return self.rest.log_inputs(run_id, inputs).await;
        }
        let run_id = run_id.to_owned();
        self.shared.record(Operation::LogInputs { run_id, inputs }).await
    }

    async fn log_outputs(&self, run_id: &str, outputs: LogOutputs) -> Result<()> {
        if !self.has_run(run_id) {
            return self.rest.log_outputs(run_id, outputs).await;
        }
        let run_id = run_id.to_owned();
        self.shared
            .record(Operation::LogOutputs { run_id, outputs })
            .await
    }

    async fn record_model(&self, run_id: &str, model: Value) -> Result<()> {
        if !self.has_run(run_id) {
            return self.rest.record_model(run_id, model).await;
        }
        let run_id = run_id.to_owned();
        self.shared.record(Operation::RecordModel { run_id, model }).await
    }

    async fn create_logged_model(&self, request: CreateLoggedModel) -> Result<LoggedModel> {
        let mut request = validate::create_logged_model(request)?;
        request
            .name
            .get_or_insert_with(|| run_name::generate(rand::random()));
        let model_id = format!("m-{}", fresh_id());
        let operation = Operation::CreateLoggedModel {
            model_id: model_id.clone(),
            request,
        };
        self.shared.record(operation).await?;
        self.local_model(&model_id)
    }

    async fn get_logged_model(&self, model_id: &str) -> Result<LoggedModel> {
        if !self.has_model(model_id) {
            return self.rest.get_logged_model(model_id).await;
        }
        self.local_model(model_id)
    }

    async fn finalize_logged_model(&self, model_id: &str, status: LoggedModelStatus) -> Result<LoggedModel> {
        if !self.has_model(model_id) {
            return self.rest.finalize_logged_model(model_id, status).await;
        }
        let operation = Operation::FinalizeLoggedModel {
            model_id: model_id.to_owned(),
            status,
        };
        self.shared.record(operation).await?;
        self.local_model(model_id)
    }

    async fn delete_logged_model(&self, model_id: &str) -> Result<()> {
        let id = self.on_server(model_id)?;
        self.rest.delete_logged_model(&id).await
    }

    async fn set_logged_model_tags(&self, model_id: &str, tags: Vec<Tag>) -> Result<()> {
        if !self.has_model(model_id) {
            return self.rest.set_logged_model_tags(model_id, tags).await;
        }
        let tags = validate::logged_model_tags(tags)?;
        let model_id = model_id.to_owned();
        self.shared
            .record(Operation::SetLoggedModelTags { model_id, tags })
            .await
    }

    async fn delete_logged_model_tag(&self, model_id: &str, key: &str) -> Result<()> {
        let id = self.on_server(model_id)?;
        self.rest.delete_logged_model_tag(&id, key).await
    }

    async fn log_logged_model_params(&self, model_id: &str, params: Vec<Param>) -> Result<()> {
        if !self.has_model(model_id) {
            return self.rest.log_logged_model_params(model_id, params).await;
        }
        let params = validate::logged_model_params(params)?;
        let model_id = model_id.to_owned();
        self.shared
            .record(Operation::LogLoggedModelParams { model_id, params })
            .await
    }

    async fn search_logged_models(&self, mut request: SearchLoggedModels) -> Result<Page<LoggedModel>> {
        for id in &mut request.experiment_ids {
            *id = self.on_server(id)?;
        }
        self.rest.search_logged_models(request).await
    }

    async fn renew_lease(&self, _owner: &str, _until_ms: i64) -> Result<()> {
        Ok(())
    }

    async fn close_orphans(&self, _now_ms: i64) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}
