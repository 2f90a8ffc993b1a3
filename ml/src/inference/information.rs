//! From second derivatives to standard errors.

use serde::{Deserialize, Serialize};

use super::cholesky::Cholesky;
use super::collinearity::Moments;
use super::normal;
use super::report::{Inference, LeftOut, StandardErrors, Term};
use super::separation::{self, Vanished};
use crate::error::MlError;
use crate::kernel::{KernelCoefficients, Precision, RowSample, class_pairs, triangle};
use crate::lanes;
use crate::logistic_regression::{Family, Objective};
use crate::partial::Partial;
use crate::summary::Summary;

/// Most second derivatives that are asked for: 8 MiB in each answer.
const MAX_SECOND_DERIVATIVES: usize = 1 << 20;
/// p·(1 − p) of every row where all coefficients are 0.
const EVEN_CURVATURE: f64 = 0.25;

/// The two passes over the training rows that tell how certain a fit is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InferencePass {
    objective: Objective,
    /// The solution, in the optimiser's space.
    #[serde(with = "crate::float_serde::vector")]
    point: Vec<f64>,
}

/// The classes a table is about.
#[derive(Debug)]
struct Classes {
    /// Coefficient rows other than the reference's, with a class that has rows.
    rows: Vec<usize>,
    /// Multinomial only: the reference's row.
    reference: Option<usize>,
}

impl InferencePass {
    pub(crate) fn new(objective: Objective, point: Vec<f64>) -> Self {
        InferencePass { objective, point }
    }

    /// Checks that the second derivatives of `objective` are few enough to be asked for.
    ///
    /// # Errors
    /// [`MlError::TooManySecondDerivatives`] with both numbers.
    pub fn check_size(objective: &Objective) -> Result<(), MlError> {
        let count = class_pairs(objective.coefficient_rows()).saturating_mul(triangle(objective.width()));
        if count <= MAX_SECOND_DERIVATIVES {
            return Ok(());
        }
        Err(MlError::TooManySecondDerivatives {
            count,
            bound: MAX_SECOND_DERIVATIVES,
        })
    }

    /// Returns what is to be evaluated first: at coefficients 0 every row has the same curvature, so the second
    /// derivatives are the second moments of the rows.
    pub fn second_moments(&self) -> KernelCoefficients {
        second_moments(&self.objective)
    }

    /// Returns what is to be evaluated then: loss, gradient and second derivatives at the solution.
    pub fn solution(&self) -> KernelCoefficients {
        KernelCoefficients {
            rows: RowSample::HESSIAN,
            precision: Precision::Double,
            ..self.objective.kernel_coefficients(&self.point)
        }
    }

    /// Makes the table from the merged answers of all rows, which `summary` is of. `names` are those of the features, `level` is the part of the
    /// intervals that cover the truth, above 0 and below 1.
    ///
    /// # Errors
    /// [`MlError::Shape`] for answers of another size.
    pub fn finish(
        &self,
        second_moments: &Partial,
        solution: &Partial,
        summary: &Summary,
        names: &[String],
        level: f64,
    ) -> Result<Inference, MlError> {
        let objective = &self.objective;
        let (expected, got) = (triangle(objective.width()), second_moments.hessian_sum.len());
        if expected != got {
            return Err(MlError::Shape {
                what: "second moments in partial",
                expected,
                got,
            });
        }
        let sums = second_moments.hessian_sum.iter().map(|sum| sum / EVEN_CURVATURE);
        let moments = Moments::new(objective, &sums.collect::<Vec<f64>>());
        let evaluation = objective.evaluate(&self.point, solution)?;
        let classes = Classes::of(objective);
        let is_penalized = (0..objective.width()).any(|feature| objective.is_penalized(feature));
        let free = free_coordinates(objective, &classes, &moments);
        let information = Cholesky::new(&objective.hessian(solution, &free)?, free.len());

        let mut inference = Inference {
            standard_errors: StandardErrors::None,
            problem: None,
            notes: notes(objective, &classes),
            family: objective.family(),
            reference_class: classes.reference,
            level,
            rows: solution.rows,
            weight_sum: solution.weight_sum,
            degrees_of_freedom: free.len(),
            log_likelihood: -solution.loss_sum,
            null_log_likelihood: null_log_likelihood(objective),
            condition_number: information.as_ref().map(Cholesky::condition_number),
            terms: self.terms(&classes, names),
            left_out: left_out(objective, &moments, names),
            separation: None,
        };
        let usable = match information {
            _ if objective.is_l1() => {
                inference.problem = Some(L1_PROBLEM.to_owned());
                None
            }
            None => {
                inference.problem = Some(SINGULAR_PROBLEM.to_owned());
                None
            }
            some => some,
        };
        let vanished = match (is_penalized || objective.is_l1(), &usable) {
            (true, _) => None,
            (false, None) => Some(Vanished::Altogether),
            (false, Some(information)) => {
                let gradient: Vec<f64> = free.iter().map(|index| -evaluation.gradient[*index]).collect();
                let step = information.solve(&gradient);
                let at = |term: &Term| self.functional(&classes, &free, term);
                separation::vanished(objective, &moments, information, &inference.terms, &step, at)
            }
        };
        inference.separation = separation::tell(vanished, solution, objective, summary, names);
        if let Some(information) = usable {
            inference.standard_errors = match is_penalized {
                true => StandardErrors::Posterior,
                false => StandardErrors::Fisher,
            };
            let quantile = normal::two_sided_quantile(level);
            for term in &mut inference.terms {
                let determined = is_penalized || is_determined(&moments, term);
                let variance = || {
                    information.inverse_form(&self.functional(&classes, &free, term)) / solution.weight_sum
                };
                let error = determined.then(|| variance().sqrt());
                term.judge(error, quantile);
            }
        } else {
            inference.terms.iter_mut().for_each(|term| term.judge(None, 0.0));
        }
        Ok(inference)
    }

