//! The runs of a job, once its blocks are there: all of them are begun, train side by side, and are then judged and recorded
//! one after the other.

use std::time::{Duration, Instant};

use rookery_ml::{Inference, Summary, Training};
use rookery_proto::Failure;
use rookery_proto::v1::Phase;
use tracing::Instrument as _;

use super::between::Between;
use super::group::{Group, Member};
use super::{Job, Prepared, telling};
use crate::error::{internal, of_ml};
use crate::job_spec::ValidRun;
use crate::journal::MOST_WRITTEN;
use crate::recording::{self, JobRecord, RunRecord};
use crate::rounds;
use crate::stop::Stop;

/// A run that has been begun.
pub(super) struct OpenRun<'a> {
    pub(super) index: u32,
    pub(super) run: &'a ValidRun,
    pub(super) recorder: RunRecord,
    /// When it is out of time, in milliseconds since the epoch.
    deadline_ms: Option<i64>,
}

/// What rounds have made of a run.
pub(super) struct Trained {
    pub(super) training: Training,
    /// The training part as the run weighs it.
    pub(super) summary: Summary,
    pub(super) inference: Option<Inference>,
    /// Its share of the time that the group took.
    pub(super) took: Duration,
}

impl Job {
    /// Trains the runs that no former driver has finished.
    pub(super) async fn train_all(
        &self,
        prepared: &Prepared,
        record: &JobRecord<'_>,
        started_ms: i64,
        stop: &Stop,
    ) -> Result<(), Failure> {
        let before = self.resumption.as_ref();
        let was_told = before.is_some_and(|before| !before.told.is_empty());
        for warning in prepared.warnings().into_iter().filter(|_| !was_told) {
            self.warn(warning.text);
        }
        let runs: Vec<(u32, &ValidRun)> = (0..).zip(&self.spec.runs).collect();
        // The groups follow from the job alone: whoever resumes it makes the same.
        for group in runs.chunks(self.side_by_side(prepared)) {
            let mut left = Vec::with_capacity(group.len());
            for (index, run) in group {
                match before.and_then(|before| before.finished.get(index)) {
                    Some(finished) => record.judge(&finished.run_id, &telling::metrics(finished)?),
                    None => left.push((*index, *run)),
                }
            }
            let Some((first, _)) = left.first() else { continue };
            if self.is_out_of_time(started_ms, *first)? {
                break;
            }
            self.train_group(prepared, record, (&left, started_ms), stop)
                .await?;
        }
        Ok(())
    }

    /// How many runs are trained side by side: as many as the driver holds and writes down at a time. What is wrong with a
    /// run is said when it is begun, and so is recorded with it.
    fn side_by_side(&self, prepared: &Prepared) -> usize {
        if self.spec.runs.len() == 1 {
            return 1;
        }
        let sizes = self.spec.runs.iter().filter_map(|run| {
            let training = Training::new(&run.valid, &prepared.summary).ok()?;
            Some(training.state_values())
        });
        (MOST_WRITTEN / sizes.max().unwrap_or(1)).max(1)
    }

    /// Begins runs, trains them, judges and records them. Whatever goes wrong once their records exist is recorded with
    /// them.
    async fn train_group(
        &self,
        prepared: &Prepared,
        record: &JobRecord<'_>,
        (runs, job_started_ms): (&[(u32, &ValidRun)], i64),
        stop: &Stop,
    ) -> Result<(), Failure> {
        let mut open = Vec::with_capacity(runs.len());
        let mut result = Ok(());
        for (index, run) in runs {
            match self.begin(record, *index, run, job_started_ms).await {
                Ok(begun) => open.push(begun),
                Err(failure) => {
                    result = Err(failure);
                    break;
                }
            }
        }
        let trained = match result {
            Ok(()) => stop.unless(self.fit(prepared, &open)).await,
            Err(failure) => Err(failure),
        };
        let mut left = open.into_iter();
        let finished = async {
            for (open, trained) in left.by_ref().zip(trained?) {
                let recorded = stop.unless(self.judge(prepared, &open, trained)).await;
                match recorded {
                    Ok(metrics) => record.judge(open.recorder.run_id(), &metrics),
                    Err(failure) => {
                        open.recorder.fail(&failure).await;
                        return Err(failure);
                    }
                }
            }
            Ok(())
        };
        let finished = finished.await;
        if let Err(failure) = &finished {
            for open in left {
                open.recorder.fail(failure).await;
            }
        }
        finished
    }

