//! Models leave the house: what a job writes is read by onnxruntime, MLflow, Spark and a PMML engine, and each answers as
//! Rookery does. What is compared, and how, is in `tests/formats/check.py`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rookery_tests::{Python, Rookery, TestCluster, say};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{BINARY, lab, repository};

/// Longest that the other systems may take, which start a Java machine.
const LIMIT: Duration = Duration::from_secs(500);

/// Columns of the made-up rows, with the types of the job file.
const COLUMNS: [(&str, &str); 8] = [
    ("row", "int"),
    ("island", "string"),
    ("length", "float"),
    ("seconds", "double"),
    ("year", "int"),
    ("people", "long"),
    ("wild", "boolean"),
    ("label", "int"),
];

/// Made-up rows. With `spoilt`, some islands are unknown.
fn write_rows(file: &Path, rows: u64, seed: u64, spoilt: bool) {
    let mut state = seed;
    let mut below = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % bound
    };
    let islands = ["Biscoe", "Dream", "ペンギン", "d'Urville"];
    let mut text = COLUMNS.map(|(name, _)| name).join(",") + "\n";
    for row in 0..rows {
        let pick = below(4) as usize;
        let island = if spoilt && row % 7 == 3 {
            "Atlantis"
        } else {
            islands[pick]
        };
        let (length, year) = (30.0 + below(400) as f64 / 10.0, below(4));
        let (seconds, people) = (1.6e9 + below(100_000_000) as f64 / 3.0, below(1 << 40));
        let wild = below(2) == 1;
        let label = (pick as u64 + u64::from(wild) + below(3)) % 3;
        writeln!(
            text,
            "{row},{island},{length},{seconds},{year},{people},{wild},{label}"
        )
        .unwrap();
    }
    std::fs::write(file, text).unwrap();
}

/// A job over the made-up rows that tells `classes` of them apart.
fn write_job(folder: &Path, name: &str, classes: u64, stages: &[String], params: &str) -> PathBuf {
    let columns: Vec<String> = COLUMNS
        .iter()
        .map(|(name, kind)| format!("{name} = \"{kind}\""))
        .collect();
    let names: Vec<&str> = COLUMNS[..7].iter().map(|(name, _)| *name).collect();
    let text = format!(
        "[job]\nname = \"{name}\"\n\n[data]\nsql = \"select {}, label % {classes} as target from rows\"\n\n\
         [data.sources.rows]\npath = \"rows.csv\"\ncolumns = {{ {} }}\n\n\
         [split]\nweights = [0.7, 0.3]\nseed = 3\n\n{}\n\
         [training]\nlabel = \"target\"\nfeatures = \"features\"\n\n\
         [training.logistic_regression]\nmax_iter = 20\nreg_param = 0.01\n{params}\n",
        names.join(", "),
        columns.join(", "),
        stages.concat(),
    );
    let file = folder.join(format!("{name}.toml"));
    std::fs::write(&file, text).unwrap();
    file
}

fn indexer(input: &str, handle_invalid: &str) -> String {
    format!(
        "[[stages]]\ntype = \"StringIndexer\"\ninput = \"{input}\"\noutput = \"{input}_index\"\n\
         handle_invalid = \"{handle_invalid}\"\n\n"
    )
}

fn assembler(inputs: &[&str], output: &str, handle_invalid: &str) -> String {
    format!(
        "[[stages]]\ntype = \"VectorAssembler\"\ninputs = {inputs:?}\noutput = \"{output}\"\n\
         handle_invalid = \"{handle_invalid}\"\n\n"
    )
}

fn scaler(input: &str, output: &str) -> String {
    format!("[[stages]]\ntype = \"MinMaxScaler\"\ninput = \"{input}\"\noutput = \"{output}\"\nmax = 2.0\n\n")
}

/// More than ten stages: Spark numbers them with two digits then.
fn many_stages() -> Vec<String> {
    let mut stages = vec![indexer("island", "error"), indexer("year", "error")];
    stages.push(assembler(&["length", "seconds", "people"], "v0", "error"));
    stages.extend((0..7).map(|i| scaler(&format!("v{i}"), &format!("v{}", i + 1))));
    stages.push(assembler(
        &["island_index", "v7", "wild", "year_index", "year"],
        "features",
        "error",
    ));
    stages
}

fn few_stages(handle_invalid: &str, numbers: &str) -> Vec<String> {
    vec![
        indexer("island", handle_invalid),
        assembler(&["length", "seconds", "year", "wild"], "numbers", numbers),
        scaler("numbers", "scaled"),
        assembler(&["scaled", "island_index"], "features", "error"),
    ]
}

