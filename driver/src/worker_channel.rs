//! [`WorkerChannel`]: calls to one worker's trainer service. Generated messages stop here; every call has a
//! deadline, and every failure names the worker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rookery_data::engine::{Channels, WorkerConnection};
use rookery_data::stores::Announcement;
use rookery_data::{Progress, Work};
use rookery_ml::tree::Node;
use rookery_ml::{FitStatistics, StageStatistics};
use rookery_proto::v1::trainer_service_client::TrainerServiceClient;
use rookery_proto::{ErrorClass, Failure, MAX_MESSAGE_BYTES, SendTraceContext, v1};
use tonic::service::interceptor::InterceptedService;
use tonic::{Code, Status};
use tracing::Instrument as _;
use tracing::field::Empty;
use url::Url;

use crate::announcing;
use crate::error::internal;

mod formats;
mod judging;
mod relayed;
mod subtrees;

pub(crate) use judging::Judging;
pub(crate) use relayed::Relayed;

/// The partitions of a dataset that one worker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holding {
    pub(crate) dataset: String,
    /// Leaves of the merge tree over the whole dataset.
    pub(crate) leaf_count: u32,
    /// Number and leaf of each partition, ascending. Shared: it is handed about in each round.
    pub(crate) partitions: Arc<[(u32, u32)]>,
}

/// What a call belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) job_id: String,
    /// Number of the round within the run; 0 outside rounds.
    pub(crate) round: u64,
}

impl Task {
    /// A call outside rounds.
    pub(crate) fn of_job(job_id: &str) -> Self {
        Self {
            job_id: job_id.to_string(),
            round: 0,
        }
    }
}

/// Where blocks get their columns from, and what they are called.
#[derive(Debug, Clone)]
pub(crate) struct BlockSpec {
    pub(crate) blocks_id: String,
    pub(crate) pipeline_json: String,
    pub(crate) features: String,
    pub(crate) label: String,
    pub(crate) weight: Option<String>,
}

/// Calls to one worker.
#[derive(Debug, Clone)]
pub(crate) struct WorkerChannel {
    url: Url,
    deadline: Duration,
    client: TrainerServiceClient<InterceptedService<WorkerConnection, SendTraceContext>>,
}

impl WorkerChannel {
    pub(crate) fn new(channels: &Channels, url: Url, deadline: Duration) -> Result<Self, Failure> {
        let channel = channels.get(&url).map_err(|e| internal(e).at(url.as_str()))?;
        let client = TrainerServiceClient::with_interceptor(channel, SendTraceContext)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        Ok(Self {
            url,
            deadline,
            client,
        })
    }

    /// Says what the worker may read. One that does not hear it in time counts as lost.
    pub(crate) async fn prepare_sources(&self, announcement: &Announcement) -> Result<(), Failure> {
        let mut client = self.client.clone();
        let told = self
            .bounded(
                "prepare_sources",
                None,
                client.prepare_sources(announcing::request(announcement)),
            )
            .await;
        told.map(|_| ()).map_err(|failure| match failure.class {
            ErrorClass::TimedOut => Failure {
                class: ErrorClass::Unreachable,
                ..failure
            },
            _ => failure,
        })
    }

    pub(crate) async fn fit_stages(
        &self,
        task: &Task,
        holding: &Holding,
        fit_pass_json: String,
    ) -> Result<FitStatistics, Failure> {
        let request = v1::FitStagesRequest {
            task: key(task),
            partitions: set(holding),
            fit_pass_json,
        };
        let mut client = self.client.clone();
        let response = self
            .bounded("fit_stages", Some(task), client.fit_stages(request))
            .await?;
        let stages = response.statistics.into_iter().map(statistics);
        Ok(FitStatistics {
            stages: stages.collect::<Result<_, _>>()?,
            profile: serde_json::from_str(&response.profile_json).map_err(internal)?,
        })
    }

    /// Scores pieces of partitions.
    pub(crate) async fn score_rows(
        &self,
        task: &Task,
        dataset_id: &str,
        model_json: &str,
        keep: &[String],
        pieces: Vec<v1::Piece>,
    ) -> Result<Vec<v1::ScoredPiece>, Failure> {
        let request = v1::ScoreRowsRequest {
            task: key(task),
            dataset_id: dataset_id.to_string(),
            model_json: model_json.to_string(),
            keep: keep.to_vec(),
            pieces,
        };
        let mut client = self.client.clone();
        let response = self
            .bounded("score_rows", Some(task), client.score_rows(request))
            .await?;
        Ok(response.pieces)
    }

