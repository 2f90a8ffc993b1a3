//! Models to score with.

use rookery_ml::{
    Column, ColumnData, ColumnKind, ColumnProfile, Family, FittedMinMaxScaler, FittedPipeline, FittedStage,
    FittedStringIndexer, Frame, HandleInvalid, LogisticRegressionModel, MinMaxScaler, Model, Profile,
    StringIndexer, ValueProfile, VectorAssembler,
};

/// The lab's pipeline: `island` (string) is indexed, `length` (float), `mass` (double) and `adult` (boolean) are scaled.
pub(crate) fn birds(indexer: HandleInvalid, assembler: HandleInvalid) -> Model {
    let labels = ["Biscoe", "Dream", "Torgersen"].map(str::to_string).to_vec();
    let params = StringIndexer {
        input: Some("island".into()),
        output: Some("island_index".into()),
        handle_invalid: indexer,
        ..StringIndexer::default()
    };
    let numbers = ["length", "mass", "adult"].map(str::to_string).to_vec();
    let stages = vec![
        FittedStage::StringIndexer(FittedStringIndexer {
            params,
            labels: vec![labels],
        }),
        FittedStage::VectorAssembler(VectorAssembler {
            inputs: numbers,
            output: "numbers".into(),
            handle_invalid: assembler,
        }),
        FittedStage::MinMaxScaler(FittedMinMaxScaler {
            params: MinMaxScaler {
                input: "numbers".into(),
                output: "scaled".into(),
                min: 0.0,
                max: 1.0,
            },
            original_min: vec![32.1, 2700.0, 0.0],
            original_max: vec![59.6, 6300.0, 1.0],
        }),
        FittedStage::VectorAssembler(VectorAssembler {
            inputs: vec!["island_index".into(), "scaled".into()],
            output: "features".into(),
            handle_invalid: HandleInvalid::Error,
        }),
    ];
    let classifier = LogisticRegressionModel {
        family: Family::Multinomial,
        num_classes: 3,
        num_features: 4,
        coefficient_matrix: vec![0.3, -1.7, 0.2, 0.01, -0.6, 0.4, 1.9, -0.02, 0.3, 1.3, -2.1, 0.01],
        intercepts: vec![0.31, -0.44, 0.13],
        threshold: None,
        thresholds: None,
    };
    let columns = [
        ("island", ColumnKind::Text),
        ("length", ColumnKind::Float),
        ("mass", ColumnKind::Double),
        ("adult", ColumnKind::Boolean),
        ("species", ColumnKind::Integer),
    ];
    let columns = columns.map(|(name, kind)| (name.to_string(), kind));
    Model::new(
        &columns,
        FittedPipeline { stages },
        "features",
        "species",
        classifier,
    )
    .expect("it fits")
}

/// The birds whose every stage refuses what it can't use.
pub(crate) fn strict_birds() -> Model {
    birds(HandleInvalid::Error, HandleInvalid::Error)
}

/// What the birds looked like in training.
pub(crate) fn profile() -> Profile {
    let numbers = |name: &str, mean: f64, edges: &[f64], counts: &[u64]| ColumnProfile {
        name: name.into(),
        nulls: 0,
        values: ValueProfile::Numbers {
            mean,
            edges: edges.to_vec(),
            counts: counts.to_vec(),
        },
    };
    let islands = [("Dream", 124), ("Biscoe", 100), ("Torgersen", 52)];
    Profile {
        rows: 276,
        columns: vec![
            ColumnProfile {
                name: "island".into(),
                nulls: 0,
                values: ValueProfile::Categories {
                    counts: islands.map(|(name, count)| (name.to_string(), count)).to_vec(),
                    others: 0,
                },
            },
            numbers("length", 43.9, &[40.0, 45.0], &[76, 100, 100]),
            numbers("mass", 4201.5, &[4000.0], &[138, 138]),
            numbers("adult", 0.5, &[0.0], &[138, 138]),
        ],
        predictions: vec![30, 20, 18],
    }
}

/// Island, length, mass, and whether it is adult.
pub(crate) type Row<'a> = (Option<&'a str>, Option<f32>, Option<f64>, Option<bool>);

/// Rows for the birds; `None` is null.
pub(crate) fn frame(rows: &[Row<'_>]) -> Frame {
    let column = |data, validity: Vec<bool>| Column {
        data,
        validity: validity.contains(&false).then_some(validity),
    };
    let islands = rows
        .iter()
        .map(|row| row.0.unwrap_or_default().to_string())
        .collect();
    let lengths = rows.iter().map(|row| row.1.unwrap_or_default()).collect();
    let masses = rows.iter().map(|row| row.2.unwrap_or_default()).collect();
    let adults = rows.iter().map(|row| row.3.unwrap_or_default()).collect();
    let columns = [
        (
            "island",
            ColumnData::Text(islands),
            rows.iter().map(|r| r.0.is_some()).collect(),
        ),
        (
            "length",
            ColumnData::Float(lengths),
            rows.iter().map(|r| r.1.is_some()).collect(),
        ),
        (
            "mass",
            ColumnData::Double(masses),
            rows.iter().map(|r| r.2.is_some()).collect(),
        ),
        (
            "adult",
            ColumnData::Boolean(adults),
            rows.iter().map(|r| r.3.is_some()).collect(),
        ),
    ];
    let mut frame = Frame::new(rows.len());
    for (name, data, validity) in columns {
        frame = frame
            .with_column(name, column(data, validity))
            .expect("equal lengths");
    }
    frame
}
