//! [`DataError`]: what is wrong with a source, a plan or the rows, where, and what to try.

use datafusion::error::DataFusionError;
use serde::{Deserialize, Serialize};

/// Which kind of mistake it is; decides who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DataErrorKind {
    /// The job names something that is not there, or asks for something impossible.
    Spec,
    /// The rows break a rule.
    Data,
    /// A worker, or the place of a source, can't be reached, or was lost.
    Unreachable,
    /// A deadline passed.
    TimedOut,
    /// A query needs more memory than a worker may take.
    Memory,
    /// A defect, or the operating system said no.
    Internal,
}

/// An error of this crate: message with the numbers in it, place, hint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}{message}", location.as_ref().map(|l| format!("{l}: ")).unwrap_or_default())]
pub struct DataError {
    /// Which kind of mistake it is.
    pub kind: DataErrorKind,
    /// What went wrong; lowercase, no full stop.
    pub message: String,
    /// Where: `file:line`, a source's name, a worker's URL.
    pub location: Option<String>,
    /// What to try.
    pub hint: Option<String>,
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, DataError>;

impl DataError {
    /// A mistake in the job's description.
    pub fn spec(message: impl Into<String>) -> Self {
        Self::new(DataErrorKind::Spec, message)
    }

    /// Rows that break a rule.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(DataErrorKind::Data, message)
    }

    /// A defect, or the operating system said no.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(DataErrorKind::Internal, message)
    }

    /// An error of any kind.
    pub fn new(kind: DataErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            location: None,
            hint: None,
        }
    }

    /// Says where.
    pub fn at(mut self, location: impl Into<String>) -> Self {
        self.location = Some(location.into());
        self
    }

    /// Says what to try.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The whole error as one text, for ways that carry nothing else: from a worker through the engine.
    pub(crate) fn marked(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        format!("{SOURCE_MARK}{json}")
    }

    /// The error that such a text holds. What comes after it is left out.
    fn of_marked(text: &str) -> Option<Self> {
        let (before, json) = text.split_once(SOURCE_MARK)?;
        if before.contains(BAD_ROW_MARK) {
            return None;
        }
        let mut errors = serde_json::Deserializer::from_str(json).into_iter::<Self>();
        errors.next()?.ok()
    }
}

/// Starts the text of an error that is told whole, about a source or about what a worker keeps; it follows as JSON.
const SOURCE_MARK: &str = "unreadable source: ";

/// Starts the text of an error that a row caused, so that the kind survives the engine's own error types on
/// their way from a worker.
const BAD_ROW_MARK: &str = "bad row: ";

/// An error about a row, raised inside an operator or function that DataFusion runs.
pub(crate) fn bad_row(message: impl std::fmt::Display) -> DataFusionError {
    DataFusionError::Execution(format!("{BAD_ROW_MARK}{message}"))
}

/// Starts the text of an error about the connection to a worker; its URL follows.
const UNREACHABLE_MARK: &str = "unreachable worker: ";

/// An error about the connection to a worker. It may have to travel on: from a worker that asked another one.
pub(crate) fn unreachable_worker(url: &url::Url, cause: &impl std::fmt::Display) -> DataFusionError {
    DataFusionError::Execution(format!("{UNREACHABLE_MARK}{url}: {cause}"))
}

impl From<DataError> for DataFusionError {
    /// For an error raised inside an operator: rows that break a rule are marked as such, with what is to be said of
    /// them in one text; whoever says what to try is heard whole.
    fn from(error: DataError) -> Self {
        match error.kind {
            DataErrorKind::Data => bad_row(match &error.hint {
                Some(hint) => format!("{error}; {hint}"),
                None => error.to_string(),
            }),
            _ if error.hint.is_some() => DataFusionError::Execution(error.marked()),
            _ => DataFusionError::Internal(error.to_string()),
        }
    }
}

impl From<DataFusionError> for DataError {
    /// Keeps the kind where the engine's error tells it: planning errors are the job's; marked errors, and those
    /// of readers and casts, the data's; marked transport errors mean a worker that can't be reached.
    fn from(error: DataFusionError) -> Self {
        let root = error.find_root();
        let text = root.strip_backtrace();
        if let Some(told) = Self::of_marked(&text) {
            return told;
        }
        if let Some((_, message)) = text.split_once(BAD_ROW_MARK) {
            return Self::data(message.trim());
        }
        if let Some((_, message)) = text.split_once(UNREACHABLE_MARK) {
            let (url, cause) = message.split_once(": ").unwrap_or((message, "no answer"));
            return Self::new(
                DataErrorKind::Unreachable,
                format!("the worker can't be reached: {cause}"),
            )
            .at(url)
            .hint("check that the worker runs and that its address is right");
        }
        match root {
            DataFusionError::Plan(_)
            | DataFusionError::SQL(..)
            | DataFusionError::SchemaError(..)
            | DataFusionError::NotImplemented(_) => Self::spec(text),
            DataFusionError::ArrowError(arrow, _)
                if matches!(
                    **arrow,
                    arrow::error::ArrowError::CsvError(_)
                        | arrow::error::ArrowError::ParseError(_)
                        | arrow::error::ArrowError::CastError(_)
                        | arrow::error::ArrowError::DivideByZero
                        | arrow::error::ArrowError::ArithmeticOverflow(_)
                        | arrow::error::ArrowError::IoError(..)
                        | arrow::error::ArrowError::ParquetError(_)
                ) =>
            {
                Self::data(arrow.to_string())
            }
            // A source that can't be read to its end: cut off, damaged, or gone since it was planned.
            DataFusionError::ParquetError(_)
            | DataFusionError::IoError(_)
            | DataFusionError::ObjectStore(_) => Self::data(text),
            _ => Self::internal(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_survives_wrapping_by_the_engine() {
        let error = bad_row("column x")
            .context("while polling")
            .context("on a worker");
        let error = DataError::from(error);
        assert_eq!(
            (error.kind, error.message.as_str()),
            (DataErrorKind::Data, "column x")
        );
    }

    #[test]
    fn a_broken_connection_names_its_worker() {
        let url = url::Url::parse("http://127.0.0.1:7071").unwrap();
        let error = DataError::from(unreachable_worker(&url, &"tcp connect error").context("stage 2"));
        assert_eq!(error.kind, DataErrorKind::Unreachable);
        assert_eq!(
            error.to_string(),
            "http://127.0.0.1:7071/: the worker can't be reached: tcp connect error"
        );
    }

    #[test]
    fn what_a_source_says_survives_the_engine_whole() {
        let said = DataError::new(
            DataErrorKind::Unreachable,
            "s3://b/k can't be reached: \"refused\"",
        )
        .at("data.sources.t.path")
        .hint("try again");
        let error = datafusion::error::DataFusionError::ObjectStore(Box::new(object_store::Error::Generic {
            store: "source",
            source: format!("{}\n more", said.marked()).into(),
        }));
        assert_eq!(DataError::from(error.context("stage 1")), said);
        let value = bad_row(format!("column x holds \"{}\"", said.marked()));
        assert_eq!(DataError::from(value).kind, DataErrorKind::Data);
    }

    #[test]
    fn a_value_that_reads_like_a_lost_connection_is_still_a_value() {
        let error = DataError::from(bad_row(
            "column \"note\" holds \"connection lost: h2 protocol error\"",
        ));
        assert_eq!(error.kind, DataErrorKind::Data);
        let error = DataError::from(DataFusionError::Execution(
            "no connection between these columns".into(),
        ));
        assert_eq!(error.kind, DataErrorKind::Internal);
    }
}