    /// The coefficients for raw rows, as contrasts with the reference.
    fn terms(&self, classes: &Classes, names: &[String]) -> Vec<Term> {
        let KernelCoefficients {
            classes: rows,
            width,
            coefficients,
            offsets,
            ..
        } = self.objective.kernel_coefficients(&self.point);
        let contrast = |values: &[f64], row: usize| {
            values[row] - classes.reference.map_or(0.0, |reference| values[reference])
        };
        let mut terms = Vec::new();
        for row in &classes.rows {
            let term = |feature: Option<usize>, name: &str, coefficient: f64| Term {
                class: classes.reference.map_or(1, |_| *row),
                against: classes.reference.unwrap_or(0),
                name: name.to_owned(),
                feature,
                coefficient,
                standard_error: None,
                z: None,
                p_value: None,
                lower: None,
                upper: None,
                odds_ratio: None,
                odds_ratio_lower: None,
                odds_ratio_upper: None,
            };
            if self.objective.fits_intercept() {
                terms.push(term(None, "(intercept)", contrast(&offsets, *row)));
            }
            for feature in (0..width).filter(|feature| self.objective.takes_part(*feature)) {
                let coefficient = contrast(&coefficients[feature * rows..(feature + 1) * rows], *row);
                terms.push(term(Some(feature), &name_of(names, feature), coefficient));
            }
        }
        terms
    }

    /// The linear map from the free coordinates to a term.
    fn functional(&self, classes: &Classes, free: &[usize], term: &Term) -> Vec<f64> {
        let (objective, rows) = (&self.objective, self.objective.coefficient_rows());
        let (intercept, row) = (
            objective.width() * rows,
            classes.reference.map_or(0, |_| term.class),
        );
        let sign = |index: usize| match index % rows {
            class if class == row => 1.0,
            class if Some(class) == classes.reference => -1.0,
            _ => 0.0,
        };
        let part = |index: &usize| {
            let feature = index / rows;
            match term.feature {
                Some(own) if feature == own => sign(*index) * objective.scale(own),
                Some(_) => 0.0,
                None if *index >= intercept => sign(*index),
                // b = b̂ − Σⱼ βⱼ·μⱼ/σⱼ.
                None => -sign(*index) * objective.scale(feature) * objective.centre(feature),
            }
        };
        free.iter().map(part).collect()
    }
}

const L1_PROBLEM: &str = "the fit has an L1 penalty: its estimates are not normally distributed, and which coefficients are \
                          left was decided by the same rows; fit the selected features again without it";
const SINGULAR_PROBLEM: &str =
    "the information matrix is singular at the solution: the rows do not determine the coefficients there";

