//! Clusters that are not as they should be: a job always ends, and says why.

use rookery_proto::{ErrorClass, Token};
use rookery_tests::http::get;
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
async fn a_dead_worker_that_the_driver_still_believes_in_does_no_harm() {
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
    let partitions = "data.partition_bytes=60000";
    let first = cluster.submit(&job, &[partitions]).await.succeeded();
    cluster.kill_worker(0).await;
    let second = cluster.submit(&job, &[partitions]).await.succeeded();
    assert_eq!(first.digests(), second.digests());
}

#[tokio::test]
async fn prometheus_reads_driver_and_workers_with_the_token() {
    let cluster = TestCluster::new(BINARY).workers(1).start().await;
    cluster.submit(lab(), &[]).await.succeeded();
    let worker = cluster.worker_url(0).await;
    for (url, line) in [
        (cluster.url(), "rookery_jobs{state=\"succeeded\"} 1"),
        (&worker, "rookery_worker_partitions 0"),
    ] {
        assert_eq!(get(url, "/metrics", None).await.status, 401);
        let read = get(url, "/metrics", Some(&cluster.rookery().token())).await;
        assert_eq!(read.status, 200);
        assert!(read.body.lines().any(|found| found == line), "{}", read.body);
        assert!(read.body.ends_with("# EOF\n"), "{}", read.body);
    }
}

#[tokio::test]
async fn a_worker_answers_only_those_who_know_the_token() {
    let cluster = TestCluster::new(BINARY).workers(1).start().await;
    let right = Token::new(&cluster.rookery().token()).unwrap();
    cluster.ask_worker(0, Some(&right)).await.unwrap();
    let wrong = Token::new("something-else").unwrap();
    for token in [None, Some(&wrong)] {
        let refused = cluster.ask_worker(0, token).await.unwrap_err();
        assert_eq!(refused.class, ErrorClass::Config);
        assert!(
            refused.message.contains("the worker asks for another token"),
            "{refused}"
        );
    }
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
