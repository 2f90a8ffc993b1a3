//! [`Function`]: what can be called, and what it computes.

use std::cmp::Ordering;

use super::round::{Half, round};
use super::{SqlType, Value, cast, node};

/// A function. What is more than a function of values (`coalesce`, `if`) is not here.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Function {
    /// Of a double.
    Math(fn(f64) -> f64),
    /// Of a double above a bound, else null.
    Log(fn(f64) -> f64, f64),
    /// Of two doubles.
    Math2(fn(f64, f64) -> f64),
    /// The logarithm of the second to the base of the first.
    LogOfBase,
    NaNvl,
    IsNaN,
    Abs,
    Floor,
    Ceil,
    Round,
    RoundToEven,
    Greatest,
    Least,
    /// Of a text.
    Text(fn(&str) -> String),
    Concat,
    Length,
    Substring,
    Replace,
    Contains,
    StartsWith,
    EndsWith,
}

/// What a function takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// So many doubles.
    Doubles(usize),
    /// So many texts.
    Texts(usize),
    /// Texts, any number.
    AnyTexts,
    /// A number.
    Number,
    /// A number and, or not, a whole number.
    NumberAndPlaces,
    /// At least two values of one type.
    Alike,
    /// A text, a whole number and, or not, another.
    TextAndPlaces,
}

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gives {
    /// This type.
    Always(SqlType),
    /// The type of its first argument.
    SameAsTaken,
}

impl Function {
    /// The function of that name, what it takes and what it gives.
    pub(super) fn called(name: &str) -> Option<(Self, Takes, Gives)> {
        use Function as F;
        use Gives::{Always, SameAsTaken};
        use Takes::{Alike, AnyTexts, Doubles, Number, NumberAndPlaces, TextAndPlaces, Texts};
        let math = |compute| (F::Math(compute), Doubles(1), Always(SqlType::Double));
        let log = |compute, bound| (F::Log(compute, bound), Doubles(1), Always(SqlType::Double));
        let math2 = |compute| (F::Math2(compute), Doubles(2), Always(SqlType::Double));
        let text = |compute| (F::Text(compute), Texts(1), Always(SqlType::Text));
        Some(match name {
            "ln" => log(libm::log, 0.0),
            "log10" => log(libm::log10, 0.0),
            "log2" => log(libm::log2, 0.0),
            "log1p" => log(libm::log1p, -1.0),
            "exp" => math(libm::exp),
            "expm1" => math(libm::expm1),
            "sqrt" => math(libm::sqrt),
            "cbrt" => math(libm::cbrt),
            "sin" => math(libm::sin),
            "cos" => math(libm::cos),
            "tan" => math(libm::tan),
            "asin" => math(libm::asin),
            "acos" => math(libm::acos),
            "atan" => math(libm::atan),
            "sinh" => math(libm::sinh),
            "cosh" => math(libm::cosh),
            "tanh" => math(libm::tanh),
            "rint" => math(libm::rint),
            "degrees" => math(|x| x * (180.0 / std::f64::consts::PI)),
            "radians" => math(|x| x * (std::f64::consts::PI / 180.0)),
            "sign" | "signum" => math(|x| if x == 0.0 || x.is_nan() { x } else { x.signum() }),
            "pow" | "power" => math2(libm::pow),
            "atan2" => math2(libm::atan2),
            "hypot" => math2(libm::hypot),
            "log_of_base" => (F::LogOfBase, Doubles(2), Always(SqlType::Double)),
            "nanvl" => (F::NaNvl, Doubles(2), Always(SqlType::Double)),
            "isnan" => (F::IsNaN, Doubles(1), Always(SqlType::Boolean)),
            "abs" => (F::Abs, Number, SameAsTaken),
            "floor" => (F::Floor, Number, Always(SqlType::Long)),
            "ceil" | "ceiling" => (F::Ceil, Number, Always(SqlType::Long)),
            "round" => (F::Round, NumberAndPlaces, SameAsTaken),
            "bround" => (F::RoundToEven, NumberAndPlaces, SameAsTaken),
            "greatest" => (F::Greatest, Alike, SameAsTaken),
            "least" => (F::Least, Alike, SameAsTaken),
            "lower" | "lcase" => text(str::to_lowercase),
            "upper" | "ucase" => text(str::to_uppercase),
            "trim" => text(|text| text.trim_matches(' ').to_owned()),
            "ltrim" => text(|text| text.trim_start_matches(' ').to_owned()),
            "rtrim" => text(|text| text.trim_end_matches(' ').to_owned()),
            "reverse" => text(|text| text.chars().rev().collect()),
            "concat" => (F::Concat, AnyTexts, Always(SqlType::Text)),
            "length" | "char_length" | "character_length" | "len" => {
                (F::Length, Texts(1), Always(SqlType::Int))
            }
            "substring" | "substr" => (F::Substring, TextAndPlaces, Always(SqlType::Text)),
            "replace" => (F::Replace, Texts(3), Always(SqlType::Text)),
            "contains" => (F::Contains, Texts(2), Always(SqlType::Boolean)),
            "startswith" => (F::StartsWith, Texts(2), Always(SqlType::Boolean)),
            "endswith" => (F::EndsWith, Texts(2), Always(SqlType::Boolean)),
            _ => return None,
        })
    }

