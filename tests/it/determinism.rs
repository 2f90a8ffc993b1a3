//! The headline: the model has the same bits for any number of workers and threads, and when work comes late.

use std::time::Duration;

use rookery_tests::{Dataset, Lateness, TestCluster, write_jobs};
use tempfile::TempDir;

use crate::BINARY;

/// Enough rows for 16 partitions and more in both formats.
const POINTS: Dataset = Dataset {
    rows: 200_000,
    classes: 3,
    seed: 11,
};

#[tokio::test(flavor = "multi_thread")]
async fn any_cluster_gives_the_same_bits() {
    let folder = TempDir::new().unwrap();
    let jobs = write_jobs(folder.path(), POINTS);
    let mut expected: Option<Vec<Vec<String>>> = None;
    for (workers, threads) in [(1, 1), (2, 2), (3, 1), (7, 1)] {
        let cluster = TestCluster::new(BINARY)
            .workers(workers)
            .threads(threads)
            .start()
            .await;
        let mut digests = Vec::new();
        for job in &jobs {
            let output = cluster.submit(job, &[]).await.succeeded();
            check_partitions(&output.stdout, workers, job.ends_with("join.toml"));
            digests.push(output.digests());
        }
        match &expected {
            None => expected = Some(digests),
            Some(expected) => assert_eq!(&digests, expected, "{workers} workers, {threads} threads"),
        }
    }
}

/// 16 partitions at least. Those of files are dealt to all workers; those of a join go by hash, so that a worker may
/// get none.
fn check_partitions(stdout: &str, workers: usize, by_hash: bool) {
    let split = stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find(|event| event["event"] == "split")
        .expect("a split report");
    assert!(split["partitions"].as_u64().unwrap() >= 16, "{split}");
    let holders = split["workers"].as_u64().unwrap() as usize;
    match by_hash {
        true => assert!(holders <= workers && holders > workers / 2, "{split}"),
        false => assert_eq!(holders, workers, "{split}"),
    }
}

/// Of one worker, of three, and of two without the vector instructions of this machine.
async fn different_clusters() -> [TestCluster; 3] {
    let cluster = |workers| TestCluster::new(BINARY).workers(workers);
    [
        cluster(1).start().await,
        cluster(3).start().await,
        cluster(2)
            .with_env("ROOKERY_BASELINE_INSTRUCTIONS", "true")
            .start()
            .await,
    ]
}

/// Of all solvers (the second run has an L1 penalty), with and without the vector instructions of this machine.
#[tokio::test(flavor = "multi_thread")]
async fn solvers_give_the_same_bits_on_any_instructions() {
    let folder = TempDir::new().unwrap();
    let points = Dataset {
        rows: 6_000,
        classes: 3,
        seed: 31,
    };
    let [job, ..] = write_jobs(folder.path(), points);
    let clusters = different_clusters().await;
    for solver in ["lbfgs", "newton", "subsampled_newton", "auto"] {
        let solver = format!("runs[0].solver={solver:?}");
        let settings = [solver.as_str(), "data.partition_bytes=30000"];
        let mut digests = Vec::new();
        for cluster in &clusters {
            digests.push(cluster.submit(&job, &settings).await.succeeded().digests());
        }
        assert!(
            digests.iter().all(|each| *each == digests[0]),
            "{solver}: {digests:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn late_work_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let points = Dataset {
        rows: 20_000,
        classes: 2,
        seed: 5,
    };
    let [job, ..] = write_jobs(folder.path(), points);
    let small = "data.partition_bytes=60000";
    let even = TestCluster::new(BINARY)
        .workers(2)
        .start()
        .await
        .submit(&job, &[small])
        .await
        .succeeded();
    for late in 0..2 {
        let cluster = TestCluster::new(BINARY)
            .workers(2)
            .late_worker(late, Lateness::of_answers(Duration::from_millis(30)))
            .start()
            .await;
        let output = cluster.submit(&job, &[small]).await.succeeded();
        assert_eq!(output.digests(), even.digests(), "worker {late} answers late");
    }
}

/// With floats, where that was asked for: other bits, but the same ones everywhere.
#[tokio::test(flavor = "multi_thread")]
async fn fast_rounds_give_the_same_bits_on_any_cluster() {
    let folder = TempDir::new().unwrap();
    let points = Dataset {
        rows: 6_000,
        classes: 2,
        seed: 37,
    };
    let [job, ..] = write_jobs(folder.path(), points);
    let clusters = different_clusters().await;
    let of = async |cluster: &TestCluster, precision: &str| {
        let precision = format!("training.logistic_regression.precision={precision:?}");
        let settings = [precision.as_str(), "data.partition_bytes=30000"];
        cluster.submit(&job, &settings).await.succeeded().digests()
    };
    let expected = of(&clusters[0], "fast").await;
    assert_ne!(
        expected,
        of(&clusters[0], "double").await,
        "it computes with floats"
    );
    for cluster in &clusters[1..] {
        assert_eq!(of(cluster, "fast").await, expected);
    }
}
