//! Columns that a request leaves out: what the model declares stands in for them, in every form alike.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use rookery_ml::{Column, ColumnData, DefaultValue, Defaults, Frame, InvalidValue, InvalidValues};
use rookery_serving::Scorer;

use crate::asking::{JSON, ask_of};
use crate::models::{profile, strict_birds};

/// A model of birds that knows what to do without `island` and `adult`.
fn scorer(null: InvalidValue, unseen: InvalidValue) -> Scorer {
    let mut model = strict_birds();
    model.profile = Some(profile());
    model.defaults = Defaults::from([
        ("island".to_string(), DefaultValue::Text("Torgersen".to_string())),
        ("adult".to_string(), DefaultValue::Boolean(true)),
    ]);
    Scorer::with_policies(model, InvalidValues { null, unseen }).expect("references")
}

fn strict() -> Scorer {
    scorer(InvalidValue::Error, InvalidValue::Error)
}

fn probabilities(scorer: &Scorer, content_type: &str, body: &[u8]) -> String {
    let answer = ask_of(scorer, Some(content_type), Some("probabilities=true"), body);
    let answer = answer.unwrap_or_else(|e| panic!("{content_type}: {e}"));
    String::from_utf8(answer.body.to_vec()).expect("JSON")
}

/// Two rows without the columns that have defaults.
fn batch() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("length", Arc::new(Float32Array::from(vec![48.5, 39.25]))),
        ("mass", Arc::new(Float64Array::from(vec![4450.0, 3000.0]))),
    ];
    RecordBatch::try_from_iter(columns).expect("equal lengths")
}

#[test]
fn what_is_left_out_is_what_the_model_declares_in_every_form() {
    let scorer = strict();
    let given = r#"{"dataframe_records": [
        {"island": "Torgersen", "length": 48.5, "mass": 4450, "adult": true},
        {"island": "Torgersen", "length": 39.25, "mass": 3000, "adult": true}]}"#;
    let expected = probabilities(&scorer, JSON, given.as_bytes());
    let mut stream = Vec::new();
    let mut writer = StreamWriter::try_new(&mut stream, &batch().schema()).expect("a schema");
    // In two pieces, so that it is seen once for all of them.
    [batch().slice(0, 1), batch().slice(1, 1)]
        .iter()
        .for_each(|piece| writer.write(piece).expect("written"));
    writer.finish().expect("written");
    drop(writer);
    let mut parquet = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut parquet, batch().schema(), None).expect("a schema");
    writer.write(&batch()).expect("written");
    writer.close().expect("written");
    for (content_type, body) in [
        (JSON, &br#"{"dataframe_records": [{"length": 48.5, "mass": 4450}, {"mass": 3000, "length": 39.25}]}"#[..]),
        // Some rows have it, some do not.
        (JSON, br#"{"instances": [{"length": 48.5, "mass": 4450, "island": "Torgersen"}, {"mass": 3000, "length": 39.25}]}"#),
        (JSON, br#"{"dataframe_split": {"columns": ["mass", "length"], "data": [[4450, 48.5], [3000, 39.25]]}}"#),
        (JSON, br#"{"inputs": {"mass": [4450, 3000], "length": [48.5, 39.25]}}"#),
        ("text/csv", b"length,mass\n48.5,4450\n39.25,3000\n"),
        ("application/vnd.apache.arrow.stream", &stream),
        ("application/vnd.apache.parquet", &parquet),
    ] {
        assert_eq!(probabilities(&scorer, content_type, body), expected, "{content_type}");
    }
    // As files are scored on the workers.
    let frame = Frame::new(2)
        .with_column("length", Column::new(ColumnData::Float(vec![48.5, 39.25])))
        .and_then(|frame| frame.with_column("mass", Column::new(ColumnData::Double(vec![4450.0, 3000.0]))));
    let scored = scorer.score(frame.expect("a frame")).expect("scored");
    let decoded = scorer.decoder().json(given.as_bytes()).expect("rows").0;
    let online = scorer.score_decoded(decoded).expect("scored");
    assert_eq!(scored.predictions, online.predictions);
}

#[test]
fn a_column_without_a_default_is_missed_as_ever() {
    let body = br#"{"dataframe_records": [{"length": 48.5}]}"#;
    let refused = ask_of(&strict(), Some(JSON), None, body).expect_err("mass is missing");
    assert!(refused.message.contains("missing inputs ['mass']"), "{refused}");
    assert_eq!(refused.error_code, "INVALID_PARAMETER_VALUE");
}

#[test]
fn a_null_is_no_column_that_was_left_out_unless_the_policy_says_so() {
    let null = br#"{"dataframe_records": [{"island": null, "length": 48.5, "mass": 4450, "adult": null}]}"#;
    let refused = ask_of(&strict(), Some(JSON), None, null).expect_err("nulls are refused");
    assert_eq!(refused.errors.len(), 2, "{refused}");

    let lenient = scorer(InvalidValue::Reference, InvalidValue::Reference);
    let given =
        br#"{"dataframe_records": [{"island": "Torgersen", "length": 48.5, "mass": 4450, "adult": true}]}"#;
    let expected = probabilities(&lenient, JSON, given);
    assert_eq!(
        probabilities(&lenient, JSON, null),
        expected,
        "the default comes before the mean"
    );
    // A category that training has not seen is no null: the most frequent one takes its place.
    let unseen =
        br#"{"dataframe_records": [{"island": "Mars", "length": 48.5, "mass": 4450, "adult": true}]}"#;
    let frequent =
        br#"{"dataframe_records": [{"island": "Dream", "length": 48.5, "mass": 4450, "adult": true}]}"#;
    let frequent = probabilities(&lenient, JSON, frequent);
    assert_eq!(probabilities(&lenient, JSON, unseen), frequent);
    assert_ne!(frequent, expected);
}
