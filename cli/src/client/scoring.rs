//! What this program asks of a driver about rows to be scored.

use std::path::Path;

use rookery_proto::{Failure, v1};
use tonic::Streaming;

use super::{DriverClient, user, within_call_timeout};

/// Rows to be scored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScoringRequest<'a> {
    /// What people call the job.
    pub(crate) name: &'a str,
    pub(crate) model_json: &'a str,
    /// JSON of the driver's `ScoringSpec`.
    pub(crate) spec_json: &'a str,
    pub(crate) base_dir: &'a Path,
}

impl DriverClient {
    /// Submits a scoring job and returns its id.
    pub(crate) async fn submit_scoring(&self, request: ScoringRequest<'_>) -> Result<String, Failure> {
        let request = v1::SubmitScoringRequest {
            name: request.name.to_string(),
            model_json: request.model_json.to_string(),
            spec_json: request.spec_json.to_string(),
            base_dir: request.base_dir.display().to_string(),
            user: user(),
        };
        let mut jobs = self.jobs.clone();
        let answer = within_call_timeout(jobs.submit_scoring(request)).await;
        answer
            .map(|response| response.into_inner().job_id)
            .map_err(|status| self.failure(status))
    }

    /// The rows of a scoring job, which has no other reader.
    pub(crate) async fn read_scores(&self, job_id: &str) -> Result<Streaming<v1::ScoredRows>, Failure> {
        let request = v1::ReadScoresRequest {
            job_id: job_id.to_string(),
        };
        let mut jobs = self.jobs.clone();
        let answer = within_call_timeout(jobs.read_scores(request)).await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| self.failure(status))
    }
}
