//! What a careful user would want to be told of a training: of its rows, of where it stopped, of what its coefficients are
//! worth. Each warning has a name, for tags and filters, and a sentence, for people.

use serde::{Deserialize, Serialize};

use crate::inference::{Inference, separates};
use crate::logistic_regression::{Fit, LogisticRegressionParams};
use crate::optimizer::TerminationReason;
use crate::summary::Summary;

/// A class with less than this part of the weight is rare.
const RARE: f64 = 0.01;
/// Most names in a sentence.
const MAX_NAMES: usize = 8;
/// The root of the condition number above which the coefficients are told badly apart (Belsley, Kuh and Welsch, Regression
/// Diagnostics, 1980, §3.2, of the condition index).
const LARGE_CONDITION_INDEX: f64 = 30.0;

/// Something to be wary of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warning {
    /// What it is.
    pub kind: WarningKind,
    /// What it is, with names and numbers.
    pub text: String,
}

/// What there is to be wary of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// The optimiser ended without convergence.
    NotConverged,
    /// Features that are the same in all rows.
    ConstantFeatures,
    /// Features that are linear combinations of others.
    CollinearFeatures,
    /// Coefficients that the rows hardly tell apart.
    IllConditioned,
    /// Classes that a plane separates.
    Separation,
    /// A class with hardly any rows.
    RareClass,
    /// Classes without rows below the largest label.
    EmptyClass,
}

impl WarningKind {
    /// Returns whether it is about the rows alone, whatever is trained on them.
    pub fn is_of_rows(self) -> bool {
        matches!(
            self,
            WarningKind::ConstantFeatures | WarningKind::RareClass | WarningKind::EmptyClass
        )
    }

    /// Returns the name, e.g. `not_converged`.
    pub fn name(self) -> &'static str {
        match self {
            WarningKind::NotConverged => "not_converged",
            WarningKind::ConstantFeatures => "constant_features",
            WarningKind::CollinearFeatures => "collinear_features",
            WarningKind::IllConditioned => "ill_conditioned",
            WarningKind::Separation => "separation",
            WarningKind::RareClass => "rare_class",
            WarningKind::EmptyClass => "empty_class",
        }
    }
}

impl Warning {
    fn new(kind: WarningKind, text: String) -> Self {
        Warning { kind, text }
    }

    /// Returns what is to be said of the training rows, before any weights of classes. `names` are those of the features.
    pub fn of_rows(summary: &Summary, names: &[String]) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let constant: Vec<String> = summary
            .std()
            .iter()
            .enumerate()
            .filter(|(_, std)| **std == 0.0)
            .map(|(feature, _)| name_of(names, feature))
            .collect();
        if !constant.is_empty() {
            let text = format!(
                "the same in all rows, so without effect (coefficient 0): {}",
                listed(&constant)
            );
            warnings.push(Warning::new(WarningKind::ConstantFeatures, text));
        }
        let classes = summary.label_weights.iter().enumerate();
        let empty: Vec<String> = classes
            .clone()
            .filter(|(_, weight)| **weight <= 0.0)
            .map(|(class, _)| class.to_string())
            .collect();
        if !empty.is_empty() {
            let text = format!(
                "no training row is of class {}, though there are larger labels",
                listed(&empty)
            );
            warnings.push(Warning::new(WarningKind::EmptyClass, text));
        }
        let is_rare = |weight: f64| weight > 0.0 && weight < RARE * summary.weight_sum;
        let rare: Vec<String> = classes
            .filter(|(_, weight)| is_rare(**weight))
            .map(|(class, weight)| format!("{class} ({:.3} %)", 100.0 * weight / summary.weight_sum))
            .collect();
        if !rare.is_empty() {
            let text = format!(
                "hardly any of the training rows are of class {}; class_weight gives such rows more weight",
                listed(&rare)
            );
            warnings.push(Warning::new(WarningKind::RareClass, text));
        }
        warnings
    }

    /// Returns what is to be said of how a training over rows of `summary` ended.
    pub fn of_fit(fit: &Fit, params: &LogisticRegressionParams, summary: &Summary) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if !fit.termination.converged() && fit.termination != TerminationReason::EarlyStopping {
            let text = format!(
                "did not converge: {} after {} iterations, gradient norm {:e}",
                fit.termination.name(),
                fit.iterations,
                fit.gradient_norm
            );
            warnings.push(Warning::new(WarningKind::NotConverged, text));
        }
        // Without a penalty the objective is the mean loss.
        let loss_sum = fit.objective_history.last().map(|mean| mean * summary.weight_sum);
        let is_loss = params.reg_param == 0.0 && fit.best_iteration.is_none() && fit.iterations > 0;
        if is_loss && loss_sum.is_some_and(|sum| separates(sum, summary)) {
            let text = "the classes are separated completely: the most likely coefficients are infinite, and those of this \
                        fit only show where it stopped; a penalty (reg_param) makes them finite";
            warnings.push(Warning::new(WarningKind::Separation, text.to_owned()));
        }
        warnings
    }

    /// Returns what the passes after a training found.
    pub fn of_inference(inference: &Inference) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let combined: Vec<String> = inference
            .left_out
            .iter()
            .filter(|left_out| !left_out.combination_of.is_empty())
            .map(|left_out| format!("{} (of {})", left_out.name, listed(&left_out.combination_of)))
            .collect();
        if !combined.is_empty() {
            let text = format!(
                "linear combinations of other features, so that only a penalty decides between their coefficients: {}",
                listed(&combined)
            );
            warnings.push(Warning::new(WarningKind::CollinearFeatures, text));
        }
        if let Some(separation) = &inference.separation {
            warnings.push(Warning::new(WarningKind::Separation, separation.clone()));
        }
        let index = inference.condition_number.map(f64::sqrt);
        if let Some(index) =
            index.filter(|index| *index > LARGE_CONDITION_INDEX && inference.separation.is_none())
        {
            let text = format!(
                "the rows hardly tell some coefficients apart: condition index {index:.0} of the scaled information, \
                 {LARGE_CONDITION_INDEX} is large"
            );
            warnings.push(Warning::new(WarningKind::IllConditioned, text));
        }
        warnings
    }
}

