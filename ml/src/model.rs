//! The model as it is stored and served: which columns it reads, how they become features, and the classifier.
//!
//! The file is JSON, data only: reading one runs no code. Every `f64` survives it bit for bit.

use serde::{Deserialize, Serialize};

use crate::default_value::{Defaults, check_defaults};
use crate::error::MlError;
use crate::frame::{Column, ColumnData, ColumnKind, Frame};
use crate::logistic_regression::LogisticRegressionModel;
use crate::metrics::{MulticlassMetrics, RankedScore, Ranking};
use crate::pipeline::FittedPipeline;
use crate::profile::{InvalidValues, Profile};
use crate::row;

/// The `format` of a model file.
pub const MODEL_FORMAT: &str = "rookery.model";
/// The `version` of model files this crate writes. It reads those before, too: version 1 lacks the profile and what is
/// done with invalid values; version 2 lacks defaults of columns, and knows three kinds of stages: StringIndexer,
/// VectorAssembler and MinMaxScaler.
pub const MODEL_VERSION: u32 = 3;

/// A trained model with everything needed to predict from raw columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The columns a request must have. Never the label.
    pub inputs: Vec<InputColumn>,
    /// All stages of the training, those that make the label too.
    pub pipeline: FittedPipeline,
    /// The column holding the feature vector.
    pub features: String,
    /// The column that held the label in training.
    pub label: String,
    /// The classifier.
    pub classifier: LogisticRegressionModel,
    /// What serving does with nulls and unseen categories.
    pub invalid_values: InvalidValues,
    /// What stands in for input columns that a request leaves out.
    pub defaults: Defaults,
    /// What the inputs looked like in training, if that is known.
    pub profile: Option<Profile>,
}

/// A column a model reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputColumn {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
}

/// Predictions for the rows of a request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Predictions {
    /// Values per row in `raw` and `probability`: the number of classes, at least 2.
    pub classes: usize,
    /// Spark's `rawPrediction`, row by row.
    pub raw: Vec<f64>,
    /// The probability of each class, row by row.
    pub probability: Vec<f64>,
    /// The predicted class of each row.
    pub prediction: Vec<f64>,
    /// For each prediction the request's row it belongs to: all rows, but for those a stage with
    /// `handle_invalid = "skip"` dropped.
    pub rows: Vec<usize>,
}

/// The model file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    format: String,
    version: u32,
    inputs: Vec<InputColumn>,
    pipeline: FittedPipeline,
    features: String,
    label: String,
    classifier: LogisticRegressionModel,
    #[serde(default)]
    invalid_values: InvalidValues,
    #[serde(default, skip_serializing_if = "Defaults::is_empty")]
    defaults: Defaults,
    #[serde(default)]
    profile: Option<Profile>,
}

/// The part of a model file that says whether the rest can be read.
#[derive(Deserialize)]
struct Envelope {
    format: Option<String>,
    version: Option<u32>,
}

impl Model {
    /// Makes a model from a fitted pipeline and classifier. `columns` are the columns of the training rows before
    /// the first stage; those that `features` depends on become the model's inputs.
    ///
    /// # Errors
    /// [`MlError::UnknownColumn`] if `features` depends on a column that is not there, or on the label.
    pub fn new(
        columns: &[(String, ColumnKind)],
        pipeline: FittedPipeline,
        features: impl Into<String>,
        label: impl Into<String>,
        classifier: LogisticRegressionModel,
    ) -> Result<Self, MlError> {
        let (features, label) = (features.into(), label.into());
        let sources = pipeline.source_columns(&features);
        let is_input = |name: &String| sources.contains(name) && *name != label;
        let inputs: Vec<InputColumn> = columns
            .iter()
            .filter(|(name, _)| is_input(name))
            .map(|(name, kind)| InputColumn {
                name: name.clone(),
                kind: *kind,
            })
            .collect();
        if let Some(missing) = sources
            .iter()
            .find(|source| !inputs.iter().any(|input| input.name == **source))
        {
            let available = columns
                .iter()
                .map(|(name, _)| name.clone())
                .filter(|name| *name != label)
                .collect();
            return Err(MlError::UnknownColumn {
                column: missing.clone(),
                available,
            });
        }
        classifier.check_shape()?;
        Ok(Model {
            inputs,
            pipeline,
            features,
            label,
            classifier,
            invalid_values: InvalidValues::default(),
            defaults: Defaults::new(),
            profile: None,
        })
    }

