//! What is scored, what is left out, and what is refused.

use proptest::prelude::*;
use rookery_ml::{HandleInvalid, InvalidValue, InvalidValues, Model, Predictions};
use rookery_serving::{ScoreError, Scored, Scorer};

use crate::models::{Row, birds, frame, profile, strict_birds};

const GOOD: Row<'static> = (Some("Biscoe"), Some(48.7), Some(4450.0), Some(true));
const UNSEEN: Row<'static> = (Some("Atlantis"), Some(48.7), Some(4450.0), Some(true));
const NO_ISLAND: Row<'static> = (None, Some(48.7), Some(4450.0), Some(true));
const NO_MASS: Row<'static> = (Some("Biscoe"), Some(48.7), None, Some(true));

fn policies(null: InvalidValue, unseen: InvalidValue) -> InvalidValues {
    InvalidValues { null, unseen }
}

fn scorer(model: Model, policies: InvalidValues) -> Scorer {
    Scorer::with_policies(model, policies).expect("the references are known")
}

fn with_profile(mut model: Model) -> Model {
    model.profile = Some(profile());
    model
}

fn bits(predictions: &Predictions) -> Vec<u64> {
    let Predictions {
        raw,
        probability,
        prediction,
        ..
    } = predictions;
    let values = raw.iter().chain(probability).chain(prediction);
    values.map(|value| value.to_bits()).collect()
}

fn assert_same(scored: &Scored, expected: &Predictions) {
    assert_eq!(scored.predictions.rows, expected.rows);
    assert_eq!(bits(&scored.predictions), bits(expected));
}

