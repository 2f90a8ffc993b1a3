//! A run whose training is done: its model is scored on the test part, written in every format, and recorded.

use std::time::Instant;

use rookery_formats::ModelDirectory;
use rookery_ml::{LogisticRegressionModel, Metric, Model, MulticlassMetrics, Warning};
use rookery_proto::Failure;
use rookery_proto::v1::Phase;
use tracing::Instrument as _;

use super::runs::{OpenRun, Trained};
use super::{Job, Prepared, care};
use crate::error::{internal, of_ml};
use crate::events::now_ms;
use crate::recording::Outcome;
use crate::rounds;
use crate::worker_channel::Judging;

/// Position of the part that judges the models.
const TEST_PART: u32 = 1;

impl Job {
    /// Evaluates and records; returns the metrics.
    pub(super) async fn judge(
        &self,
        prepared: &Prepared,
        open: &OpenRun<'_>,
        trained: Trained,
    ) -> Result<Vec<(Metric, f64)>, Failure> {
        let started = Instant::now();
        let OpenRun { run, recorder, .. } = open;
        let Trained {
            training,
            summary,
            inference,
            took,
        } = trained;
        let fit = training.into_fit().map_err(|e| of_ml(&e))?;
        let of_inference = inference.iter().flat_map(Warning::of_inference);
        let of_fit = of_inference.chain(Warning::of_fit(&fit, &run.params, &summary));
        let warnings = care::distinct(prepared.warnings().into_iter().chain(of_fit));

        let phase = self.phase_of(
            recorder,
            Phase::Evaluate,
            &format!("{} rows", prepared.dataset.part_rows[1]),
        );
        let classifier = LogisticRegressionModel::new(&fit, &run.valid).map_err(|e| of_ml(&e))?;
        let mut model = Model::new(
            &prepared.columns,
            prepared.pipeline.clone(),
            &self.spec.features,
            &self.spec.label,
            classifier,
        )
        .map_err(|e| of_ml(&e))?;
        let judged = async {
            let (metrics, tested) = self.evaluate(prepared, &model).await?;
            let classes = model.classifier.num_classes;
            let profile = prepared.profile.clone();
            model.profile = profile.map(|profile| profile.with_predictions(classes, &tested));
            model.invalid_values = self.spec.serving;
            model.defaults.clone_from(&self.spec.defaults);
            // What is written holds all of it.
            Ok::<_, Failure>((metrics, self.write(prepared, &model).await?))
        };
        let (metrics, directory) = judged.instrument(phase).await?;

        let phase = self.phase_of(recorder, Phase::Record, recorder.run_name());
        let coefficients_sha256 = model.classifier.coefficients_sha256();
        let outcome = Outcome {
            fit: &fit,
            directory: &directory,
            metrics: &metrics,
            coefficients_sha256: &coefficients_sha256,
            took: took + started.elapsed(),
            cores: prepared.cores,
            inference: inference.as_ref(),
            warnings: &warnings,
        };
        recorder.finish(&outcome).instrument(phase).await?;
        self.tell_finished(recorder, open.index, &outcome);
        Ok(metrics)
    }

    /// Scores the test part; without test rows there are no metrics.
    async fn evaluate(
        &self,
        prepared: &Prepared,
        model: &Model,
    ) -> Result<(Vec<(Metric, f64)>, MulticlassMetrics), Failure> {
        if prepared.dataset.part_rows[1] == 0 {
            self.warn("the test part is empty: no metrics".to_string());
            return Ok((Vec::new(), MulticlassMetrics::default()));
        }
        let judging = Judging {
            part: TEST_PART,
            weight: self.spec.weight.as_deref(),
            with_ranking: care::needs_ranking(&self.spec.metrics),
        };
        let sums = rounds::score(&prepared.placement, &self.id, model, &judging).await?;
        let metric = |metric: &Metric| Ok((*metric, sums.evaluate(*metric).map_err(|e| of_ml(&e))?));
        let metrics: Result<_, Failure> = self.spec.metrics.iter().map(metric).collect();
        Ok((metrics?, sums))
    }

    /// Writes the model in all formats, and has the workers compare what was written with the model.
    async fn write(&self, prepared: &Prepared, model: &Model) -> Result<ModelDirectory, Failure> {
        let mut directory = ModelDirectory::new(model, now_ms()).map_err(internal)?;
        for why in directory.not_written().values() {
            self.warn(why.clone());
        }
        let parity =
            rounds::compare_formats(&prepared.placement, &self.id, model, directory.written()).await?;
        directory.report(parity);
        Ok(directory)
    }
}
