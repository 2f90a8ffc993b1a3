//! Every format's reader answers as the model does, and none trusts what it reads.

use proptest::prelude::*;
use rookery_ml::{Column, ColumnData, Family, Frame, Model};

use crate::check::FormatCheck;
use crate::parity::FormatParity;
use crate::testing::{Numbers, assembler, frame, indexer, lab, model, scaler};
use crate::{Comparison, Format, FormatError, ModelDirectory, Written, files_of};

/// The model's answers for `rows`, compared with those of each format that it was written in.
pub(crate) fn compared(model: &Model, rows: &Frame) -> Vec<(Format, FormatParity)> {
    let directory = ModelDirectory::new(model, 0).unwrap();
    let ours = model.predict(rows.clone()).unwrap();
    let compare = |written: &Written| {
        let check = FormatCheck::read(written).unwrap();
        (written.format, check.compare(&ours, rows))
    };
    directory.written().iter().map(compare).collect()
}

pub(crate) fn holds(name: &str, model: &Model, rows: &Frame, formats: &[Format]) {
    let compared = compared(model, rows);
    assert!(
        formats.iter().all(|f| compared.iter().any(|(own, _)| own == f)),
        "{name}: {compared:?}"
    );
    for (format, parity) in compared.iter().filter(|(format, _)| formats.contains(format)) {
        assert!(
            parity.holds(*format) && parity.max_difference < 1e-12,
            "{name}, {format}: {parity:?}"
        );
        assert_eq!(parity.rows as usize, rows.rows(), "{name}, {format}");
    }
}

/// The rows with islands that training has not seen.
fn with_unseen(rows: Frame) -> Frame {
    let mut fresh = Frame::new(rows.rows());
    for (name, column) in rows.columns() {
        let mut column = column.clone();
        if let ColumnData::Text(texts) = &mut column.data {
            texts.iter_mut().step_by(5).for_each(|text| text.push('?'));
            column.validity = Some((0..texts.len()).map(|row| row % 7 != 0).collect());
        }
        fresh = fresh.with_column(name, column).unwrap();
    }
    fresh
}

#[test]
fn families_and_thresholds() {
    let rows = frame(3000, 2);
    for (name, classes, family, thresholds) in [
        ("multinomial", 3, Family::Multinomial, None),
        ("multinomial of two", 2, Family::Multinomial, None),
        (
            "multinomial with thresholds",
            3,
            Family::Multinomial,
            Some(vec![0.5, 0.2, 0.9]),
        ),
        (
            "a threshold of 0",
            3,
            Family::Multinomial,
            Some(vec![0.5, 0.0, 0.9]),
        ),
        ("binomial", 2, Family::Binomial, None),
        ("binomial with a threshold", 2, Family::Binomial, Some(vec![0.8])),
        ("always", 2, Family::Binomial, Some(vec![0.0])),
        ("never", 2, Family::Binomial, Some(vec![1.0])),
    ] {
        holds(
            name,
            &model(&lab("error"), classes, family, thresholds),
            &rows,
            &Format::ALL,
        );
    }
}

#[test]
fn a_class_that_training_never_saw_stays_impossible() {
    let mut model = model(&lab("error"), 3, Family::Multinomial, None);
    model.classifier.intercepts[1] = f64::NEG_INFINITY;
    holds("impossible", &model, &frame(100, 2), &Format::ALL);
    model.classifier.intercepts[1] = f64::INFINITY;
    holds("certain", &model, &frame(100, 2), &Format::ALL);
}

#[test]
fn unseen_labels_and_nulls_are_kept_or_skipped() {
    let rows = with_unseen(frame(3000, 3));
    for handling in ["keep", "skip"] {
        holds(
            handling,
            &model(&lab(handling), 3, Family::Multinomial, None),
            &rows,
            &Format::ALL,
        );
        holds(
            handling,
            &model(&lab(handling), 2, Family::Binomial, None),
            &rows,
            &Format::ALL,
        );
    }
}

