//! [`DataError`]: what is wrong with a source, a plan or the rows, where, and what to try.

use datafusion::error::DataFusionError;

/// Which kind of mistake it is; decides who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataErrorKind {
    /// The job names something that is not there, or asks for something impossible.
    Spec,
    /// The rows break a rule.
    Data,
    /// A worker can't be reached, or was lost while it worked.
    Unreachable,
    /// A deadline passed.
    TimedOut,
    /// A defect, or the operating system said no.
    Internal,
}

/// An error of this crate: message with the numbers in it, place, hint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
        Self { kind, message: message.into(), location: None, hint: None }
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
}

/// Starts the text of an error that a row caused, so that the kind survives the engine's own error types on
/// their way from a worker.
const BAD_ROW_MARK: &str = "bad row: ";

/// An error about a row, raised inside an operator or function that DataFusion runs.
pub(crate) fn bad_row(message: impl std::fmt::Display) -> DataFusionError {
    DataFusionError::Execution(format!("{BAD_ROW_MARK}{message}"))
}

impl From<DataFusionError> for DataError {
    /// Keeps the kind where the engine's error tells it: planning errors are the job's, marked and CSV errors
    /// the data's, transport errors mean a worker that can't be reached.
    fn from(error: DataFusionError) -> Self {
        let root = error.find_root();
        let text = root.strip_backtrace();
        if let Some((_, message)) = text.split_once(BAD_ROW_MARK) {
            return Self::data(message.trim());
        }
        match root {
            DataFusionError::Plan(_) | DataFusionError::SQL(..) | DataFusionError::SchemaError(..) => {
                Self::spec(text)
            }
            DataFusionError::ArrowError(arrow, _)
                if matches!(
                    **arrow,
                    arrow::error::ArrowError::CsvError(_)
                        | arrow::error::ArrowError::ParseError(_)
                        | arrow::error::ArrowError::CastError(_)
                ) =>
            {
                Self::data(arrow.to_string())
            }
            DataFusionError::ParquetError(_) => Self::data(text),
            _ if is_transport(&text) => Self::new(DataErrorKind::Unreachable, text),
            _ => Self::internal(text),
        }
    }
}

/// Whether the text is one that tonic, hyper or h2 gives for a connection that failed or broke.
fn is_transport(text: &str) -> bool {
    ["tcp connect error", "transport error", "connection", "h2 protocol error", "error reading a body"]
        .iter()
        .any(|mark| text.to_lowercase().contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_survives_wrapping_by_the_engine() {
        let error = bad_row("column x").context("while polling").context("on a worker");
        let error = DataError::from(error);
        assert_eq!((error.kind, error.message.as_str()), (DataErrorKind::Data, "column x"));
    }

    #[test]
    fn a_broken_connection_is_an_unreachable_worker() {
        let error = DataFusionError::External("transport error: tcp connect error".into());
        assert_eq!(DataError::from(error).kind, DataErrorKind::Unreachable);
    }
}
