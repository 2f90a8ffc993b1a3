//! [`TrackingStore`] over REST: one call each, but for what the protocol has no call for.

use std::collections::BTreeMap;

use async_trait::async_trait;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::RestStore;
use super::http::Call;
use super::stamp::Stamp;
use super::summaries::summarise;
use super::wire::{
    WireExperiment, WireLoggedModel, WireMetric, WireRun, WireRunInfo, batch_json, dataset_input_json,
};
use crate::entities::{
    Experiment, LifecycleStage, LoggedModel, LoggedModelStatus, Metric, MetricSummary, Param, Run, RunInfo,
    Tag, ViewType,
};
use crate::error::TrackingError;
use crate::page::Page;
use crate::search::OrderField;
use crate::store::{
    CreateExperiment, CreateLoggedModel, CreateRun, DatasetFilter, LogBatch, LogInputs, LogOutputs,
    MetricHistory, Result, Search, SearchExperiments, SearchLoggedModels, SearchRuns, TrackingStore,
    UpdateRun,
};

#[derive(Deserialize)]
struct ExperimentAnswer {
    experiment: WireExperiment,
}

#[derive(Deserialize)]
struct RunAnswer {
    run: WireRun,
}

#[derive(Deserialize)]
struct ModelAnswer {
    model: WireLoggedModel,
}

/// A page of anything: MLflow names the list after its content.
#[derive(Deserialize)]
#[serde(bound(deserialize = "W: Deserialize<'de>"))]
pub(super) struct WirePage<W> {
    #[serde(
        default = "Vec::new",
        alias = "experiments",
        alias = "runs",
        alias = "models",
        alias = "metrics",
        alias = "registered_models",
        alias = "model_versions",
        alias = "entries"
    )]
    items: Vec<W>,
    #[serde(default)]
    next_page_token: Option<String>,
}

impl<W> WirePage<W> {
    pub(super) fn page<T: From<W>>(self) -> Page<T> {
        Page {
            items: self.items.into_iter().map(T::from).collect(),
            next_page_token: self.next_page_token.filter(|token| !token.is_empty()),
        }
    }
}

pub(super) fn search_json(search: &Search) -> Value {
    let mut body = json!({
        "filter": search.filter,
        "order_by": search.order_by,
        "max_results": search.max_results,
    });
    if let Some(token) = &search.page_token {
        body["page_token"] = json!(token);
    }
    body
}

impl RestStore {
    /// The protocol has no word for "in every experiment".
    async fn all_experiment_ids(&self) -> Result<Vec<String>> {
        let mut request = SearchExperiments {
            view: ViewType::All,
            ..SearchExperiments::default()
        };
        let mut ids = Vec::new();
        loop {
            let page = self.search_experiments(request.clone()).await?;
            ids.extend(page.items.into_iter().map(|experiment| experiment.experiment_id));
            match page.next_page_token {
                Some(token) => request.search.page_token = Some(token),
                None => return Ok(ids),
            }
        }
    }

    /// MLflow does not find an experiment that is where it is to go. Here that is success, as it must be for a call that
    /// is repeated after a lost answer.
    async fn move_experiment(&self, experiment_id: &str, to: LifecycleStage) -> Result<()> {
        let path = match to {
            LifecycleStage::Deleted => "mlflow/experiments/delete",
            LifecycleStage::Active => "mlflow/experiments/restore",
        };
        let call = Call::post(path, json!({"experiment_id": experiment_id}));
        match self.http.tell(&call).await {
            Err(error @ TrackingError::NotFound { .. }) => {
                let experiment = self.get_experiment(experiment_id).await?;
                (experiment.lifecycle_stage == to).then_some(()).ok_or(error)
            }
            result => result,
        }
    }

    async fn whole_history(&self, run_id: &str, key: &str) -> Result<Vec<Metric>> {
        let mut request = MetricHistory::of(run_id, key);
        let mut points = Vec::new();
        loop {
            let page = self.metric_history(request.clone()).await?;
            points.extend(page.items);
            match page.next_page_token {
                Some(token) => request.page_token = Some(token),
                None => return Ok(points),
            }
        }
    }
}

#[async_trait]
impl TrackingStore for RestStore {
    async fn create_experiment(&self, request: CreateExperiment) -> Result<Experiment> {
        let id = self.make_experiment(request, &Stamp::fresh()).await?;
        self.get_experiment(&id).await
    }

    async fn get_experiment(&self, experiment_id: &str) -> Result<Experiment> {
        let call = Call::get("mlflow/experiments/get").query("experiment_id", experiment_id);
        Ok(self.http.call::<ExperimentAnswer>(&call).await?.experiment.into())
    }

    async fn get_experiment_by_name(&self, name: &str) -> Result<Option<Experiment>> {
        self.experiment_named(name).await
    }

