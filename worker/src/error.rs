//! Errors of the crates below as failures with a class.

use rookery_data::{DataError, DataErrorKind};
use rookery_formats::FormatError;
use rookery_ml::{MlError, MlErrorKind};
use rookery_proto::{ErrorClass, Failure};

pub(crate) fn of_ml(error: &MlError) -> Failure {
    let class = match error.kind() {
        MlErrorKind::Config => ErrorClass::Config,
        MlErrorKind::Data => ErrorClass::Data,
        MlErrorKind::Internal => ErrorClass::Internal,
    };
    Failure::new(class, error.to_string())
}

pub(crate) fn of_format(error: &FormatError) -> Failure {
    match error {
        FormatError::Model(error) => of_ml(error),
        other => internal(other),
    }
}

pub(crate) fn of_data(error: DataError) -> Failure {
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

pub(crate) fn internal(message: impl std::fmt::Display) -> Failure {
    Failure::new(ErrorClass::Internal, message.to_string())
}
