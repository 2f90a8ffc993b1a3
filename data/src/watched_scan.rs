//! [`WatchedScanExec`]: a scan on a worker, whose time and rows are counted. It takes the scan's place when a plan has
//! arrived, so that it never travels and plans nothing.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::{FileScanConfig, ParquetSource};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use futures::{TryStreamExt, stream};

use crate::activity::Kind;
use crate::cache_exec::{Arrival, CachePartitionExec};
use crate::csv_decode::DecodedScanExec;
use crate::parquet_pieces::read_pieces;
use crate::stores::{WorkerSources, dataset_of};
use crate::table::partitioned_scan;

/// Rows of a Parquet file that come at once where a partition's come in order: each of its columns is decoded with its
/// dictionary in the processor's cache, and may be kept as it comes.
const ROWS_AT_ONCE: usize = 1 << 17;

/// The plan with each scan of a source watched; its batches are as large as they should be unless memory `is_limited`.
pub(crate) fn watch_scans(plan: Arc<dyn ExecutionPlan>, is_limited: bool) -> Result<Arc<dyn ExecutionPlan>> {
    let at_once = !is_limited && plan.exists(|node| Ok(is_in_order(node)))?;
    let watch = |node: Arc<dyn ExecutionPlan>| {
        let (scan, pieces) = match node.downcast_ref::<DecodedScanExec>() {
            // What runs is not what it holds.
            Some(decoded) => (decoded.decoding(), decoded.pieces()),
            None => (Some(Arc::clone(&node)), partitioned_scan(&node)),
        };
        let dataset = pieces.map(|pieces| dataset_of(&pieces.object_store_url));
        Ok(match (scan, dataset) {
            (Some(scan), Some(dataset)) => {
                let watched = Arc::new(WatchedScanExec {
                    scan,
                    dataset,
                    at_once,
                });
                Transformed::new(watched as _, true, TreeNodeRecursion::Jump)
            }
            _ => Transformed::no(node),
        })
    };
    plan.transform_down(watch).data()
}

fn is_in_order(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.downcast_ref::<CachePartitionExec>()
        .is_some_and(|keeping| keeping.spec().arrival == Arrival::InOrder)
}

/// The rows of one group of the `pieces` of a scan of Parquet files, in large batches.
fn read_at_once(
    scan: &Arc<dyn ExecutionPlan>,
    pieces: &FileScanConfig,
    group: usize,
    context: &Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let context = Arc::new(TaskContext::new(
        context.task_id(),
        context.session_id(),
        context.session_config().clone().with_batch_size(ROWS_AT_ONCE),
        context.scalar_functions().clone(),
        context.higher_order_functions().clone(),
        context.aggregate_functions().clone(),
        context.window_functions().clone(),
        context.runtime_env(),
    ));
    match read_pieces(pieces, group, &context)? {
        Some(rows) => Ok(rows),
        None => scan.execute(group, context),
    }
}

/// A scan with its place in the plan.
#[derive(Debug)]
struct WatchedScanExec {
    scan: Arc<dyn ExecutionPlan>,
    dataset: String,
    /// Whether a partition's rows come in order, and may come all at once.
    at_once: bool,
}

impl DisplayAs for WatchedScanExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scan.fmt_as(format, f)
    }
}

impl ExecutionPlan for WatchedScanExec {
    fn name(&self) -> &str {
        "WatchedScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.scan.properties()
    }

    /// None: a scan is a leaf, and so is what takes its place.
    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.scan.apply_expressions(visit)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.scan.metrics()
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let sources = context.session_config().get_extension::<WorkerSources>();
        let watched =
            sources.and_then(|sources| Some((sources.activity(&self.dataset)?, sources.read_delay())));
        let parquet = partitioned_scan(&self.scan)
            .filter(|pieces| self.at_once && pieces.file_source().is::<ParquetSource>());
        let rows = match parquet {
            Some(pieces) => read_at_once(&self.scan, pieces, partition, &context)?,
            None => self.scan.execute(partition, context)?,
        };
        let Some((activity, delay)) = watched else {
            return Ok(rows);
        };
        let schema = rows.schema();
        let watched = stream::try_unfold(rows, move |mut rows| {
            let activity = Arc::clone(&activity);
            async move {
                let _reading = activity.begin(Kind::Reading);
                let Some(batch) = rows.try_next().await? else {
                    return Ok(None);
                };
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                activity.add_read(batch.get_array_memory_size());
                Ok(Some((batch, rows)))
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, watched)))
    }
}
