//! The spool: what it shows before the server has anything, and what the server gets.

use std::path::Path;
use std::time::Duration;

use rookery_tracking::rest::{RestStore, SpooledStore, Url};
use rookery_tracking::{
    CreateLoggedModel, CreateRun, LogBatch, LoggedModelStatus, Metric, MetricHistory, Param, Run, RunStatus,
    Tag, TrackingError, TrackingStore, UpdateRun,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::server::{Server, Shared, Trouble, client};

/// No test waits longer than this for a delivery.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn open(folder: &Path, rest: &RestStore) -> SpooledStore {
    SpooledStore::open(folder, rest.clone(), rest.artifacts())
        .await
        .unwrap()
}

fn point(step: i64) -> Metric {
    Metric {
        key: "loss".to_owned(),
        value: 1.0 / (step + 1) as f64,
        timestamp_ms: 100 + step,
        step,
    }
}

pub(crate) fn points(steps: std::ops::Range<i64>) -> LogBatch {
    LogBatch {
        metrics: steps.map(point).collect(),
        ..LogBatch::default()
    }
}

/// Begins a run as the driver does.
pub(crate) async fn begin(store: &SpooledStore) -> Run {
    let experiment = store.get_or_create_experiment("penguins").await.unwrap();
    let request = CreateRun {
        experiment_id: experiment.experiment_id,
        user_id: "ada".to_owned(),
        start_time_ms: 17,
        owner: Some("driver".to_owned()),
        ..CreateRun::default()
    };
    let run = store.create_run(request).await.unwrap();
    let params = LogBatch {
        params: vec![Param::new("maxIter", 5)],
        ..LogBatch::default()
    };
    store.log_batch(&run.info.run_id, params).await.unwrap();
    run
}

/// Ends it, with a model that names the run.
pub(crate) async fn end(store: &SpooledStore, run_id: &str) {
    store.log_batch(run_id, points(0..3)).await.unwrap();
    let description = format!("run_id: {run_id}\nflavors: {{}}\n");
    store
        .put_artifact(run_id, "model/MLmodel", description.into_bytes())
        .await
        .unwrap();
    store
        .put_artifact(run_id, "model/model.json", b"{}".to_vec())
        .await
        .unwrap();
    let model =
        json!({"run_id": run_id, "artifact_path": "model", "utc_time_created": "2026-01-01", "flavors": {}});
    store.record_model(run_id, model).await.unwrap();
    store.set_tag(run_id, Tag::new("note", "done")).await.unwrap();
    store
        .update_run(run_id, UpdateRun::end(RunStatus::Finished, 99))
        .await
        .unwrap();
}

/// Asserts that the server has the whole run, once.
pub(crate) fn assert_recorded(records: &Shared, local_id: &str) {
    let records = records.lock().unwrap();
    assert_eq!((records.experiments.len(), records.runs.len()), (1, 1));
    let run = &records.runs[0];
    assert_eq!(
        (&run["info"]["status"], &run["info"]["end_time"]),
        (&json!("FINISHED"), &json!(99))
    );
    assert_eq!(run["data"]["params"], json!([{"key": "maxIter", "value": "5"}]));
    assert_eq!(run["data"]["metrics"].as_array().unwrap().len(), 3);
    let tag = |key: &str| {
        let mut tags = run["data"]["tags"].as_array().unwrap().iter();
        tags.find(|tag| tag["key"] == key).unwrap()["value"].clone()
    };
    assert_eq!(tag("note"), "done");
    let models: Vec<Value> = serde_json::from_str(tag("mlflow.log-model.history").as_str().unwrap()).unwrap();
    assert_eq!((models.len(), &models[0]["run_id"]), (1, &json!("run-1")));
    assert_eq!(tag("rookery.request_id"), local_id);
    let description = &records.files["1/run-1/artifacts/model/MLmodel"];
    assert_eq!(description, "run_id: run-1\nflavors: {}\n");
    assert_eq!(records.files.len(), 2);
}