/// Every other stage that all formats can say.
fn new_stages() -> Vec<String> {
    let stage = |text: &str| format!("[[stages]]\n{text}\n\n");
    vec![
        stage("type = \"StringIndexer\"\ninputs = [\"island\", \"year\"]\noutputs = [\"i\", \"y\"]"),
        stage("type = \"Imputer\"\ninput = \"length\"\noutput = \"full\"\nstrategy = \"median\""),
        stage("type = \"QuantileDiscretizer\"\ninput = \"full\"\noutput = \"q\"\nnum_buckets = 5"),
        stage(
            "type = \"Bucketizer\"\ninput = \"seconds\"\noutput = \"b\"\nsplits = [-inf, 1.61e9, 1.62e9, inf]",
        ),
        stage(
            "type = \"OneHotEncoder\"\ninputs = [\"i\", \"q\", \"b\"]\noutputs = [\"iv\", \"qv\", \"bv\"]\ndrop_last = false",
        ),
        assembler(&["full", "seconds", "wild"], "numbers", "error"),
        stage("type = \"StandardScaler\"\ninput = \"numbers\"\noutput = \"scaled\"\nwith_mean = true"),
        assembler(&["scaled"], "again", "error"),
        stage("type = \"Interaction\"\ninputs = [\"iv\", \"again\", \"y\"]\noutput = \"crossed\""),
        assembler(&["crossed", "qv", "bv", "scaled"], "features", "error"),
    ]
}

/// The lab's rows without the incomplete ones.
fn write_penguins(file: &Path) {
    let text = std::fs::read_to_string(repository().join("data/penguins/penguins.csv")).unwrap();
    let (header, lines) = text.split_once('\n').unwrap();
    let complete = lines
        .lines()
        .filter(|line| line.split(',').all(|value| !value.is_empty()));
    let complete: Vec<&str> = complete.collect();
    std::fs::write(file, format!("{header}\n{}\n", complete.join("\n"))).unwrap();
}

/// Trains a job and returns its runs, each of whose formats must hold on the test part.
async fn train(rookery: &Rookery, job: &str) -> Vec<String> {
    let outcome = rookery
        .run_json(&["run", job, "--workers", "2"])
        .await
        .succeeded()
        .last_json();
    let runs = outcome["runs"].as_array().unwrap();
    for run in runs {
        let formats = run["formats"].as_array().unwrap();
        assert_eq!(formats.len(), 3, "{run}");
        for report in formats {
            assert!(report["rows"].as_u64().unwrap() > 50, "{report}");
            assert_eq!(report["holds"], true, "{report}");
        }
    }
    runs.iter()
        .map(|run| run["run_id"].as_str().unwrap().to_string())
        .collect()
}

/// What the script is told of a model: where it is, what it is asked, and what Rookery answers.
async fn entry(rookery: &Rookery, folder: &Path, run: &str, name: &str, rows: &str, types: Value) -> Value {
    let (uri, rows) = (format!("runs:/{run}"), folder.join(rows));
    let (asked, is_spoilt) = (
        folder.join(format!("{name}-rows.csv")),
        rows.ends_with("spoilt.csv"),
    );
    let is_made_up = types.get("island").is_some();
    write_columns(&rows, &asked, &types);
    let rows = asked;
    let exported = folder.join(format!("ペンギン-{name}"));
    let export = ["models", "export", &uri, "--format", "mlflow", "--output"];
    let export = [export.as_slice(), &[exported.to_str().unwrap()]].concat();
    let told = rookery.run_json(&export).await.succeeded().last_json();
    assert_eq!(told["as_stored"], true, "{told}");
    let ask = [
        "predict",
        "--model",
        &uri,
        "--file",
        rows.to_str().unwrap(),
        "--output",
        "json",
    ];
    let mut answers = rookery.run(&ask).await.succeeded().stdout;
    if is_spoilt {
        answers.push_str(&spoil(&rows));
    }
    let file = folder.join(format!("{name}.jsonl"));
    std::fs::write(&file, answers).unwrap();
    let refuses = is_made_up && !is_spoilt;
    json!({
        "name": name, "folder": exported, "rows": rows, "types": types, "answers": file,
        "refuses": refuses.then_some("island"),
    })
}

