//! Whatever comes in, there is an answer in JSON or a refusal with a reason: never a panic.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use rookery_ml::{InvalidValue, InvalidValues};
use rookery_serving::{Scorer, ScoringRequest};
use serde_json::Value;

use crate::models::{profile, strict_birds};

const TYPES: [&str; 5] = [
    "application/json",
    "text/csv",
    "application/vnd.apache.parquet",
    "application/vnd.apache.arrow.stream",
    "application/vnd.apache.arrow.file",
];

fn scorers() -> [Scorer; 3] {
    [InvalidValue::Error, InvalidValue::Keep, InvalidValue::Reference].map(|policy| {
        let mut model = strict_birds();
        model.profile = Some(profile());
        let policies = InvalidValues {
            null: policy,
            unseen: policy,
        };
        Scorer::with_policies(model, policies).expect("the references are known")
    })
}

/// Asks every kind of scorer; each must answer in JSON or refuse with a reason.
fn ask(content_type: &str, query: &str, body: &[u8]) {
    for scorer in scorers() {
        let request = ScoringRequest {
            content_type: Some(content_type),
            accept: None,
            query: Some(query),
            body,
        };
        match scorer.answer(&request) {
            Ok(answer) => {
                let read: Value = serde_json::from_slice(&answer.body).expect("answers are JSON");
                let rows = read["predictions"].as_array().expect("a list");
                assert_eq!(rows.len(), answer.predictions.len());
            }
            Err(refusal) => {
                assert!((400..500).contains(&refusal.status), "{refusal}");
                assert!(!refusal.message.is_empty());
                serde_json::from_slice::<Value>(&refusal.body()).expect("refusals are JSON");
            }
        }
    }
}

/// Values of JSON of any kind.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "Biscoe|Dream|-?[0-9]{1,3}\\.[0-9]|.*".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((any_key(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        "island|length|mass|adult|columns|data|index|params|probabilities",
        ".*"
    ]
}

/// Bodies that are nearly right.
fn any_body() -> impl Strategy<Value = String> {
    let form = "dataframe_records|dataframe_split|instances|inputs|params";
    let row = proptest::collection::vec(any_json(), 4).prop_map(|values| {
        let names = ["island", "length", "mass", "adult"].map(str::to_string);
        Value::Object(names.into_iter().zip(values).collect())
    });
    let rows = proptest::collection::vec(prop_oneof![4 => row, 1 => any_json()], 0..4).prop_map(Value::from);
    (form, prop_oneof![3 => rows, 1 => any_json()], any::<bool>()).prop_map(|(form, rows, tells)| {
        serde_json::json!({form: rows, "params": {"contributions": tells}}).to_string()
    })
}

fn batch() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "island",
            Arc::new(StringArray::from(vec![Some("Biscoe"), None, Some("Mars")])),
        ),
        ("length", Arc::new(Float64Array::from(vec![48.7, f64::NAN, 1.0]))),
        (
            "mass",
            Arc::new(Float64Array::from(vec![Some(4450.0), Some(2.0), None])),
        ),
        ("adult", Arc::new(BooleanArray::from(vec![true, false, true]))),
    ];
    RecordBatch::try_from_iter(columns).expect("equal lengths")
}

fn parquet() -> Vec<u8> {
    let mut body = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut body, batch().schema(), None).expect("a schema");
    writer.write(&batch()).expect("written");
    writer.close().expect("written");
    body
}

fn stream() -> Vec<u8> {
    let mut body = Vec::new();
    let mut writer = StreamWriter::try_new(&mut body, &batch().schema()).expect("a schema");
    writer.write(&batch()).expect("written");
    writer.finish().expect("written");
    drop(writer);
    body
}

/// `body` with some bytes changed.
fn mutated(mut body: Vec<u8>, changes: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    for (place, byte) in changes {
        let place = place.index(body.len());
        body[place] = *byte;
    }
    body
}

fn any_changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)
}

proptest! {
    #[test]
    fn any_bytes(kind in 0usize..5, query in ".*", body in proptest::collection::vec(any::<u8>(), 0..200)) {
        ask(TYPES[kind], &query, &body);
    }

    #[test]
    fn any_content_type(content_type in ".*") {
        ask(&content_type, "", b"{}");
    }

    #[test]
    fn bodies_that_are_nearly_right(body in any_body()) {
        ask(TYPES[0], "probabilities=true", body.as_bytes());
    }

    #[test]
    fn changed_json(body in any_body(), changes in any_changes()) {
        ask(TYPES[0], "", &mutated(body.into_bytes(), &changes));
    }

    #[test]
    fn any_csv(records in proptest::collection::vec("[^,]*,[^,]*,[0-9]*,(true|false|)", 0..5), header in any::<bool>()) {
        let header = if header { "island,length,mass,adult" } else { "" };
        ask(TYPES[1], "contributions=true", format!("{header}\n{}", records.join("\n")).as_bytes());
    }

    #[test]
    fn changed_parquet(changes in any_changes()) {
        ask(TYPES[2], "", &mutated(parquet(), &changes));
    }

    #[test]
    fn changed_arrow(changes in any_changes(), kind in 3usize..5) {
        ask(TYPES[kind], "", &mutated(stream(), &changes));
    }
}
