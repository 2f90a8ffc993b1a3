//! Grids of parameters trained to convergence (maxIter 1000, tol 1e-12), against Spark's answers.
//!
//! At this tolerance a training ends where rounding noise stops the line search, so iteration counts are not
//! compared; optimum and objective are.

use rookery_ml::{Block, Fit, fit_blocks};
use serde_json::json;

use crate::fixtures::{self, ConvergedFit, worst};

fn check(grid: &str, expected_converged: usize) {
    let entries = &fixtures::converged()[grid];
    let seen = entries.iter().filter(|entry| compare(grid, entry)).count();
    assert_eq!(
        seen, expected_converged,
        "entries with converged = true in {grid}"
    );
}

/// Trains one entry and returns whether its coefficients could be compared too.
fn compare(grid: &str, entry: &ConvergedFit) -> bool {
    let two_classes = grid.contains("species01") || entry.dataset.as_deref() == Some("species01");
    // w = 1 + (row mod 3)/2, by the row's place among all training rows.
    let all = fixtures::train_features().into_iter().enumerate();
    let kept = all.filter(|(_, (_, label))| !two_classes || *label < 2.0);
    let (weights, rows): (Vec<f64>, Vec<_>) = kept
        .map(|(place, row)| (1.0 + (place % 3) as f64 * 0.5, row))
        .unzip();
    let params = fixtures::params(json!({
        "reg_param": entry.reg_param, "elastic_net_param": entry.elastic_net_param,
        "standardization": entry.standardization, "fit_intercept": entry.fit_intercept,
        "family": entry.family, "max_iter": entry.max_iter, "tol": entry.tol,
    }));
    let weights = entry.weight_col.is_some().then_some(weights.as_slice());
    let fit = fit_blocks(&params, &fixtures::blocks(&rows, weights)).expect("it trains");

    let name = format!(
        "{grid} regParam {} elasticNetParam {} standardization {} fitIntercept {}",
        entry.reg_param, entry.elastic_net_param, entry.standardization, entry.fit_intercept
    );
    let start = (fit.objective_history[0] - entry.objective_first).abs();
    assert!(start <= 1e-14, "{name}: start {start:e}");
    let last = fit.objective_history.last().copied().expect("a start value");
    let objective = (last - entry.objective_final).abs();
    // Without a penalty the classes are separable: no optimum, only a place where the gradient was small enough, with
    // an objective of 1e-8. The tolerance must be far below that to say anything.
    let tolerance = if entry.reg_param == 0.0 { 1e-12 } else { 1e-10 };
    assert!(
        objective <= tolerance,
        "{name}: objective {last} against {}",
        entry.objective_final
    );
    if entry.reg_param * entry.elastic_net_param == 0.0 {
        newton_agrees(&name, entry, &fit, &fixtures::blocks(&rows, weights));
    }
    let comparable = entry.reg_param > 0.0 && entry.converged;
    if comparable {
        let coefficients = worst(&fit.coefficient_matrix, &entry.coefficient_matrix.concat());
        let coefficients = coefficients.max(worst(&fit.intercepts, &entry.intercept_vector));
        assert!(coefficients <= 1e-6, "{name}: coefficients {coefficients:e}");
    }
    comparable
}

/// Newton's method finds the same optimum in a handful of passes.
fn newton_agrees(name: &str, entry: &ConvergedFit, fit: &Fit, blocks: &[Block]) {
    let params = fixtures::params(json!({
        "reg_param": entry.reg_param, "standardization": entry.standardization,
        "fit_intercept": entry.fit_intercept, "family": entry.family, "max_iter": 100, "tol": 1e-14, "solver": "newton",
    }));
    let newton = fit_blocks(&params, blocks).expect("it trains");
    let last = |fit: &Fit| fit.objective_history.last().copied().expect("a start value");
    let behind = last(&newton) - last(fit);
    if entry.reg_param == 0.0 {
        // The classes are separable: both only come near 0.
        assert!(
            behind < 1e-6,
            "{name}: {behind:e} behind after {} passes",
            newton.evaluations
        );
        return;
    }
    assert!(newton.termination.converged(), "{name}: {}", newton.termination);
    assert!(behind <= 1e-12, "{name}: {behind:e} behind");
    assert!(newton.evaluations <= 12, "{name}: {} passes", newton.evaluations);
    let apart = worst(&newton.coefficient_matrix, &fit.coefficient_matrix);
    let apart = apart.max(worst(&newton.intercepts, &fit.intercepts));
    assert!(apart <= 1e-5, "{name}: coefficients {apart:e} apart");
}

#[test]
fn three_classes_multinomial() {
    check("penguins3_multinomial", 48);
}

#[test]
fn two_classes_binomial() {
    check("penguins_species01_binomial", 48);
}

#[test]
fn two_classes_multinomial() {
    check("penguins_species01_multinomial", 12);
}

#[test]
fn weighted_rows() {
    check("weighted", 12);
}
