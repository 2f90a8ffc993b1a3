//! [`CachePartitionExec`]: the operator at the head of the worker stage. It takes whatever rows the plan below
//! makes, leaves out those to be dropped, splits the rest, keeps them in the process' [`PartitionCache`] and
//! returns one small report row for each partition.

use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, exec_datafusion_err, internal_datafusion_err, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{Distribution, EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    PlanProperties, ReplaceChildrenOptions,
};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use crate::activity::Kind;
use crate::cache::PartitionCache;
use crate::gather::Gatherer;
use crate::spec::SplitSpec;
use crate::stores::WorkerSources;
use crate::table::PARTITION_COLUMN;

/// What the operator is told; travels to the workers as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CacheSpec {
    /// Dataset that the partitions belong to.
    pub(crate) dataset: String,
    /// How rows are shared out over parts.
    pub(crate) split: SplitSpec,
    /// How the rows of one partition come in.
    pub(crate) arrival: Arrival,
    /// Counts the plans that were run for this dataset: one makes a partition once, the next may find it there.
    pub(crate) attempt: u32,
}

/// How the rows of one partition come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Arrival {
    /// One after the other, in file order: straight from a scan.
    InOrder,
    /// In any order, mixed with other partitions: from a shuffle. Their content gives them an order.
    Shuffled,
}

impl CacheSpec {
    /// Identity for plan nodes: a dataset id and an attempt name one plan.
    fn key(&self) -> (&str, Arrival, u32) {
        (&self.dataset, self.arrival, self.attempt)
    }
}

impl PartialEq for CacheSpec {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for CacheSpec {}

impl std::hash::Hash for CacheSpec {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for CacheSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "dataset={}, split={:?}, arrival={:?}",
            self.dataset, self.split.method, self.arrival
        )
    }
}

/// Columns of the report: partition number, URL of the process that holds it, JSON of `PartitionReport`.
pub(crate) fn report_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("partition", DataType::UInt32, false),
        Field::new("owner", DataType::Utf8, false),
        Field::new("report", DataType::Utf8, false),
    ]))
}

/// The operator.
#[derive(Debug)]
pub(crate) struct CachePartitionExec {
    input: Arc<dyn ExecutionPlan>,
    spec: CacheSpec,
    properties: Arc<PlanProperties>,
}

impl CachePartitionExec {
    pub(crate) fn try_new(input: Arc<dyn ExecutionPlan>, spec: CacheSpec) -> Result<Self> {
        if input.schema().column_with_name(PARTITION_COLUMN).is_none() {
            return internal_err!("the rows to cache have no column {PARTITION_COLUMN}");
        }
        let properties = PlanProperties::new(
            EquivalenceProperties::new(report_schema()),
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(Self {
            input,
            spec,
            properties: Arc::new(properties),
        })
    }

    pub(crate) fn spec(&self) -> &CacheSpec {
        &self.spec
    }

    pub(crate) fn input(&self) -> &Arc<dyn ExecutionPlan> {
        &self.input
    }
}

impl DisplayAs for CachePartitionExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CachePartitionExec: {}", self.spec)
    }
}

impl ExecutionPlan for CachePartitionExec {
    fn name(&self) -> &str {
        "CachePartitionExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    /// Shuffled rows must meet their partition's other rows in one stream.
    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![
            match (self.spec.arrival, col(PARTITION_COLUMN, &self.input.schema())) {
                (Arrival::Shuffled, Ok(number)) => Distribution::KeyPartitioned(vec![number]),
                _ => Distribution::UnspecifiedDistribution,
            },
        ]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
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
        Ok(Arc::new(Self::try_new(children.remove(0), self.spec.clone())?))
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
        let Some(cache) = context.session_config().get_extension::<PartitionCache>() else {
            return internal_err!("the session has no partition cache");
        };
        let sources = context.session_config().get_extension::<WorkerSources>();
        let activity = sources.and_then(|sources| sources.activity(&self.spec.dataset));
        let mut input = self.input.execute(partition, context)?;
        let mut gatherer =
            Gatherer::new(&self.spec, &input.schema(), cache).map_err(|e| internal_datafusion_err!("{e}"))?;
        let report = async move {
            let _keeping = activity.as_ref().map(|activity| activity.begin(Kind::Keeping));
            while let Some(batch) = input.try_next().await? {
                gatherer.push(&batch)?;
            }
            let (owner, reports) = gatherer.finish()?;
            let numbers: UInt32Array = reports.iter().map(|report| Some(report.partition)).collect();
            let owners = StringArray::from(vec![owner; reports.len()]);
            let json = reports
                .iter()
                .map(serde_json::to_string)
                .collect::<std::result::Result<Vec<_>, _>>()
                .map_err(|e| exec_datafusion_err!("{e}"))?;
            let columns: Vec<arrow::array::ArrayRef> = vec![
                Arc::new(numbers),
                Arc::new(owners),
                Arc::new(StringArray::from(json)),
            ];
            Ok(RecordBatch::try_new(report_schema(), columns)?)
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            report_schema(),
            futures::stream::once(report),
        )))
    }
}
