//! What a careful user asks of a training: standard errors, weights of classes, early stopping, deadlines, areas under
//! curves. All of it the same on any cluster.

use std::path::Path;
use std::time::Duration;

use rookery_tests::{Dataset, Rookery, TestCluster, write_jobs};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::BINARY;

const POINTS: Dataset = Dataset {
    rows: 6_000,
    classes: 2,
    seed: 51,
};

/// Runs the job with settings on a cluster of its own; returns what `job_finished` said and the run's files.
async fn run(job: &Path, workers: &str, settings: &[&str]) -> (Rookery, Value) {
    let rookery = Rookery::new(BINARY);
    let job = job.display().to_string();
    let mut arguments = vec![
        "run",
        &job,
        "--workers",
        workers,
        "--set",
        "data.partition_bytes=60000",
    ];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    let finished = rookery.run_json(&arguments).await.succeeded().last_json();
    (rookery, finished)
}

fn run_id(finished: &Value, run: usize) -> &str {
    finished["runs"][run]["run_id"].as_str().unwrap()
}

/// A file of a run, as text.
async fn file(rookery: &Rookery, run: &str, path: &str) -> String {
    let folder = TempDir::new().unwrap();
    let to = folder.path().display().to_string();
    rookery
        .run(&["artifacts", "get", run, path, "--output", &to])
        .await
        .succeeded();
    std::fs::read_to_string(folder.path().join(path)).unwrap()
}

