//! Each kind of stage in each format: what was written is read back and answers as the model does.

use rookery_ml::{Column, ColumnData, Family, Frame};

use crate::testing::{assembler, frame, indexer, model};
use crate::tests::holds;
use crate::{Format, ModelDirectory};

fn stages(parts: &[&str]) -> String {
    parts.join(",")
}

/// Writes, reads back and compares a model over some rows, in all of `formats`.
fn check(name: &str, parts: &[&str], rows: &Frame, formats: &[Format]) {
    let model = model(&stages(parts), 3, Family::Multinomial, None);
    holds(name, &model, rows, formats);
}

/// Rows with other values in a column; `None` is a null.
fn with_values(rows: &Frame, column: &str, values: &[Option<f64>]) -> Frame {
    let mut changed = Frame::new(rows.rows());
    for (name, own) in rows.columns() {
        let mut own = own.clone();
        if name == column {
            let value = |row: usize| values[row % values.len()];
            own = Column {
                data: ColumnData::Double((0..rows.rows()).map(|row| value(row).unwrap_or(0.0)).collect()),
                validity: Some((0..rows.rows()).map(|row| value(row).is_some()).collect()),
            };
        }
        changed = changed.with_column(name, own).unwrap();
    }
    changed
}

const SCALER: &str =
    r#"{"type": "StandardScaler", "input": "numbers", "output": "scaled", "with_mean": true}"#;
const IMPUTER: &str = r#"{"type": "Imputer", "inputs": ["holes", "gaps"], "outputs": ["filled", "full"]}"#;

#[test]
fn standard_scaler() {
    let rows = frame(500, 3);
    for options in [
        "",
        r#", "with_mean": true"#,
        r#", "with_std": false, "with_mean": true"#,
        r#", "with_std": false"#,
    ] {
        let numbers = assembler(&["length", "seconds", "year", "wild"], "numbers", "error");
        let scaler =
            format!(r#"{{"type": "StandardScaler", "input": "numbers", "output": "features"{options}}}"#);
        // In 64 bits seconds are as far from zero as they are: without their mean the margins have 1e9 in them.
        let formats = if options.contains("mean") {
            &Format::ALL[..]
        } else {
            &[Format::Spark]
        };
        check(options, &[&numbers, &scaler], &rows, formats);
    }
}

#[test]
fn one_hot_encoder() {
    let rows = frame(500, 4);
    for handling in ["error", "keep"] {
        for drop_last in [true, false] {
            let index = indexer("island", "island_index", handling);
            let several = format!(
                r#"{{"type": "StringIndexer", "inputs": ["year", "code"], "outputs": ["y", "c"], "handle_invalid": "{handling}"}}"#
            );
            let one_hot = format!(
                r#"{{"type": "OneHotEncoder", "inputs": ["island_index", "y"], "outputs": ["island_vec", "y_vec"],
                    "drop_last": {drop_last}, "handle_invalid": "{handling}"}}"#
            );
            let one = r#"{"type": "OneHotEncoder", "input": "c", "output": "c_vec"}"#;
            let numbers = assembler(&["length", "wild"], "numbers", "error");
            let all = assembler(&["island_vec", "y_vec", "c_vec", "scaled"], "features", "error");
            let parts = [index.as_str(), &several, &one_hot, one, &numbers, SCALER, &all];
            check(&format!("{handling} {drop_last}"), &parts, &rows, &Format::ALL);
        }
    }
}

