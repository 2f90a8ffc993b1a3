//! [`Resumption`]: what is known of a job that was under way when its driver was killed.

use std::collections::{BTreeMap, BTreeSet};

use rookery_ml::Training;
use rookery_proto::v1::job_event::Event;
use rookery_proto::v1::{JobEvent, RunFinished};
use rookery_proto::{ErrorClass, Failure};

/// How often in a row a job is resumed that comes no further: one that kills its driver each time must end too.
const MAX_RESUMPTIONS: u32 = 5;
/// Attempts at the dataset are numbered anew by each driver: far enough apart that no two of one number meet, which the
/// workers would take for a partition computed twice.
const ATTEMPTS_APART: u32 = 1000;

/// What was done of a job before the driver was started anew.
#[derive(Debug, Default)]
pub(crate) struct Resumption {
    /// By position: the runs that ended.
    pub(crate) finished: BTreeMap<u32, RunFinished>,
    /// The runs that were told of.
    pub(crate) told: BTreeSet<String>,
    /// When the job began.
    pub(crate) began_ms: Option<i64>,
    /// When its runs began, by run.
    pub(crate) started: BTreeMap<String, i64>,
    /// The last iteration that was told, by run.
    pub(crate) iterations: BTreeMap<String, u64>,
    /// What the data were, if they had been read.
    pub(crate) fingerprint: Option<String>,
    /// Where the trainings of runs stood.
    pub(crate) checkpoint: Vec<(u32, Training)>,
    /// How often it was resumed before.
    resumed: u32,
    /// How often since something was last trained.
    without_progress: u32,
}

impl Resumption {
    /// What follows from the events of a job and its checkpoint.
    pub(crate) fn new(events: &[JobEvent], checkpoint: Vec<(u32, Training)>) -> Self {
        let mut known = Self {
            checkpoint,
            ..Self::default()
        };
        for event in events {
            match &event.event {
                Some(Event::PhaseStarted(_)) => {
                    known.began_ms.get_or_insert(event.timestamp_ms);
                }
                Some(Event::RunStarted(run)) => {
                    known.started.insert(run.run_id.clone(), event.timestamp_ms);
                    known.told.insert(run.run_id.clone());
                }
                Some(Event::Split(split)) => known.fingerprint = Some(split.data_fingerprint.clone()),
                Some(Event::Iteration(iteration)) => {
                    known
                        .iterations
                        .insert(iteration.run_id.clone(), iteration.iteration);
                    known.without_progress = 0;
                }
                Some(Event::RunFinished(run)) => {
                    known.finished.insert(run.index, run.clone());
                    known.without_progress = 0;
                }
                Some(Event::Resumed(_)) => {
                    known.resumed += 1;
                    known.without_progress += 1;
                }
                _ => {}
            }
        }
        known
    }

    /// Number of the first attempt at the dataset that no former driver has made.
    pub(crate) fn first_attempt(&self) -> u32 {
        (self.resumed + 1).saturating_mul(ATTEMPTS_APART)
    }

    /// The training of run `index` as it stood.
    pub(crate) fn training(&self, index: u32) -> Option<&Training> {
        let of_run = self.checkpoint.iter().find(|(run, _)| *run == index);
        of_run.map(|(_, training)| training)
    }

    /// How many rounds need not be done again.
    pub(crate) fn rounds(&self) -> u64 {
        let open = self.checkpoint.iter();
        let open = open.filter(|(run, _)| !self.finished.contains_key(run));
        let rounds = open.map(|(_, training)| training.evaluations() as u64);
        rounds.max().unwrap_or(0)
    }

    /// Whether going on makes sense.
    ///
    /// # Errors
    /// Class internal: it was tried often enough.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.without_progress < MAX_RESUMPTIONS {
            return Ok(());
        }
        Err(Failure::new(
            ErrorClass::Internal,
            format!(
                "the driver was killed {} times in a row while the job came no further",
                MAX_RESUMPTIONS + 1
            ),
        )
        .hint("see the driver's log and the machine's: the job may need more memory than there is"))
    }

    /// Whether the data are what they were.
    ///
    /// # Errors
    /// Class data: a model of both would be a model of neither.
    pub(crate) fn check_data(&self, fingerprint: &str) -> Result<(), Failure> {
        match &self.fingerprint {
            Some(before) if before != fingerprint => Err(Failure::new(
                ErrorClass::Data,
                format!("the data are not what they were when the job began: fingerprint {fingerprint}, was {before}"),
            )
            .hint("the files were changed while the driver was away; submit the job again")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rookery_proto::v1;

    use super::*;

    fn events(events: Vec<Event>) -> Vec<JobEvent> {
        let event = |(i, event)| JobEvent {
            sequence: i as u64 + 1,
            event: Some(event),
            ..JobEvent::default()
        };
        events.into_iter().enumerate().map(event).collect()
    }

    fn resumed() -> Event {
        Event::Resumed(v1::JobResumed::default())
    }

    #[test]
    fn a_job_that_comes_no_further_is_given_up_and_one_that_does_is_not() {
        let mut told = vec![resumed(); MAX_RESUMPTIONS as usize];
        let failure = Resumption::new(&events(told.clone()), Vec::new())
            .check()
            .unwrap_err();
        assert!(failure.message.contains("6 times in a row"), "{failure}");
        told.push(Event::Iteration(v1::Iteration::default()));
        told.push(resumed());
        let resumption = Resumption::new(&events(told), Vec::new());
        resumption.check().unwrap();
        assert_eq!(resumption.first_attempt(), 7 * ATTEMPTS_APART);
    }

    #[test]
    fn other_data_are_refused() {
        let split = Event::Split(v1::SplitReport {
            data_fingerprint: "aa".to_string(),
            ..v1::SplitReport::default()
        });
        let resumption = Resumption::new(&events(vec![split]), Vec::new());
        resumption.check_data("aa").unwrap();
        assert_eq!(resumption.check_data("bb").unwrap_err().class, ErrorClass::Data);
        Resumption::default().check_data("bb").unwrap();
    }
}
