//! Models and rows for tests: pipelines fitted on made-up rows of every type, with made-up coefficients.

use rookery_ml::{
    Column, ColumnData, ColumnKind, Family, Frame, LogisticRegressionModel, Model, PipelineFit, PipelineSpec,
};

/// Numbers that look random and are the same on every machine.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.below(1 << 30) as f64 / f64::from(1 << 30))
    }
}

/// Columns of every type. `island` has labels with blanks and signs; `holes` has nulls and NaN, `gaps` nulls.
pub(crate) fn frame(rows: usize, seed: u64) -> Frame {
    let mut n = Numbers(seed);
    let islands = ["Biscoe", "Dream ペンギン", "<Torgersen & \"co\">", "x"];
    let mut column =
        |make: &mut dyn FnMut(&mut Numbers) -> f64| -> Vec<f64> { (0..rows).map(|_| make(&mut n)).collect() };
    let picks = column(&mut |n| n.below(4) as f64);
    let texts = picks
        .iter()
        .map(|pick| islands[*pick as usize].to_owned())
        .collect();
    let floats = column(&mut |n| n.between(30.0, 60.0))
        .into_iter()
        .map(|v| v as f32)
        .collect();
    let doubles = column(&mut |n| n.between(1.6e9, 1.7e9));
    let whole = column(&mut |n| n.below(5) as f64 - 2.0)
        .into_iter()
        .map(|v| v as i64)
        .collect();
    let truths = column(&mut |n| n.below(2) as f64)
        .into_iter()
        .map(|v| v == 1.0)
        .collect();
    let holes = column(&mut |n| {
        if n.below(9) == 0 {
            f64::NAN
        } else {
            n.between(-1.0, 1.0)
        }
    });
    let holes_there = column(&mut |n| n.below(7) as f64)
        .into_iter()
        .map(|v| v != 0.0)
        .collect();
    let gaps = column(&mut |n| n.below(100) as f64)
        .into_iter()
        .map(|v| v as i64)
        .collect();
    let gaps_there = column(&mut |n| n.below(6) as f64)
        .into_iter()
        .map(|v| v != 0.0)
        .collect();
    let codes = column(&mut |n| [0.5, 1e7, 39.1][n.below(3) as usize])
        .into_iter()
        .map(|v| v as f32)
        .collect();
    let nullable = |data, there: Vec<bool>| Column {
        data,
        validity: Some(there),
    };
    [
        ("island", Column::new(ColumnData::Text(texts))),
        ("length", Column::new(ColumnData::Float(floats))),
        ("seconds", Column::new(ColumnData::Double(doubles))),
        ("year", Column::new(ColumnData::Integer(whole))),
        ("wild", Column::new(ColumnData::Boolean(truths))),
        ("holes", nullable(ColumnData::Double(holes), holes_there)),
        ("gaps", nullable(ColumnData::Integer(gaps), gaps_there)),
        ("code", Column::new(ColumnData::Float(codes))),
    ]
    .into_iter()
    .try_fold(Frame::new(rows), |frame, (name, column)| {
        frame.with_column(name, column)
    })
    .unwrap()
}

/// The pipeline, fitted on made-up rows, before a classifier with made-up coefficients.
pub(crate) fn model(stages: &str, classes: usize, family: Family, thresholds: Option<Vec<f64>>) -> Model {
    let spec: PipelineSpec = serde_json::from_str(&format!("{{\"stages\": [{stages}]}}")).unwrap();
    let training = frame(200, 1);
    let mut fit = PipelineFit::new(spec);
    while let Some(pass) = fit.next_pass() {
        let mut statistics = pass.empty_statistics();
        pass.accumulate(&training, &mut statistics).unwrap();
        fit.complete(statistics).unwrap();
    }
    let pipeline = fit.finish().unwrap();
    // Some stages refuse the NaN that a later row has.
    let first_rows: Vec<bool> = (0..training.rows()).map(|row| row < 16).collect();
    let transformed = pipeline
        .transform(training.clone().retain(&first_rows).unwrap())
        .unwrap();
    let width = match &transformed.column("features").unwrap().data {
        ColumnData::Vector { width, .. } => *width,
        ColumnData::Sparse(vectors) => vectors.width(),
        _ => panic!("features are a vector"),
    };
    let mut n = Numbers(7);
    let rows = family.coefficient_rows(classes);
    let mut coefficients = |count: usize| (0..count).map(|_| n.between(-2.0, 2.0)).collect::<Vec<f64>>();
    let classifier = LogisticRegressionModel {
        family,
        num_classes: classes,
        num_features: width,
        coefficient_matrix: coefficients(rows * width),
        intercepts: coefficients(rows),
        threshold: (family == Family::Binomial).then(|| thresholds.as_ref().map_or(0.5, |t| t[0])),
        thresholds: thresholds.filter(|_| family == Family::Multinomial),
    };
    let columns: Vec<(String, ColumnKind)> = training
        .columns()
        .iter()
        .map(|(name, column)| (name.clone(), column.kind()))
        .collect();
    Model::new(&columns, pipeline, "features", "species", classifier).unwrap()
}

pub(crate) fn indexer(input: &str, output: &str, handle_invalid: &str) -> String {
    format!(
        r#"{{"type": "StringIndexer", "input": "{input}", "output": "{output}", "handle_invalid": "{handle_invalid}"}}"#
    )
}

pub(crate) fn assembler(inputs: &[&str], output: &str, handle_invalid: &str) -> String {
    let inputs = inputs
        .iter()
        .map(|input| format!("{input:?}"))
        .collect::<Vec<_>>()
        .join(",");
    format!(
        r#"{{"type": "VectorAssembler", "inputs": [{inputs}], "output": "{output}", "handle_invalid": "{handle_invalid}"}}"#
    )
}

pub(crate) fn scaler(input: &str, output: &str) -> String {
    format!(
        r#"{{"type": "MinMaxScaler", "input": "{input}", "output": "{output}", "min": -1.0, "max": 2.0}}"#
    )
}

/// The lab's pipeline over columns of every type.
pub(crate) fn lab(handle_invalid: &str) -> String {
    [
        indexer("island", "island_index", handle_invalid),
        assembler(&["length", "seconds", "year", "wild"], "numbers", "error"),
        scaler("numbers", "scaled"),
        assembler(&["island_index", "scaled"], "features", "error"),
    ]
    .join(",")
}
