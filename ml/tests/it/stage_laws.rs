//! What fitted stages keep to: however rows are dealt to partitions, the fitted pipeline has the same bits; elements are
//! named by what they come from; a file of an older version is read.

use proptest::prelude::*;
use rookery_ml::{Column, ColumnData, FitPass, FittedPipeline, Frame, PipelineFit, PipelineSpec};
use serde_json::json;

/// One of each stage that is fitted.
fn spec() -> PipelineSpec {
    serde_json::from_value(json!({ "stages": [
        { "type": "Imputer", "inputs": ["x", "i"], "outputs": ["xm", "im"], "strategy": "median" },
        { "type": "Imputer", "input": "x", "output": "xa" },
        { "type": "Imputer", "input": "i", "output": "io", "strategy": "mode" },
        { "type": "QuantileDiscretizer", "inputs": ["xm", "im"], "outputs": ["xq", "iq"], "num_buckets_array": [3, 6] },
        { "type": "StringIndexer", "inputs": ["t", "i"], "outputs": ["ti", "ii"], "handle_invalid": "keep" },
        { "type": "OneHotEncoder", "inputs": ["ti", "xq"], "outputs": ["tv", "qv"], "handle_invalid": "keep" },
        { "type": "OneHotEncoder", "input": "c", "output": "cv" },
        { "type": "VectorAssembler", "inputs": ["xa", "tv", "xm"], "output": "v" },
        { "type": "StandardScaler", "input": "v", "output": "s", "with_mean": true },
    ]}))
    .expect("a pipeline")
}

type RowValues = (Option<f64>, Option<i64>, Option<u8>, u8);

fn frame(rows: &[RowValues]) -> Frame {
    let column = |data, there: Vec<bool>| Column {
        data,
        validity: Some(there),
    };
    let x = rows.iter().map(|row| row.0.unwrap_or(0.0)).collect();
    let i = rows.iter().map(|row| row.1.unwrap_or(0)).collect();
    let t = rows
        .iter()
        .map(|row| format!("t{}", row.2.unwrap_or(0)))
        .collect();
    let c = rows.iter().map(|row| f64::from(row.3)).collect();
    Frame::new(rows.len())
        .with_column(
            "x",
            column(
                ColumnData::Double(x),
                rows.iter().map(|r| r.0.is_some()).collect(),
            ),
        )
        .and_then(|f| {
            f.with_column(
                "i",
                column(
                    ColumnData::Integer(i),
                    rows.iter().map(|r| r.1.is_some()).collect(),
                ),
            )
        })
        .and_then(|f| {
            f.with_column(
                "t",
                column(ColumnData::Text(t), rows.iter().map(|r| r.2.is_some()).collect()),
            )
        })
        .and_then(|f| f.with_column("c", Column::new(ColumnData::Double(c))))
        .expect("columns fit")
}

/// Fits on partitions, merged in their order; each pass travels as JSON.
fn fit(partitions: &[Vec<RowValues>]) -> FittedPipeline {
    let mut fit = PipelineFit::new(spec());
    let mut passes = 0;
    while let Some(pass) = fit.next_pass() {
        passes += 1;
        assert!(passes < 30, "fitting ends");
        let pass: FitPass =
            serde_json::from_str(&serde_json::to_string(&pass).expect("writable")).expect("readable");
        let mut total = pass.empty_statistics();
        for rows in partitions {
            let mut statistics = pass.empty_statistics();
            pass.accumulate(&frame(rows), &mut statistics)
                .expect("rows are fine");
            total.merge(&statistics).expect("the same pass");
        }
        fit.complete(total).expect("the same pass");
    }
    fit.finish().expect("fitted")
}

