//! From what was parsed to a [`Node`]: columns get their positions, values the casts that Spark would insert.

use std::cmp::Ordering;

use sqlparser::ast::{BinaryOperator, CastKind, DataType, Expr, Spanned, UnaryOperator, Value as Literal};

use super::node::{Arithmetic, Node};
use super::parse::at;
use super::{SqlType, Value};

mod calls;

use calls::{call, plain_call, to_whole};

/// The columns that an expression may name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    pub(crate) columns: Vec<(String, SqlType)>,
}

type Typed = (Node, SqlType);
type Result<T> = std::result::Result<T, String>;

/// Settles the types of an expression.
///
/// # Errors
/// What is wrong with it or not known here, with its place.
pub(crate) fn typed(expression: &Expr, scope: &Scope) -> Result<Typed> {
    let boolean = |value: &Expr| of_type(value, scope, SqlType::Boolean);
    let truth = |node: Node| Ok((node, SqlType::Boolean));
    match expression {
        Expr::Nested(inner) => typed(inner, scope),
        Expr::Identifier(name) => {
            let position = scope.columns.iter().position(|(column, _)| *column == name.value);
            let known = || {
                scope
                    .columns
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let unknown = || {
                at(
                    name.span.start,
                    format!("unknown column {}; columns here: {}", name.value, known()),
                )
            };
            let position = position.ok_or_else(unknown)?;
            Ok((Node::Column(position), scope.columns[position].1))
        }
        Expr::Value(value) => literal(&value.value, "").ok_or_else(|| refused(expression)),
        Expr::UnaryOp { op, expr } => unary(*op, expr, scope).unwrap_or_else(|| Err(refused(expression))),
        Expr::BinaryOp { left, op, right } => {
            binary(left, op, right, scope).unwrap_or_else(|| Err(refused(expression)))
        }
        Expr::IsNull(value) => truth(is_null(typed(value, scope)?)),
        Expr::IsNotNull(value) => truth(not(is_null(typed(value, scope)?))),
        Expr::IsUnknown(value) => truth(Node::IsNull(Box::new(boolean(value)?))),
        Expr::IsNotUnknown(value) => truth(not(Node::IsNull(Box::new(boolean(value)?)))),
        Expr::IsTrue(value) => truth(Node::IsTruth(true, Box::new(boolean(value)?))),
        Expr::IsNotTrue(value) => truth(not(Node::IsTruth(true, Box::new(boolean(value)?)))),
        Expr::IsFalse(value) => truth(Node::IsTruth(false, Box::new(boolean(value)?))),
        Expr::IsNotFalse(value) => truth(not(Node::IsTruth(false, Box::new(boolean(value)?)))),
        Expr::InList { expr, list, negated } => {
            let values = std::iter::once(expr.as_ref()).chain(list);
            let (values, _) = alike(typed_all(values, scope)?, expression)?;
            truth(negated_if(*negated, Node::In(values)))
        }
        Expr::Between {
            expr,
            negated,
            low,
            high,
        } => {
            let (mut values, _) = alike(typed_all([expr.as_ref(), low, high], scope)?, expression)?;
            let (high, low) = (values.remove(2), values.remove(1));
            let value = values.remove(0);
            let above = Node::Compare(NOT_LESS, Box::new([value.clone(), low]));
            let below = Node::Compare(NOT_GREATER, Box::new([value, high]));
            truth(negated_if(*negated, Node::And(Box::new([above, below]))))
        }
        Expr::Like {
            negated,
            any: false,
            expr,
            pattern,
            escape_char: None,
        } => {
            let operands = [
                of_type(expr, scope, SqlType::Text)?,
                of_type(pattern, scope, SqlType::Text)?,
            ];
            truth(negated_if(*negated, Node::Like(Box::new(operands))))
        }
        Expr::Cast {
            kind,
            expr,
            data_type,
            array: false,
            format: None,
        } => {
            let to = named_type(data_type).ok_or_else(|| refused(expression))?;
            let is_try = matches!(kind, CastKind::TryCast | CastKind::SafeCast);
            let value = Box::new(typed(expr, scope)?.0);
            Ok((Node::Cast { to, is_try, value }, to))
        }
        Expr::Case {
            operand,
            conditions,
            else_result,
            ..
        } => {
            let (mut holds, mut results) = (Vec::new(), Vec::new());
            for branch in conditions {
                holds.push(match operand {
                    None => boolean(&branch.condition)?,
                    Some(operand) => {
                        let sides = typed_all([operand.as_ref(), &branch.condition], scope)?;
                        Node::Compare(EQUAL, pair(alike(sides, expression)?.0))
                    }
                });
                results.push(typed(&branch.result, scope)?);
            }
            let otherwise = else_result
                .as_ref()
                .map(|value| typed(value, scope))
                .transpose()?;
            results.push(otherwise.unwrap_or(NULL));
            case(holds, results, expression)
        }
        Expr::Ceil { expr, field } => to_whole("ceil", expr, field, expression, scope),
        Expr::Floor { expr, field } => to_whole("floor", expr, field, expression, scope),
        Expr::Trim {
            trim_where: None,
            trim_what: None,
            expr,
            trim_characters: None,
        } => call("trim", &[expr], expression, scope),
        Expr::Substring {
            expr,
            substring_from,
            substring_for,
            ..
        } => {
            let arguments: Vec<&Expr> = std::iter::once(expr.as_ref())
                .chain(substring_from.as_deref())
                .chain(substring_for.as_deref())
                .collect();
            call("substring", &arguments, expression, scope)
        }
        Expr::Function(function) => match plain_call(function) {
            Some((name, arguments)) => call(&name, &arguments, expression, scope),
            None => Err(refused(expression)),
        },
        _ => Err(refused(expression)),
    }
}

const NULL: Typed = (Node::Literal(Value::Null), SqlType::Null);
const EQUAL: &[Ordering] = &[Ordering::Equal];
const NOT_EQUAL: &[Ordering] = &[Ordering::Less, Ordering::Greater];
const LESS: &[Ordering] = &[Ordering::Less];
const GREATER: &[Ordering] = &[Ordering::Greater];
const NOT_GREATER: &[Ordering] = &[Ordering::Less, Ordering::Equal];
const NOT_LESS: &[Ordering] = &[Ordering::Greater, Ordering::Equal];

fn refused(expression: &Expr) -> String {
    at(
        expression.span().start,
        format!("{expression} is not known here, see docs/job-file.md for what is"),
    )
}

fn not(node: Node) -> Node {
    Node::Not(Box::new(node))
}

fn negated_if(is_negated: bool, node: Node) -> Node {
    if is_negated { not(node) } else { node }
}

fn is_null((node, _): Typed) -> Node {
    Node::IsNull(Box::new(node))
}

fn pair(mut nodes: Vec<Node>) -> Box<[Node; 2]> {
    let second = nodes.pop().unwrap_or(NULL.0);
    Box::new([nodes.pop().unwrap_or(NULL.0), second])
}

fn typed_all<'a>(values: impl IntoIterator<Item = &'a Expr>, scope: &Scope) -> Result<Vec<Typed>> {
    values.into_iter().map(|value| typed(value, scope)).collect()
}

