//! The rules that place work: which worker runs which task, and which partitions a task scans. They decide where
//! a partition lives, never what is in it.

use std::sync::Arc;

use datafusion::catalog::memory::DataSourceExec;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_distributed::{
    DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedGetterExt, DistributedLeafExec,
    RouteTasksEvent, RouteTasksEventResponse, ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse,
    WorkerResolver,
};
use url::Url;

use crate::cache_exec::CachePartitionExec;
use crate::table::{deal, partition_number, partitioned_scan, with_groups};

/// The workers of one plan, in a fixed order.
#[derive(Debug, Clone)]
pub(super) struct Workers(pub(super) Arc<Vec<Url>>);

impl WorkerResolver for Workers {
    fn get_urls(&self) -> Result<Vec<Url>> {
        Ok(self.0.as_ref().clone())
    }
}

/// One task for each worker: the engine's own rule goes by bytes and would leave workers idle.
pub(super) fn desired_task_count(
    event: DesiredTaskCountEvent,
) -> Option<Result<DesiredTaskCountEventResponse>> {
    if event.plan.downcast_ref::<CachePartitionExec>().is_some() {
        return Some(Ok(DesiredTaskCountEventResponse::desired(usize::MAX)));
    }
    let pieces: usize = partitioned_scan(event.plan)?
        .file_groups
        .iter()
        .map(|group| group.len())
        .sum();
    // Below two tasks the engine would run the stage in the driver.
    Some(Ok(DesiredTaskCountEventResponse::desired(pieces.max(2))))
}

/// Deals whole partitions to tasks: the engine's own rule would cut files that can't be cut.
pub(super) fn scale_up_scan(event: ScaleUpLeafNodeEvent) -> Option<Result<ScaleUpLeafNodeEventResponse>> {
    let scan = partitioned_scan(event.plan)?;
    let mut pieces: Vec<PartitionedFile> = scan
        .file_groups
        .iter()
        .flat_map(|group| group.iter().cloned())
        .collect();
    pieces.sort_by_key(partition_number);
    let threads = event.session_config.target_partitions();
    let workers = event
        .session_config
        .get_distributed_worker_resolver()
        .and_then(|resolver| resolver.get_urls())
        .map_or(1, |urls| urls.len().max(1));
    // Two tasks on one worker share its threads.
    let groups = match event.task_count > workers {
        true => (threads * workers).div_ceil(event.task_count),
        false => threads,
    };
    let variants = deal(&pieces, event.task_count, groups)
        .into_iter()
        .map(|groups| DataSourceExec::from_data_source(with_groups(scan, groups)) as Arc<dyn ExecutionPlan>);
    let leaf = DistributedLeafExec::try_new(Arc::clone(event.plan), variants.collect::<Vec<_>>());
    Some(leaf.map(|leaf| ScaleUpLeafNodeEventResponse::new(Arc::new(leaf))))
}

/// Task `i` goes to worker `i` (the engine starts at a random one).
pub(super) fn route_tasks(event: RouteTasksEvent) -> Option<Result<RouteTasksEventResponse>> {
    let urls = match event
        .task_ctx
        .session_config()
        .get_distributed_worker_resolver()
        .and_then(|r| r.get_urls())
    {
        Ok(urls) if urls.is_empty() => return None,
        Ok(urls) => urls,
        Err(error) => return Some(Err(error)),
    };
    let routed = (0..event.task_count)
        .map(|task| urls[task % urls.len()].clone())
        .collect();
    Some(Ok(RouteTasksEventResponse::new(routed)))
}
