//! The clauses of a filter as SQL conditions; what they mean is said at [`Clause`].
//!
//! What hangs on a record is looked up with EXISTS: the database walks the records in order and may stop when the page
//! is full.

use super::Scope;
use super::bound::Bound;
use super::names::Names;
use crate::entities::ViewType;
use crate::error::TrackingError;
use crate::search::{
    Clause, DatasetField, Filter, MetricValue, Number, NumberColumn, NumberOp, Target, TextAttribute,
    TextColumn, TextOp,
};
use crate::sql::fault::Sql;
use crate::sql::rules;
use crate::sql::session::Dialect;

/// The longest pattern, in bytes: SQLite refuses much longer ones, and no value is longer.
const MAX_PATTERN_BYTES: usize = 20_000;

/// The conditions of the scope; the filter's clauses come in addition.
pub(super) fn of_scope(
    names: Names,
    scope: &Scope<'_>,
    filter: &Filter,
    bound: &mut Bound,
) -> Sql<Vec<String>> {
    let mut conditions = Vec::new();
    let stage = match scope.view {
        ViewType::ActiveOnly => Some("active"),
        ViewType::DeletedOnly => Some("deleted"),
        ViewType::All => None,
    };
    if let Some(stage) = stage {
        conditions.push(format!("{} = '{stage}'", names.column("lifecycle_stage")));
    }
    conditions.extend(of_experiments(names, scope, bound));
    // A clause about a metric asks for the datasets itself.
    let is_metric = |clause: &Clause| {
        matches!(
            clause,
            Clause::Number {
                column: NumberColumn::Metric { .. },
                ..
            }
        )
    };
    if !scope.datasets.is_empty() && !filter.clauses.iter().any(is_metric) {
        let (table, on, datasets) = (names.metrics()?, names.on("x"), on_datasets(scope, bound));
        conditions.push(format!(
            "EXISTS (SELECT 1 FROM {table} AS x WHERE {on}{datasets})"
        ));
    }
    Ok(conditions)
}

/// That the value `x` is one on the scope's datasets, if it names any: ` AND (…)`.
fn on_datasets(scope: &Scope<'_>, bound: &mut Bound) -> String {
    let datasets: Vec<String> = scope
        .datasets
        .iter()
        .map(|dataset| {
            let name = format!("x.dataset_name = {}", bound.text(&dataset.name));
            match &dataset.digest {
                None => name,
                Some(digest) => format!("{name} AND x.dataset_digest = {}", bound.text(digest)),
            }
        })
        .collect();
    if datasets.is_empty() {
        return String::new();
    }
    format!(" AND ({})", datasets.join(" OR "))
}

pub(super) fn of_experiments(names: Names, scope: &Scope<'_>, bound: &mut Bound) -> Option<String> {
    // An id that is not a number belongs to no experiment, so it finds nothing.
    let ids = scope.experiment_ids?;
    let numbers: Vec<i64> = ids
        .iter()
        .filter_map(|id| rules::experiment_number(id).ok())
        .collect();
    let column = names.column("experiment_id");
    if let [number] = numbers[..] {
        // The usual case gets the form that an index answers in order, page by page, without sorting.
        return Some(format!("{column} = {}", bound.int(number)));
    }
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    let list = bound.list(numbers.iter().map(String::as_str));
    Some(format!(
        "{column} IN (SELECT CAST(items.value AS BIGINT) FROM {list})"
    ))
}

/// The one experiment that is searched, if it is one.
pub(super) fn only_experiment(scope: &Scope<'_>) -> Option<i64> {
    match scope.experiment_ids? {
        [id] => rules::experiment_number(id).ok(),
        _ => None,
    }
}

pub(super) fn of_clause(names: Names, scope: &Scope<'_>, clause: &Clause, bound: &mut Bound) -> Sql<String> {
    match clause {
        Clause::Number { column, op, value } => of_number(names, scope, column, *op, *value, bound),
        Clause::Text { column, op, value } => {
            let value = TextTest::Compare(*op, value);
            of_text(names, column, &value, bound)
        }
        Clause::In {
            column,
            negated,
            values,
        } => of_text(names, column, &TextTest::In(*negated, values), bound),
        Clause::Null { column, negated } => {
            let there = hanging(names, column, "", bound)?;
            Ok(if *negated { there } else { format!("NOT {there}") })
        }
    }
}

/// What a metric's value is tested with: never true for NaN, but for `!=`.
pub(super) fn metric_test(is_nan: &str, value: &str, op: NumberOp, number: &str) -> String {
    match op {
        NumberOp::Ne => format!("({is_nan} = 1 OR {value} <> {number})"),
        _ => format!("{is_nan} = 0 AND {value} {} {number}", sign(op)),
    }
}

pub(super) fn as_real(number: Number) -> f64 {
    match number {
        Number::Integer(value) => value as f64,
        Number::Real(value) => value,
    }
}

fn of_number(
    names: Names,
    scope: &Scope<'_>,
    column: &NumberColumn,
    op: NumberOp,
    number: Number,
    bound: &mut Bound,
) -> Sql<String> {
    match column {
        NumberColumn::Attribute(attribute) => {
            let column = names.number(*attribute)?.sql;
            let number = match number {
                Number::Integer(value) => bound.int(value),
                Number::Real(value) => format!("CAST({} AS DOUBLE PRECISION)", bound.real(value)),
            };
            Ok(format!("{column} {} {number}", sign(op)))
        }
        NumberColumn::Metric { key, value } => {
            let (table, on) = (names.metrics()?, names.on("x"));
            let (key, number) = (bound.text(key), bound.real(as_real(number)));
            let test = match (names.target, value) {
                (Target::Runs, MetricValue::Min) => format!("x.min_value {} {number}", sign(op)),
                (Target::Runs, MetricValue::Max) => format!("x.max_value {} {number}", sign(op)),
                (Target::Runs, _) => metric_test("x.latest_is_nan", "x.latest_value", op, &number),
                _ => metric_test("x.is_nan", "x.value", op, &number),
            };
            let datasets = on_datasets(scope, bound);
            Ok(format!(
                "EXISTS (SELECT 1 FROM {table} AS x WHERE {on} AND x.key = {key} AND {test}{datasets})"
            ))
        }
    }
}

