//! [`IngestPlan`]: what is read, cleaned and split, as a DataFusion plan.
//!
//! For each source: scan (text columns for CSV), null tokens to null, casts to the declared types. Over that the
//! user's query, if there is one. On top the column `__dropped`, which says for each row which nulls make it go.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use datafusion::common::{ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};
use datafusion::prelude::SessionContext;

use crate::cache_exec::Arrival;
use crate::clean::DROPPED_COLUMN;
use crate::columns::{column, pieces, raw_columns, typed};
use crate::csv_decode::{DecodeSpec, DecodedTable};
use crate::error::{DataError, DataErrorKind, Result};
use crate::functions;
use crate::reproducible;
use crate::rowwise;
use crate::schema::ColumnType;
use crate::source::Source;
use crate::spec::{DataSpec, DropNulls, SplitSpec};
use crate::split::{Splitter, unknown_column};
use crate::stores::Environment;
use crate::table::PARTITION_COLUMN;

mod scoring;

/// The name of a dataset that is planned for and never read.
const PLANNING: &str = "planning";

/// Sources, query, cleaning and split of a job, checked against the files.
#[derive(Debug, Clone)]
pub struct IngestPlan {
    /// The sources, in the order of the job.
    pub sources: Vec<Arc<Source>>,
    /// The columns of the cleaned rows.
    pub columns: Vec<(String, ColumnType)>,
    /// How rows are shared out.
    pub split: SplitSpec,
    sql: Option<String>,
    drop_nulls: Vec<String>,
    sql_partitions: u32,
    arrival: Arrival,
    only: Option<Arc<BTreeSet<u32>>>,
    /// Whether a source without rows is no mistake.
    may_be_empty: bool,
    /// Whether both sides of a join are sorted, and none is held in memory.
    sorts_joins: bool,
}

impl IngestPlan {
    /// Opens the sources and plans the query; `environment` is the operator's, for sources in object stores.
    ///
    /// # Errors
    /// What [`Source::open`] refuses; a query DataFusion can't plan or that is not reproducible; names of
    /// columns that are not there; bad split weights.
    pub async fn open(
        spec: &DataSpec,
        split: &SplitSpec,
        base_dir: &Path,
        environment: &Environment,
    ) -> Result<Self> {
        check(spec)?;
        let mut sources: Vec<Arc<Source>> = Vec::new();
        for (name, source) in &spec.sources.0 {
            let files = sources.iter().map(|source| source.files.len()).sum();
            let bytes = spec.partition_bytes.0;
            let source = Source::open(name, source, base_dir, bytes, environment, files).await?;
            sources.push(Arc::new(source));
        }
        let mut plan = Self {
            columns: sources[0].columns.clone(),
            sources,
            split: split.clone(),
            sql: spec.sql.clone(),
            drop_nulls: Vec::new(),
            sql_partitions: spec.sql_partitions,
            arrival: Arrival::InOrder,
            only: None,
            may_be_empty: false,
            sorts_joins: false,
        };
        if plan.sql.is_some() {
            let query = plan.query(&crate::engine::local_session(), PLANNING).await?;
            plan.arrival = if rowwise::is_rowwise(&query)? {
                Arrival::InOrder
            } else {
                Arrival::Shuffled
            };
            plan.columns = query_columns(&query)?;
        }
        let names = plan.column_names();
        plan.drop_nulls = match &spec.drop_nulls {
            DropNulls::Any(false) => Vec::new(),
            DropNulls::Any(true) => names.clone(),
            DropNulls::Columns(columns) => columns.clone(),
        };
        if let Some(name) = plan.drop_nulls.iter().find(|name| !names.contains(name)) {
            return Err(unknown_column("data.drop_nulls", name, &names));
        }
        Splitter::new(split, &names)?;
        Ok(plan)
    }

    /// Names of the columns of the cleaned rows.
    pub fn column_names(&self) -> Vec<String> {
        self.columns.iter().map(|(name, _)| name.clone()).collect()
    }

    /// How many partitions the cleaned rows are spread over, those without rows included.
    pub fn partition_count(&self) -> u32 {
        match self.arrival {
            Arrival::InOrder => self
                .sources
                .iter()
                .map(|s| s.parts.len() as u32)
                .max()
                .unwrap_or(0),
            Arrival::Shuffled => self.sql_partitions,
        }
    }

