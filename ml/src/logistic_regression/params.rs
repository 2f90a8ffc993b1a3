//! Parameters: as given, and as checked.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::class_weight::ClassWeight;
use crate::error::MlError;
use crate::kernel::Precision;

const COMPONENT: &str = "LogisticRegression";

/// Which likelihood, as the user asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FamilyParam {
    /// Binomial for one or two classes, else multinomial.
    #[default]
    Auto,
    /// Two classes, one coefficient row.
    Binomial,
    /// One coefficient row for each class.
    Multinomial,
}

/// Which optimiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Solver {
    /// As Spark: OWL-QN if there is an L1 penalty, else L-BFGS.
    #[default]
    Spark,
    /// Whichever is expected to take the least time to the same minimum, by the number of rows, features and classes.
    Auto,
    /// L-BFGS; refuses an L1 penalty.
    Lbfgs,
    /// OWL-QN; refuses to run without an L1 penalty.
    Owlqn,
    /// Newton's method: few passes, each with second derivatives, for some hundred coefficients at most; refuses an L1
    /// penalty.
    Newton,
    /// Newton's method with the Hessian of a sample, which is also where it starts from: a few gradients over all rows; as
    /// many coefficients and the same penalties as [`Newton`](Solver::Newton).
    #[serde(rename = "subsampled_newton")]
    SubsampledNewton,
}

impl Solver {
    /// Returns the name in a job file.
    pub fn name(self) -> &'static str {
        match self {
            Solver::Spark => "spark",
            Solver::Auto => "auto",
            Solver::Lbfgs => "lbfgs",
            Solver::Owlqn => "owlqn",
            Solver::Newton => "newton",
            Solver::SubsampledNewton => "subsampled_newton",
        }
    }
}

/// Parameters of a logistic regression as the user gives them, with Spark's names and defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogisticRegressionParams {
    /// Most iterations of the optimiser; 0 returns the start point.
    pub max_iter: usize,
    /// λ, the strength of the penalty; not multiplied by the number of rows.
    pub reg_param: f64,
    /// α in [0, 1]: the penalty is λ·(α·‖β‖₁ + (1−α)/2·‖β‖₂²).
    pub elastic_net_param: f64,
    /// Tolerance of the stop tests, relative to the objective.
    pub tol: f64,
    /// Whether there are intercepts; they are never penalised.
    pub fit_intercept: bool,
    /// Whether the penalty applies to standardised coefficients. Rows are standardised for the optimiser either way.
    pub standardization: bool,
    /// Which likelihood.
    pub family: FamilyParam,
    /// Binomial only: class 1 is predicted if its probability is *above* this (0.5 if not set).
    pub threshold: Option<f64>,
    /// The class with the largest probability/threshold is predicted.
    pub thresholds: Option<Vec<f64>>,
    /// Which optimiser.
    pub solver: Solver,
    /// Weights of the classes, beside the rows' own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weight: Option<ClassWeight>,
    /// With how many bits rounds compute.
    #[serde(skip_serializing_if = "Precision::is_double")]
    pub precision: Precision,
}

impl Default for LogisticRegressionParams {
    fn default() -> Self {
        LogisticRegressionParams {
            max_iter: 100,
            reg_param: 0.0,
            elastic_net_param: 0.0,
            tol: 1e-6,
            fit_intercept: true,
            standardization: true,
            family: FamilyParam::Auto,
            threshold: None,
            thresholds: None,
            solver: Solver::default(),
            class_weight: None,
            precision: Precision::Double,
        }
    }
}

/// Parameters that have been checked: reads like [`LogisticRegressionParams`], cannot be changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "LogisticRegressionParams", into = "LogisticRegressionParams")]
pub struct ValidLogisticRegressionParams(pub(crate) LogisticRegressionParams);

impl Deref for ValidLogisticRegressionParams {
    type Target = LogisticRegressionParams;

    fn deref(&self) -> &LogisticRegressionParams {
        &self.0
    }
}

impl TryFrom<LogisticRegressionParams> for ValidLogisticRegressionParams {
    type Error = MlError;

    fn try_from(params: LogisticRegressionParams) -> Result<Self, MlError> {
        params.check()
    }
}

impl From<ValidLogisticRegressionParams> for LogisticRegressionParams {
    fn from(params: ValidLogisticRegressionParams) -> Self {
        params.0
    }
}

impl LogisticRegressionParams {
    /// Returns the parameters once every one is in its range and none contradicts another.
    ///
    /// # Errors
    /// [`MlError::InvalidParameter`] or [`MlError::Requirement`] for the first problem.
    pub fn check(self) -> Result<ValidLogisticRegressionParams, MlError> {
        self.check_all()?;
        Ok(ValidLogisticRegressionParams(self))
    }

    pub(crate) fn check_all(&self) -> Result<(), MlError> {
        self.check_ranges()?;
        self.check_thresholds()?;
        self.class_weight.as_ref().map_or(Ok(()), ClassWeight::check)?;
        self.check_solver()
    }

    /// Returns λ₁ = λ·α.
    pub fn l1_strength(&self) -> f64 {
        self.reg_param * self.elastic_net_param
    }

    /// Returns λ₂ = λ·(1−α).
    pub fn l2_strength(&self) -> f64 {
        self.reg_param * (1.0 - self.elastic_net_param)
    }

