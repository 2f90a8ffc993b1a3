//! A job, told from its start to its end: plan, materialise, fit stages, build blocks; then train all runs side by side,
//! and evaluate and record each (`runs`). Whatever happens, the workers' memory is released at the end.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use rookery_data::engine::Channels;
use rookery_data::{Dataset, IngestPlan};
use rookery_ml::{ColumnKind, FittedPipeline, PipelineFit, Profile, Summary, check_default_categories};
use rookery_proto::v1::job_event::Event;
use rookery_proto::v1::{self, Phase};
use rookery_proto::{ErrorClass, Failure};
use tracing::Instrument as _;

use crate::blame::locate_record;
use crate::config::DriverConfig;
use crate::error::of_ml;
use crate::events::{EventLog, now_ms};
use crate::job_file;
use crate::job_spec::ValidJobSpec;
use crate::jobs::Work;
use crate::journal::Checkpoints;
use crate::materialize;
use crate::members::Members;
use crate::placement::Placement;
use crate::planning::{self, column_kinds};
use crate::recording::{self, JobRecord};
use crate::records::{JobRecords, Records};
use crate::resumption::Resumption;
use crate::rounds;
use crate::served_files::ServedFiles;
use crate::stop::Stop;
use crate::worker_channel::BlockSpec;
use crate::workers::Workers;

mod between;
mod care;
pub(crate) mod group;
mod judging;
mod runs;
pub(crate) mod telling;

/// How many times a worker would have sent a heartbeat before a job that is resumed looks who is there.
const SETTLE_INTERVALS: u32 = 2;
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
