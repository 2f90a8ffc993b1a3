//! From a clause's shape to the clause: whether column, comparator and value go together.

use crate::error::TrackingError;

use super::column::{Column, NumberColumn, TextColumn};
use super::filter::{Clause, Number, NumberOp, TextOp};
use super::lexer::{Kind, Token};
use super::name::{self, Place};
use super::parser::{Condition, Shape};
use super::target::{Attribute, NumberAttribute, Target, TextAttribute};
use super::{excerpt, quoted_list};

type Result<T> = std::result::Result<T, TrackingError>;

pub(super) fn clause(target: Target, shape: Shape<'_>) -> Result<Clause> {
    match name::column(target, Place::Filter, shape.name)? {
        Column::Number(column) => number_clause(target, column, shape),
        Column::Text(column) => text_clause(target, column, shape),
    }
}

fn number_clause(target: Target, column: NumberColumn, shape: Shape<'_>) -> Result<Clause> {
    let key = shape.name.key;
    let kind = match column {
        NumberColumn::Metric { .. } => "metric".to_owned(),
        NumberColumn::Attribute(_) => format!("numeric attribute: {}", excerpt(key)),
    };
    let (op, value) = match &shape.condition {
        Condition::Compare { op, value } => (op, value),
        Condition::Null { .. } => return Err(null_refused(target, entity_of_number(&column), key)),
        Condition::In { list, .. } => return Err(not_a_number(&kind, list.raw)),
    };
    let value = number(target, &column, key, value)?.ok_or_else(|| not_a_number(&kind, value.raw))?;
    let compared = match column {
        NumberColumn::Metric { .. } => "metric".to_owned(),
        NumberColumn::Attribute(_) => format!("attribute {}", excerpt(key)),
    };
    let op = NumberOp::ALL
        .into_iter()
        .find(|known| known.as_str() == op)
        .ok_or_else(|| invalid_comparator(target, &compared, op, NumberOp::ALL.map(NumberOp::as_str)))?;
    Ok(Clause::Number { column, op, value })
}

