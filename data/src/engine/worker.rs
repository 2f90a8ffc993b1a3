//! The worker's side of the engine: a tonic service that runs plan fragments in a session of its own. The
//! driver's session settings do not travel, so what matters is set here again.

use std::sync::Arc;

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::SessionConfig;
use datafusion_distributed::{
    DistributedConfig, DistributedExt, Worker, WorkerPlanRewriteEvent, WorkerPlanRewriteEventResponse,
    WorkerQueryContext,
};
use tonic::server::NamedService;

use super::channel::{Channels, MAX_ENGINE_MESSAGE_BYTES};
use super::session::keep_streams_apart;
use crate::cache::PartitionCache;
use crate::codec::PlanCodec;
use crate::functions;
use crate::spill::MemoryLimit;
use crate::stores::WorkerSources;
use crate::watched_scan::watch_scans;

/// Of a limit, the part that one sort sets aside to merge its files, and the part that the rows from another worker may take
/// before it has to wait; neither is more than the engine's own setting.
const MERGE_PART: usize = 64;
const CONNECTION_PART: usize = 16;
/// Operators hold several batches each: a batch has a row for so many bytes of the limit, and these at least.
const BYTES_PER_ROW: usize = 8 << 10;
const FEWEST_ROWS: usize = 64;

/// The engine's service for a worker that caches in `cache`, within its limit, and reads from `sources` alone. It is added to
/// the worker's own server, so that a worker has one port.
///
/// # Panics
/// The folder of the limit is gone already.
pub fn worker_service(
    cache: Arc<PartitionCache>,
    channels: Channels,
    sources: Arc<WorkerSources>,
) -> impl tower::Service<
    http::Request<tonic::body::Body>,
    Response = http::Response<tonic::body::Body>,
    Error = std::convert::Infallible,
    Future: Send + 'static,
> + NamedService
+ Clone
+ Send
+ Sync
+ 'static {
    let readable = Arc::clone(&sources);
    let is_limited = cache.limit().is_some();
    let runtime = runtime(sources, cache.limit().map(|limit| &**limit));
    let worker = Worker::from_session_builder(move |context: WorkerQueryContext| {
        let (cache, channels, sources) = (Arc::clone(&cache), channels.clone(), Arc::clone(&readable));
        async move {
            let mut builder = context
                .builder
                .with_distributed_user_codec(PlanCodec)
                .with_distributed_channel_resolver(channels)
                .with_distributed_worker_plan_rewrite_handler(move |event: WorkerPlanRewriteEvent<'_>| {
                    watch_scans(event.plan, is_limited).map(WorkerPlanRewriteEventResponse::new)
                });
            let config = builder.config().take().unwrap_or_default();
            *builder.config() = Some(worker_config(config, cache, sources));
            builder
                .scalar_functions()
                .get_or_insert_default()
                .extend(functions::all());
            Ok(builder.build())
        }
    });
    worker
        .with_runtime_env(runtime)
        .with_max_message_size(MAX_ENGINE_MESSAGE_BYTES)
        .with_version(env!("CARGO_PKG_VERSION"))
        .into_worker_server()
}

/// Whatever a plan names is looked up in `sources`: there is no file system behind it. What operators have no room for, within
/// a limit, goes to the folder of what datasets have no room for.
fn runtime(sources: Arc<WorkerSources>, limit: Option<&MemoryLimit>) -> Arc<RuntimeEnv> {
    let mut builder = RuntimeEnvBuilder::new().with_object_store_registry(sources);
    if let Some(limit) = limit {
        let folder = limit.folder().path().to_path_buf();
        let disk = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![folder]))
            .with_max_temp_directory_size(u64::MAX);
        builder = builder
            .with_memory_pool(Arc::clone(limit.pool()))
            .with_disk_manager_builder(disk);
    }
    builder
        .build_arc()
        .expect("the default disk manager needs nothing, and the folder of a limit is there")
}

fn worker_config(
    config: SessionConfig,
    cache: Arc<PartitionCache>,
    sources: Arc<WorkerSources>,
) -> SessionConfig {
    let limit = cache.limit().map(|limit| limit.bytes());
    let mut config = config.with_extension(cache).with_extension(sources);
    keep_streams_apart(&mut config);
    if let Some(limit) = limit {
        let rows = (limit / BYTES_PER_ROW).max(FEWEST_ROWS);
        let rows = config.batch_size().min(rows);
        config = config.with_batch_size(rows);
        let execution = &mut config.options_mut().execution;
        let merge = execution.sort_spill_reservation_bytes;
        execution.sort_spill_reservation_bytes = merge.min(limit / MERGE_PART);
        if let Ok(distributed) = DistributedConfig::from_config_options_mut(config.options_mut()) {
            let connection = &mut distributed.worker_connection_buffer_budget_bytes;
            *connection = (*connection).min(limit / CONNECTION_PART);
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn operators_of_a_limited_worker_share_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let limit = MemoryLimit::new(16 << 20, folder.path(), "http://here/").unwrap();
        let sources = || WorkerSources::new(None, true, Duration::ZERO);
        let runtime = runtime(sources(), Some(&limit));
        assert!(Arc::ptr_eq(&runtime.memory_pool, limit.pool()));
        let temporary = runtime.disk_manager.create_tmp_file("a sort").unwrap();
        assert!(
            temporary
                .path()
                .is_some_and(|path| path.starts_with(limit.folder().path()))
        );
        let cache = PartitionCache::with_limit("http://here/", Some(limit));
        let config = SessionConfig::default().with_distributed_option_extension(DistributedConfig::default());
        let mut config = worker_config(config, cache, sources());
        assert_eq!(config.options().execution.sort_spill_reservation_bytes, 256 << 10);
        assert_eq!(config.batch_size(), 2048);
        let distributed = DistributedConfig::from_config_options_mut(config.options_mut()).unwrap();
        assert_eq!(distributed.worker_connection_buffer_budget_bytes, 1 << 20);
    }

    #[test]
    fn a_workers_session_is_set_up_by_the_worker() {
        assert!(
            SessionConfig::default()
                .options()
                .execution
                .enable_file_stream_work_stealing,
            "the default has changed: the setting may go"
        );
        let config = worker_config(
            SessionConfig::default(),
            PartitionCache::new("http://here/"),
            WorkerSources::new(None, true, Duration::ZERO),
        );
        assert!(!config.options().execution.enable_file_stream_work_stealing);
        assert_eq!(
            config.get_extension::<PartitionCache>().unwrap().owner(),
            "http://here/"
        );
    }
}
