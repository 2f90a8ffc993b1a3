//! Jobs wait their turn, are listed, followed, cancelled; workers are let go.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rookery_tests::{Dataset, Rookery, TestCluster, write_jobs};
use serde_json::Value;
use tempfile::TempDir;

use crate::{BINARY, lab};

fn csv_job(folder: &TempDir) -> PathBuf {
    let points = Dataset {
        rows: 4_000,
        classes: 2,
        seed: 3,
    };
    write_jobs(folder.path(), points)[0].clone()
}

/// One job at a time, and each takes its time.
async fn slow_cluster(workers: usize) -> TestCluster {
    TestCluster::new(BINARY)
        .workers(workers)
        .unhurried(Duration::from_millis(60))
        .driver_arguments(&["--max-running-jobs", "1", "--heartbeat-interval-ms", "100"])
        .start()
        .await
}

async fn submit(cluster: &TestCluster, job: &Path, more: &[&str]) -> String {
    let job = job.to_str().unwrap();
    let arguments = [&["submit", job, "--detach"], more].concat();
    cluster
        .rookery()
        .run(&arguments)
        .await
        .succeeded()
        .stdout
        .trim()
        .to_string()
}

async fn list(cluster: &TestCluster, what: &str) -> Vec<Value> {
    let listed = cluster.rookery().run_json(&[what, "list"]).await.succeeded();
    listed.json_lines()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_wait_their_turn_and_the_more_urgent_comes_first() {
    let folder = TempDir::new().unwrap();
    let job = csv_job(&folder);
    let cluster = slow_cluster(1).await;
    let first = submit(&cluster, &job, &[]).await;
    let later = submit(&cluster, &job, &[]).await;
    let urgent = submit(&cluster, &job, &["--priority", "5"]).await;
    let states: Vec<Value> = list(&cluster, "jobs")
        .await
        .iter()
        .map(|job| job["state"].clone())
        .collect();
    assert_eq!(states, ["running", "queued", "queued"]);

    let followed = cluster
        .rookery()
        .run_json(&["jobs", "logs", "-f", &later])
        .await
        .succeeded();
    assert_eq!(followed.json_lines()[0]["phase"], "queue");
    assert_eq!(followed.last_json()["status"], "succeeded");
    let jobs = list(&cluster, "jobs").await;
    let started = |id: &str| jobs.iter().find(|job| job["job_id"] == id).unwrap()["started_ms"].as_i64();
    assert!(
        started(&first) < started(&urgent) && started(&urgent) < started(&later),
        "{jobs:?}"
    );

    // What was said is said again, with the same end.
    let again = cluster
        .rookery()
        .run_json(&["jobs", "logs", &later])
        .await
        .succeeded();
    assert_eq!(again.json_lines().len(), followed.json_lines().len());
    assert_eq!(again.last_json()["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_can_be_cancelled_while_it_waits_and_while_it_runs() {
    let folder = TempDir::new().unwrap();
    let job = csv_job(&folder);
    let cluster = slow_cluster(1).await;
    let mut running = cluster.start_job(&job, &[]);
    running.until_iteration(2).await;
    let waiting = submit(&cluster, &job, &[]).await;
    let ids: Vec<String> = list(&cluster, "jobs")
        .await
        .iter()
        .map(|job| job["job_id"].as_str().unwrap().to_string())
        .collect();
    assert_eq!(ids[1], waiting);
    cluster
        .rookery()
        .run(&["jobs", "cancel", &ids[1], &ids[0]])
        .await
        .succeeded();
    let ended = running.end().await;
    assert_eq!(ended.code, 3, "{ended}");
    assert!(
        ended.last_json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("cancelled the job"),
        "{ended}"
    );
    let followed = cluster
        .rookery()
        .run_json(&["jobs", "logs", "-f", &waiting])
        .await;
    assert_eq!(
        followed.code, 3,
        "the same code as for those who waited: {followed}"
    );
    let runs = cluster.rookery().run_json(&["runs", "list"]).await.succeeded();
    assert!(
        runs.stdout.contains("KILLED") && !runs.stdout.contains("RUNNING"),
        "{runs}"
    );
    let unknown = cluster.rookery().run(&["jobs", "cancel", "job-nope"]).await;
    assert_eq!(unknown.code, 2, "{unknown}");
    assert!(unknown.stderr.contains("knows no job \"job-nope\""), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_makes_repeated_submissions_one_job() {
    let cluster = TestCluster::new(BINARY).workers(1).start().await;
    let lab = PathBuf::from(lab());
    let key = ["--idempotency-key", "nightly 7"];
    let first = submit(&cluster, &lab, &key).await;
    assert_eq!(submit(&cluster, &lab, &key).await, first);
    assert_ne!(submit(&cluster, &lab, &[]).await, first);
    let other = cluster
        .rookery()
        .run(&[
            "submit",
            lab.to_str().unwrap(),
            "--set",
            "runs[1].reg_param=0.5",
            key[0],
            key[1],
        ])
        .await;
    assert_eq!(other.code, 2, "{other}");
    assert!(other.stderr.contains("is another job"), "{other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_drained_hands_over_and_ends_one_that_is_removed_just_ends() {
    let folder = TempDir::new().unwrap();
    let job = csv_job(&folder);
    let small: &[&str] = &["data.partition_bytes=40000"];
    let mut cluster = slow_cluster(3).await;
    let expected = cluster.submit(&job, small).await.succeeded().digests();
    let mut running = cluster.start_job(&job, small);
    running.until_iteration(2).await;
    let workers = list(&cluster, "workers").await;
    assert!(
        workers.iter().all(|worker| worker["state"] == "active"),
        "{workers:?}"
    );
    for (command, worker) in [("drain", 0), ("remove", 1)] {
        let id = workers[worker]["worker_id"].as_str().unwrap();
        cluster.rookery().run(&["workers", command, id]).await.succeeded();
    }
    let ended = running.end().await.succeeded();
    assert_eq!(ended.digests(), expected);
    let workers = list(&cluster, "workers").await;
    let reason = |i: usize| workers[i]["reason"].as_str().unwrap().to_string();
    assert!(reason(0).starts_with("drained by"), "{workers:?}");
    assert!(reason(1).starts_with("removed by"), "{workers:?}");
    // Which process is which worker is not told; two of three have ended in order.
    let mut codes = Vec::new();
    for worker in 0..3 {
        codes.extend(cluster.exit_code(worker));
    }
    assert_eq!(codes, [0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_the_cluster_failed_can_be_tried_again_another_can_not() {
    let folder = TempDir::new().unwrap();
    let job = csv_job(&folder);
    let mut cluster = TestCluster::new(BINARY)
        .workers(1)
        .unhurried(Duration::from_millis(60))
        .driver_arguments(&["--heartbeat-interval-ms", "100", "--replacement-wait-ms", "300"])
        .start()
        .await;
    let mut running = cluster.start_job(&job, &[]);
    running.until_iteration(2).await;
    cluster.remove_worker(0).await;
    assert_eq!(running.end().await.code, 4);
    cluster.add_worker(1).await;
    let failed = list(&cluster, "jobs").await[0]["job_id"]
        .as_str()
        .unwrap()
        .to_string();
    let retried = cluster
        .rookery()
        .run(&["jobs", "retry", &failed])
        .await
        .succeeded();
    let retried = retried.stdout.trim();
    cluster
        .rookery()
        .run(&["jobs", "logs", "-f", retried])
        .await
        .succeeded();
    let again = cluster.rookery().run(&["jobs", "retry", retried]).await;
    assert_eq!(again.code, 2, "{again}");
    assert!(again.stderr.contains("it succeeded"), "{again}");

    let wrong = cluster
        .submit(&job, &["data.sources.points.columns.x1=\"boolean\""])
        .await;
    assert_eq!(wrong.code, 6, "{wrong}");
    let wrong = list(&cluster, "jobs").await.last().unwrap()["job_id"]
        .as_str()
        .unwrap()
        .to_string();
    let refused = cluster.rookery().run(&["jobs", "retry", &wrong]).await;
    assert_eq!(refused.code, 2, "{refused}");
    assert!(refused.stderr.contains("wrong still"), "{refused}");
}

#[tokio::test]
async fn a_job_can_be_checked_without_a_cluster() {
    let rookery = Rookery::new(BINARY);
    let valid = rookery
        .run_json(&["validate", &lab()])
        .await
        .succeeded()
        .last_json();
    assert_eq!(
        (valid["partitions"].clone(), valid["runs"].clone()),
        (1.into(), 2.into()),
        "{valid}"
    );
    let wrong = rookery
        .run(&["validate", &lab(), "--set", "training.label=Specie"])
        .await;
    assert_eq!(wrong.code, 2, "{wrong}");
    assert!(wrong.stderr.contains("there is no column \"Specie\""), "{wrong}");
}
