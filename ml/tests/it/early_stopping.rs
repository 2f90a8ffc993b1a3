//! Trainings that end before their optimiser does.

use rookery_ml::{
    Ask, Block, EarlyStoppingParams, Fit, LogisticRegressionModel, Metric, MulticlassMetrics, Summary,
    TerminationReason, Training, accumulate, fit_blocks,
};
use serde_json::json;

use crate::fixtures;

type Row = ([f64; 3], f64);

/// Rows whose label has hardly anything to do with them: what is learnt of one half is wrong for the other.
fn rows() -> Vec<Row> {
    let noise = |i: usize| ((i * 2_654_435_761 + 977) % 1_000_003) as f64 / 1_000_003.0;
    (0..60)
        .map(|i| {
            let x = [noise(3 * i + 1), noise(7 * i + 2), noise(11 * i + 3)];
            (x, f64::from(u8::from(0.3 * x[0] + noise(13 * i + 4) > 0.65)))
        })
        .collect()
}

fn step(training: &mut Training, blocks: &[Block]) -> bool {
    let Ask::Evaluate(coefficients) = training.ask() else {
        return false;
    };
    let mut partial = coefficients.zero_partial();
    for block in blocks {
        accumulate(&mut partial, block, &coefficients).expect("one shape");
    }
    training.tell(&partial).expect("it was asked for");
    true
}

fn log_loss(fit: &Fit, rows: &[Row]) -> f64 {
    let params = fixtures::params(json!({}));
    let model = LogisticRegressionModel::new(fit, &params).expect("a fit");
    let mut metrics = MulticlassMetrics::default();
    for (x, y) in rows {
        let scores = model.score(3, x).expect("three features");
        metrics.add(*y, scores.prediction[0], &scores.probability, 1.0);
    }
    metrics.evaluate(Metric::LogLoss).expect("there are rows")
}

/// Trains with early stopping; the training is written down and read back after each look.
fn train(params: serde_json::Value, stopping: EarlyStoppingParams) -> (Fit, Vec<f64>) {
    let rows = rows();
    let (learnt, watched) = rows.split_at(30);
    let blocks = fixtures::blocks(learnt, None);
    let summary = Summary::of_blocks(&blocks).expect("few classes");
    let training = Training::new(&fixtures::params(params), &summary).expect("an objective");
    let mut training = training.with_early_stopping(stopping);
    while step(&mut training, &blocks) {
        if let Some(fit) = training.to_validate() {
            training.validated(log_loss(&fit, watched));
            let text = serde_json::to_string(&training).expect("plain data");
            let read: Training = serde_json::from_str(&text).expect("what was written");
            assert_eq!(read, training);
            training = read;
        }
    }
    let looks = training.looks().iter().map(|look| look.value).collect();
    (training.into_fit().expect("it finished"), looks)
}

#[test]
fn the_outcome_is_the_best_point_of_the_validation_rows() {
    let params = || json!({"solver": "lbfgs", "tol": 1e-12, "max_iter": 200});
    let stopping = EarlyStoppingParams {
        patience: 3,
        ..EarlyStoppingParams::default()
    };
    let (fit, looks) = train(params(), stopping);
    assert_eq!(fit.termination, TerminationReason::EarlyStopping);
    let best = fit.best_iteration.expect("it was watched");
    assert_eq!(looks.len(), best + 4, "{looks:?}");
    assert!(looks.iter().all(|value| *value >= looks[best]));

    // The same optimiser, stopped at that iteration, is at the same point.
    let rows = rows();
    let blocks = fixtures::blocks(&rows[..30], None);
    let mut stopped = params();
    stopped["max_iter"] = json!(best);
    let expected = fit_blocks(&fixtures::params(stopped), &blocks).expect("good rows");
    assert_eq!(fit.coefficient_matrix, expected.coefficient_matrix);
    assert_eq!(fit.intercepts, expected.intercepts);
    assert_eq!(fit.gradient_norm, expected.gradient_norm);
}

#[test]
fn a_training_that_keeps_getting_better_ends_as_ever() {
    let rows = rows();
    let blocks = fixtures::blocks(&rows, None);
    let params = fixtures::params(json!({"reg_param": 0.1}));
    let summary = Summary::of_blocks(&blocks).expect("few classes");
    let training = Training::new(&params, &summary).expect("an objective");
    let mut training = training.with_early_stopping(EarlyStoppingParams::default());
    while step(&mut training, &blocks) {
        if training.to_validate().is_some() {
            // The objective of the rows that are learnt only falls.
            let value = training.objective_history().last().copied();
            training.validated(value.expect("a round was told"));
        }
    }
    let fit = training.into_fit().expect("it finished");
    let expected = fit_blocks(&params, &blocks).expect("good rows");
    assert!(fit.termination.converged());
    assert_eq!(fit.best_iteration, Some(fit.iterations));
    assert_eq!(fit.coefficient_matrix, expected.coefficient_matrix);
}

#[test]
fn a_deadline_leaves_what_was_reached() {
    let blocks = fixtures::blocks(&rows(), None);
    let summary = Summary::of_blocks(&blocks).expect("few classes");
    let params = fixtures::params(json!({"max_iter": 50, "tol": 1e-12}));
    let mut training = Training::new(&params, &summary).expect("an objective");
    for _ in 0..4 {
        step(&mut training, &blocks);
    }
    training.stop(TerminationReason::Deadline);
    assert_eq!(training.ask(), Ask::Done);
    training.stop(TerminationReason::EarlyStopping);
    let iterations = training.iteration();
    let fit = training.into_fit().expect("it was stopped");
    assert_eq!(fit.termination, TerminationReason::Deadline);
    assert!(!fit.termination.converged());
    let expected = fit_blocks(
        &fixtures::params(json!({"max_iter": iterations, "tol": 1e-12})),
        &blocks,
    );
    assert_eq!(
        fit.coefficient_matrix,
        expected.expect("good rows").coefficient_matrix
    );
}
