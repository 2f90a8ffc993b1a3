//! The driver is killed and started again: its jobs go on, with the same models, the same runs, and logs without a gap.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rookery_tests::{Dataset, Output, TestCluster, write_jobs};
use serde_json::Value;
use tempfile::TempDir;

use crate::BINARY;
use crate::recovery::{Moment, reach};

const POINTS: Dataset = Dataset {
    rows: 30_000,
    classes: 2,
    seed: 41,
};
const SMALL_PARTITIONS: &[&str] = &["data.partition_bytes=200000"];
/// Time to strike within a round.
const UNHURRIED: Duration = Duration::from_millis(40);
const DRIVER: &[&str] = &[
    "--heartbeat-interval-ms",
    "100",
    "--heartbeat-timeout-ms",
    "3000",
    "--replacement-wait-ms",
    "3000",
];

const MOMENTS: [Moment; 8] = [
    Moment::Phase("materialize"),
    Moment::Phase("fit_stages"),
    Moment::Phase("build_blocks"),
    Moment::Phase("train"),
    Moment::Iteration(1),
    Moment::Iteration(6),
    Moment::Phase("evaluate"),
    Moment::Phase("record"),
];

async fn cluster(more: &[&str]) -> TestCluster {
    TestCluster::new(BINARY)
        .workers(2)
        .unhurried(UNHURRIED)
        .driver_arguments(&[DRIVER, more].concat())
        .start()
        .await
}

fn csv_job(folder: &TempDir) -> PathBuf {
    write_jobs(folder.path(), POINTS)[0].clone()
}

async fn runs(cluster: &TestCluster) -> Vec<Value> {
    let listed = cluster.rookery().run_json(&["runs", "list"]).await.succeeded();
    listed.json_lines()
}

/// Every event was seen once and in order, up to the last.
fn check_log(log: &Output) {
    let events = log.json_lines();
    let sequences: Vec<u64> = events
        .iter()
        .filter_map(|event| event["sequence"].as_u64())
        .collect();
    assert_eq!(
        sequences,
        (1..=sequences.len() as u64).collect::<Vec<_>>(),
        "{log}"
    );
    assert_eq!(log.last_json()["event"], "job_finished", "{log}");
}

