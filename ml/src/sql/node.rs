//! [`Node`]: an expression whose types are settled, and its value for a row.

use std::cmp::Ordering;

use super::functions::Function;
use super::{SqlType, Value, cast};
use crate::frame::{Column, ColumnData};

/// An expression whose types are settled.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// A column by its position in the scope.
    Column(usize),
    Literal(Value),
    Cast {
        to: SqlType,
        /// Whether what can't be cast becomes a null.
        is_try: bool,
        value: Box<Node>,
    },
    /// Of two values of the type.
    Arithmetic(Arithmetic, SqlType, Box<[Node; 2]>),
    Negate(SqlType, Box<Node>),
    /// Of two values of one type: whether their order is one of these.
    Compare(&'static [Ordering], Box<[Node; 2]>),
    /// Equal, or both null.
    NullSafeEqual(Box<[Node; 2]>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Not(Box<Node>),
    IsNull(Box<Node>),
    /// Whether it is that truth value, and not null.
    IsTruth(bool, Box<Node>),
    /// Whether the first is among the others, all of one type.
    In(Vec<Node>),
    Like(Box<[Node; 2]>),
    /// Conditions with what follows; without one that holds, the last.
    Case(Vec<(Node, Node)>, Box<Node>),
    /// The first that is not null.
    Coalesce(Vec<Node>),
    Call(Function, SqlType, Vec<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    /// Of doubles.
    Divide,
    /// Of whole numbers.
    WholeDivide,
    Remainder,
    /// The remainder that is not negative, for a positive divisor.
    PositiveRemainder,
}

/// A row of the columns in scope.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) columns: &'a [&'a Column],
    pub(crate) row: usize,
}

impl Row<'_> {
    fn value(self, position: usize) -> Value {
        let Some(column) = self
            .columns
            .get(position)
            .filter(|column| !column.is_null(self.row))
        else {
            return Value::Null;
        };
        let value = match &column.data {
            ColumnData::Boolean(values) => values.get(self.row).map(|value| Value::Boolean(*value)),
            ColumnData::Integer(values) => values.get(self.row).map(|value| Value::Whole(*value)),
            ColumnData::Float(values) => values.get(self.row).map(|value| Value::Float(*value)),
            ColumnData::Double(values) => values.get(self.row).map(|value| Value::Double(*value)),
            ColumnData::Text(values) => values.get(self.row).map(|value| Value::Text(value.clone())),
            _ => None,
        };
        value.unwrap_or(Value::Null)
    }
}

impl Node {
    /// The value for a row.
    ///
    /// # Errors
    /// What Spark refuses in ANSI mode, in its words.
    pub(crate) fn value(&self, row: Row<'_>) -> Result<Value, String> {
        let truth = |node: &Node| Ok::<_, String>(as_truth(&node.value(row)?));
        Ok(match self {
            Node::Column(position) => row.value(*position),
            Node::Literal(value) => value.clone(),
            Node::Cast { to, is_try, value } => match cast::cast(value.value(row)?, *to) {
                Err(_) if *is_try => Value::Null,
                cast => cast?,
            },
            Node::Arithmetic(operator, kind, operands) => {
                let (a, b) = (operands[0].value(row)?, operands[1].value(row)?);
                operator.compute(*kind, &a, &b)?
            }
            Node::Negate(kind, value) => match value.value(row)? {
                Value::Whole(value) => whole(*kind, value.checked_neg(), "negate")?,
                Value::Float(value) => Value::Float(-value),
                Value::Double(value) => Value::Double(-value),
                other => other,
            },
            Node::Compare(orders, operands) => {
                let order = operands[0].value(row)?.compare(&operands[1].value(row)?);
                order.map_or(Value::Null, |order| Value::Boolean(orders.contains(&order)))
            }
            Node::NullSafeEqual(operands) => {
                let (a, b) = (operands[0].value(row)?, operands[1].value(row)?);
                let are_null = a == Value::Null && b == Value::Null;
                Value::Boolean(are_null || a.compare(&b) == Some(Ordering::Equal))
            }
            Node::And(operands) => match truth(&operands[0])? {
                Some(false) => Value::Boolean(false),
                first => match (first, truth(&operands[1])?) {
                    (_, Some(false)) => Value::Boolean(false),
                    (Some(true), Some(true)) => Value::Boolean(true),
                    _ => Value::Null,
                },
            },
            Node::Or(operands) => match truth(&operands[0])? {
                Some(true) => Value::Boolean(true),
                first => match (first, truth(&operands[1])?) {
                    (_, Some(true)) => Value::Boolean(true),
                    (Some(false), Some(false)) => Value::Boolean(false),
                    _ => Value::Null,
                },
            },
            Node::Not(value) => truth(value)?.map_or(Value::Null, |holds| Value::Boolean(!holds)),
            Node::IsNull(value) => Value::Boolean(value.value(row)? == Value::Null),
            Node::IsTruth(wanted, value) => Value::Boolean(truth(value)? == Some(*wanted)),
            Node::In(values) => is_in(values, row)?,
            Node::Like(operands) => match (operands[0].value(row)?, operands[1].value(row)?) {
                (Value::Text(text), Value::Text(pattern)) => Value::Boolean(is_like(&text, &pattern)?),
                _ => Value::Null,
            },
            Node::Case(branches, otherwise) => {
                for (condition, then) in branches {
                    if truth(condition)? == Some(true) {
                        return then.value(row);
                    }
                }
                otherwise.value(row)?
            }
            Node::Coalesce(values) => {
                for value in values {
                    match value.value(row)? {
                        Value::Null => {}
                        found => return Ok(found),
                    }
                }
                Value::Null
            }
            Node::Call(function, kind, arguments) => {
                let arguments = arguments.iter().map(|argument| argument.value(row));
                function.compute(*kind, &arguments.collect::<Result<Vec<_>, _>>()?)?
            }
        })
    }
}

