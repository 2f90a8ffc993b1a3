//! What an OpenTelemetry collector hears of a job, and that nobody minds when there is none.

use std::time::{Duration, Instant};

use rookery_tests::{Collector, Rookery, TestCluster};

use crate::{BINARY, lab};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_one_trace_from_its_phases_to_the_tasks_of_the_workers() {
    let collector = Collector::start().await;
    let cluster = TestCluster::new(BINARY)
        .workers(2)
        .with_env(ENDPOINT, collector.url());
    let cluster = cluster.start().await;
    let job = cluster.submit(lab(), &[]).await.succeeded().last_json();
    cluster.stop().await;

    let spans = collector.spans();
    let roots: Vec<_> = spans.iter().filter(|span| span.name == "job").collect();
    assert_eq!(roots.len(), 1, "{roots:?}");
    let root = roots[0];
    assert!(root.parent.is_empty());
    assert_eq!(root.service, "rookery-driver");
    assert_eq!(root.attributes["job_id"], job["job_id"].as_str().unwrap());

    let phases = [
        "plan",
        "materialize",
        "fit_stages",
        "build_blocks",
        "train",
        "evaluate",
        "record",
    ];
    for phase in phases {
        let found = spans
            .iter()
            .find(|span| span.name == phase && span.parent == root.id);
        assert!(found.is_some(), "no span of {phase}");
    }
    // From the leaf to the root: a worker's task, the driver's call, the round, the phase, the job.
    let tasks = |name: &str| {
        let ours = spans
            .iter()
            .filter(|span| span.service == "rookery-worker" && span.name == name);
        ours.cloned().collect::<Vec<_>>()
    };
    let evaluations = tasks("evaluate_objective");
    assert!(!evaluations.is_empty());
    let mut asked = std::collections::BTreeSet::new();
    for task in &evaluations {
        let call = task.parent_in(&spans);
        assert_eq!(
            (call.service.as_str(), call.name.as_str()),
            ("rookery-driver", "evaluate_objective")
        );
        asked.insert(call.attributes["worker"].clone());
        let round = call.parent_in(&spans);
        assert_eq!(round.name, "round");
        assert_eq!(round.attributes["round"], task.attributes["round"]);
        assert_eq!(round.attributes["job_id"], root.attributes["job_id"]);
        let phase = round.parent_in(&spans);
        assert_eq!(phase.name, "train");
        let runs = job["runs"].as_array().unwrap();
        // They train side by side.
        let ids: Vec<&str> = runs.iter().map(|run| run["run_id"].as_str().unwrap()).collect();
        assert_eq!(phase.attributes["run_id"], ids.join(","), "{phase:?}");
        assert_eq!(phase.parent_in(&spans), root);
    }
    // Penguins are one partition: one worker is asked in each round.
    let rounds = spans.iter().filter(|span| span.name == "round").count();
    assert_eq!(evaluations.len(), rounds * asked.len());
    for task in tasks("build_blocks") {
        assert_eq!(task.parent_in(&spans).parent_in(&spans).name, "build_blocks");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_can_be_given_another_name() {
    let collector = Collector::start().await;
    let rookery = Rookery::new(BINARY)
        .with_env(ENDPOINT, collector.url())
        .with_env("OTEL_SERVICE_NAME", "penguins");
    rookery.run(&["run", &lab(), "--workers", "1"]).await.succeeded();
    let spans = collector.spans();
    assert!(!spans.is_empty());
    assert!(spans.iter().all(|span| span.service == "penguins"), "{spans:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_or_never_answers_holds_up_no_job() {
    // This one takes connections and says nothing, for ever.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_url = format!("http://{}", silent.local_addr().unwrap());
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone_url = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    for url in [silent_url.as_str(), gone_url.as_str(), "not a URL"] {
        let rookery = Rookery::new(BINARY).with_env(ENDPOINT, url);
        let started = Instant::now();
        let run = rookery
            .run_json(&["run", &lab(), "--workers", "1"])
            .await
            .succeeded();
        assert_eq!(run.last_json()["status"], "succeeded", "{url}");
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{url}: {:?}",
            started.elapsed()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn log_lines_of_a_job_name_its_trace() {
    let collector = Collector::start().await;
    let rookery = Rookery::new(BINARY).with_env(ENDPOINT, collector.url());
    let run = ["--log-format", "json", "-v", "run", &lab(), "--workers", "1"];
    let run = rookery.run(&run).await.succeeded();
    let spans = collector.spans();
    let root = spans.iter().find(|span| span.name == "job").unwrap();
    let trace: String = root.trace.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines = run.stderr.lines();
    let lines = lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let of_job: Vec<_> = lines.filter(|line| line["span"]["name"] == "job").collect();
    assert!(!of_job.is_empty(), "{run}");
    assert!(
        of_job.iter().all(|line| line["span"]["trace_id"] == trace),
        "{of_job:?}"
    );
}
