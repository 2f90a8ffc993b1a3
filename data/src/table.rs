//! [`PartitionedTable`]: a source as DataFusion reads it. Each partition is one [`PartitionedFile`] with its
//! byte range and its number, which travels with the rows as the constant column `__partition` up to the
//! cache operator.
//!
//! DataFusion's own optimiser and datafusion-distributed's default handlers would cut the files again, by the
//! number of threads. Declaring the output partitioning ("pinning") keeps them away; `tests/partitions.rs`
//! shows what happens without.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::memory::DataSourceExec;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::{CsvOptions, TableParquetOptions};
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    CsvSource, FileGroup, FileScanConfig, FileScanConfigBuilder, FileSource, ParquetSource,
};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::Partitioning;
use datafusion::physical_plan::ExecutionPlan;

use crate::compression::CompressedScanExec;
use crate::source::Source;
use crate::spec::{Compression, Format};
use crate::stores::{SourceFile, location_of, url_of};

/// Name of the column that carries the partition number.
pub(crate) const PARTITION_COLUMN: &str = "__partition";

/// A source as a DataFusion table.
#[derive(Debug, Clone)]
pub(crate) struct PartitionedTable {
    source: Arc<Source>,
    /// Where its files are found; see [`url_of`].
    store: ObjectStoreUrl,
    files: Vec<PartitionedFile>,
    /// Whether the output partitioning is declared; always, except in tests that show why.
    pinned: bool,
}

impl PartitionedTable {
    /// The table of `source`, whose files are found under the name of `dataset`.
    pub(crate) fn new(source: Arc<Source>, dataset: &str) -> crate::error::Result<Self> {
        let files = source
            .parts
            .iter()
            .zip(0..)
            .map(|(part, number)| partitioned_file(&source.files[part.file], dataset, number, part.range))
            .collect();
        Ok(Self {
            source,
            store: url_of(dataset)?,
            files,
            pinned: true,
        })
    }

    /// The same table without the other partitions.
    pub(crate) fn only(mut self, numbers: &BTreeSet<u32>) -> Self {
        self.files
            .retain(|piece| partition_number(piece).is_some_and(|number| numbers.contains(&number)));
        self
    }

    #[cfg(test)]
    pub(crate) fn unpinned(mut self) -> Self {
        self.pinned = false;
        self
    }

    fn table_schema(&self) -> TableSchema {
        let number = Arc::new(Field::new(PARTITION_COLUMN, DataType::UInt32, false));
        TableSchema::builder(Arc::clone(&self.source.file_schema))
            .with_table_partition_cols(vec![number])
            .build()
    }

    fn file_source(&self, session: &dyn Session) -> Arc<dyn FileSource> {
        match self.source.format {
            Format::Csv => {
                let dialect = &self.source.dialect;
                let options = CsvOptions {
                    has_header: Some(dialect.header),
                    delimiter: dialect.delimiter,
                    quote: dialect.quote,
                    escape: dialect.escape,
                    comment: dialect.comment,
                    newlines_in_values: Some(dialect.multiline),
                    ..Default::default()
                };
                Arc::new(CsvSource::new(self.table_schema()).with_csv_options(options))
            }
            Format::Parquet => {
                let global = session.config_options().execution.parquet.clone();
                let options = TableParquetOptions {
                    global,
                    ..Default::default()
                };
                Arc::new(ParquetSource::new(self.table_schema()).with_table_parquet_options(options))
            }
        }
    }
}

fn partitioned_file(
    file: &SourceFile,
    dataset: &str,
    number: u32,
    range: Option<(u64, u64)>,
) -> PartitionedFile {
    let location = location_of(dataset, file.number);
    let piece = PartitionedFile::new(location.to_string(), file.identity.size)
        .with_partition_values(vec![ScalarValue::UInt32(Some(number))]);
    match range {
        Some((start, end)) => piece.with_range(start as i64, end as i64),
        None => piece,
    }
}

#[async_trait]
impl TableProvider for PartitionedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.table_schema().table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // One group would leave a plan without a network boundary, which runs in the driver.
        let groups = session.config().target_partitions().max(2);
        let pin = self.pinned.then_some(Partitioning::UnknownPartitioning(groups));
        let config = FileScanConfigBuilder::new(self.store.clone(), self.file_source(session))
            .with_file_groups(deal(&self.files, 1, groups).remove(0))
            .with_output_partitioning(pin)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_file_compression_type(CompressedScanExec::engine_type(self.source.dialect.compression))
            .build();
        let scan: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(config);
        Ok(match self.source.dialect.compression {
            Compression::None => scan,
            compression => Arc::new(CompressedScanExec::new(scan, compression)),
        })
    }
}

/// Deals pieces over tasks, each getting as many neighbours as the next, and, inside a task, over groups that are read side by
/// side; a group's pieces are read one after the other. What a task gets decides where a partition lives, never what is in
/// it. Neighbours are merged where they live, so a round's answers are few, however many partitions there are.
pub(crate) fn deal(pieces: &[PartitionedFile], tasks: usize, groups: usize) -> Vec<Vec<FileGroup>> {
    let mut dealt = vec![vec![Vec::new(); groups]; tasks];
    for (task, dealt) in dealt.iter_mut().enumerate() {
        let of_task = task * pieces.len() / tasks..(task + 1) * pieces.len() / tasks;
        for (i, piece) in pieces[of_task].iter().enumerate() {
            dealt[i % groups].push(piece.clone());
        }
    }
    dealt
        .into_iter()
        .map(|task| task.into_iter().map(FileGroup::new).collect())
        .collect()
}

