//! Several runs of a job: they share their passes over the rows, and each is what it would be alone.

use std::path::PathBuf;
use std::time::Duration;

use rookery_tests::{Dataset, Output, TestCluster, write_jobs};
use serde_json::Value;
use tempfile::TempDir;

use crate::BINARY;
use crate::recovery::{Moment, reach};

const POINTS: Dataset = Dataset {
    rows: 6_000,
    classes: 3,
    seed: 61,
};
const SMALL_PARTITIONS: &str = "data.partition_bytes=60000";
/// As different as runs of one job may be.
const RUNS: [&str; 5] = [
    "{ max_iter = 12 }",
    "{ reg_param = 0.01, elastic_net_param = 0.5, max_iter = 30 }",
    "{ solver = \"newton\", reg_param = 0.001 }",
    "{ solver = \"auto\", class_weight = \"balanced\" }",
    "{ reg_param = 0.3, standardization = false, fit_intercept = false }",
];

fn job(folder: &TempDir) -> PathBuf {
    write_jobs(folder.path(), POINTS)[0].clone()
}

fn runs(runs: &[&str]) -> String {
    format!("runs=[{}]", runs.join(", "))
}

/// Of each run, in their order.
fn told(output: &Output, key: &str) -> Vec<Value> {
    let last = output.last_json();
    let runs = last["runs"].as_array().unwrap();
    runs.iter().map(|run| run[key].clone()).collect()
}

async fn metric(cluster: &TestCluster, name: &str) -> f64 {
    let token = cluster.rookery().token();
    let page = rookery_tests::http::get(cluster.url(), "/metrics", Some(&token)).await;
    let text = page.body;
    let line = text
        .lines()
        .find(|line| line.starts_with(name) && !line.starts_with('#'));
    line.and_then(|line| line.split_whitespace().last()?.parse().ok())
        .unwrap_or_else(|| panic!("{name} in {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_side_by_side_share_rounds_and_each_is_what_it_is_alone() {
    let folder = TempDir::new().unwrap();
    let job = job(&folder);
    let cluster = TestCluster::new(BINARY).workers(2).start().await;
    let (mut alone, mut rounds) = (Vec::new(), Vec::new());
    let mut before = 0.0;
    for run in RUNS {
        let output = cluster.submit(&job, &[SMALL_PARTITIONS, &runs(&[run])]).await;
        alone.extend(output.succeeded().digests());
        let now = metric(&cluster, "rookery_rounds_total").await;
        rounds.push(now - before);
        before = now;
    }
    let together = cluster
        .submit(&job, &[SMALL_PARTITIONS, &runs(&RUNS)])
        .await
        .succeeded();
    assert_eq!(together.digests(), alone);
    let shared = metric(&cluster, "rookery_rounds_total").await - before;
    assert_eq!(shared, rounds.iter().copied().fold(0.0, f64::max), "{rounds:?}");

    // Progress says which run it is of.
    let lines = together.json_lines();
    let iterations = lines.iter().filter(|event| event["event"] == "iteration");
    let names: std::collections::BTreeSet<&str> = iterations
        .filter_map(|event| event["run_name"].as_str())
        .collect();
    assert_eq!(names.len(), RUNS.len(), "{names:?}");
}

const HALVING: [&str; 3] = [
    "split.weights=[0.5, 0.25, 0.25]",
    "training.early_stopping={ patience = 50, halve_after = 3 }",
    "runs=[{ reg_param = 0.8 }, { reg_param = 0.0 }, { reg_param = 0.2 }, { reg_param = 0.001 }, { reg_param = 0.05 }]",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_worse_half_is_given_up_alike_on_any_cluster_and_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let job = job(&folder);
    let settings = [&HALVING[..], &[SMALL_PARTITIONS]].concat();
    let one = TestCluster::new(BINARY).workers(1).start().await;
    let output = one.submit(&job, &settings).await.succeeded();
    let reasons = told(&output, "stop_reason");
    let given_up = reasons.iter().filter(|reason| *reason == "outperformed").count();
    assert!((2..=4).contains(&given_up), "{reasons:?}");
    assert_eq!(reasons[0], "outperformed", "the strongest penalty");

    let mut three = TestCluster::new(BINARY)
        .workers(3)
        .unhurried(Duration::from_millis(40))
        .driver_arguments(&["--heartbeat-interval-ms", "100"])
        .start()
        .await;
    let mut running = three.start_job(&job, &settings);
    reach(&mut running, Moment::Iteration(4)).await;
    three.kill_driver().await;
    three.start_driver_again().await;
    let ended = running.end().await.succeeded();
    assert_eq!(told(&ended, "stop_reason"), reasons);
    assert_eq!(ended.digests(), output.digests());
}

/// Statuses of the runs that a cluster has recorded.
async fn statuses(cluster: &TestCluster) -> Vec<String> {
    let listed = cluster.rookery().run_json(&["runs", "list"]).await.succeeded();
    let runs = listed.json_lines();
    let status = |run: &Value| run["status"].as_str().unwrap().to_string();
    runs.iter().map(status).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_can_not_be_trained_is_recorded_with_what_is_wrong() {
    const WRONG: &str = "{ family = \"binomial\" }";
    let folder = TempDir::new().unwrap();
    let job = job(&folder);
    // With others there is a run of the job as well, and all of them fail with it.
    for (wrong, recorded) in [(&[WRONG][..], 1), (&["{ max_iter = 3 }", WRONG], 3)] {
        let cluster = TestCluster::new(BINARY).workers(1).start().await;
        let output = cluster.submit(&job, &[&runs(wrong)]).await;
        assert_eq!(output.code, 2, "{output}");
        assert!(output.stdout.contains("Binomial family"), "{output}");
        assert_eq!(statuses(&cluster).await, vec!["FAILED"; recorded], "{output}");
    }
}
