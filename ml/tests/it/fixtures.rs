//! Spark's stored answers (Spark 4.3.0, `tests/fixtures`) and the penguin rows they belong to.

use rookery_ml::{Block, BlockBuilder, Column, ColumnData, Frame, ValidLogisticRegressionParams};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A run of the lab: train on `train_seed42`, evaluate on `test_seed42`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LabRun {
    pub(crate) max_iter: usize,
    pub(crate) reg_param: f64,
    pub(crate) string_indexer_labels: Vec<String>,
    #[serde(rename = "minMax_originalMin")]
    pub(crate) original_min: Vec<f64>,
    #[serde(rename = "minMax_originalMax")]
    pub(crate) original_max: Vec<f64>,
    pub(crate) coefficient_matrix: Vec<Vec<f64>>,
    pub(crate) intercept_vector: Vec<f64>,
    pub(crate) objective_history: Vec<f64>,
    pub(crate) total_iterations: usize,
    #[serde(rename = "test_metrics")]
    pub(crate) test_metrics: serde_json::Map<String, serde_json::Value>,
    #[serde(rename = "train_metrics")]
    pub(crate) train_metrics: serde_json::Map<String, serde_json::Value>,
    #[serde(rename = "test_confusion_rows_true_cols_pred")]
    pub(crate) confusion: Vec<Vec<f64>>,
    #[serde(rename = "test_predictions")]
    pub(crate) test_predictions: Vec<Prediction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Prediction {
    #[serde(default)]
    pub(crate) raw_prediction: Vec<f64>,
    pub(crate) probability: Vec<f64>,
    pub(crate) prediction: f64,
}

#[derive(Deserialize)]
pub(crate) struct Lab {
    pub(crate) lab_runs: Vec<LabRun>,
    pub(crate) request: Vec<Prediction>,
}

/// One entry of the grids trained with maxIter 1000 and tol 1e-12.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConvergedFit {
    pub(crate) reg_param: f64,
    pub(crate) elastic_net_param: f64,
    pub(crate) standardization: bool,
    pub(crate) fit_intercept: bool,
    pub(crate) family: String,
    pub(crate) weight_col: Option<String>,
    pub(crate) max_iter: usize,
    pub(crate) tol: f64,
    pub(crate) dataset: Option<String>,
    pub(crate) coefficient_matrix: Vec<Vec<f64>>,
    pub(crate) intercept_vector: Vec<f64>,
    pub(crate) objective_first: f64,
    pub(crate) objective_final: f64,
    pub(crate) converged: bool,
}

pub(crate) fn lab() -> Lab {
    read_json(include_str!("../fixtures/spark_lab.json"))
}

pub(crate) fn converged() -> std::collections::BTreeMap<String, Vec<ConvergedFit>> {
    read_json(include_str!("../fixtures/spark_converged.json"))
}

fn read_json<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).expect("the fixture has this shape")
}

pub(crate) fn params(json: serde_json::Value) -> ValidLogisticRegressionParams {
    serde_json::from_value(json).expect("valid parameters")
}

/// The features and labels after the lab's stages, as Spark computed them.
pub(crate) fn train_features() -> Vec<([f64; 5], f64)> {
    let rows = csv(include_str!("../fixtures/train_seed42_features.csv"));
    let number = |text: &str| text.parse::<f64>().expect("a number");
    rows.map(|row| (std::array::from_fn(|i| number(row[i])), number(row[5])))
        .collect()
}

/// The lab's raw training rows.
pub(crate) fn train_rows() -> Frame {
    raw(include_str!("../fixtures/train_seed42_f64.csv"))
}

/// The lab's raw test rows.
pub(crate) fn test_rows() -> Frame {
    raw(include_str!("../fixtures/test_seed42_f64.csv"))
}

/// Returns the raw columns as the lab casts them: 32-bit floats and an integer label.
fn raw(text: &'static str) -> Frame {
    let rows: Vec<Vec<&str>> = csv(text).collect();
    let islands = rows.iter().map(|row| row[0].to_owned()).collect();
    let float =
        |i: usize| ColumnData::Float(rows.iter().map(|row| row[i].parse().expect("a number")).collect());
    let species = rows.iter().map(|row| row[5].parse().expect("a class")).collect();
    let columns = [
        ("Island", ColumnData::Text(islands)),
        ("CulmenLength", float(1)),
        ("CulmenDepth", float(2)),
        ("FlipperLength", float(3)),
        ("BodyMass", float(4)),
        ("Species", ColumnData::Integer(species)),
    ];
    columns
        .into_iter()
        .fold(Frame::new(rows.len()), |frame, (name, data)| {
            frame.with_column(name, Column::new(data)).expect("columns fit")
        })
}

fn csv(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().skip(1).map(|line| line.split(',').collect())
}

/// Packs rows, with weights or without, into blocks.
pub(crate) fn blocks<const D: usize>(rows: &[([f64; D], f64)], weights: Option<&[f64]>) -> Vec<Block> {
    let values = rows.iter().flat_map(|(x, _)| *x).collect();
    let labels = rows.iter().map(|(_, y)| *y).collect();
    let mut frame = Frame::new(rows.len())
        .with_column("x", Column::new(ColumnData::Vector { width: D, values }))
        .and_then(|frame| frame.with_column("y", Column::new(ColumnData::Double(labels))))
        .expect("columns fit");
    if let Some(weights) = weights {
        let column = Column::new(ColumnData::Double(weights.to_vec()));
        frame = frame.with_column("w", column).expect("columns fit");
    }
    let mut builder = BlockBuilder::new(D);
    builder
        .push_frame(&frame, "x", "y", weights.map(|_| "w"))
        .expect("rows are fine");
    builder.finish()
}

/// Returns the largest absolute difference.
pub(crate) fn worst(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "{a:?} {b:?}");
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}
