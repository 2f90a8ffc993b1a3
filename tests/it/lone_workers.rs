//! Workers that do not share the driver's disk read its files from its port: the same model, and nothing but what a
//! running job's plan lists.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use rookery_tests::http::{Answer, ask, get};
use rookery_tests::{Dataset, TestCluster, write_gzip, write_jobs};
use tempfile::TempDir;

use crate::BINARY;

const POINTS: Dataset = Dataset {
    rows: 40_000,
    classes: 3,
    seed: 29,
};
const SMALL_PARTITIONS: &str = "data.partition_bytes=200000";
/// Time to look around within a job.
const UNHURRIED: Duration = Duration::from_millis(150);
const IMPATIENT: &[&str] = &["--heartbeat-interval-ms", "100", "--heartbeat-timeout-ms", "2000"];

/// Jobs over CSV, gzipped CSV, Parquet and a join, each with what is set in it.
fn jobs(folder: &TempDir) -> Vec<(PathBuf, Vec<&'static str>)> {
    let [csv, parquet, join] = write_jobs(folder.path(), POINTS);
    write_gzip(&folder.path().join("points.csv"));
    vec![
        (csv.clone(), vec![SMALL_PARTITIONS]),
        (csv, vec!["data.sources.points.path=points.csv.gz"]),
        (parquet, vec![SMALL_PARTITIONS]),
        (join, vec![SMALL_PARTITIONS]),
    ]
}

async fn lone(workers: usize) -> TestCluster {
    TestCluster::new(BINARY)
        .workers(workers)
        .without_shared_disk()
        .unhurried(UNHURRIED)
        .driver_arguments(IMPATIENT)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_is_the_same_without_a_shared_disk() {
    let folder = TempDir::new().unwrap();
    let jobs = jobs(&folder);
    let near = TestCluster::new(BINARY).workers(2).start().await;
    let far = TestCluster::new(BINARY)
        .workers(2)
        .without_shared_disk()
        .start()
        .await;
    for (job, sets) in &jobs {
        let expected = near.submit(job, sets).await.succeeded().digests();
        let ended = far.submit(job, sets).await.succeeded();
        assert_eq!(ended.digests(), expected, "{} {sets:?}", job.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_while_it_reads_from_the_driver_leaves_no_trace_in_the_model() {
    let folder = TempDir::new().unwrap();
    let near = TestCluster::new(BINARY).workers(2).start().await;
    for (job, sets) in jobs(&folder) {
        let expected = near.submit(&job, &sets).await.succeeded().digests();
        let mut far = lone(3).await;
        let mut running = far.start_job(&job, &sets);
        running.until_phase("materialize").await;
        far.kill_worker(1).await;
        let ended = running.end().await.succeeded();
        assert_eq!(ended.digests(), expected, "{} {sets:?}\n{ended}", job.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_under_a_running_job_ends_it_with_its_name() {
    let folder = TempDir::new().unwrap();
    let [job, ..] = write_jobs(folder.path(), POINTS);
    for shares_disk in [true, false] {
        let mut cluster = match shares_disk {
            false => lone(2).await,
            true => {
                let near = TestCluster::new(BINARY).workers(2).unhurried(UNHURRIED);
                near.driver_arguments(IMPATIENT).start().await
            }
        };
        let mut running = cluster.start_job(&job, &[SMALL_PARTITIONS]);
        running.until_iteration(2).await;
        let path = folder.path().join("points.csv");
        let mut file = std::fs::File::options().append(true).open(path).unwrap();
        file.write_all(b"1,1,red,0.5,0.5,0.5,0.5,1\n").unwrap();
        // What it held has to be read again.
        cluster.kill_worker(0).await;
        let ended = running.end().await;
        assert_eq!(ended.code, 6, "{ended}");
        let error = &ended.last_json()["error"];
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains("has changed since the job was planned"),
            "{ended}"
        );
        assert!(
            error["location"].as_str().unwrap().ends_with("points.csv"),
            "{ended}"
        );
    }
}

/// The id of the only job.
async fn job_id(cluster: &TestCluster) -> String {
    let arguments = ["jobs", "list", "--driver", cluster.url()];
    let listed = cluster.rookery().run_json(&arguments).await.succeeded();
    listed.json_lines()[0]["job_id"].as_str().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_driver_serves_what_a_running_job_reads_to_those_who_know_the_token_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let [job, ..] = write_jobs(folder.path(), POINTS);
    let content = std::fs::read_to_string(folder.path().join("points.csv")).unwrap();
    let cluster = lone(1).await;
    let mut running = cluster.start_job(&job, &[SMALL_PARTITIONS]);
    running.until_iteration(1).await;
    let id = job_id(&cluster).await;
    let token = cluster.rookery().token();
    let (url, token) = (cluster.url(), Some(token.as_str()));
    let route = format!("/api/rookery/v1/sources/{id}-data");
    let file = format!("{route}/0");

    for stranger in [None, Some("another")] {
        assert_eq!(get(url, &file, stranger).await.status, 401);
    }
    let whole = get(url, &file, token).await;
    assert_eq!((whole.status, whole.body == content), (200, true));
    let ranged = async |range: &str| ask(url, "GET", &file, token, &[&format!("Range: bytes={range}")]).await;
    let part = ranged("3-7").await;
    assert_eq!((part.status, part.body.as_str()), (206, &content[3..8]));
    let all = format!("/{}", content.len());
    assert!(
        part.head
            .to_lowercase()
            .contains(&format!("content-range: bytes 3-7{all}")),
        "{part:?}"
    );
    let end = ranged("-5").await;
    assert_eq!(
        (end.status, end.body.as_str()),
        (206, &content[content.len() - 5..])
    );
    let beyond = ranged("999999999-").await;
    assert_eq!(beyond.status, 416);
    assert!(
        beyond.head.contains(&format!("bytes */{}", content.len())),
        "{beyond:?}"
    );
    let Answer { status, head, body } = ask(url, "HEAD", &file, token, &[]).await;
    assert_eq!((status, body.as_str()), (200, ""));
    let length = format!("content-length: {}", content.len());
    assert!(head.to_lowercase().contains(&length), "{head}");
    let another = ask(url, "GET", &file, token, &["If-Match: \"another\""]).await;
    assert_eq!(another.status, 412);

    for path in [
        format!("{route}/1"),
        format!("{route}/-1"),
        format!("{route}/+0"),
        format!("{route}/points.csv"),
        format!("{route}/..%2F..%2Fetc%2Fpasswd"),
        format!("{route}/%2Fetc%2Fpasswd"),
        format!("{route}/../../../etc/passwd"),
        format!("{route}/0/../../etc/passwd"),
        format!("{route}/"),
        format!("/api/rookery/v1/sources/..%2F{id}-data/0"),
        "/api/rookery/v1/sources/another-data/0".to_string(),
    ] {
        let answer = get(url, &path, token).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
    }

    running.end().await.succeeded();
    assert_eq!(get(url, &file, token).await.status, 404, "the job has ended");
}
