//! What bodies mean, in every form, and what is wrong with those that mean nothing.

use rookery_ml::{ColumnData, InvalidValue, InvalidValues};
use rookery_serving::{Refusal, Scorer};

use crate::asking::{GOOD, JSON, answer, ask, ask_of};
use crate::models::{frame, strict_birds};

const READS: &str = "the model reads island (string), length (float), mass (double), adult (boolean)";

fn refusal(body: &str) -> Refusal {
    ask(Some(JSON), None, body.as_bytes()).expect_err(body)
}

fn records(rows: &[&str]) -> String {
    format!(r#"{{"dataframe_records": [{}]}}"#, rows.join(", "))
}

#[test]
fn every_form_of_json_gives_the_same_answer() {
    let row = r#"["Biscoe", 48.7, 4450, true]"#;
    for body in [
        records(&[GOOD]),
        format!(
            r#"{{"dataframe_split": {{"index": [7], "columns": ["island", "length", "mass", "adult"], "data": [{row}]}}}}"#
        ),
        r#"{"dataframe_split": {"data": [[true, 48.7, 4450, "Biscoe", 0]], "columns": ["adult", "length", "mass", "island", "x"]}}"#
            .to_string(),
        format!(r#"{{"instances": [{GOOD}]}}"#),
        format!(r#"{{"instances": [{row}], "other": 1}}"#),
        format!(r#"{{"inputs": [{GOOD}]}}"#),
        format!(r#"{{"inputs": {GOOD}}}"#),
        r#"{"inputs": {"mass": [4450], "island": ["Biscoe"], "length": [48.7], "adult": [true], "x": [1]}}"#
            .to_string(),
        format!("\u{feff}{}", records(&[GOOD])),
    ] {
        assert_eq!(
            answer(JSON, body.as_bytes()),
            r#"{"predictions": [1.0]}"#,
            "{body}"
        );
    }
}

#[test]
fn answers_are_the_models_own_bits() {
    let expected = strict_birds()
        .predict(frame(&[
            (Some("Biscoe"), Some(50.0), Some(4450.0), Some(true)),
            (Some("Dream"), Some(32.5), Some(3000.0), Some(false)),
        ]))
        .expect("good");
    let rows = [
        r#"{"island": "Biscoe", "length": 50, "mass": 4450, "adult": true}"#,
        r#"{"adult": false, "mass": 3e3, "length": 32.5, "island": "Dream"}"#,
    ];
    let answer = ask(Some(JSON), Some("probabilities=true"), records(&rows).as_bytes()).expect("good");
    let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    for (row, expected) in expected.probability.chunks(3).enumerate() {
        let probabilities = body["predictions"][row]["probabilities"]
            .as_array()
            .expect("a list");
        for (got, expected) in probabilities.iter().zip(expected) {
            assert_eq!(got.as_f64().map(f64::to_bits), Some(expected.to_bits()), "{body}");
        }
    }
}

#[test]
fn values_are_converted_as_mlflow_does_with_a_signature() {
    for (column, value) in [
        ("mass", "4450.0"),
        ("mass", "\"4450\""),
        ("mass", "\" 4.45e3 \""),
        ("length", "\"48.7\""),
        ("adult", "1"),
        ("adult", "\"true\""),
        ("adult", "1.0"),
        ("extra", "{\"any\": [\"thing\"]}"),
    ] {
        let mut row: serde_json::Value = serde_json::from_str(GOOD).expect("JSON");
        row[column] = serde_json::from_str(value).expect("JSON");
        let body = records(&[&row.to_string()]);
        assert_eq!(
            answer(JSON, body.as_bytes()),
            r#"{"predictions": [1.0]}"#,
            "{body}"
        );
    }
    // True is 1.0.
    let scorer = Scorer::new(strict_birds());
    let body = records(&[r#"{"island": "Biscoe", "length": true, "mass": false, "adult": 0}"#]);
    let (decoded, _) = scorer.decoder().json(body.as_bytes()).expect("converted");
    let column = |name| &decoded.frame().column(name).expect("there").data;
    assert_eq!(column("length"), &ColumnData::Double(vec![1.0]));
    assert_eq!(column("mass"), &ColumnData::Double(vec![0.0]));
}

#[test]
fn every_wrong_value_of_a_body_is_named() {
    let rows = [
        r#"{"island": "Atlantis", "length": "long", "mass": null, "adult": "perhaps"}"#,
        r#"{"island": 5, "length": 1e300, "mass": [1], "adult": 2}"#,
        r#"{"island": {}, "length": "NaN", "mass": "1e999"}"#,
    ];
    let refusal = refusal(&records(&rows));
    assert_eq!((refusal.status, refusal.error_code), (400, "BAD_REQUEST"));
    let told: Vec<(usize, &str, &str)> = refusal
        .errors
        .iter()
        .map(|e| (e.row, e.column.as_str(), e.got.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (0, "length", "\"long\""),
            (0, "adult", "\"perhaps\""),
            (1, "length", "1e300"),
            (1, "mass", "[1]"),
            (1, "adult", "2"),
            (2, "island", "{}"),
            (2, "length", "\"NaN\""),
            (2, "mass", "\"1e999\""),
            (0, "island", "\"Atlantis\""),
            (1, "island", "\"5\""),
        ]
    );
    assert_eq!(refusal.errors[8].allowed, ["Biscoe", "Dream", "Torgersen"]);
    assert!(refusal.message.starts_with(
        "the rows can't be scored: row 1, column length: got \"long\", expected a finite number (float)"
    ));
    assert!(refusal.message.ends_with("and 2 more values"), "{refusal}");
    let body: serde_json::Value = serde_json::from_slice(&refusal.body()).expect("JSON");
    assert_eq!(body["error_code"], "BAD_REQUEST");
    assert_eq!(body["errors"][0]["expected"], "a finite number (float)");
}

#[test]
fn bodies_that_are_no_rows_are_refused() {
    for (body, message) in [
        (
            "",
            "Invalid input. Ensure that input is a valid JSON formatted string. Error: EOF while parsing a value at line 1 column 0",
        ),
        (
            r#"{"dataframe_records": ["#,
            "EOF while parsing a list at line 1 column 23",
        ),
        (
            r#"{"dataframe_records": [{"mass": NaN}]}"#,
            "JSON has no NaN and no Infinity; a missing value is null",
        ),
        (
            r#"{"dataframe_records": [{"mass": -Infinity}]}"#,
            "JSON has no NaN and no Infinity; a missing value is null",
        ),
        (
            r#"{"dataframe_records": [{"mass": 1e999}]}"#,
            "number out of range at line 1 column",
        ),
        (
            r#"{"dataframe_records": [{"mass": 1, "mass": 2}]}"#,
            "the key \"mass\" is there twice at line 1 column",
        ),
        (
            r#"{"dataframe_records": [{"mass": 1}]} x"#,
            "trailing characters at line 1 column",
        ),
        ("[]", "Received a list."),
        ("3", "Received a number."),
        (
            "{}",
            "exactly one of the input fields {'dataframe_records', 'dataframe_split', 'instances', 'inputs'}. \
                Received dictionary with input fields: [].",
        ),
        (
            r#"{"instances": [], "inputs": []}"#,
            "Received dictionary with input fields: ['instances', 'inputs'].",
        ),
        (
            r#"{"dataframe_records": {"a": 1}}"#,
            "Dataframe records format must be a list of records. Got an object.",
        ),
        (r#"{"dataframe_records": []}"#, "There is no row to predict"),
        (
            r#"{"dataframe_records": [[1]]}"#,
            "Row 1 is a list, expected an object such as",
        ),
        (
            r#"{"dataframe_split": []}"#,
            "dataframe_split must be an object with columns and data. Got a list.",
        ),
        (
            r#"{"dataframe_split": {"data": []}}"#,
            "dataframe_split has no list of names under \"columns\"",
        ),
        (
            r#"{"dataframe_split": {"columns": ["mass"]}}"#,
            "dataframe_split has no list of rows under \"data\"",
        ),
        (
            r#"{"dataframe_split": {"columns": [1], "data": [[1]]}}"#,
            "dataframe_split has a number among its columns",
        ),
        (
            r#"{"dataframe_split": {"columns": ["mass", "mass"], "data": [[1, 2]]}}"#,
            "Column mass is there twice",
        ),
        (
            r#"{"dataframe_split": {"columns": ["mass"], "data": [[1, 2]]}}"#,
            "Row 1 has 2 values, expected 1",
        ),
        (
            r#"{"dataframe_split": {"columns": ["mass"], "data": [1]}}"#,
            "Row 1 is a number, expected a list of values",
        ),
        (
            r#"{"instances": {"mass": [1]}}"#,
            "instances must be a list of rows. Got an object.",
        ),
        (
            r#"{"instances": [["Biscoe", 1]]}"#,
            "Row 1 has 2 values, expected 4; the model reads island (string)",
        ),
        (r#"{"instances": [1]}"#, "Row 1 is a number, expected an object"),
        (
            r#"{"inputs": 1}"#,
            "inputs must be an object of columns or a list of rows. Got a number.",
        ),
        (
            r#"{"inputs": {"mass": [1, 2], "length": [1]}}"#,
            "Column length has 1 values, column mass has 2",
        ),
        (
            r#"{"inputs": {"mass": [1], "length": 1}}"#,
            "Column length has 1 values, column mass has 1",
        ),
        (
            r#"{"inputs": {}}"#,
            "Model is missing inputs ['island', 'length', 'mass', 'adult']",
        ),
        (
            r#"{"instances": [[1]], "params": 3}"#,
            "params must be an object. Got a number.",
        ),
        (
            r#"{"instances": [[1]], "params": {"probabilities": "yes"}}"#,
            "Invalid value for parameter 'probabilities': got \"yes\", expected true or false",
        ),
    ] {
        let refusal = refusal(body);
        assert_eq!(refusal.status, 400, "{body}");
        assert!(refusal.message.contains(message), "{body}\n{refusal}");
    }
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(refusal(&deep).message.contains("recursion limit exceeded"));
    let refused = ask(Some(JSON), None, b"{\"inputs\": \"\xff\"}").expect_err("no UTF-8");
    assert_eq!(refused.message, "Invalid input. Byte 12 is no UTF-8");
}

#[test]
fn missing_columns_are_named_in_mlflows_words() {
    let refused = refusal(&records(&[r#"{"island": "Biscoe", "length": 1, "adult": true}"#]));
    assert_eq!(refused.error_code, "INVALID_PARAMETER_VALUE");
    let expected = format!("Failed to enforce schema. Error: Model is missing inputs ['mass']; {READS}");
    assert_eq!(refused.message, expected);
    // A column that some rows have is there: others have a null in it.
    let refused = refusal(&records(&[
        GOOD,
        r#"{"island": "Biscoe", "length": 1, "adult": true}"#,
    ]));
    assert!(
        refused.message.contains("row 2, column mass: got null"),
        "{refused}"
    );
    let csv = ask(Some("text/csv"), None, b"island,length\nBiscoe,1\n").expect_err("missing");
    assert!(
        csv.message.contains("Model is missing inputs ['mass', 'adult']"),
        "{csv}"
    );
}

#[test]
fn content_types_are_those_of_mlflow_and_arrows() {
    for good in [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/json;charset=\"utf-8\"",
        "application/json;",
    ] {
        ask(Some(good), None, records(&[GOOD]).as_bytes()).unwrap_or_else(|e| panic!("{good}: {e}"));
    }
    for (bad, message) in [
        (None, "The request has no Content-Type."),
        (Some(" "), "The request has no Content-Type."),
        (Some("text/plain"), "Got \"text/plain\"."),
        (
            Some("application/json; charset=latin-1"),
            "only charset=utf-8 is known",
        ),
        (
            Some("application/json; profile=x"),
            "Got the parameter \"profile=x\"",
        ),
    ] {
        let refused = ask(bad, None, records(&[GOOD]).as_bytes()).expect_err("unsupported");
        assert_eq!(refused.status, 415);
        assert!(refused.message.contains(message), "{refused}");
        assert!(refused.message.starts_with(
            "This predictor only supports the following content types: Types: ['text/csv', 'application/json', \
             'application/vnd.apache.parquet'"
        ));
    }
}

#[test]
fn options_come_in_params_and_in_the_query() {
    let expected = ask(
        Some(JSON),
        Some("probabilities=1&contributions&x=y"),
        records(&[GOOD]).as_bytes(),
    );
    let expected = expected.expect("good").body;
    let params = format!(
        r#"{{"params": {{"probabilities": true, "contributions": true, "x": 3}}, "instances": [{GOOD}]}}"#
    );
    assert_eq!(
        ask(Some(JSON), None, params.as_bytes()).expect("good").body,
        expected
    );
    let body: serde_json::Value = serde_json::from_slice(&expected).expect("JSON");
    let row = &body["predictions"][0];
    assert_eq!(row["prediction"], 1.0);
    assert_eq!(row["probabilities"].as_array().map(Vec::len), Some(3));
    assert_eq!(row["contributions"][1]["intercept"], -0.44);
    assert_eq!(row["contributions"][0]["features"]["island_index"], 0.0);
    let refused = ask(Some(JSON), Some("probabilities=maybe"), b"{}").expect_err("no truth value");
    assert!(refused.message.contains("got \"maybe\""), "{refused}");
}

#[test]
fn rows_left_out_are_null_in_the_answer() {
    let keep = InvalidValues {
        null: InvalidValue::Keep,
        unseen: InvalidValue::Keep,
    };
    let scorer = Scorer::with_policies(strict_birds(), keep).expect("no reference");
    let unseen = GOOD.replace("Biscoe", "Atlantis");
    let answer = ask_of(&scorer, Some(JSON), None, records(&[&unseen, GOOD]).as_bytes()).expect("kept");
    assert_eq!(&answer.body[..], br#"{"predictions": [null, 1.0]}"#);
    assert_eq!((answer.unseen, answer.predictions), (1, vec![None, Some(1.0)]));
}

#[test]
fn csv_has_a_header_and_lines() {
    let body =
        "\u{feff}adult,island,x,length,mass\ntrue,Biscoe,\"a, b\",48.7,4450\nfalse,\"Dream\",,1e1,4.5e3\n";
    assert_eq!(
        answer("text/csv; charset=utf-8", body.as_bytes()),
        r#"{"predictions": [1.0, 0.0]}"#
    );
    let scorer = Scorer::new(strict_birds());
    let decoded = scorer.decoder().csv(body.as_bytes()).expect("rows");
    assert_eq!(
        decoded.frame().column("length").expect("there").number(0),
        Some(48.70000076293945)
    );

    let header = "island,length,mass,adult\n";
    for (body, message) in [
        (String::new(), "There is no CSV header"),
        ("\n\n".to_string(), "There is no CSV header"),
        (header.to_string(), "There is no row to predict"),
        (format!("{header}Dream,1,2\n"), "Line 2: expected 4 fields, got 3"),
        (
            format!("{header}Dream,1,2,true\nDream,1,2,true,5\n"),
            "Line 3: expected 4 fields, got 5",
        ),
        (
            "mass,island,length,mass,adult\n".to_string(),
            "Column mass is there twice",
        ),
        (
            format!("{header}Dream,1,2,true\nMars,,heavy,true\n"),
            "line 3, column mass: got \"heavy\", expected a finite number (double)\n\
          line 3, column island: got \"Mars\", expected a category that training has seen; allowed: Biscoe, Dream, \
          Torgersen\nline 3, column length: got null, expected a finite number (float)",
        ),
    ] {
        let refused = ask(Some("text/csv"), None, body.as_bytes()).expect_err("no rows");
        assert!(refused.message.contains(message), "{body}\n{refused}");
    }
    let refused = ask(
        Some("text/csv"),
        None,
        b"island,length,mass,adult\n\xff,1,2,true\n",
    )
    .expect_err("no UTF-8");
    assert!(refused.message.contains("UTF-8"), "{refused}");
}

#[test]
fn files_may_not_hold_columns_that_nobody_reads() {
    let scorer = Scorer::new(strict_birds());
    let strict = scorer.decoder().refusing_other_columns();
    for (body, message) in [
        (
            GOOD.replace("}", ", \"wings\": 2}"),
            format!("row 1: unknown column wings; {READS}"),
        ),
        (
            GOOD.replace("}", ", \"species\": 2}"),
            format!("row 1: column species is the label: it is predicted, leave it out; {READS}"),
        ),
    ] {
        assert_eq!(
            strict.json_rows(body.as_bytes()).expect_err("unknown").message,
            message
        );
    }
    let csv = strict
        .csv(b"island,length,mass,adult,wings\n")
        .expect_err("unknown");
    assert_eq!(csv.message, format!("line 1: unknown column wings; {READS}"));
    for rows in [
        GOOD.to_string(),
        format!("{GOOD}\n{GOOD}"),
        format!("[{GOOD}, {GOOD}]"),
        records(&[GOOD]),
    ] {
        let decoded = strict
            .json_rows(rows.as_bytes())
            .unwrap_or_else(|e| panic!("{rows}: {e}"));
        assert_eq!(decoded.frame().rows(), rows.matches("Biscoe").count());
    }
    assert!(
        strict
            .json_rows(b"7")
            .expect_err("no row")
            .message
            .contains("Row 1 is a number")
    );
    assert!(
        strict
            .json_rows(b"[]")
            .expect_err("no row")
            .message
            .contains("There is no row")
    );
}
