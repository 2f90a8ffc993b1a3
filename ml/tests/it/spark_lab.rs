//! The lab's runs, end to end: raw rows → stages → training → model → metrics, against Spark's answers.

use rookery_ml::{
    BlockBuilder, Column, ColumnData, ColumnKind, Fit, FittedPipeline, FittedStage, Frame,
    LogisticRegressionModel, Metric, Model, MulticlassMetrics, PipelineFit, PipelineSpec, TerminationReason,
    fit_blocks,
};
use serde_json::json;

use crate::fixtures::{self, LabRun, worst};

fn pipeline_spec() -> PipelineSpec {
    serde_json::from_value(json!({"stages": [
        {"type": "StringIndexer", "input": "Island", "output": "IslandIdx"},
        {"type": "VectorAssembler", "inputs": ["CulmenLength", "CulmenDepth", "FlipperLength", "BodyMass"],
         "output": "numericFeatures"},
        {"type": "MinMaxScaler", "input": "numericFeatures", "output": "normalizedFeatures"},
        {"type": "VectorAssembler", "inputs": ["IslandIdx", "normalizedFeatures"], "output": "features"},
    ]}))
    .expect("the lab's pipeline")
}

fn schema(frame: &Frame) -> Vec<(String, ColumnKind)> {
    frame
        .columns()
        .iter()
        .map(|(name, column)| (name.clone(), column.kind()))
        .collect()
}

fn fit_pipeline(frame: &Frame) -> FittedPipeline {
    let spec = pipeline_spec();
    spec.check(&schema(frame)).expect("the lab's pipeline is right");
    let mut fit = PipelineFit::new(spec);
    while let Some(pass) = fit.next_pass() {
        let mut statistics = pass.empty_statistics();
        pass.accumulate(frame, &mut statistics).expect("rows are fine");
        fit.complete(statistics).expect("of this pass");
    }
    fit.finish().expect("all fitted")
}

/// Trains one run of the lab from its raw rows.
fn train(run: &LabRun) -> (Fit, Model) {
    let frame = fixtures::train_rows();
    let columns = schema(&frame);
    let pipeline = fit_pipeline(&frame);
    let mut builder = BlockBuilder::new(5);
    let transformed = pipeline.transform(frame).expect("rows are fine");
    builder
        .push_frame(&transformed, "features", "Species", None)
        .expect("rows are fine");
    let params = fixtures::params(json!({"max_iter": run.max_iter, "reg_param": run.reg_param}));
    let fit = fit_blocks(&params, &builder.finish()).expect("it trains");
    let classifier = LogisticRegressionModel::new(&fit, &params).expect("sizes agree");
    let model = Model::new(&columns, pipeline, "features", "Species", classifier).expect("columns are there");
    (fit, model)
}

/// The two unconverged runs: iteration by iteration the same.
fn lab_runs() -> Vec<LabRun> {
    fixtures::lab()
        .lab_runs
        .into_iter()
        .filter(|run| run.reg_param > 0.0)
        .collect()
}

fn check_fit(run: &LabRun, fit: &Fit) {
    let name = format!("lab ({}, {})", run.max_iter, run.reg_param);
    assert_eq!(fit.iterations, run.total_iterations, "{name}");
    assert_eq!(fit.termination, TerminationReason::MaxIterations, "{name}");
    let history = worst(&fit.objective_history, &run.objective_history);
    let coefficients = worst(&fit.coefficient_matrix, &run.coefficient_matrix.concat());
    let intercepts = worst(&fit.intercepts, &run.intercept_vector);
    assert!(
        history <= 1e-12 && coefficients <= 1e-9 && intercepts <= 1e-9,
        "{name}: history {history:e} coefficients {coefficients:e} intercepts {intercepts:e}"
    );
}

#[test]
fn sparks_features_give_sparks_coefficients() {
    let rows = fixtures::train_features();
    let runs = lab_runs();
    assert_eq!(runs.len(), 2);
    for run in runs {
        let params = fixtures::params(json!({"max_iter": run.max_iter, "reg_param": run.reg_param}));
        let fit = fit_blocks(&params, &fixtures::blocks(&rows, None)).expect("it trains");
        check_fit(&run, &fit);
        // Every first step of a line search was good here, and no accepted point is evaluated again.
        assert_eq!(fit.evaluations, fit.objective_history.len());
    }
}

#[test]
fn without_a_penalty_the_whole_descent_is_sparks() {
    let run = fixtures::lab()
        .lab_runs
        .into_iter()
        .find(|run| run.reg_param == 0.0)
        .expect("the default run");
    let params = fixtures::params(json!({"max_iter": run.max_iter, "reg_param": 0.0}));
    let fit = fit_blocks(&params, &fixtures::blocks(&fixtures::train_features(), None)).expect("it trains");
    assert_eq!(fit.iterations, run.total_iterations);
    assert!(fit.termination.converged(), "{}", fit.termination);
    let history = worst(&fit.objective_history, &run.objective_history);
    // The classes are separable: coefficients of some hundreds, still growing, so rounding shows in them first.
    let coefficients = worst(&fit.coefficient_matrix, &run.coefficient_matrix.concat());
    assert!(
        history <= 1e-12 && coefficients <= 1e-6,
        "history {history:e} coefficients {coefficients:e}"
    );
}

