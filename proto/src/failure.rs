//! [`Failure`]: an error with a class, a place and a hint, carried across gRPC in a status' details.

use std::fmt;

use prost::Message as _;
use tonic::{Code, Status};

use crate::v1;

/// What kind of failure it is: decides exit code and retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The job file, a flag or a name in it is wrong.
    Config,
    /// The data breaks a rule of the job.
    Data,
    /// A worker or the driver can't be reached, or was lost.
    Unreachable,
    /// A deadline passed.
    TimedOut,
    /// Somebody asked for a stop.
    Cancelled,
    /// Anything else.
    Internal,
}

impl ErrorClass {
    /// The process exit code of a client that reports this failure. Documented in the README; fixed.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Config => 2,
            Self::Cancelled => 3,
            Self::Unreachable => 4,
            Self::TimedOut => 5,
            Self::Data => 6,
        }
    }

    /// The class whose exit code a process ended with.
    pub fn of_exit_code(code: i32) -> Self {
        let classes = [
            Self::Config,
            Self::Cancelled,
            Self::Unreachable,
            Self::TimedOut,
            Self::Data,
        ];
        let found = classes
            .into_iter()
            .find(|class| i32::from(class.exit_code()) == code);
        found.unwrap_or(Self::Internal)
    }

    /// The word used in machine-readable output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Data => "data",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }

    fn code(self) -> Code {
        match self {
            Self::Config => Code::InvalidArgument,
            Self::Data => Code::FailedPrecondition,
            Self::Unreachable => Code::Unavailable,
            Self::TimedOut => Code::DeadlineExceeded,
            Self::Cancelled => Code::Cancelled,
            Self::Internal => Code::Internal,
        }
    }

    fn of_code(code: Code) -> Self {
        match code {
            Code::InvalidArgument => Self::Config,
            Code::FailedPrecondition => Self::Data,
            Code::Unavailable => Self::Unreachable,
            Code::DeadlineExceeded => Self::TimedOut,
            Code::Cancelled => Self::Cancelled,
            _ => Self::Internal,
        }
    }
}

/// A failure as a person needs it: what, where, and what to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Decides exit code and retry.
    pub class: ErrorClass,
    /// What went wrong, with the numbers in it; lowercase, no full stop.
    pub message: String,
    /// Where, when there is a place.
    pub location: Option<String>,
    /// What to try, when something useful can be said.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without place or hint.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self {
            class,
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
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(f, "{location}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Failure {}

impl From<&Failure> for v1::ErrorDetail {
    fn from(failure: &Failure) -> Self {
        let class = match failure.class {
            ErrorClass::Config => v1::ErrorClass::Config,
            ErrorClass::Data => v1::ErrorClass::Data,
            ErrorClass::Unreachable => v1::ErrorClass::Unreachable,
            ErrorClass::TimedOut => v1::ErrorClass::TimedOut,
            ErrorClass::Cancelled => v1::ErrorClass::Cancelled,
            ErrorClass::Internal => v1::ErrorClass::Internal,
        };
        Self {
            class: class.into(),
            message: failure.message.clone(),
            location: failure.location.clone().unwrap_or_default(),
            hint: failure.hint.clone().unwrap_or_default(),
        }
    }
}

impl From<v1::ErrorDetail> for Failure {
    fn from(detail: v1::ErrorDetail) -> Self {
        let class = match detail.class() {
            v1::ErrorClass::Config => ErrorClass::Config,
            v1::ErrorClass::Data => ErrorClass::Data,
            v1::ErrorClass::Unreachable => ErrorClass::Unreachable,
            v1::ErrorClass::TimedOut => ErrorClass::TimedOut,
            v1::ErrorClass::Cancelled => ErrorClass::Cancelled,
            v1::ErrorClass::Internal | v1::ErrorClass::Unspecified => ErrorClass::Internal,
        };
        let text = |s: String| (!s.is_empty()).then_some(s);
        Self {
            class,
            message: detail.message,
            location: text(detail.location),
            hint: text(detail.hint),
        }
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let detail = v1::ErrorDetail::from(&failure).encode_to_vec();
        Status::with_details(failure.class.code(), failure.to_string(), detail.into())
    }
}

impl From<Status> for Failure {
    /// Reads the details when the peer sent them; else the class follows from the gRPC code.
    fn from(status: Status) -> Self {
        let details = status.details();
        if !details.is_empty()
            && let Ok(detail) = v1::ErrorDetail::decode(details)
            && !detail.message.is_empty()
        {
            return detail.into();
        }
        Self::new(ErrorClass::of_code(status.code()), status.message().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ErrorClass; 6] = [
        ErrorClass::Config,
        ErrorClass::Data,
        ErrorClass::Unreachable,
        ErrorClass::TimedOut,
        ErrorClass::Cancelled,
        ErrorClass::Internal,
    ];

    #[test]
    fn a_failure_survives_the_wire() {
        for class in ALL {
            let sent = Failure::new(class, "expected 6 fields, got 5")
                .at("penguins.csv:17")
                .hint("quote the value");
            let received = Failure::from(Status::from(sent.clone()));
            assert_eq!(received, sent);
        }
    }

    #[test]
    fn a_foreign_status_gets_its_class_from_the_code() {
        let failure = Failure::from(Status::unavailable("tcp connect error"));
        assert_eq!(failure.class, ErrorClass::Unreachable);
        assert_eq!(failure.message, "tcp connect error");
    }

    #[test]
    fn exit_codes_are_distinct_and_none_means_success() {
        let mut codes = ALL.map(ErrorClass::exit_code).to_vec();
        codes.sort_unstable();
        assert_eq!(codes, [1, 2, 3, 4, 5, 6]);
    }
}
