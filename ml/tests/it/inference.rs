//! Standard errors against statsmodels (`fixtures/inference.py`), and laws that they must obey.

use proptest::prelude::*;
use rookery_ml::{
    Ask, Block, BlockBuilder, Column, ColumnData, Frame, Inference, KernelCoefficients, Partial,
    StandardErrors, Summary, Training, accumulate,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fixtures;

/// A fit by statsmodels; coefficients class by class, the intercept first.
#[derive(Deserialize)]
struct Reference {
    name: String,
    x: Option<Vec<Vec<f64>>>,
    y: Option<Vec<f64>>,
    w: Option<Vec<f64>>,
    coefficients: Vec<f64>,
    standard_errors: Vec<f64>,
    z: Vec<f64>,
    p: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    log_likelihood: f64,
    null_log_likelihood: f64,
    family: String,
    level: f64,
    reg_param: f64,
}

impl Reference {
    fn all() -> Vec<Reference> {
        serde_json::from_str(include_str!("../fixtures/inference.json")).expect("the script's shape")
    }

    fn rows(&self) -> (Vec<Vec<f64>>, Vec<f64>) {
        if let (Some(x), Some(y)) = (&self.x, &self.y) {
            return (x.clone(), y.clone());
        }
        let mut lines = include_str!("../fixtures/train_seed42_f64.csv").lines().skip(1);
        let row = |line: &str| {
            let fields: Vec<&str> = line.split(',').collect();
            let x = fields[2..5].iter().map(|field| field.parse().expect("a number"));
            let label = match (self.family.as_str(), fields[0]) {
                (_, "Dream") => 1.0,
                ("multinomial", "Torgersen") => 2.0,
                _ => 0.0,
            };
            (x.collect(), label)
        };
        lines.by_ref().map(row).unzip()
    }
}

fn blocks(x: &[Vec<f64>], y: &[f64], w: Option<&[f64]>) -> Vec<Block> {
    let width = x[0].len();
    let values = x.concat();
    let mut frame = Frame::new(x.len())
        .with_column("x", Column::new(ColumnData::Vector { width, values }))
        .and_then(|frame| frame.with_column("y", Column::new(ColumnData::Double(y.to_vec()))))
        .expect("columns fit");
    if let Some(w) = w {
        let column = Column::new(ColumnData::Double(w.to_vec()));
        frame = frame.with_column("w", column).expect("columns fit");
    }
    let mut builder = BlockBuilder::new(width);
    builder
        .push_frame(&frame, "x", "y", w.map(|_| "w"))
        .expect("good rows");
    builder.finish()
}

fn sum(blocks: &[Block], coefficients: &KernelCoefficients) -> Partial {
    let mut partial = coefficients.zero_partial();
    for block in blocks {
        accumulate(&mut partial, block, coefficients).expect("one shape");
    }
    partial
}

/// Trains and asks how certain the fit is; features are called x0, x1, ….
fn infer(blocks: &[Block], params: Value, level: f64) -> Inference {
    let summary = Summary::of_blocks(blocks).expect("few classes");
    let mut training = Training::new(&fixtures::params(params), &summary).expect("an objective");
    while let Ask::Evaluate(coefficients) = training.ask() {
        training
            .tell(&sum(blocks, &coefficients))
            .expect("it was asked for");
    }
    let pass = training.inference().expect("several classes");
    let (moments, solution) = (sum(blocks, &pass.second_moments()), sum(blocks, &pass.solution()));
    let names: Vec<String> = (0..summary.width())
        .map(|feature| format!("x{feature}"))
        .collect();
    pass.finish(&moments, &solution, &summary, &names, level)
        .expect("one shape")
}

fn newton() -> Value {
    json!({"solver": "newton", "tol": 1e-20, "max_iter": 200})
}

fn assert_close(what: &str, found: impl Iterator<Item = f64>, expected: &[f64], tolerance: f64) {
    let found: Vec<f64> = found.collect();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let error = (found - expected).abs() / expected.abs();
        assert!(
            error < tolerance,
            "{what}: {found} instead of {expected}, off by {error:e}"
        );
    }
}

