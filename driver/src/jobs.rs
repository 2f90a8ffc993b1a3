//! [`Jobs`]: submitted jobs, one task for each, which wait for their turn. A job always ends, and its last event says
//! how. What a driver with a journal was killed over, the next one resumes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rookery_data::engine::{Channels, Patience};
use rookery_proto::v1::job_event::Event;
use rookery_proto::v1::{self, Phase, SubmitJobRequest};
use rookery_proto::{ErrorClass, Failure, Token};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::DriverConfig;
use crate::events::{EventLog, now_ms};
use crate::job_file;
use crate::job_spec::ValidJobSpec;
use crate::journal::Journal;
use crate::records::Records;
use crate::resumption::Resumption;
use crate::served_files::ServedFiles;
use crate::stop::Stop;
use crate::training::Job;
use crate::workers::Workers;

mod ending;
mod known;
mod resume;
mod scoring;

use ending::Ending;
pub(crate) use ending::Work;
use known::{Entry, Known};

/// A job as a client hands it in.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The job file's text.
    pub toml: String,
    /// What messages call the file.
    pub file_name: String,
    /// Folder that relative paths start from.
    pub base_dir: PathBuf,
    /// Who submits.
    pub user: String,
    /// Of jobs that wait the one with the highest comes first.
    pub priority: i32,
    /// A job with the same key is the same job.
    pub idempotency_key: Option<String>,
}

/// A job as the driver knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobInfo {
    /// Its id.
    pub id: String,
    /// What its file calls it.
    pub name: String,
    /// Who submitted it.
    pub user: String,
    /// Its priority.
    pub priority: i32,
    /// How far it is.
    pub state: JobState,
    /// When it was submitted, in milliseconds since the Unix epoch.
    pub submitted_ms: i64,
    /// When its turn came.
    pub started_ms: Option<i64>,
    /// When it ended.
    pub finished_ms: Option<i64>,
    /// Why it did not succeed.
    pub failure: Option<Failure>,
}

