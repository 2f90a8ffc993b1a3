//! Weights of classes: factors by which the instance weights of a class's rows are multiplied, as if the products were a
//! column of the data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::MlError;

/// How much the classes' rows weigh, beside their instance weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected \"balanced\", a list with a weight for each class, or a table from classes to weights"
)]
pub enum ClassWeight {
    /// By a rule.
    Rule(ClassWeightRule),
    /// A weight for each class, by label.
    Each(Vec<f64>),
    /// Weights of some classes, by label written as text; 1 for the others.
    Some(BTreeMap<String, f64>),
}

/// A rule for the weights of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassWeightRule {
    /// W/(K·Wₖ), where Wₖ is the weight of a class's rows, W that of all and K the number of classes that have rows: all
    /// classes weigh the same, and all rows together what they weighed before (scikit-learn's `class_weight="balanced"`).
    Balanced,
}

impl ClassWeight {
    /// Checks what can be checked before rows are read.
    ///
    /// # Errors
    /// [`MlError::InvalidParameter`] for a weight that is negative or not finite, or if all are 0;
    /// [`MlError::Requirement`] for a class that is no whole number.
    pub(super) fn check(&self) -> Result<(), MlError> {
        let weights: Vec<f64> = match self {
            ClassWeight::Rule(_) => return Ok(()),
            ClassWeight::Each(weights) => weights.clone(),
            ClassWeight::Some(weights) => {
                weights.keys().try_for_each(|class| class_of(class).map(|_| ()))?;
                weights.values().copied().collect()
            }
        };
        let is_weight = |weight: &f64| *weight >= 0.0 && weight.is_finite();
        let all_nothing = matches!(self, ClassWeight::Each(_)) && weights.iter().all(|weight| *weight == 0.0);
        if weights.iter().all(is_weight) && !all_nothing {
            return Ok(());
        }
        Err(MlError::InvalidParameter {
            component: "LogisticRegression",
            parameter: "classWeight",
            value: crate::java_text::vector_text(&weights),
        })
    }

    /// Returns the factor of each class, by label, for rows whose classes weigh `label_weights`.
    ///
    /// # Errors
    /// [`MlError::Requirement`] if the weights are for other classes.
    pub fn resolve(&self, label_weights: &[f64]) -> Result<Vec<f64>, MlError> {
        let classes = label_weights.len();
        match self {
            ClassWeight::Rule(ClassWeightRule::Balanced) => {
                let total: f64 = label_weights.iter().sum();
                let present = label_weights.iter().filter(|weight| **weight > 0.0).count() as f64;
                let factor = |weight: &f64| match *weight > 0.0 {
                    true => total / (present * weight),
                    false => 1.0,
                };
                Ok(label_weights.iter().map(factor).collect())
            }
            ClassWeight::Each(weights) if weights.len() == classes => Ok(weights.clone()),
            ClassWeight::Each(weights) => Err(MlError::Requirement(format!(
                "class_weight holds {} weights, but there are {classes} classes",
                weights.len()
            ))),
            ClassWeight::Some(weights) => {
                let mut factors = vec![1.0; classes];
                for (class, weight) in weights {
                    *factors.get_mut(class_of(class)?).ok_or_else(|| {
                        MlError::Requirement(format!(
                            "class_weight names class {class}, but there are {classes} classes, from 0"
                        ))
                    })? = *weight;
                }
                Ok(factors)
            }
        }
    }
}

fn class_of(text: &str) -> Result<usize, MlError> {
    text.parse().map_err(|_| {
        MlError::Requirement(format!(
            "class_weight names class \"{text}\", expected the number that the label column holds"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> ClassWeight {
        serde_json::from_str(json).expect("a class weight")
    }

    #[test]
    fn balanced_is_scikit_learns_definition() {
        let factors = of("\"balanced\"").resolve(&[6.0, 3.0, 0.0, 1.0]);
        assert_eq!(factors, Ok(vec![10.0 / 18.0, 10.0 / 9.0, 1.0, 10.0 / 3.0]));
    }

    #[test]
    fn lists_are_for_every_class_and_tables_for_some() {
        assert_eq!(of("[1, 2.5]").resolve(&[1.0, 1.0]), Ok(vec![1.0, 2.5]));
        assert_eq!(
            of(r#"{"1": 4}"#).resolve(&[1.0, 1.0, 1.0]),
            Ok(vec![1.0, 4.0, 1.0])
        );
        let error = |json: &str| {
            of(json)
                .resolve(&[1.0, 1.0])
                .expect_err("other classes")
                .to_string()
        };
        assert!(error("[1, 2, 3]").contains("holds 3 weights, but there are 2 classes"));
        assert!(error(r#"{"2": 1}"#).contains("names class 2, but there are 2 classes"));
    }

    #[test]
    fn what_is_no_weight_is_refused() {
        for json in ["[1, -1]", "[0, 0]", r#"{"Adelie": 1}"#] {
            assert!(of(json).check().is_err(), "{json}");
        }
        for json in ["[0, 1]", r#"{"1": 0.5}"#, "\"balanced\""] {
            assert_eq!(of(json).check(), Ok(()), "{json}");
        }
        let unknown = serde_json::from_str::<ClassWeight>("\"even\"").expect_err("no such rule");
        assert!(unknown.to_string().contains("expected \"balanced\""), "{unknown}");
    }
}
