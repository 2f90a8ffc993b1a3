//! Every solver finds one optimum, wherever it starts from and however often it is written down on the way.

use rookery_ml::{
    Ask, Block, Fit, KernelCoefficients, Precision, RowSample, Summary, Training,
    ValidLogisticRegressionParams, accumulate, evaluate_blocks,
};
use serde_json::json;

use crate::fixtures::{self, worst};

const ROWS: usize = 60_000;
type Row = ([f64; 6], f64);

/// Pseudo-random numbers in (0, 1).
fn uniform() -> impl FnMut() -> f64 {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }
}

/// Correlated features of uneven scale, labels drawn from a model that is no logistic regression of them.
fn rows(classes: usize) -> Vec<Row> {
    let mut uniform = uniform();
    let row = |_| {
        let z: [f64; 6] = std::array::from_fn(|_| uniform() + uniform() - 1.0);
        let x = [
            z[0],
            10.0 * (z[0] + 0.5 * z[1]) + 40.0,
            0.01 * (z[2] + z[1]),
            z[3] * z[3],
            z[4] - z[3],
            100.0 * z[5],
        ];
        let score = 2.0 * z[0] - 3.0 * z[2] + z[3] * z[3] + 4.0 * (uniform() - 0.5);
        let label = ((score + 3.0) / 6.0 * classes as f64).clamp(0.0, classes as f64 - 1.0);
        (x, label.floor())
    };
    (0..ROWS).map(row).collect()
}

fn params(solver: &str, tol: f64) -> ValidLogisticRegressionParams {
    fixtures::params(json!({"solver": solver, "reg_param": 1e-3, "tol": tol, "max_iter": 500}))
}

/// The fit, and the rows that were looked at as a number of passes. Where it is `stored`, the training is written down and
/// read back before every other round: one that is read back may need a round for what is not written down.
fn train(blocks: &[Block], params: &ValidLogisticRegressionParams, stored: bool) -> (Fit, f64) {
    let summary = Summary::of_blocks(blocks).expect("few classes");
    let mut training = Training::new(params, &summary).expect("an objective");
    let (mut rows, mut rounds) = (0, 0);
    while let Ask::Evaluate(coefficients) = training.ask() {
        let mut partial = coefficients.zero_partial();
        for block in blocks {
            accumulate(&mut partial, block, &coefficients).expect("one shape");
        }
        rows += partial.rows;
        rounds += 1;
        assert!(rounds < 2000, "no end");
        training.tell(&partial).expect("it was asked for");
        if stored && rounds % 2 == 0 {
            let text = serde_json::to_string(&training).expect("plain data");
            training = serde_json::from_str(&text).expect("what was written");
        }
    }
    (
        training.into_fit().expect("finished"),
        rows as f64 / summary.rows as f64,
    )
}

fn objective(fit: &Fit) -> f64 {
    *fit.objective_history.last().expect("a start value")
}

#[test]
fn all_reach_one_optimum_and_a_sample_saves_passes() {
    for classes in [2, 4] {
        let blocks = fixtures::blocks(&rows(classes), None);
        let (best, _) = train(&blocks, &params("newton", 1e-13), false);
        let (lbfgs, lbfgs_passes) = train(&blocks, &params("lbfgs", 1e-9), false);
        let (sampled, passes) = train(&blocks, &params("subsampled_newton", 1e-9), false);
        for (name, fit) in [("lbfgs", &lbfgs), ("subsampled_newton", &sampled)] {
            let gap = (objective(fit) - objective(&best)) / objective(&best);
            assert!(gap.abs() < 1e-7, "{name}, {classes} classes: {gap:e}");
        }
        let apart = worst(&sampled.coefficient_matrix, &best.coefficient_matrix);
        assert!(apart < 0.02, "{classes} classes: {apart}");
        assert!(
            passes < 8.0 && passes < lbfgs_passes / 2.0,
            "{passes} {lbfgs_passes}"
        );
        let history = &sampled.objective_history;
        assert!(history.windows(2).all(|pair| pair[1] <= pair[0]), "{history:?}");
        let (auto, auto_passes) = train(&blocks, &params("auto", 1e-9), false);
        assert_eq!(
            (auto, auto_passes),
            (sampled, passes),
            "there are rows enough for a sample"
        );
    }
}

