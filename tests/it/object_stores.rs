//! Sources by URL. The S3-compatible server is moto, in a process of its own with access control; without Python 3.10
//! those tests are skipped, visibly, unless `CI=true`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use rookery_tests::{DEADLINE, Dataset, FileServer, Output, Python, Rookery, TestCluster, say, write_jobs};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use crate::{BINARY, repository};

const POINTS: Dataset = Dataset {
    rows: 20_000,
    classes: 3,
    seed: 31,
};
const SMALL_PARTITIONS: &str = "data.partition_bytes=200000";

/// An S3-compatible server over the files of a folder; it ends when this value goes.
struct S3 {
    _server: Child,
    endpoint: String,
    key: String,
    secret: String,
}

impl S3 {
    /// `None` where the test is to be skipped.
    async fn start(test: &str, folder: &Path) -> Option<Self> {
        let scripts = repository().join("tests/s3");
        let python = match Python::with_requirements(&scripts.join("requirements.txt")).await {
            Ok(python) => python,
            Err(why) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{why}"),
            Err(why) => {
                say(&format!("SKIPPED: {test}: {why}"));
                return None;
            }
        };
        let mut command = python.command();
        command.arg(scripts.join("serve.py")).arg(folder);
        let command = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut server = command.spawn().unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(DEADLINE, lines.next_line()).await;
        let line = line.expect("the server starts").unwrap().expect("its endpoint");
        let started: Value = serde_json::from_str(&line).unwrap();
        let text = |key: &str| started[key].as_str().unwrap().to_string();
        Some(Self {
            _server: server,
            endpoint: text("endpoint"),
            key: text("access_key_id"),
            secret: text("secret_access_key"),
        })
    }

    /// A cluster whose operator has the reader's keys, and knows the server by `AWS_ENDPOINT_URL` if `has_endpoint`.
    async fn cluster(&self, has_endpoint: bool) -> TestCluster {
        let cluster = TestCluster::new(BINARY)
            .workers(2)
            .without_shared_disk()
            .with_env("AWS_ACCESS_KEY_ID", &self.key)
            .with_env("AWS_SECRET_ACCESS_KEY", &self.secret);
        match has_endpoint {
            true => cluster.with_env("AWS_ENDPOINT_URL", &self.endpoint),
            false => cluster,
        }
        .start()
        .await
    }
}

/// Writes the three jobs' files, and each table once more as a folder of two: what a glob finds.
fn write(folder: &TempDir) -> [std::path::PathBuf; 3] {
    let jobs = write_jobs(folder.path(), POINTS);
    for (ending, write) in [
        ("csv", Dataset::write_csv as fn(&Dataset, &Path)),
        ("parquet", Dataset::write_parquet),
    ] {
        let many = folder.path().join("many");
        std::fs::create_dir_all(&many).unwrap();
        for (name, seed) in [("a-b", 1), ("a", 2)] {
            let part = Dataset {
                rows: 5_000,
                seed,
                ..POINTS
            };
            write(&part, &many.join(format!("{name}.{ending}")));
        }
    }
    jobs
}

