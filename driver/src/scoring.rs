//! [`ScoringJob`]: rows in, rows with predictions out. Read and placed on the workers as a training's rows are, scored
//! there by the code that answers requests, and handed piece by piece to the one client that writes them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rookery_data::engine::Channels;
use rookery_data::source::ScoredColumns;
use rookery_data::{Dataset, IngestPlan, scored};
use rookery_ml::Model;
use rookery_proto::v1::{self, Phase};
use rookery_proto::{ErrorClass, Failure};
use tokio::sync::mpsc;
use tracing::Instrument as _;

use crate::config::DriverConfig;
use crate::error::of_data;
use crate::events::EventLog;
use crate::jobs::Work;
use crate::materialize;
use crate::members::Members;
use crate::placement::Placement;
use crate::served_files::ServedFiles;
use crate::stop::Stop;
use crate::training::telling::{self, counted};
use crate::worker_channel::Task;
use crate::workers::Workers;

mod progress;
mod spec;

use progress::{Progress, Step};
pub use spec::ScoringSpec;

/// Messages that wait for the client; each is a few megabytes at most.
const WAITING: usize = 4;
/// How long the client may take for one of them, the first included.
const READER_PATIENCE: Duration = Duration::from_secs(120);

/// Where the rows of a job come out.
pub(crate) type Scores = mpsc::Receiver<v1::ScoredRows>;

/// Everything a scoring job needs to be carried out.
#[derive(Debug)]
pub(crate) struct ScoringJob {
    pub(crate) id: String,
    pub(crate) spec: ScoringSpec,
    pub(crate) model: Model,
    /// The model's text, as workers get it.
    pub(crate) model_json: String,
    pub(crate) base_dir: PathBuf,
    pub(crate) config: DriverConfig,
    pub(crate) workers: Arc<Workers>,
    pub(crate) channels: Channels,
    pub(crate) served: Arc<ServedFiles>,
    pub(crate) events: Arc<EventLog>,
    /// Where the rows go.
    pub(crate) sink: mpsc::Sender<v1::ScoredRows>,
}

/// A way for the rows of a job.
pub(crate) fn way() -> (mpsc::Sender<v1::ScoredRows>, Scores) {
    mpsc::channel(WAITING)
}

impl Work for ScoringJob {
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
        let inputs = spec::input_columns(&self.model);
        let columns = ScoredColumns {
            inputs,
            optional: self.model.defaults.keys().cloned().collect(),
            keep: self.spec.columns.clone(),
        };
        let phase = telling::phase(&self.events, &self.id, Phase::Plan, &self.spec.source.path);
        let plan = IngestPlan::for_scoring(
            &self.spec.source,
            &columns,
            self.spec.partition_bytes.0,
            &self.base_dir,
            &self.config.environment,
        );
        let plan = stop
            .unless(async { plan.await.map_err(of_data) })
            .instrument(phase)
            .await?;
        let kept = self
            .spec
            .kept(&plan.column_names(), self.model.classifier.num_classes)?;
        let members = Arc::new(Members::new(
            self.dataset(),
            &plan,
            &self.served,
            Arc::clone(&self.workers),
            self.channels.clone(),
            self.config.clone(),
        ));
        let scored = stop.unless(self.carry_out(&members, &plan, &kept)).await;
        members.release().await;
        scored
    }
}

