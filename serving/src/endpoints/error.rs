//! What can go wrong, in the words of Databricks' REST API.

use std::time::Duration;

/// Why something asked of an endpoint was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EndpointError {
    /// Decides status and code.
    pub kind: Kind,
    /// What is wrong, with the values.
    pub message: String,
    /// When to ask again, if that may help.
    pub retry_after: Option<Duration>,
}

/// What kind of error it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request breaks a rule.
    Invalid,
    /// There is no such endpoint, model, version or alias.
    NotFound,
    /// The name is taken.
    Exists,
    /// Another change is under way, or there is nothing to go back to.
    Conflict,
    /// The body is larger than anybody reads.
    TooLarge,
    /// The body did not come in time.
    Slow,
    /// The request did not get its turn in time.
    Busy,
    /// The model can't answer now.
    Unavailable,
    /// A defect, or a disk that is full.
    Internal,
}

impl Kind {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Kind::Invalid | Kind::Exists => 400,
            Kind::NotFound => 404,
            Kind::Slow => 408,
            Kind::Conflict => 409,
            Kind::TooLarge => 413,
            Kind::Busy => 429,
            Kind::Unavailable => 503,
            Kind::Internal => 500,
        }
    }

    /// Databricks' error code.
    pub fn code(self) -> &'static str {
        match self {
            Kind::Invalid | Kind::TooLarge => "INVALID_PARAMETER_VALUE",
            Kind::NotFound => "RESOURCE_DOES_NOT_EXIST",
            Kind::Exists => "RESOURCE_ALREADY_EXISTS",
            Kind::Conflict => "RESOURCE_CONFLICT",
            Kind::Slow => "DEADLINE_EXCEEDED",
            Kind::Busy => "REQUEST_LIMIT_EXCEEDED",
            Kind::Unavailable => "TEMPORARILY_UNAVAILABLE",
            Kind::Internal => "INTERNAL_ERROR",
        }
    }
}

impl EndpointError {
    /// An error of this kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            retry_after: None,
        }
    }

    /// The request breaks a rule.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// What is named is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// It can't be done now.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, message)
    }

    /// The model can't answer now; soon it may.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(Kind::Unavailable, message)
        }
    }
}
