//! [`Statement`]: the text of a `SQLTransformer`, taken apart.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr, Spanned, Statement as Parsed, TableFactor,
    WildcardAdditionalOptions, visit_expressions,
};
use sqlparser::dialect::SparkSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Location;

/// The table that the statement reads: the rows as they are.
const THIS: &str = "__THIS__";

/// `SELECT *, expression AS name, … FROM __THIS__`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    /// What it adds, in order; later ones may name earlier ones.
    pub(crate) added: Vec<Added>,
    /// The columns it reads, each once, in the order in which they occur.
    pub(crate) inputs: Vec<String>,
}

/// A column that is added.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Added {
    pub(crate) name: String,
    pub(crate) expression: Expr,
}

/// Says where something is: lines and columns count from 1.
pub(crate) fn at(place: Location, what: impl std::fmt::Display) -> String {
    match place.line {
        0 => what.to_string(),
        line => format!("line {line}, column {}: {what}", place.column),
    }
}

impl Statement {
    /// Takes the text apart.
    ///
    /// # Errors
    /// What is wrong or not known here, with its place.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parsed = Parser::parse_sql(&SparkSqlDialect {}, text).map_err(|error| error.to_string())?;
        let select = match parsed.as_slice() {
            [Parsed::Query(query)] => only_select(query),
            _ => None,
        };
        let refused = || format!("expected SELECT *, expression AS name, … FROM {THIS}, and nothing else");
        let select = select.ok_or_else(refused)?;
        let Some((SelectItem::Wildcard(options), items)) = select.projection.split_first() else {
            return Err(format!(
                "{}; the list begins with *: other columns are kept",
                refused()
            ));
        };
        if !is_plain(options) || items.is_empty() {
            return Err(refused());
        }
        let mut statement = Statement {
            added: Vec::new(),
            inputs: Vec::new(),
        };
        for item in items {
            match item {
                SelectItem::ExprWithAlias { expr, alias } => statement.add(expr, alias),
                item => {
                    return Err(at(
                        item.span().start,
                        format!("{item} has no name, expected {item} AS name"),
                    ));
                }
            }
        }
        Ok(statement)
    }

    fn add(&mut self, expression: &Expr, alias: &Ident) {
        let _: ControlFlow<()> = visit_expressions(expression, |part| {
            if let Expr::Identifier(name) = part {
                let is_own = self.added.iter().any(|added| added.name == name.value);
                if !is_own && !self.inputs.contains(&name.value) {
                    self.inputs.push(name.value.clone());
                }
            }
            ControlFlow::Continue(())
        });
        self.added.push(Added {
            name: alias.value.clone(),
            expression: expression.clone(),
        });
    }
}

/// The SELECT of a query that is nothing else.
fn only_select(query: &Query) -> Option<&Select> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let is_bare = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.pipe_operators.is_empty();
    let is_row_by_row = select.distinct.is_none()
        && select.top.is_none()
        && select.into.is_none()
        && select.lateral_views.is_empty()
        && select.prewhere.is_none()
        && select.selection.is_none()
        && select.connect_by.is_empty()
        && matches!(&select.group_by, GroupByExpr::Expressions(by, with) if by.is_empty() && with.is_empty())
        && select.cluster_by.is_empty()
        && select.distribute_by.is_empty()
        && select.sort_by.is_empty()
        && select.having.is_none()
        && select.named_window.is_empty()
        && select.qualify.is_none();
    let reads_this = match select.from.as_slice() {
        [from] if from.joins.is_empty() => match &from.relation {
            TableFactor::Table {
                name,
                alias: None,
                args: None,
                sample: None,
                ..
            } => name.to_string() == THIS,
            _ => false,
        },
        _ => false,
    };
    (is_bare && is_row_by_row && reads_this).then_some(select)
}

fn is_plain(options: &WildcardAdditionalOptions) -> bool {
    options.to_string().is_empty()
}