impl ScoringJob {
    /// Reads the rows, scores them and hands them on.
    async fn carry_out(
        &self,
        members: &Arc<Members>,
        plan: &IngestPlan,
        kept: &[String],
    ) -> Result<(), Failure> {
        if plan.partition_count() == 0 {
            return self.begin(plan, kept, true).await;
        }
        let workers = members.active().await?.len() as u64;
        let partitions = u64::from(plan.partition_count());
        let detail = format!(
            "{}, {}",
            counted(workers, "worker"),
            counted(partitions, "partition")
        );
        let phase = telling::phase(&self.events, &self.id, Phase::Materialize, &detail);
        let made = materialize::materialize(members, plan, 0, |lost| self.warn(lost))
            .instrument(phase)
            .await?;
        let (id, events) = (self.id.clone(), Arc::clone(&self.events));
        let placement = Placement::new(Arc::clone(members), plan, &made, move |lost| {
            telling::warn(&events, &id, lost);
        })?;
        let dataset = &made.dataset;
        let detail = format!(
            "{} in {}",
            counted(dataset.part_rows[0], "row"),
            counted(dataset.partitions.len() as u64, "partition")
        );
        let phase = telling::phase(&self.events, &self.id, Phase::Score, &detail);
        self.score(&placement, plan, dataset, kept)
            .instrument(phase)
            .await
    }

    /// Pass by pass: each holder answers with the next piece of some of its partitions. In between the client takes what
    /// came; a worker that waits for a slow client is not a slow worker.
    async fn score(
        &self,
        placement: &Placement,
        plan: &IngestPlan,
        dataset: &Dataset,
        kept: &[String],
    ) -> Result<(), Failure> {
        self.begin(plan, kept, dataset.partitions.is_empty()).await?;
        let mut progress = Progress::of(dataset);
        let task = Task::of_job(&self.id);
        loop {
            match progress.step() {
                Step::Score => {}
                Step::Done => return Ok(()),
                Step::Refused {
                    partition,
                    row,
                    problem,
                } => {
                    return Err(self.refused(plan, dataset, (partition, row), problem).await);
                }
            }
            let answers = placement
                .ask_all(|worker, holding| {
                    let (pieces, task) = (progress.pieces(&holding), &task);
                    async move {
                        match pieces.is_empty() {
                            true => Ok(Vec::new()),
                            false => {
                                worker
                                    .score_rows(task, &holding.dataset, &self.model_json, kept, pieces)
                                    .await
                            }
                        }
                    }
                })
                .await?;
            let mut pieces: Vec<v1::ScoredPiece> = answers.into_iter().flatten().collect();
            pieces.sort_by_key(|piece| piece.partition);
            for piece in pieces {
                if let Some(rows) = progress.take(piece)? {
                    self.hand_on(rows).await?;
                }
            }
        }
    }

    /// Says what the rows look like, even if there are none.
    async fn begin(&self, plan: &IngestPlan, kept: &[String], is_all: bool) -> Result<(), Failure> {
        let classes = self.model.classifier.num_classes;
        let arrow_ipc = scored::encode_empty(&plan.columns, kept, classes).map_err(of_data)?;
        self.hand_on(v1::ScoredRows {
            part: 0,
            arrow_ipc,
            ends_part: is_all,
        })
        .await
    }

    /// Gives rows to the client, who may take their time but not for ever.
    async fn hand_on(&self, rows: v1::ScoredRows) -> Result<(), Failure> {
        let gone = |why: &str| Err(Failure::new(ErrorClass::Cancelled, why.to_string()));
        match self.sink.send_timeout(rows, READER_PATIENCE).await {
            Ok(()) => Ok(()),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => {
                gone("the client that was to write the rows is gone")
            }
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                gone("the client did not take the rows in time")
            }
        }
    }

    /// The end of a job whose model can't use a row.
    async fn refused(
        &self,
        plan: &IngestPlan,
        dataset: &Dataset,
        (partition, row): (u32, u64),
        problem: String,
    ) -> Failure {
        let place = plan.place_of_row(dataset, partition, row).await;
        let place = place.unwrap_or_else(|| format!("partition {partition}, row {}", row + 1));
        Failure::new(ErrorClass::Data, problem).at(place).hint(
            "mend the row; or say --null or --unseen keep or reference, or train the model with [serving] null or unseen",
        )
    }

    fn warn(&self, message: String) {
        telling::warn(&self.events, &self.id, message);
    }
}
