//! Searches in SQL: a filter and an order in, one page of rows out.
//!
//! The order is a list of [`keys`] that are never null, so that a page's end is known by their values and the next page
//! starts right behind it ([`cursor`]): a page costs the same wherever it lies. User text only ever travels as a bound
//! value ([`bound`]).
//!
//! Usually one statement answers. An order by a metric, a parameter or a tag is answered in [`steps`]: the index on that
//! value is walked in order, so that a full page needs no sorting; unless the [`plan`] finds that few runs match.

mod bound;
mod conditions;
mod cursor;
mod keys;
mod names;
mod plan;
mod steps;

use bound::Bound;
use cursor::Cursor;
use keys::Key;
use names::Names;
use plan::Plan;
use steps::{Index, Step};

use super::fault::Sql;
use super::session::{Columns, Session, Value};
use crate::entities::ViewType;
use crate::page::Page;
use crate::search::{Filter, OrderBy, Target};
use crate::store::{DatasetFilter, Search};

/// What is searched, beside filter and order.
#[derive(Debug)]
pub(super) struct Listing<'a> {
    pub(super) target: Target,
    /// The columns to read, with the target's alias ([`Names`]) before each: `r.run_id, r.run_name`.
    pub(super) columns: &'static str,
    pub(super) scope: Scope<'a>,
    pub(super) filter: &'a str,
    pub(super) order: OrderBy,
    pub(super) max_results: usize,
    pub(super) page_token: Option<&'a str>,
}

impl<'a> Listing<'a> {
    pub(super) fn of(
        target: Target,
        columns: &'static str,
        scope: Scope<'a>,
        search: &'a Search,
    ) -> Sql<Self> {
        Ok(Listing {
            target,
            columns,
            scope,
            filter: &search.filter,
            order: OrderBy::parse(target, &search.order_by)?,
            max_results: search.max_results,
            page_token: search.page_token.as_deref(),
        })
    }
}

/// Which records are searched at all.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    /// Only records in these stages; of no effect on targets that have none.
    pub(super) view: ViewType,
    /// Only records of these experiments.
    pub(super) experiment_ids: Option<&'a [String]>,
    /// Of a logged model: if there are any, only what it was found to do on one of these.
    pub(super) datasets: &'a [DatasetFilter],
}

/// Returns one page; `read` reads the listing's columns from 0.
pub(super) fn page<T>(
    session: &dyn Session,
    listing: &Listing<'_>,
    mut read: impl FnMut(&dyn Columns) -> Sql<T>,
) -> Sql<Page<T>> {
    let filter = Filter::parse(listing.target, listing.filter)?;
    let order = &listing.order;
    let listing_id = cursor::listing_id(&listing.scope, &filter, order);
    let cursor = match listing.page_token {
        Some(token) => Some(Cursor::parse(token, &listing_id)?),
        None => None,
    };

    let names = Names::of(listing.target);
    let mut bound = Bound::new(session.dialect());
    let mut conditions = conditions::of_scope(names, &listing.scope, &filter, &mut bound)?;
    let index = Index::of(order);
    let plan = Plan::of(session, names, &listing.scope, filter, index.as_ref())?;
    for clause in &plan.rest {
        conditions.push(conditions::of_clause(names, &listing.scope, clause, &mut bound)?);
    }
    let max_results = listing.max_results;
    let mut rows: Vec<(T, Cursor)> = Vec::new();
    for step in steps::of(names, order, index.as_ref(), &plan, &bound)? {
        if rows.len() > max_results {
            break;
        }
        let Some(Statement { sql, bound, keys }) = statement(
            listing,
            &conditions,
            step,
            cursor.as_ref(),
            max_results + 1 - rows.len(),
        )?
        else {
            continue;
        };
        let width = listing.columns.split(',').count();
        let values: Vec<Value<'_>> = bound.values();
        session.for_each(&sql, &values, &mut |row| {
            rows.push((read(row)?, Cursor::read(row, width, &keys)?));
            Ok(())
        })?;
    }

    let next_page_token = match rows.get(max_results) {
        Some(_) => rows
            .get(max_results - 1)
            .map(|(_, cursor)| cursor.token(&listing_id)),
        None => None,
    };
    rows.truncate(max_results);
    Ok(Page {
        items: rows.into_iter().map(|(item, _)| item).collect(),
        next_page_token,
    })
}

struct Statement {
    sql: String,
    bound: Bound,
    keys: Vec<Key>,
}

/// Returns the statement of one step, unless the cursor is behind all of it.
fn statement(
    listing: &Listing<'_>,
    conditions: &[String],
    step: Step,
    cursor: Option<&Cursor>,
    limit: usize,
) -> Sql<Option<Statement>> {
    let Step {
        from,
        conditions: step_conditions,
        keys,
        mut bound,
    } = step;
    let mut all: Vec<&str> = Vec::new();
    all.extend(step_conditions.iter().map(String::as_str));
    all.extend(conditions.iter().map(String::as_str));
    let after = match cursor {
        None => None,
        Some(cursor) => match cursor.condition(&keys, &mut bound)? {
            cursor::Place::Before => None,
            cursor::Place::Inside(condition) => Some(condition),
            cursor::Place::Behind => return Ok(None),
        },
    };
    all.extend(after.as_deref());
    if all.is_empty() {
        all.push("TRUE");
    }
    let limit = bound.int(i64::try_from(limit).unwrap_or(i64::MAX));
    let shown: String = keys
        .iter()
        .filter_map(Key::column)
        .map(|sql| format!(", {sql}"))
        .collect();
    let order: Vec<String> = keys.iter().filter_map(Key::order).collect();
    let sql = format!(
        "SELECT {}{shown} FROM {from} WHERE {} ORDER BY {} LIMIT {limit}",
        listing.columns,
        all.join(" AND "),
        order.join(", ")
    );
    Ok(Some(Statement { sql, bound, keys }))
}
