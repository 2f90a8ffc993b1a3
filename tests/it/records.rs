//! What was recorded, looked at and changed through the binary: a lab, trained once, and all that can be asked of it.

use rookery_tests::{Output, Rookery, TestCluster};
use serde_json::Value;

use crate::{BINARY, lab};

const ROW: &str =
    r#"{"Island":"Biscoe","CulmenLength":48.7,"CulmenDepth":14.1,"FlipperLength":210,"BodyMass":4450}"#;

const CONFIG: i32 = 2;
const DATA: i32 = 6;

/// The lab's two runs, in their order: 5 iterations, then 10.
struct Lab {
    rookery: Rookery,
    runs: [String; 2],
}

impl Lab {
    async fn trained() -> Self {
        let rookery = Rookery::new(BINARY);
        let run = ["run", &lab(), "--workers", "1"];
        let job = rookery.run_json(&run).await.succeeded().last_json();
        let id = |i: usize| job["runs"][i]["run_id"].as_str().unwrap().to_string();
        let runs = [id(0), id(1)];
        Self { rookery, runs }
    }

    /// What people read.
    async fn text(&self, arguments: &[&str]) -> String {
        self.rookery.run(arguments).await.succeeded().stdout
    }

    /// What programs read.
    async fn json(&self, arguments: &[&str]) -> Vec<Value> {
        self.rookery.run_json(arguments).await.succeeded().json_lines()
    }

    /// A command that must fail.
    async fn refused(&self, code: i32, arguments: &[&str]) -> Output {
        let output = self.rookery.run(arguments).await;
        assert_eq!(output.code, code, "{arguments:?}\n{output}");
        assert!(output.stderr.starts_with("error: "), "{arguments:?}\n{output}");
        output
    }
}