/// The scan's configuration, if `plan` scans a [`PartitionedTable`].
pub(crate) fn partitioned_scan(plan: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    let config = plan
        .downcast_ref::<DataSourceExec>()?
        .data_source()
        .downcast_ref::<FileScanConfig>()?;
    config
        .table_partition_cols()
        .last()
        .is_some_and(|f| f.name() == PARTITION_COLUMN)
        .then_some(config)
}

/// The scan with other pieces, in as many streams as there are groups of them.
pub(crate) fn with_groups(scan: &FileScanConfig, groups: Vec<FileGroup>) -> FileScanConfig {
    let mut config = scan.clone();
    if config.output_partitioning.is_some() {
        config.output_partitioning = Some(Partitioning::UnknownPartitioning(groups.len()));
    }
    config.file_groups = groups;
    config
}

/// The bytes of its file that a piece covers.
pub(crate) fn bytes_of(piece: &PartitionedFile) -> Range<u64> {
    let range = piece.range.as_ref();
    range.map_or(0..piece.object_meta.size, |range| {
        range.start as u64..range.end as u64
    })
}

/// The partition number of a piece.
pub(crate) fn partition_number(piece: &PartitionedFile) -> Option<u32> {
    match piece.partition_values.last() {
        Some(ScalarValue::UInt32(Some(number))) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::datasource::provider_as_source;
    use datafusion::execution::SessionStateBuilder;
    use datafusion::logical_expr::{LogicalPlanBuilder, col, lit};
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;
    use crate::cache::PartitionCache;
    use crate::cache_exec::{Arrival, CacheSpec};
    use crate::cache_node::{CacheNode, CacheQueryPlanner};
    use crate::clean::DROPPED_COLUMN;
    use crate::spec::SplitSpec;
    use crate::stores::{AnnouncedStore, Environment};

    /// Three partitions of about forty rows.
    async fn table(folder: &tempfile::TempDir) -> PartitionedTable {
        let text = (0..120).fold("id\n".to_string(), |text, id| text + &format!("{}\n", 1000 + id));
        std::fs::write(folder.path().join("t.csv"), text).unwrap();
        let spec = serde_json::from_str(r#"{"path": "t.csv"}"#).unwrap();
        let source = Source::open("t", &spec, folder.path(), 200, &Environment::none(), 0).await;
        PartitionedTable::new(Arc::new(source.unwrap()), "d").unwrap()
    }

    /// Caches the table's rows under DataFusion's own settings, which cut files as small as these.
    async fn cache(table: PartitionedTable) -> Result<usize> {
        let cache = PartitionCache::new("here");
        let mut config = SessionConfig::new()
            .with_target_partitions(8)
            .with_repartition_file_min_size(1)
            .with_extension(Arc::clone(&cache));
        // A stream that is quick could take all pieces, and hide that there are too many.
        config.options_mut().execution.enable_file_stream_work_stealing = false;
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_default_features()
            .with_query_planner(Arc::new(CacheQueryPlanner))
            .build();
        let files = AnnouncedStore::new("d", table.source.files.clone());
        let url = table.store.clone();
        let scan = LogicalPlanBuilder::scan("t", provider_as_source(Arc::new(table)), None)?
            .filter(col("id").not_eq(lit("1001")))?
            .project([
                col("id"),
                col(PARTITION_COLUMN),
                lit(ScalarValue::Utf8(None)).alias(DROPPED_COLUMN),
            ])?
            .build()?;
        let split = SplitSpec {
            method: Default::default(),
            weights: vec![1.0, 1.0],
            seed: 0,
            key: vec![],
        };
        let spec = CacheSpec {
            dataset: "d".into(),
            split,
            arrival: Arrival::InOrder,
            attempt: 0,
        };
        let session = SessionContext::from(state);
        session.runtime_env().register_object_store(url.as_ref(), files);
        session
            .execute_logical_plan(CacheNode::plan(scan, spec)?)
            .await?
            .collect()
            .await?;
        Ok(cache.len())
    }

    #[tokio::test]
    async fn a_pinned_table_is_not_cut_again() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(cache(table(&folder).await).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn an_unpinned_table_is_cut_again_and_that_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let error = cache(table(&folder).await.unpinned()).await.unwrap_err();
        assert!(error.to_string().contains("was computed twice"), "{error}");
    }

    #[test]
    fn pieces_are_dealt_over_tasks_then_over_groups() {
        let pieces: Vec<PartitionedFile> = (0..7)
            .map(|i| PartitionedFile::new("f", 1).with_partition_values(vec![ScalarValue::UInt32(Some(i))]))
            .collect();
        let numbers: Vec<Vec<Vec<u32>>> = deal(&pieces, 2, 2)
            .iter()
            .map(|task| {
                task.iter()
                    .map(|group| group.iter().filter_map(partition_number).collect())
                    .collect()
            })
            .collect();
        assert_eq!(numbers, [[vec![0, 2], vec![1]], [vec![3, 5], vec![4, 6]]]);
    }
}
