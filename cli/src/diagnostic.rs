//! Whatever failed, as a message with a place and a hint. The class decides the exit code.

use rookery_ml::{MlError, MlErrorKind};
use rookery_proto::{ErrorClass, Failure};
use rookery_tracking::{ErrorCode, TrackingError};
use serde::Serialize;

/// A failure as people read it.
pub(crate) fn text(failure: &Failure) -> String {
    labelled("error", failure)
}

/// A failure that ends nothing, as people read it.
pub(crate) fn warning(failure: &Failure) -> String {
    labelled("warning", failure)
}

fn labelled(label: &str, failure: &Failure) -> String {
    let mut text = format!("{label}: {}", failure.message);
    if let Some(location) = &failure.location {
        text.push_str(&format!("\n  --> {location}"));
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("\n  hint: {hint}"));
    }
    text
}

/// A failure as programs read it.
#[derive(Debug, Serialize)]
pub(crate) struct FailureObject<'a> {
    class: &'static str,
    message: &'a str,
    location: Option<&'a str>,
    hint: Option<&'a str>,
}

impl<'a> FailureObject<'a> {
    pub(crate) fn new(failure: &'a Failure) -> Self {
        Self {
            class: failure.class.name(),
            message: &failure.message,
            location: failure.location.as_deref(),
            hint: failure.hint.as_deref(),
        }
    }
}

/// The last line of a command that failed, when it is no job's command.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorObject<'a> {
    event: &'static str,
    error: FailureObject<'a>,
}

impl<'a> ErrorObject<'a> {
    pub(crate) fn new(failure: &'a Failure) -> Self {
        Self {
            event: "error",
            error: FailureObject::new(failure),
        }
    }
}

/// A failure the user can avoid by asking for something else.
pub(crate) fn config(message: impl Into<String>) -> Failure {
    Failure::new(ErrorClass::Config, message)
}

/// A failure of this machine or of this program.
pub(crate) fn internal(message: impl Into<String>) -> Failure {
    Failure::new(ErrorClass::Internal, message)
}

/// The class of an error in rows that were given for prediction: whatever a user could have got wrong is the data.
pub(crate) fn of_prediction(error: &MlError) -> Failure {
    let class = match error.kind() {
        MlErrorKind::Config | MlErrorKind::Data => ErrorClass::Data,
        MlErrorKind::Internal => ErrorClass::Internal,
    };
    Failure::new(class, error.to_string())
}

pub(crate) fn of_tracking(error: &TrackingError) -> Failure {
    let class = match error.code() {
        // What an alias' gate turns away, for example.
        ErrorCode::InvalidState if matches!(error, TrackingError::WrongState { .. }) => ErrorClass::Config,
        ErrorCode::ResourceDoesNotExist
        | ErrorCode::ResourceAlreadyExists
        | ErrorCode::InvalidParameterValue
        | ErrorCode::PermissionDenied
        | ErrorCode::NotImplemented => ErrorClass::Config,
        ErrorCode::TemporarilyUnavailable => ErrorClass::TimedOut,
        ErrorCode::InvalidState | ErrorCode::InternalError => ErrorClass::Internal,
    };
    Failure {
        class,
        message: error.to_string(),
        location: None,
        hint: error.hint(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_as_message_place_and_hint() {
        let failure = config("unknown key \"speed\"")
            .at("job.toml:3")
            .hint("see docs/job-file.md");
        assert_eq!(
            text(&failure),
            "error: unknown key \"speed\"\n  --> job.toml:3\n  hint: see docs/job-file.md"
        );
        assert_eq!(text(&internal("disk full")), "error: disk full");
        assert_eq!(
            serde_json::to_string(&ErrorObject::new(&failure)).unwrap(),
            r#"{"event":"error","error":{"class":"config","message":"unknown key \"speed\"","location":"job.toml:3","hint":"see docs/job-file.md"}}"#
        );
    }
}