fn row() -> impl Strategy<Value = RowValues> {
    let number = prop_oneof![
        -3.0..3.0_f64,
        -1e9..1e9_f64,
        Just(0.5),
        Just(-0.0),
        Just(f64::NAN)
    ];
    (
        prop::option::weighted(0.9, number),
        prop::option::weighted(0.9, -5..5_i64),
        prop::option::weighted(0.9, 0..4_u8),
        0..3_u8,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn partitions_play_no_part(
        rows in prop::collection::vec(row(), 30..2500),
        places in prop::collection::vec(0..5_usize, 1..40),
    ) {
        let mut rows = rows;
        rows.push((Some(1.0), Some(1), Some(1), 2));
        let mut partitions = vec![Vec::new(); 5];
        for (row, place) in rows.iter().zip(places.iter().cycle()) {
            partitions[*place].push(*row);
        }
        let whole = serde_json::to_string(&fit(&[rows])).expect("writable");
        prop_assert_eq!(serde_json::to_string(&fit(&partitions)).expect("writable"), whole.clone());
        partitions.reverse();
        prop_assert_eq!(serde_json::to_string(&fit(&partitions)).expect("writable"), whole);
    }
}

#[test]
fn elements_are_named_by_what_they_come_from() {
    let stages = json!({ "stages": [
        { "type": "StringIndexer", "input": "t", "output": "ti", "handle_invalid": "keep" },
        { "type": "OneHotEncoder", "input": "ti", "output": "tv" },
        { "type": "OneHotEncoder", "input": "c", "output": "cv", "handle_invalid": "keep", "drop_last": false },
        { "type": "VectorAssembler", "inputs": ["x", "ti"], "output": "v" },
        { "type": "Interaction", "inputs": ["c", "v"], "output": "cross" },
        { "type": "VectorAssembler", "inputs": ["x", "tv", "cv", "cross", "x"], "output": "features" },
    ]});
    let spec: PipelineSpec = serde_json::from_value(stages).expect("a pipeline");
    let rows = frame(&[
        (Some(1.0), None, Some(1), 0),
        (Some(2.0), None, Some(1), 1),
        (Some(2.0), None, Some(0), 1),
    ]);
    let mut fit = PipelineFit::new(spec);
    let mut passes = 0;
    while let Some(pass) = fit.next_pass() {
        passes += 1;
        let mut statistics = pass.empty_statistics();
        pass.accumulate(&rows, &mut statistics).expect("rows are fine");
        fit.complete(statistics).expect("the same pass");
    }
    assert_eq!(passes, 1, "labels tell of categories, no second pass is needed");
    let fitted = fit.finish().expect("fitted");
    let names = fitted.element_names("features").expect("the last stage");
    let expected = [
        "x",
        "tv_t1",
        "tv_t0",
        "cv_0",
        "cv_1",
        "cv_invalidValues",
        "c:x",
        "c:ti_t1",
        "c:ti_t0",
        "c:ti___unknown",
        "x (11)",
    ];
    assert_eq!(names, expected);
    let width = match &fitted
        .transform(rows)
        .expect("fitted")
        .column("features")
        .expect("made")
        .data
    {
        ColumnData::Vector { width, .. } => *width,
        ColumnData::Sparse(vectors) => vectors.width(),
        other => panic!("unexpected {other:?}"),
    };
    assert_eq!(width, names.len());
}

#[test]
fn parameters_are_checked_in_sparks_words() {
    let columns = [
        ("x".to_owned(), rookery_ml::ColumnKind::Double),
        ("t".to_owned(), rookery_ml::ColumnKind::Text),
        ("b".to_owned(), rookery_ml::ColumnKind::Boolean),
    ];
    let error = |stage: serde_json::Value| {
        let spec: PipelineSpec = serde_json::from_value(json!({ "stages": [stage] })).expect("a stage");
        spec.check(&columns).expect_err("the stage is wrong").to_string()
    };
    for (stage, words) in [
        (
            json!({ "type": "OneHotEncoder", "input": "x", "output": "o", "inputs": ["x"], "outputs": ["p"] }),
            "OneHotEncoder requires exactly one of input, inputs Params to be set, but both are set.",
        ),
        (
            json!({ "type": "Imputer", "inputs": ["x"], "outputs": [] }),
            "The number of input columns 1 must be the same as the number of output columns 0.",
        ),
        (
            json!({ "type": "OneHotEncoder", "input": "x", "output": "o", "handle_invalid": "skip" }),
            "OneHotEncoder parameter handleInvalid given invalid value skip.",
        ),
        (
            json!({ "type": "QuantileDiscretizer", "input": "x", "output": "o", "num_buckets": 1 }),
            "QuantileDiscretizer parameter numBuckets given invalid value 1.",
        ),
        (
            json!({ "type": "QuantileDiscretizer", "input": "x", "output": "o", "relative_error": 1.5 }),
            "QuantileDiscretizer parameter relativeError given invalid value 1.5.",
        ),
        (
            json!({ "type": "Bucketizer", "input": "x", "output": "o", "splits": [0.0, "NaN", 1.0] }),
            "Bucketizer parameter splits given invalid value [0.0,NaN,1.0].",
        ),
        (
            json!({ "type": "Imputer", "input": "t", "output": "o" }),
            "Column t must be of type numeric but was actually of type string.",
        ),
        (
            json!({ "type": "Interaction", "inputs": ["x", "b"], "output": "o" }),
            "Column b must be of type numeric or vector but was actually of type boolean.",
        ),
        (
            json!({ "type": "FeatureHasher", "inputs": ["x"], "output": "o", "num_features": 0 }),
            "FeatureHasher parameter numFeatures given invalid value 0.",
        ),
        (
            json!({ "type": "StandardScaler", "input": "x", "output": "o" }),
            "Column x must be of type vector but was actually of type double.",
        ),
    ] {
        assert!(
            error(stage.clone()).contains(words),
            "{stage}: {}",
            error(stage.clone())
        );
    }
}
