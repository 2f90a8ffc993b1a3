//! Workers come, go and hang while a job runs: it ends with the model that it would have had without.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rookery_tests::{Dataset, Output, RunningJob, TestCluster, write_jobs};
use tempfile::TempDir;

use crate::BINARY;

/// Enough rows for some twenty partitions.
pub(crate) const POINTS: Dataset = Dataset {
    rows: 60_000,
    classes: 3,
    seed: 23,
};
pub(crate) const SMALL_PARTITIONS: &[&str] = &["data.partition_bytes=200000"];
/// Time to strike within a round.
pub(crate) const UNHURRIED: Duration = Duration::from_millis(40);
/// What a driver bears in these tests.
pub(crate) const IMPATIENT: &[&str] = &[
    "--heartbeat-interval-ms",
    "100",
    "--heartbeat-timeout-ms",
    "2000",
    "--replacement-wait-ms",
    "20000",
    "--straggler-after-ms",
    "1000",
];

pub(crate) struct Jobs {
    folder: TempDir,
    pub(crate) csv: PathBuf,
    pub(crate) join: PathBuf,
}

impl Jobs {
    /// Where jobs and data are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

pub(crate) fn jobs() -> Jobs {
    let folder = TempDir::new().unwrap();
    let [csv, _, join] = write_jobs(folder.path(), POINTS);
    Jobs { folder, csv, join }
}

async fn cluster(workers: usize) -> TestCluster {
    TestCluster::new(BINARY)
        .workers(workers)
        .unhurried(UNHURRIED)
        .driver_arguments(IMPATIENT)
        .start()
        .await
}

/// What the job gives when nobody disturbs it.
pub(crate) async fn undisturbed(job: &Path, overrides: &[&str]) -> Vec<String> {
    let cluster = TestCluster::new(BINARY).workers(2).start().await;
    cluster.submit(job, overrides).await.succeeded().digests()
}

/// The job said that it lost a worker, and ended with the model that it would have had.
pub(crate) fn check(ended: Output, expected: &[String], what: &str) {
    let ended = ended.succeeded();
    let warned = ended.json_lines().iter().any(|event| {
        let message = event["message"].as_str().unwrap_or_default();
        event["event"] == "warning" && (message.contains("made again") || message.contains("read again"))
    });
    assert!(warned, "{what}: no loss was told of\n{ended}");
    assert_eq!(ended.digests(), expected, "{what}\n{ended}");
}

/// When to strike.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    Phase(&'static str),
    Iteration(u64),
}

pub(crate) const MOMENTS: [Moment; 6] = [
    Moment::Phase("materialize"),
    Moment::Phase("fit_stages"),
    Moment::Phase("build_blocks"),
    Moment::Phase("train"),
    Moment::Iteration(5),
    Moment::Phase("evaluate"),
];

pub(crate) async fn reach(job: &mut RunningJob, moment: Moment) {
    match moment {
        Moment::Phase(phase) => job.until_phase(phase).await,
        Moment::Iteration(iteration) => job.until_iteration(iteration).await,
    }
}

/// The same of a job that was struck at a moment: in the last phase it may have had what it needed already.
pub(crate) fn check_at(moment: Moment, ended: Output, expected: &[String], what: &str) {
    match moment {
        Moment::Phase("evaluate") => assert_eq!(ended.succeeded().digests(), expected, "{what}"),
        _ => check(ended, expected, &format!("{what} {moment:?}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_in_any_phase_leaves_no_trace_in_the_model() {
    let jobs = jobs();
    for job in [&jobs.csv, &jobs.join] {
        let expected = undisturbed(job, SMALL_PARTITIONS).await;
        for moment in MOMENTS {
            let mut cluster = cluster(3).await;
            let mut running = cluster.start_job(job, SMALL_PARTITIONS);
            reach(&mut running, moment).await;
            cluster.kill_worker(1).await;
            let ended = running.end().await;
            check_at(moment, ended, &expected, &job.display().to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_hangs_in_any_phase_is_noticed_and_forgets_what_nobody_needs_when_it_goes_on() {
    const WORKERS: usize = 3;
    let jobs = jobs();
    let cluster = cluster(WORKERS).await;
    for job in [&jobs.csv, &jobs.join] {
        let expected = undisturbed(job, SMALL_PARTITIONS).await;
        for (worker, moment) in (0..WORKERS).cycle().zip(MOMENTS) {
            let mut running = cluster.start_job(job, SMALL_PARTITIONS);
            reach(&mut running, moment).await;
            cluster.signal_worker(worker, "STOP").await;
            let ended = running.end().await;
            cluster.signal_worker(worker, "CONT").await;
            check_at(moment, ended, &expected, &job.display().to_string());
            cluster.wait_for_workers(WORKERS).await;
            // It was not there to be told when the job ended.
            cluster.wait_until_nothing_is_held().await;
        }
        // All work again.
        let again = cluster.submit(job, SMALL_PARTITIONS).await.succeeded();
        assert_eq!(again.digests(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_for_a_replacement_of_its_last_worker() {
    let jobs = jobs();
    let expected = undisturbed(&jobs.csv, SMALL_PARTITIONS).await;
    let mut cluster = cluster(1).await;
    let mut running = cluster.start_job(&jobs.csv, SMALL_PARTITIONS);
    running.until_iteration(4).await;
    cluster.kill_worker(0).await;
    cluster.add_worker(1).await;
    check(running.end().await, &expected, "replaced");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_replacement_it_fails_with_the_reason() {
    let jobs = jobs();
    let mut arguments = IMPATIENT.to_vec();
    arguments[5] = "500";
    let mut cluster = TestCluster::new(BINARY)
        .workers(1)
        .unhurried(UNHURRIED)
        .driver_arguments(&arguments)
        .start()
        .await;
    let mut running = cluster.start_job(&jobs.csv, SMALL_PARTITIONS);
    running.until_iteration(2).await;
    cluster.kill_worker(0).await;
    let ended = running.end().await;
    assert_eq!(ended.code, 4, "{ended}");
    let message = ended.last_json()["error"]["message"].to_string();
    assert!(message.contains("none came within 0.5 s"), "{ended}");
    let runs = cluster.rookery().run_json(&["runs", "list"]).await.succeeded();
    assert!(!runs.stdout.contains("RUNNING"), "{runs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_joins_is_given_its_share_and_one_that_is_told_to_stop_hands_its_own_over() {
    let jobs = jobs();
    let expected = undisturbed(&jobs.csv, SMALL_PARTITIONS).await;
    let mut cluster = cluster(1).await;
    let mut running = cluster.start_job(&jobs.csv, SMALL_PARTITIONS);
    running.until_iteration(2).await;
    cluster.add_worker(2).await;
    running.until_iteration(5).await;
    // The first one goes in order: the other one has to have all partitions by then.
    cluster.signal_worker(0, "TERM").await;
    assert_eq!(cluster.worker_exit(0).await, 0);
    let ended = running.end().await.succeeded();
    assert_eq!(ended.digests(), expected);
    assert!(!ended.stdout.contains("is lost"), "{ended}");
}
