//! The worker's side of the engine: a tonic service that runs plan fragments in a session of its own. The
//! driver's session settings do not travel, so what matters is set here again.

use std::sync::Arc;

use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::SessionConfig;
use datafusion_distributed::{
    DistributedExt, Worker, WorkerPlanRewriteEvent, WorkerPlanRewriteEventResponse, WorkerQueryContext,
};
use tonic::server::NamedService;

use super::channel::{Channels, MAX_ENGINE_MESSAGE_BYTES};
use super::session::keep_streams_apart;
use crate::cache::PartitionCache;
use crate::codec::PlanCodec;
use crate::functions;
use crate::stores::WorkerSources;
use crate::watched_scan::watch_scans;

/// The engine's service for a worker that caches in `cache` and reads from `sources` alone. It is added to the worker's
/// own server, so that a worker has one port.
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
    let worker = Worker::from_session_builder(move |context: WorkerQueryContext| {
        let (cache, channels, sources) = (Arc::clone(&cache), channels.clone(), Arc::clone(&readable));
        async move {
            let mut builder = context
                .builder
                .with_distributed_user_codec(PlanCodec)
                .with_distributed_channel_resolver(channels)
                .with_distributed_worker_plan_rewrite_handler(|event: WorkerPlanRewriteEvent<'_>| {
                    watch_scans(event.plan).map(WorkerPlanRewriteEventResponse::new)
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
        .with_runtime_env(runtime(sources))
        .with_max_message_size(MAX_ENGINE_MESSAGE_BYTES)
        .with_version(env!("CARGO_PKG_VERSION"))
        .into_worker_server()
}

/// Whatever a plan names is looked up in `sources`: there is no file system behind it.
fn runtime(sources: Arc<WorkerSources>) -> Arc<RuntimeEnv> {
    let builder = RuntimeEnvBuilder::new().with_object_store_registry(sources);
    builder
        .build_arc()
        .expect("the default memory pool and disk manager need nothing")
}

fn worker_config(
    config: SessionConfig,
    cache: Arc<PartitionCache>,
    sources: Arc<WorkerSources>,
) -> SessionConfig {
    let mut config = config.with_extension(cache).with_extension(sources);
    keep_streams_apart(&mut config);
    config
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

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
