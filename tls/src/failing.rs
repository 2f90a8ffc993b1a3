//! Failures of this crate.

use std::fmt::Display;
use std::path::Path;

use rookery_proto::{ErrorClass, Failure};

pub(crate) fn config(message: impl Into<String>) -> Failure {
    Failure::new(ErrorClass::Config, message)
}

pub(crate) fn internal(what: &str, error: &impl Display) -> Failure {
    Failure::new(ErrorClass::Internal, format!("{what}: {error}"))
}

/// A file that can't be read, written or understood.
pub(crate) fn of_file(what: &str, error: &impl Display, file: &Path) -> Failure {
    internal(what, error).at(file.display().to_string())
}
