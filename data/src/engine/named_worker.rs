//! [`NamedWorker`]: puts a worker's URL into the errors of its connection, which say only that *a* connection
//! failed.

use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_distributed::{
    CoordinatorToWorkerMsg, ExecuteTaskRequest, GetWorkerInfoRequest, GetWorkerInfoResponse, SetPlanRequest,
    WorkerChannel, WorkerToCoordinatorMsg,
};
use futures::StreamExt;
use futures::stream::BoxStream;
use http::HeaderMap;
use tonic::{Code, Status};
use url::Url;

use crate::error::unreachable_worker;

/// A connection that knows where it leads.
pub(super) struct NamedWorker {
    url: Url,
    worker: Box<dyn WorkerChannel>,
}

impl NamedWorker {
    pub(super) fn new(url: Url, worker: Box<dyn WorkerChannel>) -> Self {
        Self { url, worker }
    }

    /// The stream with the URL in its errors.
    fn named<T: 'static>(&self, stream: BoxStream<'static, Result<T>>) -> BoxStream<'static, Result<T>> {
        let url = self.url.clone();
        stream
            .map(move |item| item.map_err(|error| name(&url, error)))
            .boxed()
    }
}

#[async_trait]
impl WorkerChannel for NamedWorker {
    async fn coordinator_channel(
        &mut self,
        headers: HeaderMap,
        request: SetPlanRequest,
        messages: BoxStream<'static, CoordinatorToWorkerMsg>,
        metrics: ExecutionPlanMetricsSet,
        context: &Arc<TaskContext>,
    ) -> Result<BoxStream<'static, Result<WorkerToCoordinatorMsg>>> {
        let opened = self
            .worker
            .coordinator_channel(headers, request, messages, metrics, context)
            .await;
        Ok(self.named(opened.map_err(|error| name(&self.url, error))?))
    }

    async fn execute_task(
        &mut self,
        headers: HeaderMap,
        request: ExecuteTaskRequest,
        metrics: ExecutionPlanMetricsSet,
        context: &Arc<TaskContext>,
    ) -> Result<Vec<BoxStream<'static, Result<RecordBatch>>>> {
        let streams = self.worker.execute_task(headers, request, metrics, context).await;
        let streams = streams.map_err(|error| name(&self.url, error))?;
        Ok(streams.into_iter().map(|stream| self.named(stream)).collect())
    }

    async fn get_worker_info(&mut self, request: GetWorkerInfoRequest) -> Result<GetWorkerInfoResponse> {
        self.worker
            .get_worker_info(request)
            .await
            .map_err(|error| name(&self.url, error))
    }
}

/// What the worker itself said (an engine error, decoded) stays as it is; a bare gRPC status is the transport's.
fn name(url: &Url, error: DataFusionError) -> DataFusionError {
    let status = match &error {
        DataFusionError::External(source) => source.downcast_ref::<Status>(),
        _ => None,
    };
    match status {
        Some(status) => match status.code() {
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal | Code::DeadlineExceeded => {
                unreachable_worker(url, &status.message())
            }
            code => {
                DataFusionError::Execution(format!("worker {url} refused: {}: {}", code, status.message()))
            }
        },
        None => error,
    }
}
