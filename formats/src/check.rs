//! [`Comparison`]: scores rows by what was written, and by the model it was written from.

use rookery_ml::{Frame, Model, Predictions};

use crate::onnx::OnnxModel;
use crate::parity::{FormatParity, Parity};
use crate::pmml::PmmlModel;
use crate::spark::SparkModel;
use crate::{Format, FormatError, ModelFile};

/// A model as it was written in a format.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The format.
    pub format: Format,
    /// Its files; for Spark their paths are relative to the format's folder.
    pub files: Vec<ModelFile>,
}

/// A model and what was written of it, ready to be compared.
#[derive(Debug)]
pub struct Comparison {
    model: Model,
    readers: Vec<(Format, Result<FormatCheck, FormatError>)>,
}

impl Comparison {
    /// Reads a model in its own format, and what was written of it in others. A format that can't be read is none that
    /// fails here: it answers no row.
    ///
    /// # Errors
    /// [`FormatError::Model`] if the model can't be read.
    pub fn read(model_json: &str, written: &[Written]) -> Result<Self, FormatError> {
        let read = |written: &Written| (written.format, FormatCheck::read(written));
        Ok(Self {
            model: Model::from_json(model_json)?,
            readers: written.iter().map(read).collect(),
        })
    }

    /// The comparison of no rows.
    pub fn nothing(&self) -> Parity {
        let formats = self
            .readers
            .iter()
            .map(|(format, _)| (*format, FormatParity::default()));
        Parity(formats.collect())
    }

    /// Compares the answers for some rows.
    ///
    /// # Errors
    /// What the model itself does not take.
    pub fn compare(&self, frame: Frame) -> Result<Parity, FormatError> {
        let (ours, frame) = reference(&self.model, frame)?;
        let compared = self.readers.iter().map(|(format, reader)| {
            let parity = match reader {
                Ok(check) => check.compare(&ours, &frame),
                Err(error) => FormatParity::failed(frame.rows(), error),
            };
            (*format, parity)
        });
        Ok(Parity(compared.collect()))
    }
}

/// A model that was read back from the bytes of a format. They are a stranger's: whatever they hold, reading them ends
/// with a model or an error.
#[derive(Debug)]
pub(crate) struct FormatCheck {
    reader: Reader,
}

#[derive(Debug)]
enum Reader {
    Onnx(OnnxModel),
    Spark(SparkModel),
    Pmml(PmmlModel),
}

impl FormatCheck {
    /// Reads what was written.
    ///
    /// # Errors
    /// [`FormatError::Invalid`] if it is no model of the format, or uses what Rookery does not write.
    pub(crate) fn read(written: &Written) -> Result<Self, FormatError> {
        let format = written.format;
        let only = || match written.files.as_slice() {
            [file] => Ok(file.content.as_slice()),
            files => Err(format.invalid(format!("expected one file, got {}", files.len()))),
        };
        let reader = match format {
            Format::Onnx => Reader::Onnx(OnnxModel::read(only()?)?),
            Format::Spark => Reader::Spark(SparkModel::read(&written.files)?),
            Format::Pmml => Reader::Pmml(PmmlModel::read(only()?)?),
        };
        Ok(Self { reader })
    }

    /// Scores rows. The margins (`raw`) may be left out.
    ///
    /// # Errors
    /// [`FormatError::Refused`] for a row that the model refuses; others if the columns are not what the model reads.
    pub(crate) fn predict(&self, frame: &Frame) -> Result<Predictions, FormatError> {
        match &self.reader {
            Reader::Onnx(model) => model.predict(frame),
            Reader::Spark(model) => model.predict(frame),
            Reader::Pmml(model) => model.predict(frame),
        }
    }

    /// Compares the format's answers for some rows with the model's own.
    pub(crate) fn compare(&self, ours: &Predictions, frame: &Frame) -> FormatParity {
        match self.predict(frame) {
            Ok(theirs) => FormatParity::of(ours, &theirs, frame.rows()),
            Err(error) => FormatParity::failed(frame.rows(), error),
        }
    }
}

/// What the model itself answers for those rows of `frame` that reach the features in an evaluation, and these rows: a
/// stage that only makes the label may leave rows out, too.
///
/// # Errors
/// As [`Model::evaluate`].
fn reference(model: &Model, frame: Frame) -> Result<(Predictions, Frame), FormatError> {
    let makes_features_only =
        model.pipeline.needed_for(&model.features).stages.len() == model.pipeline.stages.len();
    let frame = match makes_features_only {
        true => frame,
        false => {
            let evaluated = model.pipeline.transform(frame.clone())?;
            let mut kept = vec![false; frame.rows()];
            (0..evaluated.rows()).for_each(|row| kept[evaluated.origin(row)] = true);
            match kept.contains(&false) {
                true => columns_only(frame.retain(&kept)?)?,
                false => frame,
            }
        }
    };
    Ok((model.predict(frame.clone())?, frame))
}

/// The same columns as a new frame, whose rows are counted from 0.
fn columns_only(frame: Frame) -> Result<Frame, FormatError> {
    let mut fresh = Frame::new(frame.rows());
    for (name, column) in frame.columns() {
        fresh = fresh.with_column(name, column.clone())?;
    }
    Ok(fresh)
}