fn name_of(names: &[String], feature: usize) -> String {
    names
        .get(feature)
        .cloned()
        .unwrap_or_else(|| format!("[{feature}]"))
}

fn listed(names: &[String]) -> String {
    match names.split_at_checked(MAX_NAMES) {
        Some((first, rest)) if !rest.is_empty() => format!("{} and {} more", first.join(", "), rest.len()),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linfa_api::fit_blocks;
    use crate::testing::block;

    fn kinds(warnings: &[Warning]) -> Vec<WarningKind> {
        warnings.iter().map(|warning| warning.kind).collect()
    }

    #[test]
    fn rows_are_warned_of_by_name() {
        let mut labels = vec![0.0; 400];
        labels[7] = 3.0;
        (0..100).for_each(|i| labels[4 * i + 1] = 1.0);
        let x: Vec<[f64; 3]> = (0..400).map(|i| [f64::from(i), 2.5, 1.0]).collect();
        let summary = Summary::of_blocks(&[block(&x, &labels, None)]).expect("few classes");
        let warnings = Warning::of_rows(&summary, &["age".to_owned(), "unit".to_owned()]);
        let expected = [
            WarningKind::ConstantFeatures,
            WarningKind::EmptyClass,
            WarningKind::RareClass,
        ];
        assert_eq!(kinds(&warnings), expected);
        assert!(warnings[0].text.ends_with(": unit, [2]"), "{warnings:?}");
        assert!(warnings[1].text.contains("class 2,"), "{warnings:?}");
        assert!(warnings[2].text.contains("class 3 (0.250 %)"), "{warnings:?}");
    }

    #[test]
    fn good_rows_and_a_good_fit_are_no_reason_to_warn() {
        let x: Vec<[f64; 2]> = (0..40).map(|i| [f64::from(i % 7), f64::from(i % 11)]).collect();
        let labels: Vec<f64> = (0..40).map(|i| f64::from(i % 2)).collect();
        let block = block(&x, &labels, None);
        let summary = Summary::of_blocks(std::slice::from_ref(&block)).expect("few classes");
        assert!(Warning::of_rows(&summary, &[]).is_empty());
        let params = LogisticRegressionParams::default();
        let fit = fit_blocks(&params.clone().check().expect("valid"), &[block]).expect("good rows");
        assert!(Warning::of_fit(&fit, &params, &summary).is_empty());
    }

    #[test]
    fn a_fit_is_warned_of_where_it_stopped_and_what_it_proves() {
        let x: Vec<[f64; 1]> = (0..40).map(|i| [f64::from(i)]).collect();
        let labels: Vec<f64> = (0..40).map(|i| f64::from(u8::from(i >= 20))).collect();
        let block = block(&x, &labels, None);
        let summary = Summary::of_blocks(std::slice::from_ref(&block)).expect("few classes");
        let warned = |params: LogisticRegressionParams| {
            let valid = params.clone().check().expect("valid");
            let fit = fit_blocks(&valid, std::slice::from_ref(&block)).expect("good rows");
            kinds(&Warning::of_fit(&fit, &params, &summary))
        };
        let params = LogisticRegressionParams::default;
        assert!(warned(params()).contains(&WarningKind::Separation));
        assert_eq!(
            warned(LogisticRegressionParams {
                max_iter: 2,
                ..params()
            }),
            [WarningKind::NotConverged]
        );
        assert_eq!(
            warned(LogisticRegressionParams {
                reg_param: 0.1,
                ..params()
            }),
            Vec::new()
        );
    }
}
