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
use crate::job_file;
use crate::journal::Journal;
use crate::stop::Stop;
use crate::training::Job;

/// What sees to it that a job ends.
pub(super) struct Ending {
    pub(super) known: Arc<Mutex<Known>>,
    pub(super) journal: Option<Journal>,
    /// What messages call the job file.
    pub(super) file_name: String,
    pub(super) leave: CancellationToken,
}

impl Ending {
    /// Waits for the job's turn, carries it out, and writes its last event whatever happens, a panic included.
    pub(super) async fn finish(self, job: Job, stop: Stop, my_turn: oneshot::Receiver<()>) {
        let job = Arc::new(job);
        let span = job_span(&job.id);
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
        if let (Err(failure), Some(_)) = (&result, &job.resumption) {
            // It may have failed before it took its runs over from the driver before.
            job.close_left_open(failure).await;
        }
        let failure = result
            .err()
            .map(|failure| job_file::locate(failure, &job.toml, &self.file_name));
        self.say(&job, failure);
    }

    fn say(&self, job: &Job, failure: Option<Failure>) {
        let (state, status) = match failure.as_ref().map(|failure| failure.class) {
            None => (JobState::Succeeded, JobStatus::Succeeded),
            Some(ErrorClass::Cancelled) => (JobState::Cancelled, JobStatus::Cancelled),
            Some(_) => (JobState::Failed, JobStatus::Failed),
        };
        if let Some(failure) = &failure {
            tracing::warn!(job_id = %job.id, %failure, "job failed");
        }
        // It may have ended before it came to let go of what a former driver had made for it.
        job.workers.let_go(&job.dataset());
        let forgotten = lock(&self.known).end(&job.id, state, failure.clone());
        job.events.push(Event::Finished(JobFinished {
            status: status.into(),
            error: failure.as_ref().map(Into::into),
        }));
        if let (Some(forgotten), Some(journal)) = (forgotten, &self.journal) {
            journal.forget(&forgotten);
        }
    }
}
