//! [`Plan`]: which clauses of a filter leave so few runs over that it is better to start from them.
//!
//! Walking the runs in order and looking at each is right while most of them match. It is slow where few do: then it
//! looks at nearly all. The databases guess, or know nothing; we count, up to a bound, which takes about a millisecond.

use super::bound::Bound;
use super::names::Names;
use super::steps::Index;
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
    /// The one experiment that is searched, if it is one.
    pub(super) experiment: Option<i64>,
    /// The index on the first term of the order is walked.
    pub(super) walks: bool,
    /// Clauses about the very metric that is walked: they say where the walk starts and ends.
    pub(super) walked: Vec<Clause>,
    /// The clause that leaves few over; nothing is walked then.
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
    /// Counts what scope and clauses leave over; `index` is the one that the order could be read from.
    pub(super) fn of(
        session: &dyn Session,
        names: Names,
        scope: &Scope<'_>,
        filter: Filter,
        index: Option<&Index<'_>>,
    ) -> Sql<Self> {
        let mut plan = Plan::default();
        if names.target != Target::Runs {
            plan.rest = filter.clauses;
            return Ok(plan);
        }
        plan.experiment = conditions::only_experiment(scope);
        let in_scope = in_scope(session, names, scope)?;
        let metric = index.and_then(Index::metric);
        // In a small scope an index over all experiments would lead past many foreign runs.
        let is_narrow = metric.is_some() && plan.experiment.is_some();
        plan.walks = index.is_some() && (in_scope.is_none() || is_narrow);

        // Of use only if it leaves clearly fewer over than the scope does.
        let limit = in_scope.map_or(SOME, |in_scope| in_scope / 2);
        let counts = plan.count(session, names, &filter, limit)?;
        let fewest = (0..counts.len()).filter(|place| counts[*place] <= limit.min(FEW));
        let fewest = fewest.min_by_key(|place| counts[*place]);
        for (place, clause) in filter.clauses.into_iter().enumerate() {
            if plan.walks && metric.is_some_and(|key| is_about(&clause, key)) {
                plan.walked.push(clause);
            } else if fewest == Some(place) {
                plan.few = Some(clause);
            } else if fewest.is_none() && counts[place] <= limit {
                plan.some.push(clause);
            } else {
                plan.rest.push(clause);
            }
        }
        if plan.few.is_some() {
            plan.walks = false;
            plan.rest.append(&mut plan.walked);
        }
        Ok(plan)
    }

    /// Counts what each clause leaves over, or says that it is more than `limit`, or than another one.
    fn count(&self, session: &dyn Session, names: Names, filter: &Filter, limit: i64) -> Sql<Vec<i64>> {
        let mut counts = vec![i64::MAX; filter.clauses.len()];
        let (mut counted, mut limit) = (0, limit);
        for (count, clause) in counts.iter_mut().zip(&filter.clauses) {
            let mut bound = Bound::new(session.dialect());
            let Some(found) = by_index(names, clause, self.experiment, &mut bound)? else {
                continue;
            };
            if counted == COUNTED || limit == 0 {
                break;
            }
            counted += 1;
            let left_over = count_rows(session, &found.ids(), bound, limit)?;
            if left_over <= limit {
                *count = left_over;
            }
            if left_over <= FEW {
                limit = limit.min(left_over);
            }
        }
        Ok(counts)
    }
}

/// How many runs the scope holds, if they are few.
fn in_scope(session: &dyn Session, names: Names, scope: &Scope<'_>) -> Sql<Option<i64>> {
    let mut bound = Bound::new(session.dialect());
    let Some(condition) = conditions::of_experiments(names, scope, &mut bound) else {
        return Ok(None);
    };
    let runs = format!("SELECT 1 FROM runs AS r WHERE {condition}");
    let count = count_rows(session, &runs, bound, FEW)?;
    Ok((count <= FEW).then_some(count))
}

fn is_about(clause: &Clause, walked: &str) -> bool {
    match clause {
        Clause::Number {
            column:
                NumberColumn::Metric {
                    key,
                    value: MetricValue::Latest,
                },
            ..
        } => walked == key,
        _ => false,
    }
}

/// Returns what an index answers of a clause.
pub(super) fn by_index(
    names: Names,
    clause: &Clause,
    experiment: Option<i64>,
    bound: &mut Bound,
) -> Sql<Option<Found>> {
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
            let scope = match experiment {
                Some(experiment) => format!("y.experiment_id = {} AND ", bound.int(experiment)),
                None => String::new(),
            };
            Some(Found {
                table: "curves",
                test: format!("{scope}y.key = {key} AND {test}"),
            })
        }
        _ => None,
    })
}

/// Counts the rows of a query; beyond `limit` it says only that there are more.
fn count_rows(session: &dyn Session, query: &str, mut bound: Bound, limit: i64) -> Sql<i64> {
    let limit = bound.int(limit + 1);
    let sql = format!("SELECT COUNT(*) FROM ({query} LIMIT {limit}) AS counted");
    let count = session.first(&sql, &bound.values(), |row| row.int(0))?;
    Ok(count.unwrap_or_default())
}