/// The values of one field.
fn field(objects: &[Value], key: &str) -> Vec<String> {
    objects
        .iter()
        .map(|object| match &object[key] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
        .collect()
}

#[tokio::test]
async fn everything_recorded_can_be_looked_at_and_changed() {
    let lab = Lab::trained().await;
    runs_are_listed_searched_shown_and_compared(&lab).await;
    files_of_a_run_are_listed_and_downloaded(&lab).await;
    a_model_is_registered_guarded_and_predicts_by_its_alias(&lab).await;
    runs_and_experiments_are_changed_deleted_and_restored(&lab).await;
}

async fn runs_are_listed_searched_shown_and_compared(lab: &Lab) {
    let [first, second] = &lab.runs;

    let listed = lab.json(&["runs", "list", "--experiment", "penguins"]).await;
    assert_eq!(
        listed.len(),
        3,
        "the job's own run and two nested ones: {listed:?}"
    );
    let listed = lab.text(&["runs", "list"]).await;
    assert_eq!(listed.matches("└ ").count(), 2, "{listed}");
    let lowest = ["runs", "list", "--metric", "loss", "--of", "min", "--max", "1"];
    let lowest = lab.json(&lowest).await;
    assert!(lowest[0]["metrics"]["loss"].as_f64().unwrap() < 1.0, "{lowest:?}");

    let filter = "metrics.accuracy > 0.9 and params.maxIter = '5'";
    let found = lab.json(&["runs", "search", "--filter", filter]).await;
    assert_eq!(field(&found, "run_id"), [first.as_str()]);
    let order = [
        "runs",
        "search",
        "--filter",
        "metrics.accuracy > 0",
        "--order-by",
        "metrics.accuracy DESC",
    ];
    assert_eq!(
        field(&lab.json(&order).await, "run_id"),
        [second.as_str(), first.as_str()]
    );
    lab.refused(CONFIG, &["runs", "search", "--filter", "accuracy >"])
        .await;

    let shown = lab.text(&["runs", "show", first]).await;
    for expected in [
        "LATEST",
        "(step 0)",
        "loss curve",
        "step 0",
        "job.toml",
        "rookery.base_dir",
    ] {
        assert!(shown.contains(expected), "{expected}\n{shown}");
    }
    assert!(
        shown.contains(|c| ('\u{2801}'..='\u{28ff}').contains(&c)),
        "{shown}"
    );
    lab.refused(CONFIG, &["runs", "show", first, "--metric", "beauty"])
        .await;

    let compared = lab.json(&["runs", "compare", first, second]).await;
    let params: Vec<&Value> = compared.iter().filter(|row| row["kind"] == "params").collect();
    let keys: Vec<&str> = params.iter().map(|row| row["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["maxIter", "regParam"]);
    assert_eq!(params[0]["values"][first], "5");
    let all = lab
        .text(&["runs", "compare", first, second, "--all", "--transpose"])
        .await;
    assert!(
        all.contains("params.split.seed") && all.contains("metrics.accuracy"),
        "{all}"
    );
}

async fn runs_and_experiments_are_changed_deleted_and_restored(lab: &Lab) {
    let [first, second] = &lab.runs;

    lab.text(&["runs", "tag", first, "stage=ペンギン", "note=a=b"])
        .await;
    let tagged = ["runs", "search", "--filter", "tags.stage = 'ペンギン'"];
    assert_eq!(lab.json(&tagged).await[0]["tags"]["note"], "a=b");
    lab.text(&["runs", "tag", first, "--remove", "stage"]).await;
    assert!(lab.json(&tagged).await.is_empty());
    lab.refused(CONFIG, &["runs", "tag", first, "no-value"]).await;

    lab.text(&["runs", "delete", first]).await;
    let active = field(&lab.json(&["runs", "list"]).await, "run_id");
    assert!(active.contains(second) && !active.contains(first), "{active:?}");
    let deleted = lab.json(&["runs", "list", "--view", "deleted"]).await;
    assert_eq!(field(&deleted, "run_id"), [first.as_str()]);
    lab.text(&["runs", "restore", first]).await;
    assert_eq!(lab.json(&["runs", "list"]).await.len(), 3);

    lab.text(&["experiments", "create", "Zoë's birds"]).await;
    lab.refused(CONFIG, &["experiments", "create", "Zoë's birds"])
        .await;
    lab.text(&["experiments", "rename", "Zoë's birds", "鳥"]).await;
    lab.text(&["experiments", "delete", "鳥"]).await;
    let names = field(&lab.json(&["experiments", "list"]).await, "name");
    assert_eq!(names, ["penguins", "Default"]);
    lab.text(&["experiments", "restore", "鳥"]).await;
    let names = field(&lab.json(&["experiments", "list"]).await, "name");
    assert_eq!(names, ["鳥", "penguins", "Default"]);
}

async fn a_model_is_registered_guarded_and_predicts_by_its_alias(lab: &Lab) {
    let [first, second] = &lab.runs;

    let registered = lab.json(&["models", "register", second, "birds"]).await;
    assert_eq!(registered[0]["version"], 1);
    assert_eq!(registered[0]["run_id"], second.as_str());
    assert!(registered[0]["model_id"].as_str().unwrap().starts_with("m-"));
    let uri = format!("runs:/{first}/model");
    lab.text(&[
        "models",
        "register",
        "--model",
        &uri,
        "birds",
        "--reason",
        "a smaller one",
    ])
    .await;

    let guard = [
        "models",
        "alias",
        "birds",
        "champion",
        "1",
        "--gate",
        "accuracy >= champion",
    ];
    lab.text(&guard).await;
    // The first run is less accurate than the second, which is version 1.
    let worse = lab
        .rookery
        .run(&["models", "alias", "birds", "champion", "2"])
        .await;
    assert!(worse.code != 0 && worse.stderr.contains("accuracy"), "{worse}");
    lab.text(&["models", "alias", "birds", "champion", "--no-gate"])
        .await;
    let moved = ["models", "alias", "birds", "champion", "2", "--reason", "to see"];
    lab.text(&moved).await;

    let shown = lab.json(&["models", "show", "birds"]).await;
    assert_eq!(shown[0]["aliases"]["champion"], 2);
    assert_eq!(shown[0]["versions"][0]["version"], 2);
    assert!(
        shown[0]["versions"][0]["metrics"]["accuracy"].is_f64(),
        "{shown:?}"
    );
    let history = lab.json(&["models", "history", "birds"]).await;
    let newest = &history[0];
    assert_eq!(newest["action"], "alias_set");
    assert_eq!(newest["reason"], "to see");
    assert_eq!((&newest["from"], &newest["to"]), (&"1".into(), &"2".into()));
    let now = lab
        .json(&["models", "history", "birds", "--as-of", "2999-01-01"])
        .await;
    assert_eq!(now[0]["aliases"]["champion"], 2);
    lab.refused(CONFIG, &["models", "history", "birds", "--as-of", "1999-01-01"])
        .await;

    let mut answers = Vec::new();
    for model in [uri.as_str(), "models:/birds/2", "models:/birds@champion"] {
        answers.push(lab.text(&["predict", "--model", model, "--json", ROW]).await);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[1], answers[2]);

    lab.text(&["models", "alias", "birds", "champion", "--remove"])
        .await;
    lab.refused(
        CONFIG,
        &["predict", "--model", "models:/birds@champion", "--json", ROW],
    )
    .await;
    lab.text(&["models", "delete", "birds", "--version", "2"]).await;
    lab.text(&["models", "delete", "birds"]).await;
    assert!(lab.json(&["models", "list"]).await.is_empty());
    assert!(lab.json(&["models", "history", "birds"]).await.len() > history.len());
}

async fn files_of_a_run_are_listed_and_downloaded(lab: &Lab) {
    let run = lab.runs[0].as_str();
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().to_str().unwrap();

    let top = field(&lab.json(&["artifacts", "list", run]).await, "path");
    assert!(
        top.contains(&"job.toml".to_string()) && top.contains(&"model".to_string()),
        "{top:?}"
    );
    let inner = field(&lab.json(&["artifacts", "list", run, "model"]).await, "path");
    assert!(inner.contains(&"model/model.json".to_string()), "{inner:?}");

    let job = lab
        .text(&["artifacts", "get", run, "job.toml", "--output", "-"])
        .await;
    assert_eq!(job, std::fs::read_to_string(crate::lab()).unwrap());
    lab.text(&["artifacts", "get", run, "model", "--output", into])
        .await;
    let model = std::fs::read_to_string(folder.path().join("model/model.json")).unwrap();
    serde_json::from_str::<Value>(&model).unwrap();
    lab.refused(CONFIG, &["artifacts", "get", run, "nothing"]).await;
}

#[tokio::test]
async fn a_run_is_reproduced_to_the_last_bit_or_it_is_said_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let job = folder.path().join("job.toml");
    let rows = folder.path().join("penguins.csv");
    std::fs::copy(lab(), &job).unwrap();
    std::fs::copy(crate::repository().join("data/penguins/penguins.csv"), &rows).unwrap();
    let rookery = Rookery::new(BINARY);
    let trained = rookery
        .run_json(&["run", job.to_str().unwrap()])
        .await
        .succeeded();
    let run_id = trained.last_json()["runs"][1]["run_id"]
        .as_str()
        .unwrap()
        .to_string();

    let reproduce = ["runs", "reproduce", &run_id, "--workers", "1"];
    let again = rookery.run_json(&reproduce).await.succeeded().last_json();
    assert_eq!(
        (&again["equal"], &again["run_id"]),
        (&true.into(), &run_id.clone().into())
    );
    let filter = format!("tags.`rookery.reproduces` = '{run_id}'");
    let search = rookery
        .run_json(&["runs", "search", "--filter", &filter])
        .await
        .succeeded();
    assert_eq!(search.json_lines()[0]["run_id"], again["reproduction"]);

    let text = std::fs::read_to_string(&rows).unwrap();
    std::fs::write(&rows, text.replacen("39.1", "39.2", 1)).unwrap();
    let other = rookery.run(&reproduce).await;
    assert_eq!(other.code, DATA, "{other}");
    assert!(other.stderr.contains("the data fingerprint differs"), "{other}");
}

#[tokio::test]
async fn the_records_behind_a_driver_can_be_worked_with_from_afar() {
    let cluster = TestCluster::new(BINARY).start().await;
    let job = cluster.submit(lab(), &[]).await.succeeded().last_json();
    let run = job["runs"][1]["run_id"].as_str().unwrap();
    let afar = async |arguments: &[&str]| {
        let arguments = [&["--driver", cluster.url()], arguments].concat();
        cluster.rookery().run(&arguments).await.succeeded().stdout
    };
    let here = async |arguments: &[&str]| cluster.rookery().run(arguments).await.succeeded().stdout;

    for arguments in [
        &["runs", "list", "--metric", "loss", "--of", "max"][..],
        &["runs", "show", run, "--json"],
        &["experiments", "list"],
        &["artifacts", "get", run, "job.toml", "--output", "-"],
    ] {
        assert_eq!(afar(arguments).await, here(arguments).await, "{arguments:?}");
    }
    afar(&["models", "register", run, "birds"]).await;
    afar(&[
        "models",
        "alias",
        "birds",
        "champion",
        "1",
        "--gate",
        "accuracy >= 0.5",
    ])
    .await;
    let predict = ["predict", "--model", "models:/birds@champion", "--json", ROW];
    assert_eq!(afar(&predict).await, here(&predict).await);
    let history = ["models", "history", "birds", "--json"];
    assert_eq!(afar(&history).await, here(&history).await);
}