    /// What the worker holds of a dataset, as the data crate reports it.
    pub(crate) async fn list_partitions(&self, dataset_id: &str) -> Result<Vec<String>, Failure> {
        let request = v1::ListPartitionsRequest {
            dataset_id: dataset_id.to_string(),
        };
        let mut client = self.client.clone();
        let response = self
            .bounded("list_partitions", None, client.list_partitions(request))
            .await?;
        Ok(response.reports_json)
    }

    /// What the worker has done for a dataset until now.
    pub(crate) async fn progress(&self, dataset_id: &str) -> Result<Progress, Failure> {
        let request = v1::GetProgressRequest {
            dataset_id: dataset_id.to_string(),
        };
        let mut client = self.client.clone();
        let response = self
            .bounded("get_progress", None, client.get_progress(request))
            .await?;
        Ok(Progress {
            bytes_read: response.bytes_read,
            reading: work(response.reading),
            keeping: work(response.keeping),
        })
    }

    /// Drops these partitions of a dataset, or all if there are none.
    pub(crate) async fn release(&self, dataset_id: &str, partitions: Vec<u32>) -> Result<(), Failure> {
        let request = v1::ReleaseRequest {
            dataset_id: dataset_id.to_string(),
            partitions,
        };
        let mut client = self.client.clone();
        self.bounded("release", None, client.release(request))
            .await
            .map(|_| ())
    }

    /// The answer within the deadline, or a failure that names this worker. The call is a span of its own.
    async fn bounded<T>(
        &self,
        name: &'static str,
        task: Option<&Task>,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, Failure> {
        let span = tracing::debug_span!(
            "worker",
            otel.name = name,
            otel.kind = "client",
            otel.status_code = Empty,
            worker = %self.url,
            job_id = task.map(|task| task.job_id.as_str()),
            round = task.map(|task| task.round),
        );
        let answer = self.within_deadline(call).instrument(span.clone()).await;
        if answer.is_err() {
            span.record("otel.status_code", "error");
        }
        answer
    }

    async fn within_deadline<T>(
        &self,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.deadline, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.failure(status)),
            Err(_) => Err(Failure::new(
                ErrorClass::TimedOut,
                format!(
                    "worker {} did not answer within {} s",
                    self.url,
                    self.deadline.as_secs()
                ),
            )),
        }
    }

    fn failure(&self, status: Status) -> Failure {
        // A connection that broke under a call is UNKNOWN or CANCELLED to tonic; a worker sends neither itself.
        let transport = matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled);
        if transport && status.details().is_empty() {
            return Failure::new(
                ErrorClass::Unreachable,
                format!("worker {} is lost: {}", self.url, status.message()),
            )
            .hint("see the worker's log; submit the job again once the cluster has a worker");
        }
        if status.code() == Code::OutOfRange && status.details().is_empty() {
            return Failure::new(
                ErrorClass::Config,
                format!("worker {}: {}", self.url, status.message()),
            )
            .hint("a model has at most some 30 million coefficients: hash categories into fewer features");
        }
        Failure::from(status)
    }
}

fn key(task: &Task) -> Option<v1::TaskKey> {
    Some(v1::TaskKey {
        job_id: task.job_id.clone(),
        round: task.round,
        attempt: 0,
    })
}

fn set(holding: &Holding) -> Option<v1::PartitionSet> {
    let (partitions, leaves) = holding.partitions.iter().copied().unzip();
    Some(v1::PartitionSet {
        dataset_id: holding.dataset.clone(),
        leaf_count: holding.leaf_count,
        partitions,
        leaves,
    })
}

fn pair<M, T>(
    node: Option<v1::MergeNode>,
    message: Option<M>,
    convert: impl Fn(M) -> T,
) -> Result<(Node, T), Failure> {
    match (node, message) {
        (Some(node), Some(message)) => Ok((
            Node {
                level: node.level,
                index: node.index,
            },
            convert(message),
        )),
        _ => Err(internal("a worker's answer lacks a field")),
    }
}

fn statistics(message: v1::StageStatistics) -> Result<(u32, StageStatistics), Failure> {
    use v1::stage_statistics::Statistics;
    let statistics = match message.statistics {
        Some(Statistics::LabelCounts(counts)) => {
            let counts: BTreeMap<String, u64> =
                counts.counts.into_iter().map(|c| (c.label, c.count)).collect();
            StageStatistics::LabelCounts(counts)
        }
        Some(Statistics::Range(range)) => StageStatistics::Range {
            min: range.min,
            max: range.max,
            count: range.count,
        },
        Some(Statistics::Json(json)) => serde_json::from_str(&json).map_err(internal)?,
        None => return Err(internal("a worker's statistics lack their kind")),
    };
    Ok((message.stage, statistics))
}

fn work(message: Option<v1::StreamWork>) -> Work {
    let message = message.unwrap_or_default();
    Work {
        open: message.open,
        took: Duration::from_micros(message.took_us),
    }
}