#[test]
fn rows_without_numbers_are_skipped_or_kept() {
    let stages = |handling: &str| {
        [
            indexer("island", "island_index", "keep"),
            assembler(&["holes", "gaps", "length"], "numbers", handling),
            scaler("numbers", "scaled"),
            assembler(&["scaled", "island_index"], "features", "keep"),
        ]
        .join(",")
    };
    let rows = frame(3000, 4);
    for (classes, family) in [(3, Family::Multinomial), (2, Family::Binomial)] {
        holds(
            "skip",
            &model(&stages("skip"), classes, family, None),
            &rows,
            &Format::ALL,
        );
        let kept = model(&stages("keep"), classes, family, None);
        holds("keep", &kept, &rows, &[Format::Onnx, Format::Spark]);
        // PMML has no NaN: rows without numbers have no result there, and the report says so.
        let compared = compared(&kept, &rows);
        let (_, pmml) = compared
            .iter()
            .find(|(format, _)| *format == Format::Pmml)
            .unwrap();
        assert!(
            pmml.differing_predictions > 300 && !pmml.holds(Format::Pmml),
            "{pmml:?}"
        );
    }
}

#[test]
fn labels_that_are_numbers() {
    for handling in ["error", "keep", "skip"] {
        let stages = [
            indexer("year", "year_index", handling),
            indexer("code", "code_index", handling),
            assembler(
                &["year_index", "code_index", "year", "length"],
                "features",
                "error",
            ),
        ]
        .join(",");
        holds(
            handling,
            &model(&stages, 3, Family::Multinomial, None),
            &frame(3000, 5),
            &Format::ALL,
        );
    }
    let nullable = [
        indexer("gaps", "gap_index", "keep"),
        indexer("gap_index", "again", "keep"),
        assembler(&["gap_index", "again", "wild"], "features", "error"),
    ]
    .join(",");
    holds(
        "nulls",
        &model(&nullable, 2, Family::Binomial, None),
        &frame(3000, 6),
        &Format::ALL,
    );
}

#[test]
fn a_comparison_leaves_out_the_rows_that_a_stage_of_the_label_skips() {
    let label = indexer("island", "species", "skip");
    let stages = [assembler(&["seconds", "length"], "features", "error"), label].join(",");
    let model = model(&stages, 3, Family::Multinomial, None);
    let written = ModelDirectory::new(&model, 0).unwrap().written().to_vec();
    let comparison = Comparison::read(&model.to_json().unwrap(), &written).unwrap();
    let rows = with_unseen(frame(70, 3));
    let there = model.pipeline.transform(rows.clone()).unwrap().rows() as u64;
    let parity = comparison.compare(rows).unwrap();
    for (format, parity) in &parity.0 {
        assert!(
            parity.rows == there && there < 70 && parity.holds(*format),
            "{format}: {parity:?}"
        );
    }
    assert_eq!(comparison.nothing().0.len(), 3);

    let mut broken = written.clone();
    broken[1].files.clear();
    let comparison = Comparison::read(&model.to_json().unwrap(), &broken).unwrap();
    let parity = comparison.compare(frame(9, 3)).unwrap();
    let spark = &parity.0[&Format::Spark];
    assert_eq!((spark.rows, spark.differing_predictions), (9, 9));
    assert_eq!(
        spark.error.as_deref(),
        Some("Spark ML: metadata/part-00000 is missing")
    );
    assert!(parity.0[&Format::Onnx].holds(Format::Onnx));
}

