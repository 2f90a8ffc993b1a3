//! The lab: both trainings from one file, with Spark's numbers.

use rookery_tests::Rookery;
use serde_json::Value;

use crate::{BINARY, lab};

#[tokio::test]
async fn the_first_command_of_the_readme_gives_sparks_numbers() {
    let rookery = Rookery::new(BINARY);
    let output = rookery.run(&["run", &lab()]).await.succeeded();
    for expected in [
        "344 rows read, 342 kept, 2 dropped (null CulmenLength, CulmenDepth, FlipperLength, BodyMass)",
        "Training rows: 254  Testing rows: 88",
        "accuracy: 0.9545454545454546",
        "weightedRecall: 0.9545454545454545",
        "weightedPrecision: 0.9581105169340464",
        "accuracy: 0.9659090909090909",
        "weightedRecall: 0.9659090909090908",
        "weightedPrecision: 0.9679545454545454",
    ] {
        assert!(output.stdout.contains(expected), "{expected}\n{output}");
    }
}

#[tokio::test]
async fn a_finished_job_leaves_two_recorded_runs_and_a_model_that_predicts() {
    let rookery = Rookery::new(BINARY);
    let job = rookery
        .run_json(&["run", &lab(), "--workers", "1"])
        .await
        .succeeded()
        .last_json();
    assert_eq!(job["status"], "succeeded");
    let runs = job["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);

    let listed = rookery.run_json(&["runs", "list"]).await.succeeded();
    for run in runs {
        assert!(
            listed.stdout.contains(run["run_id"].as_str().unwrap()),
            "{listed}"
        );
    }
    let second = runs[1]["run_id"].as_str().unwrap();
    check_record(&rookery, second, &runs[1]).await;
    check_prediction(&rookery, second).await;
}

async fn check_record(rookery: &Rookery, run_id: &str, run: &Value) {
    let shown = rookery.run(&["runs", "show", run_id]).await.succeeded();
    for expected in [
        "FINISHED",
        "maxIter",
        "regParam",
        "split.seed",
        "data.rows_train",
        "accuracy",
        "max_iterations",
        "rookery.data_fingerprint",
        run["coefficients_sha256"].as_str().unwrap(),
        "model/model.json",
        "job.toml",
    ] {
        assert!(shown.stdout.contains(expected), "{expected}\n{shown}");
    }
}

async fn check_prediction(rookery: &Rookery, run_id: &str) {
    let row =
        r#"{"Island":"Biscoe","CulmenLength":48.7,"CulmenDepth":14.1,"FlipperLength":210,"BodyMass":4450}"#;
    let model = format!("runs:/{run_id}");
    let output = rookery
        .run(&["predict", "--model", &model, "--json", row, "--output", "json"])
        .await
        .succeeded()
        .last_json();
    assert_eq!(output["prediction"], 1.0);
    let probabilities: Vec<f64> = output["probability"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p.as_f64().unwrap())
        .collect();
    for (probability, spark) in probabilities
        .iter()
        .zip([0.0637290036, 0.7962890834, 0.1399819129])
    {
        assert!((probability - spark).abs() < 5e-11, "{probabilities:?}");
    }
}

#[tokio::test]
async fn overrides_change_the_job() {
    let rookery = Rookery::new(BINARY);
    let sets = [
        "--set",
        "runs[0].max_iter=3",
        "--set",
        "split.seed=7",
        "--set",
        "job.name=other",
    ];
    let job = rookery
        .run_json(&[&["run", &lab()], sets.as_slice()].concat())
        .await
        .succeeded();
    assert_eq!(job.last_json()["runs"][0]["iterations"], 3);
    assert!(job.stdout.contains("233"), "seed 7 has 233 training rows\n{job}");
}

#[tokio::test]
async fn rows_can_be_looked_at_without_a_cluster() {
    let rookery = Rookery::new(BINARY);
    let shown = rookery
        .run(&["data", "show", &lab(), "--rows", "3"])
        .await
        .succeeded();
    assert!(
        shown.stdout.contains("Torgersen") && shown.stdout.contains("39.1"),
        "{shown}"
    );
    let sample = rookery
        .run_json(&["data", "sample", &lab(), "--fraction", "0.2", "--seed", "42"])
        .await
        .succeeded();
    let rows = sample
        .json_lines()
        .iter()
        .filter(|line| line.get("Island").is_some())
        .count();
    assert_eq!(rows, 73, "Spark's sample(0.2, 42) has 73 rows\n{sample}");
}
