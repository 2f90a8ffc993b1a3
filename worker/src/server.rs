//! [`TrainerServer`]: the driver's door, and for rounds that of other workers. Each call is decoded, done in one call of the
//! executor on a thread that may block, and encoded. A round may be passed on meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rookery_formats::Comparison;
use rookery_ml::Partial;
use rookery_ml::tree::{Node, merge_complete};
use rookery_proto::Failure;
use rookery_proto::trace_context;
use rookery_proto::v1;
use rookery_proto::v1::trainer_service_server::TrainerService;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};
use tracing::{Instrument as _, Span};

use crate::announced;
use crate::error::{internal, of_format, of_ml};
use crate::executor::{Executor, Round};
use crate::relays::{self, Relays};
use crate::wire;

/// Answers the driver, and workers that pass a round on.
#[derive(Debug)]
pub struct TrainerServer {
    executor: Arc<Executor>,
    relays: Relays,
    answer_delay: Duration,
}

impl TrainerServer {
    /// A server that passes rounds on to `relays`, and computes its part of a round `answer_delay` later than it could.
    pub(crate) fn new(executor: Arc<Executor>, relays: Relays, answer_delay: Duration) -> Self {
        Self {
            executor,
            relays,
            answer_delay,
        }
    }

    /// Runs `work` off the runtime's threads, as the task of `span`.
    async fn compute<T: Send + 'static>(
        &self,
        span: Span,
        work: impl FnOnce(&Executor) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Status> {
        let executor = Arc::clone(&self.executor);
        let done = tokio::task::spawn_blocking(move || span.in_scope(|| work(&executor))).await;
        Ok(done.map_err(|e| internal(format!("the task panicked: {e}")))??)
    }

    /// This worker's own part of a round, and how long it took.
    async fn evaluate(
        &self,
        span: Span,
        request: v1::EvaluateObjectiveRequest,
    ) -> Result<(Vec<(Node, Vec<Partial>)>, Duration), Status> {
        let started = Instant::now();
        let set = wire::partition_set(request.partitions)?;
        let round = Round {
            set,
            blocks_id: request.blocks_id,
            coefficients: request.coefficients.into_iter().map(wire::coefficients).collect(),
        };
        let partials = self.executor.evaluate(round).instrument(span).await?;
        let took = started.elapsed();
        if !self.answer_delay.is_zero() {
            tokio::time::sleep(self.answer_delay).await;
        }
        Ok((partials, took))
    }
}

/// The span of a task, below the driver's that asks for it.
fn task(name: &'static str, metadata: &MetadataMap, key: Option<&v1::TaskKey>) -> Span {
    let span = tracing::debug_span!(
        "task",
        otel.name = name,
        otel.kind = "server",
        job_id = key.map(|key| key.job_id.as_str()),
        round = key.map(|key| key.round),
    );
    trace_context::set_parent(&span, metadata);
    span
}

#[tonic::async_trait]
impl TrainerService for TrainerServer {
    async fn prepare_sources(
        &self,
        request: Request<v1::PrepareSourcesRequest>,
    ) -> Result<Response<v1::PrepareSourcesResponse>, Status> {
        let span = task("prepare_sources", request.metadata(), None);
        let announcement = announced::announcement(request.into_inner())?;
        self.compute(span, move |executor| executor.prepare(&announcement))
            .await?;
        Ok(Response::new(v1::PrepareSourcesResponse {}))
    }

    async fn fit_stages(
        &self,
        request: Request<v1::FitStagesRequest>,
    ) -> Result<Response<v1::FitStagesResponse>, Status> {
        let span = task("fit_stages", request.metadata(), request.get_ref().task.as_ref());
        let request = request.into_inner();
        let set = wire::partition_set(request.partitions)?;
        let pass = wire::from_json("fit pass", &request.fit_pass_json)?;
        let statistics = self
            .compute(span, move |executor| executor.fit_stages(&set, &pass))
            .await?;
        let profile_json = serde_json::to_string(&statistics.profile).map_err(internal)?;
        Ok(Response::new(v1::FitStagesResponse {
            statistics: wire::statistics(statistics.stages).map_err(internal)?,
            profile_json,
        }))
    }

    async fn build_blocks(
        &self,
        request: Request<v1::BuildBlocksRequest>,
    ) -> Result<Response<v1::BuildBlocksResponse>, Status> {
        let span = task(
            "build_blocks",
            request.metadata(),
            request.get_ref().task.as_ref(),
        );
        let request = request.into_inner();
        let set = wire::partition_set(request.partitions)?;
        let pipeline = wire::from_json("pipeline", &request.pipeline_json)?;
        let columns = wire::label_columns(request.label_column, request.weight_column);
        let (blocks_id, features) = (request.blocks_id, request.features_column);
        let (summaries, memory_bytes) = self
            .compute(span, move |executor| {
                executor.build_blocks(&set, &blocks_id, &pipeline, &features, &columns)
            })
            .await?;
        let summaries = summaries.into_iter().map(wire::subtree_summary).collect();
        Ok(Response::new(v1::BuildBlocksResponse {
            summaries,
            memory_bytes,
        }))
    }

    async fn summarize_blocks(
        &self,
        request: Request<v1::SummarizeBlocksRequest>,
    ) -> Result<Response<v1::SummarizeBlocksResponse>, Status> {
        let span = task(
            "summarize_blocks",
            request.metadata(),
            request.get_ref().task.as_ref(),
        );
        let request = request.into_inner();
        let set = wire::partition_set(request.partitions)?;
        let (blocks_id, class_weights) = (request.blocks_id, request.class_weights);
        let summaries = self
            .compute(span, move |executor| {
                executor.summarize_blocks(&set, &blocks_id, &class_weights)
            })
            .await?;
        let summaries = summaries.into_iter().map(wire::subtree_summary).collect();
        Ok(Response::new(v1::SummarizeBlocksResponse { summaries }))
    }

