//! Model files of former releases stay readable. The fixtures are what versions 1 and 2 wrote of the lab's second training.

use rookery_ml::{Column, ColumnData, DefaultValue, Frame, InvalidValues, Model};

use crate::fixtures;

const VERSION_1: &str = include_str!("../fixtures/model-v1.json");
const VERSION_2: &str = include_str!("../fixtures/model-v2.json");

fn lab_request() -> Frame {
    let numbers = [
        ("CulmenLength", 48.7),
        ("CulmenDepth", 14.1),
        ("FlipperLength", 210.0),
        ("BodyMass", 4450.0),
    ];
    let island = Column::new(ColumnData::Text(vec!["Biscoe".to_owned()]));
    let frame = Frame::new(1).with_column("Island", island);
    let frame = numbers.into_iter().fold(frame, |frame, (name, value)| {
        frame?.with_column(name, Column::new(ColumnData::Double(vec![value])))
    });
    frame.expect("columns fit")
}

#[test]
fn a_model_of_version_1_answers_as_ever() {
    let model = Model::from_json(VERSION_1).expect("version 1 is read");
    assert_eq!(
        (&model.profile, model.invalid_values),
        (&None, InvalidValues::default())
    );
    assert!(model.defaults.is_empty());
    answers_as_spark(&model);
}

#[test]
fn a_model_of_version_2_answers_as_ever_and_keeps_its_profile() {
    let model = Model::from_json(VERSION_2).expect("version 2 is read");
    assert_eq!(
        model.profile.as_ref().map(|profile| profile.columns.len()),
        Some(5)
    );
    answers_as_spark(&model);
    let json = model.to_json().expect("writable");
    assert_eq!(Model::from_json(&json).expect("readable"), model);
}

fn answers_as_spark(model: &Model) {
    let answer = model.predict(lab_request()).expect("a sound row");
    let spark = &fixtures::lab().request[0];
    assert_eq!(answer.prediction, [spark.prediction]);
    let difference = fixtures::worst(&answer.probability, &spark.probability);
    assert!(difference < 1e-14, "{answer:?}");
}

#[test]
fn defaults_are_kept_and_checked_when_they_are_read() {
    let mut model = Model::from_json(VERSION_1).expect("version 1 is read");
    let island = ("Island".to_owned(), DefaultValue::Text("Dream".to_owned()));
    let mass = ("BodyMass".to_owned(), DefaultValue::Integer(4000));
    model.defaults = [island, mass].into();
    let json = model.to_json().expect("writable");
    assert_eq!(Model::from_json(&json).expect("readable"), model);
    let wrong = json.replace("4000", "\"heavy\"");
    let error = Model::from_json(&wrong).expect_err("no number").to_string();
    assert!(
        error.contains("the default of column BodyMass is \"heavy\""),
        "{error}"
    );
    let unknown = json.replace("\"BodyMass\": 4000", "\"Wings\": 2");
    assert!(Model::from_json(&unknown).is_err());
}

#[test]
fn a_model_of_version_1_is_written_anew_without_loss() {
    let model = Model::from_json(VERSION_1).expect("version 1 is read");
    let json = model.to_json().expect("writable");
    assert!(json.contains("\"version\": 3"), "{json}");
    assert_eq!(Model::from_json(&json).expect("readable"), model);
}
