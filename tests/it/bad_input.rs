//! Wrong jobs and wrong data: each has a message with place and hint, an exit code of its class, and leaves no run
//! behind that looks alive.

use rookery_tests::{Output, Rookery, TestCluster};
use tempfile::TempDir;

use crate::{BINARY, lab};

const CONFIG: i32 = 2;
const DATA: i32 = 6;

const HEADER: &str = "island,length,depth,species";
const GOOD: [&str; 8] = [
    "Biscoe,40.1,17.0,0",
    "Dream,39.2,18.1,1",
    "Biscoe,45.0,15.2,1",
    "Dream,36.6,17.8,0",
    "Biscoe,47.3,14.9,1",
    "Dream,38.0,18.6,0",
    "Biscoe,44.2,15.7,1",
    "Dream,37.9,18.3,0",
];

/// A case: what is wrong, lines of the file (the good ones if there are none), overrides, exit code, and what the
/// message must say.
struct Case {
    name: &'static str,
    lines: Option<Vec<String>>,
    sets: &'static [&'static str],
    code: i32,
    says: &'static [&'static str],
}

fn job() -> String {
    "[job]\nname = \"bad\"\n[data]\ndrop_nulls = true\n[data.sources.birds]\npath = \"birds.csv\"\n\
     columns = { island = \"string\", length = \"float\", depth = \"float\", species = \"double\" }\n\
     [split]\nweights = [1.0, 0.0]\n\
     [[stages]]\ntype = \"StringIndexer\"\ninput = \"island\"\noutput = \"islandIdx\"\n\
     [[stages]]\ntype = \"VectorAssembler\"\ninputs = [\"islandIdx\", \"length\", \"depth\"]\noutput = \"features\"\n\
     [training]\nlabel = \"species\"\nfeatures = \"features\"\n[training.logistic_regression]\nmax_iter = 3\n"
        .to_string()
}

fn with_line(line: &str) -> Option<Vec<String>> {
    let mut lines: Vec<String> = GOOD.map(String::from).to_vec();
    lines.insert(4, line.to_string());
    Some(lines)
}

fn only(lines: &[&str]) -> Option<Vec<String>> {
    Some(lines.iter().map(ToString::to_string).collect())
}