    async fn evaluate_objective(
        &self,
        request: Request<v1::EvaluateObjectiveRequest>,
    ) -> Result<Response<v1::EvaluateObjectiveResponse>, Status> {
        let span = task(
            "evaluate_objective",
            request.metadata(),
            request.get_ref().task.as_ref(),
        );
        let mut request = request.into_inner();
        let leaf_count = request.partitions.as_ref().map_or(0, |set| set.leaf_count);
        let deadline = Duration::from_millis(request.relay_deadline_ms);
        let passed_on = relays::pass_on(&mut request);
        let are_relays = !passed_on.is_empty();
        let below = self.relays.ask(passed_on, deadline).instrument(span.clone());
        // A worker that can't do its own part has no use for what the others send: the driver asks all of them again.
        let (below, (mut partials, took)) =
            tokio::try_join!(async { Ok(below.await) }, self.evaluate(span.clone(), request))?;
        if are_relays {
            partials.extend(below.partials);
            let merge = move |_: &Executor| {
                let merged = merge_complete(leaf_count, partials, &Partial::merge_each);
                merged.map_err(|e| of_ml(&e))
            };
            partials = self.compute(span, merge).await?;
        }
        let partials = partials.into_iter().map(wire::subtree_partial).collect();
        Ok(Response::new(v1::EvaluateObjectiveResponse {
            partials,
            compute_us: took.as_micros() as u64,
            failures: below.failures,
        }))
    }

    async fn score_model(
        &self,
        request: Request<v1::ScoreModelRequest>,
    ) -> Result<Response<v1::ScoreModelResponse>, Status> {
        let span = task("score_model", request.metadata(), request.get_ref().task.as_ref());
        let request = request.into_inner();
        let set = wire::partition_set(request.partitions)?;
        let model = rookery_ml::Model::from_json(&request.model_json).map_err(|e| of_ml(&e))?;
        let columns = wire::label_columns(request.label_column, request.weight_column);
        let (part, ranking) = (request.part as usize, request.ranking);
        let scored = self
            .compute(span, move |executor| {
                executor.score(&set, &model, &columns, (part, ranking))
            })
            .await?;
        let metrics = scored
            .into_iter()
            .map(|(node, metrics)| v1::SubtreeMetrics {
                node: wire::merge_node(node),
                metrics: Some(wire::metrics(metrics)),
            })
            .collect();
        Ok(Response::new(v1::ScoreModelResponse { metrics }))
    }

    async fn score_rows(
        &self,
        request: Request<v1::ScoreRowsRequest>,
    ) -> Result<Response<v1::ScoreRowsResponse>, Status> {
        let span = task("score_rows", request.metadata(), request.get_ref().task.as_ref());
        let request = request.into_inner();
        let pieces = wire::pieces(&request.pieces);
        let scored = self
            .compute(span, move |executor| {
                let scorer = executor.scorer(&request.model_json)?;
                executor.score_rows(&request.dataset_id, &pieces, &scorer, &request.keep)
            })
            .await?;
        let pieces = scored.into_iter().map(wire::scored_piece).collect();
        Ok(Response::new(v1::ScoreRowsResponse { pieces }))
    }

    async fn compare_formats(
        &self,
        request: Request<v1::CompareFormatsRequest>,
    ) -> Result<Response<v1::CompareFormatsResponse>, Status> {
        let span = task(
            "compare_formats",
            request.metadata(),
            request.get_ref().task.as_ref(),
        );
        let request = request.into_inner();
        let set = wire::partition_set(request.partitions)?;
        let (model_json, written) = (request.model_json, wire::written(request.formats)?);
        let compared = self
            .compute(span, move |executor| {
                let comparison = Comparison::read(&model_json, &written);
                executor.compare_formats(&set, &comparison.map_err(|e| of_format(&e))?)
            })
            .await?;
        let parities = compared
            .into_iter()
            .map(|(node, parity)| v1::SubtreeParity {
                node: wire::merge_node(node),
                formats: wire::parity(parity),
            })
            .collect();
        Ok(Response::new(v1::CompareFormatsResponse { parities }))
    }

    async fn list_partitions(
        &self,
        request: Request<v1::ListPartitionsRequest>,
    ) -> Result<Response<v1::ListPartitionsResponse>, Status> {
        let span = task("list_partitions", request.metadata(), None);
        let dataset = request.into_inner().dataset_id;
        let reports_json = self
            .compute(span, move |executor| executor.inventory(&dataset))
            .await?;
        Ok(Response::new(v1::ListPartitionsResponse { reports_json }))
    }

    async fn get_progress(
        &self,
        request: Request<v1::GetProgressRequest>,
    ) -> Result<Response<v1::GetProgressResponse>, Status> {
        // At once, whatever else there is to do: this is how the driver learns that there is too much.
        let progress = self.executor.progress(&request.into_inner().dataset_id);
        Ok(Response::new(wire::progress(progress)))
    }

    async fn release(
        &self,
        request: Request<v1::ReleaseRequest>,
    ) -> Result<Response<v1::ReleaseResponse>, Status> {
        let span = task("release", request.metadata(), None);
        let request = request.into_inner();
        let only = request.partitions.into_iter().collect();
        let partitions = self
            .compute(span, move |executor| {
                Ok(executor.release(&request.dataset_id, &only) as u64)
            })
            .await?;
        Ok(Response::new(v1::ReleaseResponse { partitions }))
    }
}
