//! [`Expression`]: how a field follows from others; computed for many rows at once.

use std::collections::HashMap;

use crate::{Format, FormatError};

/// An expression whose fields are numbered.
#[derive(Debug)]
pub(super) enum Expression {
    Field(usize),
    Constant(f64),
    Apply {
        function: Function,
        arguments: Vec<Expression>,
        /// What comes out when an argument is missing.
        map_missing_to: Option<f64>,
    },
    MapValues {
        field: usize,
        map: HashMap<String, f64>,
        default: Option<f64>,
        map_missing_to: Option<f64>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Function {
    Add,
    Subtract,
    Multiply,
    Divide,
    Min,
    Max,
    If,
    Equal,
    LessThan,
    GreaterThan,
    GreaterOrEqual,
}

impl Function {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "+" => Self::Add,
            "-" => Self::Subtract,
            "*" => Self::Multiply,
            "/" => Self::Divide,
            "min" => Self::Min,
            "max" => Self::Max,
            "if" => Self::If,
            "equal" => Self::Equal,
            "lessThan" => Self::LessThan,
            "greaterThan" => Self::GreaterThan,
            "greaterOrEqual" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    pub(super) fn takes(self, arguments: usize) -> bool {
        match self {
            Self::Min | Self::Max => arguments > 0,
            Self::If => arguments == 2 || arguments == 3,
            _ => arguments == 2,
        }
    }

    /// Missing values are NaN; truth values are 1 and 0.
    fn compute(self, arguments: &[f64]) -> f64 {
        let truth = |holds: bool| f64::from(u8::from(holds));
        let compared = |holds: fn(&f64, &f64) -> bool| match arguments.iter().any(|a| a.is_nan()) {
            true => f64::NAN,
            false => truth(holds(&arguments[0], &arguments[1])),
        };
        match self {
            Self::Add => arguments[0] + arguments[1],
            Self::Subtract => arguments[0] - arguments[1],
            Self::Multiply => arguments[0] * arguments[1],
            Self::Divide => arguments[0] / arguments[1],
            Self::Min => arguments.iter().copied().fold(f64::NAN, f64::min),
            Self::Max => arguments.iter().copied().fold(f64::NAN, f64::max),
            Self::If if arguments[0].is_nan() => f64::NAN,
            Self::If if arguments[0] != 0.0 => arguments[1],
            Self::If => arguments.get(2).copied().unwrap_or(f64::NAN),
            Self::Equal => compared(|a, b| a == b),
            Self::LessThan => compared(|a, b| a < b),
            Self::GreaterThan => compared(|a, b| a > b),
            Self::GreaterOrEqual => compared(|a, b| a >= b),
        }
    }
}

/// A field's values for some rows.
#[derive(Debug, Clone)]
pub(super) enum Values<'a> {
    /// NaN is missing.
    Numbers(Vec<f64>),
    Texts(Vec<Option<&'a str>>),
}

impl Expression {
    /// Computes the expression for `rows` rows.
    pub(super) fn compute(&self, fields: &[Values<'_>], rows: usize) -> Result<Vec<f64>, FormatError> {
        match self {
            Self::Constant(value) => Ok(vec![*value; rows]),
            Self::Field(field) => match fields.get(*field) {
                Some(Values::Numbers(values)) => Ok(values.clone()),
                _ => Err(Format::Pmml.invalid("a field that is no number, or not there yet")),
            },
            Self::Apply {
                function,
                arguments,
                map_missing_to,
            } => {
                let columns = arguments.iter().map(|argument| argument.compute(fields, rows));
                let columns = columns.collect::<Result<Vec<_>, _>>()?;
                let mut own = vec![0.0; columns.len()];
                let value = |row: usize| {
                    own.iter_mut()
                        .zip(&columns)
                        .for_each(|(own, column)| *own = column[row]);
                    match map_missing_to {
                        Some(mapped) if own.iter().any(|value| value.is_nan()) => *mapped,
                        _ => function.compute(&own),
                    }
                };
                Ok((0..rows).map(value).collect())
            }
            Self::MapValues {
                field,
                map,
                default,
                map_missing_to,
            } => {
                let Some(Values::Texts(texts)) = fields.get(*field) else {
                    return Err(Format::Pmml.invalid("a MapValues of a field that is no text"));
                };
                let value = |text: &Option<&str>| match text {
                    Some(text) => map.get(*text).copied().or(*default),
                    None => *map_missing_to,
                };
                Ok(texts.iter().map(|text| value(text).unwrap_or(f64::NAN)).collect())
            }
        }
    }
}
