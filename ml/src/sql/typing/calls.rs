//! Calls of functions: what they take, and what they give.

use sqlparser::ast::{
    CeilFloorKind, DateTimeField, Expr, Function as Call, FunctionArg, FunctionArgExpr, FunctionArguments,
    ObjectName, Spanned,
};

use super::{
    EQUAL, NULL, Result, Scope, Typed, alike, arithmetic, case, is_null, not, of_type, pair, refused,
    type_called, typed, typed_all,
};
use crate::sql::functions::{Function, Gives, Takes};
use crate::sql::node::{Arithmetic, Node};
use crate::sql::parse::at;
use crate::sql::{SqlType, Value};

pub(super) fn to_whole(
    name: &str,
    value: &Expr,
    field: &CeilFloorKind,
    whole: &Expr,
    scope: &Scope,
) -> Result<Typed> {
    match field {
        CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => call(name, &[value], whole, scope),
        _ => Err(refused(whole)),
    }
}

/// Name and arguments of a call of a function that has neither window nor filter nor the like.
pub(super) fn plain_call(function: &Call) -> Option<(String, Vec<&Expr>)> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let is_plain = matches!(function.parameters, FunctionArguments::None)
        && list.duplicate_treatment.is_none()
        && list.clauses.is_empty()
        && function.filter.is_none()
        && function.over.is_none()
        && function.null_treatment.is_none()
        && function.within_group.is_empty();
    let argument =
        |argument: &'_ FunctionArg| matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(_)));
    if !is_plain || !list.args.iter().all(argument) {
        return None;
    }
    let arguments = list.args.iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value),
        _ => None,
    });
    Some((plain_name(&function.name), arguments.collect()))
}

fn plain_name(name: &ObjectName) -> String {
    name.to_string().to_lowercase()
}

/// A call; what is more than a function of values first.
pub(super) fn call(name: &str, arguments: &[&Expr], whole: &Expr, scope: &Scope) -> Result<Typed> {
    let all = || typed_all(arguments.iter().copied(), scope);
    let double = |value: f64| Ok((Node::Literal(Value::Double(value)), SqlType::Double));
    match (name, arguments) {
        ("if", [condition, _, _]) => {
            let results = typed_all(arguments[1..].iter().copied(), scope)?;
            case(vec![of_type(condition, scope, SqlType::Boolean)?], results, whole)
        }
        ("coalesce" | "nvl" | "ifnull", [_, ..]) if name == "coalesce" || arguments.len() == 2 => {
            let (values, kind) = alike(all()?, whole)?;
            Ok((Node::Coalesce(values), kind))
        }
        ("nvl2", [value, _, _]) => {
            let results = typed_all(arguments[1..].iter().copied(), scope)?;
            case(vec![not(is_null(typed(value, scope)?))], results, whole)
        }
        ("nullif", [value, _]) => {
            let equal = Node::Compare(EQUAL, pair(alike(all()?, whole)?.0));
            case(vec![equal], vec![NULL, typed(value, scope)?], whole)
        }
        ("isnull", [value]) => Ok((is_null(typed(value, scope)?), SqlType::Boolean)),
        ("isnotnull", [value]) => Ok((not(is_null(typed(value, scope)?)), SqlType::Boolean)),
        ("mod", [left, right]) => arithmetic(Arithmetic::Remainder, left, right, scope),
        ("pmod", [left, right]) => arithmetic(Arithmetic::PositiveRemainder, left, right, scope),
        ("pi", []) => double(std::f64::consts::PI),
        ("e", []) => double(std::f64::consts::E),
        ("log", [_]) => call("ln", arguments, whole, scope),
        ("log", [_, _]) => call("log_of_base", arguments, whole, scope),
        ("boolean" | "int" | "bigint" | "float" | "double" | "string", [value]) => {
            let to = type_called(name).ok_or_else(|| refused(whole))?;
            let value = Box::new(typed(value, scope)?.0);
            Ok((
                Node::Cast {
                    to,
                    is_try: false,
                    value,
                },
                to,
            ))
        }
        _ => match Function::called(name) {
            Some((function, takes, gives)) => function_call(function, takes, gives, arguments, whole, scope),
            None => Err(refused(whole)),
        },
    }
}

fn function_call(
    function: Function,
    takes: Takes,
    gives: Gives,
    arguments: &[&Expr],
    whole: &Expr,
    scope: &Scope,
) -> Result<Typed> {
    let each = |to: SqlType| {
        arguments
            .iter()
            .map(|value| of_type(value, scope, to))
            .collect::<Result<Vec<_>>>()
    };
    let (nodes, taken) = match takes {
        Takes::Doubles(count) if arguments.len() == count => (each(SqlType::Double)?, SqlType::Double),
        Takes::Texts(count) if arguments.len() == count => (each(SqlType::Text)?, SqlType::Text),
        Takes::AnyTexts => (each(SqlType::Text)?, SqlType::Text),
        Takes::Number if arguments.len() == 1 => number(arguments[0], scope)?,
        Takes::NumberAndPlaces if matches!(arguments.len(), 1 | 2) => {
            let (mut nodes, kind) = number(arguments[0], scope)?;
            for places in &arguments[1..] {
                nodes.push(of_type(places, scope, SqlType::Int)?);
            }
            (nodes, kind)
        }
        Takes::Alike if arguments.len() >= 2 => alike(typed_all(arguments.iter().copied(), scope)?, whole)?,
        Takes::TextAndPlaces if matches!(arguments.len(), 2 | 3) => {
            let mut nodes = vec![of_type(arguments[0], scope, SqlType::Text)?];
            for places in &arguments[1..] {
                nodes.push(of_type(places, scope, SqlType::Int)?);
            }
            (nodes, SqlType::Text)
        }
        _ => {
            let count = arguments.len();
            return Err(at(
                whole.span().start,
                format!("{whole}: {count} arguments are not what it takes"),
            ));
        }
    };
    let kind = match gives {
        Gives::Always(kind) => kind,
        Gives::SameAsTaken => taken,
    };
    Ok((Node::Call(function, kind, nodes), kind))
}

/// A number; a text is cast to a double.
fn number(value: &Expr, scope: &Scope) -> Result<(Vec<Node>, SqlType)> {
    match typed(value, scope)? {
        (node, kind) if kind.is_number() => Ok((vec![node], kind)),
        _ => Ok((vec![of_type(value, scope, SqlType::Double)?], SqlType::Double)),
    }
}