fn message(output: &Output) -> String {
    let error = &output.last_json()["error"];
    format!("{} | {} | {}", error["location"], error["message"], error["hint"])
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_s3_give_the_model_that_they_give_on_disk() {
    let folder = TempDir::new().unwrap();
    let [csv, parquet, join] = write(&folder);
    let Some(s3) = S3::start("S3 sources", folder.path()).await else {
        return;
    };
    let near = TestCluster::new(BINARY).workers(2).start().await;
    let far = s3.cluster(true).await;
    for (job, file) in [
        (&csv, "points.csv"),
        (&csv, "many/*.csv"),
        (&parquet, "points.parquet"),
        (&parquet, "many/a*.parquet"),
        (&join, "points.csv"),
    ] {
        let here = format!("data.sources.points.path={file}");
        let there = format!("data.sources.points.path=s3://points/{file}");
        let expected = near.submit(job, &[&here, SMALL_PARTITIONS]).await.succeeded();
        let ended = far.submit(job, &[&there, SMALL_PARTITIONS]).await.succeeded();
        assert_eq!(ended.digests(), expected.digests(), "{file}");
    }
    // The record says where the rows came from.
    let listed = far.rookery().run_json(&["runs", "list"]).await.succeeded();
    let run = listed.json_lines()[0]["run_id"].as_str().unwrap().to_string();
    let path = format!("/api/2.0/mlflow/runs/get?run_id={run}");
    let token = far.rookery().token();
    let recorded = rookery_tests::http::get(far.url(), &path, Some(&token))
        .await
        .json();
    let dataset = &recorded["run"]["inputs"]["dataset_inputs"][0]["dataset"];
    assert_eq!(dataset["source_type"], "s3", "{recorded}");
    assert!(
        dataset["source"]
            .as_str()
            .unwrap()
            .contains("s3://points/points.csv"),
        "{recorded}"
    );
    assert_nowhere(far.rookery(), &s3.secret);
    // Nor in the workers' logs, whatever is logged.
    let alone = Rookery::new(BINARY)
        .with_env("AWS_ACCESS_KEY_ID", &s3.key)
        .with_env("AWS_SECRET_ACCESS_KEY", &s3.secret)
        .with_env("AWS_ENDPOINT_URL", &s3.endpoint)
        .with_env("RUST_LOG", "trace");
    let there = "data.sources.points.path=s3://points/points.csv";
    let ended = alone
        .run(&["run", csv.to_str().unwrap(), "--set", there])
        .await
        .succeeded();
    assert!(!ended.stderr.contains(&s3.secret) && !ended.stdout.contains(&s3.secret));
    assert!(alone.home().join("logs").is_dir());
    assert_nowhere(&alone, &s3.secret);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_s3_are_scored_as_they_are_on_disk() {
    let folder = TempDir::new().unwrap();
    let [csv, ..] = write(&folder);
    let Some(s3) = S3::start("scoring files in S3", folder.path()).await else {
        return;
    };
    let far = s3.cluster(true).await;
    let there = "data.sources.points.path=s3://points/points.csv";
    let trained = far
        .submit(&csv, &[there, "runs=[{max_iter = 3}]"])
        .await
        .succeeded();
    let run = trained.last_json()["runs"][0]["run_id"]
        .as_str()
        .unwrap()
        .to_string();
    let model = format!("runs:/{run}");
    let predict = async |input: &str, to: &str| {
        let to = folder.path().join(to);
        let to = to.to_str().unwrap();
        let words = ["predict", "--model", &model, "--input", input, "--output", to];
        let more = ["--set", "partition_bytes=100000", "--driver", far.url()];
        far.rookery().run(&[&words[..], &more[..]].concat()).await
    };
    for ending in ["csv", "parquet"] {
        let on_disk = folder.path().join(format!("many/*.{ending}"));
        let near = format!("near {ending}");
        predict(on_disk.to_str().unwrap(), &near).await.succeeded();
        let away = format!("away {ending}");
        predict(&format!("s3://points/many/*.{ending}"), &away)
            .await
            .succeeded();
        let (near, away) = (
            written(&folder.path().join(near)),
            written(&folder.path().join(away)),
        );
        assert!(near.len() > 1, "{:?}", near.keys());
        assert!(near == away, "{ending}: {:?} {:?}", near.keys(), away.keys());
    }
    let missing = predict("s3://points/none/*.csv", "none").await;
    assert_eq!(missing.code, 2, "{missing}");
    assert!(missing.stderr.contains("matches no file"), "{missing}");
    assert!(!folder.path().join("none").exists());
    assert_nowhere(far.rookery(), &s3.secret);
}

/// The files of rows in a folder.
fn written(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let parts = files.filter(|path| path.file_name().unwrap() != "_SUCCESS");
    parts
        .map(|path| {
            (
                path.file_name().unwrap().display().to_string(),
                std::fs::read(&path).unwrap(),
            )
        })
        .collect()
}

/// The secret is in no file of the state directory: records, artifacts, logs.
fn assert_nowhere(rookery: &Rookery, secret: &str) {
    let mut folders = vec![rookery.home().to_path_buf()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            let is_there = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!is_there, "a secret is in {}", path.display());
        }
    }
    assert!(files > 3, "there was something to look at");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_only_the_job_names_gets_no_credentials() {
    let folder = TempDir::new().unwrap();
    let [csv, ..] = write(&folder);
    let Some(s3) = S3::start("endpoints of jobs", folder.path()).await else {
        return;
    };
    let path = "data.sources.points.path=s3://points/points.csv";
    let endpoint = format!("data.sources.points.store.endpoint={}", s3.endpoint);
    let refused = s3.cluster(false).await.submit(&csv, &[path, &endpoint]).await;
    assert_eq!(refused.code, 2, "{refused}");
    let said = message(&refused);
    assert!(
        said.contains("credentials are not sent to") && said.contains("ROOKERY_S3_ENDPOINTS"),
        "{said}"
    );

    let allowed = TestCluster::new(BINARY)
        .workers(1)
        .with_env("AWS_ACCESS_KEY_ID", &s3.key)
        .with_env("AWS_SECRET_ACCESS_KEY", &s3.secret)
        .with_env("ROOKERY_S3_ENDPOINTS", &s3.endpoint)
        .start()
        .await;
    allowed.submit(&csv, &[path, &endpoint]).await.succeeded();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_s3_refuses_is_said_in_one_line() {
    let folder = TempDir::new().unwrap();
    let [csv, ..] = write(&folder);
    let Some(s3) = S3::start("refusals of S3", folder.path()).await else {
        return;
    };
    let right = s3.cluster(true).await;
    let wrong = TestCluster::new(BINARY)
        .workers(1)
        .with_env("AWS_ACCESS_KEY_ID", &s3.key)
        .with_env("AWS_SECRET_ACCESS_KEY", "wrong")
        .with_env("AWS_ENDPOINT_URL", &s3.endpoint)
        .start()
        .await;
    for (cluster, path, says) in [
        (&right, "s3://points/none.csv", "matches no file"),
        (&right, "s3://points/none/*.csv", "matches no file"),
        (&right, "s3://points/many", "is a folder"),
        (
            &right,
            "s3://nobody/points.csv",
            "s3://nobody can't be read: 404 Not Found",
        ),
        (&wrong, "s3://points/points.csv", "the credentials do not open"),
        (&wrong, "s3://points/*.csv", "403"),
    ] {
        let set = format!("data.sources.points.path={path}");
        let ended = cluster.submit(&csv, &[&set]).await;
        assert_eq!(ended.code, 2, "{path}\n{ended}");
        let said = message(&ended);
        assert!(
            said.contains(says) && said.contains("data.sources.points.path"),
            "{path}: {said}"
        );
        assert!(!said.contains('<') && !said.contains("\\n"), "{path}: {said}");
    }
    assert_nowhere(wrong.rookery(), &s3.secret);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_on_the_web_give_the_model_that_they_give_on_disk() {
    let folder = TempDir::new().unwrap();
    let [csv, parquet, _] = write(&folder);
    let web = FileServer::start(folder.path(), true).await;
    let near = TestCluster::new(BINARY).workers(2).start().await;
    for (job, file) in [(&csv, "points.csv"), (&parquet, "points.parquet")] {
        let there = format!("data.sources.points.path={}/{file}", web.url());
        let expected = near.submit(job, &[SMALL_PARTITIONS]).await.succeeded();
        let ended = near.submit(job, &[&there, SMALL_PARTITIONS]).await.succeeded();
        assert_eq!(ended.digests(), expected.digests(), "{file}");
    }
    // The same path reads them without a cluster.
    let set = format!("data.sources.points.path={}/points.csv", web.url());
    let job = csv.to_str().unwrap();
    let rookery = Rookery::new(BINARY);
    let shown = rookery
        .run_json(&["data", "show", job, "--rows", "3", "--set", &set])
        .await;
    let on_disk = rookery.run_json(&["data", "show", job, "--rows", "3"]).await;
    assert_eq!(shown.succeeded().stdout, on_disk.succeeded().stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_can_not_be_read_are_refused_with_the_reason() {
    let folder = TempDir::new().unwrap();
    let [csv, ..] = write(&folder);
    let (web, simple) = (
        FileServer::start(folder.path(), true).await,
        FileServer::start(folder.path(), false).await,
    );
    let rookery = Rookery::new(BINARY);
    let job = csv.to_str().unwrap();
    for (path, code, says) in [
        (format!("{}/none.csv", web.url()), 2, "is not there (404"),
        (format!("{}/*.csv", web.url()), 2, "a web server lists no files"),
        (
            format!("{}/points.csv", simple.url()),
            2,
            "does not answer requests for ranges",
        ),
        (
            "http://127.0.0.1:9/points.csv".to_string(),
            4,
            "can't be reached: ",
        ),
        (
            "s3://points/points.csv".to_string(),
            2,
            "the driver has no credentials for s3://points",
        ),
    ] {
        let set = format!("data.sources.points.path={path}");
        let metadata = Rookery::new(BINARY).with_env("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9");
        let rookery = if path.starts_with("s3") {
            &metadata
        } else {
            &rookery
        };
        let refused = rookery.run(&["validate", job, "--set", &set]).await;
        assert_eq!(refused.code, code, "{path}\n{refused}");
        assert!(refused.stderr.contains(says), "{path}\n{refused}");
        assert!(
            refused.stderr.contains("data.sources.points.path"),
            "{path}\n{refused}"
        );
    }
    let secret = "data.sources.points.store.secret_access_key=hush";
    let refused = rookery.run(&["validate", job, "--set", secret]).await;
    assert_eq!(refused.code, 2, "{refused}");
    assert!(
        refused.stderr.contains("\"secret_access_key\" is a secret"),
        "{refused}"
    );
    assert!(!refused.stderr.contains("hush"), "{refused}");
}