/// What makes the kernel add up the second moments of the rows.
pub(crate) fn second_moments(objective: &Objective) -> KernelCoefficients {
    KernelCoefficients {
        family: Family::Binomial,
        classes: 1,
        coefficients: vec![0.0; objective.width()],
        offsets: vec![0.0],
        rows: RowSample::HESSIAN,
        precision: Precision::Double,
        ..objective.kernel_coefficients(&objective.initial_point())
    }
}

impl Classes {
    fn of(objective: &Objective) -> Self {
        if objective.family() == Family::Binomial {
            return Classes {
                rows: vec![0],
                reference: None,
            };
        }
        let weights = objective.label_weights().iter().enumerate();
        let mut present = weights
            .filter(|(_, weight)| **weight > 0.0)
            .map(|(class, _)| class);
        let reference = present.next();
        Classes {
            rows: present.collect(),
            reference,
        }
    }
}

/// The coordinates of a point that the rows, or the penalty, determine once the reference's are held; ascending.
fn free_coordinates(objective: &Objective, classes: &Classes, moments: &Moments) -> Vec<usize> {
    let rows = objective.coefficient_rows();
    let is_told = |class: usize| classes.rows.contains(&class);
    let is_free = |index: &usize| {
        let (feature, class) = (index / rows, index % rows);
        let is_reference = Some(class) == classes.reference;
        match feature < objective.width() {
            false => objective.fits_intercept() && is_told(class),
            true if objective.is_penalized(feature) => {
                objective.takes_part(feature) && (is_told(class) || is_reference)
            }
            true => is_told(class) && moments.independent.binary_search(&feature).is_ok(),
        }
    };
    (0..rows * (objective.width() + 1)).filter(is_free).collect()
}

fn is_determined(moments: &Moments, term: &Term) -> bool {
    match term.feature {
        Some(feature) => moments.determines(feature),
        None => moments.determine_intercept(),
    }
}

/// ln L of the classes' frequencies, which is the likelihood of intercepts alone.
fn null_log_likelihood(objective: &Objective) -> Option<f64> {
    let weights = objective.label_weights();
    let total: f64 = weights.iter().sum();
    let present = weights.iter().filter(|weight| **weight > 0.0);
    let parts: Vec<f64> = present.map(|weight| weight * libm::log(weight / total)).collect();
    objective
        .fits_intercept()
        .then(|| lanes::sum_by(parts.len(), |class| parts[class]))
}

fn notes(objective: &Objective, classes: &Classes) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(reference) = classes.reference {
        notes.push(format!(
            "coefficients are contrasts with class {reference}: log-odds of a class against it"
        ));
    }
    let is_l2 = (0..objective.width()).any(|feature| objective.is_penalized(feature));
    if is_l2 && !objective.is_l1() {
        notes.push(
            "the fit has an L2 penalty: standard errors are standard deviations of the posterior under the Gaussian prior \
             that the penalty is, and coefficients are shrunk towards 0"
                .to_owned(),
        );
    }
    if objective.weighs_classes() {
        notes.push("rows are weighed by class: standard errors take a row of weight w for w rows".to_owned());
    }
    let weights = objective.label_weights().iter().enumerate();
    let empty: Vec<String> = weights
        .filter(|(_, weight)| **weight <= 0.0)
        .map(|(class, _)| class.to_string())
        .collect();
    if !empty.is_empty() {
        notes.push(format!(
            "without rows, and so without coefficients here: class {}",
            empty.join(", ")
        ));
    }
    notes
}

fn left_out(objective: &Objective, moments: &Moments, names: &[String]) -> Vec<LeftOut> {
    let constant = (0..objective.width()).filter(|feature| !objective.takes_part(*feature));
    let constant = constant.map(|feature| (feature, Vec::new()));
    let combined = moments.combinations.iter().map(|combination| {
        let mut of: Vec<String> = combination
            .of
            .iter()
            .map(|feature| name_of(names, *feature))
            .collect();
        if combination.of_intercept {
            of.push("(intercept)".to_owned());
        }
        (combination.feature, of)
    });
    let mut left_out: Vec<LeftOut> = constant
        .chain(combined)
        .map(|(feature, combination_of)| LeftOut {
            name: name_of(names, feature),
            feature,
            combination_of,
        })
        .collect();
    left_out.sort_by_key(|left_out| left_out.feature);
    left_out
}

pub(super) fn name_of(names: &[String], feature: usize) -> String {
    names
        .get(feature)
        .cloned()
        .unwrap_or_else(|| format!("[{feature}]"))
}