    async fn get_or_create_experiment(&self, name: &str) -> Result<Experiment> {
        let experiment = match self.experiment_named(name).await? {
            Some(experiment) => experiment,
            None => match self.create_experiment(CreateExperiment::named(name)).await {
                // Somebody else was faster.
                Err(error @ TrackingError::Exists { .. }) => {
                    self.experiment_named(name).await?.ok_or(error)?
                }
                result => result?,
            },
        };
        match experiment.lifecycle_stage {
            LifecycleStage::Active => Ok(experiment),
            LifecycleStage::Deleted => Err(TrackingError::ExperimentDeleted {
                experiment_id: experiment.experiment_id,
            }),
        }
    }

    async fn search_experiments(&self, request: SearchExperiments) -> Result<Page<Experiment>> {
        let mut body = search_json(&request.search);
        body["view_type"] = json!(request.view);
        let call = Call::post("mlflow/experiments/search", body);
        Ok(self.http.call::<WirePage<WireExperiment>>(&call).await?.page())
    }

    async fn rename_experiment(&self, experiment_id: &str, name: &str) -> Result<()> {
        let body = json!({"experiment_id": experiment_id, "new_name": name});
        self.http
            .tell(&Call::post("mlflow/experiments/update", body))
            .await
    }

    async fn set_experiment_tag(&self, experiment_id: &str, tag: Tag) -> Result<()> {
        let body = json!({"experiment_id": experiment_id, "key": tag.key, "value": tag.value});
        self.http
            .tell(&Call::post("mlflow/experiments/set-experiment-tag", body))
            .await
    }

    async fn delete_experiment_tag(&self, experiment_id: &str, key: &str) -> Result<()> {
        let body = json!({"experiment_id": experiment_id, "key": key});
        self.http
            .remove(&Call::post("mlflow/experiments/delete-experiment-tag", body))
            .await
    }

    async fn delete_experiment(&self, experiment_id: &str) -> Result<()> {
        self.move_experiment(experiment_id, LifecycleStage::Deleted).await
    }

    async fn restore_experiment(&self, experiment_id: &str) -> Result<()> {
        self.move_experiment(experiment_id, LifecycleStage::Active).await
    }

    async fn create_run(&self, request: CreateRun) -> Result<Run> {
        self.make_run(request, &Stamp::fresh()).await
    }

    async fn get_run(&self, run_id: &str) -> Result<Run> {
        let call = Call::get("mlflow/runs/get").query("run_id", run_id);
        Ok(self.http.call::<RunAnswer>(&call).await?.run.into())
    }

    async fn update_run(&self, run_id: &str, change: UpdateRun) -> Result<RunInfo> {
        #[derive(Deserialize)]
        struct Updated {
            run_info: WireRunInfo,
        }
        let mut body = json!({"run_id": run_id});
        if let Some(status) = change.status {
            body["status"] = json!(status);
        }
        if let Some(end_time) = change.end_time_ms {
            body["end_time"] = json!(end_time);
        }
        if let Some(name) = change.run_name {
            body["run_name"] = json!(name);
        }
        let call = Call::post("mlflow/runs/update", body);
        Ok(self.http.call::<Updated>(&call).await?.run_info.into())
    }

    async fn search_runs(&self, request: SearchRuns) -> Result<Page<Run>> {
        let experiment_ids = match request.experiment_ids {
            Some(ids) => ids,
            None => self.all_experiment_ids().await?,
        };
        let mut body = search_json(&request.search);
        body["experiment_ids"] = json!(experiment_ids);
        body["run_view_type"] = json!(request.view);
        let call = Call::post("mlflow/runs/search", body);
        Ok(self.http.call::<WirePage<WireRun>>(&call).await?.page())
    }

    async fn delete_run(&self, run_id: &str) -> Result<()> {
        let call = Call::post("mlflow/runs/delete", json!({"run_id": run_id}));
        self.http.tell(&call).await
    }

    async fn restore_run(&self, run_id: &str) -> Result<()> {
        let call = Call::post("mlflow/runs/restore", json!({"run_id": run_id}));
        self.http.tell(&call).await
    }

    async fn log_batch(&self, run_id: &str, batch: LogBatch) -> Result<()> {
        let call = Call::post("mlflow/runs/log-batch", batch_json(run_id, &batch));
        self.http.tell(&call).await
    }

    async fn delete_tag(&self, run_id: &str, key: &str) -> Result<()> {
        let call = Call::post("mlflow/runs/delete-tag", json!({"run_id": run_id, "key": key}));
        self.http.remove(&call).await
    }

    async fn metric_history(&self, request: MetricHistory) -> Result<Page<Metric>> {
        let call = Call::get("mlflow/metrics/get-history")
            .query("run_id", request.run_id)
            .query("metric_key", request.key)
            .query("max_results", request.max_results)
            .maybe_query("page_token", request.page_token);
        Ok(self.http.call::<WirePage<WireMetric>>(&call).await?.page())
    }

