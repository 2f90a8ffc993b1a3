//! Rows with values that the model can't use, or without columns that it reads: the same in files as online.

use rookery_tests::Rookery;
use serde_json::Value;

use super::{CONFIG, DATA, Lab, MODEL, csv_rows, files, parquet_rows};
use crate::BINARY;

#[tokio::test(flavor = "multi_thread")]
async fn policies_keep_rows_as_online_and_no_rows_are_no_mistake() {
    let lab = Lab::with(&["serving.null=reference", "serving.unseen=keep"]).await;
    let header = "Island,CulmenLength,CulmenDepth,FlipperLength,BodyMass";
    let rows = "Dream,,18.1,190,3700\nAtlantis,38,18.1,190,3700\nBiscoe,48.7,14.1,210,4450\n";
    let input = lab.write("rows.csv", &format!("{header}\n{rows}"));
    lab.predict(&input, "out", &["--format", "csv"]).await.succeeded();
    let scored = csv_rows(&lab.folder.path().join("out"));
    let prediction = |row: usize| scored[row].split(',').nth(5).unwrap();
    assert!(
        scored[0].starts_with("Dream,,18.1,190.0,3700.0,"),
        "the null stays: {scored:?}"
    );
    assert!(!prediction(0).is_empty(), "{scored:?}");
    assert_eq!((prediction(1), prediction(2)), ("", "1.0"), "{scored:?}");

    // Flags come before what the model says, for files and for a few rows alike.
    let flags = ["--format", "csv", "--null", "keep", "--unseen", "reference"];
    lab.predict(&input, "flags", &flags).await.succeeded();
    let scored = csv_rows(&lab.folder.path().join("flags"));
    let of_files: Vec<&str> = scored.iter().map(|row| row.split(',').nth(5).unwrap()).collect();
    assert!(of_files[0].is_empty() && !of_files[1].is_empty(), "{scored:?}");
    let online = ["predict", "--model", MODEL, "--file", &input, "--output", "json"];
    let online = [&online[..], &flags[2..]].concat();
    let online = lab.rookery.run(&online).await.succeeded().json_lines();
    let online: Vec<String> = online.iter().map(|row| row["prediction"].to_string()).collect();
    assert_eq!(
        online
            .iter()
            .map(|text| text.replace("null", ""))
            .collect::<Vec<_>>(),
        of_files
    );
    let refused = lab.predict(&input, "refused", &["--null", "error"]).await;
    assert_eq!(refused.code, DATA, "{refused}");
    assert!(refused.stderr.contains("--null"), "the hint names it: {refused}");

    let empty = lab.write("empty.csv", &format!("{header}\n"));
    lab.predict(&empty, "none", &["--format", "csv"])
        .await
        .succeeded();
    let written = files(&lab.folder.path().join("none"));
    let names: Vec<&str> = written.keys().map(String::as_str).collect();
    assert_eq!(names, ["_SUCCESS", "part-00000.csv"]);
    let text = String::from_utf8(written["part-00000.csv"].clone()).unwrap();
    assert!(
        text.starts_with(&format!("{header},prediction,")) && text.lines().count() == 1,
        "{text}"
    );
    // A Parquet file without rows has no piece that could be read.
    lab.predict(&empty, "no rows", &[]).await.succeeded();
    let input = lab.path("no rows/part-00000.parquet");
    lab.predict(&input, "again", &["--columns", "Island"])
        .await
        .succeeded();
    let again = lab.folder.path().join("again");
    assert!(again.join("part-00000.parquet").exists());
    assert_eq!(parquet_rows(&again), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_left_out_has_its_default_online_and_in_files() {
    let lab = Lab::with(&["serving.defaults.Island=Dream", "serving.defaults.BodyMass=3700"]).await;
    let columns = "Island,CulmenLength,CulmenDepth,FlipperLength,BodyMass";
    let given = lab.write(
        "given.csv",
        &format!("{columns}\nDream,38.5,18.1,190,3700\nDream,48.7,14.1,210,3700\n"),
    );
    let short = "CulmenLength,CulmenDepth,FlipperLength\n38.5,18.1,190\n48.7,14.1,210\n";
    let short = lab.write("short.csv", short);
    let online = async |file: &str| {
        let words = ["predict", "--model", MODEL, "--file", file, "--output", "json"];
        lab.rookery.run(&words).await.succeeded().json_lines()
    };
    let expected = online(&given).await;
    assert_eq!(online(&short).await, expected);
    lab.predict(&short, "short", &[]).await.succeeded();
    let rows = parquet_rows(&lab.folder.path().join("short"));
    for (row, online) in rows.iter().zip(&expected) {
        assert_eq!(
            (&row["prediction"], &row["probability_1"]),
            (&online["prediction"], &online["probability"][1])
        );
        assert!(
            row.get("Island").is_none(),
            "what was not there is not made up: {row}"
        );
    }
    assert_eq!(rows.len(), 2);

    let (job, rookery) = (crate::lab(), Rookery::new(BINARY));
    for (wrong, named) in [
        (
            "serving.defaults.Island=Atlantis",
            "a category that training has seen, such as Biscoe",
        ),
        (
            "serving.defaults.BodyMass=heavy",
            "expected a value of type float",
        ),
        ("serving.defaults.Species=Adelie", "unknown column Species"),
    ] {
        let refused = rookery
            .run(&["run", &job, "--workers", "1", "--set", wrong])
            .await;
        assert_eq!(refused.code, CONFIG, "{refused}");
        assert!(
            refused.stderr.contains(named) && refused.stderr.contains("serving.defaults"),
            "{refused}"
        );
    }
}
