//! The forms of an answer: the same numbers in each.

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::Float64Type;
use arrow_ipc::reader::StreamReader;
use rookery_ml::{InvalidValue, InvalidValues};
use rookery_serving::{Answer, Refusal, Scorer, ScoringRequest};
use serde_json::Value;

use crate::asking::JSON;
use crate::models::strict_birds;

/// Two good rows, and between them one that gets no prediction.
const ROWS: &str = r#"{"dataframe_records": [
    {"island": "Biscoe", "length": 48.7, "mass": 4450, "adult": true},
    {"island": "Mars", "length": 48.7, "mass": 4450, "adult": true},
    {"island": "Dream", "length": 39.1, "mass": 3000, "adult": false}]}"#;

fn ask(accept: &str, query: &str) -> Result<Answer, Refusal> {
    let policies = InvalidValues {
        null: InvalidValue::Keep,
        unseen: InvalidValue::Keep,
    };
    let scorer = Scorer::with_policies(strict_birds(), policies).expect("no reference is needed");
    scorer.answer(&ScoringRequest {
        content_type: Some(JSON),
        accept: Some(accept),
        query: Some(query),
        body: ROWS.as_bytes(),
    })
}

/// The columns of the answer in JSON: predictions, and the probabilities of each class.
fn expected() -> Vec<Vec<Option<f64>>> {
    let answer = ask("application/json", "probabilities=true").expect("an answer");
    let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let rows = answer["predictions"].as_array().expect("rows").clone();
    assert_eq!(
        rows.iter().map(Value::is_null).collect::<Vec<_>>(),
        [false, true, false]
    );
    let classes = rows[0]["probabilities"].as_array().expect("probabilities").len();
    let column = |value: &dyn Fn(&Value) -> Option<f64>| rows.iter().map(value).collect::<Vec<_>>();
    let mut columns = vec![column(&|row| row["prediction"].as_f64())];
    for class in 0..classes {
        columns.push(column(&|row| row["probabilities"].get(class)?.as_f64()));
    }
    columns
}

#[test]
fn csv_has_the_same_numbers_as_json() {
    let expected = expected();
    let answer = ask("text/csv", "probabilities=true").expect("an answer");
    assert_eq!(answer.content_type, "text/csv");
    let text = String::from_utf8(answer.body.to_vec()).expect("text");
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a header").split(',').collect();
    assert_eq!(names.len(), expected.len());
    assert_eq!(names[..3], ["prediction", "probability_0", "probability_1"]);
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    for (column, values) in expected.iter().enumerate() {
        // Every digit is there: what is read back is the same number.
        let found: Vec<Option<f64>> = rows.iter().map(|row| row[column].parse().ok()).collect();
        assert_eq!(&found, values, "{text}");
    }
    let plain = ask("text/csv", "").expect("an answer");
    assert!(plain.body.starts_with(b"prediction\n") && plain.body.ends_with(b"\n"));
}

#[test]
fn arrow_has_the_same_numbers_as_json() {
    let expected = expected();
    let answer = ask("application/vnd.apache.arrow.stream", "probabilities=true").expect("an answer");
    assert_eq!(answer.content_type, "application/vnd.apache.arrow.stream");
    let reader = StreamReader::try_new(&answer.body[..], None).expect("a stream");
    let batches: Vec<RecordBatch> = reader.map(|batch| batch.expect("a batch")).collect();
    let [batch] = &batches[..] else {
        panic!("one batch")
    };
    assert_eq!(batch.schema().field(1).name(), "probability_0");
    for (column, values) in batch.columns().iter().zip(&expected) {
        let found: Vec<Option<f64>> = column.as_primitive::<Float64Type>().iter().collect();
        assert_eq!((&found, column.null_count()), (values, 1));
    }
    assert_eq!(batch.num_columns(), expected.len());
}

#[test]
fn what_no_form_has_is_refused() {
    let refused = ask("text/html", "").expect_err("no form");
    assert_eq!(refused.status, 406, "{refused}");
    let refused = ask("text/csv", "contributions=true").expect_err("JSON alone");
    assert_eq!(
        (refused.status, refused.error_code),
        (400, "INVALID_PARAMETER_VALUE")
    );
}
