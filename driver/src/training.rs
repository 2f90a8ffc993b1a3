//! A job, told from its start to its end: plan, materialise, fit stages, build blocks; then for each run train,
//! evaluate, record. Whatever happens, the workers' memory is released at the end.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use rookery_data::engine::Channels;
use rookery_data::{Dataset, IngestPlan};
use rookery_ml::{
    ColumnKind, FittedPipeline, LogisticRegressionModel, Metric, Model, PipelineFit, Summary, Training,
};
use rookery_proto::v1::Phase;
use rookery_proto::{ErrorClass, Failure};

use crate::blame::locate_record;
use crate::config::DriverConfig;
use crate::error::of_ml;
use crate::events::{EventLog, now_ms};
use crate::job_spec::{ValidJobSpec, ValidRun};
use crate::materialize;
use crate::members::Members;
use crate::placement::Placement;
use crate::planning::{self, column_kinds};
use crate::recording::{self, JobRecord, Outcome, RunRecord};
use crate::records::{JobRecords, Records};
use crate::rounds;
use crate::served_files::ServedFiles;
use crate::stop::Stop;
use crate::worker_channel::BlockSpec;
use crate::workers::Workers;

mod telling;

use telling::{counted, iteration_event};

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
    /// Where this job is recorded, once that is decided.
    pub(crate) destination: OnceLock<JobRecords>,
    pub(crate) workers: Arc<Workers>,
    pub(crate) channels: Channels,
    pub(crate) served: Arc<ServedFiles>,
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
    /// Threads of all workers together.
    cores: usize,
}

impl Job {
    /// Carries the job out; ends early when it is asked to.
    pub(crate) async fn run(&self, stop: &Stop) -> Result<(), Failure> {
        let started = (now_ms(), Instant::now());
        self.phase(Phase::Plan, &self.spec.name);
        let plan = stop
            .unless(planning::plan(
                &self.spec,
                &self.base_dir,
                &self.config.environment,
            ))
            .await?;
        let records = self
            .records
            .for_job(self.spec.tracking_uri.as_ref(), &self.config)
            .await?;
        let records = self.destination.get_or_init(|| records);
        // Known before anything is cached, so that a failed ingestion leaves nothing behind either.
        let members = Arc::new(Members::new(
            format!("{}-data", self.id),
            &plan,
            &self.served,
            Arc::clone(&self.workers),
            self.channels.clone(),
            self.config.clone(),
        ));
        let result = async {
            let cores = self.workers.active()?.iter().map(|worker| worker.threads).sum();
            let prepared = stop.unless(self.prepare(&members, &plan, cores)).await?;
            let facts = self.facts(&prepared, &plan, started);
            let record = JobRecord::start(records, facts).await?;
            let trained = self.train_all(&prepared, &record, stop).await;
            record.end(trained).await
        };
        let result = result.await;
        members.release().await;
        self.deliver(records).await;
        result
    }

    /// Waits for another server to have the records, and says how it calls the runs or what it does not have yet.
    async fn deliver(&self, records: &JobRecords) {
        let Some(delivery) = &records.delivery else { return };
        if let Err(left) = delivery.finish(self.config.delivery_wait).await {
            self.warn(left);
        }
        for run_id in self.events.run_ids() {
            if let Some(server_id) = delivery.server_id(&run_id) {
                self.warn(format!("run {run_id} is run {server_id} on that server"));
            }
        }
    }

    /// Ends the runs that a task left open which can't do it itself any more.
    pub(crate) async fn close_left_open(&self, failure: &Failure) {
        if let Some(records) = self.destination.get() {
            recording::close_left_open(records.store.as_ref(), &self.id, failure).await;
        }
    }

    async fn train_all(
        &self,
        prepared: &Prepared,
        record: &JobRecord<'_>,
        stop: &Stop,
    ) -> Result<(), Failure> {
        for (index, run) in self.spec.runs.iter().enumerate() {
            self.train_one(prepared, record, index as u32, run, stop).await?;
        }
        Ok(())
    }

    /// Reads, cleans, splits and caches the rows; fits the stages; builds the blocks.
    async fn prepare(
        &self,
        members: &Arc<Members>,
        plan: &IngestPlan,
        cores: usize,
    ) -> Result<Prepared, Failure> {
        let (workers, partitions) = (members.active_now().len(), plan.partition_count());
        self.phase(
            Phase::Materialize,
            &format!(
                "{}, {}",
                counted(workers as u64, "worker"),
                counted(u64::from(partitions), "partition")
            ),
        );
        let dataset = materialize::materialize(members, plan, |lost| self.warn(lost)).await?;
        let (id, events) = (self.id.clone(), Arc::clone(&self.events));
        let placement = Placement::new(Arc::clone(members), plan, &dataset, move |lost| {
            telling::warn(&events, &id, lost);
        })?;
        self.report(&dataset);

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
            cores,
        })
    }

    /// One run: whatever goes wrong once its record exists is recorded with it.
    async fn train_one(
        &self,
        prepared: &Prepared,
        record: &JobRecord<'_>,
        index: u32,
        run: &ValidRun,
        stop: &Stop,
    ) -> Result<(), Failure> {
        let params = recording::describe_params(&run.params)?;
        let recorder = record.start_training(run.name.as_deref(), params.clone()).await?;
        self.tell_started(&recorder, index, params);
        let result = stop
            .unless(self.train_recorded(prepared, index, run, &recorder))
            .await;
        match result {
            Ok(metrics) => {
                record.judge(&recorder, &metrics);
                Ok(())
            }
            Err(failure) => {
                recorder.fail(&failure).await;
                Err(failure)
            }
        }
    }

    /// Trains, evaluates and records; returns the metrics.
    async fn train_recorded(
        &self,
        prepared: &Prepared,
        index: u32,
        run: &ValidRun,
        recorder: &RunRecord,
    ) -> Result<Vec<(Metric, f64)>, Failure> {
        self.phase(
            Phase::Train,
            &format!("run {} of {}", index + 1, self.spec.runs.len()),
        );
        let mut training = Training::new(&run.valid, &prepared.summary).map_err(|e| of_ml(&e))?;
        let mut reported = None;
        let progress = |training: &Training| {
            recorder.progress(training.objective_history());
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
            columns: &prepared.dataset.columns,
            metrics: &metrics,
            coefficients_sha256: &coefficients_sha256,
            cores: prepared.cores,
        };
        recorder.finish(&outcome).await?;
        self.tell_finished(recorder, index, &outcome);
        Ok(metrics)
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

    /// Names file and line in a failure about a row.
    async fn with_place<T>(&self, result: Result<T, Failure>, plan: &IngestPlan) -> Result<T, Failure> {
        match result {
            Ok(value) => Ok(value),
            Err(failure) => Err(locate_record(failure, plan, &self.spec).await),
        }
    }
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