#[test]
fn spark_indexes_no_truth_values() {
    let stages = [
        indexer("wild", "wild_index", "keep"),
        assembler(&["wild_index", "length"], "features", "error"),
    ];
    let model = model(&stages.join(","), 2, Family::Binomial, None);
    holds("truths", &model, &frame(500, 7), &[Format::Onnx, Format::Pmml]);
    let directory = ModelDirectory::new(&model, 0).unwrap();
    let why = directory.not_written().get(&Format::Spark).unwrap();
    assert_eq!(
        why,
        "Spark ML can't say it: a StringIndexer over the boolean column wild"
    );
    let error = files_of(&model, Some(Format::Spark), 0).unwrap_err();
    assert!(
        matches!(
            error,
            FormatError::Unsupported {
                format: Format::Spark,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn what_the_model_refuses_each_format_refuses() {
    let model = model(&lab("error"), 3, Family::Multinomial, None);
    let rows = with_unseen(frame(50, 8));
    model.predict(rows.clone()).unwrap_err();
    let directory = ModelDirectory::new(&model, 0).unwrap();
    for written in directory.written() {
        let error = FormatCheck::read(written).unwrap().predict(&rows).unwrap_err();
        assert!(matches!(error, FormatError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("island"), "{error}");
    }
}

#[test]
fn names_that_collide_are_kept_apart() {
    let rows = (0..4).map(f64::from).collect::<Vec<_>>();
    let named =
        |name: &str, frame: Frame| frame.with_column(name, Column::new(ColumnData::Double(rows.clone())));
    let names = [
        "prediction",
        "probability",
        "probability_0",
        "row",
        "margins",
        "largest",
        "shape",
    ];
    let rows = names
        .iter()
        .try_fold(Frame::new(4), |frame, name| named(name, frame))
        .unwrap();
    let mut model = model(
        &assembler(&["seconds"], "features", "skip"),
        3,
        Family::Multinomial,
        None,
    );
    let kind = rookery_ml::ColumnKind::Double;
    model.inputs = names
        .map(|name| rookery_ml::InputColumn {
            name: name.to_owned(),
            kind,
        })
        .to_vec();
    let rookery_ml::FittedStage::VectorAssembler(stage) = &mut model.pipeline.stages[0] else {
        panic!()
    };
    stage.inputs = names.map(str::to_owned).to_vec();
    model.classifier.num_features = names.len();
    model.classifier.coefficient_matrix = (0..21).map(|i| f64::from(i % 5) - 2.0).collect();
    holds("collisions", &model, &rows, &Format::ALL);
}

#[test]
fn a_very_wide_model_is_written_where_its_zeros_cost_nothing() {
    let mut model = model(&lab("error"), 3, Family::Multinomial, None);
    model.classifier.num_features = 70_000;
    model.classifier.coefficient_matrix = vec![0.0; 210_000];
    let directory = ModelDirectory::new(&model, 0).unwrap();
    let written: Vec<Format> = directory.written().iter().map(|written| written.format).collect();
    assert_eq!(written, [Format::Spark]);
    let why = &directory.not_written()[&Format::Onnx];
    assert_eq!(
        why,
        "ONNX can't say it: the model has 70000 features, of which at most 65536 are written"
    );
}

#[test]
fn no_rows_have_an_answer_too() {
    let model = model(&lab("skip"), 3, Family::Multinomial, None);
    holds("nothing", &model, &frame(0, 1), &Format::ALL);
}

#[test]
fn a_directory_holds_what_mlflow_expects_and_is_the_same_each_time() {
    let model = model(&lab("error"), 3, Family::Multinomial, None);
    let directory = ModelDirectory::new(&model, 5).unwrap();
    let (files, description) = directory.describe(&crate::mlflow::Origin::default());
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    for path in [
        "model.json",
        "model.onnx",
        "model.pmml",
        "sparkml/metadata/part-00000",
        "code/rookery_onnx.py",
        "MLmodel",
        "input_example.json",
        "serving_input_example.json",
        "requirements.txt",
        "python_env.yaml",
        "conda.yaml",
    ] {
        assert!(paths.contains(&path), "{path} is missing: {paths:?}");
    }
    let stages = paths.iter().filter(|path| path.ends_with(".parquet")).count();
    assert_eq!(stages, 3, "two fitted stages and the classifier: {paths:?}");
    let again = ModelDirectory::new(&model, 5).unwrap();
    assert_eq!(
        again.describe(&crate::mlflow::Origin::default()),
        (files.clone(), description)
    );
    let example = files
        .iter()
        .find(|file| file.path == "serving_input_example.json")
        .unwrap();
    let example: serde_json::Value = serde_json::from_slice(&example.content).unwrap();
    let row = &example["dataframe_split"]["data"][0];
    let island = row[0].as_str().unwrap();
    assert!(
        frame(9, 1).column("island").unwrap().text(0).is_some() && !island.is_empty(),
        "{row}"
    );
    assert!(
        row[1].as_f64().unwrap() > 30.0,
        "a length in the middle of those seen: {row}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn spoilt_bytes_end_with_an_answer_or_an_error(seed in any::<u64>(), format in 0..3_usize, how in 0..4_u8) {
        let model = model(&lab("skip"), 3, Family::Multinomial, Some(vec![0.5, 0.2, 0.9]));
        let mut written = ModelDirectory::new(&model, 0).unwrap().written()[format].clone();
        let mut n = Numbers(seed);
        let file = n.below(written.files.len() as u64) as usize;
        let content = &mut written.files[file].content;
        let place = n.below(content.len() as u64) as usize;
        match how {
            0 => content.truncate(place),
            1 => content[place] = n.below(256) as u8,
            2 => (0..8).for_each(|_| {
                let place = n.below(content.len() as u64) as usize;
                content[place] ^= 1 << n.below(8);
            }),
            _ => {
                let piece = content[place..].to_vec();
                content.extend(piece);
            }
        }
        if let Ok(check) = FormatCheck::read(&written) {
            let _ = check.predict(&frame(20, 9));
        }
    }
}
