//! [`ModelDirectory`]: everything that is stored of a model.

use std::collections::BTreeMap;

use rookery_ml::Model;

use crate::check::Written;
use crate::mlflow::{self, MLMODEL_FILE, MlModel, Origin};
use crate::parity::{Parity, ParityReport};
use crate::{Format, FormatError, ModelFile, onnx, pmml, spark};

/// The report on how far the formats' answers differ.
pub const PARITY_FILE: &str = "parity.json";
/// The model in its own format.
const MODEL_FILE: &str = "model.json";

/// A model in all formats, ready to be stored.
#[derive(Debug, Clone)]
pub struct ModelDirectory {
    model: Model,
    files: Vec<ModelFile>,
    written: Vec<Written>,
    not_written: BTreeMap<Format, String>,
    parity: Option<ParityReport>,
}

impl ModelDirectory {
    /// Writes a model in all formats. One that can't say what the model needs is left out; see
    /// [`not_written`](Self::not_written). `created_ms` is when the model was made, in milliseconds since the Unix
    /// epoch.
    ///
    /// # Errors
    /// [`FormatError::Model`] if the model itself can't be written.
    pub fn new(model: &Model, created_ms: i64) -> Result<Self, FormatError> {
        let (mut written, mut not_written) = (Vec::new(), BTreeMap::new());
        for format in Format::ALL {
            match write(model, format, created_ms) {
                Ok(files) => written.push(Written { format, files }),
                Err(error @ FormatError::Model(_)) => return Err(error),
                Err(error) => {
                    not_written.insert(format, error.to_string());
                }
            }
        }
        let mut files = vec![native(model)?];
        files.extend(written.iter().flat_map(placed));
        files.extend(mlflow::example_files(model));
        files.extend(mlflow::environment_files());
        Ok(Self {
            model: model.clone(),
            files,
            written,
            not_written,
            parity: None,
        })
    }

    /// What was written in each format, to be compared with the model.
    pub fn written(&self) -> &[Written] {
        &self.written
    }

    /// The formats that have no way to say this model, and what they can't say.
    pub fn not_written(&self) -> &BTreeMap<Format, String> {
        &self.not_written
    }

    /// Adds the report on the comparison.
    pub fn report(&mut self, parity: Parity) -> &ParityReport {
        let report = ParityReport {
            parity,
            not_written: self.not_written.clone(),
        };
        self.parity.insert(report)
    }

    /// The report, if the formats were compared.
    pub fn parity(&self) -> Option<&ParityReport> {
        self.parity.as_ref()
    }

    /// Returns all files, with what describes them.
    pub fn describe(&self, origin: &Origin) -> (Vec<ModelFile>, MlModel) {
        let mut files = self.files.clone();
        files.extend(self.parity.as_ref().map(|report| ModelFile {
            path: PARITY_FILE.to_owned(),
            content: format!("{:#}\n", report.to_json()).into_bytes(),
        }));
        let size = files.iter().map(|file| file.content.len()).sum();
        let formats: Vec<Format> = self.written.iter().map(|written| written.format).collect();
        let description = MlModel::new(origin, &self.model, &formats, size);
        files.push(ModelFile {
            path: MLMODEL_FILE.to_owned(),
            content: description.to_yaml().into_bytes(),
        });
        (files, description)
    }
}

/// Writes a model in one format, or with `None` in its own; paths are those in a model's directory.
///
/// # Errors
/// [`FormatError::Unsupported`] if the format has no way to say what the model needs.
pub fn files_of(
    model: &Model,
    format: Option<Format>,
    created_ms: i64,
) -> Result<Vec<ModelFile>, FormatError> {
    let Some(format) = format else {
        return Ok(vec![native(model)?]);
    };
    let files = write(model, format, created_ms)?;
    Ok(placed(&Written { format, files }).collect())
}

fn native(model: &Model) -> Result<ModelFile, FormatError> {
    Ok(ModelFile {
        path: MODEL_FILE.to_owned(),
        content: model.to_json()?.into_bytes(),
    })
}

fn write(model: &Model, format: Format, created_ms: i64) -> Result<Vec<ModelFile>, FormatError> {
    let one = |content| {
        vec![ModelFile {
            path: format.path().to_owned(),
            content,
        }]
    };
    match format {
        Format::Onnx => onnx::write(model).map(one),
        Format::Spark => spark::write(model, created_ms),
        Format::Pmml => pmml::write(model).map(one),
    }
}

/// A format's files where they lie in a model's directory.
fn placed(written: &Written) -> impl Iterator<Item = ModelFile> {
    let folder = written.format.path();
    written.files.iter().map(move |file| match written.format {
        Format::Spark => ModelFile {
            path: format!("{folder}/{}", file.path),
            content: file.content.clone(),
        },
        _ => file.clone(),
    })
}
