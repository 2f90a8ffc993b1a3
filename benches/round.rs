//! What a round takes that has hardly any rows: `cargo bench --workspace --bench round`. A cluster of real processes on this
//! machine trains on some 1,000 rows; an iteration of L-BFGS is a round and what the driver does between two of them. Events
//! tell milliseconds, and a job has some ten iterations, so what counts is the mean of many jobs.

#![expect(clippy::print_stdout, reason = "a benchmark speaks to whoever runs it")]

use rookery_tests::{Dataset, TestCluster, write_jobs};

const BINARY: &str = env!("CARGO_BIN_EXE_rookery");
const TURNS: usize = 40;
const WORKERS: [usize; 3] = [1, 2, 4];

/// Of which about four fifths train.
const ROWS: Dataset = Dataset {
    rows: 1250,
    classes: 2,
    seed: 3,
};

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let [job, ..] = write_jobs(folder.path(), ROWS);
    let mut clusters = Vec::new();
    for workers in WORKERS {
        let cluster = TestCluster::new(BINARY).workers(workers).threads(1).start().await;
        // The first job of a cluster opens connections.
        iterations(&cluster, &job).await;
        clusters.push((workers, cluster, Vec::new()));
    }
    for _ in 0..TURNS {
        for (_, cluster, found) in &mut clusters {
            found.push(iterations(cluster, &job).await);
        }
    }
    for (workers, _, found) in clusters {
        let (milliseconds, iterations) = found.iter().fold((0, 0), |(a, b), (milliseconds, iterations)| {
            (a + milliseconds, b + iterations)
        });
        println!(
            "{workers} workers: {:.3} ms an iteration, the mean of {iterations}",
            milliseconds as f64 / iterations as f64
        );
    }
}

/// Milliseconds of a job's iterations after the first, and how many they are.
async fn iterations(cluster: &TestCluster, job: &std::path::Path) -> (u64, usize) {
    // In one partition for each worker, as far as the rows go.
    let settings = [
        "runs=[{ solver = \"lbfgs\", tol = 0, max_iter = 200 }]",
        "data.partition_bytes=\"20 kB\"",
    ];
    let ended = cluster.submit(job, &settings).await.succeeded();
    let iterations: Vec<u64> = ended
        .json_lines()
        .iter()
        .filter(|event| event["event"] == "iteration")
        .filter_map(|event| event["timestamp_ms"].as_u64())
        .collect();
    let (Some(first), Some(last)) = (iterations.first(), iterations.last()) else {
        panic!("no iterations\n{ended}");
    };
    (last - first, iterations.len() - 1)
}
