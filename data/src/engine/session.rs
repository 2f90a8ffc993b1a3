//! [`Engine`]: the driver's side of the engine. It plans, sends the fragments to the workers and collects the
//! report rows; without workers everything runs in this process.

use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_distributed::{DistributedConfig, DistributedExt, SessionStateBuilderExt};
use url::Url;

use super::channel::Channels;
use super::routing::{Workers, desired_task_count, route_tasks, scale_up_scan};
use crate::cache::PartitionCache;
use crate::cache_node::CacheQueryPlanner;
use crate::codec::PlanCodec;
use crate::error::Result;
use crate::functions;
use crate::plan::IngestPlan;
use crate::stores::url_of;

/// Where plans run.
#[derive(Debug, Clone)]
pub struct Engine {
    workers: Vec<Url>,
    channels: Channels,
    threads: usize,
    cache: Arc<PartitionCache>,
    local: bool,
}

impl Engine {
    /// An engine that runs everything in this process and caches in `cache`.
    pub fn local(cache: Arc<PartitionCache>, threads: usize) -> Self {
        Self {
            workers: Vec::new(),
            channels: Channels::default(),
            threads: threads.max(1),
            cache,
            local: true,
        }
    }

    /// An engine over `workers`, each of which reads with `threads` threads.
    pub fn cluster(mut workers: Vec<Url>, channels: Channels, threads: usize) -> Self {
        workers.sort();
        // Rows that end up here would be a planning mistake, which `Dataset` checks.
        let cache = PartitionCache::new("driver");
        Self {
            workers,
            channels,
            threads: threads.max(1),
            cache,
            local: false,
        }
    }

    /// The workers; empty for a local engine.
    pub fn workers(&self) -> &[Url] {
        &self.workers
    }

    /// Whether plans need workers and there are none.
    pub(crate) fn is_empty_cluster(&self) -> bool {
        !self.local && self.workers.is_empty()
    }

    /// Whether the process that others reach as `owner` may cache rows of this engine's plans.
    pub(crate) fn has_worker(&self, owner: &str) -> bool {
        self.local || Url::parse(owner).is_ok_and(|url| self.workers.contains(&url))
    }

    /// The cache of this process.
    pub(crate) fn cache(&self) -> &PartitionCache {
        &self.cache
    }

    /// A session for one plan, that reads the plan's files for `dataset` and nothing else.
    pub(crate) fn session(&self, plan: &IngestPlan, dataset: &str) -> Result<SessionContext> {
        let mut config = safe_config(self.threads.max(2));
        config.options_mut().optimizer.prefer_hash_join = !plan.sorts_joins();
        let config = config
            .with_distributed_option_extension(DistributedConfig::default())
            .with_extension(Arc::clone(&self.cache));
        // One worker with one task would be elided into the driver: two tasks stay on the worker.
        let config = match self.workers.len() {
            1 => config.with_distributed_max_tasks_per_stage(2)?,
            _ => config,
        };
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_default_features()
            .with_query_planner(Arc::new(CacheQueryPlanner))
            .with_distributed_worker_resolver(Workers(Arc::new(self.workers.clone())))
            .with_distributed_channel_resolver(self.channels.clone())
            .with_distributed_user_codec(PlanCodec)
            // Wraps the query planner set before it: the order matters.
            .with_distributed_planner()
            .with_distributed_desired_task_count_handler(desired_task_count)
            .with_distributed_scale_up_leaf_node_handler(scale_up_scan)
            .with_distributed_route_tasks_handler(route_tasks)
            .build();
        let session = SessionContext::from(state);
        register_functions(&session);
        session
            .runtime_env()
            .register_object_store(url_of(dataset)?.as_ref(), plan.announced_store(dataset));
        Ok(session)
    }
}

/// A session to plan with, that knows no workers.
pub(crate) fn local_session() -> SessionContext {
    let session = SessionContext::new_with_config(safe_config(2));
    register_functions(&session);
    session
}

fn register_functions(session: &SessionContext) {
    for function in functions::all() {
        session.register_udf(function.as_ref().clone());
    }
}

/// Settings under which partitions stay as the data defines them.
pub(super) fn safe_config(target_partitions: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(target_partitions)
        .with_repartition_file_scans(false)
        .with_round_robin_repartition(false);
    keep_streams_apart(&mut config);
    // Names are the user's, case and all.
    config.options_mut().sql_parser.enable_ident_normalization = false;
    config
}

/// Streams of one task must not take each other's files: with few files some would find none.
pub(super) fn keep_streams_apart(config: &mut SessionConfig) {
    config.options_mut().execution.enable_file_stream_work_stealing = false;
}
