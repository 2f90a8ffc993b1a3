//! How a search is answered: in one statement, or in steps along an index.
//!
//! Runs sorted by a metric, a parameter or a tag are walked in the order of that value's index: first the runs that have
//! it, then those where it is NaN, last those that lack it; a page that is full needs no further step.

use super::bound::{Bound, OwnedValue};
use super::conditions;
use super::keys::{self, Key, MISSING, NAN, NUMBER};
use super::names::Names;
use super::plan::{Plan, by_index};
use crate::search::{
    Clause, Column, MetricValue, NumberColumn, NumberOp, OrderBy, OrderTerm, Target, TextColumn,
};
use crate::sql::fault::Sql;

/// One statement of a search.
#[derive(Debug)]
pub(super) struct Step {
    /// What to read from.
    pub(super) from: String,
    /// In addition to the search's.
    pub(super) conditions: Vec<String>,
    pub(super) keys: Vec<Key>,
    pub(super) bound: Bound,
}

/// Returns the steps, in order; `bound` holds the values of the conditions they share.
pub(super) fn of(
    names: Names,
    order: &OrderBy,
    index: Option<&Index<'_>>,
    plan: &Plan,
    bound: &Bound,
) -> Sql<Vec<Step>> {
    if let Some(clause) = &plan.few {
        return Ok(vec![from_few(names, order, plan, clause, bound.clone())?]);
    }
    if let Some(index) = index.filter(|_| plan.walks) {
        return ranks(index, plan)
            .iter()
            .map(|rank| along(names, index, *rank, plan, bound.clone()))
            .collect();
    }
    let mut bound = bound.clone();
    Ok(vec![Step {
        from: names.from(),
        conditions: in_sets(names, "r.run_id", plan, &mut bound)?,
        keys: keys::of_order(names, order, &mut bound)?,
        bound,
    }])
}

/// The ranks that can hold a match: what lacks the metric satisfies no clause about it, and NaN only `!=`.
fn ranks(index: &Index<'_>, plan: &Plan) -> &'static [i64] {
    let needs_number = |clause: &Clause| !matches!(clause, Clause::Number { op: NumberOp::Ne, .. });
    if index.metric().is_none() {
        &[NUMBER, MISSING]
    } else if plan.walked.is_empty() {
        &[NUMBER, NAN, MISSING]
    } else if plan.walked.iter().any(needs_number) {
        &[NUMBER]
    } else {
        &[NUMBER, NAN]
    }
}

/// Starts from the few runs that satisfy a clause.
fn from_few(names: Names, order: &OrderBy, plan: &Plan, clause: &Clause, mut bound: Bound) -> Sql<Step> {
    let mut conditions = in_sets(names, "y.run_id", plan, &mut bound)?;
    let mut from = names.from();
    if let Some(found) = by_index(names, clause, plan.experiment, &mut bound)? {
        let join = bound.dialect().list_join();
        from = format!("{} AS y {join} {from} ON r.run_id = y.run_id", found.table);
        conditions.insert(0, found.test);
    }
    Ok(Step {
        from,
        conditions,
        keys: keys::of_order(names, order, &mut bound)?,
        bound,
    })
}

/// The table whose index holds runs in the order of the first term, with the other terms.
#[derive(Debug)]
pub(super) struct Index<'a> {
    table: &'static str,
    key: &'a str,
    first: &'a OrderTerm,
    rest: &'a [OrderTerm],
}

impl<'a> Index<'a> {
    pub(super) fn of(order: &'a OrderBy) -> Option<Self> {
        let (first, rest) = order.terms.split_first()?;
        let (table, key) = match &first.column {
            Column::Number(NumberColumn::Metric {
                key,
                value: MetricValue::Latest,
            }) if order.target == Target::Runs => ("curves", key),
            Column::Text(TextColumn::Param(key)) => ("params", key),
            Column::Text(TextColumn::Tag(key)) => ("tags", key),
            _ => return None,
        };
        Some(Index {
            table,
            key,
            first,
            rest,
        })
    }

    /// The metric whose values it holds, if it is one.
    pub(super) fn metric(&self) -> Option<&'a str> {
        (self.table == "curves").then_some(self.key)
    }
}

/// The step of one rank along the index.
fn along(names: Names, index: &Index<'_>, rank: i64, plan: &Plan, mut bound: Bound) -> Sql<Step> {
    let table = index.table;
    let has_key = format!("o.key = {}", bound.text(index.key));
    let (from, mut conditions, id) = if rank == MISSING {
        let lacking =
            format!("NOT EXISTS (SELECT 1 FROM {table} AS o WHERE o.run_id = r.run_id AND {has_key})");
        (names.from(), vec![lacking], "r.run_id")
    } else {
        let join = bound.dialect().list_join();
        let from = format!("{table} AS o {join} {} ON r.run_id = o.run_id", names.from());
        let mut conditions = vec![has_key];
        if index.metric().is_some() {
            conditions.push(format!("o.latest_is_nan = {rank}"));
            if let Some(experiment) = plan.experiment {
                conditions.push(format!("o.experiment_id = {}", bound.int(experiment)));
            }
            conditions.extend(of_walked(plan, &mut bound));
        }
        (from, conditions, "o.run_id")
    };
    conditions.extend(in_sets(names, id, plan, &mut bound)?);

    let (value, nothing) = if index.metric().is_some() {
        ("o.latest_value", OwnedValue::Real(0.0))
    } else {
        ("o.value", OwnedValue::Text(String::new()))
    };
    let sorted = if rank == NUMBER {
        Key::Column {
            sql: value.to_owned(),
            ascending: index.first.ascending,
        }
    } else {
        Key::Fixed(nothing)
    };
    let mut keys = vec![Key::Fixed(OwnedValue::Int(rank)), sorted];
    for term in index.rest {
        keys.extend(keys::of_term(names, term, &mut bound)?);
    }
    Ok(Step {
        from,
        conditions,
        keys,
        bound,
    })
}

/// The clauses about the metric that is walked, asked of the index itself.
fn of_walked(plan: &Plan, bound: &mut Bound) -> Vec<String> {
    let tests = plan.walked.iter().filter_map(|clause| match clause {
        Clause::Number { op, value, .. } => {
            let number = bound.real(conditions::as_real(*value));
            Some(conditions::metric_test(
                "o.latest_is_nan",
                "o.latest_value",
                *op,
                &number,
            ))
        }
        _ => None,
    });
    tests.collect()
}

/// The plan's clauses that leave some runs over: whether the id is among theirs. It is written so that no index can
/// answer it, which would take the runs out of their order.
fn in_sets(names: Names, id: &str, plan: &Plan, bound: &mut Bound) -> Sql<Vec<String>> {
    let mut conditions = Vec::new();
    for clause in &plan.some {
        if let Some(found) = by_index(names, clause, plan.experiment, bound)? {
            conditions.push(format!("({id} || '') IN ({})", found.ids()));
        }
    }
    Ok(conditions)
}
