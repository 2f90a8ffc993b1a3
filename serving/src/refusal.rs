//! [`Refusal`]: why a request is not answered.

use bytes::Bytes;
use rookery_ml::MlErrorKind;
use serde::Serialize;

use crate::wrong::{ScoreError, WrongValue};

/// Why a request is not answered, in MLflow's error shape: `{"error_code", "message"}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error_code}: {message}")]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// MLflow's error code, such as `BAD_REQUEST`.
    pub error_code: &'static str,
    /// What is wrong, where, and what was expected.
    pub message: String,
    /// The values that are wrong, the first ten of them.
    pub errors: Vec<WrongValue>,
}

impl Refusal {
    /// A refusal that is not about values.
    pub fn new(status: u16, error_code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            error_code,
            message: message.into(),
            errors: Vec::new(),
        }
    }

    /// The request can't be understood: status 400.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BAD_REQUEST", message)
    }

    /// The refusal as the body of a response, JSON. Beside MLflow's two fields it has `errors`, if values are wrong.
    pub fn body(&self) -> Bytes {
        #[derive(Serialize)]
        struct Body<'a> {
            error_code: &'static str,
            message: &'a str,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            errors: &'a [WrongValue],
        }
        let body = Body {
            error_code: self.error_code,
            message: &self.message,
            errors: &self.errors,
        };
        serde_json::to_vec(&body)
            .expect("texts and numbers can be written as JSON")
            .into()
    }
}

impl From<ScoreError> for Refusal {
    fn from(error: ScoreError) -> Self {
        let message = format!("the rows can't be scored: {error}");
        match error {
            ScoreError::Values(values) => Self {
                errors: values.told,
                ..Self::bad_request(message)
            },
            // A model whose parts do not fit together is nothing that another request could mend.
            ScoreError::Model(error) if error.kind() == MlErrorKind::Internal => {
                Self::new(500, "INTERNAL_ERROR", message)
            }
            ScoreError::Model(_) => Self::bad_request(message),
        }
    }
}