/// Puts nulls into rows that were asked: half of the unknown islands become missing, which changes no answer, and rows
/// follow that lack a number, whose answers are returned: they are skipped. `predict` itself takes no nulls.
fn spoil(rows: &Path) -> String {
    let text = std::fs::read_to_string(rows).unwrap();
    let island = |(row, line): (usize, &str)| match row % 2 {
        0 => line.replacen("Atlantis,", ",", 1),
        _ => line.to_string(),
    };
    let mut lines: Vec<String> = text.lines().enumerate().map(island).collect();
    for row in 1..=10 {
        let mut values: Vec<&str> = text.lines().nth(row).unwrap().split(',').collect();
        values[if row % 2 == 0 { 1 } else { 3 }] = "";
        lines.push(values.join(","));
    }
    std::fs::write(rows, lines.join("\n") + "\n").unwrap();
    "{\"prediction\":null,\"probability\":null}\n".repeat(10)
}

/// The columns that a model reads, and no others: `predict` refuses those that it does not know.
fn write_columns(from: &Path, to: &Path, types: &Value) {
    let text = std::fs::read_to_string(from).unwrap();
    let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let line = |line: &str| {
        let values = line
            .split(',')
            .zip(&header)
            .filter(|(_, column)| types.get(**column).is_some());
        values.map(|(value, _)| value).collect::<Vec<_>>().join(",") + "\n"
    };
    std::fs::write(to, text.lines().map(line).collect::<String>()).unwrap();
}

async fn java_is_there() -> Result<(), String> {
    let mut java = tokio::process::Command::new("java");
    java.arg("-version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    match java.status().await {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("java -version: {status}")),
        Err(error) => Err(format!("there is no Java: {error}")),
    }
}

/// The other systems, or None where the test is to be skipped.
async fn others() -> Option<Python> {
    let found = match java_is_there().await {
        Ok(()) => Python::with_requirements(&repository().join("tests/formats/requirements.txt")).await,
        Err(why) => Err(why),
    };
    match found {
        Ok(python) => Some(python),
        Err(why) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{why}"),
        Err(why) => {
            say(&format!("SKIPPED: models in other systems: {why}"));
            None
        }
    }
}

#[tokio::test]
async fn other_systems_answer_as_rookery_does() {
    let Some(python) = others().await else { return };
    let (rookery, folder) = (Rookery::new(BINARY), TempDir::new().unwrap());
    let folder = folder.path();
    write_rows(&folder.join("rows.csv"), 600, 1, false);
    write_rows(&folder.join("sound.csv"), 200, 2, false);
    write_rows(&folder.join("spoilt.csv"), 200, 3, true);
    write_penguins(&folder.join("penguins.csv"));
    let types = json!({
        "island": "string", "length": "float", "seconds": "double", "year": "int", "people": "bigint",
        "wild": "boolean",
    });
    let without = |columns: &[&str]| {
        let mut types = types.clone();
        columns
            .iter()
            .for_each(|column| drop(types.as_object_mut().unwrap().remove(*column)));
        types
    };
    let penguins = json!({
        "Island": "string", "CulmenLength": "float", "CulmenDepth": "float", "FlipperLength": "float",
        "BodyMass": "float",
    });
    let mut entries = Vec::new();
    for (run, name) in train(&rookery, &lab()).await.iter().zip(["lab-1", "lab-2"]) {
        entries.push(entry(&rookery, folder, run, name, "penguins.csv", penguins.clone()).await);
    }
    for (name, classes, stages, params, rows, types) in [
        (
            "many",
            2,
            many_stages(),
            "threshold = 0.7",
            "sound.csv",
            types.clone(),
        ),
        (
            "keep",
            3,
            few_stages("keep", "skip"),
            "thresholds = [0.5, 0.2, 0.9]",
            "spoilt.csv",
            without(&["people"]),
        ),
        (
            "skip",
            2,
            few_stages("skip", "skip"),
            "",
            "spoilt.csv",
            without(&["people"]),
        ),
        ("stages", 3, new_stages(), "", "sound.csv", without(&["people"])),
        (
            "two",
            2,
            few_stages("error", "error"),
            "family = \"multinomial\"",
            "sound.csv",
            without(&["people"]),
        ),
    ] {
        let job = write_job(folder, name, classes, &stages, params);
        let runs = train(&rookery, job.to_str().unwrap()).await;
        entries.push(entry(&rookery, folder, &runs[0], name, rows, types).await);
    }
    let manifest = folder.join("manifest.json");
    std::fs::write(&manifest, Value::from(entries).to_string()).unwrap();
    let mut check = python.command();
    check
        .current_dir(folder)
        .arg(repository().join("tests/formats/check.py"))
        .arg(&manifest);
    let output = check.stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    let output = tokio::time::timeout(LIMIT, output)
        .await
        .expect("within the limit")
        .expect("it starts");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    say(printed.trim_end());
}

