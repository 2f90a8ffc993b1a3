//! Rounds along a tree over the workers: the same bits as when each worker answers the driver, also when the tree breaks, and
//! nobody is let in by it who was not before.

use std::time::Duration;

use rookery_proto::{ErrorClass, Failure, Token};
use rookery_tests::{Collector, Dataset, Member, Network, TestCluster, pass_on, say, write_jobs};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::BINARY;
use crate::recovery::{IMPATIENT, Moment, SMALL_PARTITIONS, UNHURRIED, check, jobs, reach, undisturbed};

const POINTS: Dataset = Dataset {
    rows: 6_000,
    classes: 3,
    seed: 71,
};
/// Enough partitions for nine workers.
const PARTITIONS: &[&str] = &["data.partition_bytes=20000"];
/// As deep as a tree can be.
const TREE: &str = "tree:2";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// How many passes over the rows went this way.
async fn passes(cluster: &TestCluster, way: &str) -> f64 {
    let token = cluster.rookery().token();
    let page = rookery_tests::http::get(cluster.url(), "/metrics", Some(&token)).await;
    assert_eq!(page.status, 200);
    let name = format!("rookery_passes_total{{way=\"{way}\"}}");
    let line = page.body.lines().find(|line| line.starts_with(&name));
    line.and_then(|line| line.split_whitespace().last()?.parse().ok())
        .unwrap_or(0.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn along_a_tree_of_any_size_no_bit_changes() {
    let folder = TempDir::new().unwrap();
    let [csv, _, join] = write_jobs(folder.path(), POINTS);
    let mut expected = None;
    for workers in [1, 2, 5, 9] {
        for way in ["flat", TREE] {
            let cluster = TestCluster::new(BINARY)
                .workers(workers)
                .driver_arguments(&["--reduction", way])
                .start()
                .await;
            let mut digests = Vec::new();
            for job in [&csv, &join] {
                digests.extend(cluster.submit(job, PARTITIONS).await.succeeded().digests());
            }
            let (along, flat) = (passes(&cluster, "tree").await, passes(&cluster, "flat").await);
            let is_tree = way == TREE && workers > 1;
            assert_eq!(
                (along > 0.0, flat > 0.0),
                (is_tree, !is_tree),
                "{workers} {way}: {along}, {flat}"
            );
            assert_eq!(passes(&cluster, "broken_tree").await, 0.0, "{workers} {way}");
            assert_eq!(
                expected.get_or_insert(digests.clone()),
                &digests,
                "{workers} {way}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_or_killed_in_a_tree_changes_no_bit() {
    const WORKERS: usize = 5;
    let jobs = jobs();
    let expected = undisturbed(&jobs.csv, SMALL_PARTITIONS).await;
    let mut cluster = TestCluster::new(BINARY)
        .workers(WORKERS)
        .unhurried(UNHURRIED)
        .driver_arguments(&[IMPATIENT, &["--reduction", TREE]].concat())
        .start()
        .await;
    // Some of them pass rounds on, others are at the end.
    for worker in 0..WORKERS {
        let broken = passes(&cluster, "broken_tree").await;
        let mut running = cluster.start_job(&jobs.csv, SMALL_PARTITIONS);
        reach(&mut running, Moment::Iteration(3)).await;
        cluster.signal_worker(worker, "STOP").await;
        let ended = running.end().await;
        cluster.signal_worker(worker, "CONT").await;
        check(ended, &expected, &format!("worker {worker} stopped"));
        assert!(passes(&cluster, "broken_tree").await > broken, "worker {worker}");
        cluster.wait_for_workers(WORKERS).await;
        cluster.wait_until_nothing_is_held().await;
    }
    for worker in [0, 2] {
        let broken = passes(&cluster, "broken_tree").await;
        let mut running = cluster.start_job(&jobs.csv, SMALL_PARTITIONS);
        reach(&mut running, Moment::Iteration(3)).await;
        cluster.kill_worker(worker).await;
        check(running.end().await, &expected, &format!("worker {worker} killed"));
        assert!(passes(&cluster, "broken_tree").await > broken, "worker {worker}");
    }
    assert!(passes(&cluster, "tree").await > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_between_machines_that_is_cut_in_a_tree_changes_no_bit() {
    const WORKERS: usize = 4;
    let network = match Network::new(WORKERS + 1) {
        Ok(network) => network,
        Err(why) => return say(&format!("SKIPPED, a tree over several machines: {why}")),
    };
    let jobs = jobs();
    let expected = undisturbed(&jobs.csv, SMALL_PARTITIONS).await;
    let cluster = TestCluster::new(BINARY)
        .workers(WORKERS)
        .unhurried(UNHURRIED)
        .between(network)
        .hiding(jobs.folder())
        .driver_arguments(&[IMPATIENT, &["--reduction", TREE]].concat())
        .start()
        .await;
    for worker in 0..WORKERS {
        let mut running = cluster.start_job(&jobs.csv, SMALL_PARTITIONS);
        reach(&mut running, Moment::Iteration(3)).await;
        cluster.set_link(worker, false);
        let ended = running.end().await;
        cluster.set_link(worker, true);
        check(ended, &expected, &format!("the link of worker {worker} cut"));
        cluster.wait_for_workers(WORKERS).await;
        cluster.wait_until_nothing_is_held().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_tls_workers_pass_rounds_on_and_the_trace_shows_it() {
    let folder = TempDir::new().unwrap();
    let [job, ..] = write_jobs(folder.path(), POINTS);
    let plain = TestCluster::new(BINARY).workers(2).start().await;
    let expected = plain.submit(&job, PARTITIONS).await.succeeded().digests();
    let collector = Collector::start().await;
    let cluster = TestCluster::new(BINARY)
        .workers(5)
        .tls()
        .driver_arguments(&["--reduction", TREE])
        .with_env(ENDPOINT, collector.url())
        .start()
        .await;
    let ended = cluster.submit(&job, PARTITIONS).await.succeeded();
    assert_eq!(ended.digests(), expected);
    cluster.stop().await;

    let spans = collector.spans();
    let tasks = spans
        .iter()
        .filter(|span| span.service == "rookery-worker" && span.name == "evaluate_objective");
    let mut passed_on = 0;
    // A task is a child of the call that asked for it, whoever called; a call of a worker is a child of its own task.
    for task in tasks.filter(|span| span.parent_in(&spans).service == "rookery-worker") {
        let by = task.parent_in(&spans);
        if by.name == "evaluate_objective" && by.parent_in(&spans).service == "rookery-worker" {
            passed_on += 1;
        }
    }
    assert!(passed_on > 0, "no worker asked another one");
}

fn class(failed: &rookery_proto::v1::RelayFailure) -> ErrorClass {
    let error = failed.error.clone().expect("a reason");
    Failure::from(error).class
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_may_pass_a_round_on_and_is_led_nowhere_else() {
    let cluster = TestCluster::new(BINARY).workers(2).tls().start().await;
    let other = TestCluster::new(BINARY).workers(1).tls().start().await;
    let (member, foreigner) = (
        Member::kept_in(cluster.rookery().home()),
        Member::kept_in(other.rookery().home()),
    );
    let token = Token::new(&cluster.rookery().token()).unwrap();
    let (first, second) = (cluster.worker_url(0).await, cluster.worker_url(1).await);
    // A worker with its certificate and the token: this call, and nothing else.
    let answer = pass_on(&cluster, 0, Some(&token), Some(&member), &[&second]).await;
    assert!(answer.unwrap().failures.is_empty(), "the other one answered");
    let refused = cluster.ask_worker_as(0, Some(&token), Some(&member)).await;
    let refused = refused.unwrap_err();
    assert!(
        refused.message.contains("only this cluster's driver may"),
        "{refused}"
    );
    // Strangers do not even get there.
    let tokenless = pass_on(&cluster, 0, None, Some(&member), &[]).await.unwrap_err();
    assert!(
        tokenless.message.contains("asks for another token"),
        "{tokenless}"
    );
    for stranger in [None, Some(&foreigner)] {
        let refused = pass_on(&cluster, 0, Some(&token), stranger, &[]).await;
        assert_eq!(
            refused.unwrap_err().class,
            ErrorClass::Unreachable,
            "TLS comes first"
        );
    }
    // The worker shows its token to workers of this cluster alone.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let in_the_clear = format!("http://{}/", listener.local_addr().unwrap());
    let of_another = other.worker_url(0).await;
    let relays = [in_the_clear.as_str(), &of_another, cluster.url(), &first];
    let answer = pass_on(&cluster, 0, Some(&token), Some(&member), &relays)
        .await
        .unwrap();
    let failed: Vec<(&str, ErrorClass)> = answer
        .failures
        .iter()
        .map(|failed| (failed.url.as_str(), class(failed)))
        .collect();
    let expected = [
        (in_the_clear.as_str(), ErrorClass::Config),
        (&of_another, ErrorClass::Unreachable),
        // A driver is no worker.
        (cluster.url(), ErrorClass::Unreachable),
    ];
    assert_eq!(failed, expected, "itself is a worker of this cluster");
    let connected = tokio::time::timeout(Duration::from_millis(200), listener.accept()).await;
    assert!(connected.is_err(), "nobody comes");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_the_token_stays_on_the_machine() {
    let cluster = TestCluster::new(BINARY).workers(1).start().await;
    let token = Token::new(&cluster.rookery().token()).unwrap();
    let own = cluster.worker_url(0).await;
    let relays = ["http://192.0.2.7:4000/", &own];
    let answer = pass_on(&cluster, 0, Some(&token), None, &relays).await.unwrap();
    assert_eq!(answer.failures.len(), 1, "{:?}", answer.failures);
    assert_eq!(class(&answer.failures[0]), ErrorClass::Config);
    let refused = pass_on(&cluster, 0, None, None, &[]).await.unwrap_err();
    assert!(refused.message.contains("asks for another token"), "{refused}");
}
