//! [`Recorder`]: one run's record, from its start to its end. Whatever happens to the run, the record ends with a
//! status and, if that is not FINISHED, with a reason.

use rookery_ml::{Fit, LogisticRegressionParams, Metric, Model};
use rookery_proto::Failure;
use rookery_tracking::validate::{MAX_METRICS_PER_BATCH, MAX_PARAMS_PER_BATCH};
use rookery_tracking::{CreateRun, LogBatch, Param, Run, RunStatus, Tag, UpdateRun, entities};

use crate::config::Records;
use crate::error::{internal, of_ml, of_tracking};
use crate::events::now_ms;

/// Where in a run's artifacts the model lies.
pub const MODEL_ARTIFACT: &str = "model/model.json";
/// Where in a run's artifacts the job file lies.
pub const JOB_ARTIFACT: &str = "job.toml";
/// Name of the metric whose history is the loss curve: the objective at each iteration.
pub const LOSS_METRIC: &str = "loss";

/// Writes one run.
#[derive(Debug)]
pub(crate) struct Recorder {
    records: Records,
    run: Run,
}

/// What a run is started with.
#[derive(Debug)]
pub(crate) struct RunStart<'a> {
    pub(crate) experiment: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) user: &'a str,
    pub(crate) owner: &'a str,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) job_toml: &'a str,
}

/// What a finished run is judged by.
#[derive(Debug)]
pub(crate) struct Outcome<'a> {
    pub(crate) fit: &'a Fit,
    pub(crate) model: &'a Model,
    pub(crate) metrics: &'a [(Metric, f64)],
    pub(crate) coefficients_sha256: &'a str,
}

impl Recorder {
    /// Creates the run, with params, tags and the job file.
    pub(crate) async fn start(records: &Records, start: RunStart<'_>) -> Result<Self, Failure> {
        let store = &records.store;
        let experiment = store
            .get_or_create_experiment(start.experiment)
            .await
            .map_err(|e| of_tracking(&e))?;
        let tags = start
            .tags
            .into_iter()
            .map(|(key, value)| Tag::new(key, value))
            .collect();
        let run = store
            .create_run(CreateRun {
                experiment_id: experiment.experiment_id,
                run_name: start.name.map(str::to_string),
                user_id: start.user.to_string(),
                start_time_ms: now_ms(),
                owner: Some(start.owner.to_string()),
                parent_run_id: None,
                tags,
            })
            .await
            .map_err(|e| of_tracking(&e))?;
        let recorder = Self {
            records: records.clone(),
            run,
        };
        let begun = async {
            let params: Vec<Param> = start
                .params
                .into_iter()
                .map(|(key, value)| Param::new(key, value))
                .collect();
            for params in params.chunks(MAX_PARAMS_PER_BATCH) {
                recorder
                    .log(LogBatch {
                        params: params.to_vec(),
                        ..LogBatch::default()
                    })
                    .await?;
            }
            recorder
                .put(JOB_ARTIFACT, start.job_toml.as_bytes().to_vec())
                .await
        };
        match begun.await {
            Ok(()) => Ok(recorder),
            Err(failure) => {
                recorder.fail(&failure).await;
                Err(failure)
            }
        }
    }

    pub(crate) fn run_id(&self) -> &str {
        &self.run.info.run_id
    }

    pub(crate) fn run_name(&self) -> &str {
        &self.run.info.run_name
    }

