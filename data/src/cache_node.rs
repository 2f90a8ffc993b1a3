//! [`CacheNode`]: "keep these rows as partitions of a dataset", as a node of a logical plan, and the query
//! planner that turns it into a [`CachePartitionExec`].

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, DFSchemaRef, Result};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::physical_expr::Partitioning;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use crate::cache_exec::{Arrival, CachePartitionExec, CacheSpec, report_schema};
use crate::table::PARTITION_COLUMN;

/// The head of a materialising plan.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct CacheNode {
    input: LogicalPlan,
    spec: CacheSpec,
    schema: DFSchemaRef,
}

impl CacheNode {
    /// A plan that keeps the rows of `input` and returns one report row for each partition.
    pub(crate) fn plan(input: LogicalPlan, spec: CacheSpec) -> Result<LogicalPlan> {
        let schema = Arc::new(DFSchema::try_from(report_schema())?);
        Ok(LogicalPlan::Extension(Extension {
            node: Arc::new(Self { input, spec, schema }),
        }))
    }
}

impl PartialOrd for CacheNode {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.spec.dataset.partial_cmp(&other.spec.dataset)
    }
}

impl UserDefinedLogicalNodeCore for CacheNode {
    fn name(&self) -> &str {
        "CachePartition"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CachePartition: {}", self.spec)
    }

    fn with_exprs_and_inputs(&self, _expressions: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(Self {
            input: inputs.remove(0),
            spec: self.spec.clone(),
            schema: Arc::clone(&self.schema),
        })
    }
}

/// DataFusion's planner, with [`CacheNode`] added.
#[derive(Debug)]
pub(crate) struct CacheQueryPlanner;

#[async_trait]
impl QueryPlanner for CacheQueryPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let planned = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(CachePlanner)])
            .create_physical_plan(plan, session)
            .await?;
        spread(planned, session.config().target_partitions())
    }
}

/// Shares out the rows of a plan that ends in one stream (`ORDER BY`, an aggregate without groups ...). To the
/// optimiser one stream is any distribution one could ask for; but where it ends, the driver would cache it.
fn spread(plan: Arc<dyn ExecutionPlan>, streams: usize) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(cache) = plan.downcast_ref::<CachePartitionExec>() else {
        return Ok(plan);
    };
    if cache.spec().arrival == Arrival::InOrder || cache.input().output_partitioning().partition_count() > 1 {
        return Ok(plan);
    }
    let number = col(PARTITION_COLUMN, &cache.input().schema())?;
    let shuffled = RepartitionExec::try_new(
        Arc::clone(cache.input()),
        Partitioning::Hash(vec![number], streams),
    )?;
    Ok(Arc::new(CachePartitionExec::try_new(
        Arc::new(shuffled),
        cache.spec().clone(),
    )?))
}

#[derive(Debug)]
struct CachePlanner;

#[async_trait]
impl ExtensionPlanner for CachePlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<CacheNode>() else {
            return Ok(None);
        };
        let exec = CachePartitionExec::try_new(Arc::clone(&physical_inputs[0]), node.spec.clone())?;
        Ok(Some(Arc::new(exec)))
    }
}
