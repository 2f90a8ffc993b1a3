//! CSV straight into typed, cleaned columns: what a job without a query reads ([ADR 19](../../docs/adr/0019-a-csv-decoder-of-our-own.md)).
//!
//! The plan says "text columns, null tokens to null, the reason why a row is dropped, casts"; [`DecodedScanExec`] says all
//! of that at once. [`rows`] reads the plain lines that nearly all files consist of. What it does not understand, [`slow`]
//! reads as the plan would: arrow-csv's text columns, then the same functions, from that line to the end of the piece of
//! file. So values, errors and what is dropped never depend on which of the two read a line.

use std::collections::BTreeSet;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::clean::DROPPED_COLUMN;
use crate::csv_dialect::CsvDialect;
use crate::plan::IngestPlan;
use crate::schema::ColumnType;
use crate::source::Source;
use crate::spec::{Compression, Format};

mod columns;
mod decoding;
mod number;
mod opener;
mod piece;
mod rows;
mod scan;
mod slow;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use scan::DecodedScanExec;
pub(crate) use table::DecodedTable;

/// What is made of the lines of CSV files; travels to the workers as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DecodeSpec {
    /// The names of a line's fields.
    fields: Vec<String>,
    /// Position in a line, name and type of each column that is taken.
    columns: Vec<(usize, String, ColumnType)>,
    /// The columns, by their position among those that are taken, whose nulls drop a row.
    drop: Vec<usize>,
    dialect: CsvDialect,
}

impl DecodeSpec {
    /// The spec for the one source of a plan without a query; `None` if its lines have to be read in another way.
    pub(crate) fn of(source: &Source, plan: &IngestPlan) -> Option<Self> {
        let dialect = &source.dialect;
        let is_plain = source.format == Format::Csv && !dialect.multiline;
        if !is_plain || dialect.compression != Compression::None || plan.has_query() {
            return None;
        }
        let columns = source.columns.iter();
        let columns = columns
            .map(|(name, column_type)| {
                let field = source.file_schema.index_of(name).ok()?;
                Some((field, name.clone(), *column_type))
            })
            .collect::<Option<Vec<_>>>()?;
        let fields: BTreeSet<usize> = columns.iter().map(|(field, ..)| *field).collect();
        if fields.len() < columns.len() {
            return None;
        }
        let position = |name: &String| columns.iter().position(|(_, column, _)| column == name);
        let drop = plan.drop_columns().iter().map(position);
        Some(Self {
            fields: source
                .file_schema
                .fields()
                .iter()
                .map(|f| f.name().clone())
                .collect(),
            drop: drop.collect::<Option<Vec<_>>>()?,
            columns,
            dialect: dialect.clone(),
        })
    }

    /// The columns that are taken and, behind them, the reason why a row is dropped.
    fn schema(&self) -> SchemaRef {
        let column = |(_, name, column_type): &(usize, String, ColumnType)| {
            Field::new(name, column_type.arrow(), true)
        };
        let dropped = Field::new(DROPPED_COLUMN, DataType::Utf8, true);
        let fields = self.columns.iter().map(column).chain([dropped]);
        Schema::new(fields.collect::<Vec<_>>()).into()
    }
}
