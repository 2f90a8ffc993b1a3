//! A job, told from its start to its end: plan, materialise, fit stages, build blocks; then for each run train,
//! evaluate, record. Whatever happens, the workers' memory is released at the end.

use std::path::PathBuf;
use std::sync::Arc;

use rookery_data::engine::{Channels, Engine};
use rookery_data::{Dataset, IngestPlan};
use rookery_ml::{
    ColumnKind, FittedPipeline, LogisticRegressionModel, Metric, Model, PipelineFit, Summary, Training,
};
use rookery_proto::v1::job_event::Event;
use rookery_proto::v1::{self, Phase};
use rookery_proto::{ErrorClass, Failure};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::blame::locate_record;
use crate::config::{DriverConfig, Records};
use crate::error::{of_data, of_ml};
use crate::events::EventLog;
use crate::job_spec::{ValidJobSpec, ValidRun};
use crate::placement::{self, Placement};
use crate::planning::{self, column_kinds};
use crate::recording::{Outcome, Recorder, RunStart, describe_params};
use crate::rounds;
use crate::worker_channel::BlockSpec;
use crate::workers::Workers;

/// Everything a job needs to be carried out.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) spec: ValidJobSpec,
    /// The job file's text, for the record.
    pub(crate) toml: String,
    pub(crate) base_dir: PathBuf,
    pub(crate) user: String,
    /// Name of this driver process, for the runs' records.
    pub(crate) owner: String,
    pub(crate) config: DriverConfig,
    pub(crate) records: Records,
    pub(crate) workers: Arc<Workers>,
    pub(crate) channels: Channels,
    pub(crate) events: Arc<EventLog>,
}

/// The training part, ready for rounds.
struct Prepared {
    dataset: Dataset,
    placement: Placement,
    columns: Vec<(String, ColumnKind)>,
    pipeline: FittedPipeline,
    blocks_id: String,
    summary: Summary,
}

impl Job {
    /// Carries the job out; ends early when `stop` is cancelled.
    pub(crate) async fn run(&self, stop: &CancellationToken) -> Result<(), Failure> {
        self.phase(Phase::Plan, &self.spec.name);
        let plan = planning::plan(&self.spec, &self.base_dir).await?;
        let workers = self.workers.active()?;
        let urls: Vec<Url> = workers.iter().map(|worker| worker.url.clone()).collect();
        let threads = workers.iter().map(|worker| worker.threads).max().unwrap_or(1);
        let engine = Engine::cluster(urls.clone(), self.channels.clone(), threads);
        // Known before anything is cached, so that a failed ingestion leaves nothing behind either.
        let dataset_id = format!("{}-data", self.id);
        let result = self.run_on(&engine, &plan, &dataset_id, stop).await;
        placement::release(&urls, &dataset_id, &self.channels).await;
        result
    }

    async fn run_on(
        &self,
        engine: &Engine,
        plan: &IngestPlan,
        dataset_id: &str,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let prepared = unless_stopped(stop, self.prepare(engine, plan, dataset_id)).await?;
        for (index, run) in self.spec.runs.iter().enumerate() {
            self.train_one(&prepared, index as u32, run, stop).await?;
        }
        Ok(())
    }

    /// Reads, cleans, splits and caches the rows; fits the stages; builds the blocks.
    async fn prepare(
        &self,
        engine: &Engine,
        plan: &IngestPlan,
        dataset_id: &str,
    ) -> Result<Prepared, Failure> {
        let (workers, partitions) = (engine.workers().len(), plan.partition_count());
        self.phase(
            Phase::Materialize,
            &format!(
                "{}, {}",
                counted(workers as u64, "worker"),
                counted(u64::from(partitions), "partition")
            ),
        );
        let dataset = Dataset::materialize(engine, plan, dataset_id, self.config.ingest_deadline)
            .await
            .map_err(of_data)?;
        let placement = Placement::new(&dataset, &self.channels, self.config.round_deadline)?;
        self.report(&dataset, &placement);

        self.phase(
            Phase::FitStages,
            &format!("{} stages", self.spec.pipeline.stages.len()),
        );
        let fit = PipelineFit::new(self.spec.pipeline.clone());
        let fitted = rounds::fit_stages(&placement, &self.id, fit).await;
        let pipeline = self.with_place(fitted, plan).await?;

        self.phase(Phase::BuildBlocks, &format!("{} rows", dataset.part_rows[0]));
        let blocks = BlockSpec {
            blocks_id: "training".to_string(),
            pipeline_json: serde_json::to_string(&pipeline).map_err(crate::error::internal)?,
            features: self.spec.features.clone(),
            label: self.spec.label.clone(),
            weight: self.spec.weight.clone(),
        };
        let summary = self
            .with_place(rounds::build_blocks(&placement, &self.id, &blocks).await, plan)
            .await?;
        check_classes(&summary, &self.spec.label)?;
        let columns = column_kinds(&dataset.columns);
        Ok(Prepared {
            dataset,
            placement,
            columns,
            pipeline,
            blocks_id: blocks.blocks_id,
            summary,
        })
    }

