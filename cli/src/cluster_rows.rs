//! Jobs and workers as a driver lists them: what `--json` writes and what tables are made of.

use rookery_proto::v1;
use serde::Serialize;

/// A job on a driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct JobRow {
    pub(crate) job_id: String,
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) priority: i32,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    pub(crate) state: &'static str,
    pub(crate) submitted_ms: i64,
    pub(crate) started_ms: Option<i64>,
    pub(crate) finished_ms: Option<i64>,
    /// Why it did not succeed.
    pub(crate) error: Option<String>,
}

/// The state of a worker that can be given work.
pub(crate) const ACTIVE: &str = "active";

/// A driver and its workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClusterRow {
    pub(crate) driver_version: String,
    /// Since when the driver runs, in milliseconds since the Unix epoch.
    pub(crate) started_ms: i64,
    pub(crate) workers: Vec<WorkerRow>,
}

/// A worker of a driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct WorkerRow {
    pub(crate) worker_id: String,
    pub(crate) url: String,
    pub(crate) threads: u32,
    /// `joining`, `active`, `draining`, `lost` or `left`.
    pub(crate) state: &'static str,
    pub(crate) reason: String,
    pub(crate) memory_bytes: u64,
    /// What its memory limit has no room for.
    pub(crate) disk_bytes: u64,
    /// Its process, on its own machine.
    pub(crate) pid: u32,
}

pub(crate) fn job(job: v1::Job) -> JobRow {
    let state = match job.state() {
        v1::JobState::Queued => "queued",
        v1::JobState::Running => "running",
        v1::JobState::Succeeded => "succeeded",
        v1::JobState::Failed => "failed",
        v1::JobState::Cancelled => "cancelled",
        v1::JobState::Unspecified => "unknown",
    };
    JobRow {
        job_id: job.job_id,
        name: job.name,
        user: job.user,
        priority: job.priority,
        state,
        submitted_ms: job.submitted_ms,
        started_ms: Some(job.started_ms).filter(|ms| *ms > 0),
        finished_ms: Some(job.finished_ms).filter(|ms| *ms > 0),
        error: job.error.map(|error| error.message),
    }
}

pub(crate) fn cluster(cluster: v1::GetClusterResponse) -> ClusterRow {
    ClusterRow {
        driver_version: cluster.driver_version,
        started_ms: cluster.started_ms,
        workers: cluster.workers.into_iter().map(worker).collect(),
    }
}

fn worker(worker: v1::Worker) -> WorkerRow {
    let state = match worker.state() {
        v1::WorkerState::Joining => "joining",
        v1::WorkerState::Active => ACTIVE,
        v1::WorkerState::Draining => "draining",
        v1::WorkerState::Lost => "lost",
        v1::WorkerState::Left => "left",
        v1::WorkerState::Unspecified => "unknown",
    };
    WorkerRow {
        worker_id: worker.worker_id,
        url: worker.url,
        threads: worker.threads,
        state,
        reason: worker.reason,
        memory_bytes: worker.memory_bytes,
        disk_bytes: worker.disk_bytes,
        pid: worker.pid,
    }
}
