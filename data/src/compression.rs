//! [`CompressedScanExec`]: carries a scan's compression to the workers. DataFusion's protobuf form of a scan
//! leaves it out, so a worker would read gzip as text.

use std::fmt;
use std::sync::Arc;

use datafusion::catalog::memory::DataSourceExec;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};

use crate::spec::Compression;

/// Passes its input's rows on; its only purpose is to be encoded with the compression beside it.
#[derive(Debug)]
pub(crate) struct CompressedScanExec {
    input: Arc<dyn ExecutionPlan>,
    compression: Compression,
}

impl CompressedScanExec {
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, compression: Compression) -> Self {
        Self { input, compression }
    }

    pub(crate) fn compression(&self) -> Compression {
        self.compression
    }

    /// DataFusion's name of a compression.
    pub(crate) fn engine_type(compression: Compression) -> FileCompressionType {
        match compression {
            Compression::None => FileCompressionType::UNCOMPRESSED,
            Compression::Gzip => FileCompressionType::GZIP,
            Compression::Zstd => FileCompressionType::ZSTD,
        }
    }

    /// The node as a worker decodes it: the scan gets its compression back.
    pub(crate) fn decoded(
        input: &Arc<dyn ExecutionPlan>,
        compression: Compression,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let config = input
            .downcast_ref::<DataSourceExec>()
            .and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>());
        let Some(config) = config else {
            return internal_err!("a compressed scan above {}", input.name());
        };
        let mut config = config.clone();
        config.file_compression_type = Self::engine_type(compression);
        Ok(Arc::new(Self::new(
            DataSourceExec::from_data_source(config),
            compression,
        )))
    }
}

impl DisplayAs for CompressedScanExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CompressedScanExec: compression={:?}", self.compression)
    }
}

impl ExecutionPlan for CompressedScanExec {
    fn name(&self) -> &str {
        "CompressedScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(children.remove(0), self.compression)))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }
}
