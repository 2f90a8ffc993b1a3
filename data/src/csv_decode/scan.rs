//! [`DecodedScanExec`]: a scan of CSV files whose rows come out typed and cleaned. Below it is the scan as DataFusion knows
//! it, of text columns: that is what travels to a worker and is dealt to tasks. What runs is a scan of the same pieces
//! with a file source of ours.

use std::fmt;
use std::sync::Arc;

use datafusion::catalog::memory::DataSourceExec;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder, FileSource};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    PlanProperties, ReplaceChildrenOptions,
};

use super::DecodeSpec;
use super::opener::DecodedCsv;
use crate::table::partitioned_scan;

/// The operator.
#[derive(Debug)]
pub(crate) struct DecodedScanExec {
    /// The scan of text columns, or what the engine put in its place.
    input: Arc<dyn ExecutionPlan>,
    spec: Arc<DecodeSpec>,
    properties: Arc<PlanProperties>,
}

impl DecodedScanExec {
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, spec: Arc<DecodeSpec>) -> Self {
        let source = DecodedCsv::new(Arc::clone(&spec));
        let schema = Arc::clone(source.table_schema().table_schema());
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            input.output_partitioning().clone(),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            input,
            spec,
            properties: Arc::new(properties),
        }
    }

    pub(crate) fn spec(&self) -> &DecodeSpec {
        &self.spec
    }

    /// The scan that runs; `None` where the pieces are not known: on a driver that sends them to workers.
    pub(crate) fn decoding(&self) -> Option<Arc<dyn ExecutionPlan>> {
        let pieces = partitioned_scan(&self.input)?;
        let source = Arc::new(DecodedCsv::new(Arc::clone(&self.spec)));
        let config = FileScanConfigBuilder::new(pieces.object_store_url.clone(), source)
            .with_file_groups(pieces.file_groups.clone())
            .with_output_partitioning(pieces.output_partitioning.clone())
            .build();
        Some(DataSourceExec::from_data_source(config))
    }

    /// The pieces to be read.
    pub(crate) fn pieces(&self) -> Option<&FileScanConfig> {
        partitioned_scan(&self.input)
    }
}

impl DisplayAs for DecodedScanExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecodedScanExec: {} columns", self.spec.columns.len())
    }
}

impl ExecutionPlan for DecodedScanExec {
    fn name(&self) -> &str {
        "DecodedScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
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
        Ok(Arc::new(Self::new(children.remove(0), Arc::clone(&self.spec))))
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
        match self.decoding() {
            Some(scan) => scan.execute(partition, context),
            None => internal_err!("a scan without pieces: {}", self.input.name()),
        }
    }
}