/// The value as one of that type, by the casts that Spark inserts by itself.
fn of_type(value: &Expr, scope: &Scope, to: SqlType) -> Result<Node> {
    let (node, from) = typed(value, scope)?;
    let is_allowed = match to {
        SqlType::Boolean => matches!(from, SqlType::Null | SqlType::Boolean | SqlType::Text),
        SqlType::Text => true,
        _ => from.is_number() || matches!(from, SqlType::Null | SqlType::Text),
    };
    match is_allowed {
        true => Ok(cast(node, from, to)),
        false => Err(at(
            value.span().start,
            format!("{value} is of type {}, expected {}", from.name(), to.name()),
        )),
    }
}

fn cast(node: Node, from: SqlType, to: SqlType) -> Node {
    match from == to {
        true => node,
        false => Node::Cast {
            to,
            is_try: false,
            value: Box::new(node),
        },
    }
}

/// The type that two types have in common: of numbers the wider one, of a 32-bit float and a whole number a double; a text
/// becomes what the other is.
fn common(a: SqlType, b: SqlType) -> Option<SqlType> {
    use SqlType::{Boolean, Double, Float, Long, Null, Text};
    Some(match (a.min(b), a.max(b)) {
        (a, b) if a == b => a,
        (Null, other) => other,
        (Boolean, Text) => Boolean,
        (number, Text) if number.is_whole() => Long,
        (_, Text) => Double,
        (number, Float) if number.is_whole() => Double,
        (Boolean, _) => return None,
        (_, wider) => wider,
    })
}

