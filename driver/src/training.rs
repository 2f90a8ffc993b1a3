//! A job, told from its start to its end: plan, materialise, fit stages, build blocks; then for each run train,
//! evaluate, record. Whatever happens, the workers' memory is released at the end.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use rookery_data::engine::Channels;
use rookery_data::{Dataset, IngestPlan};
use rookery_formats::ModelDirectory;
use rookery_ml::{
    ColumnKind, FittedPipeline, LogisticRegressionModel, Metric, Model, MulticlassMetrics, PipelineFit,
    Profile, Summary, Training, Warning, check_default_categories,
};
use rookery_proto::v1::job_event::Event;
use rookery_proto::v1::{self, Phase};
use rookery_proto::{ErrorClass, Failure};
use tracing::Instrument as _;

use crate::blame::locate_record;
use crate::config::DriverConfig;
use crate::error::{internal, of_ml};
use crate::events::{EventLog, now_ms};
use crate::job_file;
use crate::job_spec::{ValidJobSpec, ValidRun};
use crate::jobs::Work;
use crate::journal::Checkpoints;
use crate::materialize;
use crate::members::Members;
use crate::placement::Placement;
use crate::planning::{self, column_kinds};
use crate::recording::{self, JobRecord, Outcome, RunRecord};
use crate::records::{JobRecords, Records};
use crate::resumption::Resumption;
use crate::rounds;
use crate::served_files::ServedFiles;
use crate::stop::Stop;
use crate::worker_channel::{BlockSpec, Judging};
use crate::workers::Workers;

pub(crate) mod between;
mod care;
pub(crate) mod telling;

/// How many times a worker would have sent a heartbeat before a job that is resumed looks who is there.
const SETTLE_INTERVALS: u32 = 2;
/// Position of the part that judges the models.
const TEST_PART: u32 = 1;

use between::Between;
use telling::counted;

/// Everything a job needs to be carried out.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) spec: ValidJobSpec,
    /// The job file's text, for the record.
    pub(crate) toml: String,
    /// What messages call the job file.
    pub(crate) file_name: String,
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
    /// Where the trainings note where they stand.
    pub(crate) checkpoints: Option<Checkpoints>,
    /// Set for a job that goes on after its driver was started anew.
    pub(crate) resumption: Option<Resumption>,
}

/// The training part, ready for rounds.
struct Prepared {
    dataset: Dataset,
    placement: Placement,
    columns: Vec<(String, ColumnKind)>,
    pipeline: FittedPipeline,
    /// What the training part holds in the model's inputs.
    profile: Option<Profile>,
    blocks_id: String,
    /// Column of the feature vector.
    features: String,
    summary: Summary,
    /// Threads of all workers together.
    cores: usize,
}

impl Work for Job {
    fn id(&self) -> &str {
        &self.id
    }

    fn dataset(&self) -> String {
        format!("{}-data", self.id)
    }

    fn workers(&self) -> &Workers {
        &self.workers
    }

    fn events(&self) -> &Arc<EventLog> {
        &self.events
    }

    async fn run(&self, stop: &Stop) -> Result<(), Failure> {
        self.carry_out(stop).await
    }

    async fn close_left_open(&self, failure: &Failure) {
        let decided = self.destination.get();
        let store = decided.map_or(&self.records.store, |records| &records.store);
        recording::close_left_open(store.as_ref(), &self.id, failure).await;
    }

    fn is_resumed(&self) -> bool {
        self.resumption.is_some()
    }

    fn locate(&self, failure: Failure) -> Failure {
        job_file::locate(failure, &self.toml, &self.file_name)
    }
}

