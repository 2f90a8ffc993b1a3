//! Clusters that are not as they should be: a job always ends, and says why.

use rookery_tests::{Dataset, Rookery, TestCluster, write_jobs};
use tempfile::TempDir;

use crate::{BINARY, lab};

#[tokio::test]
async fn without_workers_a_job_fails_at_once() {
    let cluster = TestCluster::new(BINARY).workers(0).start().await;
    let job = cluster.submit(lab(), &[]).await;
    assert_eq!(job.code, 4, "{job}");
    assert!(job.stderr.contains("no active worker"), "{job}");

    let run = Rookery::new(BINARY).run(&["run", &lab(), "--workers", "0"]).await;
    assert_ne!(run.code, 0, "{run}");
    assert!(run.stderr.contains("worker"), "{run}");
}

#[tokio::test]
async fn one_worker_is_a_cluster() {
    let cluster = TestCluster::new(BINARY).workers(1).start().await;
    let job = cluster.submit(lab(), &[]).await.succeeded();
    assert_eq!(job.last_json()["status"], "succeeded");
}

#[tokio::test]
async fn without_a_driver_a_client_says_so() {
    let rookery = Rookery::new(BINARY);
    let job = rookery
        .run(&["submit", &lab(), "--driver", "http://127.0.0.1:9", "--wait"])
        .await;
    assert_eq!(job.code, 4, "{job}");
    assert!(job.stderr.contains("127.0.0.1:9"), "{job}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_ends_the_job_with_its_name_and_no_run_stays_running() {
    let folder = TempDir::new().unwrap();
    let [job, ..] = write_jobs(
        folder.path(),
        Dataset {
            rows: 20_000,
            classes: 3,
            seed: 3,
        },
    );
    let mut cluster = TestCluster::new(BINARY).workers(2).start().await;
    // The first job leaves a working cluster; the second meets a dead worker that the driver still believes in.
    let partitions = "data.partition_bytes=60000";
    cluster.submit(&job, &[partitions]).await.succeeded();
    cluster.kill_worker(0).await;
    let failed = cluster.submit(&job, &[partitions]).await;
    assert_eq!(failed.code, 4, "{failed}");
    let last = failed.last_json();
    assert_eq!(last["status"], "failed");
    assert_eq!(last["error"]["class"], "unreachable");

    let runs = cluster.rookery().run_json(&["runs", "list"]).await.succeeded();
    assert!(!runs.stdout.contains("RUNNING"), "{runs}");
}

#[tokio::test]
async fn a_worker_without_a_driver_ends_with_its_own_code() {
    let rookery = Rookery::new(BINARY);
    let worker = rookery
        .run(&[
            "worker",
            "--driver",
            "http://127.0.0.1:9",
            "--driver-timeout-ms",
            "300",
        ])
        .await;
    assert_eq!(worker.code, 4, "{worker}");
    assert!(worker.stderr.contains("the driver did not answer"), "{worker}");
}
