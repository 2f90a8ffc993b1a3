//! Class weights are instance weights: the same model, bit for bit, as with the products in a column.

use proptest::prelude::*;
use rookery_ml::{ClassWeight, ClassWeightRule, Summary, fit_blocks};
use serde_json::json;

use crate::fixtures;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_class_weight_is_a_column_of_weights(
        rows in prop::collection::vec((prop::array::uniform3(-5.0..5.0_f64), 0..3_usize), 30..90),
        factors in prop::array::uniform3(0.1..4.0_f64),
        weights in prop::collection::vec(0.1..3.0_f64, 90),
        has_weights in any::<bool>(),
        classes in 2..4_usize,
        newton in any::<bool>(),
    ) {
        let mut rows: Vec<([f64; 3], f64)> = rows.iter().map(|(x, y)| (*x, (y % classes) as f64)).collect();
        (0..classes).for_each(|class| rows[class].1 = class as f64);
        let own = |row: usize| if has_weights { weights[row] } else { 1.0 };
        let products: Vec<f64> = rows.iter().enumerate().map(|(i, (_, y))| own(i) * factors[*y as usize]).collect();
        let own: Vec<f64> = (0..rows.len()).map(own).collect();

        let mut params = json!({"reg_param": 0.02, "max_iter": 12, "solver": if newton { "newton" } else { "auto" }});
        let by_column = fit_blocks(&fixtures::params(params.clone()), &fixtures::blocks(&rows, Some(&products)));
        params["class_weight"] = json!(factors[..classes]);
        let blocks = fixtures::blocks(&rows, has_weights.then_some(&own[..]));
        let by_class = fit_blocks(&fixtures::params(params), &blocks);
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        let (by_column, by_class) = (by_column.expect("good rows"), by_class.expect("good rows"));
        prop_assert_eq!(bits(&by_column.objective_history), bits(&by_class.objective_history));
        prop_assert_eq!(bits(&by_column.coefficient_matrix), bits(&by_class.coefficient_matrix));
        prop_assert_eq!(bits(&by_column.intercepts), bits(&by_class.intercepts));
    }
}

#[test]
fn weights_of_one_change_no_bit() {
    let rows = fixtures::train_features();
    let blocks = fixtures::blocks(&rows, None);
    let plain = fit_blocks(&fixtures::params(json!({"reg_param": 0.1})), &blocks);
    let ones = fit_blocks(
        &fixtures::params(json!({"reg_param": 0.1, "class_weight": [1, 1, 1]})),
        &blocks,
    );
    assert_eq!(plain.expect("good rows"), ones.expect("good rows"));
}

#[test]
fn balanced_classes_weigh_the_same() {
    let blocks = fixtures::blocks(&fixtures::train_features(), None);
    let summary = Summary::of_blocks(&blocks).expect("few classes");
    let factors = ClassWeight::Rule(ClassWeightRule::Balanced).resolve(&summary.label_weights);
    let weighted = Summary::of_weighted_blocks(&blocks, &factors.expect("classes")).expect("few classes");
    for weight in &weighted.label_weights {
        assert!(
            (weight - weighted.weight_sum / 3.0).abs() < 1e-9,
            "{:?}",
            weighted.label_weights
        );
    }
    assert!((weighted.weight_sum - summary.weight_sum).abs() < 1e-9);
    assert_eq!(weighted.rows, summary.rows);
}