/// Returns the number, or `None` if the value is no number.
fn number(target: Target, column: &NumberColumn, key: &str, token: &Token<'_>) -> Result<Option<Number>> {
    // MLflow takes version_number = '3' too.
    let digits = match (token.kind, column) {
        (Kind::Number, _) => token.raw,
        (_, NumberColumn::Attribute(NumberAttribute::VersionNumber)) => match token.text_value() {
            Some(text) => text.trim(),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    let is_metric = matches!(column, NumberColumn::Metric { .. });
    if let Ok(integer) = digits.parse::<i64>()
        && !is_metric
    {
        return Ok(Some(Number::Integer(integer)));
    }
    let takes_fractions = is_metric || matches!(target, Target::Runs | Target::LoggedModels);
    match digits.parse::<f64>() {
        Ok(real) if takes_fractions => Ok(Some(Number::Real(real))),
        _ => Err(TrackingError::rejected(format!(
            "Invalid value for numeric attribute '{}': {}, expected a whole number",
            excerpt(key),
            excerpt(token.raw)
        ))),
    }
}

fn text_clause(target: Target, column: TextColumn, shape: Shape<'_>) -> Result<Clause> {
    let entity = entity_of_text(&column);
    let key = shape.name.key;
    match shape.condition {
        Condition::Null { negated } => match (target, &column) {
            (Target::Runs, TextColumn::Param(_) | TextColumn::Tag(_))
            | (Target::Experiments, TextColumn::Tag(_)) => Ok(Clause::Null { column, negated }),
            _ => Err(null_refused(target, entity, key)),
        },
        Condition::In { negated, list } => {
            check_takes_lists(target, &column, list.raw)?;
            let values = list.values?.into_iter().map(str::to_owned).collect();
            Ok(Clause::In {
                column,
                negated,
                values,
            })
        }
        Condition::Compare { op, value } => {
            let value = text(target, entity, &value)?;
            let op = text_op(&column, target, &op)?;
            Ok(Clause::Text { column, op, value })
        }
    }
}

fn text(target: Target, entity: &str, token: &Token<'_>) -> Result<String> {
    if let Some(value) = token.text_value() {
        return Ok(value.to_owned());
    }
    match token.kind {
        // Searches of logged models do without quotes: params.lr = 0.01.
        _ if target == Target::LoggedModels && !token.raw.contains('`') => Ok(token.raw.to_owned()),
        Kind::Name(_) => Err(TrackingError::rejected(format!(
            "Parameter value is either not quoted or unidentified quote types used for string value {}. Use either \
             single or double quotes.",
            excerpt(token.raw)
        ))),
        _ => Err(TrackingError::rejected(format!(
            "{} Got value {}",
            match (entity, target) {
                ("attribute", Target::RegisteredModels | Target::ModelVersions) => {
                    "Expected a quoted string value or a list of quoted string values for attributes."
                        .to_owned()
                }
                ("attribute", _) => "Expected a quoted string value for attributes.".to_owned(),
                ("dataset", _) => "Expected a quoted string value for dataset attributes.".to_owned(),
                _ => format!("Expected a quoted string value for {entity} (e.g. 'my-value')."),
            },
            excerpt(token.raw)
        ))),
    }
}

fn text_op(column: &TextColumn, target: Target, op: &str) -> Result<TextOp> {
    // These ids are numbers inside: there is nothing a pattern could mean.
    let is_number_inside =
        target == Target::Experiments && *column == TextColumn::Attribute(TextAttribute::ExperimentId);
    let known = if is_number_inside {
        &TextOp::ALL[..2]
    } else {
        &TextOp::ALL[..]
    };
    let found = known.iter().find(|known| known.as_str() == op).copied();
    found.ok_or_else(|| {
        let others: &[&str] = match (target, column) {
            (Target::Runs, TextColumn::Param(_) | TextColumn::Tag(_))
            | (Target::Experiments, TextColumn::Tag(_)) => &["IS NULL", "IS NOT NULL"],
            (Target::LoggedModels, TextColumn::Param(_) | TextColumn::Tag(_)) => &[],
            _ => &["IN", "NOT IN"],
        };
        let known = known.iter().map(|op| op.as_str()).chain(others.iter().copied());
        invalid_comparator(target, entity_of_text(column), op, known)
    })
}

fn check_takes_lists(target: Target, column: &TextColumn, raw: &str) -> Result<()> {
    match column {
        TextColumn::Dataset(_) => Ok(()),
        _ if target == Target::LoggedModels => Ok(()),
        TextColumn::Param(_) | TextColumn::Tag(_) => Err(TrackingError::rejected(format!(
            "Expected a quoted string value for {} (e.g. 'my-value'). Got value {}",
            entity_of_text(column),
            excerpt(raw)
        ))),
        TextColumn::Attribute(attribute) => {
            let attribute = Attribute::Text(*attribute);
            if target.key_of(attribute).is_some_and(|key| key.in_lists) {
                return Ok(());
            }
            let listed = target.attributes().iter().filter(|key| key.in_lists);
            Err(TrackingError::rejected(format!(
                "Only [{}] attributes support comparison with a list of quoted string values.",
                quoted_list(listed.map(|key| key.names[0]))
            )))
        }
    }
}

fn entity_of_number(column: &NumberColumn) -> &'static str {
    match column {
        NumberColumn::Metric { .. } => "metric",
        NumberColumn::Attribute(_) => "attribute",
    }
}

fn entity_of_text(column: &TextColumn) -> &'static str {
    match column {
        TextColumn::Param(_) => "parameter",
        TextColumn::Tag(_) => "tag",
        TextColumn::Attribute(_) => "attribute",
        TextColumn::Dataset(_) => "dataset",
    }
}

fn not_a_number(kind: &str, raw: &str) -> TrackingError {
    TrackingError::rejected(format!(
        "Expected numeric value type for {kind}. Found {}",
        excerpt(raw)
    ))
}

/// `what` is compared; MLflow says it only in the registry, and there it does not say what else there is.
fn invalid_comparator<'a>(
    target: Target,
    what: &str,
    op: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> TrackingError {
    let (op, known) = (excerpt(op), quoted_list(known));
    TrackingError::rejected(match target {
        Target::RegisteredModels | Target::ModelVersions => {
            format!("Invalid comparator for {what}: {op}, not one of '{{{known}}}'")
        }
        // MLflow forgets the quote at the end of some.
        Target::Runs if matches!(what, "metric" | "tag" | "dataset") => {
            format!("Invalid comparator '{op}' not one of '{{{known}}}")
        }
        Target::Runs | Target::Experiments | Target::LoggedModels => {
            format!("Invalid comparator '{op}' not one of '{{{known}}}'")
        }
    })
}

fn null_refused(target: Target, entity: &str, key: &str) -> TrackingError {
    let key = excerpt(key);
    TrackingError::rejected(match target {
        Target::Runs => {
            format!("IS NULL / IS NOT NULL is only supported for tags and params, not for '{entity}' '{key}'")
        }
        Target::Experiments => {
            format!("IS NULL / IS NOT NULL is only supported for tags, not for {entity} '{key}'")
        }
        _ => format!("Invalid comparator 'IS NULL' for {entity} '{key}': this search does not support it"),
    })
}
