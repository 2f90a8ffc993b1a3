//! What a job leaves behind, as MLflow's clients see it on the driver's port, and what becomes of it when the driver
//! dies.

use std::time::Duration;

use rookery_tests::{DEADLINE, Lateness, Rookery, TestCluster, http};
use serde_json::{Value, json};

use crate::{BINARY, lab};

/// The tag of that name.
fn tag<'a>(run: &'a Value, key: &str) -> Option<&'a str> {
    let tags = run["data"]["tags"].as_array()?;
    tags.iter().find(|tag| tag["key"] == key)?["value"].as_str()
}

async fn get_run(cluster: &TestCluster, run_id: &str) -> Value {
    let path = format!("/api/2.0/mlflow/runs/get?run_id={run_id}");
    let answer = http::get(cluster.url(), &path, Some(&cluster.rookery().token())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["run"].clone()
}

#[tokio::test]
async fn mlflows_clients_find_a_jobs_runs_on_the_drivers_port() {
    let cluster = TestCluster::new(BINARY).workers(1).start().await;
    let job = cluster.submit(lab(), &[]).await.succeeded().last_json();
    let ids: Vec<&str> = job["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["run_id"].as_str().unwrap())
        .collect();

    let child = get_run(&cluster, ids[0]).await;
    assert_eq!(child["info"]["status"], "FINISHED");
    let parent = get_run(&cluster, tag(&child, "mlflow.parentRunId").unwrap()).await;
    assert_eq!(parent["info"]["status"], "FINISHED");
    assert_eq!(parent["info"]["run_name"], "penguins");
    assert_eq!(tag(&parent, "rookery.best_run_id"), Some(ids[1]));

    let contexts: Vec<&Value> = child["inputs"]["dataset_inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|input| &input["tags"][0]["value"])
        .collect();
    assert!(
        contexts.contains(&&json!("training")) && contexts.contains(&&json!("eval")),
        "{child}"
    );
    let models: Value = serde_json::from_str(tag(&child, "mlflow.log-model.history").unwrap()).unwrap();
    assert_eq!(models[0]["artifact_path"], "model");
    assert_eq!(
        child["outputs"]["model_outputs"][0]["model_id"],
        models[0]["model_id"]
    );

    let token = cluster.rookery().token();
    let file = |path: String| {
        let token = token.clone();
        let url = cluster.url();
        async move { http::get(url, &path, Some(&token)).await }
    };
    let of_run = file(format!("/get-artifact?run_uuid={}&path=model/MLmodel", ids[0])).await;
    let model_id = models[0]["model_id"].as_str().unwrap();
    let experiment = child["info"]["experiment_id"].as_str().unwrap();
    let of_model = file(format!(
        "/api/2.0/mlflow-artifacts/artifacts/{experiment}/models/{model_id}/artifacts/MLmodel"
    ))
    .await;
    assert_eq!(
        (of_run.status, of_model.status),
        (200, 200),
        "{of_run:?} {of_model:?}"
    );
    assert_eq!(of_run.body, of_model.body);
    assert!(
        of_run.body.contains("rookery:\n    data: \"model.json\""),
        "{}",
        of_run.body
    );
}

#[tokio::test]
async fn without_the_token_nobody_is_let_in() {
    let cluster = TestCluster::new(BINARY).workers(0).start().await;
    let path = "/api/2.0/mlflow/experiments/get?experiment_id=0";
    for (token, status) in [
        (None, 401),
        (Some("another"), 401),
        (Some(cluster.rookery().token().as_str()), 200),
    ] {
        assert_eq!(
            http::get(cluster.url(), path, token).await.status,
            status,
            "{token:?}"
        );
    }
    assert_eq!(http::get(cluster.url(), "/health", None).await.status, 200);
    let nothing = http::get(cluster.url(), "/nothing", Some(&cluster.rookery().token())).await;
    assert_eq!(
        (nothing.status, &nothing.json()["error_code"]),
        (404, &json!("ENDPOINT_NOT_FOUND"))
    );

    // Another state directory knows no token.
    let stranger = Rookery::new(BINARY);
    for arguments in [
        &["submit", &lab(), "--driver", cluster.url()][..],
        &["worker", "--driver", cluster.url()],
    ] {
        let refused = stranger.run(arguments).await;
        assert_eq!(refused.code, 2, "{refused}");
        assert!(refused.stderr.contains("ROOKERY_TOKEN"), "{refused}");
    }
}

#[tokio::test]
async fn runs_of_a_killed_driver_end_as_failed() {
    let mut cluster = TestCluster::new(BINARY)
        .late_worker(0, Lateness::of_answers(Duration::from_millis(200)))
        .driver_arguments(&[
            "--lease-ms",
            "600",
            "--lease-renewal-ms",
            "100",
            "--orphan-check-ms",
            "100",
        ])
        .start()
        .await;
    let submitted = cluster
        .rookery()
        .run(&[
            "submit",
            &lab(),
            "--set",
            "runs[0].max_iter=1000",
            "--set",
            "runs[0].tol=0",
        ])
        .await
        .succeeded();
    drop(submitted);
    wait_for_runs(&cluster, |statuses| statuses == ["RUNNING"; 3]).await;
    cluster.kill_driver().await;
    // With its journal the next driver would go on with the job.
    std::fs::remove_file(cluster.rookery().home().join("journal.db")).unwrap();
    cluster.start_driver_again().await;
    // Both trainings, which are side by side, and the job's own run.
    wait_for_runs(&cluster, |statuses| statuses == ["FAILED"; 3]).await;
    for run in search(&cluster).await {
        assert!(tag(&run, "rookery.end_reason").is_some(), "{run}");
    }
}

async fn search(cluster: &TestCluster) -> Vec<Value> {
    let token = cluster.rookery().token();
    let named = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=penguins";
    let experiment = http::get(cluster.url(), named, Some(&token)).await.json();
    let Some(id) = experiment["experiment"]["experiment_id"].as_str() else {
        return Vec::new();
    };
    let found = http::post(
        cluster.url(),
        "/api/2.0/mlflow/runs/search",
        Some(&token),
        &json!({ "experiment_ids": [id] }),
    )
    .await;
    found.json()["runs"].as_array().cloned().unwrap_or_default()
}

async fn wait_for_runs(cluster: &TestCluster, are_there: impl Fn(&[String]) -> bool) {
    let waiting = async {
        loop {
            let runs = search(cluster).await;
            let statuses: Vec<String> = runs
                .iter()
                .map(|run| run["info"]["status"].as_str().unwrap().to_string())
                .collect();
            if are_there(&statuses) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting)
        .await
        .expect("the runs get there");
}
