//! Scoring jobs: not by a job file, and for one client, who reads their rows.

use std::path::PathBuf;
use std::sync::Arc;

use rookery_ml::Model;
use rookery_proto::{ErrorClass, Failure, v1};

use super::known::Entry;
use super::{JobInfo, Jobs, lock, new_id};
use crate::error::of_ml;
use crate::events::{EventLog, now_ms};
use crate::scoring::{self, Scores, ScoringJob, ScoringSpec};
use crate::stop::Stop;

impl Jobs {
    /// Checks a scoring job and puts it into the queue; returns its id.
    ///
    /// # Errors
    /// Class config for what can't be read; class unreachable when there is no worker.
    pub(crate) fn submit_scoring(&self, request: v1::SubmitScoringRequest) -> Result<String, Failure> {
        let wrong = |what: String| Failure::new(ErrorClass::Config, what);
        let spec: ScoringSpec = serde_json::from_str(&request.spec_json)
            .map_err(|e| wrong(format!("what is to be scored: {e}")))?;
        let model = Model::from_json(&request.model_json).map_err(|e| of_ml(&e))?;
        self.workers.active()?;
        let id = new_id();
        let (sink, scores) = scoring::way();
        // Without a journal: it ends with its client, and so with the driver.
        let events = Arc::new(EventLog::new(&id, Vec::new(), None));
        let job = ScoringJob {
            id: id.clone(),
            spec,
            model,
            model_json: request.model_json,
            base_dir: PathBuf::from(request.base_dir),
            config: self.config.clone(),
            workers: Arc::clone(&self.workers),
            channels: self.channels.clone(),
            served: Arc::clone(&self.served),
            events: Arc::clone(&events),
            sink,
        };
        let entry = Entry {
            info: JobInfo::new(&id, &request.name, &request.user, now_ms()),
            events,
            stop: Stop::with(&self.stop),
            submission: None,
            scores: Some(scores),
        };
        self.enqueue(&mut lock(&self.known), entry, job, 0);
        Ok(id)
    }

    /// The rows of a scoring job, for the first who asks.
    pub(crate) fn take_scores(&self, job_id: &str) -> Option<(Scores, Arc<EventLog>)> {
        let mut known = lock(&self.known);
        let entry = known.find(job_id)?;
        Some((entry.scores.take()?, Arc::clone(&entry.events)))
    }
}
