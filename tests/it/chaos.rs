//! Faults at random, by a seed: whatever befalls driver and workers, every job ends with the same model, and nothing is left
//! behind. Links are cut too where machines can be made ([`Network`]). `ROOKERY_CHAOS_FAULTS` and `ROOKERY_CHAOS_SEED` make it longer, or another.

use std::time::Duration;

use rookery_tests::{Dataset, Lateness, Network, TestCluster, say, write_jobs};
use tempfile::TempDir;

use crate::BINARY;

const FAULTS: u64 = 24;
const SEED: u64 = 1;
const WORKERS: usize = 3;
/// How much later than it could a worker answers each round: so jobs last long enough to be struck.
const UNHURRIED: Duration = Duration::from_millis(25);
/// A worker that lags behind all others.
const LATE: Lateness = Lateness {
    answers: Duration::from_secs(4),
    reads: Duration::from_secs(2),
};
const DRIVER: &[&str] = &[
    "--heartbeat-interval-ms",
    "100",
    "--heartbeat-timeout-ms",
    "2000",
    "--straggler-after-ms",
    "1500",
];

/// xorshift64*: the same faults for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

/// A cluster, and what was done to its workers.
struct Struck {
    cluster: TestCluster,
    has_links: bool,
    workers: Vec<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Well,
    Stopped,
    Cut,
    Late,
}

impl Struck {
    async fn strike(&mut self, chance: &mut Chance) {
        let worker = chance.below(WORKERS as u64) as usize;
        match chance.below(8) {
            0 | 1 => {
                self.replace(worker, Lateness::of_answers(UNHURRIED), Condition::Well)
                    .await
            }
            2 => {
                self.cluster.signal_worker(worker, "STOP").await;
                // A cut link is what must be mended.
                if self.workers[worker] != Condition::Cut {
                    self.workers[worker] = Condition::Stopped;
                }
            }
            3 => self.go_on().await,
            4 | 5 if self.has_links => {
                self.cluster.signal_worker(worker, "CONT").await;
                self.cluster.set_link(worker, false);
                self.workers[worker] = Condition::Cut;
            }
            6 => {
                self.cluster.kill_driver().await;
                self.cluster.start_driver_again().await;
            }
            // One laggard at a time: among laggards alone a job would take its time, rightly.
            _ if !self.workers.contains(&Condition::Late) => {
                self.replace(worker, LATE, Condition::Late).await;
            }
            _ => {}
        }
    }

    /// Kills a worker and starts another one.
    async fn replace(&mut self, worker: usize, lateness: Lateness, condition: Condition) {
        if self.workers[worker] == Condition::Cut {
            self.cluster.set_link(worker, true);
        }
        self.cluster.remove_worker(worker).await;
        self.cluster.spawn_worker(lateness);
        self.workers.remove(worker);
        self.workers.push(condition);
    }

    /// Lets all workers that were stopped go on, and mends all links.
    async fn go_on(&mut self) {
        for (worker, condition) in self.workers.iter_mut().enumerate() {
            match condition {
                Condition::Stopped => {}
                Condition::Cut => self.cluster.set_link(worker, true),
                Condition::Well | Condition::Late => continue,
            }
            self.cluster.signal_worker(worker, "CONT").await;
            *condition = Condition::Well;
        }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread")]
async fn random_faults_change_no_model_and_leave_nothing_behind() {
    let (faults, seed) = (
        setting("ROOKERY_CHAOS_FAULTS", FAULTS),
        setting("ROOKERY_CHAOS_SEED", SEED),
    );
    let folder = TempDir::new().unwrap();
    let points = Dataset {
        rows: 20_000,
        classes: 2,
        seed: 31,
    };
    let [csv, _, join] = write_jobs(folder.path(), points);
    let partitions: &[&str] = &["data.partition_bytes=60000"];
    let mut builder = TestCluster::new(BINARY).workers(WORKERS).unhurried(UNHURRIED);
    let network = Network::new(WORKERS + 1);
    let has_links = network.is_ok();
    match network {
        Ok(network) => builder = builder.between(network),
        Err(why) => say(&format!("SKIPPED, links that are cut: {why}")),
    }
    let mut struck = Struck {
        has_links,
        cluster: builder.driver_arguments(DRIVER).start().await,
        workers: vec![Condition::Well; WORKERS],
    };
    let mut expected = Vec::new();
    for job in [&csv, &join] {
        expected.push(struck.cluster.submit(job, partitions).await.succeeded().digests());
    }

    let mut chance = Chance(seed * 2 + 1);
    let (mut done, mut jobs) = (0, 0);
    while done < faults {
        let which = chance.below(2) as usize;
        let running = struck.cluster.start_job([&csv, &join][which], partitions);
        jobs += 1;
        for _ in 0..1 + chance.below(3) {
            tokio::time::sleep(Duration::from_millis(chance.below(900))).await;
            struck.strike(&mut chance).await;
            done += 1;
        }
        if !struck.workers.contains(&Condition::Well) {
            struck.go_on().await;
        }
        let ended = running.end().await;
        say(&format!("job {jobs}: {done} faults of seed {seed}"));
        assert_eq!(
            ended.succeeded().digests(),
            expected[which],
            "job {jobs} of seed {seed}"
        );
    }
    struck.go_on().await;
    struck.cluster.wait_for_workers(WORKERS).await;
    struck.cluster.wait_until_nothing_is_held().await;
    let runs = struck
        .cluster
        .rookery()
        .run_json(&["runs", "list"])
        .await
        .succeeded();
    assert!(!runs.stdout.contains("RUNNING"), "{runs}");
}