impl JobInfo {
    /// A job that waits, of no particular priority.
    fn new(id: &str, name: &str, user: &str, submitted_ms: i64) -> Self {
        Self {
            id: id.to_string(),
            name: name.to_string(),
            user: user.to_string(),
            priority: 0,
            state: JobState::Queued,
            submitted_ms,
            started_ms: None,
            finished_ms: None,
            failure: None,
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Others come first.
    Queued,
    /// It is carried out.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended with a failure.
    Failed,
    /// It was asked to end.
    Cancelled,
}

impl JobState {
    /// All of them, in the words of people.
    pub(crate) const NAMES: [&str; 5] = ["queued", "running", "succeeded", "failed", "cancelled"];

    /// In the words of people.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// The driver's jobs.
#[derive(Debug)]
pub struct Jobs {
    config: DriverConfig,
    records: Records,
    workers: Arc<Workers>,
    channels: Channels,
    /// The files that workers may read from this machine's disk.
    served: Arc<ServedFiles>,
    /// Name of this driver process, for the runs' records.
    owner: String,
    journal: Option<Journal>,
    known: Arc<Mutex<Known>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Ends the tasks of jobs where they are, without a word: the next driver goes on with them.
    leave: CancellationToken,
}

impl Jobs {
    /// No jobs yet; `owner` is the name of this driver process. They are cancelled with `stop`.
    pub(crate) fn new(
        config: DriverConfig,
        records: Records,
        workers: Arc<Workers>,
        owner: String,
        journal: Option<Journal>,
        stop: CancellationToken,
    ) -> Self {
        let authorization = config.token.as_ref().map(Token::authorization);
        let secure = config.tls.as_ref().map(|tls| tls.to_workers());
        let known = Known::new(config.max_running_jobs);
        Self {
            config,
            records,
            workers,
            channels: Channels::new(Patience::default(), authorization.as_deref(), secure),
            served: Arc::default(),
            owner,
            journal,
            known: Arc::new(Mutex::new(known)),
            tasks: TaskTracker::new(),
            stop,
            leave: CancellationToken::new(),
        }
    }

    /// Checks a job and puts it into the queue; returns its id. What was answered survives the driver.
    ///
    /// # Errors
    /// Class config for a bad job file, and for a key that another job was submitted with; class unreachable when there
    /// is no worker; class internal when the journal can't be written.
    pub async fn submit(&self, submission: Submission) -> Result<String, Failure> {
        let (id, is_new) = self.take(submission)?;
        let Some(journal) = &self.journal else {
            return Ok(id);
        };
        match journal.sync().await {
            Ok(()) => Ok(id),
            Err(failure) => {
                if is_new && let Some(entry) = lock(&self.known).find(&id) {
                    entry.stop.because(format!("it was not taken: {failure}"));
                }
                Err(failure)
            }
        }
    }

    /// The id of the job that was submitted, and whether it is new.
    fn take(&self, submission: Submission) -> Result<(String, bool), Failure> {
        let spec = job_file::parse(&submission.toml, &submission.file_name)?;
        let mut known = lock(&self.known);
        if let Some(id) = known.same(&submission)? {
            return Ok((id, false));
        }
        self.workers.active()?;
        let id = new_id();
        let submitted_ms = now_ms();
        if let Some(journal) = &self.journal {
            journal.job(&id, submitted_ms, SubmitJobRequest::from(&submission));
        }
        let events = Arc::new(EventLog::new(&id, Vec::new(), self.journal.clone()));
        let info = JobInfo {
            priority: submission.priority,
            ..JobInfo::new(&id, &spec.name, &submission.user, submitted_ms)
        };
        let priority = submission.priority;
        let job = self.job(&id, spec, &submission, &events, None);
        let entry = Entry {
            info,
            events,
            stop: Stop::with(&self.stop),
            submission: Some(submission),
            scores: None,
        };
        self.enqueue(&mut known, entry, job, priority);
        Ok((id, true))
    }

    fn job(
        &self,
        id: &str,
        spec: ValidJobSpec,
        submission: &Submission,
        events: &Arc<EventLog>,
        resumption: Option<Resumption>,
    ) -> Job {
        Job {
            id: id.to_string(),
            spec,
            toml: submission.toml.clone(),
            file_name: submission.file_name.clone(),
            base_dir: submission.base_dir.clone(),
            user: submission.user.clone(),
            owner: self.owner.clone(),
            config: self.config.clone(),
            records: self.records.clone(),
            destination: OnceLock::new(),
            workers: Arc::clone(&self.workers),
            channels: self.channels.clone(),
            served: Arc::clone(&self.served),
            events: Arc::clone(events),
            checkpoints: self.journal.as_ref().map(|journal| journal.checkpoints(id)),
            resumption,
        }
    }

    /// Lets a job wait for its turn, and starts those whose turn has come.
    fn enqueue(&self, known: &mut Known, entry: Entry, job: impl Work, priority: i32) {
        let (turn, my_turn) = oneshot::channel();
        let (id, stop, events) = (
            entry.info.id.clone(),
            entry.stop.clone(),
            Arc::clone(&entry.events),
        );
        known.turns.insert(id.clone(), turn);
        known.queue.submit(&id, priority);
        known.jobs.push(entry);
        known.start_next();
        let ending = Ending {
            known: Arc::clone(&self.known),
            journal: self.journal.clone(),
            leave: self.leave.clone(),
        };
        self.tasks.spawn(ending.finish(job, stop, my_turn));
        // A job that is resumed has said so.
        if let (Some(ahead), true) = (known.queue.ahead_of(&id), events.is_empty()) {
            events.push(Event::PhaseStarted(v1::PhaseStarted {
                phase: Phase::Queue.into(),
                detail: format!("{ahead} waiting jobs come first"),
            }));
        }
    }

    /// Submits a job that failed once more, in the name of `user`; returns the new job's id.
    ///
    /// # Errors
    /// Class config: there is no such job, it has not ended, or it failed for a reason that another try meets again.
    pub async fn retry(&self, job_id: &str, user: &str) -> Result<String, Failure> {
        let refused = |why: String| {
            Err(Failure::new(
                ErrorClass::Config,
                format!("{job_id} is not tried again: {why}"),
            ))
        };
        let (state, failure, submission) = match lock(&self.known).find(job_id) {
            None => return refused("this driver does not know it".to_string()),
            Some(entry) => (
                entry.info.state,
                entry.info.failure.clone(),
                entry.submission.clone(),
            ),
        };
        let Some(submission) = submission else {
            return refused("its rows went to the client that asked for them; ask again".to_string());
        };
        match (state, failure.map(|failure| failure.class)) {
            (JobState::Queued | JobState::Running, _) => return refused("it has not ended".to_string()),
            (JobState::Succeeded, _) => return refused("it succeeded".to_string()),
            (_, Some(ErrorClass::Config | ErrorClass::Data)) => {
                return refused("what was wrong with it is wrong still; mend it and submit it".to_string());
            }
            _ => {}
        }
        self.submit(Submission {
            user: user.to_string(),
            idempotency_key: None,
            ..submission
        })
        .await
    }

    /// The jobs, in the order of their submission.
    pub fn all(&self) -> Vec<JobInfo> {
        lock(&self.known)
            .jobs
            .iter()
            .map(|entry| entry.info.clone())
            .collect()
    }

    /// Asks a job to end; `false` if there is none of that id.
    pub fn cancel(&self, job_id: &str, user: &str) -> bool {
        let mut known = lock(&self.known);
        let Some(entry) = known.find(job_id) else {
            return false;
        };
        entry.stop.because(format!("{user} cancelled the job"));
        true
    }

    /// For how long no job has waited or run; `None` while one does.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        let known = lock(&self.known);
        let has_ended = known.jobs.iter().all(|entry| entry.info.finished_ms.is_some());
        has_ended.then(|| known.idle_since.elapsed())
    }

    /// The connections to the workers.
    pub(crate) fn channels(&self) -> &Channels {
        &self.channels
    }

    /// The files that workers may read from this machine's disk.
    pub(crate) fn served(&self) -> &Arc<ServedFiles> {
        &self.served
    }

    /// The events of a job.
    pub fn events(&self, job_id: &str) -> Option<Arc<EventLog>> {
        lock(&self.known)
            .find(job_id)
            .map(|entry| Arc::clone(&entry.events))
    }

    /// Leaves the jobs to the next driver, or cancels them; whether they are left.
    pub(crate) fn give_up(&self, by_signal: bool) -> bool {
        let are_left = by_signal && self.config.keep_jobs && self.journal.is_some();
        match are_left {
            true => self.leave.cancel(),
            false => self.stop.cancel(),
        }
        are_left
    }

    /// Waits until every job has ended, or was left; they have been given up.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(journal) = &self.journal
            && let Err(failure) = journal.sync().await
        {
            tracing::error!(%failure, "how the jobs ended may be forgotten");
        }
    }
}

/// An id that no other job has.
fn new_id() -> String {
    format!("job-{}", &uuid::Uuid::new_v4().simple().to_string()[..12])
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The root of a job's trace. Where traces are exported, its log lines name the trace.
fn job_span(job_id: &str) -> tracing::Span {
    let span = tracing::info_span!("job", job_id, trace_id = tracing::field::Empty);
    if let Some(trace_id) = rookery_proto::trace_context::trace_id(&span) {
        span.record("trace_id", trace_id);
    }
    span
}
