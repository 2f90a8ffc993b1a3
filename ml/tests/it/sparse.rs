//! Rows that leave their zeros out: against Spark's answers for the same rows, against the same rows with their zeros, and
//! on any number of workers.

use rookery_ml::{Block, BlockBuilder, Column, ColumnData, Frame, SparseVectors, fit_blocks};
use serde::Deserialize;
use serde_json::json;

use crate::fixtures::{self, worst};
use crate::laws;

/// Elements of each vector: two numbers, a category of 60 values and one of 58.
const WIDTH: usize = 120;
const ROWS: u64 = 400;

/// A fit of these rows by Spark 4.3.0.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SparkFit {
    label: String,
    family: String,
    reg_param: f64,
    elastic_net_param: f64,
    standardization: bool,
    fit_intercept: bool,
    weighted: bool,
    max_iter: usize,
    tol: f64,
    coefficients: Vec<f64>,
    intercepts: Vec<f64>,
    /// All of it after few iterations, else the first and the last value.
    objective_history: Vec<f64>,
    iterations: usize,
}

/// A number below 1 000 003 for each row and purpose.
fn hash(row: u64, purpose: u64) -> u64 {
    ((row * 2_654_435_761 + purpose * 40_503) ^ (row >> 3)) % 1_000_003
}

/// The rank of a category, of `count`: small ones are frequent, but none is in an eighth of the rows.
fn rank(row: u64, purpose: u64, count: u64) -> u64 {
    hash(row, purpose) * hash(row, purpose + 1) / 1_000_003 * count / 1_000_003
}

fn elements(row: u64) -> Vec<(u32, f64)> {
    let mut elements = vec![(0, hash(row, 1) as f64 / 100_000.0 - 4.0)];
    if hash(row, 2).is_multiple_of(4) {
        elements.push((1, (hash(row, 3) % 1000) as f64 / 8.0));
    }
    elements.push((2 + rank(row, 4, 60) as u32, 1.0));
    if !hash(row, 8).is_multiple_of(9) {
        elements.push((62 + rank(row, 6, 58) as u32, 1.0));
    }
    elements
}

fn label(row: u64, classes: u64) -> f64 {
    let category = rank(row, 4, 60);
    match classes {
        2 => f64::from(u8::from(hash(row, 9) % 100 < 30 + 5 * (category % 8))),
        _ => ((hash(row, 10) % 100 + 7 * category) / 50 % 3) as f64,
    }
}

/// Blocks of some rows, with their zeros or without.
fn blocks(
    rows: impl Iterator<Item = u64> + Clone,
    classes: u64,
    weighted: bool,
    with_zeros: bool,
) -> Vec<Block> {
    let mut vectors = SparseVectors::empty(WIDTH);
    for row in rows.clone() {
        vectors.push(elements(row)).expect("ascending");
    }
    let count = vectors.rows();
    let features = match with_zeros {
        true => ColumnData::Vector {
            width: WIDTH,
            values: vectors.to_dense(),
        },
        false => ColumnData::Sparse(vectors),
    };
    let labels = rows.clone().map(|row| label(row, classes)).collect();
    let weights = rows.map(|row| (hash(row, 11) % 5) as f64 / 2.0).collect();
    let frame = Frame::new(count)
        .with_column("x", Column::new(features))
        .and_then(|frame| frame.with_column("y", Column::new(ColumnData::Double(labels))))
        .and_then(|frame| frame.with_column("w", Column::new(ColumnData::Double(weights))))
        .expect("columns fit");
    let mut builder = BlockBuilder::new(WIDTH);
    builder
        .push_frame(&frame, "x", "y", weighted.then_some("w"))
        .expect("good rows");
    builder.finish()
}

#[test]
fn sparks_answers_for_sparse_rows() {
    let fits: Vec<SparkFit> = serde_json::from_str(include_str!("../fixtures/spark_sparse.json"))
        .expect("the fixture has this shape");
    assert_eq!(fits.len(), 50);
    for spark in fits {
        let classes = if spark.label == "y2" { 2 } else { 3 };
        let params = fixtures::params(json!({
            "reg_param": spark.reg_param, "elastic_net_param": spark.elastic_net_param, "tol": spark.tol,
            "standardization": spark.standardization, "fit_intercept": spark.fit_intercept,
            "family": spark.family, "max_iter": spark.max_iter,
        }));
        let name = format!(
            "{} reg {} elastic net {} standardization {} intercept {} weighted {} iterations {}",
            spark.family,
            spark.reg_param,
            spark.elastic_net_param,
            spark.standardization,
            spark.fit_intercept,
            spark.weighted,
            spark.max_iter
        );
        for with_zeros in [false, true] {
            let blocks = blocks(0..ROWS, classes, spark.weighted, with_zeros);
            let fit = fit_blocks(&params, &blocks).expect("it trains");
            let coefficients = worst(&fit.coefficient_matrix, &spark.coefficients);
            let apart = coefficients.max(worst(&fit.intercepts, &spark.intercepts));
            if spark.max_iter == 8 {
                assert_eq!(fit.iterations, spark.iterations, "{name}");
                let history = worst(&fit.objective_history, &spark.objective_history);
                assert!(history <= 1e-12 && apart <= 1e-9, "{name}: {history:e} {apart:e}");
            } else {
                let last = |history: &[f64]| history.last().copied().expect("a start value");
                let behind = (last(&fit.objective_history) - last(&spark.objective_history)).abs();
                assert!(behind <= 1e-10 && apart <= 1e-6, "{name}: {behind:e} {apart:e}");
            }
        }
    }
}

#[test]
fn newton_trains_sparse_rows_to_the_same_optimum() {
    let params = |solver: &str| {
        fixtures::params(json!({"reg_param": 0.01, "solver": solver, "max_iter": 500, "tol": 1e-12}))
    };
    let blocks = blocks(0..ROWS, 2, true, false);
    let newton = fit_blocks(&params("newton"), &blocks).expect("it trains");
    let lbfgs = fit_blocks(&params("lbfgs"), &blocks).expect("it trains");
    let apart = worst(&newton.coefficient_matrix, &lbfgs.coefficient_matrix);
    assert!(newton.evaluations < 12 && apart < 1e-6, "{apart:e}");
}

#[test]
fn any_placement_of_sparse_partitions_trains_the_same_bits() {
    for classes in [2, 3] {
        let parts: Vec<Vec<Block>> = (0..7)
            .map(|part| {
                blocks(
                    (0..ROWS).filter(move |row| row % 7 == part),
                    classes,
                    false,
                    false,
                )
            })
            .collect();
        let train = |owners: &[usize]| laws::bits(&laws::train(&parts, owners, 0.5));
        let one = train(&[0; 7]);
        for owners in [
            [0, 1, 0, 1, 0, 1, 0],
            [0, 0, 0, 1, 1, 1, 1],
            [0, 1, 2, 3, 4, 5, 6],
        ] {
            assert_eq!(train(&owners), one, "{owners:?}");
        }
    }
}