#[tokio::test]
async fn a_job_is_delivered_in_order_and_its_folder_goes_away() {
    let server = Server::start().await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("spool").join("job-1");
    let store = open(&path, &server.client()).await;
    let run = begin(&store).await;
    end(&store, &run.info.run_id).await;
    assert_eq!(store.flush(PATIENCE).await.operations, 0);
    assert_eq!(store.server_id(&run.info.run_id).as_deref(), Some("run-1"));
    assert_recorded(&server.records, &run.info.run_id);
    let writes: Vec<String> = server
        .paths()
        .into_iter()
        .filter(|path| !path.contains("get") && !path.contains("search"))
        .collect();
    assert_eq!(
        writes,
        [
            "POST mlflow/experiments/create",
            "POST mlflow/runs/create",
            "POST mlflow/runs/log-batch",
            "POST mlflow/runs/log-batch",
            "PUT mlflow-artifacts/artifacts/1/run-1/artifacts/model/MLmodel",
            "PUT mlflow-artifacts/artifacts/1/run-1/artifacts/model/model.json",
            "POST mlflow/runs/log-model",
            "POST mlflow/runs/log-batch",
            "POST mlflow/runs/update",
        ]
    );
    store.close(PATIENCE).await.unwrap();
    assert!(!path.exists());
    let error = store
        .set_tag(&run.info.run_id, Tag::new("late", 1))
        .await
        .unwrap_err();
    assert!(matches!(error, TrackingError::Closed), "{error:?}");
}

#[tokio::test]
async fn the_run_is_readable_before_any_server_has_it() {
    let nowhere: Url = "http://127.0.0.1:1/".parse().unwrap();
    let folder = TempDir::new().unwrap();
    let store = open(folder.path(), &client(&nowhere)).await;
    let run = begin(&store).await;
    let run_id = run.info.run_id.as_str();
    assert_eq!(run.info.owner.as_deref(), Some("driver"));
    assert_eq!(run.tag("mlflow.runName"), Some(run.info.run_name.as_str()));
    store.log_batch(run_id, points(0..5)).await.unwrap();
    store.log_batch(run_id, points(2..4)).await.unwrap();
    let shown = store.get_run(run_id).await.unwrap();
    assert_eq!(
        (shown.metric("loss"), shown.param("maxIter")),
        (Some(0.2), Some("5"))
    );

    let mut request = MetricHistory {
        max_results: 3,
        ..MetricHistory::of(run_id, "loss")
    };
    let first = store.metric_history(request.clone()).await.unwrap();
    request.page_token = first.next_page_token.clone();
    let second = store.metric_history(request).await.unwrap();
    assert_eq!((first.items.len(), second.items.len()), (3, 2));
    assert_eq!(second.next_page_token, None);
    let summaries = store.metric_summaries(run_id).await.unwrap();
    assert_eq!((summaries[0].count, summaries[0].min.unwrap().step), (5, 4));

    let changed = LogBatch {
        params: vec![Param::new("maxIter", 6)],
        ..LogBatch::default()
    };
    let error = store.log_batch(run_id, changed).await.unwrap_err();
    assert!(matches!(error, TrackingError::ParamChanged { .. }), "{error:?}");
    let error = store.delete_run(run_id).await.unwrap_err();
    assert!(matches!(error, TrackingError::WrongState { .. }), "{error:?}");
    let pending = store.flush(Duration::from_millis(1)).await;
    assert_eq!((pending.operations, pending.rejected), (5, 0));
    assert!(store.get_run("elsewhere").await.unwrap_err().is_retryable());
}

#[tokio::test]
async fn a_logged_model_gets_the_servers_ids_everywhere() {
    let server = Server::start().await;
    let folder = TempDir::new().unwrap();
    let store = open(folder.path(), &server.client()).await;
    let run = begin(&store).await;
    let request = CreateLoggedModel {
        experiment_id: run.info.experiment_id.clone(),
        name: Some("classifier".to_owned()),
        source_run_id: Some(run.info.run_id.clone()),
        ..CreateLoggedModel::default()
    };
    server.script([Trouble::LostAfter; 2]);
    let model = store.create_logged_model(request).await.unwrap();
    assert_eq!(model.status, LoggedModelStatus::Pending);
    store
        .put_below(
            &model.artifact_uri,
            "MLmodel",
            format!("model_id: {}", model.model_id).into(),
        )
        .await
        .unwrap();
    assert_eq!(store.flush(PATIENCE).await.operations, 0);
    let records = server.records.lock().unwrap();
    assert_eq!(records.models.len(), 1);
    assert_eq!(records.models[0]["info"]["source_run_id"], "run-1");
    assert_eq!(records.models[0]["info"]["experiment_id"], "1");
    assert_eq!(records.files["1/models/m-1/artifacts/MLmodel"], "model_id: m-1");
}
