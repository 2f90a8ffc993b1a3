//! [`Jobs`]: submitted jobs, one task for each. A job always ends, and its last event says how.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rookery_data::engine::Channels;
use rookery_proto::v1::job_event::Event;
use rookery_proto::v1::{JobFinished, JobStatus};
use rookery_proto::{ErrorClass, Failure};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::DriverConfig;
use crate::events::EventLog;
use crate::job_file;
use crate::records::Records;
use crate::training::Job;
use crate::workers::Workers;

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
}

/// The driver's jobs.
#[derive(Debug)]
pub struct Jobs {
    config: DriverConfig,
    records: Records,
    workers: Arc<Workers>,
    channels: Channels,
    /// Name of this driver process, for the runs' records.
    owner: String,
    logs: Mutex<BTreeMap<String, Arc<EventLog>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Jobs {
    /// No jobs yet; `owner` is the name of this driver process.
    pub fn new(
        config: DriverConfig,
        records: Records,
        workers: Arc<Workers>,
        owner: String,
        stop: CancellationToken,
    ) -> Self {
        Self {
            config,
            records,
            workers,
            channels: Channels::default(),
            owner,
            logs: Mutex::default(),
            tasks: TaskTracker::new(),
            stop,
        }
    }

    /// Checks a job and starts it; returns its id.
    ///
    /// # Errors
    /// Class config for a bad job file; class unreachable when there is no worker.
    pub fn submit(&self, submission: Submission) -> Result<String, Failure> {
        let spec = job_file::parse(&submission.toml, &submission.file_name)?;
        self.workers.active()?;
        let id = format!("job-{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        let events = Arc::new(EventLog::new(&id));
        self.logs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.clone(), Arc::clone(&events));
        let job = Job {
            id: id.clone(),
            spec,
            toml: submission.toml,
            base_dir: submission.base_dir,
            user: submission.user,
            owner: self.owner.clone(),
            config: self.config.clone(),
            records: self.records.clone(),
            destination: OnceLock::new(),
            workers: Arc::clone(&self.workers),
            channels: self.channels.clone(),
            events,
        };
        self.tasks
            .spawn(finish(job, submission.file_name, self.stop.clone()));
        Ok(id)
    }

    /// The events of a job.
    pub fn events(&self, job_id: &str) -> Option<Arc<EventLog>> {
        self.logs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(job_id)
            .map(Arc::clone)
    }

    /// Waits until every job has ended; they have been told to stop.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Carries a job out, and writes its last event whatever happens, a panic included.
async fn finish(job: Job, file_name: String, stop: CancellationToken) {
    let (events, toml, id) = (Arc::clone(&job.events), job.toml.clone(), job.id.clone());
    let job = Arc::new(job);
    let task = tokio::spawn({
        let job = Arc::clone(&job);
        async move { job.run(&stop).await }
    });
    let result = match task.await {
        Ok(result) => result,
        Err(e) => {
            let failure = Failure::new(ErrorClass::Internal, format!("the job's task ended early: {e}"));
            job.close_left_open(&failure).await;
            Err(failure)
        }
    };
    let finished = match result {
        Ok(()) => JobFinished {
            status: JobStatus::Succeeded.into(),
            error: None,
        },
        Err(failure) => {
            let failure = job_file::locate(failure, &toml, &file_name);
            tracing::warn!(job_id = %id, %failure, "job failed");
            let status = match failure.class {
                ErrorClass::Cancelled => JobStatus::Cancelled,
                _ => JobStatus::Failed,
            };
            JobFinished {
                status: status.into(),
                error: Some((&failure).into()),
            }
        }
    };
    events.push(Event::Finished(finished));
}
