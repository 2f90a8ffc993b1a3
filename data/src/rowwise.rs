//! Plans that take rows one by one (scan, filter, projection) keep each row's partition number; plans that mix
//! rows (join, aggregate, sort ...) lose it, and get a new one from the rows' content.

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Projection, SubqueryAlias};

use crate::error::Result;

/// Whether every operator takes rows one by one.
pub(crate) fn is_rowwise(plan: &LogicalPlan) -> Result<bool> {
    let mut rowwise = true;
    plan.apply(|node| {
        let known = matches!(
            node,
            LogicalPlan::TableScan(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::Projection(_)
                | LogicalPlan::SubqueryAlias(_)
        );
        // A subquery in an expression becomes a join.
        rowwise &= known && !node.expressions().iter().any(holds_subquery);
        Ok(if rowwise {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    })?;
    Ok(rowwise)
}

fn holds_subquery(expression: &Expr) -> bool {
    expression
        .exists(|e| {
            Ok(matches!(
                e,
                Expr::InSubquery(_) | Expr::Exists(_) | Expr::ScalarSubquery(_) | Expr::SetComparison(_)
            ))
        })
        .unwrap_or(true)
}

/// Adds column `name`, which the scans have, to every projection of a row-wise plan.
pub(crate) fn carry(plan: LogicalPlan, name: &str) -> Result<LogicalPlan> {
    let carried = plan.transform_up(|node| {
        Ok(match node {
            LogicalPlan::Projection(projection) => {
                let mut expressions = projection.expr;
                let there = expressions
                    .iter()
                    .any(|e| matches!(e, Expr::Column(c) if c.name == name));
                if !there
                    && let Some(found) = projection.input.schema().iter().find(|(_, f)| f.name() == name)
                {
                    expressions.push(Expr::Column(Column::from(found)));
                }
                Transformed::yes(LogicalPlan::Projection(Projection::try_new(
                    expressions,
                    projection.input,
                )?))
            }
            LogicalPlan::Filter(filter) => Transformed::yes(LogicalPlan::Filter(Filter::try_new(
                filter.predicate,
                filter.input,
            )?)),
            LogicalPlan::SubqueryAlias(alias) => Transformed::yes(LogicalPlan::SubqueryAlias(
                SubqueryAlias::try_new(alias.input, alias.alias)?,
            )),
            other => Transformed::no(other),
        })
    })?;
    Ok(carried.data)
}