async fn shown(rookery: &Rookery, run: &str) -> Value {
    rookery
        .run_json(&["runs", "show", run])
        .await
        .succeeded()
        .last_json()
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_errors_are_recorded_shown_and_the_same_on_any_cluster() {
    let folder = TempDir::new().unwrap();
    let [job, ..] = write_jobs(folder.path(), POINTS);
    let settings = [
        "training.inference={ level = 0.9 }",
        "runs=[{ reg_param = 0.0, solver = \"newton\" }, { reg_param = 0.01 }, { reg_param = 0.01, elastic_net_param = 1.0 }]",
        "evaluation.metrics=[\"areaUnderROC\", \"areaUnderPR\", \"logLoss\"]",
    ];
    let (one, on_one) = run(&job, "1", &settings).await;
    let (three, on_three) = run(&job, "3", &settings).await;
    for kind in ["fisher", "posterior", "none"].into_iter().enumerate() {
        let (index, kind) = kind;
        let text = file(&one, run_id(&on_one, index), "inference.json").await;
        let same = file(&three, run_id(&on_three, index), "inference.json").await;
        assert_eq!(text, same, "the table of run {index}");
        let inference: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(inference["standard_errors"], kind);
        let names: Vec<&str> = inference["terms"]
            .as_array()
            .unwrap()
            .iter()
            .map(|term| term["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["(intercept)", "categoryIdx", "x0", "x1", "x2", "x3"]);
        let metrics = &on_one["runs"][index]["metrics"];
        assert_eq!(metrics, &on_three["runs"][index]["metrics"]);
        let area = metrics["areaUnderROC"].as_f64().unwrap();
        assert!((0.5..1.0).contains(&area), "{metrics}");
    }
    let run = run_id(&on_one, 0);
    let csv = file(&one, run, "inference.csv").await;
    assert!(
        csv.starts_with("class,against,name,coefficient,standard_error"),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 1 + 6, "{csv}");
    let page = one.run(&["runs", "show", run]).await.succeeded().stdout;
    for expected in ["coefficients", "90 % INTERVAL", "categoryIdx", "ODDS RATIO"] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
    assert_eq!(
        shown(&one, run).await["tags"]["rookery.standard_errors"],
        "fisher"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_of_classes_are_a_column_of_weights() {
    let folder = TempDir::new().unwrap();
    let [job, ..] = write_jobs(folder.path(), POINTS);
    let sql = "data.sql=\"select *, case when label = 1 then 2.5 else 1.0 end as w from points\"";
    let (_, by_column) = run(&job, "2", &[sql, "training.weight=w"]).await;
    let setting = "training.logistic_regression.class_weight={ 1 = 2.5 }";
    let (rookery, by_class) = run(&job, "3", &[sql, setting]).await;
    for index in 0..2 {
        let digest = |finished: &Value| finished["runs"][index]["coefficients_sha256"].clone();
        assert_eq!(digest(&by_column), digest(&by_class));
    }
    let params = &shown(&rookery, run_id(&by_class, 0)).await["params"];
    assert_eq!(params["classWeight"], r#"{"1":2.5}"#);
    let (_, balanced) = run(
        &job,
        "1",
        &["runs=[{ class_weight = \"balanced\" }, { class_weight = [1, 2.5] }]"],
    )
    .await;
    assert_ne!(
        balanced["runs"][0]["coefficients_sha256"],
        balanced["runs"][1]["coefficients_sha256"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_stops_when_the_validation_part_gets_no_better() {
    let folder = TempDir::new().unwrap();
    let [job, ..] = write_jobs(folder.path(), POINTS);
    let settings = [
        "split.weights=[0.02, 0.49, 0.49]",
        "training.early_stopping={ patience = 3 }",
        "runs=[{ max_iter = 200, tol = 1e-12 }]",
        "evaluation.metrics=[\"logLoss\"]",
    ];
    let (one, on_one) = run(&job, "1", &settings).await;
    let (_, on_three) = run(&job, "3", &settings).await;
    let (finished, other) = (&on_one["runs"][0], &on_three["runs"][0]);
    assert_eq!(finished["coefficients_sha256"], other["coefficients_sha256"]);
    assert_eq!(finished["stop_reason"], "early_stopping");
    let id = run_id(&on_one, 0);
    let page = one
        .run_json(&["runs", "show", id, "--metric", "validation_logLoss"])
        .await;
    let page = page.succeeded().last_json();
    let points = page["curve"]["points"].as_array().unwrap();
    let best: u64 = page["tags"]["rookery.best_iteration"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(points.len() as u64, best + 4, "{page}");
    let value = |point: &Value| point["value"].as_f64().unwrap();
    let least = points.iter().map(value).fold(f64::INFINITY, f64::min);
    assert_eq!(value(&points[best as usize]), least);
    assert_eq!(points[0]["step"], json!(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_that_is_out_of_time_keeps_what_it_has() {
    let folder = TempDir::new().unwrap();
    let [job, ..] = write_jobs(folder.path(), POINTS);
    let cluster = TestCluster::new(BINARY)
        .workers(2)
        .unhurried(Duration::from_secs(1))
        .start()
        .await;
    let settings = [
        "runs=[{ max_iter = 500, tol = 0.0, reg_param = 0.0 }]",
        "training.deadline=\"2500ms\"",
    ];
    let output = cluster.submit(&job, &settings).await.succeeded();
    let finished = &output.last_json()["runs"][0];
    assert_eq!(finished["stop_reason"], "deadline");
    assert_eq!(finished["converged"], json!(false));
    assert!(finished["iterations"].as_u64().unwrap() < 500, "{finished}");
    assert!(output.stdout.contains("did not converge: deadline"), "{output}");

    let late = cluster.submit(&job, &["job.deadline=\"1ms\""]).await;
    assert_eq!(late.code, 5, "{late}");
    assert!(late.stdout.contains("before anything was trained"), "{late}");

    // Runs train side by side: one is done before the job's time is up, one is not.
    let settings = [
        "runs=[{ max_iter = 500, tol = 0.0, reg_param = 0.0 }, { max_iter = 3 }]",
        "job.deadline=\"10s\"",
    ];
    let output = cluster.submit(&job, &settings).await.succeeded();
    let reasons = [0, 1].map(|index| output.last_json()["runs"][index]["stop_reason"].clone());
    assert_eq!(reasons, ["deadline", "max_iterations"], "{output}");
}