fn message(scorer: &Scorer, rows: &[Row<'_>]) -> String {
    scorer
        .score(frame(rows))
        .expect_err("a value is wrong")
        .to_string()
}

#[test]
fn the_default_refuses_and_names_row_column_value_and_categories() {
    let scorer = Scorer::new(strict_birds());
    let error = scorer
        .score(frame(&[GOOD, UNSEEN, NO_MASS, NO_ISLAND]))
        .expect_err("three are wrong");
    assert_eq!(
        error.to_string(),
        "row 2, column island: got \"Atlantis\", expected a category that training has seen; allowed: Biscoe, Dream, \
         Torgersen\n\
         row 4, column island: got null, expected a category that training has seen; allowed: Biscoe, Dream, Torgersen\n\
         row 3, column mass: got null, expected a finite number (double)"
    );
    let ScoreError::Values(wrong) = error else {
        panic!("{error}")
    };
    assert_eq!((wrong.count, wrong.told[0].row), (3, 1));
}

#[test]
fn a_refusal_tells_of_ten_values_and_counts_the_others() {
    let scorer = Scorer::new(strict_birds());
    let message = message(&scorer, &[UNSEEN; 25]);
    assert_eq!(message.lines().count(), 11);
    assert!(message.ends_with("and 15 more values"), "{message}");
}

#[test]
fn infinities_and_nan_are_no_numbers() {
    let scorer = Scorer::new(strict_birds());
    for (mass, shown) in [(f64::NAN, "NaN"), (f64::NEG_INFINITY, "-inf")] {
        let row = (GOOD.0, GOOD.1, Some(mass), GOOD.3);
        let expected = format!("row 1, column mass: got {shown}, expected a finite number (double)");
        assert_eq!(message(&scorer, &[row]), expected);
    }
}

#[test]
fn keep_leaves_rows_without_an_answer_in_their_place() {
    let scorer = scorer(strict_birds(), policies(InvalidValue::Keep, InvalidValue::Keep));
    let scored = scorer
        .score(frame(&[UNSEEN, GOOD, NO_MASS, NO_ISLAND]))
        .expect("kept");
    let expected = strict_birds().predict(frame(&[GOOD])).expect("good");
    assert_eq!(scored.by_row(), [None, Some(expected.prediction[0]), None, None]);
    assert_eq!(bits(&scored.predictions), bits(&expected));
    assert_eq!((scored.unseen, scored.nulls, scored.rows), (1, 2, 4));
    assert_eq!(scored.predictions.rows, [1]);
}

#[test]
fn what_a_stage_was_trained_to_take_is_no_problem() {
    let rows = [UNSEEN, GOOD, NO_ISLAND];
    let kept = birds(HandleInvalid::Keep, HandleInvalid::Error);
    let expected = kept.predict(frame(&rows)).expect("kept");
    let scored = Scorer::new(kept).score(frame(&rows)).expect("kept");
    assert_same(&scored, &expected);
    assert_eq!(
        (scored.unseen, scored.nulls),
        (1, 1),
        "they are counted all the same"
    );

    let rows = [UNSEEN, GOOD, NO_MASS, NO_ISLAND];
    let skipped = birds(HandleInvalid::Skip, HandleInvalid::Skip);
    let expected = skipped.predict(frame(&rows)).expect("skipped");
    assert_eq!(expected.rows, [1]);
    assert_same(
        &Scorer::new(skipped).score(frame(&rows)).expect("skipped"),
        &expected,
    );
}

#[test]
fn an_assembler_that_keeps_nan_has_no_answer_for_it() {
    let model = birds(HandleInvalid::Error, HandleInvalid::Keep);
    assert!(message(&Scorer::new(model.clone()), &[NO_MASS]).contains("column mass: got null"));
    let scorer = scorer(model, policies(InvalidValue::Keep, InvalidValue::Error));
    assert_eq!(scorer.score(frame(&[NO_MASS])).expect("kept").by_row(), [None]);
}

#[test]
fn a_reference_takes_the_place_of_what_is_missing() {
    let reference = policies(InvalidValue::Reference, InvalidValue::Reference);
    let scorer = scorer(with_profile(strict_birds()), reference);
    let rows = [UNSEEN, NO_ISLAND, NO_MASS, (GOOD.0, GOOD.1, GOOD.2, None)];
    let scored = scorer.score(frame(&rows)).expect("references are known");
    // The most frequent category of the profile, not of the labels.
    let dream = (Some("Dream"), GOOD.1, GOOD.2, GOOD.3);
    let mean = (GOOD.0, GOOD.1, Some(4201.5), GOOD.3);
    let expected = strict_birds()
        .predict(frame(&[dream, dream, mean]))
        .expect("good");
    assert_eq!(scored.predictions.raw[..9], expected.raw[..]);
    assert_eq!(scored.features(3)[3], 0.5, "half of the birds are adult");
    assert_eq!((scored.unseen, scored.nulls), (1, 3));
}

#[test]
fn a_model_without_a_profile_knows_its_most_frequent_category_but_no_mean() {
    let unseen = scorer(
        strict_birds(),
        policies(InvalidValue::Error, InvalidValue::Reference),
    );
    let expected = strict_birds().predict(frame(&[GOOD])).expect("good");
    assert_same(
        &unseen.score(frame(&[UNSEEN])).expect("Biscoe is the first label"),
        &expected,
    );

    let null = policies(InvalidValue::Reference, InvalidValue::Error);
    let failure = Scorer::with_policies(strict_birds(), null).expect_err("no mean");
    assert_eq!(
        failure.message,
        "the model does not know the mean of column length"
    );
    // The same from a model file: a request that needs it is refused.
    let mut model = strict_birds();
    model.invalid_values = null;
    assert!(message(&Scorer::new(model), &[NO_MASS]).contains("row 1, column mass: got null"));
}

#[test]
fn contributions_add_up_to_the_raw_prediction() {
    let scorer = Scorer::new(strict_birds());
    let scored = scorer.score(frame(&[GOOD])).expect("good");
    let contributions = scorer.contributions(&scored.features(0));
    assert_eq!(
        scorer.feature_names(),
        ["island_index", "length", "mass", "adult"]
    );
    for (contribution, raw) in contributions.iter().zip(&scored.predictions.raw) {
        assert!((contribution.sum() - raw).abs() < 1e-12, "{contribution:?} {raw}");
    }
    assert_eq!(contributions.len(), 3);
    assert_eq!(contributions[1].intercept, -0.44);
}

#[test]
fn a_margin_that_is_no_number_is_no_answer() {
    let mut model = strict_birds();
    model.classifier.coefficient_matrix = vec![f64::MAX; 12];
    model.classifier.coefficient_matrix[2] = -f64::MAX;
    let rows = [GOOD, (Some("Torgersen"), Some(1e9), Some(1e30), Some(true))];
    let scored = Scorer::new(model).score(frame(&rows)).expect("finite values");
    assert_eq!(scored.by_row()[1], None, "{scored:?}");
    assert_eq!(scored.features(0).len(), 4);
}

#[test]
fn a_missing_column_is_named() {
    let error = Scorer::new(strict_birds())
        .score(rookery_ml::Frame::new(1))
        .expect_err("no columns");
    assert_eq!(error.to_string(), "unknown column island; available columns: ");
}

/// Any row: seen, unseen and missing values.
fn any_row() -> impl Strategy<Value = (Option<String>, Option<f32>, Option<f64>, Option<bool>)> {
    let island = prop_oneof!["Biscoe", "Dream", "Torgersen", "Atlantis", ".*"];
    (
        proptest::option::weighted(0.9, island),
        proptest::option::weighted(0.9, 0.0f32..100.0),
        proptest::option::weighted(0.9, prop_oneof![2e3..7e3, Just(f64::NAN)]),
        proptest::option::weighted(0.9, any::<bool>()),
    )
}

fn any_handling() -> impl Strategy<Value = HandleInvalid> {
    prop_oneof![
        Just(HandleInvalid::Error),
        Just(HandleInvalid::Skip),
        Just(HandleInvalid::Keep)
    ]
}

proptest! {
    /// What the model itself predicts, bit for bit; where it refuses, the scorer does.
    #[test]
    fn rows_get_the_models_own_bits(
        rows in proptest::collection::vec(any_row(), 1..20), indexer in any_handling(), skips in any::<bool>(),
    ) {
        let assembler = if skips { HandleInvalid::Skip } else { HandleInvalid::Error };
        let model = birds(indexer, assembler);
        let rows: Vec<Row<'_>> = rows.iter().map(|r| (r.0.as_deref(), r.1, r.2, r.3)).collect();
        let expected = model.predict(frame(&rows));
        let scored = Scorer::new(model).score(frame(&rows));
        match (expected, scored) {
            (Ok(expected), Ok(scored)) => assert_same(&scored, &expected),
            // A row that one stage skips another one does not see; the scorer looks at all of them.
            (Err(_), Err(ScoreError::Values(_))) | (Ok(_), Err(ScoreError::Values(_))) => {}
            (expected, scored) => panic!("{expected:?} {scored:?}"),
        }
    }

    /// With keep, every row that the model can score alone gets the same bits, and every other one no answer.
    #[test]
    fn kept_rows_line_up(rows in proptest::collection::vec(any_row(), 1..20)) {
        let rows: Vec<Row<'_>> = rows.iter().map(|r| (r.0.as_deref(), r.1, r.2, r.3)).collect();
        let scorer = scorer(strict_birds(), policies(InvalidValue::Keep, InvalidValue::Keep));
        let scored = scorer.score(frame(&rows)).expect("nothing is refused");
        for (row, position) in rows.iter().zip(scored.positions()) {
            match (strict_birds().predict(frame(&[*row])), position) {
                (Ok(alone), Some(position)) => {
                    let probability = scored.probabilities(position);
                    prop_assert_eq!(alone.probability, probability);
                }
                (Err(_), None) => {}
                (alone, position) => panic!("{row:?}: {alone:?} {position:?}"),
            }
        }
    }
}
