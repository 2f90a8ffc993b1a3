//! A cluster in the background: started, looked at, stopped.

use rookery_tests::Rookery;

use crate::{BINARY, lab};

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_cluster_works_until_it_is_told_to_stop() {
    let rookery = Rookery::new(BINARY);
    rookery.run(&["run", &lab(), "--workers", "1"]).await.succeeded();
    let nobody = rookery.run(&["status"]).await;
    assert_eq!(nobody.code, 4, "{nobody}");
    assert!(
        !nobody.stderr.contains("the last one"),
        "the cluster of a single job is nobody's: {nobody}"
    );
    let up = ["up", "--detach", "--workers", "1", "--listen", "127.0.0.1:0"];
    let started = rookery.run_json(&up).await.succeeded().last_json();
    assert_eq!(started["workers"].as_array().unwrap().len(), 1);

    rookery.run(&["submit", &lab(), "--wait"]).await.succeeded();
    let status = rookery.run_json(&["status"]).await.succeeded().last_json();
    assert_eq!(status["driver"], started["driver"]);
    assert_eq!(status["workers"]["active"], 1);
    assert_eq!(status["jobs"]["succeeded"], 1);

    rookery.run(&["down"]).await.succeeded();
    let pid = started["workers"][0]["pid"].to_string();
    let gone = async {
        while std::path::Path::new(&format!("/proc/{pid}")).exists() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(rookery_tests::DEADLINE, gone)
        .await
        .expect("its worker ends with it");
    let stopped = rookery.run(&["status"]).await;
    assert_eq!(stopped.code, 4, "{stopped}");
    assert!(stopped.stderr.contains("stopped it"), "by whom: {stopped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_can_not_start_says_why() {
    let rookery = Rookery::new(BINARY);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let failed = rookery
        .run(&["up", "--detach", "--workers", "1", "--listen", &address])
        .await;
    assert_ne!(failed.code, 0, "{failed}");
    assert!(
        failed.stderr.contains("did not start: port") && failed.stderr.contains("is in use"),
        "{failed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_cluster_ends_by_itself_and_the_reason_is_kept() {
    let rookery = Rookery::new(BINARY);
    let up = [
        "up",
        "--workers",
        "0",
        "--listen",
        "127.0.0.1:0",
        "--auto-terminate",
        "0.005",
    ];
    rookery.run(&up).await.succeeded();
    let status = rookery.run(&["status"]).await;
    assert_eq!(status.code, 4, "{status}");
    assert!(
        status
            .stderr
            .contains("no job for 0.005 minutes: terminated automatically"),
        "{status}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_can_be_json_and_name_the_job() {
    let rookery = Rookery::new(BINARY);
    let run = ["--log-format", "json", "-v", "run", &lab(), "--workers", "1"];
    let run = rookery.run(&run).await.succeeded();
    let lines = run
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let phases: Vec<_> = lines.filter(|line| line["phase"] == "PHASE_TRAIN").collect();
    assert!(!phases.is_empty(), "{run}");
    assert!(
        phases.iter().all(|line| line["span"]["job_id"].is_string()),
        "{phases:?}"
    );
}
