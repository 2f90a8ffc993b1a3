//! Named clusters: created, started, watched, terminated, started again.

use std::time::Duration;

use rookery_tests::{DEADLINE, Output, Rookery};
use serde_json::Value;

use crate::{BINARY, lab};

const POLL: Duration = Duration::from_millis(50);

/// What `cluster show` says.
async fn show(rookery: &Rookery, name: &str) -> Value {
    rookery
        .run_json(&["cluster", "show", name])
        .await
        .succeeded()
        .last_json()
}

async fn wait_for_state(rookery: &Rookery, name: &str, state: &str) -> Value {
    let waited = async {
        loop {
            let shown = show(rookery, name).await;
            match shown["state"] == state {
                true => return shown,
                false => tokio::time::sleep(POLL).await,
            }
        }
    };
    tokio::time::timeout(DEADLINE, waited)
        .await
        .unwrap_or_else(|_| panic!("{name} becomes {state}"))
}

async fn events(rookery: &Rookery, name: &str) -> Vec<Value> {
    rookery
        .run_json(&["cluster", "events", name])
        .await
        .succeeded()
        .json_lines()
}

/// Waits for an event; returns the first of this kind.
async fn wait_for_event(rookery: &Rookery, name: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let waited = async {
        loop {
            match events(rookery, name).await.into_iter().find(&is_it) {
                Some(event) => return event,
                None => tokio::time::sleep(POLL).await,
            }
        }
    };
    tokio::time::timeout(DEADLINE, waited).await.expect("the event")
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect()
}

async fn start(rookery: &Rookery, name: &str) -> Value {
    rookery
        .run_json(&["cluster", "start", name])
        .await
        .succeeded()
        .last_json()
}

async fn terminate(rookery: &Rookery, name: &str) {
    rookery.run(&["cluster", "terminate", name]).await.succeeded();
}

async fn signal(pid: u64, signal: &str) {
    let mut kill = tokio::process::Command::new("kill");
    let sent = kill
        .args([&format!("-{signal}"), &pid.to_string()])
        .status()
        .await;
    assert!(sent.expect("kill is there").success(), "{signal} to {pid}");
}

/// The process of the driver: the parent of its workers.
fn parent_of(pid: u64) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .unwrap();
    line.trim().parse().unwrap()
}