    /// The value for some arguments, which are of the types it takes; `kind` is the type it gives.
    pub(super) fn compute(self, kind: SqlType, arguments: &[Value]) -> Result<Value, String> {
        match self {
            Function::IsNaN => return Ok(Value::Boolean(arguments[0].double().is_some_and(f64::is_nan))),
            Function::Greatest => return Ok(extreme(arguments, Ordering::Greater)),
            Function::Least => return Ok(extreme(arguments, Ordering::Less)),
            Function::NaNvl => {
                let is_nan = arguments[0].double().is_some_and(f64::is_nan);
                return Ok(arguments[usize::from(is_nan)].clone());
            }
            _ if arguments.contains(&Value::Null) => return Ok(Value::Null),
            _ => {}
        }
        let doubles: Vec<f64> = arguments.iter().filter_map(Value::double).collect();
        let texts: Vec<&str> = arguments
            .iter()
            .filter_map(|value| match value {
                Value::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        Ok(match (self, doubles.as_slice(), texts.as_slice()) {
            (Function::Math(compute), [x], _) => Value::Double(compute(*x)),
            (Function::Log(_, bound), [x], _) if *x <= bound => Value::Null,
            (Function::Log(compute, _), [x], _) => Value::Double(compute(*x)),
            (Function::Math2(compute), [x, y], _) => Value::Double(compute(*x, *y)),
            (Function::LogOfBase, [base, x], _) if *base <= 0.0 || *x <= 0.0 => Value::Null,
            (Function::LogOfBase, [base, x], _) => Value::Double(libm::log(*x) / libm::log(*base)),
            (Function::Abs, ..) => match &arguments[0] {
                Value::Whole(value) => node::whole(kind, value.checked_abs(), "abs")?,
                Value::Float(value) => Value::Float(value.abs()),
                Value::Double(value) => Value::Double(value.abs()),
                other => other.clone(),
            },
            (Function::Floor, [x], _) => to_whole(&arguments[0], libm::floor(*x))?,
            (Function::Ceil, [x], _) => to_whole(&arguments[0], libm::ceil(*x))?,
            (Function::Round, ..) => round(&arguments[0], kind, places(arguments), Half::Up)?,
            (Function::RoundToEven, ..) => round(&arguments[0], kind, places(arguments), Half::Even)?,
            (Function::Text(compute), _, [text]) => Value::Text(compute(text)),
            (Function::Concat, _, texts) => Value::Text(texts.concat()),
            (Function::Length, _, [text]) => Value::Whole(text.chars().count() as i64),
            (Function::Substring, _, [text]) => Value::Text(substring(text, arguments)),
            (Function::Replace, _, [text, search, with]) => Value::Text(match search.is_empty() {
                true => (*text).to_owned(),
                false => text.replace(search, with),
            }),
            (Function::Contains, _, [text, part]) => Value::Boolean(text.contains(part)),
            (Function::StartsWith, _, [text, part]) => Value::Boolean(text.starts_with(part)),
            (Function::EndsWith, _, [text, part]) => Value::Boolean(text.ends_with(part)),
            _ => Value::Null,
        })
    }
}

/// The largest or smallest value that is not null.
fn extreme(values: &[Value], wanted: Ordering) -> Value {
    let better = |best: &Value, value: &Value| value.compare(best) == Some(wanted);
    let present = values.iter().filter(|value| **value != Value::Null);
    let best = present.reduce(|best, value| if better(best, value) { value } else { best });
    best.cloned().unwrap_or(Value::Null)
}

/// A whole number as it is; of a double what was rounded. As Java casts, NaN is 0.
fn to_whole(value: &Value, rounded: f64) -> Result<Value, String> {
    match value {
        Value::Whole(value) => Ok(Value::Whole(*value)),
        _ if rounded.is_nan() => Ok(Value::Whole(0)),
        _ => node::whole(SqlType::Long, cast::cut(rounded), "rounding"),
    }
}

fn places(arguments: &[Value]) -> i64 {
    match arguments.get(1) {
        Some(Value::Whole(places)) => *places,
        _ => 0,
    }
}

/// Positions count from 1, or from behind where they are negative; 0 is the first.
fn substring(text: &str, arguments: &[Value]) -> String {
    let whole = |position: usize| match arguments.get(position) {
        Some(Value::Whole(value)) => Some(*value),
        _ => None,
    };
    let (length, start) = (text.chars().count() as i64, whole(1).unwrap_or(1));
    let start = match start {
        1.. => start - 1,
        0 => 0,
        _ => start.saturating_add(length),
    };
    let end = whole(2).map_or(i64::MAX, |count| start.saturating_add(count));
    let in_range = |position: i64| (start..end).contains(&position);
    (0..)
        .zip(text.chars())
        .filter(|(position, _)| in_range(*position))
        .map(|(_, c)| c)
        .collect()
}
