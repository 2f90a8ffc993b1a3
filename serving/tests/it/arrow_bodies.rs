//! Rows in Parquet and Arrow, and in batches of other types than the model's.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, RecordBatch, StringArray,
};
use arrow::datatypes::Schema;
use arrow_ipc::writer::{FileWriter, StreamWriter};
use parquet::arrow::ArrowWriter;
use rookery_serving::{Refusal, Scorer};

use crate::asking::{answer, ask};
use crate::models::strict_birds;

/// The good row twice; `mass` in another type than the model's.
fn batch() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("x", Arc::new(Int32Array::from(vec![1, 2]))),
        ("mass", Arc::new(Int32Array::from(vec![4450, 4450]))),
        ("adult", Arc::new(BooleanArray::from(vec![true, true]))),
        ("length", Arc::new(Float32Array::from(vec![48.7, 48.7]))),
        ("island", Arc::new(StringArray::from(vec!["Biscoe", "Biscoe"]))),
    ];
    RecordBatch::try_from_iter(columns).expect("equal lengths")
}

fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut body = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut body, batch.schema(), None).expect("a schema");
    writer.write(batch).expect("written");
    writer.close().expect("written");
    body
}

fn stream(batch: &RecordBatch) -> Vec<u8> {
    let mut body = Vec::new();
    let mut writer = StreamWriter::try_new(&mut body, &batch.schema()).expect("a schema");
    writer.write(batch).expect("written");
    writer.finish().expect("written");
    drop(writer);
    body
}

fn file(batch: &RecordBatch) -> Vec<u8> {
    let mut body = Vec::new();
    let mut writer = FileWriter::try_new(&mut body, &batch.schema()).expect("a schema");
    writer.write(batch).expect("written");
    writer.finish().expect("written");
    drop(writer);
    body
}

#[test]
fn parquet_and_arrow_are_rows_too() {
    for (content_type, body) in [
        ("application/vnd.apache.parquet", parquet(&batch())),
        ("application/vnd.apache.arrow.stream", stream(&batch())),
        ("application/vnd.apache.arrow.file", file(&batch())),
    ] {
        assert_eq!(
            answer(content_type, &body),
            r#"{"predictions": [1.0, 1.0]}"#,
            "{content_type}"
        );
        let refused = ask(Some(content_type), None, b"no such thing").expect_err("no rows");
        assert!(
            refused.message.contains("Invalid input. The body is no"),
            "{refused}"
        );
        for cut in 0..body.len() {
            // A stream may end after any of its messages.
            if let Err(refused) = ask(Some(content_type), None, &body[..cut]) {
                assert_eq!(refused.status, 400, "{refused}");
            }
        }
    }
}

#[test]
fn arrows_types_are_converted_like_values() {
    let with = |name: &str, array: ArrayRef| {
        let batch = batch();
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns()).map(|(field, old)| {
            let column = if field.name() == name {
                Arc::clone(&array)
            } else {
                Arc::clone(old)
            };
            (field.name().clone(), column)
        });
        RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).expect("equal lengths")
    };
    let scorer = Scorer::new(strict_birds());
    let score = |batch: &RecordBatch| {
        let decoded = scorer.decoder().batches(std::slice::from_ref(batch))?;
        scorer.score_decoded(decoded).map_err(Refusal::from)
    };
    let expected = score(&batch()).expect("good").predictions;
    for (name, array) in [
        (
            "mass",
            Arc::new(StringArray::from(vec!["4450", "4450.0"])) as ArrayRef,
        ),
        ("mass", Arc::new(Float64Array::from(vec![4450.0, 4450.0]))),
        ("adult", Arc::new(Int32Array::from(vec![1, 1]))),
        ("length", Arc::new(StringArray::from(vec!["48.7", "48.7"]))),
    ] {
        assert_eq!(
            score(&with(name, array)).expect("converted").predictions,
            expected,
            "{name}"
        );
    }
    for (name, array, message) in [
        (
            "mass",
            Arc::new(StringArray::from(vec![None, Some("heavy")])) as ArrayRef,
            "row 2, column mass: got \"heavy\"",
        ),
        (
            "mass",
            Arc::new(Float64Array::from(vec![1.0, f64::NAN])),
            "row 2, column mass: got NaN",
        ),
        (
            "adult",
            Arc::new(Float64Array::from(vec![1.0, 0.5])),
            "row 2, column adult: got 0.5",
        ),
        (
            "mass",
            Arc::new(arrow::array::Date32Array::from(vec![1, 2])),
            "Column mass: values of type Date32 are not read",
        ),
    ] {
        let refused = score(&with(name, array)).expect_err("wrong");
        assert!(refused.message.contains(message), "{refused}");
    }
    let refused = scorer
        .decoder()
        .batches(&[RecordBatch::new_empty(Arc::new(Schema::empty()))]);
    assert!(
        refused
            .expect_err("no columns")
            .message
            .contains("Model is missing inputs")
    );
}
