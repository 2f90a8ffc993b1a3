//! What can go wrong with a format.

use rookery_ml::MlError;
use thiserror::Error;

use crate::Format;

/// Why a model can't be written in a format, or read from it, or why rows can't be scored.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum FormatError {
    /// The format has no way to say something that this model needs.
    #[error("{format} can't say it: {what}")]
    Unsupported {
        /// The format.
        format: Format,
        /// What it has no way to say.
        what: String,
    },
    /// The bytes are no model of this format, or use more of it than Rookery writes.
    #[error("{format}: {what}")]
    Invalid {
        /// The format.
        format: Format,
        /// What is wrong with them.
        what: String,
    },
    /// The model refuses a row.
    #[error("{format}: a row is refused: {what}")]
    Refused {
        /// The format.
        format: Format,
        /// Why.
        what: String,
    },
    /// The model itself is broken.
    #[error(transparent)]
    Model(#[from] MlError),
}

impl Format {
    pub(crate) fn unsupported(self, what: impl ToString) -> FormatError {
        FormatError::Unsupported {
            format: self,
            what: what.to_string(),
        }
    }

    pub(crate) fn invalid(self, what: impl ToString) -> FormatError {
        FormatError::Invalid {
            format: self,
            what: what.to_string(),
        }
    }

    pub(crate) fn refused(self, what: impl ToString) -> FormatError {
        FormatError::Refused {
            format: self,
            what: what.to_string(),
        }
    }
}