    /// Returns the checksum of the classifier's coefficients; see
    /// [`LogisticRegressionModel::coefficients_sha256`].
    pub fn coefficients_sha256(&self) -> String {
        self.classifier.coefficients_sha256()
    }

    /// Returns the model as JSON.
    ///
    /// # Errors
    /// [`MlError::InvalidModel`] if it cannot be written, which does not happen for a model made by
    /// [`new`](Model::new).
    pub fn to_json(&self) -> Result<String, MlError> {
        let Model {
            inputs,
            pipeline,
            features,
            label,
            classifier,
            invalid_values,
            defaults,
            profile,
        } = self.clone();
        let (format, version) = (MODEL_FORMAT.to_owned(), MODEL_VERSION);
        let file = ModelFile {
            format,
            version,
            inputs,
            pipeline,
            features,
            label,
            classifier,
            invalid_values,
            defaults,
            profile,
        };
        serde_json::to_string_pretty(&file).map_err(|error| MlError::InvalidModel(error.to_string()))
    }

    /// Reads a model.
    ///
    /// # Errors
    /// [`MlError::InvalidModel`] if the text is no model, or one of another version; [`MlError::Shape`] if its
    /// sizes do not agree.
    pub fn from_json(json: &str) -> Result<Self, MlError> {
        let invalid = |error: serde_json::Error| MlError::InvalidModel(error.to_string());
        let Envelope { format, version } = serde_json::from_str(json).map_err(invalid)?;
        if format.as_deref() != Some(MODEL_FORMAT) {
            let found = format.unwrap_or_else(|| "none".to_owned());
            return Err(MlError::InvalidModel(format!(
                "expected format {MODEL_FORMAT}, found {found}"
            )));
        }
        if !version.is_some_and(|version| (1..=MODEL_VERSION).contains(&version)) {
            let found = version.map_or_else(|| "none".to_owned(), |version| version.to_string());
            let text =
                format!("version {found} cannot be read, this program reads versions 1 to {MODEL_VERSION}");
            return Err(MlError::InvalidModel(text));
        }
        let file: ModelFile = serde_json::from_str(json).map_err(invalid)?;
        let ModelFile {
            inputs,
            pipeline,
            features,
            label,
            classifier,
            invalid_values,
            defaults,
            profile,
            ..
        } = file;
        classifier.check_shape()?;
        let kinds: Vec<_> = inputs
            .iter()
            .map(|input| (input.name.clone(), input.kind))
            .collect();
        check_defaults(&defaults, &kinds)?;
        Ok(Model {
            inputs,
            pipeline,
            features,
            label,
            classifier,
            invalid_values,
            defaults,
            profile,
        })
    }

    /// Predicts the rows of `frame`, which needs the columns of `inputs`; others are ignored.
    ///
    /// # Errors
    /// Missing or unusable columns, and rows that a stage refuses.
    pub fn predict(&self, frame: Frame) -> Result<Predictions, MlError> {
        let frame = self.pipeline.needed_for(&self.features).transform(frame)?;
        self.predict_features(&frame)
    }

    /// Predicts the rows of `frame` and compares with the number column `label`, weighted by the number column
    /// `weight`. All stages run, so `label` may be the output of one.
    ///
    /// # Errors
    /// As [`predict`](Model::predict), and [`MlError::InvalidRow`] for a label or weight that cannot be used.
    pub fn evaluate(
        &self,
        frame: Frame,
        label: &str,
        weight: Option<&str>,
    ) -> Result<MulticlassMetrics, MlError> {
        self.judge(frame, label, weight, false)
    }

