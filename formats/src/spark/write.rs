//! A model becomes Spark's directory.

use rookery_ml::{ColumnKind, Family, FittedStage, LogisticRegressionModel, Model};
use serde_json::{Value, json};

use super::json::Metadata;
use super::table::{self, Cell};
use super::write_stage::{Written, written};
use super::{class, stage_folder};
use crate::plan::Plan;
use crate::{Format, FormatError, ModelFile};

/// Columns that the classifier adds.
const ADDED: [(&str, &str); 3] = [
    ("predictionCol", "prediction"),
    ("probabilityCol", "probability"),
    ("rawPredictionCol", "rawPrediction"),
];

/// Returns the files of the directory, relative to it. `created_ms` is written into it, in milliseconds since the Unix
/// epoch.
pub(crate) fn write(model: &Model, created_ms: i64) -> Result<Vec<ModelFile>, FormatError> {
    let plan = Plan::new(model, Format::Spark)?;
    check_booleans(&plan)?;
    let directory = Directory {
        created_ms,
        // Uids tell instances apart; here they follow from the model, so that its files do.
        id: model.coefficients_sha256()[..12].to_owned(),
        count: plan.stages.len() + 1,
    };
    let (mut files, mut uids) = (Vec::new(), Vec::new());
    for (position, stage) in plan.stages.iter().enumerate() {
        uids.push(directory.stage(stage, position, &mut files)?);
    }
    uids.push(directory.classifier(&plan, &mut files)?);
    let uid = format!("PipelineModel_{}", directory.id);
    let pipeline = Metadata::new(
        class::PIPELINE,
        created_ms,
        &uid,
        json!({ "stageUids": uids }),
        json!({}),
    );
    files.push(pipeline.file("")?);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Spark assembles truth values, but does not index them.
fn check_booleans(plan: &Plan<'_>) -> Result<(), FormatError> {
    let is_boolean = |name: &str| {
        let mut inputs = plan.model.inputs.iter();
        inputs.any(|input| input.name == name && input.kind == ColumnKind::Boolean)
    };
    for stage in &plan.stages {
        if let FittedStage::StringIndexer(stage) = stage
            && let Some((input, ..)) = stage.columns().find(|(input, ..)| is_boolean(input))
        {
            let what = format!("a StringIndexer over the boolean column {input}");
            return Err(Format::Spark.unsupported(what));
        }
    }
    Ok(())
}

struct Directory {
    created_ms: i64,
    id: String,
    count: usize,
}

impl Directory {
    fn uid(&self, estimator: &str, position: usize) -> String {
        format!("{estimator}_{}{position:02}", &self.id[..10])
    }

    fn stage(
        &self,
        stage: &FittedStage,
        position: usize,
        files: &mut Vec<ModelFile>,
    ) -> Result<String, FormatError> {
        let uid = self.uid(stage.spec().type_name(), position);
        let folder = stage_folder(position, self.count, &uid);
        let Written {
            class,
            params,
            defaults,
            data,
        } = written(stage, &uid)?;
        let metadata = Metadata::new(class, self.created_ms, &uid, params, defaults);
        files.push(metadata.file(&format!("{folder}/"))?);
        files.extend(data.map(|content| data_file(&folder, content)));
        Ok(uid)
    }

    fn classifier(&self, plan: &Plan<'_>, files: &mut Vec<ModelFile>) -> Result<String, FormatError> {
        let (model, classifier) = (plan.model, &plan.model.classifier);
        let position = self.count - 1;
        let uid = self.uid("LogisticRegression", position);
        let folder = stage_folder(position, self.count, &uid);
        let mut params = json!({
            "featuresCol": model.features,
            "labelCol": model.label,
            "family": family(classifier.family),
        });
        if let (Family::Binomial, Some(threshold)) = (classifier.family, classifier.threshold) {
            params["threshold"] = json!(threshold);
        }
        if let (Family::Multinomial, Some(thresholds)) = (classifier.family, &classifier.thresholds) {
            params["thresholds"] = json!(thresholds);
        }
        for (param, name) in ADDED {
            let free = free_name(plan, name);
            if free != name {
                params[param] = json!(free);
            }
        }
        let metadata = Metadata::new(
            class::LOGISTIC_REGRESSION,
            self.created_ms,
            &uid,
            params,
            classifier_defaults(),
        );
        files.push(metadata.file(&format!("{folder}/"))?);
        files.push(data_file(&folder, classifier_data(classifier)?));
        Ok(uid)
    }
}

fn data_file(folder: &str, content: Vec<u8>) -> ModelFile {
    ModelFile {
        path: format!("{folder}/data/part-00000.parquet"),
        content,
    }
}

fn classifier_data(classifier: &LogisticRegressionModel) -> Result<Vec<u8>, FormatError> {
    let matrix = Cell::Matrix(&classifier.coefficient_matrix, classifier.num_features);
    table::write(&[
        ("numClasses", Cell::Int(classifier.num_classes)),
        ("numFeatures", Cell::Int(classifier.num_features)),
        ("interceptVector", Cell::Vector(&classifier.intercepts)),
        ("coefficientMatrix", matrix),
        (
            "isMultinomial",
            Cell::Boolean(classifier.family == Family::Multinomial),
        ),
    ])
}

fn classifier_defaults() -> Value {
    json!({
        "aggregationDepth": 2, "elasticNetParam": 0.0, "family": "auto", "featuresCol": "features",
        "fitIntercept": true, "labelCol": "label", "maxBlockSizeInMB": 0.0, "maxIter": 100,
        "predictionCol": "prediction", "probabilityCol": "probability", "rawPredictionCol": "rawPrediction",
        "regParam": 0.0, "standardization": true, "threshold": 0.5, "tol": 1e-6,
    })
}

fn family(family: Family) -> &'static str {
    match family {
        Family::Binomial => "binomial",
        Family::Multinomial => "multinomial",
    }
}

/// The name for a column that the classifier adds: Spark refuses one that is there already.
fn free_name(plan: &Plan<'_>, wanted: &str) -> String {
    let is_taken = |name: &str| {
        let mut inputs = plan.model.inputs.iter();
        let mut stages = plan.stages.iter();
        inputs.any(|input| input.name == name) || stages.any(|stage| stage.spec().outputs().contains(&name))
    };
    let mut name = wanted.to_owned();
    while is_taken(&name) {
        name.push('_');
    }
    name
}