fn cases() -> Vec<Case> {
    let case = |name, lines, sets, code, says| Case {
        name,
        lines,
        sets,
        code,
        says,
    };
    vec![
        case(
            "missing file",
            None,
            &["data.sources.birds.path=none.csv"],
            CONFIG,
            &["none.csv", "matches no file"],
        ),
        case("header only", only(&[]), &[], DATA, &["no row was read"]),
        case(
            "ragged row",
            with_line("Biscoe,40.1,17.0"),
            &[],
            DATA,
            &["birds.csv:6", "3 fields, expected 4"],
        ),
        case(
            "non-number in a float column",
            with_line("Biscoe,long,17.0,0"),
            &[],
            DATA,
            &["birds.csv:6", "\"length\"", "\"long\"", "float"],
        ),
        case(
            "unknown column in a stage",
            None,
            &["stages[0].input=isle"],
            CONFIG,
            &["isle", "island"],
        ),
        case(
            "unknown label column",
            None,
            &["training.label=kind"],
            CONFIG,
            &["kind", "species"],
        ),
        case(
            "unknown declared column",
            None,
            &["data.sources.birds.columns.mass=float"],
            CONFIG,
            &["mass", "island"],
        ),
        case(
            "unknown job key",
            None,
            &["training.speed=3"],
            CONFIG,
            &["speed", "bad.toml:"],
        ),
        case(
            "bad split weights",
            None,
            &["split.weights=[0.7, -0.3]"],
            CONFIG,
            &["-0.3", "bad.toml:"],
        ),
        case(
            "one class only",
            only(&["Biscoe,40.1,17.0,1", "Dream,40.2,17.1,1"]),
            &[],
            DATA,
            &["one class only"],
        ),
        case(
            "NaN feature",
            with_line("Biscoe,NaN,17.0,0"),
            &[],
            DATA,
            &["birds.csv:6", "length", "NaN"],
        ),
        case(
            "infinite feature",
            with_line("Biscoe,Infinity,17.0,0"),
            &[],
            DATA,
            &["birds.csv:6", "NaN or Infinity"],
        ),
        case(
            "label 0.5",
            with_line("Biscoe,40.1,17.0,0.5"),
            &[],
            DATA,
            &["birds.csv:6", "0.5"],
        ),
        case(
            "label -1",
            with_line("Biscoe,40.1,17.0,-1"),
            &[],
            DATA,
            &["birds.csv:6", "-1"],
        ),
        case(
            "all rows dropped",
            only(&["Biscoe,,17.0,0", "Dream,40.2,,1"]),
            &[],
            DATA,
            &["all rows were dropped"],
        ),
        case(
            "parameter out of range",
            None,
            &["training.logistic_regression.reg_param=-1"],
            CONFIG,
            &["-1"],
        ),
        case(
            "unknown metric",
            None,
            &["evaluation.metrics=[\"auc\"]"],
            CONFIG,
            &["auc", "accuracy"],
        ),
        case(
            "text as label",
            None,
            &["training.label=island"],
            CONFIG,
            &["numeric", "string"],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_is_named_and_leaves_no_running_run() {
    let cluster = TestCluster::new(BINARY).workers(2).start().await;
    for case in cases() {
        let folder = write(&case);
        let output = cluster.submit(folder.path().join("bad.toml"), case.sets).await;
        check(&case, &output);
    }
    let runs = cluster.rookery().run_json(&["runs", "list"]).await.succeeded();
    assert!(!runs.stdout.contains("RUNNING"), "{runs}");
}

fn write(case: &Case) -> TempDir {
    let folder = TempDir::new().unwrap();
    let lines = case
        .lines
        .clone()
        .unwrap_or_else(|| GOOD.map(String::from).to_vec());
    let text = format!("{HEADER}\n{}\n", lines.join("\n"));
    std::fs::write(folder.path().join("birds.csv"), text).unwrap();
    std::fs::write(folder.path().join("bad.toml"), job()).unwrap();
    folder
}

fn check(case: &Case, output: &Output) {
    assert_eq!(output.code, case.code, "{}\n{output}", case.name);
    for text in case.says {
        assert!(output.stderr.contains(text), "{}: {text}\n{output}", case.name);
    }
    assert!(output.stderr.starts_with("error: "), "{}\n{output}", case.name);
}

#[tokio::test]
async fn the_good_data_of_these_cases_are_good() {
    let case = Case {
        name: "good",
        lines: None,
        sets: &[],
        code: 0,
        says: &[],
    };
    let folder = write(&case);
    let job = folder.path().join("bad.toml").display().to_string();
    Rookery::new(BINARY)
        .run(&["run", &job, "--workers", "1"])
        .await
        .succeeded();
}

#[tokio::test]
async fn an_empty_file_is_refused() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("birds.csv"), "").unwrap();
    std::fs::write(folder.path().join("bad.toml"), job()).unwrap();
    let job = folder.path().join("bad.toml").display().to_string();
    let output = Rookery::new(BINARY).run(&["run", &job, "--workers", "1"]).await;
    assert_eq!(output.code, DATA, "{output}");
    assert!(output.stderr.contains("is empty"), "{output}");
}

#[tokio::test]
async fn predicting_what_was_never_seen_is_refused() {
    let rookery = Rookery::new(BINARY);
    let job = rookery
        .run_json(&["run", &lab(), "--workers", "1"])
        .await
        .succeeded()
        .last_json();
    let model = format!("runs:/{}", job["runs"][1]["run_id"].as_str().unwrap());
    let predict = async |row: &str| rookery.run(&["predict", "--model", &model, "--json", row]).await;

    let unseen = predict(
        r#"{"Island":"Hoy","CulmenLength":48.7,"CulmenDepth":14.1,"FlipperLength":210,"BodyMass":4450}"#,
    )
    .await;
    assert_eq!(unseen.code, DATA, "{unseen}");
    for text in ["Hoy", "Island", "Biscoe"] {
        assert!(unseen.stderr.contains(text), "{text}\n{unseen}");
    }
    let missing = predict(r#"{"Island":"Biscoe","CulmenLength":48.7}"#).await;
    assert_eq!(missing.code, DATA, "{missing}");
    assert!(missing.stderr.contains("CulmenDepth"), "{missing}");

    let no_run = rookery
        .run(&["predict", "--model", "runs:/nothing", "--json", "{}"])
        .await;
    assert_eq!(no_run.code, CONFIG, "{no_run}");
}
