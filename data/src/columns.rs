//! A source's columns as expressions: null tokens replaced, text cast to the declared types.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, lit, when};

use crate::error::Result;
use crate::functions;
use crate::schema::ColumnType;
use crate::source::Source;
use crate::spec::Format;
use crate::table::{PARTITION_COLUMN, PartitionedTable};

/// A column by its name.
pub(crate) fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// The pieces of a source's files: those in `only`, if that is given. Workers find the files under the name of `dataset`.
pub(crate) fn pieces(
    source: &Arc<Source>,
    dataset: &str,
    only: Option<&BTreeSet<u32>>,
) -> Result<PartitionedTable> {
    let table = PartitionedTable::new(Arc::clone(source), dataset)?;
    Ok(match only {
        Some(only) => table.only(only),
        None => table,
    })
}

/// The declared columns of a source as they are in the files, with null tokens replaced, and `__partition`; of the
/// partitions in `only`, if that is given. Workers find its files under the name of `dataset`.
pub(crate) fn raw_columns(
    source: &Arc<Source>,
    dataset: &str,
    only: Option<&BTreeSet<u32>>,
) -> Result<LogicalPlanBuilder> {
    let table = Arc::new(pieces(source, dataset, only)?);
    let scan = LogicalPlanBuilder::scan(
        TableReference::bare(source.name.as_str()),
        provider_as_source(table),
        None,
    )?;
    let raw = source.columns.iter().map(|(name, _)| {
        let mut value = column(name);
        if source.format == Format::Csv {
            for token in &source.dialect.null_tokens {
                value = nullif(value, lit(token.as_str()));
            }
        }
        value.alias(name)
    });
    Ok(scan.project(raw.chain([column(PARTITION_COLUMN)]))?)
}

/// A raw column cast to its declared type.
pub(crate) fn typed(source: &Source, name: &str, target: ColumnType, dropped: Expr) -> Result<Expr> {
    let found = source
        .file_schema
        .field_with_name(name)
        .ok()
        .map(|f| f.data_type());
    let is_text = found.is_some_and(|t| ColumnType::of_arrow(t) == Some(ColumnType::String));
    let value = if found.as_ref().is_some_and(|t| **t == target.arrow()) {
        column(name)
    } else if is_text && target != ColumnType::String {
        functions::parse(cast(column(name), DataType::Utf8), name, target, dropped)
    } else {
        // Of a row that will be dropped no value has to fit.
        cast(when(dropped.is_null(), column(name)).end()?, target.arrow())
    };
    Ok(value.alias(name))
}