#[test]
fn raw_rows_give_sparks_stages_coefficients_and_scores() {
    for run in lab_runs() {
        let (fit, model) = train(&run);
        check_fit(&run, &fit);
        for stage in &model.pipeline.stages {
            match stage {
                FittedStage::StringIndexer(stage) => assert_eq!(stage.labels[0], run.string_indexer_labels),
                FittedStage::MinMaxScaler(stage) => {
                    assert_eq!(stage.original_min, run.original_min);
                    assert_eq!(stage.original_max, run.original_max);
                }
                _ => {}
            }
        }
        let predictions = model.predict(fixtures::test_rows()).expect("rows are fine");
        let stored = &run.test_predictions;
        let classes: Vec<f64> = stored.iter().map(|row| row.prediction).collect();
        assert_eq!(predictions.prediction, classes);
        let raw: Vec<f64> = stored.iter().flat_map(|row| row.raw_prediction.clone()).collect();
        let probability: Vec<f64> = stored.iter().flat_map(|row| row.probability.clone()).collect();
        assert!(
            worst(&predictions.raw, &raw) < 1e-12 && worst(&predictions.probability, &probability) < 1e-12
        );
    }
}

fn check_metrics(
    metrics: &MulticlassMetrics,
    expected: &serde_json::Map<String, serde_json::Value>,
    at_least: usize,
) {
    assert!(expected.len() >= at_least, "{expected:?}");
    for (name, value) in expected {
        let metric: Metric = name.parse().expect("a metric of Spark's");
        let (ours, sparks) = (
            metrics.evaluate(metric).expect("label 0 has rows"),
            value.as_f64(),
        );
        let sparks = sparks.expect("a number");
        if metric == Metric::LogLoss {
            assert!((ours - sparks).abs() < 1e-12, "{name}: {ours} {sparks}");
        } else {
            assert_eq!(ours.to_bits(), sparks.to_bits(), "{name}: {ours} {sparks}");
        }
    }
}

#[test]
fn every_metric_is_sparks_to_the_bit() {
    for run in lab_runs() {
        let (_, model) = train(&run);
        let metrics = model
            .evaluate(fixtures::test_rows(), "Species", None)
            .expect("labels are fine");
        check_metrics(&metrics, &run.test_metrics, 14);
        let train = model
            .evaluate(fixtures::train_rows(), "Species", None)
            .expect("labels are fine");
        check_metrics(&train, &run.train_metrics, 3);
        for cell in &metrics.cells {
            assert_eq!(
                cell.weight,
                run.confusion[cell.label as usize][cell.prediction as usize]
            );
        }
        assert_eq!(metrics.cells.iter().map(|cell| cell.weight).sum::<f64>(), 88.0);
    }
}

#[test]
fn the_metrics_printed_in_the_lab() {
    let expected = [
        [0.9545454545454546, 0.9545454545454545, 0.9581105169340464],
        [0.9659090909090909, 0.9659090909090908, 0.9679545454545454],
    ];
    for (run, values) in lab_runs().iter().zip(expected) {
        let (_, model) = train(run);
        let metrics = model
            .evaluate(fixtures::test_rows(), "Species", None)
            .expect("labels are fine");
        let names = [
            Metric::Accuracy,
            Metric::WeightedRecall,
            Metric::WeightedPrecision,
        ];
        assert_eq!(
            names.map(|metric| metrics.evaluate(metric).expect("labels have rows")),
            values
        );
    }
}

/// Bits, not values: this line fails on a machine, compiler or optimisation level that rounds differently.
#[test]
fn the_bits_are_the_same_on_every_machine() {
    let sums: Vec<String> = lab_runs()
        .iter()
        .map(|run| train(run).1.classifier.coefficients_sha256())
        .collect();
    let expected = [
        "8f9d4799c2a147cc9c44bebaebd9736e72b7942722d531705b00e6e289ffe329",
        "c6e1fa6ab034c095176a0b6f6f2987c43f3e4bc9e9f3410a5d235ea832b19e4f",
    ];
    assert_eq!(sums, expected);
}

#[test]
fn a_stored_model_answers_the_labs_request_like_spark() {
    let lab = fixtures::lab();
    let run = lab_runs().pop().expect("the (10, 0.2) run");
    let json = train(&run).1.to_json().expect("writable");
    let model = Model::from_json(&json).expect("readable");
    let mut frame = Frame::new(1)
        .with_column("Island", Column::new(ColumnData::Text(vec!["Biscoe".to_owned()])))
        .expect("one column");
    for (name, value) in [
        ("CulmenLength", 48.7),
        ("CulmenDepth", 14.1),
        ("FlipperLength", 210.0),
        ("BodyMass", 4450.0),
    ] {
        frame = frame
            .with_column(name, Column::new(ColumnData::Double(vec![value])))
            .expect("fits");
    }
    let predictions = model.predict(frame).expect("a request without label");
    assert_eq!(predictions.prediction, [lab.request[0].prediction]);
    assert!(
        worst(&predictions.probability, &lab.request[0].probability) < 1e-9,
        "{predictions:?}"
    );
    assert!(
        worst(
            &predictions.probability,
            &[0.0637290036, 0.7962890834, 0.1399819129]
        ) < 1e-9
    );
}
