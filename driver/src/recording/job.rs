//! [`JobRecord`]: the runs of one job. A job that trains once is one run. One that trains several times has a run of
//! its own as well, which the trainings are nested in, as MLflow shows parameter searches.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rookery_ml::Metric;
use rookery_proto::Failure;
use rookery_tracking::entities::DatasetInput;
use rookery_tracking::{CreateRun, LogBatch, Param, Run, Tag};

use super::left;
use super::run::{RunRecord, RunStart, core_seconds};
use super::{TAG_BASE_DIR, TAG_BEST_RUN, TAG_INDEX, TAG_JOB};
use crate::error::of_tracking;
use crate::events::now_ms;
use crate::records::JobRecords;

/// What is known of a job before its first training.
#[derive(Debug)]
pub(crate) struct JobFacts<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) experiment: &'a str,
    pub(crate) user: &'a str,
    /// Name of this driver process.
    pub(crate) owner: &'a str,
    pub(crate) toml: &'a str,
    /// Folder that the job file's relative paths start from.
    pub(crate) base_dir: &'a Path,
    pub(crate) fingerprint: &'a str,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) inputs: Vec<DatasetInput>,
    /// How many trainings there will be.
    pub(crate) trainings: usize,
    /// When the job began: before its data were read.
    pub(crate) started_ms: i64,
    pub(crate) started: Instant,
    /// Threads that compute for it.
    pub(crate) cores: usize,
}

/// Writes the runs of one job.
#[derive(Debug)]
pub(crate) struct JobRecord<'a> {
    facts: JobFacts<'a>,
    records: JobRecords,
    experiment_id: String,
    /// The job's own run, if it trains more than once.
    parent: Option<RunRecord>,
    /// The runs that a former driver has begun for the job.
    begun: Vec<Run>,
    best: Mutex<Option<Best>>,
}

/// The best training so far.
#[derive(Debug, Clone)]
struct Best {
    run_id: String,
    metrics: Vec<(Metric, f64)>,
}

impl<'a> JobRecord<'a> {
    /// Creates the job's own run, if there is to be one. When the job `resumes`, the runs that it has already are gone on
    /// with.
    pub(crate) async fn start(
        records: &JobRecords,
        facts: JobFacts<'a>,
        resumes: bool,
    ) -> Result<Self, Failure> {
        let experiment = records.store.get_or_create_experiment(facts.experiment).await;
        let mut record = Self {
            records: records.clone(),
            experiment_id: experiment.map_err(|e| of_tracking(&e))?.experiment_id,
            parent: None,
            begun: match resumes {
                true => left::runs(records.store.as_ref(), facts.id, "").await,
                false => Ok(Vec::new()),
            }
            .map_err(|e| of_tracking(&e))?,
            best: Mutex::default(),
            facts,
        };
        if record.facts.trainings > 1 {
            let create = CreateRun {
                start_time_ms: record.facts.started_ms,
                ..record.create_run(Some(record.facts.name))
            };
            record.parent = Some(record.start_run(create, None, Vec::new()).await?);
        }
        Ok(record)
    }

    /// Starts the record of one training, with the parameters it has beside the job's.
    pub(crate) async fn start_training(
        &self,
        index: u32,
        name: Option<&str>,
        params: Vec<(String, String)>,
    ) -> Result<RunRecord, Failure> {
        let mut create = CreateRun {
            parent_run_id: self.parent.as_ref().map(|parent| parent.run_id().to_string()),
            ..self.create_run(name)
        };
        create.tags.push(Tag::new(TAG_INDEX, index));
        self.start_run(create, Some(index), params).await
    }

    async fn start_run(
        &self,
        create: CreateRun,
        index: Option<u32>,
        params: Vec<(String, String)>,
    ) -> Result<RunRecord, Failure> {
        let index = index.map(|index| index.to_string());
        let begun = self
            .begun
            .iter()
            .find(|run| run.tag(TAG_INDEX) == index.as_deref());
        let shared = self.facts.params.iter().cloned();
        let start = RunStart {
            create,
            params: params
                .into_iter()
                .chain(shared)
                .map(|(key, value)| Param::new(key, value))
                .collect(),
            inputs: &self.facts.inputs,
            job_toml: self.facts.toml,
            begun: begun.cloned(),
        };
        RunRecord::start(&self.records, start).await
    }

    fn create_run(&self, name: Option<&str>) -> CreateRun {
        let base_dir = self.facts.base_dir.display().to_string();
        let tags = [
            ("mlflow.source.name", self.facts.name),
            ("mlflow.source.type", "JOB"),
            ("mlflow.user", self.facts.user),
            (TAG_JOB, self.facts.id),
            (TAG_BASE_DIR, &base_dir),
            ("rookery.data_fingerprint", self.facts.fingerprint),
            ("rookery.version", env!("CARGO_PKG_VERSION")),
        ];
        CreateRun {
            experiment_id: self.experiment_id.clone(),
            run_name: name.map(str::to_string),
            user_id: self.facts.user.to_string(),
            start_time_ms: now_ms(),
            owner: Some(self.facts.owner.to_string()),
            parent_run_id: None,
            tags: tags.map(|(key, value)| Tag::new(key, value)).to_vec(),
        }
    }

    /// Notes how a training that finished was judged. The first metric decides which one is the best; of two that
    /// are equal it is the first.
    pub(crate) fn judge(&self, run_id: &str, metrics: &[(Metric, f64)]) {
        let Some((metric, value)) = metrics.first().filter(|(_, value)| !value.is_nan()) else {
            return;
        };
        let mut best = self.best.lock().unwrap_or_else(PoisonError::into_inner);
        let better = |best: &Best| match metric.higher_is_better() {
            true => *value > best.metrics[0].1,
            false => *value < best.metrics[0].1,
        };
        if best.as_ref().is_none_or(better) {
            *best = Some(Best {
                run_id: run_id.to_string(),
                metrics: metrics.to_vec(),
            });
        }
    }

    /// Ends the job's own run as the job ended. Its metrics are the best training's, under names that a search for
    /// the best training does not meet.
    pub(crate) async fn end(self, result: Result<(), Failure>) -> Result<(), Failure> {
        let Some(parent) = &self.parent else { return result };
        let finished = match result {
            Ok(()) => parent.end_finished(self.summary()).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = &finished {
            parent.fail(failure).await;
        }
        finished
    }

    fn summary(&self) -> LogBatch {
        let best = self.best.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (run_id, metrics) = match best {
            Some(best) => (Some(best.run_id), best.metrics),
            None => (None, Vec::new()),
        };
        let now = now_ms();
        let metrics = metrics
            .into_iter()
            .map(|(metric, value)| rookery_tracking::Metric {
                key: format!("best_{}", metric.name()),
                value,
                timestamp_ms: now,
                step: 0,
            });
        let tags = run_id.map(|run_id| Tag::new(TAG_BEST_RUN, run_id));
        LogBatch {
            metrics: metrics.collect(),
            tags: tags
                .into_iter()
                .chain([core_seconds(self.facts.started.elapsed(), self.facts.cores)])
                .collect(),
            ..LogBatch::default()
        }
    }
}