#[test]
fn the_table_is_statsmodels() {
    // The optimiser stops at a gradient of 1e-8: that is what the differences are. p multiplies them by z².
    for reference in Reference::all() {
        let (x, y) = reference.rows();
        let mut params = newton();
        params["family"] = json!(reference.family);
        params["reg_param"] = json!(reference.reg_param);
        let found = infer(&blocks(&x, &y, reference.w.as_deref()), params, reference.level);
        let name = |what| format!("{}: {what}", reference.name);
        let column = |number: fn(&rookery_ml::Term) -> Option<f64>| {
            found
                .terms
                .iter()
                .map(move |term| number(term).expect("it is determined"))
        };
        assert_close(
            &name("coefficient"),
            column(|t| Some(t.coefficient)),
            &reference.coefficients,
            1e-7,
        );
        assert_close(
            &name("error"),
            column(|t| t.standard_error),
            &reference.standard_errors,
            1e-7,
        );
        assert_close(&name("z"), column(|t| t.z), &reference.z, 1e-7);
        assert_close(&name("p"), column(|t| t.p_value), &reference.p, 1e-5);
        assert_close(&name("lower"), column(|t| t.lower), &reference.lower, 1e-6);
        assert_close(&name("upper"), column(|t| t.upper), &reference.upper, 1e-6);
        let ratios: Vec<f64> = reference.coefficients.iter().map(|c| libm::exp(*c)).collect();
        assert_close(&name("odds"), column(|t| t.odds_ratio), &ratios, 1e-6);
        assert!(
            (found.log_likelihood - reference.log_likelihood).abs() < 1e-7,
            "{}",
            found.log_likelihood
        );
        let null = found.null_log_likelihood.expect("there are intercepts");
        assert!((null - reference.null_log_likelihood).abs() < 1e-8, "{null}");
        let expected = match reference.reg_param {
            0.0 => StandardErrors::Fisher,
            _ => StandardErrors::Posterior,
        };
        assert_eq!(
            (found.standard_errors, &found.separation),
            (expected, &None),
            "{}",
            reference.name
        );
        assert!(found.left_out.is_empty(), "{}", reference.name);
    }
}

#[test]
fn every_solver_leads_to_the_same_table() {
    let references = Reference::all();
    let reference = &references[4];
    let (x, y) = reference.rows();
    let found = infer(
        &blocks(&x, &y, None),
        json!({"tol": 1e-12, "max_iter": 500}),
        0.95,
    );
    let errors = found
        .terms
        .iter()
        .map(|term| term.standard_error.expect("determined"));
    assert_close("lbfgs", errors, &reference.standard_errors, 1e-6);
}

/// Rows whose label follows x0 and x1, with noise; x2 is a combination of both, x3 constant.
fn rows() -> (Vec<Vec<f64>>, Vec<f64>) {
    let noise = |i: usize| ((i * 2_654_435_761 + 977) % 1_000_003) as f64 / 1_000_003.0;
    let x: Vec<Vec<f64>> = (0..300)
        .map(|i| {
            let (a, b) = (noise(3 * i) - 0.5, noise(7 * i + 1));
            vec![a, b, a - 2.0 * b + 3.0, 5.0, noise(11 * i + 4)]
        })
        .collect();
    let y = x.iter().enumerate().map(|(i, x)| {
        let score = 2.0 * x[0] - x[1] + noise(13 * i + 2);
        f64::from(u8::from(score > 0.0)) + f64::from(u8::from(score > 0.4))
    });
    let y = y.collect();
    (x, y)
}

#[test]
fn what_the_rows_do_not_determine_has_no_standard_error_and_the_rest_has_that_of_the_smaller_model() {
    let (x, y) = rows();
    let full = infer(&blocks(&x, &y, None), newton(), 0.95);
    let kept: Vec<Vec<f64>> = x.iter().map(|x| vec![x[0], x[1], x[4]]).collect();
    let smaller = infer(&blocks(&kept, &y, None), newton(), 0.95);
    let error = |inference: &Inference, name: &str, class: usize| {
        let of_class = inference.terms.iter().filter(|term| term.class == class);
        let mut terms = of_class.filter(|term| term.name == name);
        terms.next().expect("it is a term").standard_error
    };
    for class in [1, 2] {
        for name in ["x0", "x1", "x2", "(intercept)"] {
            assert_eq!(error(&full, name, class), None, "{name}");
        }
        let (found, expected) = (error(&full, "x4", class), error(&smaller, "x2", class));
        let (found, expected) = (found.expect("determined"), expected.expect("determined"));
        assert!((found - expected).abs() < 1e-7 * expected, "{found} {expected}");
    }
    let left_out: Vec<(&str, Vec<&str>)> = full
        .left_out
        .iter()
        .map(|left| {
            (
                left.name.as_str(),
                left.combination_of.iter().map(String::as_str).collect(),
            )
        })
        .collect();
    assert_eq!(
        left_out,
        [("x2", vec!["x0", "x1", "(intercept)"]), ("x3", vec![])]
    );
    assert!((full.log_likelihood - smaller.log_likelihood).abs() < 1e-7);
    assert_eq!(full.degrees_of_freedom, smaller.degrees_of_freedom);

    // A penalty determines them all, but for the constant one.
    let penalized = infer(&blocks(&x, &y, None), json!({"reg_param": 0.1}), 0.95);
    assert!(penalized.terms.iter().all(|term| term.standard_error.is_some()));
    assert_eq!(penalized.terms.len(), 2 * 5);
}

#[test]
fn an_l1_penalty_leaves_estimates_and_says_why() {
    let (x, y) = rows();
    let found = infer(
        &blocks(&x, &y, None),
        json!({"reg_param": 0.01, "elastic_net_param": 1.0}),
        0.95,
    );
    assert_eq!(found.standard_errors, StandardErrors::None);
    assert!(
        found.problem.as_deref().is_some_and(|p| p.contains("L1 penalty")),
        "{found:?}"
    );
    assert!(
        found
            .terms
            .iter()
            .all(|term| term.standard_error.is_none() && term.odds_ratio.is_some())
    );
    assert_eq!(found.aic(), None);
}

