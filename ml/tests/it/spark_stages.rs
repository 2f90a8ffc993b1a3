//! The feature stages against Spark's stored answers (`fixtures/spark_stages.py` asks for them): the same rows, the same
//! outputs, and refusals in the same words.

use std::collections::BTreeMap;

use rookery_ml::{
    Column, ColumnData, FittedPipeline, FittedStage, Frame, MlError, PipelineFit, PipelineSpec,
};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    stages: Value,
    train: BTreeMap<String, Values>,
    test: BTreeMap<String, Values>,
    spark: Answer,
}

#[derive(Deserialize)]
pub(crate) struct Values {
    kind: String,
    values: Vec<Value>,
}

/// Columns, or the text of an error.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    columns: BTreeMap<String, Vec<Value>>,
    error: Option<String>,
    splits: Option<Vec<Value>>,
}

fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some(name) => name
            .replace("Infinity", "inf")
            .parse()
            .expect("NaN or an infinity"),
        None => value.as_f64().unwrap_or(0.0),
    }
}

/// A table of a fixture.
pub(crate) fn frame(columns: &BTreeMap<String, Values>) -> Frame {
    let rows = columns.values().next().map_or(0, |column| column.values.len());
    let mut frame = Frame::new(rows);
    for (name, Values { kind, values }) in columns {
        let data = match kind.as_str() {
            "double" => ColumnData::Double(values.iter().map(number).collect()),
            "float" => ColumnData::Float(values.iter().map(|value| number(value) as f32).collect()),
            "integer" => ColumnData::Integer(values.iter().map(|v| v.as_i64().unwrap_or(0)).collect()),
            "boolean" => ColumnData::Boolean(values.iter().map(|v| v.as_bool() == Some(true)).collect()),
            _ => ColumnData::Text(
                values
                    .iter()
                    .map(|v| v.as_str().unwrap_or("").to_owned())
                    .collect(),
            ),
        };
        let validity = Some(values.iter().map(|value| !value.is_null()).collect());
        frame = frame
            .with_column(name, Column { data, validity })
            .expect("columns fit");
    }
    frame
}

/// Fits on rows dealt to three partitions, of which one is empty.
fn fit(spec: &PipelineSpec, train: &Frame) -> Result<FittedPipeline, MlError> {
    let kinds: Vec<_> = train
        .columns()
        .iter()
        .map(|(name, column)| (name.clone(), column.kind()))
        .collect();
    spec.check(&kinds)?;
    let mut fit = PipelineFit::new(spec.clone());
    let deal = |third: usize| {
        (0..train.rows())
            .map(|row| row % 3 == third)
            .collect::<Vec<bool>>()
    };
    let parts =
        [deal(2), deal(0), deal(1), vec![false; train.rows()]].map(|mask| train.clone().retain(&mask));
    while let Some(pass) = fit.next_pass() {
        // As it travels to the workers and back.
        let pass =
            serde_json::from_str::<rookery_ml::FitPass>(&serde_json::to_string(&pass).expect("writable"));
        let pass = pass.expect("readable");
        let mut total = pass.empty_statistics();
        for part in &parts {
            let mut statistics = pass.empty_statistics();
            pass.accumulate(part.as_ref().expect("masks fit"), &mut statistics)?;
            let json = serde_json::to_string(&statistics).expect("writable");
            total.merge(&serde_json::from_str(&json).expect("readable"))?;
        }
        fit.complete(total)?;
    }
    fit.finish()
}

/// The values of a column; vectors as all their elements.
fn column(frame: &Frame, name: &str) -> Vec<Option<Vec<f64>>> {
    let column = frame.column(name).expect("an output");
    let (width, dense) = match &column.data {
        ColumnData::Vector { width, values } => (*width, values.clone()),
        ColumnData::Sparse(vectors) => (vectors.width(), vectors.to_dense()),
        _ => (
            1,
            (0..frame.rows())
                .map(|row| column.number(row).expect("a number"))
                .collect(),
        ),
    };
    let value = |row: usize| (!column.is_null(row)).then(|| dense[row * width..(row + 1) * width].to_vec());
    (0..frame.rows()).map(value).collect()
}

