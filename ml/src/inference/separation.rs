//! Whether a plane separates classes, so that no finite coefficients are the most likely ones (Albert and Anderson,
//! Biometrika 71, 1984).
//!
//! Along a direction that separates, fully or but for ties, the loss falls like e^−z for ever: the information about it
//! vanishes, and still each Newton step moves the margins by about 1. So a term is *growing* if the information about it
//! fell below a thousandth of what the classes' frequencies alone would leave, while Newton's step would move it further
//! away from 0 by more than a hundredth. Either alone is no sign: information also falls where a model is very sure, and a
//! fit that did not converge is still moving.

use super::cholesky::Cholesky;
use super::collinearity::Moments;
use super::information::name_of;
use super::report::Term;
use crate::lanes;
use crate::logistic_regression::Objective;
use crate::partial::Partial;
use crate::summary::Summary;

/// Information left about a growing term, as a part of that at the classes' frequencies.
const VANISHED: f64 = 1e-3;
/// Growth of a growing term by a Newton step, as a part of it.
const GROWTH: f64 = 1e-2;
/// Most features that are named.
const MAX_NAMES: usize = 5;

/// About what the rows hold no information at the solution.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Vanished {
    /// About so much that the information matrix is singular.
    Altogether,
    /// About these features' coefficients, ascending.
    Growing(Vec<usize>),
}

/// Finds the growing terms of a fit without a penalty. `step` is Newton's, of the free coordinates; `functional` gives a
/// term's part of each.
pub(super) fn vanished(
    objective: &Objective,
    moments: &Moments,
    information: &Cholesky,
    terms: &[Term],
    step: &[f64],
    functional: impl Fn(&Term) -> Vec<f64>,
) -> Option<Vanished> {
    let correlation = Cholesky::new(&moments.correlation, moments.independent.len())?;
    let weights = objective.label_weights();
    let total: f64 = weights.iter().sum();
    let mut growing = Vec::new();
    for term in terms {
        let Some(feature) = term.feature else { continue };
        let Ok(position) = moments.independent.binary_search(&feature) else {
            continue;
        };
        let functional = functional(term);
        let growth = lanes::dot(&functional, step);
        let grows = growth * term.coefficient > 0.0 && growth.abs() > GROWTH * term.coefficient.abs();
        // At the frequencies p the information of a contrast is that of the features, over 1/pₖ + 1/pᵣ.
        let share = |class: usize| weights.get(class).map_or(0.0, |weight| weight / total);
        let mut unit = vec![0.0; moments.independent.len()];
        unit[position] = objective.scale(feature);
        let before = correlation.inverse_form(&unit) * (1.0 / share(term.class) + 1.0 / share(term.against));
        if grows && before < VANISHED * information.inverse_form(&functional) {
            growing.push(feature);
        }
    }
    growing.sort_unstable();
    growing.dedup();
    (!growing.is_empty()).then_some(Vanished::Growing(growing))
}

/// Says it in words. Where the loss of all rows together is below that of a single row in doubt, every row is on its side
/// for certain: the separation is complete.
pub(super) fn tell(
    vanished: Option<Vanished>,
    solution: &Partial,
    objective: &Objective,
    summary: &Summary,
    names: &[String],
) -> Option<String> {
    let is_penalized = objective.is_l2() || objective.is_l1();
    let is_complete = !is_penalized && separates(solution.loss_sum, summary);
    let kind = match (is_complete, &vanished) {
        (true, _) => "the classes are separated completely",
        (false, Some(_)) => "classes are separated, completely or but for ties",
        (false, None) => return None,
    };
    let grown = match vanished {
        Some(Vanished::Growing(features)) if features.len() <= MAX_NAMES => {
            let names: Vec<String> = features.iter().map(|feature| name_of(names, *feature)).collect();
            format!(" by {}", names.join(", "))
        }
        Some(Vanished::Growing(features)) => format!(" by {} features together", features.len()),
        _ => String::new(),
    };
    Some(format!(
        "{kind}{grown}: the most likely coefficients are infinite, and those of this fit only show where it stopped; a \
         penalty (reg_param) makes them finite"
    ))
}

/// Whether the loss of all rows proves that every row is on its own class's side of all others: a row in doubt alone would
/// lose ln 2. It takes rows of weight 1.
pub(crate) fn separates(loss_sum: f64, summary: &Summary) -> bool {
    let rows = summary.rows as f64;
    // By the Cauchy-Schwarz inequality both hold for equal weights only.
    let is_unweighted = summary.weight_sum == rows && summary.weight_square_sum == rows;
    is_unweighted && loss_sum < std::f64::consts::LN_2
}
