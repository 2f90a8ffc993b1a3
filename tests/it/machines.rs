//! A cluster of machines that share nothing but the wire: mutual TLS between them, the data on the driver's disk alone, and a
//! link that is cut. The model has the bits that it has on one machine.

use std::path::Path;

use rookery_tests::{DEADLINE, Dataset, Network, Rookery, say, write_jobs};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Child;

use crate::BINARY;

const POINTS: Dataset = Dataset {
    rows: 30_000,
    classes: 3,
    seed: 59,
};
const SMALL_PARTITIONS: &str = "data.partition_bytes=200000";
const WORKERS: usize = 3;
/// A worker that is cut off counts as lost after two seconds.
const BOUNDS: &[&str] = &["--heartbeat-interval-ms", "100", "--heartbeat-timeout-ms", "2000"];

/// The driver's machine, on which clients are too.
struct Head {
    rookery: Rookery,
    _driver: Child,
    url: String,
}

async fn head(network: &Network) -> Head {
    let rookery = Rookery::new(BINARY).on(network.on(0, &[]));
    let listen = format!("{}:0", network.address(0));
    let driver = rookery.start(&[&["driver", "--listen", &listen], BOUNDS].concat());
    let url = rookery.driver_url().await;
    Head {
        rookery,
        _driver: driver,
        url,
    }
}

impl Head {
    async fn join_token(&self) -> String {
        let created = self.rookery.run_json(&["token", "create"]).await.succeeded();
        created.last_json()["join_token"].as_str().unwrap().to_string()
    }

    /// A worker on a machine where neither the data nor the driver's files are.
    async fn worker(&self, network: &Network, machine: usize, data: &Path) -> (Rookery, Child) {
        let token = self.join_token().await;
        let hidden = [data, self.rookery.home()];
        let rookery = Rookery::new(BINARY)
            .with_env("ROOKERY_JOIN_TOKEN", &token)
            .on(network.on(machine, &hidden));
        let look = rookery
            .run(&["validate", data.join("csv.toml").to_str().unwrap()])
            .await;
        assert_ne!(look.code, 0, "the data are not on this machine\n{look}");
        let worker = rookery.start(&[
            "worker",
            "--driver",
            &self.url,
            "--threads",
            "1",
            "--answer-delay-ms",
            "40",
        ]);
        (rookery, worker)
    }

    async fn workers(&self) -> Vec<Value> {
        let listed = self.rookery.run_json(&["workers", "list"]).await.succeeded();
        listed.json_lines()
    }

    async fn wait_for(&self, what: &str, is_so: impl Fn(&[Value]) -> bool) {
        let waited = async {
            while !is_so(&self.workers().await) {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(DEADLINE, waited).await.expect(what);
    }
}

fn active(workers: &[Value]) -> impl Iterator<Item = &Value> {
    workers.iter().filter(|worker| worker["state"] == "active")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_link_between_machines_that_share_nothing_changes_no_bit() {
    let network = match Network::new(WORKERS + 1) {
        Ok(network) => network,
        Err(why) => return say(&format!("SKIPPED, a cluster of several machines: {why}")),
    };
    let data = TempDir::new().unwrap();
    let [csv, _, join] = write_jobs(data.path(), POINTS);
    let alone = Rookery::new(BINARY);
    let head = head(&network).await;
    assert!(
        head.url.starts_with(&format!("https://{}:", network.address(0))),
        "{}",
        head.url
    );
    let mut workers = Vec::new();
    for machine in 1..=WORKERS {
        workers.push(head.worker(&network, machine, data.path()).await);
    }
    head.wait_for("the workers join", |workers| active(workers).count() == WORKERS)
        .await;
    for (machine, worker) in (1..).zip(active(&head.workers().await)) {
        let url = worker["url"].as_str().unwrap();
        assert!(
            url.starts_with("https://10.77."),
            "machine {machine} is reached from outside: {url}"
        );
    }

    for (job, machine) in [(&csv, 2), (&join, 3)] {
        let job = job.to_str().unwrap();
        let run = ["run", job, "--workers", "1", "--set", SMALL_PARTITIONS];
        let expected = alone.run_json(&run).await.succeeded().digests();
        let mut running = head
            .rookery
            .follow(&["submit", job, "--wait", "--set", SMALL_PARTITIONS]);
        running.until_iteration(3).await;
        network.cut(machine);
        let ended = running.end().await.succeeded();
        assert_eq!(ended.digests(), expected, "{ended}");
        assert!(
            ended.stdout.contains("made again"),
            "no loss was told of\n{ended}"
        );
        network.mend(machine);
        head.wait_for("the worker that was cut off comes back", |workers| {
            active(workers).count() == WORKERS
        })
        .await;
    }
    head.wait_for("the workers let go", |workers| {
        active(workers).all(|worker| worker["memory_bytes"] == 0)
    })
    .await;
}
