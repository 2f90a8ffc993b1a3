//! Jobs of a driver that was killed, taken over from its journal.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use rookery_proto::v1::job_event::Event;
use rookery_proto::v1::{JobFinished, JobStatus, Phase, SubmitJobRequest};
use rookery_proto::{ErrorClass, Failure};

use super::known::{Entry, Known};
use super::{JobInfo, JobState, Jobs, Submission, Work, lock};
use crate::events::{EventLog, now_ms};
use crate::journal::JournalledJob;
use crate::resumption::Resumption;
use crate::stop::Stop;
use crate::{job_file, recording};

impl Jobs {
    /// Takes over the jobs of a journal: those that ended are remembered, the others go on, those first that had begun.
    /// Their runs belong to this driver from now on.
    pub(crate) async fn resume(&self, journalled: Vec<JournalledJob>) {
        for job in &journalled {
            if end_of(job).is_none() {
                recording::adopt(self.records.store.as_ref(), &job.job_id, &self.owner).await;
            }
        }
        let mut known = lock(&self.known);
        for job in journalled {
            self.take_over(&mut known, job);
        }
    }

    fn take_over(&self, known: &mut Known, job: JournalledJob) {
        let submission = Submission::from(job.request.clone());
        let spec = job_file::parse(&submission.toml, &submission.file_name);
        let name = spec.as_ref().map_or(&submission.file_name, |spec| &spec.name);
        let mut info = info(&job, &submission, name);
        let events = Arc::new(EventLog::new(
            &job.job_id,
            job.events.clone(),
            self.journal.clone(),
        ));
        let spec = match (info.finished_ms, spec) {
            (None, Ok(spec)) => spec,
            (ended, spec) => {
                if let (None, Err(failure)) = (ended, spec) {
                    // An earlier release took it.
                    info.state = JobState::Failed;
                    info.finished_ms = Some(now_ms());
                    info.failure = Some(failure.clone());
                    events.push(Event::Finished(JobFinished {
                        status: JobStatus::Failed.into(),
                        error: Some((&failure).into()),
                    }));
                }
                known.jobs.push(Entry {
                    info,
                    events,
                    stop: Stop::with(&self.stop),
                    submission: Some(submission),
                    scores: None,
                });
                return;
            }
        };
        let priority = match info.started_ms {
            Some(_) => i32::MAX,
            None => submission.priority,
        };
        let resumption = Resumption::new(&job.events, job.checkpoint);
        tracing::info!(job_id = %job.job_id, rounds = resumption.rounds(), "the job goes on");
        let job = self.job(&job.job_id, spec, &submission, &events, Some(resumption));
        // Workers that come back are not to drop what they hold of it.
        self.workers.hold(&job.dataset(), BTreeSet::new());
        let entry = Entry {
            info,
            events,
            stop: Stop::with(&self.stop),
            submission: Some(submission),
            scores: None,
        };
        self.enqueue(known, entry, job, priority);
    }
}

/// When and how a job ended.
fn end_of(job: &JournalledJob) -> Option<(i64, &JobFinished)> {
    let last = job.events.last()?;
    match &last.event {
        Some(Event::Finished(finished)) => Some((last.timestamp_ms, finished)),
        _ => None,
    }
}

/// A job as its events tell it.
fn info(job: &JournalledJob, submission: &Submission, name: &str) -> JobInfo {
    let begun = job.events.iter().find(|event| match &event.event {
        Some(Event::PhaseStarted(started)) => started.phase() == Phase::Plan,
        _ => false,
    });
    let end = end_of(job);
    let failure = end
        .and_then(|(_, finished)| finished.error.clone())
        .map(Failure::from);
    let state = match (end, failure.as_ref().map(|failure| failure.class)) {
        (None, _) => JobState::Queued,
        (Some(_), None) => JobState::Succeeded,
        (Some(_), Some(ErrorClass::Cancelled)) => JobState::Cancelled,
        (Some(_), Some(_)) => JobState::Failed,
    };
    JobInfo {
        id: job.job_id.clone(),
        name: name.to_string(),
        user: submission.user.clone(),
        priority: submission.priority,
        state,
        submitted_ms: job.submitted_ms,
        started_ms: begun.map(|event| event.timestamp_ms),
        finished_ms: end.map(|(when, _)| when),
        failure,
    }
}

impl From<&Submission> for SubmitJobRequest {
    fn from(submission: &Submission) -> Self {
        Self {
            job_toml: submission.toml.clone(),
            job_file_name: submission.file_name.clone(),
            base_dir: submission.base_dir.to_string_lossy().into_owned(),
            user: submission.user.clone(),
            priority: submission.priority,
            idempotency_key: submission.idempotency_key.clone().unwrap_or_default(),
        }
    }
}

impl From<SubmitJobRequest> for Submission {
    fn from(request: SubmitJobRequest) -> Self {
        Self {
            toml: request.job_toml,
            file_name: request.job_file_name,
            base_dir: PathBuf::from(request.base_dir),
            user: request.user,
            priority: request.priority,
            idempotency_key: Some(request.idempotency_key).filter(|key| !key.is_empty()),
        }
    }
}
