//! [`Plan`]: which clauses of a filter leave so few runs over that it is better to start from them.
//!
//! Walking the runs in order and looking at each is right while most of them match. It is slow where few do: then it
//! looks at nearly all. The databases guess, or know nothing; we count, up to a bound, which takes about a millisecond.

use super::bound::Bound;
use super::names::Names;
use super::{Scope, conditions};
use crate::search::{Clause, Filter, MetricValue, NumberColumn, NumberOp, Target, TextColumn, TextOp};
use crate::sql::fault::Sql;
use crate::sql::session::Session;

/// So many runs are looked up and sorted one by one.
const FEW: i64 = 2000;
/// So many ids are collected first, and each run asked whether it is among them before anything is read of it.
const SOME: i64 = 20_000;
/// How many clauses are counted at most.
const COUNTED: usize = 8;

/// How the runs that match are found.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The scope alone leaves few runs over, and its index finds them.
    pub(super) scope_is_small: bool,
    /// The clause that leaves few over.
    pub(super) few: Option<Clause>,
    /// Clauses that leave some over.
    pub(super) some: Vec<Clause>,
    /// All others.
    pub(super) rest: Vec<Clause>,
}

/// The rows of an index that answers a clause: `y.run_id` of `table AS y WHERE test`.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) table: &'static str,
    pub(super) test: String,
}

impl Found {
    pub(super) fn ids(&self) -> String {
        format!("SELECT y.run_id FROM {} AS y WHERE {}", self.table, self.test)
    }
}

impl Plan {
    /// Counts what the clauses leave over; `walked` is the metric in whose order the runs will be looked at.
    pub(super) fn of(
        session: &dyn Session,
        names: Names,
        scope: &Scope<'_>,
        filter: Filter,
        walked: Option<&str>,
    ) -> Sql<Self> {
        let mut plan = Plan::default();
        if names.target != Target::Runs {
            plan.rest = filter.clauses;
            return Ok(plan);
        }
        let mut bound = Bound::new(session.dialect());
        let mut limit = SOME;
        if let Some(condition) = conditions::of_experiments(names, scope, &mut bound) {
            let runs = format!("SELECT 1 FROM runs AS r WHERE {condition}");
            let in_scope = count(session, &runs, bound, FEW)?;
            if in_scope <= FEW {
                plan.scope_is_small = true;
                // Of use only if it leaves clearly fewer over than the scope does.
                limit = in_scope / 2;
            }
        }
        let mut counted = 0;
        for clause in filter.clauses {
            let is_open = plan.few.is_none() && counted < COUNTED;
            let mut bound = Bound::new(session.dialect());
            let found = if is_open {
                by_index(names, &clause, &mut bound)?
            } else {
                None
            };
            let Some(found) = found else {
                plan.rest.push(clause);
                continue;
            };
            counted += 1;
            let left_over = count(session, &found.ids(), bound, limit)?;
            if left_over <= limit.min(FEW) {
                plan.few = Some(clause);
            } else if left_over <= limit && !is_about(&clause, walked) {
                plan.some.push(clause);
            } else {
                plan.rest.push(clause);
            }
        }
        Ok(plan)
    }
}

/// Whether the clause is about the metric whose index is walked: then a walk is at the right place already, and looks at
/// few runs that do not match.
fn is_about(clause: &Clause, walked: Option<&str>) -> bool {
    match clause {
        Clause::Number {
            column: NumberColumn::Metric { key, .. },
            ..
        } => walked == Some(key.as_str()),
        _ => false,
    }
}

/// Returns what an index answers of a clause.
pub(super) fn by_index(names: Names, clause: &Clause, bound: &mut Bound) -> Sql<Option<Found>> {
    Ok(match clause {
        Clause::Text {
            column: column @ (TextColumn::Param(_) | TextColumn::Tag(_)),
            op: TextOp::Eq,
            value,
        } => {
            let (table, key) = conditions::table_and_key(names, column)?;
            let test = format!("y.key = {} AND y.value = {}", bound.text(key), bound.text(value));
            Some(Found { table, test })
        }
        Clause::Number {
            column:
                NumberColumn::Metric {
                    key,
                    value: MetricValue::Latest,
                },
            op,
            value,
        } if *op != NumberOp::Ne => {
            let (key, number) = (bound.text(key), bound.real(conditions::as_real(*value)));
            let test = conditions::metric_test("y.latest_is_nan", "y.latest_value", *op, &number);
            Some(Found {
                table: "curves",
                test: format!("y.key = {key} AND {test}"),
            })
        }
        _ => None,
    })
}

/// Counts the rows of a query; beyond `limit` it says only that there are more.
fn count(session: &dyn Session, query: &str, mut bound: Bound, limit: i64) -> Sql<i64> {
    let limit = bound.int(limit + 1);
    let sql = format!("SELECT COUNT(*) FROM ({query} LIMIT {limit}) AS counted");
    let count = session.first(&sql, &bound.values(), |row| row.int(0))?;
    Ok(count.unwrap_or_default())
}
