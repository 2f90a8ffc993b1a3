//! What a model knows of its training's inputs: the same on any cluster, and what a plain count finds.

use std::collections::BTreeMap;

use rookery_tests::Rookery;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{BINARY, lab, repository};

/// Trains the lab with nulls left in, on the whole file, and returns the model.
async fn model(workers: &str, overrides: &[&str]) -> Value {
    let rookery = Rookery::new(BINARY);
    let (lab, folder) = (lab(), TempDir::new().unwrap());
    let mut arguments = vec!["run", &lab, "--workers", workers];
    for assignment in [
        "data.drop_nulls=[\"Species\"]",
        "data.partition_bytes=1500",
        "stages[1].handle_invalid=skip",
        "split.method=row",
        "runs=[{max_iter = 3}]",
    ]
    .iter()
    .chain(overrides)
    {
        arguments.extend(["--set", assignment]);
    }
    let job = rookery.run_json(&arguments).await.succeeded().last_json();
    let run = job["runs"][0]["run_id"].as_str().unwrap();
    let to = folder.path().display().to_string();
    let download = ["artifacts", "get", run, "model", "--output", &to];
    rookery.run(&download).await.succeeded();
    let text = std::fs::read_to_string(folder.path().join("model/model.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The rows of the lab's file, column by column.
fn columns() -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(repository().join("data/penguins/penguins.csv")).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_string));
    let names: Vec<String> = lines.next().unwrap().collect();
    let rows: Vec<Vec<String>> = lines.map(Iterator::collect).collect();
    let column = |i: usize| rows.iter().map(|row| row[i].clone()).collect();
    names.iter().cloned().zip((0..names.len()).map(column)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_profile_is_that_of_a_plain_count_on_any_cluster() {
    let whole = "split.weights=[1.0, 0.0]";
    let one = model("1", &[whole]).await;
    let three = model("3", &[whole]).await;
    assert_eq!(one, three, "the model's file");
    let profile = &one["profile"];
    assert_eq!(profile["rows"], 344);
    assert_eq!(profile["predictions"], json!([0, 0, 0]), "no row was tested");
    let file = columns();
    let names: Vec<&str> = profile["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| check(column, &file))
        .collect();
    assert_eq!(
        names,
        [
            "Island",
            "CulmenLength",
            "CulmenDepth",
            "FlipperLength",
            "BodyMass"
        ]
    );
}

/// Compares a column's profile with the file; returns its name.
fn check<'a>(profile: &'a Value, file: &BTreeMap<String, Vec<String>>) -> &'a str {
    let name = profile["name"].as_str().unwrap();
    let texts: Vec<&str> = file[name]
        .iter()
        .map(String::as_str)
        .filter(|text| !text.is_empty())
        .collect();
    assert_eq!(profile["nulls"], file[name].len() - texts.len(), "{name}");
    if let Some(counted) = profile["values"]["categories"]["counts"].as_array() {
        for pair in counted {
            let rows = texts.iter().filter(|text| **text == pair[0]).count();
            assert_eq!(pair[1], rows, "{name} {pair}");
        }
        assert_eq!((counted.len(), counted[0][0].as_str()), (3, Some("Biscoe")));
        return name;
    }
    let numbers = &profile["values"]["numbers"];
    let values: Vec<f64> = texts
        .iter()
        .map(|text| f64::from(text.parse::<f32>().unwrap()))
        .collect();
    let plain = values.iter().sum::<f64>() / values.len() as f64;
    assert!((numbers["mean"].as_f64().unwrap() - plain).abs() < 1e-9, "{name}");
    let edges: Vec<f64> = numbers["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e.as_f64().unwrap())
        .collect();
    assert!((10..20).contains(&edges.len()), "{name} {edges:?}");
    let mut counts = vec![0_u64; edges.len() + 1];
    for value in &values {
        counts[edges.iter().take_while(|edge| *edge < value).count()] += 1;
    }
    assert_eq!(numbers["counts"], json!(counts), "{name}");
    name
}

#[tokio::test(flavor = "multi_thread")]
async fn predictions_are_counted_and_policies_are_kept() {
    let model = model(
        "2",
        &[
            "split.weights=[0.7, 0.3]",
            "serving.null=reference",
            "serving.unseen=keep",
        ],
    )
    .await;
    assert_eq!(
        model["invalid_values"],
        json!({"null": "reference", "unseen": "keep"})
    );
    let profile = &model["profile"];
    let predicted: Vec<u64> = profile["predictions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n.as_u64().unwrap())
        .collect();
    // Two rows have nulls and are skipped, wherever they are.
    let tested: u64 = predicted.iter().sum();
    let others = 344 - profile["rows"].as_u64().unwrap();
    assert!(
        (others - 2..=others).contains(&tested),
        "{predicted:?} of {others}"
    );
    assert_eq!(predicted.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_there_is_not_is_refused_with_its_line() {
    let rookery = Rookery::new(BINARY);
    let refused = rookery
        .run(&["run", &lab(), "--set", "serving.null=ignore"])
        .await;
    assert_eq!(refused.code, 2, "{refused}");
    assert!(
        refused
            .stderr
            .contains("unknown variant `ignore`, expected one of `error`, `keep`, `reference`"),
        "{refused}"
    );
}