    /// One run: whatever goes wrong once its record exists is recorded with it.
    async fn train_one(
        &self,
        prepared: &Prepared,
        index: u32,
        run: &ValidRun,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let recorder = self.start_record(prepared, index, run).await?;
        let result = unless_stopped(stop, self.train_recorded(prepared, index, run, &recorder)).await;
        if let Err(failure) = &result {
            recorder.fail(failure).await;
        }
        result
    }

    async fn train_recorded(
        &self,
        prepared: &Prepared,
        index: u32,
        run: &ValidRun,
        recorder: &Recorder,
    ) -> Result<(), Failure> {
        self.phase(
            Phase::Train,
            &format!("run {} of {}", index + 1, self.spec.runs.len()),
        );
        let mut training = Training::new(&run.valid, &prepared.summary).map_err(|e| of_ml(&e))?;
        let mut reported = None;
        let progress = |training: &Training| {
            let iteration = training.iteration();
            if reported != Some(iteration) {
                reported = Some(iteration);
                self.events
                    .push(iteration_event(recorder.run_id(), training, run));
            }
        };
        rounds::train(
            &prepared.placement,
            &self.id,
            &prepared.blocks_id,
            &mut training,
            progress,
        )
        .await?;
        let fit = training.into_fit().map_err(|e| of_ml(&e))?;

        self.phase(
            Phase::Evaluate,
            &format!("{} rows", prepared.dataset.part_rows[1]),
        );
        let classifier = LogisticRegressionModel::new(&fit, &run.valid).map_err(|e| of_ml(&e))?;
        let model = Model::new(
            &prepared.columns,
            prepared.pipeline.clone(),
            &self.spec.features,
            &self.spec.label,
            classifier,
        )
        .map_err(|e| of_ml(&e))?;
        let metrics = self.evaluate(prepared, &model).await?;

        self.phase(Phase::Record, recorder.run_name());
        let coefficients_sha256 = model.classifier.coefficients_sha256();
        let outcome = Outcome {
            fit: &fit,
            model: &model,
            metrics: &metrics,
            coefficients_sha256: &coefficients_sha256,
        };
        recorder.finish(outcome).await?;
        if !fit.termination.converged() {
            self.warn(format!(
                "run {} did not converge: {} after {} iterations, gradient norm {:e}",
                recorder.run_name(),
                fit.termination.name(),
                fit.iterations,
                fit.gradient_norm
            ));
        }
        self.events.push(Event::RunFinished(v1::RunFinished {
            run_id: recorder.run_id().to_string(),
            run_name: recorder.run_name().to_string(),
            index,
            metrics: metrics
                .iter()
                .map(|(metric, value)| v1::MetricValue {
                    name: metric.name().to_string(),
                    value: *value,
                })
                .collect(),
            coefficients_sha256,
            stop_reason: fit.termination.name().to_string(),
            converged: fit.termination.converged(),
            iterations: fit.iterations as u64,
            loss: fit.objective_history.last().copied().unwrap_or(f64::NAN),
        }));
        Ok(())
    }

    /// Scores the test part; without test rows there are no metrics.
    async fn evaluate(&self, prepared: &Prepared, model: &Model) -> Result<Vec<(Metric, f64)>, Failure> {
        if prepared.dataset.part_rows[1] == 0 {
            self.warn("the test part is empty: no metrics".to_string());
            return Ok(Vec::new());
        }
        let sums = rounds::score(&prepared.placement, &self.id, model, self.spec.weight.as_deref()).await?;
        self.spec
            .metrics
            .iter()
            .map(|metric| Ok((*metric, sums.evaluate(*metric).map_err(|e| of_ml(&e))?)))
            .collect()
    }