/// Each step of the loss curve of each run is there once.
async fn check_curves(cluster: &TestCluster, runs: &[Value]) {
    for run in runs {
        let id = run["run_id"].as_str().unwrap();
        let token = cluster.rookery().token();
        let path = format!("/api/2.0/mlflow/metrics/get-history?run_id={id}&metric_key=loss");
        let history = rookery_tests::http::get(cluster.url(), &path, Some(&token))
            .await
            .json();
        let empty = Vec::new();
        let points = history["metrics"].as_array().unwrap_or(&empty);
        let mut steps: Vec<i64> = points
            .iter()
            .map(|point| point["step"].as_i64().unwrap_or(0))
            .collect();
        steps.sort_unstable();
        assert_eq!(steps, (0..steps.len() as i64).collect::<Vec<_>>(), "{run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_on_at_any_moment_as_if_nothing_had_happened() {
    let folder = TempDir::new().unwrap();
    let job = csv_job(&folder);
    let mut cluster = cluster(&[]).await;
    let undisturbed = cluster.submit(&job, SMALL_PARTITIONS).await.succeeded().digests();
    let runs_of_a_job = runs(&cluster).await.len();

    for (done, moment) in (1..).zip(MOMENTS) {
        let mut running = cluster.start_job(&job, SMALL_PARTITIONS);
        reach(&mut running, moment).await;
        cluster.kill_driver().await;
        cluster.start_driver_again().await;
        let ended = running.end().await.succeeded();
        assert_eq!(ended.digests(), undisturbed, "{moment:?}\n{ended}");
        check_log(&ended);
        let resumed = ended
            .json_lines()
            .into_iter()
            .find(|event| event["event"] == "resumed");
        let resumed = resumed.unwrap_or_else(|| panic!("{moment:?}: it was not resumed\n{ended}"));
        if let Moment::Iteration(6) = moment {
            assert!(resumed["rounds"].as_u64().unwrap() >= 6, "{resumed}");
        }
        let runs = runs(&cluster).await;
        assert_eq!(
            runs.len(),
            runs_of_a_job * (done + 1),
            "{moment:?}: the same runs go on\n{ended}"
        );
        assert!(
            runs.iter().all(|run| run["status"] == "FINISHED"),
            "{moment:?}\n{runs:?}"
        );
        check_curves(&cluster, &runs).await;
    }
    cluster.wait_until_nothing_is_held().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_and_the_keys_survive_and_what_ended_is_still_known() {
    let folder = TempDir::new().unwrap();
    let job = csv_job(&folder);
    let mut cluster = cluster(&["--max-running-jobs", "1"]).await;
    let ended = submit(&cluster, &job, "ended").await;
    let log = logs(&cluster, &ended).await;
    let mut ids = Vec::new();
    for key in ["first", "second", "third"] {
        ids.push(submit(&cluster, &job, key).await);
    }
    cluster.kill_driver().await;
    cluster.start_driver_again().await;
    assert_eq!(logs(&cluster, &ended).await.stdout, log.stdout, "word for word");
    assert_eq!(submit(&cluster, &job, "second").await, ids[1], "the key is known");
    for id in &ids {
        let log = logs(&cluster, id).await.succeeded();
        check_log(&log);
        assert_eq!(log.digests(), logs(&cluster, &ended).await.digests());
    }
    let listed = cluster.rookery().run_json(&["jobs", "list"]).await.succeeded();
    let listed = listed.json_lines();
    assert_eq!(listed.len(), 4);
    let started: Vec<i64> = listed
        .iter()
        .map(|job| job["started_ms"].as_i64().unwrap())
        .collect();
    assert!(started.is_sorted(), "{listed:?}");
}

async fn submit(cluster: &TestCluster, job: &Path, key: &str) -> String {
    let job = job.to_str().unwrap();
    let arguments = ["submit", job, "--detach", "--idempotency-key", key];
    cluster.wait_for_workers(1).await;
    let submitted = cluster.rookery().run(&arguments).await.succeeded();
    submitted.stdout.trim().to_string()
}

async fn logs(cluster: &TestCluster, id: &str) -> Output {
    cluster.rookery().run_json(&["jobs", "logs", "-f", id]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_data_changed_meanwhile_or_whose_workers_are_gone_fails_with_the_reason() {
    let folder = TempDir::new().unwrap();
    let job = csv_job(&folder);
    let mut cluster = cluster(&[]).await;
    let mut running = cluster.start_job(&job, SMALL_PARTITIONS);
    running.until_iteration(3).await;
    cluster.kill_driver().await;
    for worker in 0..2 {
        cluster.kill_worker(worker).await;
    }
    let points = folder.path().join("points.csv");
    let text = std::fs::read_to_string(&points).unwrap();
    std::fs::write(&points, text.replacen("green", "black", 1)).unwrap();
    cluster.start_driver_again().await;
    cluster.add_worker(1).await;
    let ended = running.end().await;
    assert_eq!(ended.code, 6, "{ended}");
    assert!(
        ended.stdout.contains("not what they were when the job began"),
        "{ended}"
    );

    let mut running = cluster.start_job(&job, SMALL_PARTITIONS);
    running.until_iteration(3).await;
    cluster.kill_driver().await;
    cluster.kill_worker(2).await;
    cluster.start_driver_again().await;
    let ended = running.end().await;
    assert_eq!(ended.code, 4, "{ended}");
    assert!(ended.stdout.contains("no active worker"), "{ended}");
    for run in runs(&cluster).await {
        assert_eq!(run["status"], "FAILED", "{run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_keeps_its_jobs_leaves_them_to_the_next_one_when_a_signal_stops_it() {
    let folder = TempDir::new().unwrap();
    let job = csv_job(&folder);
    let mut cluster = cluster(&["--keep-jobs"]).await;
    let undisturbed = cluster.submit(&job, SMALL_PARTITIONS).await.succeeded().digests();
    let mut running = cluster.start_job(&job, SMALL_PARTITIONS);
    running.until_iteration(4).await;
    cluster.end_driver().await;
    cluster.start_driver_again().await;
    let ended = running.end().await.succeeded();
    assert_eq!(ended.digests(), undisturbed, "{ended}");
    check_log(&ended);
    assert!(ended.stdout.contains("\"resumed\""), "{ended}");

    // `down` is no signal: whoever says so means the jobs too.
    let mut running = cluster.start_job(&job, SMALL_PARTITIONS);
    running.until_iteration(4).await;
    cluster.rookery().run(&["down"]).await.succeeded();
    assert_eq!(running.end().await.code, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_directory_has_one_driver() {
    let cluster = cluster(&[]).await;
    let second = cluster
        .rookery()
        .run(&["driver", "--listen", "127.0.0.1:0"])
        .await;
    assert_eq!(second.code, 2, "{second}");
    assert!(
        second
            .stderr
            .contains("another driver runs in this state directory"),
        "{second}"
    );
}
