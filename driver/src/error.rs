//! Errors of the crates below as failures with a class.

use rookery_data::{DataError, DataErrorKind};
use rookery_ml::{MlError, MlErrorKind};
use rookery_proto::{ErrorClass, Failure};
use rookery_tracking::TrackingError;

pub(crate) fn of_ml(error: &MlError) -> Failure {
    let class = match error.kind() {
        MlErrorKind::Config => ErrorClass::Config,
        MlErrorKind::Data => ErrorClass::Data,
        MlErrorKind::Internal => ErrorClass::Internal,
    };
    Failure::new(class, error.to_string())
}

/// An error about sources, plans or rows as a failure with a class.
pub fn of_data(error: DataError) -> Failure {
    let class = match error.kind {
        DataErrorKind::Spec | DataErrorKind::Memory => ErrorClass::Config,
        DataErrorKind::Data => ErrorClass::Data,
        DataErrorKind::Unreachable => ErrorClass::Unreachable,
        DataErrorKind::TimedOut => ErrorClass::TimedOut,
        DataErrorKind::Internal => ErrorClass::Internal,
    };
    Failure {
        class,
        message: error.message,
        location: error.location,
        hint: error.hint,
    }
}

pub(crate) fn of_tracking(error: &TrackingError) -> Failure {
    Failure {
        class: ErrorClass::Internal,
        message: error.to_string(),
        location: Some("tracking store".to_string()),
        hint: error.hint(),
    }
}

pub(crate) fn internal(message: impl std::fmt::Display) -> Failure {
    Failure::new(ErrorClass::Internal, message.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_data_crate_keep_class_place_and_hint() {
        for (kind, exit_code) in [
            (DataErrorKind::Internal, 1),
            (DataErrorKind::Spec, 2),
            (DataErrorKind::Memory, 2),
            (DataErrorKind::Unreachable, 4),
            (DataErrorKind::TimedOut, 5),
            (DataErrorKind::Data, 6),
        ] {
            let failure = of_data(DataError::new(kind, "m").at("a.csv:2").hint("h"));
            assert_eq!(failure.class.exit_code(), exit_code, "{kind:?}");
            assert_eq!(failure.location.as_deref(), Some("a.csv:2"));
            assert_eq!(failure.hint.as_deref(), Some("h"));
        }
    }
}
