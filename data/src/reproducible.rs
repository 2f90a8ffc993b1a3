//! Whether a query gives the same rows on every execution, on any number of workers. Queries that don't are
//! refused; `ORDER BY ... LIMIT` is made so, by ordering rows that are equal in the named columns by the others.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result as EngineResult};
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::{
    Distinct, Expr, Limit, LogicalPlan, Projection, Sort, SortExpr, SubqueryAlias, Volatility, expr,
};

use crate::error::{DataError, Result};

/// Refuses statements that are no queries, and queries whose rows could differ from one execution to the next.
pub(crate) fn check(plan: &LogicalPlan) -> Result<()> {
    let only_queries = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    only_queries.verify_plan(plan).map_err(|_| not_a_query())?;
    let mut problem = None;
    plan.apply_with_subqueries(|node| {
        if matches!(
            node,
            LogicalPlan::Explain(_)
                | LogicalPlan::Analyze(_)
                | LogicalPlan::DescribeTable(_)
                | LogicalPlan::Copy(_)
        ) {
            problem = Some(not_a_query());
        } else if let Some(text) = node_problem(node)? {
            problem = Some(DataError::spec(text).at("data.sql").hint(
                "a dataset must be the same on every worker; use [split] to sample, ORDER BY to fix an order",
            ));
        }
        Ok(if problem.is_none() {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    })?;
    problem.map_or(Ok(()), Err)
}

fn not_a_query() -> DataError {
    DataError::spec("the statement is no query, expected SELECT").at("data.sql")
}

fn node_problem(node: &LogicalPlan) -> EngineResult<Option<String>> {
    match node {
        LogicalPlan::Limit(limit) if sort_below(&limit.input).is_none() => {
            return Ok(Some(
                "LIMIT without ORDER BY takes other rows each time".to_string(),
            ));
        }
        LogicalPlan::Distinct(Distinct::On(_)) => {
            return Ok(Some("DISTINCT ON keeps another row each time".to_string()));
        }
        _ => {}
    }
    let mut problem = None;
    for expression in node.expressions() {
        expression.apply(|e| {
            problem = problem.take().or_else(|| expression_problem(e));
            Ok(if problem.is_none() {
                TreeNodeRecursion::Continue
            } else {
                TreeNodeRecursion::Stop
            })
        })?;
    }
    Ok(problem)
}

/// Aggregates whose result depends on the order in which rows, or the workers' intermediate results, arrive.
const ORDERED_AGGREGATES: [&str; 5] = [
    "first_value",
    "last_value",
    "nth_value",
    "array_agg",
    "string_agg",
];
const MERGED_SKETCHES: [&str; 3] = [
    "approx_median",
    "approx_percentile_cont",
    "approx_percentile_cont_with_weight",
];
/// Window functions that number or look up rows.
const ORDERED_WINDOWS: [&str; 7] = [
    "row_number",
    "first_value",
    "last_value",
    "nth_value",
    "lead",
    "lag",
    "ntile",
];

fn expression_problem(expression: &Expr) -> Option<String> {
    match expression {
        Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
            Some(format!("{expression} gives other values each time"))
        }
        Expr::AggregateFunction(call) => {
            let name = call.func.name();
            let unordered = ORDERED_AGGREGATES.contains(&name) && call.params.order_by.is_empty();
            (unordered || MERGED_SKETCHES.contains(&name))
                .then(|| format!("{expression} depends on the order of the rows"))
        }
        Expr::WindowFunction(call) => {
            let name = call.fun.name();
            (ORDERED_WINDOWS.contains(&name) && call.params.order_by.is_empty())
                .then(|| format!("{name} without ORDER BY depends on the order of the rows"))
        }
        _ => None,
    }
}

/// The sort under a limit; projections and aliases between the two keep its order.
fn sort_below(plan: &LogicalPlan) -> Option<&Sort> {
    match plan {
        LogicalPlan::Sort(sort) => Some(sort),
        LogicalPlan::Projection(projection) => sort_below(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => sort_below(&alias.input),
        _ => None,
    }
}

/// Makes every sort under a limit a total order, so that the limit takes the same rows each time.
pub(crate) fn without_ties(plan: LogicalPlan) -> Result<LogicalPlan> {
    let total = plan.transform_down_with_subqueries(|node| match node {
        LogicalPlan::Limit(limit) => {
            let input = Arc::new(with_total_order(limit.input.as_ref().clone())?);
            Ok(Transformed::yes(LogicalPlan::Limit(Limit { input, ..limit })))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(total.data)
}

fn with_total_order(plan: LogicalPlan) -> EngineResult<LogicalPlan> {
    Ok(match plan {
        LogicalPlan::Sort(mut sort) => {
            let rest = sort
                .input
                .schema()
                .iter()
                .map(|field| Expr::Column(Column::from(field)));
            let new: Vec<SortExpr> = rest
                .filter(|column| sort.expr.iter().all(|by| by.expr != *column))
                .map(|column| expr::Sort::new(column, true, true))
                .collect();
            sort.expr.extend(new);
            LogicalPlan::Sort(sort)
        }
        LogicalPlan::Projection(projection) => {
            let input = Arc::new(with_total_order(projection.input.as_ref().clone())?);
            LogicalPlan::Projection(Projection::try_new(projection.expr, input)?)
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let input = Arc::new(with_total_order(alias.input.as_ref().clone())?);
            LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(input, alias.alias)?)
        }
        other => other,
    })
}