    /// Whether rows of one partition come from several workers, each of which may wait for the others.
    pub fn shuffles(&self) -> bool {
        self.arrival == Arrival::Shuffled
    }

    /// The same plan for these partitions alone; what is in each does not change.
    pub(crate) fn only(&self, numbers: BTreeSet<u32>) -> Self {
        Self {
            only: Some(Arc::new(numbers)),
            ..self.clone()
        }
    }

    /// The same plan with joins that need little memory and more time; what is in each partition does not change.
    pub(crate) fn sorting_joins(&self) -> Self {
        Self {
            sorts_joins: true,
            ..self.clone()
        }
    }

    pub(crate) fn sorts_joins(&self) -> bool {
        self.sorts_joins
    }

    /// Whether joins that need less memory may help a query that needed too much.
    pub(crate) fn could_sort_joins(&self, error: &DataError) -> bool {
        error.kind == DataErrorKind::Memory && self.shuffles() && !self.sorts_joins
    }

    /// The partitions to scan, where a partition is a piece of a file.
    fn scanned(&self) -> Option<&BTreeSet<u32>> {
        match self.arrival {
            Arrival::InOrder => self.only.as_deref(),
            // Each row may go anywhere.
            Arrival::Shuffled => None,
        }
    }

    pub(crate) fn may_be_empty(&self) -> bool {
        self.may_be_empty
    }

    pub(crate) fn arrival(&self) -> Arrival {
        self.arrival
    }

    /// Whether the rows come out of a query.
    pub(crate) fn has_query(&self) -> bool {
        self.sql.is_some()
    }

    /// Columns whose nulls drop a source's row; a query's rows are dropped after the query.
    pub(crate) fn drop_columns(&self) -> &[String] {
        if self.sql.is_some() { &[] } else { &self.drop_nulls }
    }

    /// The cleaned columns, `__partition` and `__dropped`, for `dataset`.
    pub(crate) async fn logical(&self, session: &SessionContext, dataset: &str) -> Result<LogicalPlan> {
        match &self.sql {
            None => self.cleaned_source(&self.sources[0], dataset),
            Some(_) => self.cleaned_query(session, dataset).await,
        }
    }

    fn cleaned_source(&self, source: &Arc<Source>, dataset: &str) -> Result<LogicalPlan> {
        if let Some(spec) = DecodeSpec::of(source, self) {
            let pieces = pieces(source, dataset, self.scanned())?;
            let table = Arc::new(DecodedTable::new(pieces, spec));
            let name = TableReference::bare(source.name.as_str());
            return Ok(LogicalPlanBuilder::scan(name, provider_as_source(table), None)?.build()?);
        }
        let raw = raw_columns(source, dataset, self.scanned())?;
        let dropped = self.dropped();
        let with_reason = raw.project(
            source
                .columns
                .iter()
                .map(|(name, _)| column(name))
                .chain([column(PARTITION_COLUMN), dropped]),
        )?;
        let casts = source
            .columns
            .iter()
            .map(|(name, target)| typed(source, name, *target, column(DROPPED_COLUMN)))
            .collect::<Result<Vec<_>>>()?;
        Ok(with_reason
            .project(
                casts
                    .into_iter()
                    .chain([column(PARTITION_COLUMN), column(DROPPED_COLUMN)]),
            )?
            .build()?)
    }

    async fn cleaned_query(&self, session: &SessionContext, dataset: &str) -> Result<LogicalPlan> {
        let query = self.query(session, dataset).await?;
        let (query, number) = match self.arrival {
            Arrival::InOrder => (rowwise::carry(query, PARTITION_COLUMN)?, column(PARTITION_COLUMN)),
            Arrival::Shuffled => {
                let values = self
                    .columns
                    .iter()
                    .map(|(name, target)| cast(column(name), target.arrow()))
                    .collect();
                (
                    query,
                    functions::content_partition(values, self.sql_partitions).alias(PARTITION_COLUMN),
                )
            }
        };
        let values = self
            .columns
            .iter()
            .map(|(name, target)| cast(column(name), target.arrow()).alias(name));
        let dropped = self.dropped();
        let rows = LogicalPlanBuilder::from(query).project(values.chain([number, dropped]))?;
        Ok(match (&self.only, self.arrival) {
            (Some(only), Arrival::Shuffled) => {
                let numbers = only.iter().map(|number| lit(*number)).collect();
                rows.filter(column(PARTITION_COLUMN).in_list(numbers, false))?
            }
            _ => rows,
        }
        .build()?)
    }

