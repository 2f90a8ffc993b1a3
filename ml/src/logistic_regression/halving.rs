//! Successive halving: of trainings side by side those that do worst on the validation rows are given up (Jamieson and
//! Talwalkar, Non-stochastic best arm identification and hyperparameter optimization, AISTATS 2016).

use super::early_stopping::EarlyStoppingParams;
use super::training::Training;

/// Returns the positions of the trainings to stop now, ascending.
///
/// After `halve_after` looks, twice as many, four times as many and so on, those that are left are ranked by the best value
/// that each has had by then, and the worse half is given up; of two that are equal the first is better, and a value that
/// could not be measured is the worst. A training that has finished by itself stays in the ranking with what it has. Nothing is
/// decided before every training that goes on has had so many looks, and what was decided once is decided again: the answer
/// follows from the looks alone.
pub fn outperformed(params: &EarlyStoppingParams, trainings: &[&Training]) -> Vec<usize> {
    let Some(mut looks) = params.halve_after else {
        return Vec::new();
    };
    let goes_on = |position: &usize| trainings[*position].termination().is_none();
    let mut left: Vec<usize> = (0..trainings.len()).collect();
    let mut given_up = Vec::new();
    while left.len() > 1 && left.iter().any(goes_on) {
        let is_waited_for =
            |position: &usize| goes_on(position) && trainings[*position].looks().len() < looks;
        if left.iter().any(is_waited_for) {
            break;
        }
        let best = |position: &usize| best_of(params, trainings[*position], looks);
        left.sort_by(|a, b| best(a).total_cmp(&best(b)).then(a.cmp(b)));
        let worse = left.split_off(left.len().div_ceil(2));
        given_up.extend(worse.into_iter().filter(goes_on));
        looks = looks.saturating_mul(2);
    }
    given_up.sort_unstable();
    given_up
}

/// The best of a training's first `looks` values, the sign turned so that less is better.
fn best_of(params: &EarlyStoppingParams, training: &Training, looks: usize) -> f64 {
    let sign = if params.metric.higher_is_better() {
        -1.0
    } else {
        1.0
    };
    let first = &training.looks()[..looks.min(training.looks().len())];
    let values = first.iter().map(|look| sign * look.value);
    values
        .filter(|value| !value.is_nan())
        .fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::TerminationReason;
    use crate::summary::Summary;

    const NONE: [usize; 0] = [];

    fn params(json: &str) -> EarlyStoppingParams {
        serde_json::from_str(json).expect("parameters")
    }

    /// A training that has had these looks.
    fn training(params: &EarlyStoppingParams, values: &[f64]) -> Training {
        let summary = Summary {
            rows: 9,
            weight_sum: 9.0,
            weight_square_sum: 9.0,
            mean: vec![0.0],
            m2: vec![1.0],
            label_weights: vec![4.0, 5.0],
            ..Summary::default()
        };
        let valid = serde_json::from_str("{}").expect("defaults");
        let training = Training::new(&valid, &summary).expect("good rows");
        let mut training = training.with_early_stopping(params.clone());
        values.iter().for_each(|value| training.validated(*value));
        training
    }

    fn stopped(params: &EarlyStoppingParams, trainings: &[Training]) -> Vec<usize> {
        outperformed(params, &trainings.iter().collect::<Vec<_>>())
    }

    #[test]
    fn the_worse_half_goes_once_all_have_been_looked_at() {
        let params = params(r#"{"halve_after": 2, "patience": 99}"#);
        let looks: [&[f64]; 5] = [&[0.9, 0.5], &[0.4, 0.8], &[0.7, 0.6], &[0.9, 0.3], &[0.5, 0.5]];
        let mut trainings: Vec<Training> = looks.iter().map(|looks| training(&params, looks)).collect();
        assert_eq!(stopped(&params, &trainings[..1]), NONE, "one alone");
        // Of the first and the last, which are equal, the first is better.
        assert_eq!(stopped(&params, &trainings), [2, 4]);
        assert_eq!(stopped(&params, &trainings), [2, 4], "asked twice");
        for position in [2, 4] {
            trainings[position].stop(TerminationReason::Outperformed);
        }
        assert_eq!(stopped(&params, &trainings), NONE);
        // The next ranking is after four looks: what the losers had does not keep them in.
        for (position, value) in [(0, 0.45), (1, 0.41), (3, 0.35), (0, 0.2), (1, 0.40)] {
            trainings[position].validated(value);
            assert_eq!(
                stopped(&params, &trainings),
                NONE,
                "the fourth has not had its look"
            );
        }
        trainings[3].validated(0.9);
        assert_eq!(stopped(&params, &trainings), [1]);
    }

    #[test]
    fn those_that_finished_are_ranked_and_nothing_beats_what_could_be_measured() {
        let params = params(r#"{"metric": "accuracy", "halve_after": 2, "patience": 99}"#);
        let mut trainings = vec![
            training(&params, &[f64::NAN, f64::NAN]),
            training(&params, &[0.9]),
            training(&params, &[0.1, 0.8]),
        ];
        trainings[1].stop(TerminationReason::Deadline);
        assert_eq!(stopped(&params, &trainings), [0]);
        let never = EarlyStoppingParams {
            halve_after: None,
            ..params
        };
        assert_eq!(stopped(&never, &trainings), NONE);
    }
}