fn refused(output: &Output, said: &str) {
    assert_eq!(output.code, 2, "{output}");
    assert!(output.stderr.contains(said), "{said}: {output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_created_started_terminated_and_started_again_with_its_jobs() {
    let rookery = Rookery::new(BINARY).with_env("USER", "ana");
    let name = "Pingüinos 1";
    let create = ["cluster", "create", name, "--workers", "1", "--threads", "1"];
    let created = rookery.run_json(&create).await.succeeded().last_json();
    assert_eq!(
        (&created["state"], &created["mode"]),
        (&"terminated".into(), &"multi-node".into())
    );
    assert_eq!(created["runtime_version"], created["version"]);
    refused(&rookery.run(&create).await, "already");
    let unknown = rookery.run(&["submit", &lab(), "--cluster", "lab"]).await;
    refused(&unknown, name);
    let idle = rookery.run(&["status", "--cluster", name]).await;
    assert_eq!(idle.code, 4, "{idle}");
    assert!(
        idle.stderr.contains("rookery cluster start 'Pingüinos 1'"),
        "{idle}"
    );

    let started = start(&rookery, name).await;
    let running = show(&rookery, name).await;
    assert_eq!(
        (&running["state"], &running["driver"]),
        (&"running".into(), &started["driver"])
    );
    refused(&rookery.run(&["cluster", "start", name]).await, "runs");
    refused(&rookery.run(&["cluster", "delete", name]).await, "runs");
    refused(
        &rookery.run(&["up", "--cluster", name]).await,
        "started by its name",
    );
    let job = rookery
        .run_json(&["submit", &lab(), "--wait", "--cluster", name])
        .await
        .succeeded();
    let worker = rookery.start(&["worker", "--cluster", name, "--threads", "1"]);
    wait_for_event(&rookery, name, |event| event["worker_id"] == "w2").await;
    drop(worker);
    terminate(&rookery, name).await;
    assert_eq!(show(&rookery, name).await["end_reason"], "ana stopped it");
    terminate(&rookery, name).await;

    // Its jobs are there again; its records are those of the state directory.
    start(&rookery, name).await;
    let jobs = rookery
        .run_json(&["jobs", "list", "--cluster", name])
        .await
        .succeeded()
        .json_lines();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(jobs[0]["job_id"], job.last_json()["job_id"]);
    let runs = rookery.run_json(&["runs", "list"]).await.succeeded().json_lines();
    assert!(!runs.is_empty());
    rookery.run(&["down", "--cluster", name]).await.succeeded();

    let all = events(&rookery, name).await;
    let once = [
        "starting",
        "running",
        "worker_joined",
        "terminating",
        "terminated",
    ];
    // But for the worker that came and went in between.
    let all: Vec<_> = all
        .into_iter()
        .filter(|event| event["worker_id"] != "w2")
        .collect();
    let told = kinds(&all);
    assert_eq!(told, [&["created"][..], &once[..], &once[..]].concat(), "{all:?}");
    assert!(all.iter().all(|event| event["cluster"] == name));
    assert_eq!((&all[0]["user"], &all[1]["user"]), (&"ana".into(), &"ana".into()));
    let text = rookery.run(&["cluster", "events", name]).await.succeeded().stdout;
    assert!(text.contains("starting") && text.contains("by ana"), "{text}");

    rookery.run(&["cluster", "delete", name]).await.succeeded();
    let list = rookery.run_json(&["cluster", "list"]).await.succeeded();
    assert!(list.stdout.is_empty(), "{list}");
    let left = rookery.run_json(&["runs", "list"]).await.succeeded().json_lines();
    assert_eq!(left.len(), runs.len(), "the records stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clusters_train_at_once_and_record_in_one_place() {
    let rookery = Rookery::new(BINARY);
    for name in ["a", "b"] {
        let create = ["cluster", "create", name, "--single-node", "--threads", "1"];
        let created = rookery.run_json(&create).await.succeeded().last_json();
        assert_eq!(
            (&created["mode"], &created["max_workers"]),
            (&"single-node".into(), &1.into())
        );
        start(&rookery, name).await;
    }
    let lab = lab();
    let jobs = ["a", "b"].map(|name| ["submit", lab.as_str(), "--wait", "--cluster", name]);
    let (a, b) = tokio::join!(rookery.run_json(&jobs[0]), rookery.run_json(&jobs[1]));
    let (a, b) = (a.succeeded(), b.succeeded());
    assert_eq!(a.digests(), b.digests());
    let runs = rookery.run_json(&["runs", "list"]).await.succeeded().json_lines();
    let finished = runs.iter().filter(|run| run["status"] == "FINISHED").count();
    // The lab has two trainings, and a run above them.
    assert_eq!((runs.len(), finished), (6, 6), "{runs:?}");
    // A driver that ends leaves the runs of the other alone.
    terminate(&rookery, "a").await;
    rookery.run_json(&jobs[1]).await.succeeded();
    terminate(&rookery, "b").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_cluster_says_so_in_its_events() {
    let rookery = Rookery::new(BINARY);
    let create = [
        "cluster",
        "create",
        "lab",
        "--workers",
        "1",
        "--auto-terminate",
        "0.01",
    ];
    rookery.run(&create).await.succeeded();
    start(&rookery, "lab").await;
    let ended = wait_for_state(&rookery, "lab", "terminated").await;
    assert_eq!(
        ended["end_reason"],
        "no job for 0.01 minutes: terminated automatically"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_is_told_of_and_replaced_and_a_crash_is_noted() {
    // The variable says the same as the flag.
    let rookery = Rookery::new(BINARY).with_env("ROOKERY_CLUSTER", "lab");
    rookery
        .run(&["cluster", "create", "lab", "--workers", "2", "--threads", "1"])
        .await
        .succeeded();
    let started = start(&rookery, "lab").await;
    let worker = started["workers"][0]["pid"].as_u64().unwrap();
    let process = parent_of(worker);
    signal(worker, "KILL").await;
    let lost = wait_for_event(&rookery, "lab", |event| event["event"] == "worker_lost").await;
    assert_eq!(lost["reason"], "killed by signal 9");
    let workers = rookery
        .run_json(&["workers", "list"])
        .await
        .succeeded()
        .json_lines();
    let of_pid = workers.iter().find(|row| row["pid"] == worker).unwrap();
    assert_eq!(
        (&of_pid["state"], &of_pid["reason"]),
        (&"lost".into(), &"killed by signal 9".into())
    );
    wait_for_event(&rookery, "lab", |event| {
        event["event"] == "worker_joined" && event["worker_id"] == "w3"
    })
    .await;

    signal(process, "KILL").await;
    let ended = wait_for_state(&rookery, "lab", "terminated").await;
    assert!(
        ended["end_reason"].as_str().unwrap().starts_with("crashed"),
        "{ended}"
    );
    let started = start(&rookery, "lab").await;
    let worker = started["workers"][0]["pid"].as_u64().unwrap();
    assert_eq!(show(&rookery, "lab").await["state"], "running");
    signal(parent_of(worker), "TERM").await;
    let ended = wait_for_state(&rookery, "lab", "terminated").await;
    assert_eq!(ended["end_reason"], "it was told to stop by a signal");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_on_tls_replaces_workers_which_join_anew() {
    let rookery = Rookery::new(BINARY);
    let create = [
        "cluster",
        "create",
        "lab",
        "--workers",
        "1",
        "--threads",
        "1",
        "--tls",
    ];
    rookery.run(&create).await.succeeded();
    let started = start(&rookery, "lab").await;
    assert!(
        started["driver"].as_str().unwrap().starts_with("https://"),
        "{started}"
    );
    let worker = started["workers"][0]["pid"].as_u64().unwrap();
    signal(worker, "KILL").await;
    wait_for_event(&rookery, "lab", |event| {
        event["event"] == "worker_joined" && event["worker_id"] == "w2"
    })
    .await;
    let submit = ["submit", &lab(), "--wait", "--cluster", "lab"];
    rookery.run(&submit).await.succeeded();
    terminate(&rookery, "lab").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_elastic_cluster_grows_with_its_work_and_shrinks_without() {
    let rookery = Rookery::new(BINARY);
    let bounds = [
        "--min-workers",
        "1",
        "--max-workers",
        "2",
        "--scale-down-after",
        "0.01",
    ];
    let create = [&["cluster", "create", "lab", "--threads", "1"][..], &bounds[..]].concat();
    rookery.run(&create).await.succeeded();
    let started = start(&rookery, "lab").await;
    assert_eq!(started["workers"].as_array().unwrap().len(), 1);
    let resized =
        |workers: u64| move |event: &Value| event["event"] == "resized" && event["workers"] == workers;
    // Jobs until it has grown: one alone may be over before anybody looks.
    let grown = async {
        loop {
            rookery
                .run(&["submit", &lab(), "--wait", "--cluster", "lab"])
                .await
                .succeeded();
            if events(&rookery, "lab").await.iter().any(resized(2)) {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, grown).await.expect("it grows");
    wait_for_event(&rookery, "lab", |event| {
        event["event"] == "worker_joined" && event["worker_id"] == "w2"
    })
    .await;
    wait_for_event(&rookery, "lab", resized(1)).await;
    let left = wait_for_event(&rookery, "lab", |event| event["event"] == "worker_left").await;
    assert_eq!(left["worker_id"], "w2", "those that came last go first: {left}");
    terminate(&rookery, "lab").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused() {
    let rookery = Rookery::new(BINARY);
    refused(
        &rookery.run(&["cluster", "create", "../x"]).await,
        "is no name for a cluster",
    );
    refused(
        &rookery.run(&["cluster", "create", "a", "--workers", "0"]).await,
        "at least 1 worker",
    );
    let bounds = [
        "cluster",
        "create",
        "a",
        "--min-workers",
        "3",
        "--max-workers",
        "2",
    ];
    refused(&rookery.run(&bounds).await, "at least 3 workers and at most 2");
    refused(&rookery.run(&["cluster", "start", "a"]).await, "no cluster");
    let host = ["cluster", "create", "a", "--advertise", "two words"];
    refused(&rookery.run(&host).await, "--advertise");
    refused(
        &rookery
            .run(&["cluster", "create", "a", "--auto-terminate", "-1"])
            .await,
        "",
    );
}