    /// As [`evaluate`](Model::evaluate), with the ranking of the rows by the margin of class 1 over the others: what the
    /// areas under curves follow from. It takes some 24 bytes for each distinct margin.
    ///
    /// # Errors
    /// As [`evaluate`](Model::evaluate).
    pub fn evaluate_ranked(
        &self,
        frame: Frame,
        label: &str,
        weight: Option<&str>,
    ) -> Result<MulticlassMetrics, MlError> {
        self.judge(frame, label, weight, true)
    }

    fn judge(
        &self,
        frame: Frame,
        label: &str,
        weight: Option<&str>,
        with_ranking: bool,
    ) -> Result<MulticlassMetrics, MlError> {
        let frame = self.pipeline.transform(frame)?;
        let labels = frame.column(label)?;
        row::require_numeric(label, labels)?;
        let weights = weight.map(|weight| frame.column(weight)).transpose()?;
        if let (Some(weight), Some(column)) = (weight, weights) {
            row::require_numeric(weight, column)?;
        }
        let scores = self.predict_features(&frame)?;
        let mut metrics = MulticlassMetrics::default();
        let mut ranked = Vec::new();
        let probabilities = scores.probability.chunks_exact(scores.classes);
        for (row, (prediction, probability)) in scores.prediction.iter().zip(probabilities).enumerate() {
            let invalid = |problem| MlError::InvalidRow {
                row: frame.origin(row) as u64,
                problem,
            };
            let label = row::label_at(labels, row).map_err(invalid)?;
            let weight = weights
                .map_or(Ok(1.0), |column| row::weight_at(column, row))
                .map_err(invalid)?;
            metrics.add(label, *prediction, probability, weight);
            if with_ranking {
                let (positive, negative) = if label > 0.5 { (weight, 0.0) } else { (0.0, weight) };
                ranked.push(RankedScore {
                    score: scores.raw[row * scores.classes + 1],
                    positive,
                    negative,
                });
            }
        }
        metrics.ranking = Ranking::new(ranked);
        Ok(metrics)
    }

    fn predict_features(&self, frame: &Frame) -> Result<Predictions, MlError> {
        let column = frame.column(&self.features)?;
        if let Some(row) = null_row(column, frame.rows()) {
            let problem = row::RowProblem::NullVector;
            return Err(MlError::InvalidRow {
                row: frame.origin(row) as u64,
                problem,
            });
        }
        let scores = match &column.data {
            ColumnData::Vector { width, values } => self.classifier.score(*width, values)?,
            ColumnData::Sparse(vectors) => self.classifier.score_sparse(vectors)?,
            _ => {
                return Err(MlError::WrongKind {
                    column: self.features.clone(),
                    expected: ColumnKind::Vector.to_string(),
                    actual: column.kind(),
                });
            }
        };
        Ok(Predictions {
            classes: scores.classes,
            raw: scores.raw,
            probability: scores.probability,
            prediction: scores.prediction,
            rows: (0..frame.rows()).map(|row| frame.origin(row)).collect(),
        })
    }
}