/// Spark's answer in the same form.
fn answered(value: &Value) -> Option<Vec<f64>> {
    match value {
        Value::Null => None,
        Value::Array(elements) => Some(elements.iter().map(number).collect()),
        Value::Object(sparse) => {
            let mut dense = vec![0.0; sparse["size"].as_u64().expect("a size") as usize];
            for (index, value) in sparse["active"].as_object().expect("elements") {
                dense[index.parse::<usize>().expect("an index")] = number(value);
            }
            Some(dense)
        }
        value => Some(vec![number(value)]),
    }
}

/// Whether two answers are the same, within a tolerance.
fn are_alike(own: &[f64], spark: &[f64], tolerance: f64) -> bool {
    let is_alike = |(own, spark): (&f64, &f64)| {
        own == spark || own.is_nan() && spark.is_nan() || (own - spark).abs() <= tolerance
    };
    own.len() == spark.len() && own.iter().zip(spark).all(is_alike)
}

fn check(case: &Case) {
    let (name, stages) = (&case.name, serde_json::json!({ "stages": case.stages }));
    let spec: PipelineSpec = serde_json::from_value(stages).unwrap_or_else(|e| panic!("{name}: {e}"));
    let fitted = fit(&spec, &frame(&case.train));
    let outcome = fitted.and_then(|fitted| Ok((fitted.transform(frame(&case.test))?, fitted)));
    let (frame, fitted) = match (outcome, &case.spark.error) {
        (Ok(answer), None) => answer,
        (Err(error), Some(spark)) => return assert_same_words(name, &error, spark),
        (Ok(_), Some(spark)) => panic!("{name}: Spark refuses: {spark}"),
        (Err(error), None) => panic!("{name}: {error}"),
    };
    let json = serde_json::to_string(&fitted).expect("writable");
    let back: FittedPipeline = serde_json::from_str(&json).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(serde_json::to_string(&back).expect("writable"), json, "{name}");
    // Means and deviations: Spark's sums round, some units in the last place of the largest value.
    let is_rounded = name.starts_with("standard") || name.starts_with("imputer mean");
    for (output, spark) in &case.spark.columns {
        let values = spark.iter().filter_map(answered).flatten().map(f64::abs);
        let largest = values.filter(|value| value.is_finite()).fold(1.0, f64::max);
        // Of values far from zero Spark's running mean loses digits that ours keeps.
        let tolerance = match name.as_str() {
            "standard far from zero" => 1e-8,
            _ if is_rounded => 1e-15 * largest,
            _ => 0.0,
        };
        let own = column(&frame, output);
        assert_eq!(own.len(), spark.len(), "{name}: rows of {output}");
        for (row, (own, spark)) in own.iter().zip(spark).enumerate() {
            match (own, answered(spark)) {
                (None, None) => {}
                (Some(own), Some(spark)) if are_alike(own, &spark, tolerance) => {}
                (own, spark) => panic!("{name}, {output}, row {row}: {own:?} instead of {spark:?}"),
            }
        }
    }
    if let (Some(splits), Some(FittedStage::QuantileDiscretizer(stage))) =
        (&case.spark.splits, fitted.stages.last())
    {
        let splits: Vec<f64> = splits.iter().map(number).collect();
        assert_eq!(stage.splits, [splits], "{name}");
    }
}

/// What Spark says of it, up to the advice, is in our text.
fn assert_same_words(name: &str, error: &MlError, spark: &str) {
    let own = error.to_string();
    let words = [
        "Unseen value: ",
        "Negative value: ",
        "must be indices, but got -1.0",
        "surrogate cannot be computed. All the values in x are Null, Nan or missingValue(NaN)",
        "Bucketizer encountered NaN value. To handle or skip NaNs, try setting Bucketizer.handleInvalid.",
        "Feature value 2.5 out of Bucketizer bounds [0.0, 2.0].",
        "Feature value -0.0 out of Bucketizer bounds [0.0, 2.0].",
        "StringIndexer encountered NULL value.",
        "Values to interact cannot be null.",
        "Vector attributes must be defined for interaction",
        "requirement failed",
    ];
    let said = words.iter().find(|words| spark.contains(**words));
    let said = said.unwrap_or_else(|| panic!("{name}: Spark says something new: {spark}"));
    assert!(own.contains(said), "{name}: {own} instead of {spark}");
}

#[test]
fn every_stage_answers_as_spark_does() {
    let text = include_str!("../fixtures/spark_stages.json");
    let fixture: Fixture = serde_json::from_str(text).expect("the fixture");
    assert!(fixture.cases.len() > 80);
    fixture.cases.iter().for_each(check);
}