    /// Records metrics, loss curve, model and why the optimiser stopped; then the run is FINISHED.
    pub(crate) async fn finish(&self, outcome: Outcome<'_>) -> Result<(), Failure> {
        let Outcome {
            fit,
            model,
            metrics,
            coefficients_sha256,
        } = outcome;
        let now = now_ms();
        let point = |key: &str, value: f64, step: usize| rookery_tracking::Metric {
            key: key.to_string(),
            value,
            timestamp_ms: now,
            step: step as i64,
        };
        let curve = fit
            .objective_history
            .iter()
            .enumerate()
            .map(|(step, loss)| point(LOSS_METRIC, *loss, step));
        let scores = metrics
            .iter()
            .map(|(metric, value)| point(metric.name(), *value, 0));
        let norm = point("gradient_norm", fit.gradient_norm, fit.iterations);
        let points: Vec<_> = curve.chain(scores).chain([norm]).collect();
        for metrics in points.chunks(MAX_METRICS_PER_BATCH) {
            self.log(LogBatch {
                metrics: metrics.to_vec(),
                ..LogBatch::default()
            })
            .await?;
        }
        let tags = vec![
            Tag::new("rookery.stop_reason", fit.termination.name()),
            Tag::new("rookery.converged", fit.termination.converged()),
            Tag::new("rookery.iterations", fit.iterations),
            Tag::new("rookery.rounds", fit.evaluations),
            Tag::new("rookery.coefficients_sha256", coefficients_sha256),
        ];
        self.log(LogBatch {
            tags,
            ..LogBatch::default()
        })
        .await?;
        let json = model.to_json().map_err(|e| of_ml(&e))?;
        self.put(MODEL_ARTIFACT, json.into_bytes()).await?;
        self.end(RunStatus::Finished).await
    }

    /// Marks the run FAILED (KILLED when it was cancelled) and says why. A store that fails too is logged: the
    /// first failure is the one to report.
    pub(crate) async fn fail(&self, failure: &Failure) {
        let status = match failure.class {
            rookery_proto::ErrorClass::Cancelled => RunStatus::Killed,
            _ => RunStatus::Failed,
        };
        let reason = Tag::new(entities::TAG_END_REASON, failure);
        let told = self
            .records
            .store
            .set_tag(self.run_id(), reason)
            .await
            .map_err(|e| of_tracking(&e));
        for result in [told, self.end(status).await] {
            if let Err(error) = result {
                tracing::error!(run_id = self.run_id(), %error, "the run's end was not recorded");
            }
        }
    }

    async fn end(&self, status: RunStatus) -> Result<(), Failure> {
        let change = UpdateRun::end(status, now_ms());
        self.records
            .store
            .update_run(self.run_id(), change)
            .await
            .map(|_| ())
            .map_err(|e| of_tracking(&e))
    }

    async fn log(&self, batch: LogBatch) -> Result<(), Failure> {
        self.records
            .store
            .log_batch(self.run_id(), batch)
            .await
            .map_err(|e| of_tracking(&e))
    }

    async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), Failure> {
        let stored = self.records.artifacts.put(&self.run.info, path, bytes).await;
        stored.map(|_| ()).map_err(|e| of_tracking(&e))
    }
}

/// A run's parameters under Spark's names, as the lab logs them.
pub(crate) fn describe_params(params: &LogisticRegressionParams) -> Result<Vec<(String, String)>, Failure> {
    let value = serde_json::to_value(params).map_err(internal)?;
    let serde_json::Value::Object(fields) = value else {
        return Err(internal("params are no table"));
    };
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(fields
        .into_iter()
        .filter(|(_, v)| !v.is_null())
        .map(|(key, v)| (camel_case(&key), text(v)))
        .collect())
}

/// `reg_param` → `regParam`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_string();
    words.fold(first, |mut name, word| {
        let mut letters = word.chars();
        name.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        name.push_str(letters.as_str());
        name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn params_have_sparks_names() {
        let params = LogisticRegressionParams {
            max_iter: 5,
            reg_param: 0.5,
            ..Default::default()
        };
        let described = describe_params(&params).unwrap();
        for expected in [
            ("maxIter", "5"),
            ("regParam", "0.5"),
            ("tol", "1e-6"),
            ("fitIntercept", "true"),
            ("family", "auto"),
        ] {
            let found = described
                .iter()
                .find(|(key, _)| key == expected.0)
                .map(|(_, value)| value.as_str());
            assert_eq!(found, Some(expected.1), "{}", expected.0);
        }
        assert!(described.iter().all(|(key, _)| key != "thresholds"));
    }
}