impl Job {
    /// Carries the job out; ends early when it is asked to.
    async fn carry_out(&self, stop: &Stop) -> Result<(), Failure> {
        let began_before = self.resumption.as_ref().and_then(|before| before.began_ms);
        let started = (began_before.unwrap_or_else(now_ms), Instant::now());
        if let Some(resumption) = &self.resumption {
            stop.unless(self.go_on(resumption)).await?;
        }
        let phase = self.phase(Phase::Plan, &self.spec.name);
        let plan = stop
            .unless(planning::plan(
                &self.spec,
                &self.base_dir,
                &self.config.environment,
            ))
            .instrument(phase)
            .await?;
        let records = self
            .records
            .for_job(self.spec.tracking_uri.as_ref(), &self.config)
            .await?;
        let records = self.destination.get_or_init(|| records);
        // Known before anything is cached, so that a failed ingestion leaves nothing behind either.
        let members = Arc::new(Members::new(
            self.dataset(),
            &plan,
            &self.served,
            Arc::clone(&self.workers),
            self.channels.clone(),
            self.config.clone(),
        ));
        let result = async {
            let prepared = stop.unless(self.prepare(&members, &plan)).await?;
            let facts = self.facts(&prepared, &plan, started);
            // At another server the runs of a driver that died are closed when it gets their last records.
            let resumes = self.resumption.is_some() && records.delivery.is_none();
            let record = JobRecord::start(records, facts, resumes).await?;
            let trained = self.train_all(&prepared, &record, started.0, stop).await;
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

    /// Says that the job goes on, and leaves the workers the time to come back that they need.
    async fn go_on(&self, resumption: &Resumption) -> Result<(), Failure> {
        resumption.check()?;
        self.events.push(Event::Resumed(v1::JobResumed {
            rounds: resumption.rounds(),
        }));
        tokio::time::sleep(self.config.heartbeat_interval * SETTLE_INTERVALS).await;
        Ok(())
    }

    async fn train_all(
        &self,
        prepared: &Prepared,
        record: &JobRecord<'_>,
        started_ms: i64,
        stop: &Stop,
    ) -> Result<(), Failure> {
        let was_told = self
            .resumption
            .as_ref()
            .is_some_and(|before| !before.told.is_empty());
        for warning in prepared.warnings().into_iter().filter(|_| !was_told) {
            self.warn(warning.text);
        }
        for (index, run) in (0..).zip(&self.spec.runs) {
            let finished = self
                .resumption
                .as_ref()
                .and_then(|before| before.finished.get(&index));
            match finished {
                Some(finished) => record.judge(&finished.run_id, &telling::metrics(finished)?),
                None if self.is_out_of_time(started_ms, index)? => break,
                None => {
                    let work = (index, run, started_ms);
                    self.train_one(prepared, record, work, stop).await?;
                }
            }
        }
        Ok(())
    }

    /// Reads, cleans, splits and caches the rows; fits the stages; builds the blocks.
    async fn prepare(&self, members: &Arc<Members>, plan: &IngestPlan) -> Result<Prepared, Failure> {
        let active = members.active().await?;
        let cores = active.iter().map(|worker| worker.threads).sum();
        let (workers, partitions) = (active.len(), plan.partition_count());
        let phase = self.phase(
            Phase::Materialize,
            &format!(
                "{}, {}",
                counted(workers as u64, "worker"),
                counted(u64::from(partitions), "partition")
            ),
        );
        let first_attempt = self.resumption.as_ref().map_or(0, Resumption::first_attempt);
        let made = materialize::materialize(members, plan, first_attempt, |lost| self.warn(lost))
            .instrument(phase)
            .await?;
        if let Some(resumption) = &self.resumption {
            resumption.check_data(&made.dataset.fingerprint)?;
        }
        let (id, events) = (self.id.clone(), Arc::clone(&self.events));
        let placement = Placement::new(Arc::clone(members), plan, &made, move |lost| {
            telling::warn(&events, &id, lost);
        })?;
        let dataset = made.dataset;
        self.report(&dataset);

        let phase = self.phase(
            Phase::FitStages,
            &format!("{} stages", self.spec.pipeline.stages.len()),
        );
        let columns = column_kinds(&dataset.columns);
        let spec = &self.spec;
        let inputs = spec
            .pipeline
            .profiled_columns(&columns, &spec.features, &spec.label);
        let fit = PipelineFit::new(spec.pipeline.clone()).with_profile_of(inputs);
        let fitted = rounds::fit_stages(&placement, &self.id, fit)
            .instrument(phase)
            .await;
        let (pipeline, profile) = self.with_place(fitted, plan).await?;
        check_default_categories(&spec.defaults, &pipeline).map_err(|e| of_ml(&e).at("serving.defaults"))?;

        let phase = self.phase(Phase::BuildBlocks, &format!("{} rows", dataset.part_rows[0]));
        let blocks = BlockSpec {
            blocks_id: "training".to_string(),
            pipeline_json: serde_json::to_string(&pipeline).map_err(crate::error::internal)?,
            features: self.spec.features.clone(),
            label: self.spec.label.clone(),
            weight: self.spec.weight.clone(),
        };
        let built = rounds::build_blocks(&placement, &self.id, &blocks)
            .instrument(phase)
            .await;
        let summary = self.with_place(built, plan).await?;
        check_classes(&summary, &self.spec.label)?;
        Ok(Prepared {
            dataset,
            placement,
            columns,
            pipeline,
            profile,
            blocks_id: blocks.blocks_id,
            features: blocks.features,
            summary,
            cores,
        })
    }

    /// One run: whatever goes wrong once its record exists is recorded with it.
    async fn train_one(
        &self,
        prepared: &Prepared,
        record: &JobRecord<'_>,
        (index, run, job_started_ms): (u32, &ValidRun, i64),
        stop: &Stop,
    ) -> Result<(), Failure> {
        let params = recording::describe_params(&run.params)?;
        let recorder = record
            .start_training(index, run.name.as_deref(), params.clone())
            .await?;
        self.tell_started(&recorder, index, params);
        let deadline_ms = self.deadline_ms(job_started_ms, recorder.run_id());
        let result = stop
            .unless(self.train_recorded(prepared, (index, run, deadline_ms), &recorder))
            .await;
        match result {
            Ok(metrics) => {
                record.judge(recorder.run_id(), &metrics);
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
        (index, run, deadline_ms): (u32, &ValidRun, Option<i64>),
        recorder: &RunRecord,
    ) -> Result<Vec<(Metric, f64)>, Failure> {
        let phase = self.phase_of(
            recorder,
            Phase::Train,
            &format!("run {} of {}", index + 1, self.spec.runs.len()),
        );
        let (training, summary, inference) = async {
            let summary = self.weighed(prepared, run).await?;
            let mut training = self.training(&summary, index, run)?;
            self.check_run(&training)?;
            let before = self.resumption.as_ref();
            let between = Between {
                job: self,
                placement: &prepared.placement,
                columns: &prepared.columns,
                pipeline: &prepared.pipeline,
                run,
                index,
                recorder,
                reported: before.and_then(|before| before.iterations.get(recorder.run_id()).copied()),
                deadline_ms,
            };
            rounds::train(
                &prepared.placement,
                &self.id,
                &prepared.blocks_id,
                &mut training,
                between,
            )
            .await?;
            let inference = self.infer(prepared, &training, &summary).await?;
            Ok::<_, Failure>((training, summary, inference))
        }
        .instrument(phase)
        .await?;
        let fit = training.into_fit().map_err(|e| of_ml(&e))?;
        let of_inference = inference.iter().flat_map(Warning::of_inference);
        let of_fit = of_inference.chain(Warning::of_fit(&fit, &run.params, &summary));
        let warnings = care::distinct(prepared.warnings().into_iter().chain(of_fit));

        let phase = self.phase_of(
            recorder,
            Phase::Evaluate,
            &format!("{} rows", prepared.dataset.part_rows[1]),
        );
        let classifier = LogisticRegressionModel::new(&fit, &run.valid).map_err(|e| of_ml(&e))?;
        let mut model = Model::new(
            &prepared.columns,
            prepared.pipeline.clone(),
            &self.spec.features,
            &self.spec.label,
            classifier,
        )
        .map_err(|e| of_ml(&e))?;
        let judged = async {
            let (metrics, tested) = self.evaluate(prepared, &model).await?;
            let classes = model.classifier.num_classes;
            let profile = prepared.profile.clone();
            model.profile = profile.map(|profile| profile.with_predictions(classes, &tested));
            model.invalid_values = self.spec.serving;
            model.defaults.clone_from(&self.spec.defaults);
            // What is written holds all of it.
            Ok::<_, Failure>((metrics, self.write(prepared, &model).await?))
        };
        let (metrics, directory) = judged.instrument(phase).await?;

        let phase = self.phase_of(recorder, Phase::Record, recorder.run_name());
        let coefficients_sha256 = model.classifier.coefficients_sha256();
        let outcome = Outcome {
            fit: &fit,
            directory: &directory,
            metrics: &metrics,
            coefficients_sha256: &coefficients_sha256,
            cores: prepared.cores,
            inference: inference.as_ref(),
            warnings: &warnings,
        };
        recorder.finish(&outcome).instrument(phase).await?;
        self.tell_finished(recorder, index, &outcome);
        Ok(metrics)
    }

    /// A training at its start, or where it stood when the driver was killed.
    fn training(&self, summary: &Summary, index: u32, run: &ValidRun) -> Result<Training, Failure> {
        let mut fresh = Training::new(&run.valid, summary).map_err(|e| of_ml(&e))?;
        if let Some(params) = &self.spec.early_stopping {
            fresh = fresh.with_early_stopping(params.clone());
        }
        let before = self.resumption.as_ref().and_then(|before| before.training(index));
        match before {
            // The same rows and parameters make the same objective, bit for bit.
            Some(training) if training.objective() == fresh.objective() => Ok(training.clone()),
            Some(_) => Err(internal(
                "the journal holds a training of another objective than this job's",
            )),
            None => Ok(fresh),
        }
    }

    /// Scores the test part; without test rows there are no metrics.
    async fn evaluate(
        &self,
        prepared: &Prepared,
        model: &Model,
    ) -> Result<(Vec<(Metric, f64)>, MulticlassMetrics), Failure> {
        if prepared.dataset.part_rows[1] == 0 {
            self.warn("the test part is empty: no metrics".to_string());
            return Ok((Vec::new(), MulticlassMetrics::default()));
        }
        let judging = Judging {
            part: TEST_PART,
            weight: self.spec.weight.as_deref(),
            with_ranking: care::needs_ranking(&self.spec.metrics),
        };
        let sums = rounds::score(&prepared.placement, &self.id, model, &judging).await?;
        let metric = |metric: &Metric| Ok((*metric, sums.evaluate(*metric).map_err(|e| of_ml(&e))?));
        let metrics: Result<_, Failure> = self.spec.metrics.iter().map(metric).collect();
        Ok((metrics?, sums))
    }

    /// Writes the model in all formats, and has the workers compare what was written with the model.
    async fn write(&self, prepared: &Prepared, model: &Model) -> Result<ModelDirectory, Failure> {
        let mut directory = ModelDirectory::new(model, now_ms()).map_err(internal)?;
        for why in directory.not_written().values() {
            self.warn(why.clone());
        }
        let parity =
            rounds::compare_formats(&prepared.placement, &self.id, model, directory.written()).await?;
        directory.report(parity);
        Ok(directory)
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
