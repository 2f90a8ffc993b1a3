//! linfa as a peer: its metrics agree with ours, and linfa-logistic finds the same optimum.
//!
//! linfa-logistic minimises Σ loss + α/2·‖B‖² over raw features, intercept free; ours with `standardization` off is
//! (1/n)·Σ loss + λ/2·‖B‖². So α = n·λ. Its intercepts of a multinomial fit are not centred, ours are: compare
//! probabilities. Its optimiser stops at a gradient norm of 1e-4 by default (1e-8 here), hence the tolerances.

use linfa::prelude::*;
use linfa::traits::Predict;
use ndarray::{Array1, Array2};
use rookery_ml::{FamilyParam, LogisticRegression, Metric, MlError, MulticlassMetrics};

use crate::fixtures;

fn dataset(classes: usize) -> linfa::Dataset<f64, usize, ndarray::Ix1> {
    let rows: Vec<([f64; 5], f64)> = fixtures::train_features()
        .into_iter()
        .filter(|(_, label)| *label < classes as f64)
        .collect();
    let records = Array2::from_shape_fn((rows.len(), 5), |(row, feature)| rows[row].0[feature]);
    let targets: Array1<usize> = rows.iter().map(|(_, label)| *label as usize).collect();
    linfa::Dataset::new(records, targets)
}

fn ours() -> LogisticRegression {
    LogisticRegression::default()
        .standardization(false)
        .tol(1e-12)
        .max_iter(500)
}

#[test]
fn linfa_logistic_finds_the_same_binomial_optimum() {
    let dataset = dataset(2);
    let rows = dataset.nsamples() as f64;
    for reg_param in [0.01, 0.1] {
        let model = ours().reg_param(reg_param).fit(&dataset).expect("it trains");
        let theirs = linfa_logistic::LogisticRegression::default()
            .alpha(reg_param * rows)
            .gradient_tolerance(1e-8)
            .max_iterations(1000)
            .fit(&dataset)
            .expect("it trains");
        let probabilities = model.predict_probabilities(dataset.records()).expect("one shape");
        let sign = if theirs.labels().pos.class == 1 { 1.0 } else { -1.0 };
        let pairs = theirs
            .params()
            .iter()
            .chain([&theirs.intercept()])
            .copied()
            .collect::<Vec<f64>>();
        let mine = model
            .model()
            .coefficient_matrix
            .iter()
            .chain(&model.model().intercepts);
        for (mine, theirs) in mine.zip(pairs) {
            assert!(
                (mine - sign * theirs).abs() < 1e-6,
                "{reg_param}: {mine} {theirs}"
            );
        }
        let positive = theirs.predict_probabilities(dataset.records());
        let class = usize::from(sign > 0.0);
        for (mine, theirs) in probabilities.column(class).iter().zip(&positive) {
            assert!((mine - theirs).abs() < 1e-7, "{reg_param}: {mine} {theirs}");
        }
    }
}

#[test]
fn linfa_logistic_finds_the_same_multinomial_optimum() {
    let dataset = dataset(3);
    let rows = dataset.nsamples() as f64;
    let model = ours().reg_param(0.05).fit(&dataset).expect("it trains");
    let theirs = linfa_logistic::MultiLogisticRegression::default()
        .alpha(0.05 * rows)
        .gradient_tolerance(1e-8)
        .max_iterations(1000)
        .fit(&dataset)
        .expect("it trains");
    let mine = model.predict_probabilities(dataset.records()).expect("one shape");
    let theirs = theirs.predict_probabilities(dataset.records());
    assert_eq!(mine.dim(), theirs.dim());
    for (mine, theirs) in mine.iter().zip(&theirs) {
        assert!((mine - theirs).abs() < 1e-7, "{mine} {theirs}");
    }
}

#[test]
fn linfas_metrics_agree_with_ours() {
    let dataset = dataset(3);
    let model = ours()
        .reg_param(0.3)
        .max_iter(3)
        .fit(&dataset)
        .expect("it trains");
    let predicted = model.predict(&dataset);
    let confusion = predicted.confusion_matrix(&dataset).expect("same length");
    let mut metrics = MulticlassMetrics::default();
    for (label, prediction) in dataset.targets().iter().zip(&predicted) {
        metrics.add(*label as f64, *prediction as f64, &[], 1.0);
    }
    let accuracy = metrics.evaluate(Metric::Accuracy).expect("there are rows");
    assert!(accuracy < 1.0, "an imperfect model says more");
    assert!((accuracy - f64::from(confusion.accuracy())).abs() < 1e-6);
}

#[test]
fn weights_labels_and_errors_pass_through() {
    let dataset = dataset(2);
    let doubled = Array1::from_elem(dataset.nsamples(), 2.0_f32);
    let plain = ours().reg_param(0.1).fit(&dataset).expect("it trains");
    let weighted = ours()
        .reg_param(0.1)
        .fit(&dataset.clone().with_weights(doubled))
        .expect("it trains");
    // Doubling every weight changes nothing but σ, which divides by W − W₂/W; without standardisation not even that.
    let pairs = plain
        .model()
        .coefficient_matrix
        .iter()
        .zip(&weighted.model().coefficient_matrix);
    for (plain, weighted) in pairs {
        assert!((plain - weighted).abs() < 1e-6, "{plain} {weighted}");
    }

    let floats = dataset.clone().map_targets(|label| *label as f64 + 0.5);
    let error: Result<_, MlError> = ours().fit(&floats);
    assert_eq!(
        error.expect_err("no classes").to_string(),
        "row 0: Labels MUST be Integers, but got 0.5"
    );
    let error: Result<_, MlError> = ours().reg_param(-1.0).fit(&dataset);
    assert!(
        error
            .expect_err("negative")
            .to_string()
            .contains("regParam given invalid value -1.0")
    );
    // Two rows ±β/2 pay half of what one row β pays, so twice the λ is the same model.
    let multinomial = ours()
        .reg_param(0.2)
        .family(FamilyParam::Multinomial)
        .fit(&dataset)
        .expect("it trains");
    assert_eq!(multinomial.model().intercepts.len(), 2);
    assert_eq!(multinomial.predict(&dataset), plain.predict(&dataset));
}
