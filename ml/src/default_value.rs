//! [`DefaultValue`]: what stands in for an input column that a request leaves out, as whoever trained the model has declared it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::MlError;
use crate::frame::{Column, ColumnData, ColumnKind};
use crate::pipeline::FittedPipeline;
use crate::stages::{FittedStage, HandleInvalid};

/// Defaults by column.
pub type Defaults = BTreeMap<String, DefaultValue>;

/// A value that stands in for an input column, written as in the job file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DefaultValue {
    /// For a column of truth values.
    Boolean(bool),
    /// For whole numbers, and for others.
    Integer(i64),
    /// For numbers; finite.
    Double(f64),
    /// For texts.
    Text(String),
}

impl fmt::Display for DefaultValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value:?}"),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

impl DefaultValue {
    /// The value as a number.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Boolean(value) => Some(f64::from(u8::from(*value))),
            Self::Integer(value) => Some(*value as f64),
            Self::Double(value) => Some(*value),
            Self::Text(_) => None,
        }
    }

    /// A column of `kind` with this value in each of `rows` rows; `None` if the kind does not hold it.
    pub fn column(&self, kind: ColumnKind, rows: usize) -> Option<Column> {
        let data = match (kind, self) {
            (ColumnKind::Boolean, Self::Boolean(value)) => ColumnData::Boolean(vec![*value; rows]),
            (ColumnKind::Integer, Self::Integer(value)) => ColumnData::Integer(vec![*value; rows]),
            // As files hold it.
            (ColumnKind::Float, Self::Integer(_) | Self::Double(_)) => {
                let number = Some(self.number()? as f32).filter(|number| number.is_finite());
                ColumnData::Float(vec![number?; rows])
            }
            (ColumnKind::Double, Self::Integer(_) | Self::Double(_)) => {
                let number = self.number().filter(|number| number.is_finite());
                ColumnData::Double(vec![number?; rows])
            }
            (ColumnKind::Text, Self::Text(text)) => ColumnData::Text(vec![text.clone(); rows]),
            _ => return None,
        };
        Some(Column::new(data))
    }
}

/// Checks that each default is for one of the `inputs`, of its kind.
///
/// # Errors
/// [`MlError::UnknownColumn`]; [`MlError::Requirement`], with the column, the value and what was expected.
pub fn check_defaults(defaults: &Defaults, inputs: &[(String, ColumnKind)]) -> Result<(), MlError> {
    for (name, value) in defaults {
        let found = inputs.iter().find(|(input, _)| input == name);
        let Some((_, kind)) = found else {
            return Err(MlError::UnknownColumn {
                column: name.clone(),
                available: inputs.iter().map(|(input, _)| input.clone()).collect(),
            });
        };
        if value.column(*kind, 1).is_none() {
            return Err(MlError::Requirement(format!(
                "the default of column {name} is {value}, expected a value of type {kind}"
            )));
        }
    }
    Ok(())
}

/// Checks that a category that stands in for others is one that training has seen, where the model takes no other.
///
/// # Errors
/// [`MlError::Requirement`], with the categories there are.
pub fn check_default_categories(defaults: &Defaults, pipeline: &FittedPipeline) -> Result<(), MlError> {
    for stage in &pipeline.stages {
        let FittedStage::StringIndexer(indexer) = stage else {
            continue;
        };
        if indexer.params.handle_invalid != HandleInvalid::Error {
            continue;
        }
        for (input, _, labels) in indexer.columns() {
            check_default_category(defaults, input, labels)?;
        }
    }
    Ok(())
}

fn check_default_category(defaults: &Defaults, input: &str, labels: &[String]) -> Result<(), MlError> {
    match defaults.get(input) {
        Some(value @ DefaultValue::Text(category)) if !labels.contains(category) => {
            let first: Vec<&str> = labels.iter().take(20).map(String::as_str).collect();
            Err(MlError::Requirement(format!(
                "the default of column {input} is {value}, expected a category that training has seen, such as {}",
                first.join(", ")
            )))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_written_as_in_a_job_file() {
        let defaults: Defaults =
            serde_json::from_str(r#"{"a": true, "b": 3, "c": 3.5, "d": "x"}"#).expect("defaults");
        let expected = [
            DefaultValue::Boolean(true),
            DefaultValue::Integer(3),
            DefaultValue::Double(3.5),
            DefaultValue::Text("x".to_owned()),
        ];
        assert_eq!(defaults.values().cloned().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_default_has_to_fit_its_column() {
        let inputs = [
            ("flag", ColumnKind::Boolean),
            ("count", ColumnKind::Integer),
            ("single", ColumnKind::Float),
            ("mass", ColumnKind::Double),
            ("island", ColumnKind::Text),
        ]
        .map(|(name, kind)| (name.to_owned(), kind));
        let check = |name: &str, value: DefaultValue| {
            check_defaults(&Defaults::from([(name.to_owned(), value)]), &inputs)
        };
        for (name, value) in [
            ("flag", DefaultValue::Boolean(false)),
            ("count", DefaultValue::Integer(7)),
            ("single", DefaultValue::Integer(7)),
            ("mass", DefaultValue::Double(-1e300)),
            ("island", DefaultValue::Text(String::new())),
        ] {
            assert_eq!(check(name, value), Ok(()), "{name}");
        }
        for (name, value, told) in [
            (
                "flag",
                DefaultValue::Integer(1),
                "flag is 1, expected a value of type boolean",
            ),
            ("count", DefaultValue::Double(7.5), "7.5"),
            ("single", DefaultValue::Double(1e300), "1e300"),
            ("mass", DefaultValue::Double(f64::NAN), "NaN"),
            ("island", DefaultValue::Integer(7), "island"),
            (
                "wings",
                DefaultValue::Integer(7),
                "unknown column wings; available columns: flag, count",
            ),
        ] {
            let told_of = check(name, value).expect_err(name).to_string();
            assert!(told_of.contains(told), "{told_of}");
        }
    }
}
