//! An order as keys that are never null: a value that may be missing becomes two, its [rank](NUMBER) and the value.

use super::bound::{Bound, OwnedValue};
use super::conditions;
use super::names::{Attribute, Names};
use crate::search::{
    Column, MetricValue, NumberColumn, OrderBy, OrderTerm, Target, TextAttribute, TextColumn,
};
use crate::sql::fault::Sql;

/// The rank of a value that is there; it comes first, whichever the direction.
pub(super) const NUMBER: i64 = 0;
/// The rank of a NaN.
pub(super) const NAN: i64 = 1;
/// The rank of what is missing; it comes last.
pub(super) const MISSING: i64 = 2;

/// One thing to sort by.
#[derive(Debug, Clone)]
pub(super) enum Key {
    Column {
        sql: String,
        ascending: bool,
    },
    /// The same for every row of a step.
    Fixed(OwnedValue),
}

impl Key {
    pub(super) fn ascending(sql: impl Into<String>) -> Self {
        Key::Column {
            sql: sql.into(),
            ascending: true,
        }
    }

    pub(super) fn column(&self) -> Option<&str> {
        match self {
            Key::Column { sql, .. } => Some(sql),
            Key::Fixed(_) => None,
        }
    }

    pub(super) fn order(&self) -> Option<String> {
        match self {
            Key::Column { sql, ascending: true } => Some(sql.clone()),
            Key::Column {
                sql,
                ascending: false,
            } => Some(format!("{sql} DESC")),
            Key::Fixed(_) => None,
        }
    }
}

pub(super) fn of_order(names: Names, order: &OrderBy, bound: &mut Bound) -> Sql<Vec<Key>> {
    let keys: Vec<Vec<Key>> = order
        .terms
        .iter()
        .map(|term| of_term(names, term, bound))
        .collect::<Sql<_>>()?;
    Ok(keys.concat())
}

pub(super) fn of_term(names: Names, term: &OrderTerm, bound: &mut Bound) -> Sql<Vec<Key>> {
    let ascending = term.ascending;
    match &term.column {
        Column::Number(NumberColumn::Attribute(attribute)) => {
            Ok(of_attribute(names.number(*attribute)?, "0", ascending))
        }
        Column::Number(NumberColumn::Metric { key, value }) => of_metric(names, term, key, *value, bound),
        // As the number that it is.
        Column::Text(TextColumn::Attribute(TextAttribute::ExperimentId)) => Ok(vec![Key::Column {
            sql: names.column("experiment_id"),
            ascending,
        }]),
        Column::Text(TextColumn::Attribute(attribute)) => {
            Ok(of_attribute(names.text(*attribute)?, "''", ascending))
        }
        Column::Text(column) => {
            let (table, key) = conditions::table_and_key(names, column)?;
            let (on, key) = (names.on("x"), bound.text(key));
            let value = format!("(SELECT x.value FROM {table} AS x WHERE {on} AND x.key = {key})");
            Ok(nullable(&value, "''", ascending))
        }
    }
}

fn of_attribute(attribute: Attribute, nothing: &str, ascending: bool) -> Vec<Key> {
    let Attribute { sql, is_nullable } = attribute;
    if is_nullable {
        nullable(&sql, nothing, ascending)
    } else {
        vec![Key::Column { sql, ascending }]
    }
}

fn of_metric(
    names: Names,
    term: &OrderTerm,
    key: &str,
    which: MetricValue,
    bound: &mut Bound,
) -> Sql<Vec<Key>> {
    let (table, on, key) = (names.metrics()?, names.on("x"), bound.text(key));
    let from = format!("FROM {table} AS x WHERE {on} AND x.key = {key}");
    let (is_nan, value, latest) = match (names.target, which) {
        (Target::Runs, MetricValue::Min) => {
            return Ok(nullable(
                &format!("(SELECT x.min_value {from})"),
                "0",
                term.ascending,
            ));
        }
        (Target::Runs, MetricValue::Max) => {
            return Ok(nullable(
                &format!("(SELECT x.max_value {from})"),
                "0",
                term.ascending,
            ));
        }
        (Target::Runs, _) => ("x.latest_is_nan", "x.latest_value", String::new()),
        _ => ("x.is_nan", "x.value", latest_of_model(term, bound)),
    };
    Ok(vec![
        Key::ascending(format!("COALESCE((SELECT {is_nan} {from}{latest}), {MISSING})")),
        Key::Column {
            sql: format!("COALESCE((SELECT {value} {from}{latest}), 0.0)"),
            ascending: term.ascending,
        },
    ])
}

/// Which of the values on the right datasets counts.
fn latest_of_model(term: &OrderTerm, bound: &mut Bound) -> String {
    let mut sql = String::new();
    for (column, value) in [
        ("dataset_name", &term.dataset_name),
        ("dataset_digest", &term.dataset_digest),
    ] {
        if let Some(value) = value {
            sql.push_str(&format!(" AND x.{column} = {}", bound.text(value)));
        }
    }
    sql + " ORDER BY x.timestamp_ms DESC, x.step DESC, x.run_id, x.is_nan DESC, x.value DESC LIMIT 1"
}

fn nullable(sql: &str, nothing: &str, ascending: bool) -> Vec<Key> {
    vec![
        Key::ascending(format!(
            "CASE WHEN {sql} IS NULL THEN {MISSING} ELSE {NUMBER} END"
        )),
        Key::Column {
            sql: format!("COALESCE({sql}, {nothing})"),
            ascending,
        },
    ]
}
