//! A filter as a tree, and what each clause means.

use std::fmt;

use crate::error::TrackingError;

use super::column::{NumberColumn, TextColumn};
use super::parser;
use super::target::Target;

/// The clauses a record must satisfy, all of them; without clauses every record does.
///
/// Prints as a filter string, which parses to an equal filter whenever the filter came from one. The grammar cannot
/// write every text: one with both kinds of quotes, or with a backslash at its end, may print as something else.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// What is searched.
    pub target: Target,
    /// The clauses, in the order they were written.
    pub clauses: Vec<Clause>,
}

/// One condition.
///
/// **Missing keys.** A record without the metric, parameter, tag, attribute or dataset satisfies no comparison with
/// it, `!=` and `NOT IN` included: MLflow joins the value to the record, and there is nothing to join. The one
/// exception is [`TextColumn::value_when_missing`]. To ask for what is missing there is `IS NULL`.
///
/// **NaN.** A metric that is NaN satisfies `!=` with every number, and no other comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Clause {
    /// The number compares like this.
    Number {
        /// What is compared.
        column: NumberColumn,
        /// How.
        op: NumberOp,
        /// With what.
        value: Number,
    },
    /// The text compares like this.
    Text {
        /// What is compared.
        column: TextColumn,
        /// How.
        op: TextOp,
        /// With what; a pattern if `op` is one of the `LIKE`s.
        value: String,
    },
    /// The text is one of these, or, negated, there and none of these.
    In {
        /// What is compared.
        column: TextColumn,
        /// Whether `NOT` was written.
        negated: bool,
        /// The list; it has at least one value.
        values: Vec<String>,
    },
    /// The record has no such parameter or tag, or, negated, has it with whatever value.
    Null {
        /// The parameter or tag.
        column: TextColumn,
        /// Whether `NOT` was written.
        negated: bool,
    },
}

/// How numbers compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NumberOp {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// How texts compare. `=`, `!=` and `LIKE` tell upper from lower case, `ILIKE` does not.
///
/// In patterns `%` stands for any text and `_` for any one character; there is no way to escape them. A pattern
/// matches whole values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextOp {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `LIKE`
    Like,
    /// `ILIKE`
    ILike,
}

/// A number as it was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Digits only, and it fits. Metrics are never compared with these.
    Integer(i64),
    /// Anything else. It is never NaN; it is infinite if what was written is beyond all finite numbers. An integer
    /// attribute may be compared with it too: `start_time > 1.5`.
    Real(f64),
}

impl Filter {
    /// Parses a filter string; nothing but whitespace is the filter without clauses.
    pub fn parse(target: Target, text: &str) -> Result<Self, TrackingError> {
        parser::filter(target, text)
    }
}

impl NumberOp {
    pub(super) const ALL: [NumberOp; 6] = [
        NumberOp::Gt,
        NumberOp::Ge,
        NumberOp::Ne,
        NumberOp::Eq,
        NumberOp::Lt,
        NumberOp::Le,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            NumberOp::Eq => "=",
            NumberOp::Ne => "!=",
            NumberOp::Lt => "<",
            NumberOp::Le => "<=",
            NumberOp::Gt => ">",
            NumberOp::Ge => ">=",
        }
    }
}

impl TextOp {
    pub(super) const ALL: [TextOp; 4] = [TextOp::Ne, TextOp::Eq, TextOp::Like, TextOp::ILike];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            TextOp::Eq => "=",
            TextOp::Ne => "!=",
            TextOp::Like => "LIKE",
            TextOp::ILike => "ILIKE",
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, clause) in self.clauses.iter().enumerate() {
            if i > 0 {
                f.write_str(" AND ")?;
            }
            clause.write(f, self.target)?;
        }
        Ok(())
    }
}

impl Clause {
    fn write(&self, f: &mut fmt::Formatter<'_>, target: Target) -> fmt::Result {
        match self {
            Clause::Number { column, op, value } => {
                column.write(f, target)?;
                write!(f, " {} {value}", op.as_str())
            }
            Clause::Text { column, op, value } => {
                column.write(f, target)?;
                write!(f, " {} ", op.as_str())?;
                write_text(f, value)
            }
            Clause::In {
                column,
                negated,
                values,
            } => {
                column.write(f, target)?;
                f.write_str(if *negated { " NOT IN (" } else { " IN (" })?;
                for (i, value) in values.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    write_text(f, value)?;
                }
                f.write_str(")")
            }
            Clause::Null { column, negated } => {
                column.write(f, target)?;
                f.write_str(if *negated { " IS NOT NULL" } else { " IS NULL" })
            }
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Integer(integer) => write!(f, "{integer}"),
            Number::Real(real) if real.is_infinite() => {
                f.write_str(if *real > 0.0 { "1e999" } else { "-1e999" })
            }
            Number::Real(real) => write!(f, "{real:?}"),
        }
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') { '"' } else { '\'' };
    write!(f, "{quote}{text}{quote}")
}