fn as_truth(value: &Value) -> Option<bool> {
    match value {
        Value::Boolean(value) => Some(*value),
        _ => None,
    }
}

/// True where one is equal; else null where one is null.
fn is_in(values: &[Node], row: Row<'_>) -> Result<Value, String> {
    let Some((first, others)) = values.split_first() else {
        return Ok(Value::Null);
    };
    let first = first.value(row)?;
    let mut is_unknown = first == Value::Null;
    for other in others {
        match first.compare(&other.value(row)?) {
            Some(Ordering::Equal) => return Ok(Value::Boolean(true)),
            Some(_) => {}
            None => is_unknown = true,
        }
    }
    Ok(if is_unknown {
        Value::Null
    } else {
        Value::Boolean(false)
    })
}

/// A whole number of that type, if it has room for it.
pub(super) fn whole(kind: SqlType, value: Option<i64>, what: &str) -> Result<Value, String> {
    let fits = |value: &i64| kind != SqlType::Int || i32::try_from(*value).is_ok();
    let overflow = || {
        format!(
            "[ARITHMETIC_OVERFLOW] overflow: {what} of {}; cast to a wider type",
            kind.name()
        )
    };
    value.filter(fits).map(Value::Whole).ok_or_else(overflow)
}

impl Arithmetic {
    fn compute(self, kind: SqlType, a: &Value, b: &Value) -> Result<Value, String> {
        match (a, b) {
            (Value::Whole(a), Value::Whole(b)) => self.of_whole(kind, *a, *b),
            (Value::Float(a), Value::Float(b)) => {
                // An operation on 32 bits, rounded once: 64 bits have room for it.
                let value = self.of_doubles(f64::from(*a), f64::from(*b))?;
                Ok(Value::Float(value as f32))
            }
            (Value::Double(a), Value::Double(b)) => self.of_doubles(*a, *b).map(Value::Double),
            _ => Ok(Value::Null),
        }
    }

    fn of_whole(self, kind: SqlType, a: i64, b: i64) -> Result<Value, String> {
        let name = format!("{self:?}").to_lowercase();
        self.refuse_zero(b == 0)?;
        let value = match self {
            Arithmetic::Add => a.checked_add(b),
            Arithmetic::Subtract => a.checked_sub(b),
            Arithmetic::Multiply => a.checked_mul(b),
            Arithmetic::Divide | Arithmetic::WholeDivide => a.checked_div(b),
            Arithmetic::Remainder => Some(a.wrapping_rem(b)),
            // Java's ((a % b) + b) % b for a negative remainder.
            Arithmetic::PositiveRemainder => Some(match a.wrapping_rem(b) {
                rest if rest < 0 => rest.wrapping_add(b).wrapping_rem(b),
                rest => rest,
            }),
        };
        whole(kind, value, &name)
    }

    fn of_doubles(self, a: f64, b: f64) -> Result<f64, String> {
        self.refuse_zero(b == 0.0)?;
        Ok(match self {
            Arithmetic::Add => a + b,
            Arithmetic::Subtract => a - b,
            Arithmetic::Multiply => a * b,
            Arithmetic::Divide | Arithmetic::WholeDivide => a / b,
            Arithmetic::Remainder => a % b,
            Arithmetic::PositiveRemainder => match a % b {
                rest if rest < 0.0 => (rest + b) % b,
                rest => rest,
            },
        })
    }

    fn refuse_zero(self, is_zero: bool) -> Result<(), String> {
        match self {
            Arithmetic::Divide | Arithmetic::WholeDivide if is_zero => Err(
                "[DIVIDE_BY_ZERO] Division by zero. Use nullif(divisor, 0) to get a null instead.".to_owned(),
            ),
            Arithmetic::Remainder | Arithmetic::PositiveRemainder if is_zero => Err(
                "[REMAINDER_BY_ZERO] Remainder by zero. Use nullif(divisor, 0) to get a null instead."
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }
}

/// `%` is any text, `_` any character, a backslash takes both literally.
fn is_like(text: &str, pattern: &str) -> Result<bool, String> {
    enum Piece {
        Any,
        One,
        Exactly(char),
    }
    let mut pieces = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        pieces.push(match character {
            '%' => Piece::Any,
            '_' => Piece::One,
            '\\' => match characters.next() {
                Some(escaped @ ('%' | '_' | '\\')) => Piece::Exactly(escaped),
                _ => {
                    return Err(format!(
                        "[INVALID_FORMAT] the pattern {pattern:?} escapes nothing"
                    ));
                }
            },
            other => Piece::Exactly(other),
        });
    }
    // For each piece, which beginnings of the text the pieces up to it match.
    let text: Vec<char> = text.chars().collect();
    let mut matched = vec![false; text.len() + 1];
    matched[0] = true;
    for piece in pieces {
        let mut before = false;
        let next = (0..=text.len()).map(|end| {
            before = match &piece {
                Piece::Any => matched[end] || before,
                Piece::One => end > 0 && matched[end - 1],
                Piece::Exactly(wanted) => end > 0 && matched[end - 1] && text[end - 1] == *wanted,
            };
            before
        });
        matched = next.collect();
    }
    Ok(matched.last() == Some(&true))
}