/// Values cast to the type they have in common.
fn alike(values: Vec<Typed>, whole: &Expr) -> Result<(Vec<Node>, SqlType)> {
    let mut kind = SqlType::Null;
    for (_, own) in &values {
        let different = || {
            let (kind, own) = (kind.name(), own.name());
            at(whole.span().start, format!("{whole} mixes {kind} and {own}"))
        };
        kind = common(kind, *own).ok_or_else(different)?;
    }
    let nodes = values.into_iter().map(|(node, own)| cast(node, own, kind));
    Ok((nodes.collect(), kind))
}

/// A number without a point is whole, of 64 bits if it needs them; others are doubles.
fn literal(value: &Literal, sign: &str) -> Option<Typed> {
    Some(match value {
        Literal::Null if sign.is_empty() => NULL,
        Literal::Boolean(value) if sign.is_empty() => {
            (Node::Literal(Value::Boolean(*value)), SqlType::Boolean)
        }
        Literal::SingleQuotedString(text) | Literal::DoubleQuotedString(text) if sign.is_empty() => {
            (Node::Literal(Value::Text(text.clone())), SqlType::Text)
        }
        Literal::Number(digits, is_long) => {
            let text = format!("{sign}{digits}");
            match text.parse::<i64>() {
                Ok(value) => {
                    let is_long = *is_long || i32::try_from(value).is_err();
                    let kind = if is_long { SqlType::Long } else { SqlType::Int };
                    (Node::Literal(Value::Whole(value)), kind)
                }
                Err(_) if *is_long => return None,
                Err(_) => (Node::Literal(Value::Double(text.parse().ok()?)), SqlType::Double),
            }
        }
        _ => return None,
    })
}

fn unary(operator: UnaryOperator, value: &Expr, scope: &Scope) -> Option<Result<Typed>> {
    if let (UnaryOperator::Minus, Expr::Value(number)) = (operator, value) {
        return literal(&number.value, "-").map(Ok);
    }
    let number = || match typed(value, scope)? {
        (node, SqlType::Text) => Ok((cast(node, SqlType::Text, SqlType::Double), SqlType::Double)),
        typed if typed.1.is_number() => Ok(typed),
        (_, kind) => Err(at(
            value.span().start,
            format!("{value} is of type {}, expected a number", kind.name()),
        )),
    };
    Some(match operator {
        UnaryOperator::Plus => number(),
        UnaryOperator::Minus => number().map(|(node, kind)| (Node::Negate(kind, Box::new(node)), kind)),
        UnaryOperator::Not | UnaryOperator::BangNot => {
            of_type(value, scope, SqlType::Boolean).map(|node| (not(node), SqlType::Boolean))
        }
        _ => return None,
    })
}