#[test]
fn imputer() {
    let rows = frame(500, 5);
    for strategy in ["mean", "median", "mode"] {
        for missing in ["", r#", "missing_value": 3.0"#] {
            let imputer = IMPUTER.replace("]}", &format!(r#"], "strategy": "{strategy}"{missing}}}"#));
            let all = assembler(&["filled", "full", "year"], "features", "error");
            // With a number for what is missing NaN stays in Spark, and is a null in the others.
            let rows = match missing {
                "" => rows.clone(),
                _ => with_values(&rows, "holes", &[Some(0.5), None, Some(3.0)]),
            };
            check(
                &format!("{strategy} {missing}"),
                &[&imputer, &all],
                &rows,
                &Format::ALL,
            );
        }
    }
}

#[test]
fn buckets() {
    let rows = frame(500, 6);
    let zeros = with_values(
        &rows,
        "holes",
        &[Some(0.0), Some(-0.0), Some(0.25), Some(-0.5), Some(9.0)],
    );
    let nans = with_values(
        &rows,
        "holes",
        &[Some(0.0), Some(f64::NAN), Some(0.25), Some(-0.5), Some(9.0)],
    );
    let one = |handling: &str| {
        format!(
            r#"{{"type": "Bucketizer", "input": "holes", "output": "b", "handle_invalid": "{handling}",
                "splits": ["-Infinity", -0.5, 0.0, 0.25, "Infinity"]}}"#
        )
    };
    let all = assembler(&["b", "year"], "features", "error");
    // To PMML both zeros are one.
    check(
        "zeros",
        &[&one("error"), &all],
        &zeros,
        &[Format::Onnx, Format::Spark],
    );
    check("NaN kept", &[&one("keep"), &all], &nans, &Format::ALL);
    let several = r#"{"type": "Bucketizer", "inputs": ["length", "year"], "outputs": ["l", "y"],
        "splits_array": [[30.0, 40.0, 50.0, 60.0], [-2, 0, 1, 2]]}"#;
    let quantiles = r#"{"type": "QuantileDiscretizer", "input": "seconds", "output": "q", "num_buckets": 5}"#;
    let one_hot = r#"{"type": "OneHotEncoder", "inputs": ["q", "l"], "outputs": ["q_vec", "l_vec"]}"#;
    let all = assembler(&["q_vec", "l_vec", "y"], "features", "error");
    check(
        "several",
        &[several, quantiles, one_hot, &all],
        &rows,
        &Format::ALL,
    );
}

#[test]
fn rows_without_a_bucket_are_dropped() {
    let rows = with_values(
        &frame(300, 7),
        "holes",
        &[Some(0.5), None, Some(f64::NAN), Some(-0.5)],
    );
    let bucketizer = r#"{"type": "Bucketizer", "input": "holes", "output": "b", "handle_invalid": "skip",
        "splits": ["-Infinity", 0.0, "Infinity"]}"#;
    let parts = [bucketizer, &assembler(&["b", "year"], "features", "error")].map(str::to_owned);
    let model = model(&parts.join(","), 3, Family::Multinomial, None);
    let ours = model.predict(rows.clone()).unwrap();
    assert_eq!(ours.rows.len(), 150);
    for (format, parity) in crate::tests::compared(&model, &rows) {
        assert!(parity.holds(format), "{format}: {parity:?}");
    }
}

#[test]
fn interaction() {
    let rows = frame(500, 8);
    let index = indexer("island", "i", "error");
    let scaled = assembler(&["scaled"], "w", "error");
    let numbers = assembler(&["length", "wild"], "numbers", "error");
    let one_hot = r#"{"type": "OneHotEncoder", "input": "i", "output": "v"}"#;
    for inputs in [
        r#""i", "year""#,
        r#""v", "w", "i""#,
        r#""year", "w""#,
        r#""v", "v""#,
    ] {
        let cross = format!(r#"{{"type": "Interaction", "inputs": [{inputs}], "output": "crossed"}}"#);
        let all = assembler(&["crossed", "scaled"], "features", "error");
        let parts = [index.as_str(), one_hot, &numbers, SCALER, &scaled, &cross, &all];
        check(inputs, &parts, &rows, &Format::ALL);
    }
}

#[test]
fn what_only_spark_can_say_is_left_out_elsewhere_with_a_reason() {
    let rows = frame(500, 9);
    let hasher = r#"{"type": "FeatureHasher", "inputs": ["island", "year", "wild"], "output": "hashed",
        "num_features": 32, "categorical_cols": ["year"]}"#;
    let sql = r#"{"type": "SQLTransformer",
        "statement": "SELECT *, coalesce(gaps, 1) + length AS total, CASE WHEN wild THEN 1.5 ELSE 0.5 END AS w FROM __THIS__"}"#;
    let hashed = assembler(&["hashed", "length"], "features", "error");
    let computed = assembler(&["total", "w"], "features", "error");
    for (parts, reason) in [
        ([hasher, &hashed], "FeatureHasher"),
        ([sql, &computed], "SQLTransformer"),
    ] {
        check(reason, &parts, &rows, &[Format::Spark]);
        let model = model(&parts.join(","), 3, Family::Multinomial, None);
        let directory = ModelDirectory::new(&model, 0).unwrap();
        let left_out = directory.not_written();
        assert_eq!(left_out.len(), 2, "{left_out:?}");
        for (format, error) in left_out {
            assert!(error.to_string().contains(reason), "{format}: {error}");
        }
    }
}