    /// Plans the user's query over the typed sources.
    async fn query(&self, session: &SessionContext, dataset: &str) -> Result<LogicalPlan> {
        for source in &self.sources {
            let kept = lit(ScalarValue::Utf8(None));
            let casts = source
                .columns
                .iter()
                .map(|(name, target)| typed(source, name, *target, kept.clone()))
                .collect::<Result<Vec<_>>>()?;
            let view = raw_columns(source, dataset, self.scanned())?
                .project(casts)?
                .build()?;
            let view = datafusion::datasource::view::ViewTable::new(view, None);
            // A name given as text would be taken apart at dots and put in lower case.
            session.register_table(TableReference::bare(source.name.as_str()), Arc::new(view))?;
        }
        let sql = self.sql.as_deref().unwrap_or_default();
        let plan = session
            .state()
            .create_logical_plan(sql)
            .await
            .map_err(|e| DataError::from(e).at("data.sql"))?;
        reproducible::check(&plan)?;
        reproducible::without_ties(plan)
    }

    /// `null a, b` where a column of `drop_nulls` is null, else null.
    fn dropped(&self) -> Expr {
        if self.drop_nulls.is_empty() {
            return lit(ScalarValue::Utf8(None)).alias(DROPPED_COLUMN);
        }
        let columns = self
            .drop_nulls
            .iter()
            .map(|name| (column(name), name.as_str()))
            .collect();
        functions::null_columns(columns).alias(DROPPED_COLUMN)
    }
}

fn check(spec: &DataSpec) -> Result<()> {
    if spec.sources.0.is_empty() {
        return Err(DataError::spec("data.sources names no source")
            .hint("add [data.sources.NAME] with path = \"...\""));
    }
    if spec.sql.is_none() && spec.sources.0.len() > 1 {
        return Err(DataError::spec(format!(
            "data.sources names {} sources, but there is no data.sql to combine them",
            spec.sources.0.len()
        ))
        .hint("add sql = \"select ... from a join b on ...\" under [data]"));
    }
    if spec.sql_partitions == 0 {
        return Err(DataError::spec("data.sql_partitions is 0, expected at least 1"));
    }
    Ok(())
}

/// Names and types of a query's columns.
fn query_columns(query: &LogicalPlan) -> Result<Vec<(String, ColumnType)>> {
    let mut columns: Vec<(String, ColumnType)> = Vec::new();
    for field in query.schema().fields() {
        let name = field.name();
        if columns.iter().any(|(other, _)| other == name) {
            return Err(
                DataError::spec(format!("the query returns two columns named \"{name}\""))
                    .at("data.sql")
                    .hint("give one of them another name with AS"),
            );
        }
        if name.starts_with("__") {
            return Err(DataError::spec(format!(
                "column \"{name}\": names that start with __ are reserved"
            ))
            .at("data.sql"));
        }
        let Some(column_type) = ColumnType::of_arrow(field.data_type()) else {
            return Err(DataError::spec(format!(
                "column \"{name}\" has type {}, which can't be trained on",
                field.data_type()
            ))
            .at("data.sql")
            .hint("cast it in the query: string, boolean, int, bigint, float and double can be kept"));
        };
        columns.push((name.clone(), column_type));
    }
    Ok(columns)
}

impl fmt::Display for IngestPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for source in &self.sources {
            writeln!(
                f,
                "source {}: {:?}, {} file(s), {} partition(s)",
                source.name,
                source.format,
                source.files.len(),
                source.parts.len()
            )?;
        }
        if let Some(sql) = &self.sql {
            writeln!(f, "query ({:?}): {}", self.arrival, sql.trim())?;
        }
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|(name, t)| format!("{name} {}", t.name()))
            .collect();
        writeln!(f, "columns: {}", columns.join(", "))?;
        writeln!(f, "drop nulls in: [{}]", self.drop_nulls.join(", "))?;
        write!(
            f,
            "split: {:?} {:?} seed {}",
            self.split.method, self.split.weights, self.split.seed
        )
    }
}
