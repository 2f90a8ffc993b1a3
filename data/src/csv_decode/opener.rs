//! [`DecodedCsv`]: the file source that DataFusion opens pieces of CSV files with.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpenFuture, FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;

use super::DecodeSpec;
use super::decoding::decode;
use super::piece::Piece;
use crate::table::{PARTITION_COLUMN, bytes_of, partition_number};

/// Rows of a batch, unless the session says something else.
const BATCH_ROWS: usize = 8192;

/// Reads the pieces of CSV files as a [`DecodeSpec`] says.
#[derive(Debug, Clone)]
pub(super) struct DecodedCsv {
    spec: Arc<DecodeSpec>,
    schema: TableSchema,
    batch_rows: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl DecodedCsv {
    pub(super) fn new(spec: Arc<DecodeSpec>) -> Self {
        let number = Arc::new(Field::new(PARTITION_COLUMN, DataType::UInt32, false));
        let schema = TableSchema::builder(spec.schema())
            .with_table_partition_cols(vec![number])
            .build();
        Self {
            spec,
            schema,
            batch_rows: BATCH_ROWS,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl FileSource for DecodedCsv {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        _config: &FileScanConfig,
        _partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        Ok(Arc::new(Opener {
            spec: Arc::clone(&self.spec),
            schema: Arc::clone(self.schema.table_schema()),
            batch_rows: self.batch_rows,
            store,
        }))
    }

    fn table_schema(&self) -> &TableSchema {
        &self.schema
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        Arc::new(Self {
            batch_rows: batch_size.max(1),
            ..self.clone()
        })
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        "csv"
    }

    /// Pieces are cut by the data alone.
    fn supports_repartitioning(&self) -> bool {
        false
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }
}

struct Opener {
    spec: Arc<DecodeSpec>,
    schema: SchemaRef,
    batch_rows: usize,
    store: Arc<dyn ObjectStore>,
}

impl FileOpener for Opener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let number = partition_number(&file)
            .ok_or_else(|| internal_datafusion_err!("a piece of a file without a number"))?;
        let size = file.object_meta.size;
        let range = bytes_of(&file);
        let header = self.spec.dialect.header && range.start == 0;
        let piece = Piece::new(Arc::clone(&self.store), file.object_meta.location, size, range);
        let batches = decode(Arc::clone(&self.spec), piece, header, self.batch_rows);
        let schema = Arc::clone(&self.schema);
        let numbered = batches.and_then(move |mut columns: Vec<ArrayRef>| {
            let rows = columns.last().map_or(0, |reasons| reasons.len());
            columns.push(Arc::new(UInt32Array::from(vec![number; rows])));
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns);
            futures::future::ready(batch.map_err(Into::into))
        });
        Ok(Box::pin(async move { Ok(numbered.boxed()) }))
    }
}