    async fn metric_summaries(&self, run_id: &str) -> Result<Vec<MetricSummary>> {
        #[derive(Deserialize)]
        struct Summaries {
            #[serde(default)]
            metric_summaries: Vec<MetricSummary>,
        }
        let call = Call::get("rookery/runs/metric-summaries").query("run_id", run_id);
        match self.http.call::<Summaries>(&call).await {
            // Only our own servers have this call.
            Err(TrackingError::Unsupported { .. }) => {}
            result => return Ok(result?.metric_summaries),
        }
        let mut summaries = BTreeMap::new();
        for metric in self.get_run(run_id).await?.metrics {
            let points = self.whole_history(run_id, &metric.key).await?;
            if let Some(summary) = summarise(&metric.key, &points) {
                summaries.insert(metric.key, summary);
            }
        }
        Ok(summaries.into_values().collect())
    }

    async fn log_inputs(&self, run_id: &str, inputs: LogInputs) -> Result<()> {
        let datasets: Vec<Value> = inputs.datasets.iter().map(dataset_input_json).collect();
        let body = json!({"run_id": run_id, "datasets": datasets, "models": inputs.models});
        self.http.tell(&Call::post("mlflow/runs/log-inputs", body)).await
    }

    async fn log_outputs(&self, run_id: &str, outputs: LogOutputs) -> Result<()> {
        let body = json!({"run_id": run_id, "models": outputs.models});
        self.http.tell(&Call::post("mlflow/runs/outputs", body)).await
    }

    async fn record_model(&self, run_id: &str, model: Value) -> Result<()> {
        self.record_model_once(run_id, &model, false).await
    }

    async fn create_logged_model(&self, request: CreateLoggedModel) -> Result<LoggedModel> {
        self.make_logged_model(request, &Stamp::fresh()).await
    }

    async fn get_logged_model(&self, model_id: &str) -> Result<LoggedModel> {
        let call = Call::get("mlflow/logged-models").segment(model_id);
        Ok(self.http.call::<ModelAnswer>(&call).await?.model.into())
    }

    async fn finalize_logged_model(&self, model_id: &str, status: LoggedModelStatus) -> Result<LoggedModel> {
        let call = Call::new(Method::PATCH, "mlflow/logged-models")
            .segment(model_id)
            .body(json!({"model_id": model_id, "status": status}));
        Ok(self.http.call::<ModelAnswer>(&call).await?.model.into())
    }

    async fn delete_logged_model(&self, model_id: &str) -> Result<()> {
        let call = Call::new(Method::DELETE, "mlflow/logged-models").segment(model_id);
        self.http.remove(&call).await
    }

    async fn set_logged_model_tags(&self, model_id: &str, tags: Vec<Tag>) -> Result<()> {
        let call = Call::new(Method::PATCH, "mlflow/logged-models")
            .segment(model_id)
            .segment("tags")
            .body(json!({"model_id": model_id, "tags": tags}));
        self.http.tell(&call).await
    }

    async fn delete_logged_model_tag(&self, model_id: &str, key: &str) -> Result<()> {
        let call = Call::new(Method::DELETE, "mlflow/logged-models")
            .segment(model_id)
            .segment("tags")
            .segment(key);
        self.http.remove(&call).await
    }

    async fn log_logged_model_params(&self, model_id: &str, params: Vec<Param>) -> Result<()> {
        let call = Call::new(Method::POST, "mlflow/logged-models")
            .segment(model_id)
            .segment("params")
            .body(json!({"model_id": model_id, "params": params}));
        self.http.tell(&call).await
    }

    async fn search_logged_models(&self, request: SearchLoggedModels) -> Result<Page<LoggedModel>> {
        let mut body = json!({
            "experiment_ids": request.experiment_ids,
            "filter": request.filter,
            "max_results": request.max_results,
            "order_by": request.order_by.iter().map(order_json).collect::<Vec<_>>(),
        });
        if !request.datasets.is_empty() {
            body["datasets"] = request.datasets.iter().map(dataset_json).collect();
        }
        if let Some(token) = &request.page_token {
            body["page_token"] = json!(token);
        }
        let call = Call::post("mlflow/logged-models/search", body);
        Ok(self.http.call::<WirePage<WireLoggedModel>>(&call).await?.page())
    }

    async fn renew_lease(&self, _owner: &str, _until_ms: i64) -> Result<()> {
        Ok(())
    }

    async fn close_orphans(&self, _now_ms: i64) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// Logged models are ordered by fields, everything else by text such as `name DESC`.
fn order_json(field: &OrderField) -> Value {
    let mut order = json!({"field_name": field.field_name, "ascending": field.ascending});
    if let Some(name) = &field.dataset_name {
        order["dataset_name"] = json!(name);
    }
    if let Some(digest) = &field.dataset_digest {
        order["dataset_digest"] = json!(digest);
    }
    order
}

fn dataset_json(dataset: &DatasetFilter) -> Value {
    match &dataset.digest {
        None => json!({"dataset_name": dataset.name}),
        Some(digest) => json!({"dataset_name": dataset.name, "dataset_digest": digest}),
    }
}
