//! Spark's directory becomes a model again. Only what was written here is read: dense vectors, these stages.

use std::collections::BTreeMap;

use rookery_ml::{
    Attributes, Defaults, Family, FittedPipeline, FittedStage, Frame, InvalidValues, LogisticRegressionModel,
    Model, Predictions,
};

use super::json::Metadata;
use super::read_stage::read_stage;
use super::table::Row;
use super::{class, stage_folder};
use crate::{Format, FormatError, ModelFile};

const MAX_STAGES: usize = 100_000;

/// A model, read from Spark's directory.
#[derive(Debug)]
pub(crate) struct SparkModel {
    model: Model,
}

impl SparkModel {
    /// Reads the files of a directory, whose paths are relative to it.
    pub(crate) fn read(files: &[ModelFile]) -> Result<Self, FormatError> {
        let files = Files(
            files
                .iter()
                .map(|f| (f.path.as_str(), f.content.as_slice()))
                .collect(),
        );
        let pipeline = files.metadata("")?;
        let uids: Vec<String> = pipeline.get("stageUids")?;
        if pipeline.class != class::PIPELINE || uids.len() > MAX_STAGES {
            return Err(Format::Spark.invalid("it is no PipelineModel, or too large"));
        }
        let folder = |(position, uid): (usize, &String)| stage_folder(position, uids.len(), uid);
        let folders: Vec<String> = uids.iter().enumerate().map(folder).collect();
        let Some((classifier, folders)) = folders.split_last() else {
            return Err(Format::Spark.invalid("the pipeline has no stages"));
        };
        let (mut stages, mut known) = (Vec::new(), Attributes::default());
        for folder in folders {
            let stage = files.stage(folder, &known)?;
            known.add(&stage);
            stages.push(stage);
        }
        let (classifier, features, label) = files.classifier(classifier)?;
        let model = Model {
            inputs: Vec::new(),
            pipeline: FittedPipeline { stages },
            features,
            label,
            classifier,
            invalid_values: InvalidValues::default(),
            defaults: Defaults::new(),
            profile: None,
        };
        Ok(Self { model })
    }

    /// Scores rows.
    pub(crate) fn predict(&self, frame: &Frame) -> Result<Predictions, FormatError> {
        let scored = self.model.predict(frame.clone());
        scored.map_err(|error| Format::Spark.refused(error))
    }
}

struct Files<'a>(BTreeMap<&'a str, &'a [u8]>);

impl Files<'_> {
    fn get(&self, path: &str) -> Result<&[u8], FormatError> {
        let found = self.0.get(path).copied();
        found.ok_or_else(|| Format::Spark.invalid(format!("{path} is missing")))
    }

    /// The metadata of the stage in `folder`, or with `""` of the pipeline.
    fn metadata(&self, folder: &str) -> Result<Metadata, FormatError> {
        let slash = if folder.is_empty() { "" } else { "/" };
        Metadata::read(self.get(&format!("{folder}{slash}metadata/part-00000"))?)
    }

    fn data(&self, folder: &str) -> Result<Row, FormatError> {
        Row::read(self.get(&format!("{folder}/data/part-00000.parquet"))?)
    }

    /// A stage; `known` is what the stages before it make known of their columns.
    fn stage(&self, folder: &str, known: &Attributes) -> Result<FittedStage, FormatError> {
        let metadata = self.metadata(folder)?;
        read_stage(&metadata, || self.data(folder), known)
    }

    /// The classifier and the columns of its features and its label.
    fn classifier(&self, folder: &str) -> Result<(LogisticRegressionModel, String, String), FormatError> {
        let metadata = self.metadata(folder)?;
        if metadata.class != class::LOGISTIC_REGRESSION {
            let what = format!("the last stage is of class {}", metadata.class);
            return Err(Format::Spark.invalid(what));
        }
        let data = self.data(folder)?;
        let family = match data.boolean("isMultinomial")? {
            true => Family::Multinomial,
            false => Family::Binomial,
        };
        let (coefficient_matrix, rows, columns) = data.matrix("coefficientMatrix")?;
        let num_features = data.int("numFeatures")?;
        let intercepts = data.vector("interceptVector")?;
        if columns != num_features || rows != intercepts.len() {
            return Err(Format::Spark.invalid("the sizes of the coefficients don't agree"));
        }
        let classifier = LogisticRegressionModel {
            family,
            num_classes: data.int("numClasses")?,
            num_features,
            coefficient_matrix,
            intercepts,
            threshold: match family {
                Family::Binomial => metadata.find("threshold")?,
                Family::Multinomial => None,
            },
            thresholds: match family {
                Family::Binomial => None,
                Family::Multinomial => metadata.find("thresholds")?,
            },
        };
        classifier.check_shape()?;
        Ok((
            classifier,
            metadata.get("featuresCol")?,
            metadata.get("labelCol")?,
        ))
    }
}
