//! Laws that must hold for any rows: merging is adding, placement does not matter to a single bit, and a training
//! survives being written down.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rookery_ml::tree::{Node, complete_subtrees, merge_nodes, reduce_subtree};
use rookery_ml::{
    Ask, Block, Fit, FitStatistics, KernelCoefficients, MlError, Partial, PipelineFit, ProfiledColumn,
    Summary, Training, accumulate,
};
use serde_json::json;

use crate::fixtures::{self, worst};

type Row = ([f64; 3], f64);

fn rows(classes: usize) -> impl Strategy<Value = Vec<Row>> {
    let row = (
        prop::array::uniform3(-10.0..10.0_f64),
        (0..classes).prop_map(|class| class as f64),
    );
    // The first rows make sure that every class is there.
    prop::collection::vec(row, 20..60).prop_map(move |mut rows| {
        (0..classes).for_each(|class| rows[class].1 = class as f64);
        rows
    })
}

/// Deals the rows to partitions, the first row to the partition of its entry, and so on around.
fn split(rows: &[Row], partition_of: &[usize], partitions: usize) -> Vec<Vec<Block>> {
    let mut parts = vec![Vec::new(); partitions];
    for (row, place) in rows.iter().zip(partition_of.iter().cycle()) {
        parts[place % partitions].push(*row);
    }
    parts.iter().map(|part| fixtures::blocks(part, None)).collect()
}

fn partial(blocks: &[Block], coefficients: &KernelCoefficients) -> Partial {
    let mut partial = coefficients.zero_partial();
    for block in blocks {
        accumulate(&mut partial, block, coefficients).expect("one shape");
    }
    partial
}

/// Merges what `leaf` gives for each partition, as `owners` of the partitions would together with a driver.
fn merge_as<T>(owners: &[usize], leaf: impl Fn(usize) -> T, merge: impl Fn(T, T) -> T) -> T {
    let partitions = owners.len() as u32;
    let mut nodes: BTreeMap<Node, T> = BTreeMap::new();
    for worker in owners.iter().collect::<BTreeSet<_>>() {
        let owned = (0..partitions)
            .filter(|p| owners[*p as usize] == *worker)
            .collect();
        for node in complete_subtrees(&owned, partitions) {
            let mut leaf = |partition: u32| Ok::<_, MlError>(leaf(partition as usize));
            let sum = reduce_subtree(node, partitions, &mut leaf, &merge).expect("no leaf fails");
            nodes.insert(node, sum.expect("it covers partitions"));
        }
    }
    merge_nodes(partitions, nodes, &merge)
        .expect("all covered")
        .expect("there are partitions")
}

/// A whole training over partitions, placed as `owners` says.
pub(crate) fn train(parts: &[Vec<Block>], owners: &[usize], elastic_net: f64) -> Fit {
    let summary = merge_as(
        owners,
        |p| Summary::of_blocks(&parts[p]).expect("few classes"),
        Summary::merge,
    );
    let params = fixtures::params(json!({
        "reg_param": 0.05, "elastic_net_param": elastic_net, "max_iter": 15,
    }));
    let mut training = Training::new(&params, &summary).expect("an objective");
    while let Ask::Evaluate(coefficients) = training.ask() {
        let sum = merge_as(owners, |p| partial(&parts[p], &coefficients), Partial::merge);
        training.tell(&sum).expect("it was asked for");
    }
    training.into_fit().expect("it finished")
}

