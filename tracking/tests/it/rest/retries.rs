//! A network that drops calls and answers: everything is done once, or said not to be.

use rookery_tracking::rest::{Credentials, RestStore};
use rookery_tracking::{
    CreateExperiment, CreateRun, LogBatch, Metric, RunStatus, TrackingError, TrackingStore, UpdateRun,
};
use serde_json::json;

use super::server::{Server, Trouble, client};

fn in_first() -> CreateRun {
    CreateRun {
        experiment_id: "1".to_owned(),
        ..CreateRun::default()
    }
}

#[tokio::test]
async fn a_call_is_repeated_while_the_server_is_busy() {
    let server = Server::start().await;
    server.script([
        Trouble::Status(503),
        Trouble::Status(429),
        Trouble::LostBefore,
        Trouble::None,
    ]);
    let run = server.client().create_run(in_first()).await.unwrap();
    assert_eq!((run.info.run_id.as_str(), run.info.start_time_ms), ("run-1", 17));
    assert!(run.tags.is_empty(), "the stamp is not shown: {:?}", run.tags);
}

#[tokio::test]
async fn what_was_made_before_its_answer_was_lost_is_found_not_made_again() {
    let server = Server::start().await;
    let store = server.client();
    server.script([Trouble::LostAfter]);
    assert_eq!(store.create_run(in_first()).await.unwrap().info.run_id, "run-1");
    assert_eq!(
        server.paths(),
        ["POST mlflow/runs/create", "POST mlflow/runs/search"]
    );

    server.script([Trouble::LostAfter]);
    let experiment = store
        .create_experiment(CreateExperiment::named("e"))
        .await
        .unwrap();
    assert_eq!(experiment.name, "e");

    server.script([Trouble::LostAfter]);
    store.record_model("run-1", json!({"model": 1})).await.unwrap();
    let run = store.get_run("run-1").await.unwrap();
    assert_eq!(run.tag("mlflow.log-model.history"), Some(r#"[{"model":1}]"#));
    let records = server.records.lock().unwrap();
    assert_eq!((records.runs.len(), records.experiments.len()), (1, 1));
}

#[tokio::test]
async fn a_name_taken_by_somebody_else_is_not_ours_although_an_answer_was_lost() {
    let server = Server::start().await;
    let other = server
        .client()
        .create_experiment(CreateExperiment::named("e"))
        .await
        .unwrap();
    server.script([Trouble::LostBefore]);
    let error = server
        .client()
        .create_experiment(CreateExperiment::named("e"))
        .await
        .unwrap_err();
    assert!(matches!(error, TrackingError::Exists { .. }), "{error:?}");
    let found = server.client().get_or_create_experiment("e").await.unwrap();
    assert_eq!(found.experiment_id, other.experiment_id);
}

#[tokio::test]
async fn patience_has_a_bound_and_the_error_says_so() {
    let server = Server::start().await;
    server.always("mlflow/runs/get", Trouble::Status(503));
    let error = server.client().get_run("x").await.unwrap_err();
    assert!(
        error.is_retryable() && error.to_string().contains("tried"),
        "{error}"
    );

    let uri = server.uri.clone();
    drop(server);
    let error = client(&uri).get_run("x").await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(error.to_string().contains("did not answer"), "{error}");
}

#[tokio::test]
async fn a_refusal_is_told_at_once_with_the_servers_words() {
    let server = Server::start().await;
    server.script([
        Trouble::Refused,
        Trouble::Status(401),
        Trouble::Status(413),
        Trouble::Status(500),
    ]);
    let store = server.client();
    let batch = || store.log_batch("run-1", LogBatch::default());
    let error = batch().await.unwrap_err();
    assert!(matches!(&error, TrackingError::Rejected { message } if message == "no, thank you"));
    let error = batch().await.unwrap_err();
    assert!(matches!(error, TrackingError::Denied { .. }) && error.hint().is_some());
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(matches!(
        batch().await.unwrap_err(),
        TrackingError::Rejected { .. }
    ));
    assert!(matches!(
        batch().await.unwrap_err(),
        TrackingError::Storage { .. }
    ));
    assert!(matches!(
        batch().await.unwrap_err(),
        TrackingError::NotFound { .. }
    ));
    assert_eq!(server.paths().len(), 5);
}

#[tokio::test]
async fn a_server_without_our_calls_still_sums_up_metrics_or_says_what_it_lacks() {
    let server = Server::start().await;
    let store = server.client();
    store.create_run(in_first()).await.unwrap();
    assert_eq!(store.metric_summaries("run-1").await.unwrap(), []);
    let error = store.metric_summaries("run-2").await.unwrap_err();
    assert!(matches!(error, TrackingError::NotFound { .. }), "{error:?}");
    let error = store.delete_run("run-1").await.unwrap_err();
    assert!(matches!(error, TrackingError::Unsupported { .. }), "{error:?}");
}

#[tokio::test]
async fn doubles_and_ends_are_written_as_mlflow_reads_them() {
    let server = Server::start().await;
    let store = server.client();
    store.create_run(in_first()).await.unwrap();
    let point = |value, step| Metric {
        key: "loss".to_owned(),
        value,
        timestamp_ms: 5,
        step,
    };
    let batch = LogBatch {
        metrics: vec![point(f64::NAN, 0), point(0.25, 1)],
        ..LogBatch::default()
    };
    store.log_batch("run-1", batch).await.unwrap();
    let info = store
        .update_run("run-1", UpdateRun::end(RunStatus::Finished, 9))
        .await
        .unwrap();
    assert_eq!((info.status, info.end_time_ms), (RunStatus::Finished, Some(9)));
    let records = server.records.lock().unwrap();
    assert_eq!(
        records.runs[0]["data"]["metrics"],
        json!([
            {"key": "loss", "value": "NaN", "timestamp": 5, "step": 0},
            {"key": "loss", "value": 0.25, "timestamp": 5, "step": 1},
        ])
    );
}

#[test]
fn secrets_do_not_show() {
    for credentials in [
        Credentials::Bearer("secret".to_owned()),
        Credentials::Basic {
            user: "ada".to_owned(),
            password: "secret".to_owned(),
        },
    ] {
        let store =
            RestStore::connect("http://bob:secret@host/prefix".parse().unwrap(), credentials).unwrap();
        assert!(!format!("{store:?}").contains("secret"));
        assert_eq!(store.uri().as_str(), "http://host/prefix");
    }
    let error = RestStore::connect("sqlite:///x.db".parse().unwrap(), Credentials::None).unwrap_err();
    assert!(error.to_string().contains("expected http://"), "{error}");
}