fn null_row(column: &Column, rows: usize) -> Option<usize> {
    (0..rows).find(|row| column.is_null(*row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logistic_regression::Family;
    use crate::metrics::Metric;
    use crate::stages::{FittedStage, FittedStringIndexer, HandleInvalid, StringIndexer, VectorAssembler};

    fn indexer(input: &str, output: &str, labels: &[&str], handle_invalid: HandleInvalid) -> FittedStage {
        let params = StringIndexer {
            input: Some(input.into()),
            output: Some(output.into()),
            handle_invalid,
            ..StringIndexer::default()
        };
        let labels = vec![labels.iter().map(|label| (*label).to_owned()).collect()];
        FittedStage::StringIndexer(FittedStringIndexer { params, labels })
    }

    /// Predicts class 1 of `species` for positive `mass`; the text columns are `island` and `species`.
    fn model() -> Model {
        let assembler = VectorAssembler {
            inputs: vec!["island_index".into(), "mass".into()],
            output: "features".into(),
            handle_invalid: HandleInvalid::Error,
        };
        let pipeline = FittedPipeline {
            stages: vec![
                indexer("island", "island_index", &["a", "b"], HandleInvalid::Skip),
                FittedStage::VectorAssembler(assembler),
                indexer("species", "label", &["x", "y"], HandleInvalid::Error),
            ],
        };
        let classifier = LogisticRegressionModel {
            family: Family::Binomial,
            num_classes: 2,
            num_features: 2,
            coefficient_matrix: vec![0.0, 1.0],
            intercepts: vec![f64::NEG_INFINITY.max(-0.25)],
            threshold: Some(0.5),
            thresholds: None,
        };
        let columns = [
            ("species", ColumnKind::Text),
            ("mass", ColumnKind::Double),
            ("island", ColumnKind::Text),
        ];
        let columns = columns.map(|(name, kind)| (name.to_owned(), kind));
        Model::new(&columns, pipeline, "features", "label", classifier).expect("all columns are there")
    }

    fn request() -> Frame {
        let islands = ["a", "nowhere", "b"].map(str::to_owned).to_vec();
        Frame::new(3)
            .with_column("island", Column::new(ColumnData::Text(islands)))
            .and_then(|frame| {
                frame.with_column("mass", Column::new(ColumnData::Double(vec![-1.0, 9.0, 1.0])))
            })
            .expect("columns fit")
    }

    #[test]
    fn a_request_needs_the_feature_columns_only() {
        let model = model();
        let inputs: Vec<&str> = model.inputs.iter().map(|input| input.name.as_str()).collect();
        assert_eq!(inputs, ["mass", "island"]);
        let predictions = model.predict(request()).expect("no label is needed");
        assert_eq!(predictions.prediction, [0.0, 1.0]);
        assert_eq!(
            predictions.rows,
            [0, 2],
            "row 1 was dropped by the skipping indexer"
        );
        assert_eq!(predictions.raw, [1.25, -1.25, -0.75, 0.75]);

        let error = model.predict(Frame::new(1)).expect_err("no columns").to_string();
        assert_eq!(
            error,
            "stage 0 (StringIndexer): unknown column island; available columns: "
        );
    }

    #[test]
    fn evaluation_may_use_a_label_that_a_stage_makes() {
        let species = ["y", "y", "y"].map(str::to_owned).to_vec();
        let frame = request()
            .with_column("species", Column::new(ColumnData::Text(species)))
            .expect("fits");
        let metrics = model().evaluate(frame, "label", None).expect("labels are fine");
        assert_eq!(metrics.rows, 2);
        assert_eq!(metrics.evaluate(Metric::Accuracy), Ok(0.5));
    }

    #[test]
    fn json_keeps_every_bit_and_infinite_intercepts() {
        let mut model = model();
        model.classifier.intercepts = vec![f64::NEG_INFINITY];
        model.classifier.coefficient_matrix = vec![-0.0, 0.1 + 0.2];
        let json = model.to_json().expect("writable");
        let back = Model::from_json(&json).expect("readable");
        assert_eq!(back, model);
        assert_eq!(
            back.classifier.coefficients_sha256(),
            model.classifier.coefficients_sha256()
        );
        assert!(json.contains("\"-Infinity\""), "{json}");
    }

    #[test]
    fn other_versions_and_broken_models_are_refused() {
        let json = model().to_json().expect("writable");
        let error = |json: &str| Model::from_json(json).expect_err("not a model").to_string();
        let newer = json.replacen("\"version\": 3", "\"version\": 4", 1);
        assert_eq!(
            error(&newer),
            "model: version 4 cannot be read, this program reads versions 1 to 3"
        );
        assert_eq!(error("{}"), "model: expected format rookery.model, found none");
        let wrong = json.replacen("\"num_features\": 2", "\"num_features\": 3", 1);
        assert_eq!(error(&wrong), "coefficients: expected 3, got 2");
        assert!(error("[").starts_with("model: "));
    }
}