#[tokio::test]
async fn a_model_is_exported_in_every_format_and_nothing_is_overwritten() {
    let (rookery, folder) = (Rookery::new(BINARY), TempDir::new().unwrap());
    let run = &train(&rookery, &lab()).await[1];
    let name = "Pronosticador de pingüinos";
    rookery.run(&["models", "register", run, name]).await.succeeded();
    rookery
        .run(&["models", "alias", name, "champion", "1"])
        .await
        .succeeded();
    let uris = [
        format!("runs:/{run}/model"),
        format!("models:/{name}/1"),
        format!("models:/{name}@champion"),
    ];
    let place = |file: &str| folder.path().join(file).to_str().unwrap().to_string();
    let (uris, place) = (&uris, &place);
    let export = |uri: usize, format: &'static str, file: &'static str| {
        let rookery = &rookery;
        async move {
            let arguments = [
                "models",
                "export",
                &uris[uri],
                "--format",
                format,
                "--output",
                &place(file),
            ];
            rookery.run_json(&arguments).await
        }
    };
    for (uri, format, file) in [
        (0, "native", "m.json"),
        (1, "onnx", "m.onnx"),
        (2, "pmml", "m.pmml"),
        (2, "spark", "s"),
        (1, "mlflow", "ペンギン"),
    ] {
        let told = export(uri, format, file).await.succeeded().last_json();
        assert_eq!(
            (&told["event"], &told["as_stored"]),
            (&json!("model_exported"), &json!(true)),
            "{told}"
        );
        let again = export(uri, format, file).await;
        assert!(
            again.code == 2 && again.stderr.contains("nothing is overwritten"),
            "{again}"
        );
    }
    let read = |file: &str| std::fs::read(folder.path().join(file)).unwrap();
    assert_eq!(read("m.json"), read("ペンギン/model.json"));
    assert_eq!(read("m.onnx"), read("ペンギン/model.onnx"));
    assert_eq!(
        read("s/metadata/part-00000"),
        read("ペンギン/sparkml/metadata/part-00000")
    );
    let parity: Value = serde_json::from_slice(&read("ペンギン/parity.json")).unwrap();
    assert_eq!(parity["holds"], true, "{parity}");
    assert_eq!(parity["formats"]["spark"]["rows"], 88, "{parity}");
    let shown = rookery.run_json(&["runs", "show", run]).await.succeeded().stdout;
    assert!(shown.contains("rookery.parity.onnx"), "{shown}");

    // A model of an older release has its own format alone: the others are made of it.
    let stored = walk(rookery.home()).into_iter().filter(|file| {
        let path = file.to_string_lossy();
        path.contains("/model/") && path.contains(run.as_str()) && !path.ends_with("/model.json")
    });
    let removed = stored.map(|file| std::fs::remove_file(file).unwrap()).count();
    assert!(removed > 10, "{removed}");
    for (format, file) in [("onnx", "old.onnx"), ("mlflow", "old")] {
        let told = export(0, format, file).await.succeeded().last_json();
        assert_eq!(told["as_stored"], false, "{told}");
    }
    assert_eq!(read("old.onnx"), read("m.onnx"));
    assert!(!folder.path().join("old/parity.json").exists());
    let unknown = [
        "models",
        "export",
        "runs:/nothing",
        "--format",
        "onnx",
        "--output",
        &place("n"),
    ];
    assert_eq!(rookery.run(&unknown).await.code, 2);
}

/// Every file below a folder.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .collect()
}

#[tokio::test]
async fn a_job_without_test_rows_reports_on_none() {
    let folder = TempDir::new().unwrap();
    write_rows(&folder.path().join("rows.csv"), 300, 1, false);
    let job = write_job(folder.path(), "untested", 2, &few_stages("keep", "error"), "");
    let cluster = TestCluster::new(BINARY).workers(2).start().await;
    let job = cluster
        .submit(&job, &["split.weights=[1.0, 0.0]"])
        .await
        .succeeded();
    let outcome = job.last_json();
    for report in outcome["runs"][0]["formats"].as_array().unwrap() {
        assert_eq!(
            (&report["rows"], &report["holds"]),
            (&json!(0), &json!(true)),
            "{report}"
        );
    }
}
