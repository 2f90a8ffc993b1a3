//! Whole files of rows, scored on the cluster: the same bits on any cluster and as online, whoever goes meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use rookery_tests::{Dataset, Output, Rookery, TestCluster, write_jobs};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{BINARY, lab, repository};

mod values;

const CONFIG: i32 = 2;
const UNREACHABLE: i32 = 4;
const DATA: i32 = 6;

const POINTS: Dataset = Dataset {
    rows: 60_000,
    classes: 3,
    seed: 41,
};

/// A rookery with the lab trained, registered with a Unicode name.
struct Lab {
    rookery: Rookery,
    folder: TempDir,
}

const MODEL: &str = "models:/Pronosticador de pingüinos@champion";

impl Lab {
    async fn with(overrides: &[&str]) -> Self {
        let rookery = Rookery::new(BINARY);
        let folder = TempDir::new().unwrap();
        let lab = lab();
        let mut train = vec!["run", &lab, "--workers", "1", "--set", "runs=[{max_iter = 5}]"];
        for assignment in overrides {
            train.extend(["--set", assignment]);
        }
        let job = rookery.run_json(&train).await.succeeded().last_json();
        let run = job["runs"][0]["run_id"].as_str().unwrap().to_string();
        let name = "Pronosticador de pingüinos";
        rookery.run(&["models", "register", &run, name]).await.succeeded();
        rookery
            .run(&["models", "alias", name, "champion", "1"])
            .await
            .succeeded();
        Self { rookery, folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.folder.path().join(name), text).unwrap();
        self.path(name)
    }

    /// Scores files into the folder `to`.
    async fn predict(&self, input: &str, to: &str, more: &[&str]) -> Output {
        let to = self.path(to);
        let mut arguments = vec!["predict", "--model", MODEL, "--input", input, "--output", &to];
        arguments.extend(more);
        self.rookery.run(&arguments).await
    }

    /// What the folder holds beside what was put there.
    fn hidden(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name());
        let names = names.map(|name| name.into_string().unwrap());
        names.filter(|name| name.starts_with('.')).collect()
    }
}

/// Names and contents of a folder's files.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let read = |entry: fs::DirEntry| {
        (
            entry.file_name().into_string().unwrap(),
            fs::read(entry.path()).unwrap(),
        )
    };
    entries.map(read).collect()
}

/// The rows of all CSV parts in their order, as text, without headers.
fn csv_rows(folder: &Path) -> Vec<String> {
    let mut rows = Vec::new();
    for (name, bytes) in files(folder) {
        if name.ends_with(".csv") {
            let text = String::from_utf8(bytes).unwrap();
            rows.extend(text.lines().skip(1).map(str::to_string));
        }
    }
    rows
}

/// The rows of all Parquet parts in their order, as JSON.
fn parquet_rows(folder: &Path) -> Vec<Value> {
    let mut rows = Vec::new();
    for name in files(folder)
        .into_keys()
        .filter(|name| name.ends_with(".parquet"))
    {
        let reader = SerializedFileReader::new(fs::File::open(folder.join(name)).unwrap()).unwrap();
        rows.extend(reader.get_row_iter(None).unwrap().map(|row| {
            let row = row.unwrap();
            Value::Object(
                row.get_column_iter()
                    .map(|(name, field)| (name.clone(), value(field)))
                    .collect(),
            )
        }));
    }
    rows
}

fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Int(number) => json!(number),
        Field::Long(number) => json!(number),
        Field::Float(number) => json!(number),
        Field::Double(number) => json!(number),
        Field::Str(text) => json!(text),
        other => panic!("unexpected {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_is_online_bit_for_bit() {
    let lab = Lab::with(&[]).await;
    // Rows without nulls, which the lab's model refuses; the label is carried along.
    let text = fs::read_to_string(repository().join("data/penguins/penguins.csv")).unwrap();
    let whole: Vec<&str> = text.lines().filter(|line| !line.contains(",,")).collect();
    let input = lab.write("pingüinos.csv", &(whole.join("\n") + "\n"));
    let first = |line: &str| line.rsplit_once(',').unwrap().0.to_string();
    assert_eq!(
        whole[0].rsplit_once(',').unwrap().1,
        "Species",
        "the label is the last column"
    );
    let unlabelled: Vec<String> = whole.iter().map(|line| first(line)).collect();
    let online = lab.write("online.csv", &(unlabelled.join("\n") + "\n"));
    let online = ["predict", "--model", MODEL, "--file", &online, "--output", "json"];
    let online = lab.rookery.run(&online).await.succeeded().json_lines();
    assert_eq!(online.len(), whole.len() - 1);

    let small = ["--set", "partition_bytes=1500", "--workers", "2"];
    lab.predict(&input, "parquet", &small).await.succeeded();
    let parts = files(&lab.folder.path().join("parquet"));
    assert!(
        parts.contains_key("part-00000.parquet") && parts.len() > 5,
        "{:?}",
        parts.keys()
    );
    let success: Value = serde_json::from_slice(&parts["_SUCCESS"]).unwrap();
    assert_eq!(
        (&success["rows"], &success["model_version"]),
        (&342.into(), &1.into())
    );
    let rows = parquet_rows(&lab.folder.path().join("parquet"));
    assert_eq!(rows.len(), online.len());
    for ((row, online), line) in rows.iter().zip(&online).zip(&whole[1..]) {
        assert_eq!(row["prediction"], online["prediction"], "{line}");
        for class in 0..3 {
            // As JSON writes every digit, equal numbers are equal bits.
            assert_eq!(
                row[format!("probability_{class}")],
                online["probability"][class],
                "{line}"
            );
        }
        assert_eq!(row["Island"], line.split(',').next().unwrap());
        assert_eq!(
            row["Species"].to_string().trim_matches('"'),
            line.rsplit(',').next().unwrap()
        );
        assert_eq!(row["model_name"], "Pronosticador de pingüinos");
        assert_eq!(
            (&row["model_version"], &row["run_id"]),
            (&1.into(), &success["run_id"])
        );
    }

    let kept = ["--format", "csv", "--columns", "Species", "--workers", "1"];
    lab.predict(&input, "csv", &kept).await.succeeded();
    let text = fs::read_to_string(lab.folder.path().join("csv/part-00000.csv")).unwrap();
    let header =
        "Species,prediction,probability_0,probability_1,probability_2,model_name,model_version,run_id";
    assert_eq!(text.lines().next(), Some(header));
    let predictions: Vec<String> = text
        .lines()
        .skip(1)
        .map(|l| l.split(',').nth(1).unwrap().to_string())
        .collect();
    let expected: Vec<String> = online.iter().map(|row| row["prediction"].to_string()).collect();
    assert_eq!(predictions, expected);
    assert_eq!(lab.hidden(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_end_it_with_their_place_and_nothing_is_written() {
    let lab = Lab::with(&[]).await;
    let header = "Island,CulmenLength,CulmenDepth,FlipperLength,BodyMass";
    let good = "Biscoe,48.7,14.1,210,4450\n".repeat(40);
    for (bad, problem) in [
        ("Dream,,18.1,190,3700", "column CulmenLength"),
        ("Atlantis,38,18.1,190,3700", "Atlantis"),
        (
            "Dream,wide,18.1,190,3700",
            "column \"CulmenLength\" holds \"wide\", expected float",
        ),
    ] {
        let input = lab.write("rows.csv", &format!("{header}\n{good}{bad}\n{good}{bad}\n"));
        for (workers, bytes) in [("1", "partition_bytes=100000"), ("3", "partition_bytes=300")] {
            let refused = lab
                .predict(&input, "out", &["--workers", workers, "--set", bytes])
                .await;
            assert_eq!(refused.code, DATA, "{refused}");
            let place = format!("{input}:42");
            assert!(
                refused.stderr.contains(&place) && refused.stderr.contains(problem),
                "{bad}\n{refused}"
            );
        }
    }
    assert!(!lab.folder.path().join("out").exists());
    assert_eq!(lab.hidden(), Vec::<String>::new());

    let input = lab.write(
        "rows.csv",
        "Island,CulmenLength,CulmenDepth,BodyMass\nBiscoe,1,2,3\n",
    );
    let refused = lab.predict(&input, "out", &[]).await;
    assert_eq!(refused.code, DATA, "{refused}");
    assert!(
        refused.stderr.contains("column \"FlipperLength\" is missing"),
        "{refused}"
    );
    let input = lab.write("rows.csv", &format!("{header},prediction\nBiscoe,1,2,3,4,5\n"));
    let refused = lab.predict(&input, "out", &[]).await;
    assert_eq!(refused.code, CONFIG, "{refused}");
    assert!(refused.stderr.contains("\"prediction\""), "{refused}");
    let refused = lab.predict(&input, "out", &["--columns", "wings"]).await;
    assert_eq!(refused.code, CONFIG, "{refused}");
    let refused = lab.predict(&input, ".", &[]).await;
    assert_eq!(refused.code, CONFIG, "{refused}");
    assert!(refused.stderr.contains("not empty"), "{refused}");
    let refused = lab.predict(&lab.path("nothing-*.csv"), "out", &[]).await;
    assert_eq!(refused.code, CONFIG, "{refused}");
}

/// A cluster with a model of points, and the points' files.
struct Points {
    folder: TempDir,
    csv: PathBuf,
    model: String,
    cluster: TestCluster,
}

impl Points {
    async fn on(workers: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let [job, ..] = write_jobs(folder.path(), POINTS);
        let cluster = TestCluster::new(BINARY)
            .workers(workers)
            .driver_arguments(&["--heartbeat-interval-ms", "100", "--heartbeat-timeout-ms", "2000"])
            .start()
            .await;
        let trained = cluster.submit(&job, &["runs=[{max_iter = 5}]"]).await.succeeded();
        let run = trained.last_json()["runs"][0]["run_id"]
            .as_str()
            .unwrap()
            .to_string();
        Self {
            csv: folder.path().join("points.csv"),
            folder,
            model: format!("runs:/{run}"),
            cluster,
        }
    }

    fn arguments(&self, input: &Path, to: &str) -> Vec<String> {
        let to = self.folder.path().join(to).display().to_string();
        let input = input.display().to_string();
        let words = [
            "predict",
            "--model",
            &self.model,
            "--input",
            &input,
            "--output",
            &to,
        ];
        let more = ["--set", "partition_bytes=100000", "--driver", self.cluster.url()];
        words
            .iter()
            .chain(&more)
            .map(|word| (*word).to_string())
            .collect()
    }

    async fn predict(&self, input: &Path, to: &str) -> BTreeMap<String, Vec<u8>> {
        self.cluster
            .rookery()
            .run(&self.arguments(input, to))
            .await
            .succeeded();
        let mut files = files(&self.folder.path().join(to));
        files.remove("_SUCCESS");
        files
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_cluster_writes_the_same_bytes_whoever_is_lost_meanwhile() {
    let mut three = Points::on(3).await;
    let expected = three.predict(&three.csv, "whole").await;
    assert!(expected.len() > 20, "{:?}", expected.keys());
    let rows = parquet_rows(&three.folder.path().join("whole"));
    let ids: Vec<i64> = rows
        .iter()
        .map(|row| row["id"].to_string().trim_matches('"').parse().unwrap())
        .collect();
    assert_eq!(ids, (0..60_000).collect::<Vec<i64>>(), "all rows, in their order");
    // Parquet in, with its own types and cuts: the same predictions.
    let parquet = three.csv.with_extension("parquet");
    three.predict(&parquet, "of parquet").await;
    let again = parquet_rows(&three.folder.path().join("of parquet"));
    assert_eq!(again.len(), rows.len());
    for (one, other) in rows.iter().zip(&again) {
        assert_eq!(
            (&one["prediction"], &one["probability_2"]),
            (&other["prediction"], &other["probability_2"])
        );
    }

    for phase in ["materialize", "score"] {
        let arguments = three.arguments(&three.csv, &format!("lost in {phase}"));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut running = three.cluster.rookery().follow(&arguments);
        running.until_phase(phase).await;
        three
            .cluster
            .kill_worker(if phase == "score" { 0 } else { 1 })
            .await;
        running.end().await.succeeded();
        let mut found = files(&three.folder.path().join(format!("lost in {phase}")));
        found.remove("_SUCCESS");
        assert!(found == expected, "{phase}: {:?}", found.keys());
    }

    let one = Points::on(1).await;
    let found = one.predict(&one.csv, "whole").await;
    let without_run = |files: BTreeMap<String, Vec<u8>>| files.into_keys().collect::<Vec<_>>();
    assert_eq!(without_run(found), without_run(expected), "the same parts");
    let alone = parquet_rows(&one.folder.path().join("whole"));
    for (row, other) in rows.iter().zip(&alone) {
        for column in [
            "id",
            "prediction",
            "probability_0",
            "probability_1",
            "probability_2",
        ] {
            assert_eq!(row[column], other[column]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_a_job_that_can_be_seen_cancelled_and_lost() {
    let points = Points::on(1).await;
    let arguments = points.arguments(&points.csv, "cancelled");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let rookery = points.cluster.rookery();
    let mut running = rookery.follow(&arguments);
    running.until_phase("materialize").await;
    let listed = rookery
        .run_json(&["jobs", "list", "--driver", points.cluster.url()])
        .await
        .succeeded();
    let job = listed
        .json_lines()
        .into_iter()
        .find(|job| job["name"].as_str().is_some_and(|n| n.starts_with("predict ")));
    let id = job.unwrap_or_else(|| panic!("{listed}"))["job_id"]
        .as_str()
        .unwrap()
        .to_string();
    rookery
        .run(&["jobs", "cancel", &id, "--driver", points.cluster.url()])
        .await
        .succeeded();
    let ended = running.end().await;
    assert_eq!(ended.code, 3, "{ended}");
    assert!(!points.folder.path().join("cancelled").exists());
    let refused = rookery
        .run(&["jobs", "retry", &id, "--driver", points.cluster.url()])
        .await;
    assert_eq!(refused.code, CONFIG, "{refused}");
    points.cluster.wait_until_nothing_is_held().await;

    let mut points = points;
    let arguments = points.arguments(&points.csv, "lost");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut running = points.cluster.rookery().follow(&arguments);
    running.until_phase("score").await;
    points.cluster.kill_driver().await;
    let ended = tokio::time::timeout(Duration::from_secs(100), running.end())
        .await
        .unwrap();
    assert_eq!(ended.code, UNREACHABLE, "{ended}");
    assert!(!points.folder.path().join("lost").exists());
}
