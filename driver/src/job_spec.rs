//! [`JobSpec`]: a job file as the user wrote it, and [`ValidJobSpec`], what is left to do once names and numbers
//! are known to be right.

use std::time::Duration;

use rookery_data::spec::{DataSpec, SplitSpec};
use rookery_ml::{
    ClassWeight, Defaults, EarlyStoppingParams, FamilyParam, InvalidValue, InvalidValues,
    LogisticRegressionParams, Metric, PipelineSpec, Precision, Solver, StageSpec,
    ValidLogisticRegressionParams,
};
use rookery_proto::{ErrorClass, Failure};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::of_ml;

mod care;

pub use care::{EarlyStoppingSection, InferenceOptions, InferenceSection, WatchedPart};

/// A job file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// Name and experiment.
    pub job: JobSection,
    /// Sources and cleaning.
    pub data: DataSpec,
    /// How rows are shared out over training and test.
    pub split: SplitSpec,
    /// Feature stages, in their order.
    #[serde(default)]
    pub stages: Vec<StageSpec>,
    /// What is trained.
    pub training: TrainingSection,
    /// One run for each entry; without any, one run with the shared parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<RunSection>,
    /// How the test part is judged.
    #[serde(default)]
    pub evaluation: EvaluationSection,
    /// What serving does with values that the model can't use, and with columns that are left out.
    #[serde(default)]
    pub serving: ServingSection,
    /// Where the runs are recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<TrackingSection>,
}

/// `[job]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSection {
    /// What people call the job.
    pub name: String,
    /// Experiment its runs belong to; the job's name without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<String>,
    /// How long the job may take, such as `2h`: see [`TrainingSection::deadline`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
}

/// `[serving]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServingSection {
    /// For nulls.
    pub null: InvalidValue,
    /// For categories that training has not seen.
    pub unseen: InvalidValue,
    /// For input columns that a request leaves out.
    #[serde(skip_serializing_if = "Defaults::is_empty")]
    pub defaults: Defaults,
}

/// `[training]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSection {
    /// Column of the label.
    pub label: String,
    /// Vector column of the features.
    pub features: String,
    /// Column of instance weights; every row weighs 1 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// Parameters that all runs share (Spark's `LogisticRegression`).
    #[serde(default)]
    pub logistic_regression: LogisticRegressionParams,
    /// Whether each run tells the standard errors of its coefficients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference: Option<InferenceSection>,
    /// Whether trainings end when the validation part gets no better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStoppingSection>,
    /// How long each run may train, such as `10m`; one that takes longer stops after its round, with the model it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
}

/// `[[runs]]`: a name, and the parameters in which a run differs from the shared ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(
    missing_docs,
    reason = "the fields are those of LogisticRegressionParams, which explains them"
)]
pub struct RunSection {
    /// Name of the run; generated without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_iter: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reg_param: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elastic_net_param: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tol: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit_intercept: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standardization: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<FamilyParam>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub solver: Option<Solver>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weight: Option<ClassWeight>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
}

impl RunSection {
    fn over(&self, shared: &LogisticRegressionParams) -> LogisticRegressionParams {
        LogisticRegressionParams {
            max_iter: self.max_iter.unwrap_or(shared.max_iter),
            reg_param: self.reg_param.unwrap_or(shared.reg_param),
            elastic_net_param: self.elastic_net_param.unwrap_or(shared.elastic_net_param),
            tol: self.tol.unwrap_or(shared.tol),
            fit_intercept: self.fit_intercept.unwrap_or(shared.fit_intercept),
            standardization: self.standardization.unwrap_or(shared.standardization),
            family: self.family.unwrap_or(shared.family),
            threshold: self.threshold.or(shared.threshold),
            thresholds: self.thresholds.clone().or_else(|| shared.thresholds.clone()),
            solver: self.solver.unwrap_or(shared.solver),
            class_weight: self.class_weight.clone().or_else(|| shared.class_weight.clone()),
            precision: self.precision.unwrap_or(shared.precision),
        }
    }
}

/// `[evaluation]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationSection {
    /// Metrics by Spark's names, in the order in which they are reported.
    pub metrics: Vec<String>,
}

impl Default for EvaluationSection {
    fn default() -> Self {
        let metrics = ["accuracy", "weightedRecall", "weightedPrecision", "f1"];
        Self {
            metrics: metrics.map(String::from).to_vec(),
        }
    }
}

/// `[tracking]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackingSection {
    /// An MLflow server, instead of the driver's own records.
    pub uri: String,
}