enum TextTest<'a> {
    Compare(TextOp, &'a str),
    In(bool, &'a [String]),
}

fn of_text(names: Names, column: &TextColumn, test: &TextTest<'_>, bound: &mut Bound) -> Sql<String> {
    match column {
        // A number here, a text in the filter.
        TextColumn::Attribute(TextAttribute::ExperimentId) => {
            let column = names.text(TextAttribute::ExperimentId)?.sql;
            text_test(&format!("CAST({column} AS TEXT)"), test, bound)
        }
        TextColumn::Attribute(attribute) => text_test(&names.text(*attribute)?.sql, test, bound),
        TextColumn::Dataset(field) => of_dataset(*field, test, bound),
        TextColumn::Param(_) | TextColumn::Tag(_) => match column.value_when_missing(names.target) {
            None => {
                let test = format!(" AND {}", text_test("x.value", test, bound)?);
                hanging(names, column, &test, bound)
            }
            Some(missing) => {
                let (table, key) = table_and_key(names, column)?;
                let (on, key, missing) = (names.on("x"), bound.text(key), bound.text(missing));
                let value = format!(
                    "COALESCE((SELECT x.value FROM {table} AS x WHERE {on} AND x.key = {key}), {missing})"
                );
                text_test(&value, test, bound)
            }
        },
    }
}

/// Whether the record has the parameter or tag, with a value that passes the test.
fn hanging(names: Names, column: &TextColumn, test: &str, bound: &mut Bound) -> Sql<String> {
    let (table, key) = table_and_key(names, column)?;
    let (on, key) = (names.on("x"), bound.text(key));
    Ok(format!(
        "EXISTS (SELECT 1 FROM {table} AS x WHERE {on} AND x.key = {key}{test})"
    ))
}

pub(super) fn table_and_key(names: Names, column: &TextColumn) -> Sql<(&'static str, &str)> {
    match column {
        TextColumn::Param(key) => Ok((names.params()?, key)),
        TextColumn::Tag(key) => Ok((names.tags(), key)),
        TextColumn::Attribute(_) | TextColumn::Dataset(_) => {
            Err(TrackingError::invalid("search", format!("{column:?} has no key")).into())
        }
    }
}

fn of_dataset(field: DatasetField, test: &TextTest<'_>, bound: &mut Bound) -> Sql<String> {
    let column = match field {
        DatasetField::Name => "d.name",
        DatasetField::Digest => "d.digest",
        DatasetField::Context => {
            let test = text_test("x.value", test, bound)?;
            return Ok(format!(
                "EXISTS (SELECT 1 FROM dataset_input_tags AS x
                 WHERE x.run_id = r.run_id AND x.key = 'mlflow.data.context' AND {test})"
            ));
        }
    };
    let test = text_test(column, test, bound)?;
    Ok(format!(
        "EXISTS (SELECT 1 FROM dataset_inputs AS x JOIN datasets AS d ON d.dataset_id = x.dataset_id
         WHERE x.run_id = r.run_id AND {test})"
    ))
}

fn text_test(value: &str, test: &TextTest<'_>, bound: &mut Bound) -> Sql<String> {
    Ok(match test {
        TextTest::In(negated, values) => {
            let list = bound.list(values.iter().map(String::as_str));
            let not = if *negated { "NOT " } else { "" };
            format!("{value} {not}IN (SELECT items.value FROM {list})")
        }
        TextTest::Compare(TextOp::Eq, text) => format!("{value} = {}", bound.text(text)),
        TextTest::Compare(TextOp::Ne, text) => format!("{value} <> {}", bound.text(text)),
        TextTest::Compare(TextOp::Like, text) => {
            format!("{value} LIKE {} ESCAPE '\\'", pattern(text, bound)?)
        }
        TextTest::Compare(TextOp::ILike, text) => {
            let lower = match bound.dialect() {
                Dialect::Sqlite => format!("LOWER({value})"),
                // The columns' own collation knows the letters of ASCII only.
                Dialect::Postgres => format!("LOWER({value} COLLATE \"und-x-icu\")"),
            };
            format!(
                "{lower} LIKE {} ESCAPE '\\'",
                pattern(&text.to_lowercase(), bound)?
            )
        }
    })
}

/// A pattern in which only `%` and `_` are special: by itself PostgreSQL takes a backslash for an escape, SQLite does
/// not, so each is told to, and every backslash is escaped.
fn pattern(text: &str, bound: &mut Bound) -> Sql<String> {
    if text.len() > MAX_PATTERN_BYTES {
        return Err(TrackingError::rejected(format!(
            "Invalid filter: a pattern has {} bytes, at most {MAX_PATTERN_BYTES} are allowed",
            text.len()
        ))
        .into());
    }
    Ok(bound.text(&text.replace('\\', "\\\\")))
}

fn sign(op: NumberOp) -> &'static str {
    match op {
        NumberOp::Eq => "=",
        NumberOp::Ne => "<>",
        NumberOp::Lt => "<",
        NumberOp::Le => "<=",
        NumberOp::Gt => ">",
        NumberOp::Ge => ">=",
    }
}
