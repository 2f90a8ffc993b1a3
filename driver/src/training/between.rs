//! [`Between`]: what happens after each round of a training. The validation part is scored, where it is watched; progress
//! is told; and a training that is out of time is stopped.

use rookery_ml::{
    ColumnKind, EarlyStoppingParams, FittedPipeline, LogisticRegressionModel, Model, TerminationReason,
    Training,
};
use rookery_proto::Failure;

use super::Job;
use super::telling::iteration_event;
use crate::error::of_ml;
use crate::events::now_ms;
use crate::job_spec::ValidRun;
use crate::placement::Placement;
use crate::recording::RunRecord;
use crate::rounds;
use crate::worker_channel::Judging;

/// Position of the part that is watched.
const VALIDATION_PART: u32 = 2;

/// What one training does between its rounds.
pub(crate) struct Between<'a> {
    pub(super) job: &'a Job,
    pub(super) placement: &'a Placement,
    pub(super) columns: &'a [(String, ColumnKind)],
    pub(super) pipeline: &'a FittedPipeline,
    pub(super) run: &'a ValidRun,
    pub(super) recorder: &'a RunRecord,
    /// The last iteration that was told.
    pub(super) reported: Option<u64>,
    /// When there is no more time: milliseconds since the epoch, so that it holds for a job that is resumed.
    pub(super) deadline_ms: Option<i64>,
    /// Whether others train at the same time.
    pub(super) has_others: bool,
}

impl Between<'_> {
    /// Does what is to be done before the next round.
    pub(crate) async fn rounds(&mut self, training: &mut Training) -> Result<(), Failure> {
        if let Some(params) = &self.job.spec.early_stopping {
            self.validate(training, params).await?;
        }
        if self.deadline_ms.is_some_and(|deadline| now_ms() >= deadline) {
            training.stop(TerminationReason::Deadline);
        }
        self.tell(training);
        Ok(())
    }

    /// Scores the validation part with the training as it stands, if it is time to.
    async fn validate(&self, training: &mut Training, params: &EarlyStoppingParams) -> Result<(), Failure> {
        let Some(fit) = training.to_validate() else {
            return Ok(());
        };
        let spec = &self.job.spec;
        let classifier = LogisticRegressionModel::new(&fit, &self.run.valid).map_err(|e| of_ml(&e))?;
        let pipeline = self.pipeline.clone();
        let model = Model::new(self.columns, pipeline, &spec.features, &spec.label, classifier);
        let judging = Judging {
            part: VALIDATION_PART,
            weight: spec.weight.as_deref(),
            with_ranking: params.metric.is_of_ranking(),
        };
        let model = model.map_err(|e| of_ml(&e))?;
        let sums = rounds::score(self.placement, &self.job.id, &model, &judging).await?;
        training.validated(sums.evaluate(params.metric).map_err(|e| of_ml(&e))?);
        Ok(())
    }

    /// Tells how far the training is.
    fn tell(&mut self, training: &Training) {
        let metric = self.job.spec.early_stopping.as_ref().map(|params| params.metric);
        self.recorder
            .progress(training.objective_history(), metric, training.looks());
        let iteration = training.iteration() as u64;
        if self.reported.is_none_or(|reported| iteration > reported) {
            self.reported = Some(iteration);
            let name = if self.has_others {
                self.recorder.run_name()
            } else {
                ""
            };
            let event = iteration_event((self.recorder.run_id(), name), training, self.run);
            self.job.events.push(event);
        }
    }
}