#[test]
fn separation_is_told_where_there_is_some_and_nowhere_else() {
    let noise = |i: usize| ((i * 2_654_435_761 + 977) % 1_000_003) as f64 / 1_000_003.0 - 0.5;
    let x: Vec<Vec<f64>> = (0..240)
        .map(|i| vec![noise(i), noise(17 * i + 3), f64::from(u8::from(i % 40 == 0))])
        .collect();
    let told = |label: &dyn Fn(usize, &[f64]) -> f64, params: Value| {
        let y: Vec<f64> = x.iter().enumerate().map(|(i, x)| label(i, x)).collect();
        infer(&blocks(&x, &y, None), params, 0.95).separation
    };
    let noisy = |i: usize, x: &[f64]| f64::from(u8::from(x[0] + noise(29 * i + 7) > 0.1));
    let complete = |_: usize, x: &[f64]| f64::from(u8::from(x[0] - x[1] > 0.03));
    // Every row with x2 = 1 is of class 1, and there are no other ties to break.
    let quasi = |i: usize, x: &[f64]| if x[2] == 1.0 { 1.0 } else { noisy(i, x) };
    let three = |i: usize, x: &[f64]| if x[0] > 0.25 { 2.0 } else { noisy(i, x) };
    // All but one row are on their side: a very sure model, but a finite one.
    let nearly = |i: usize, x: &[f64]| {
        if i == 7 {
            1.0 - complete(i, x)
        } else {
            complete(i, x)
        }
    };
    for solver in [json!({}), newton(), json!({"tol": 1e-9, "max_iter": 1000})] {
        let with = |more: Value| {
            let mut params = solver.clone();
            for (key, value) in more.as_object().expect("a table") {
                params[key] = value.clone();
            }
            params
        };
        assert_eq!(told(&noisy, with(json!({}))), None, "{solver}");
        assert_eq!(told(&nearly, with(json!({}))), None, "{solver}");
        let text = told(&complete, with(json!({}))).expect("separated");
        assert!(
            text.starts_with("the classes are separated completely"),
            "{solver}: {text}"
        );
        let text = told(&quasi, with(json!({}))).expect("separated");
        assert!(
            text.starts_with("classes are separated, completely or but for ties by x2"),
            "{solver}: {text}"
        );
        assert!(told(&three, with(json!({}))).is_some(), "{solver}");
        // A penalty makes everything finite.
        let penalty = || with(json!({"reg_param": 0.01}));
        assert_eq!(told(&complete, penalty()), None, "{solver}");
        assert_eq!(told(&quasi, penalty()), None, "{solver}");
    }
}

#[test]
fn the_record_holds_no_number_that_json_lacks() {
    let x: Vec<Vec<f64>> = (0..40).map(|i| vec![f64::from(i)]).collect();
    let y: Vec<f64> = (0..40).map(|i| f64::from(u8::from(i >= 20))).collect();
    let found = infer(&blocks(&x, &y, None), json!({"max_iter": 500}), 0.95);
    let text = serde_json::to_string(&found).expect("plain data");
    assert_eq!(
        serde_json::from_str::<Inference>(&text).expect("what was written"),
        found
    );
    let csv = found.to_csv();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(!csv.contains("NaN") && !csv.contains("inf"), "{csv}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// A row of weight w is w rows; and neither the units of a feature nor its origin change its z.
    #[test]
    fn weights_are_frequencies_and_units_do_not_matter(
        weights in prop::collection::vec(1..4_usize, 300),
        scale in 0.1..1e3_f64,
        shift in -10.0..10.0_f64,
    ) {
        let (x, y) = rows();
        let x: Vec<Vec<f64>> = x.iter().map(|x| vec![x[0], x[1], x[4]]).collect();
        let w: Vec<f64> = weights.iter().map(|w| *w as f64).collect();
        let weighted = infer(&blocks(&x, &y, Some(&w)), newton(), 0.95);
        let rows = || weights.iter().enumerate().flat_map(|(i, w)| std::iter::repeat_n(i, *w));
        let moved = |i: usize| vec![x[i][0] * scale + shift, x[i][1], x[i][2]];
        let (x, y): (Vec<_>, Vec<_>) = rows().map(|i| (moved(i), y[i])).unzip();
        let repeated = infer(&blocks(&x, &y, None), newton(), 0.95);
        for (one, other) in weighted.terms.iter().zip(&repeated.terms) {
            if one.feature.is_none() {
                continue;
            }
            let (one, other) = (one.z.expect("determined"), other.z.expect("determined"));
            prop_assert!((one - other).abs() < 1e-6 * one.abs().max(1.0), "{} {}", one, other);
        }
    }
}
