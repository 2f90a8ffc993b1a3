//! What a run is recorded with for careful readers: warnings, and how certain the coefficients are.

use rookery_ml::Inference;
use rookery_proto::Failure;
use rookery_tracking::Tag;

use super::run::{Outcome, RunRecord};
use super::{INFERENCE_ARTIFACT, INFERENCE_TABLE_ARTIFACT, TAG_WARNING};
use crate::error::{internal, of_tracking};

impl RunRecord {
    /// Stores how certain the coefficients are.
    pub(super) async fn store_inference(&self, inference: Option<&Inference>) -> Result<(), Failure> {
        let Some(inference) = inference else { return Ok(()) };
        let json = serde_json::to_vec_pretty(inference).map_err(internal)?;
        let files = [
            (INFERENCE_ARTIFACT, json),
            (INFERENCE_TABLE_ARTIFACT, inference.to_csv().into_bytes()),
        ];
        for (path, content) in files {
            let stored = self.artifacts().put(self.info(), path, content).await;
            stored.map_err(|e| of_tracking(&e))?;
        }
        Ok(())
    }
}

/// A tag for each warning, one that names them all, and one for each number that runs are compared by.
pub(super) fn care_tags(outcome: &Outcome<'_>) -> Vec<Tag> {
    let names: Vec<&str> = outcome
        .warnings
        .iter()
        .map(|warning| warning.kind.name())
        .collect();
    let warnings = outcome
        .warnings
        .iter()
        .map(|warning| Tag::new(format!("{TAG_WARNING}{}", warning.kind.name()), &warning.text));
    let all = (!names.is_empty()).then(|| Tag::new("rookery.warnings", names.join(", ")));
    let inference = outcome.inference.map(|inference| {
        let kind = serde_json::to_value(inference.standard_errors).unwrap_or_default();
        Tag::new("rookery.standard_errors", kind.as_str().unwrap_or("none"))
    });
    let condition = outcome.inference.and_then(|inference| inference.condition_number);
    let condition = condition.map(|number| Tag::new("rookery.condition_number", format!("{number:.3e}")));
    warnings.chain(all).chain(inference).chain(condition).collect()
}
