//! [`Ending`]: a job's task, and its last word.

use std::sync::{Arc, Mutex};

use rookery_proto::v1::job_event::Event;
use rookery_proto::v1::{JobFinished, JobStatus};
use rookery_proto::{ErrorClass, Failure};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::known::Known;
use super::{JobState, job_span, lock};
use crate::events::EventLog;
use crate::journal::Journal;
use crate::stop::Stop;
use crate::workers::Workers;

/// What a job does when its turn has come.
pub(crate) trait Work: Send + Sync + 'static {
    /// The job's id.
    fn id(&self) -> &str;

    /// Its dataset's id.
    fn dataset(&self) -> String;

    /// The cluster it is carried out on.
    fn workers(&self) -> &Workers;

    /// What happens in it.
    fn events(&self) -> &Arc<EventLog>;

    /// Carries the job out; ends early when it is asked to.
    fn run(&self, stop: &Stop) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Ends what a task left open which can't do it itself any more, or that another driver left.
    fn close_left_open(&self, _failure: &Failure) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Whether a former driver began it.
    fn is_resumed(&self) -> bool {
        false
    }

    /// Says more exactly where what failed was asked for.
    fn locate(&self, failure: Failure) -> Failure {
        failure
    }
}

/// What sees to it that a job ends.
pub(super) struct Ending {
    pub(super) known: Arc<Mutex<Known>>,
    pub(super) journal: Option<Journal>,
    pub(super) leave: CancellationToken,
}

impl Ending {
    /// Waits for the job's turn, carries it out, and writes its last event whatever happens, a panic included.
    pub(super) async fn finish(self, job: impl Work, stop: Stop, my_turn: oneshot::Receiver<()>) {
        let job = Arc::new(job);
        let span = job_span(job.id());
        let mut task = tokio::spawn({
            let (job, journal) = (Arc::clone(&job), self.journal.clone());
            async move {
                let turn = async {
                    my_turn
                        .await
                        .map_err(|_| Failure::new(ErrorClass::Internal, "the queue is gone"))?;
                    // It leaves traces, which must be found by whoever goes on with it.
                    match &journal {
                        Some(journal) => journal.sync().await,
                        None => Ok(()),
                    }
                };
                stop.unless(turn).await?;
                job.run(&stop).instrument(span).await
            }
        });
        let ended = tokio::select! {
            ended = &mut task => ended,
            () = self.leave.cancelled() => {
                task.abort();
                // Until it is gone, so that it says nothing more.
                let _ = task.await;
                return;
            }
        };
        let result = match ended {
            Ok(result) => result,
            Err(e) => {
                let failure = Failure::new(ErrorClass::Internal, format!("the job's task ended early: {e}"));
                job.close_left_open(&failure).await;
                Err(failure)
            }
        };
        if let (Err(failure), true) = (&result, job.is_resumed()) {
            // It may have failed before it took its runs over from the driver before.
            job.close_left_open(failure).await;
        }
        let failure = result.err().map(|failure| job.locate(failure));
        self.say(job.as_ref(), failure);
    }

    fn say(&self, job: &impl Work, failure: Option<Failure>) {
        let (state, status) = match failure.as_ref().map(|failure| failure.class) {
            None => (JobState::Succeeded, JobStatus::Succeeded),
            Some(ErrorClass::Cancelled) => (JobState::Cancelled, JobStatus::Cancelled),
            Some(_) => (JobState::Failed, JobStatus::Failed),
        };
        if let Some(failure) = &failure {
            tracing::warn!(job_id = job.id(), %failure, "job failed");
        }
        // It may have ended before it came to let go of what a former driver had made for it.
        job.workers().let_go(&job.dataset());
        let forgotten = lock(&self.known).end(job.id(), state, failure.clone());
        job.events().push(Event::Finished(JobFinished {
            status: status.into(),
            error: failure.as_ref().map(Into::into),
        }));
        if let (Some(forgotten), Some(journal)) = (forgotten, &self.journal) {
            journal.forget(&forgotten);
        }
    }
}