/// A job whose parts are checked one by one; whether the columns exist is known once the sources are open.
#[derive(Debug, Clone)]
pub struct ValidJobSpec {
    /// Name of the job.
    pub name: String,
    /// Experiment of its runs.
    pub experiment: String,
    /// Sources and cleaning.
    pub data: DataSpec,
    /// How rows are shared out.
    pub split: SplitSpec,
    /// Feature stages.
    pub pipeline: PipelineSpec,
    /// Label, features and weight columns.
    pub label: String,
    /// Vector column of the features.
    pub features: String,
    /// Column of instance weights.
    pub weight: Option<String>,
    /// The runs, at least one.
    pub runs: Vec<ValidRun>,
    /// Metrics to report.
    pub metrics: Vec<Metric>,
    /// What serving does with values that the model can't use.
    pub serving: InvalidValues,
    /// What stands in for input columns that a request leaves out.
    pub defaults: Defaults,
    /// Where the runs are recorded; where the driver records without it.
    pub tracking_uri: Option<Url>,
    /// Part of the intervals of coefficients that cover the truth; `None` without standard errors.
    pub inference: Option<f64>,
    /// When trainings stop early.
    pub early_stopping: Option<EarlyStoppingParams>,
    /// How long a run may train.
    pub training_deadline: Option<Duration>,
    /// How long the job may take.
    pub job_deadline: Option<Duration>,
}

/// One run of a job.
#[derive(Debug, Clone)]
pub struct ValidRun {
    /// Its name, if the user gave one.
    pub name: Option<String>,
    /// Its parameters, for the record.
    pub params: LogisticRegressionParams,
    /// The same, checked.
    pub valid: ValidLogisticRegressionParams,
}

impl JobSpec {
    /// Checks numbers and names that need no data.
    ///
    /// # Errors
    /// A failure of class config, its location the key in the job file (`runs[1].reg_param`).
    pub fn check(self) -> Result<ValidJobSpec, Failure> {
        let sections = match self.runs.is_empty() {
            true => vec![RunSection::default()],
            false => self.runs,
        };
        let shared = &self.training.logistic_regression;
        let runs = sections
            .into_iter()
            .enumerate()
            .map(|(i, section)| check_run(section, shared, i))
            .collect::<Result<_, _>>()?;
        if self.job.name.trim().is_empty() {
            return Err(Failure::new(ErrorClass::Config, "the job has no name").at("job.name"));
        }
        let training = &self.training;
        let early_stopping = training.early_stopping.as_ref();
        let length = |text: &Option<String>, key| {
            let text = text.as_deref();
            text.map(|text| care::duration(text, key)).transpose()
        };
        Ok(ValidJobSpec {
            inference: match &training.inference {
                Some(section) => section.check()?,
                None => None,
            },
            early_stopping: early_stopping
                .map(|section| section.check(&self.split.weights))
                .transpose()?,
            training_deadline: length(&training.deadline, "training.deadline")?,
            job_deadline: length(&self.job.deadline, "job.deadline")?,
            experiment: self.job.experiment.unwrap_or_else(|| self.job.name.clone()),
            name: self.job.name,
            data: self.data,
            split: self.split,
            pipeline: PipelineSpec { stages: self.stages },
            label: self.training.label,
            features: self.training.features,
            weight: self.training.weight,
            runs,
            metrics: check_metrics(&self.evaluation.metrics)?,
            serving: InvalidValues {
                null: self.serving.null,
                unseen: self.serving.unseen,
            },
            defaults: self.serving.defaults,
            tracking_uri: self
                .tracking
                .map(|tracking| tracking_uri(&tracking.uri))
                .transpose()?,
        })
    }
}

fn check_run(section: RunSection, shared: &LogisticRegressionParams, i: usize) -> Result<ValidRun, Failure> {
    let params = section.over(shared);
    let valid = params
        .clone()
        .check()
        .map_err(|e| of_ml(&e).at(format!("runs[{i}]")))?;
    Ok(ValidRun {
        name: section.name,
        params,
        valid,
    })
}

fn check_metrics(names: &[String]) -> Result<Vec<Metric>, Failure> {
    if names.is_empty() {
        return Err(
            Failure::new(ErrorClass::Config, "no metric is named, expected at least one")
                .at("evaluation.metrics"),
        );
    }
    names
        .iter()
        .map(|name| {
            name.parse()
                .map_err(|e: rookery_ml::MlError| of_ml(&e).at("evaluation.metrics"))
        })
        .collect()
}

/// The address of an MLflow server. Job files are kept with every run, so a password must not be in it.
///
/// # Errors
/// Class config; the location is the key of the job file.
pub fn tracking_uri(text: &str) -> Result<Url, Failure> {
    let wrong = |what: String| Failure::new(ErrorClass::Config, what).at("tracking.uri");
    let url = Url::parse(text).map_err(|e| {
        wrong(format!("\"{text}\" is no URL: {e}")).hint("for example http://mlflow.example.org:5000")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("the address holds a user or password, which every run's record would show".into())
            .hint("set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, for the driver, and name the server in ROOKERY_TRACKING_TOKEN_FOR"));
    }
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong(format!(
            "\"{text}\" is not the address of a server, expected http:// or https://"
        )));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_go_to_servers_only_and_passwords_elsewhere() {
        assert!(tracking_uri("https://mlflow.example.org/prefix").is_ok());
        for text in [
            "mlflow.example.org:5000",
            "sqlite:///mlflow.db",
            "databricks",
            "ftp://ada:pw@example.org",
        ] {
            let failure = tracking_uri(text).unwrap_err();
            assert_eq!(failure.location.as_deref(), Some("tracking.uri"), "{text}");
            assert!(!failure.message.contains("pw"), "{failure}");
        }
    }
}