    /// Begins the record of a run.
    async fn begin<'a>(
        &self,
        record: &JobRecord<'_>,
        index: u32,
        run: &'a ValidRun,
        job_started_ms: i64,
    ) -> Result<OpenRun<'a>, Failure> {
        let params = recording::describe_params(&run.params)?;
        let recorder = record
            .start_training(index, run.name.as_deref(), params.clone())
            .await?;
        self.tell_started(&recorder, index, params);
        Ok(OpenRun {
            index,
            run,
            deadline_ms: self.deadline_ms(job_started_ms, recorder.run_id()),
            recorder,
        })
    }

    /// Trains runs side by side; what comes back is in their order.
    async fn fit(&self, prepared: &Prepared, open: &[OpenRun<'_>]) -> Result<Vec<Trained>, Failure> {
        let (of, started) = (self.spec.runs.len(), Instant::now());
        let phase = match open {
            [only] => self.phase_of(
                &only.recorder,
                Phase::Train,
                &format!("run {} of {of}", only.index + 1),
            ),
            several => {
                let numbers = several.iter().map(|open| (open.index + 1).to_string());
                let numbers = numbers.collect::<Vec<_>>().join(", ");
                let phase = self.phase(Phase::Train, &format!("runs {numbers} of {of}, side by side"));
                let ids: Vec<&str> = several.iter().map(|open| open.recorder.run_id()).collect();
                phase.record("run_id", ids.join(","));
                phase
            }
        };
        let (placement, blocks_id) = (&prepared.placement, &prepared.blocks_id);
        let trained = async {
            let (mut members, mut summaries) = (Vec::new(), Vec::new());
            for one in open {
                let summary = self.weighed(prepared, one.run).await?;
                members.push(self.member(prepared, one, &summary, open.len() > 1)?);
                summaries.push(summary);
            }
            let mut group = Group::new(self, members);
            rounds::train(placement, &self.id, blocks_id, &mut group).await?;
            let mut trained = Vec::with_capacity(open.len());
            for (training, summary) in group.into_trainings().into_iter().zip(summaries) {
                trained.push(Trained {
                    inference: self.infer(prepared, &training, &summary).await?,
                    training,
                    summary,
                    took: Duration::ZERO,
                });
            }
            Ok::<_, Failure>(trained)
        };
        let mut trained = trained.instrument(phase).await?;
        let took = started.elapsed() / trained.len().max(1) as u32;
        trained.iter_mut().for_each(|trained| trained.took = took);
        Ok(trained)
    }

    /// A run as one of a group.
    fn member<'a>(
        &'a self,
        prepared: &'a Prepared,
        open: &'a OpenRun<'_>,
        summary: &Summary,
        has_others: bool,
    ) -> Result<Member<'a>, Failure> {
        let training = self.training(summary, open.index, open.run)?;
        self.check_run(&training)?;
        let before = self.resumption.as_ref();
        let reported = before.and_then(|before| before.iterations.get(open.recorder.run_id()).copied());
        let between = Between {
            job: self,
            placement: &prepared.placement,
            columns: &prepared.columns,
            pipeline: &prepared.pipeline,
            run: open.run,
            recorder: &open.recorder,
            reported,
            deadline_ms: open.deadline_ms,
            has_others,
        };
        Ok(Member {
            index: open.index,
            training,
            between,
        })
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
}