#[test]
fn the_tolerance_is_kept_whatever_the_sample() {
    // The first rows of all blocks are of another kind than the rest; sorted labels; a sample without one of the classes.
    let mut misleading = rows(2);
    for row in misleading.chunks_mut(4096).flat_map(|block| &mut block[..400]) {
        row.0[3] *= 20.0;
        row.1 = 1.0 - row.1;
    }
    let mut sorted = rows(3);
    sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut one_class_first = rows(2);
    one_class_first
        .chunks_mut(4096)
        .for_each(|block| block.sort_by(|a, b| a.1.total_cmp(&b.1)));
    // What separates the classes in the sample does not in all rows.
    let mut separable_first = rows(2);
    for row in separable_first
        .chunks_mut(4096)
        .flat_map(|block| &mut block[..400])
    {
        row.1 = f64::from(u8::from(row.0[0] > 0.0));
    }
    for (name, rows) in [
        ("misleading", misleading),
        ("sorted", sorted),
        ("one class first", one_class_first),
        ("separable first", separable_first),
    ] {
        let blocks = fixtures::blocks(&rows, None);
        let (best, _) = train(&blocks, &params("newton", 1e-13), false);
        for tol in [1e-4, 1e-6, 1e-8] {
            let (fit, passes) = train(&blocks, &params("subsampled_newton", tol), false);
            assert!(fit.termination.converged(), "{name} {tol}: {}", fit.termination);
            let gap = (objective(&fit) - objective(&best)) / objective(&best);
            assert!(gap < 2.0 * tol, "{name} {tol}: {gap:e} after {passes} passes");
        }
    }
}

#[test]
fn what_was_written_down_goes_on_with_the_same_bits() {
    for classes in [2, 3] {
        let blocks = fixtures::blocks(&rows(classes), None);
        for solver in ["newton", "subsampled_newton"] {
            let (straight, _) = train(&blocks, &params(solver, 1e-9), false);
            let (stored, _) = train(&blocks, &params(solver, 1e-9), true);
            let bits = |fit: &Fit| {
                let numbers = fit.coefficient_matrix.iter().chain(&fit.intercepts);
                let bits: Vec<u64> = numbers
                    .chain(&fit.objective_history)
                    .map(|x| x.to_bits())
                    .collect();
                bits
            };
            assert_eq!(bits(&straight), bits(&stored), "{solver}");
        }
    }
}

#[test]
fn without_iterations_the_start_is_the_answer() {
    let blocks = fixtures::blocks(&rows(2), None);
    let none = json!({"solver": "subsampled_newton", "max_iter": 0});
    let (fit, _) = train(&blocks, &fixtures::params(none), false);
    assert!(fit.coefficient_matrix.iter().all(|c| *c == 0.0), "{fit:?}");
    assert_eq!(fit.iterations, 0);
}

#[test]
fn auto_takes_what_fits() {
    let rounds = |blocks: &[Block], json| train(blocks, &fixtures::params(json), false).0.evaluations;
    // Too few rows for a sample: as Newton.
    let few = fixtures::blocks(&rows(2)[..2000], None);
    let all = |solver: &str| json!({"solver": solver, "reg_param": 1e-3});
    assert_eq!(rounds(&few, all("auto")), rounds(&few, all("newton")));
    assert_ne!(rounds(&few, all("auto")), rounds(&few, all("lbfgs")));
    // An L1 penalty: as Spark.
    let l1 = |solver: &str| json!({"solver": solver, "reg_param": 1e-3, "elastic_net_param": 0.5});
    assert_eq!(rounds(&few, l1("auto")), rounds(&few, l1("owlqn")));
}

/// The mean loss of a binomial fit, computed with doubles.
fn mean_loss(blocks: &[Block], fit: &Fit) -> f64 {
    let coefficients = KernelCoefficients {
        family: fit.family,
        classes: 1,
        width: fit.coefficient_matrix.len(),
        coefficients: fit.coefficient_matrix.clone(),
        offsets: fit.intercepts.clone(),
        rows: RowSample::GRADIENT,
        class_weights: Vec::new(),
        precision: Precision::Double,
    };
    let partials = evaluate_blocks(blocks, &[coefficients]).expect("one shape");
    partials[0].loss_sum / partials[0].weight_sum
}

#[test]
fn floats_come_as_near_to_the_optimum_as_anyone_asks() {
    let mut rows = rows(2);
    for (x, _) in &mut rows {
        *x = x.map(|x| f64::from(x as f32));
    }
    let blocks = fixtures::blocks(&rows, None);
    let params = |solver: &str, tol: f64, precision: &str| {
        fixtures::params(json!({"solver": solver, "tol": tol, "max_iter": 500, "precision": precision}))
    };
    let (best, _) = train(&blocks, &params("newton", 1e-13, "double"), false);
    let best = mean_loss(&blocks, &best);
    for solver in ["lbfgs", "newton", "subsampled_newton"] {
        for tol in [1e-6, 1e-12] {
            let (fit, passes) = train(&blocks, &params(solver, tol, "fast"), true);
            let gap = mean_loss(&blocks, &fit) / best - 1.0;
            assert!(gap < 1e-6, "{solver}, {tol}: {gap:e}");
            assert!(
                passes < 120.0,
                "{solver}, {tol}: {passes} passes for what floats do not resolve"
            );
            let (double, _) = train(&blocks, &params(solver, tol, "double"), true);
            assert_ne!(fit, double, "it computes with floats");
        }
    }
}