pub(crate) fn bits(fit: &Fit) -> Vec<u64> {
    let values = fit
        .coefficient_matrix
        .iter()
        .chain(&fit.intercepts)
        .chain(&fit.objective_history);
    values.map(|value| value.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_placement_of_the_same_partitions_trains_the_same_bits(
        rows in rows(3),
        partition_of in prop::collection::vec(0_usize..7, 1..40),
        owners in prop::collection::vec(0_usize..4, 7),
        elastic_net in prop::sample::select(vec![0.0, 0.5]),
    ) {
        let parts = split(&rows, &partition_of, 7);
        let one_worker = train(&parts, &[0; 7], elastic_net);
        prop_assert_eq!(bits(&one_worker), bits(&train(&parts, &owners, elastic_net)));
        prop_assert_eq!(bits(&one_worker), bits(&train(&parts, &[0, 1, 2, 3, 4, 5, 6], elastic_net)));
    }

    /// Other partitions are other rounding: equal within a small multiple of the machine's.
    #[test]
    fn any_split_of_the_rows_agrees_within_rounding(
        rows in rows(3),
        partition_of in prop::collection::vec(0_usize..5, 1..40),
    ) {
        let whole = fixtures::blocks(&rows, None);
        let parts = split(&rows, &partition_of, 5);
        let one = Summary::of_blocks(&whole).expect("few classes");
        let many = merge_as(&[0, 0, 1, 1, 2], |p| Summary::of_blocks(&parts[p]).expect("few"), Summary::merge);
        prop_assert_eq!(one.rows, many.rows);
        prop_assert_eq!(&one.label_weights, &many.label_weights);
        prop_assert!(worst(&one.mean, &many.mean) < 1e-13);
        prop_assert!(worst(&one.std(), &many.std()) < 1e-13);

        let params = fixtures::params(json!({"reg_param": 0.1}));
        let training = Training::new(&params, &one).expect("an objective");
        let Ask::Evaluate(mut coefficients) = training.ask() else { panic!("it has not begun") };
        coefficients.coefficients.iter_mut().enumerate().for_each(|(i, c)| *c = 0.1 * (i as f64) - 0.3);
        let one = partial(&whole, &coefficients);
        let many = merge_as(&[0, 0, 1, 1, 2], |p| partial(&parts[p], &coefficients), Partial::merge);
        prop_assert_eq!(one.rows, many.rows);
        prop_assert!((one.loss_sum - many.loss_sum).abs() < 1e-11, "{} {}", one.loss_sum, many.loss_sum);
        prop_assert!(worst(&one.gradient_sum, &many.gradient_sum) < 1e-11);
    }

    #[test]
    fn merging_partials_is_associative_within_rounding_and_has_a_zero(
        values in prop::array::uniform3(prop::collection::vec(-1e3..1e3_f64, 4)),
    ) {
        let [a, b, c] = values.map(|values| Partial {
            loss_sum: values[0],
            weight_sum: values[1].abs(),
            rows: 1,
            gradient_sum: values[2..].to_vec(),
            hessian_weight_sum: values[2].abs(),
            hessian_sum: values[1..].to_vec(),
        });
        let left = a.clone().merge(b.clone()).merge(c.clone());
        let right = a.clone().merge(b.merge(c));
        prop_assert!((left.loss_sum - right.loss_sum).abs() < 1e-12);
        prop_assert!(worst(&left.gradient_sum, &right.gradient_sum) < 1e-12);
        prop_assert!(worst(&left.hessian_sum, &right.hessian_sum) < 1e-12);
        prop_assert_eq!(left.rows, 3);
        prop_assert_eq!(Partial::zero(1, 1).merge(a.clone()), a.clone());
        prop_assert_eq!(a.clone().merge(Partial::zero(1, 1)), a);
    }
}

/// Fits the lab's first stages on rows dealt to three partitions, merged in the given order.
fn stage_statistics(owners: &[usize], order: [usize; 3]) -> FitStatistics {
    let spec = serde_json::from_value(json!({"stages": [
        {"type": "StringIndexer", "input": "Island", "output": "i"},
        {"type": "VectorAssembler", "inputs": ["CulmenLength", "BodyMass"], "output": "v"},
        {"type": "MinMaxScaler", "input": "v", "output": "s"},
    ]}));
    let profiled = ["Island", "CulmenLength", "BodyMass"].map(|name| ProfiledColumn {
        name: name.to_owned(),
        is_category: name == "Island",
    });
    let pass = PipelineFit::new(spec.expect("a pipeline"))
        .with_profile_of(profiled.to_vec())
        .next_pass()
        .expect("something to fit");
    let rows = fixtures::train_rows();
    let mut total = pass.empty_statistics();
    for partition in order {
        let mask: Vec<bool> = (0..rows.rows())
            .map(|row| owners[row % owners.len()] % 3 == partition)
            .collect();
        let mut part = pass.empty_statistics();
        let rows = rows.clone().retain(&mask).expect("one entry a row");
        pass.accumulate(&rows, &mut part).expect("rows are fine");
        total.merge(&part).expect("one pass");
    }
    total
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn stage_statistics_are_exact_in_any_order_and_split(owners in prop::collection::vec(0_usize..3, 1..50)) {
        let whole = stage_statistics(&[0], [0, 1, 2]);
        prop_assert_eq!(whole.stages.len(), 2);
        let profile = whole.profile.clone().finish();
        prop_assert_eq!((profile.rows, profile.columns.len()), (254, 3));
        prop_assert_eq!(&stage_statistics(&owners, [0, 1, 2]), &whole);
        prop_assert_eq!(&stage_statistics(&owners, [2, 0, 1]), &whole);
    }
}

/// Trains on the penguins, writing the training down and reading it back before every round if `stored`.
fn train_penguins(params: &serde_json::Value, stored: bool) -> (Fit, Vec<String>) {
    let blocks = fixtures::blocks(&fixtures::train_features(), None);
    let summary = Summary::of_blocks(&blocks).expect("three classes");
    let mut training = Training::new(&fixtures::params(params.clone()), &summary).expect("an objective");
    let mut states = Vec::new();
    while let Ask::Evaluate(coefficients) = training.ask() {
        states.push(serde_json::to_string(&training).expect("writable"));
        if stored {
            training = states
                .last()
                .map(|state| serde_json::from_str(state).expect("readable"))
                .expect("pushed");
        }
        training
            .tell(&partial(&blocks, &coefficients))
            .expect("it was asked for");
    }
    (training.into_fit().expect("it finished"), states)
}

#[test]
fn a_training_resumed_before_every_round_has_the_same_bits() {
    let grid = [
        json!({"reg_param": 0.2, "max_iter": 30}),
        json!({"reg_param": 0.1, "elastic_net_param": 0.7, "max_iter": 30}),
        // Ends in failing line searches, which must be resumable too.
        json!({"reg_param": 0.01, "max_iter": 1000, "tol": 0.0}),
    ];
    for params in grid {
        let (straight, states) = train_penguins(&params, false);
        let (resumed, resumed_states) = train_penguins(&params, true);
        assert!(states.len() > 10, "{params}: {} rounds", states.len());
        assert_eq!(states, resumed_states, "{params}");
        assert_eq!(bits(&straight), bits(&resumed), "{params}");
        assert_eq!(
            straight.evaluations,
            states.len(),
            "{params}: one evaluation a round"
        );
    }
}

#[test]
fn a_finished_or_unfinished_training_says_so() {
    let blocks = fixtures::blocks(&fixtures::train_features(), None);
    let summary = Summary::of_blocks(&blocks).expect("three classes");
    let mut training =
        Training::new(&fixtures::params(json!({"max_iter": 0})), &summary).expect("an objective");
    let unfinished = training
        .clone()
        .into_fit()
        .expect_err("nothing was told")
        .to_string();
    assert_eq!(unfinished, "training has not finished after 0 iterations");
    let Ask::Evaluate(coefficients) = training.ask() else {
        panic!("the start point is wanted")
    };
    let sum = partial(&blocks, &coefficients);
    training.tell(&sum).expect("it was asked for");
    assert_eq!(training.ask(), Ask::Done);
    assert_eq!(training.tell(&sum), Err(MlError::TrainingFinished));
    let fit = training.into_fit().expect("maxIter 0 returns the start point");
    assert_eq!(
        (fit.iterations, fit.objective_history.len(), fit.evaluations),
        (0, 1, 1)
    );
    assert!(fit.coefficient_matrix.iter().all(|c| *c == 0.0), "{fit:?}");
}

#[test]
fn a_constant_feature_has_coefficient_zero() {
    let rows: Vec<Row> = (0..20)
        .map(|i| ([f64::from(i), 0.1, -f64::from(i % 7)], f64::from(i % 3 / 2)))
        .collect();
    for fit_intercept in [true, false] {
        for standardization in [true, false] {
            for elastic_net_param in [0.0, 0.5] {
                let params = fixtures::params(json!({
                    "reg_param": 0.01, "fit_intercept": fit_intercept, "standardization": standardization,
                    "elastic_net_param": elastic_net_param,
                }));
                let fit = rookery_ml::fit_blocks(&params, &fixtures::blocks(&rows, None)).expect("it trains");
                assert_eq!(fit.coefficient_matrix[1].abs().to_bits(), 0, "{fit:?}");
                assert!(fit.coefficient_matrix[0] != 0.0, "{fit:?}");
            }
        }
    }
}

#[test]
fn one_class_only_is_sparks_answer_without_a_round() {
    let rows: Vec<Row> = (0..5).map(|i| ([f64::from(i), 1.0, 2.0], 2.0)).collect();
    let summary = Summary::of_blocks(&fixtures::blocks(&rows, None)).expect("few classes");
    assert_eq!(summary.classes_present(), [2]);
    let training = Training::new(&fixtures::params(json!({})), &summary).expect("an objective");
    assert!(training.is_degenerate());
    assert_eq!(training.ask(), Ask::Done);
    let fit = training.into_fit().expect("nothing to do");
    assert_eq!(
        (fit.objective_history, fit.iterations, fit.evaluations),
        (vec![0.0], 0, 0)
    );
    assert_eq!(fit.intercepts, [0.0, 0.0, f64::INFINITY]);
}