fn binary(left: &Expr, operator: &BinaryOperator, right: &Expr, scope: &Scope) -> Option<Result<Typed>> {
    use BinaryOperator as B;
    let compare = |orders| {
        let (nodes, _) = alike(typed_all([left, right], scope)?, left)?;
        Ok((Node::Compare(orders, pair(nodes)), SqlType::Boolean))
    };
    let both = || {
        Ok::<_, String>(Box::new([
            of_type(left, scope, SqlType::Boolean)?,
            of_type(right, scope, SqlType::Boolean)?,
        ]))
    };
    Some(match operator {
        B::Plus => arithmetic(Arithmetic::Add, left, right, scope),
        B::Minus => arithmetic(Arithmetic::Subtract, left, right, scope),
        B::Multiply => arithmetic(Arithmetic::Multiply, left, right, scope),
        B::Divide => arithmetic(Arithmetic::Divide, left, right, scope),
        B::Modulo => arithmetic(Arithmetic::Remainder, left, right, scope),
        // The parser takes all that follows for the divisor.
        B::MyIntegerDivide if !matches!(right, Expr::BinaryOp { .. }) => {
            arithmetic(Arithmetic::WholeDivide, left, right, scope)
        }
        B::Eq => compare(EQUAL),
        B::NotEq => compare(NOT_EQUAL),
        B::Lt => compare(LESS),
        B::LtEq => compare(NOT_GREATER),
        B::Gt => compare(GREATER),
        B::GtEq => compare(NOT_LESS),
        B::Spaceship => typed_all([left, right], scope)
            .and_then(|sides| alike(sides, left))
            .map(|(nodes, _)| (Node::NullSafeEqual(pair(nodes)), SqlType::Boolean)),
        B::And => both().map(|sides| (Node::And(sides), SqlType::Boolean)),
        B::Or => both().map(|sides| (Node::Or(sides), SqlType::Boolean)),
        B::StringConcat => call("concat", &[left, right], left, scope),
        _ => return None,
    })
}

fn arithmetic(operator: Arithmetic, left: &Expr, right: &Expr, scope: &Scope) -> Result<Typed> {
    let sides = typed_all([left, right], scope)?;
    for ((_, kind), side) in sides.iter().zip([left, right]) {
        if *kind == SqlType::Boolean {
            return Err(at(
                side.span().start,
                format!("{side} is of type BOOLEAN, expected a number"),
            ));
        }
    }
    let are_texts = sides
        .iter()
        .all(|(_, kind)| matches!(kind, SqlType::Text | SqlType::Null));
    let (nodes, mut kind) = alike(sides, left)?;
    let target = match operator {
        Arithmetic::Divide => SqlType::Double,
        Arithmetic::WholeDivide => SqlType::Long,
        _ if kind == SqlType::Null => SqlType::Int,
        _ if are_texts => SqlType::Double,
        _ => kind,
    };
    if operator == Arithmetic::WholeDivide && !kind.is_whole() {
        return Err(at(
            left.span().start,
            format!("{left} DIV {right} needs whole numbers"),
        ));
    }
    let nodes = nodes.into_iter().map(|node| cast(node, kind, target)).collect();
    kind = target;
    Ok((Node::Arithmetic(operator, kind, pair(nodes)), kind))
}

fn case(holds: Vec<Node>, results: Vec<Typed>, whole: &Expr) -> Result<Typed> {
    let (mut results, kind) = alike(results, whole)?;
    let otherwise = results.pop().unwrap_or(NULL.0);
    let branches = holds.into_iter().zip(results).collect();
    Ok((Node::Case(branches, Box::new(otherwise)), kind))
}

fn named_type(data_type: &DataType) -> Option<SqlType> {
    type_called(&data_type.to_string().to_lowercase())
}

fn type_called(name: &str) -> Option<SqlType> {
    Some(match name {
        "boolean" => SqlType::Boolean,
        "int" | "integer" => SqlType::Int,
        "bigint" | "long" => SqlType::Long,
        "float" | "real" => SqlType::Float,
        "double" => SqlType::Double,
        "string" => SqlType::Text,
        _ => return None,
    })
}