    async fn start_record(
        &self,
        prepared: &Prepared,
        index: u32,
        run: &ValidRun,
    ) -> Result<Recorder, Failure> {
        let mut params = describe_params(&run.params)?;
        let shown = params.clone();
        params.extend(self.data_params(&prepared.dataset));
        let tags = [
            ("mlflow.source.name", self.spec.name.as_str()),
            ("mlflow.source.type", "JOB"),
            ("mlflow.user", &self.user),
            ("rookery.job_id", &self.id),
            ("rookery.data_fingerprint", &prepared.dataset.fingerprint),
            ("rookery.version", env!("CARGO_PKG_VERSION")),
        ];
        let recorder = Recorder::start(
            &self.records,
            RunStart {
                experiment: &self.spec.experiment,
                name: run.name.as_deref(),
                user: &self.user,
                owner: &self.owner,
                params,
                tags: tags
                    .map(|(key, value)| (key.to_string(), value.to_string()))
                    .to_vec(),
                job_toml: &self.toml,
            },
        )
        .await?;
        self.events.push(Event::RunStarted(v1::RunStarted {
            run_id: recorder.run_id().to_string(),
            run_name: recorder.run_name().to_string(),
            index,
            params: shown.into_iter().collect(),
        }));
        Ok(recorder)
    }

    /// What the run's data were: split, seed, row counts.
    fn data_params(&self, dataset: &Dataset) -> Vec<(String, String)> {
        let rows = |part: usize| dataset.part_rows.get(part).copied().unwrap_or(0).to_string();
        let split = &self.spec.split;
        vec![
            (
                "split.method".into(),
                format!("{:?}", split.method).to_lowercase(),
            ),
            ("split.weights".into(), format!("{:?}", split.weights)),
            ("split.seed".into(), split.seed.to_string()),
            ("data.rows_read".into(), dataset.cleaning.rows_read.to_string()),
            ("data.rows_kept".into(), dataset.cleaning.rows_kept.to_string()),
            ("data.rows_train".into(), rows(0)),
            ("data.rows_test".into(), rows(1)),
            ("data.partitions".into(), dataset.partitions.len().to_string()),
            ("label".into(), self.spec.label.clone()),
            ("features".into(), self.spec.features.clone()),
        ]
    }

    /// Names file and line in a failure about a row.
    async fn with_place<T>(&self, result: Result<T, Failure>, plan: &IngestPlan) -> Result<T, Failure> {
        match result {
            Ok(value) => Ok(value),
            Err(failure) => Err(locate_record(failure, plan, &self.spec).await),
        }
    }

    fn report(&self, dataset: &Dataset, placement: &Placement) {
        let cleaning = &dataset.cleaning;
        self.events.push(Event::Cleaning(v1::CleaningReport {
            rows_read: cleaning.rows_read,
            rows_kept: cleaning.rows_kept,
            rows_dropped: cleaning.rows_dropped(),
            reasons: cleaning
                .dropped
                .iter()
                .map(|(reason, rows)| v1::DropReason {
                    reason: reason.clone(),
                    rows: *rows,
                })
                .collect(),
        }));
        self.events.push(Event::Split(v1::SplitReport {
            rows: dataset.part_rows.clone(),
            partitions: dataset.partitions.len() as u32,
            workers: placement.holder_count() as u32,
            data_fingerprint: dataset.fingerprint.clone(),
        }));
    }

    fn phase(&self, phase: Phase, detail: &str) {
        tracing::info!(job_id = %self.id, phase = phase.as_str_name(), detail, "phase");
        self.events.push(Event::PhaseStarted(v1::PhaseStarted {
            phase: phase.into(),
            detail: detail.to_string(),
        }));
    }

    fn warn(&self, message: String) {
        tracing::info!(job_id = %self.id, message);
        self.events.push(Event::Warning(v1::Warning { message }));
    }
}

/// The result of `work`, or a failure as soon as `stop` is cancelled.
async fn unless_stopped<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        result = work => result,
        () = stop.cancelled() => Err(Failure::new(ErrorClass::Cancelled, "the driver was asked to stop")),
    }
}

/// `1 worker`, `2 workers`.
fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Spark answers one class with an infinite intercept; a model that knows one class only is refused here.
fn check_classes(summary: &Summary, label: &str) -> Result<(), Failure> {
    match summary.classes_present().as_slice() {
        [] => Err(Failure::new(ErrorClass::Data, "the training part is empty")),
        [class] => Err(Failure::new(
            ErrorClass::Data,
            format!(
                "column \"{label}\" holds one class only in the training part: {class} in all {} rows",
                summary.rows
            ),
        )
        .hint("a classifier needs rows of at least two classes; check the label column and the split")),
        _ => Ok(()),
    }
}

fn iteration_event(run_id: &str, training: &Training, run: &ValidRun) -> Event {
    Event::Iteration(v1::Iteration {
        run_id: run_id.to_string(),
        iteration: training.iteration() as u64,
        max_iterations: run.params.max_iter as u64,
        loss: training.objective_history().last().copied().unwrap_or(f64::NAN),
        gradient_norm: training.gradient_norm().unwrap_or(f64::NAN),
    })
}
