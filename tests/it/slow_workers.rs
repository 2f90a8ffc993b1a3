//! Workers that lag while a job runs: it does not wait for them for long, and ends with the model that it would have had.

use std::time::{Duration, Instant};

use rookery_tests::{Lateness, TestCluster};

use crate::BINARY;
use crate::recovery::{IMPATIENT, SMALL_PARTITIONS, UNHURRIED, check, jobs, undisturbed};

/// So many partitions that a slow worker has some of them when it is given up on.
const TINY_PARTITIONS: &[&str] = &["data.partition_bytes=40000"];
/// How much later than it could a slow worker reads each batch of rows: with all its batches it would take minutes.
const SLOW: Duration = Duration::from_secs(5);
/// What a job takes at most that does not wait for a slow worker.
const SOON: Duration = Duration::from_secs(45);

#[tokio::test(flavor = "multi_thread")]
async fn the_partitions_of_a_worker_that_answers_slowly_are_given_to_the_others() {
    let jobs = jobs();
    let expected = undisturbed(&jobs.csv, SMALL_PARTITIONS).await;
    let cluster = TestCluster::new(BINARY)
        .workers(2)
        .late_worker(0, Lateness::of_answers(Duration::from_secs(60)))
        .driver_arguments(IMPATIENT)
        .start()
        .await;
    check(
        cluster.submit(&jobs.csv, SMALL_PARTITIONS).await,
        &expected,
        "slow",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_reads_slowly_is_read_by_the_others_and_it_keeps_nothing() {
    let jobs = jobs();
    let cluster = TestCluster::new(BINARY)
        .workers(3)
        .late_worker(1, Lateness::of_reads(SLOW))
        .driver_arguments(IMPATIENT)
        .start()
        .await;
    for job in [&jobs.csv, &jobs.join] {
        let expected = undisturbed(job, TINY_PARTITIONS).await;
        let started = Instant::now();
        let ended = cluster.submit(job, TINY_PARTITIONS).await;
        let took = started.elapsed();
        check(ended.clone(), &expected, &job.display().to_string());
        assert!(ended.stdout.contains("are read again"), "{ended}");
        assert!(took < SOON, "the job took {took:?}\n{ended}");
        cluster.wait_until_nothing_is_held().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_joins_and_reads_slowly_does_not_hold_a_job_up() {
    let jobs = jobs();
    let expected = undisturbed(&jobs.csv, TINY_PARTITIONS).await;
    let mut cluster = TestCluster::new(BINARY)
        .workers(2)
        .unhurried(UNHURRIED)
        .driver_arguments(IMPATIENT)
        .start()
        .await;
    let mut running = cluster.start_job(&jobs.csv, TINY_PARTITIONS);
    running.until_iteration(2).await;
    let started = Instant::now();
    cluster.spawn_worker(Lateness::of_reads(SLOW));
    let ended = running.end().await.succeeded();
    let took = started.elapsed();
    assert_eq!(ended.digests(), expected, "{ended}");
    assert!(took < SOON, "the job took {took:?}\n{ended}");
    cluster.wait_until_nothing_is_held().await;
}
