//! Model files that earlier releases wrote stay readable.

use rookery_ml::{InvalidValues, Model};

use crate::fixtures;

#[test]
fn a_model_of_version_1_predicts_as_it_did() {
    let text = include_str!("../fixtures/model_v1.json");
    assert!(text.contains("\"version\": 1"));
    let model = Model::from_json(text).expect("readable");
    assert_eq!(
        (model.profile.as_ref(), model.invalid_values),
        (None, InvalidValues::default())
    );
    assert_eq!(
        model.coefficients_sha256(),
        "922da73a084ae9ab171ada6b8ba76ef1fa1224bcf6839e38533ce941e89887a6"
    );
    let predictions = model.predict(fixtures::train_rows()).expect("the lab's rows");
    assert_eq!(predictions.rows.len(), 254);
    // Written again it is of the present version, and the same model.
    let again = model.to_json().expect("writable");
    assert!(again.contains("\"version\": 2"));
    assert_eq!(Model::from_json(&again), Ok(model));
}
