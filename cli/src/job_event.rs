//! What happens in a job, as this crate's own types: what `--json` writes and what text is made of.

use std::collections::BTreeMap;

use rookery_data::clean::CleaningReport;
use rookery_proto::{ErrorClass, Failure};
use serde::{Serialize, Serializer};

use crate::diagnostic::FailureObject;

/// One thing that happened in a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct JobEvent {
    #[serde(flatten)]
    pub(crate) what: What,
    pub(crate) job_id: String,
    /// Counts up by one from 1.
    pub(crate) sequence: u64,
    pub(crate) timestamp_ms: i64,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum What {
    PhaseStarted {
        phase: &'static str,
        detail: String,
    },
    Cleaning(Cleaning),
    Split(Split),
    RunStarted(RunStarted),
    Iteration(Iteration),
    RunFinished(RunSummary),
    Warning {
        message: String,
    },
    /// The driver was started anew and goes on with the job.
    Resumed {
        /// Rounds of the training under way that need not be done again.
        rounds: u64,
    },
    /// The end; written as a [`JobOutcome`], with the runs.
    #[serde(skip)]
    Finished(JobEnd),
    /// From a newer driver.
    #[serde(skip)]
    Unknown,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobEnd {
    pub(crate) status: JobStatus,
    pub(crate) failure: Option<Failure>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Cleaning {
    pub(crate) rows_read: u64,
    pub(crate) rows_kept: u64,
    pub(crate) rows_dropped: u64,
    pub(crate) reasons: Vec<DropReason>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct DropReason {
    pub(crate) reason: String,
    pub(crate) rows: u64,
}

impl Cleaning {
    /// The report as a sentence, in the words of the crate that cleans.
    pub(crate) fn sentence(&self) -> String {
        let dropped = self
            .reasons
            .iter()
            .map(|reason| (reason.reason.clone(), reason.rows))
            .collect();
        CleaningReport {
            rows_read: self.rows_read,
            rows_kept: self.rows_kept,
            dropped,
        }
        .to_string()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Split {
    /// Rows of each part: training, test, and whatever else the job asks for.
    pub(crate) rows: Vec<u64>,
    pub(crate) partitions: u32,
    pub(crate) workers: u32,
    pub(crate) data_fingerprint: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RunStarted {
    pub(crate) run_id: String,
    pub(crate) run_name: String,
    /// From 0.
    pub(crate) index: u32,
    pub(crate) params: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Iteration {
    pub(crate) run_id: String,
    /// Where several train side by side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run_name: Option<String>,
    /// 0 is the start point.
    pub(crate) iteration: u64,
    pub(crate) max_iterations: u64,
    pub(crate) loss: f64,
    pub(crate) gradient_norm: f64,
}

/// A finished run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RunSummary {
    pub(crate) run_id: String,
    pub(crate) run_name: String,
    #[serde(serialize_with = "as_object")]
    pub(crate) metrics: Vec<(String, f64)>,
    pub(crate) coefficients_sha256: String,
    pub(crate) stop_reason: String,
    pub(crate) converged: bool,
    pub(crate) iterations: u64,
    pub(crate) loss: f64,
    /// How each format of the model answers on the test part.
    pub(crate) formats: Vec<FormatReport>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct FormatReport {
    pub(crate) format: String,
    pub(crate) rows: u64,
    /// Largest difference between two probabilities.
    pub(crate) max_difference: f64,
    pub(crate) differing_predictions: u64,
    pub(crate) holds: bool,
    /// Why it was not written, or could not be scored.
    pub(crate) problem: Option<String>,
}

/// Keeps the order of the job file, which a map would lose.
fn as_object<S: Serializer>(metrics: &[(String, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(metrics.iter().map(|(name, value)| (name, value)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobStatus {
    Succeeded,
    Failed,
    Cancelled,
}

/// How a job ended, with its runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JobOutcome {
    /// `None` when it failed before there was a job.
    pub(crate) job_id: Option<String>,
    pub(crate) status: JobStatus,
    /// The runs that finished, in their order.
    pub(crate) runs: Vec<RunSummary>,
    pub(crate) failure: Option<Failure>,
}

impl JobOutcome {
    /// The outcome of a job that could not be followed to its end.
    pub(crate) fn lost(job_id: Option<String>, runs: Vec<RunSummary>, failure: Failure) -> Self {
        let status = match failure.class {
            ErrorClass::Cancelled => JobStatus::Cancelled,
            _ => JobStatus::Failed,
        };
        Self {
            job_id,
            status,
            runs,
            failure: Some(failure),
        }
    }

    /// The last object of a job.
    pub(crate) fn object(&self) -> impl Serialize + '_ {
        #[derive(Serialize)]
        struct Object<'a> {
            event: &'static str,
            status: JobStatus,
            job_id: Option<&'a str>,
            runs: &'a [RunSummary],
            error: Option<FailureObject<'a>>,
        }
        Object {
            event: "job_finished",
            status: self.status,
            job_id: self.job_id.as_deref(),
            runs: &self.runs,
            error: self.failure.as_ref().map(FailureObject::new),
        }
    }

    /// Success, or why not.
    pub(crate) fn into_result(self) -> Result<(), Failure> {
        match (self.status, self.failure) {
            (JobStatus::Succeeded, _) => Ok(()),
            (_, Some(failure)) => Err(failure),
            (JobStatus::Cancelled, None) => Err(Failure::new(ErrorClass::Cancelled, "the job was cancelled")),
            (JobStatus::Failed, None) => Err(Failure::new(
                ErrorClass::Internal,
                "the job failed without a reason",
            )),
        }
    }
}