    fn check_ranges(&self) -> Result<(), MlError> {
        let unit = 0.0..=1.0;
        let checks = [
            (
                "regParam",
                self.reg_param,
                self.reg_param >= 0.0 && self.reg_param.is_finite(),
            ),
            (
                "elasticNetParam",
                self.elastic_net_param,
                unit.contains(&self.elastic_net_param),
            ),
            ("tol", self.tol, self.tol >= 0.0 && self.tol.is_finite()),
            (
                "threshold",
                self.threshold.unwrap_or(0.5),
                self.threshold.is_none_or(|t| unit.contains(&t)),
            ),
        ];
        for (parameter, value, valid) in checks {
            if !valid {
                let value = crate::java_text::double_text(value);
                return Err(MlError::InvalidParameter {
                    component: COMPONENT,
                    parameter,
                    value,
                });
            }
        }
        Ok(())
    }

    fn check_thresholds(&self) -> Result<(), MlError> {
        let Some(thresholds) = &self.thresholds else {
            return Ok(());
        };
        let zeros = thresholds.iter().filter(|t| **t == 0.0).count();
        let valid = thresholds.iter().all(|t| *t >= 0.0 && t.is_finite());
        if !valid || zeros > 1 || thresholds.iter().sum::<f64>() <= 0.0 {
            let value = crate::java_text::vector_text(thresholds);
            return Err(MlError::InvalidParameter {
                component: COMPONENT,
                parameter: "thresholds",
                value,
            });
        }
        let (Some(threshold), [t0, t1]) = (self.threshold, thresholds.as_slice()) else {
            return Ok(());
        };
        let equivalent = equivalent_threshold(*t0, *t1);
        if (threshold - equivalent).abs() < 1e-5 {
            return Ok(());
        }
        Err(MlError::Requirement(format!(
            "Logistic Regression getThreshold found inconsistent values for threshold ({threshold}) and thresholds \
             (equivalent to {equivalent})"
        )))
    }

    fn check_solver(&self) -> Result<(), MlError> {
        match (self.solver, self.l1_strength() > 0.0) {
            (solver @ (Solver::Lbfgs | Solver::Newton | Solver::SubsampledNewton), true) => {
                let (name, reg_param, elastic_net_param) =
                    (solver.name(), self.reg_param, self.elastic_net_param);
                Err(MlError::Requirement(format!(
                    "solver {name} cannot minimise an L1 penalty (regParam {reg_param} * elasticNetParam \
                     {elastic_net_param}), use owlqn or auto"
                )))
            }
            (Solver::Owlqn, false) => Err(MlError::Requirement(format!(
                "solver owlqn needs an L1 penalty, but regParam {} * elasticNetParam {} is 0, use lbfgs or auto",
                self.reg_param, self.elastic_net_param
            ))),
            _ => Ok(()),
        }
    }
}

/// Returns the binomial threshold that two class thresholds amount to: 1/(1 + t₀/t₁).
pub(crate) fn equivalent_threshold(t0: f64, t1: f64) -> f64 {
    1.0 / (1.0 + t0 / t1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(params: LogisticRegressionParams) -> String {
        params.check().expect_err("the parameters are wrong").to_string()
    }

    #[test]
    fn defaults_are_sparks_and_unknown_names_are_refused() {
        let parsed: LogisticRegressionParams = serde_json::from_str("{}").expect("all have defaults");
        assert_eq!(parsed, LogisticRegressionParams::default());
        assert!(parsed.check().is_ok());
        let misspelt = serde_json::from_str::<LogisticRegressionParams>(r#"{"maxiter": 5}"#);
        assert!(
            misspelt
                .expect_err("unknown name")
                .to_string()
                .contains("maxiter")
        );
        let invalid = serde_json::from_str::<ValidLogisticRegressionParams>(r#"{"tol": -1}"#);
        assert!(
            invalid
                .expect_err("reading checks too")
                .to_string()
                .contains("tol given invalid value -1.0")
        );
    }

    #[test]
    fn values_out_of_range_are_refused_in_sparks_words() {
        let params = || LogisticRegressionParams::default();
        assert_eq!(
            error(LogisticRegressionParams {
                reg_param: -0.1,
                ..params()
            }),
            "LogisticRegression parameter regParam given invalid value -0.1."
        );
        assert_eq!(
            error(LogisticRegressionParams {
                elastic_net_param: 2.0,
                ..params()
            }),
            "LogisticRegression parameter elasticNetParam given invalid value 2.0."
        );
        let nan = error(LogisticRegressionParams {
            reg_param: f64::NAN,
            ..params()
        });
        assert!(nan.contains("regParam given invalid value NaN"), "{nan}");
        let zeros = error(LogisticRegressionParams {
            thresholds: Some(vec![0.0, 0.0, 1.0]),
            ..params()
        });
        assert!(
            zeros.contains("thresholds given invalid value [0.0,0.0,1.0]"),
            "{zeros}"
        );
    }

    #[test]
    fn contradictions_are_refused() {
        let params = |threshold| LogisticRegressionParams {
            threshold: Some(threshold),
            thresholds: Some(vec![0.5, 0.5]),
            ..LogisticRegressionParams::default()
        };
        let text = "requirement failed: Logistic Regression getThreshold found inconsistent values for threshold \
                    (0.3) and thresholds (equivalent to 0.5)";
        assert_eq!(error(params(0.3)), text);
        assert!(params(0.5).check().is_ok());

        let solver = |solver, elastic_net_param| LogisticRegressionParams {
            solver,
            elastic_net_param,
            reg_param: 0.1,
            ..LogisticRegressionParams::default()
        };
        assert!(error(solver(Solver::Lbfgs, 0.5)).contains("lbfgs cannot minimise an L1 penalty"));
        assert!(error(solver(Solver::Owlqn, 0.0)).contains("owlqn needs an L1 penalty"));
        assert!(solver(Solver::Auto, 0.5).check().is_ok() && solver(Solver::Lbfgs, 0.0).check().is_ok());
    }
}
