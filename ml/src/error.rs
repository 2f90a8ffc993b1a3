//! Everything that can go wrong in this crate, as one typed error.
//!
//! Texts hold the numbers. Where Spark has its own wording for a case, that wording is kept inside the text, so
//! that someone who knows Spark recognises it.

use crate::frame::ColumnKind;
use crate::row::RowProblem;

/// An error of the mathematics: bad parameters, bad rows, bad shapes or a bad model file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MlError {
    /// A column was asked for that the frame does not have.
    #[error("unknown column {column}; available columns: {}", available.join(", "))]
    UnknownColumn {
        /// The name asked for.
        column: String,
        /// The names there are, as a hint.
        available: Vec<String>,
    },
    /// A column name was used twice.
    #[error("column {column} already exists")]
    DuplicateColumn {
        /// The repeated name.
        column: String,
    },
    /// A column's length does not agree with its frame.
    #[error("column {column}: expected {expected} values, got {got}")]
    ColumnLength {
        /// The column.
        column: String,
        /// Values expected.
        expected: usize,
        /// Values found.
        got: usize,
    },
    /// A column holds a kind of value that cannot be used here (Spark's wording).
    #[error("Data type {kind} of column {column} is not supported.")]
    UnsupportedKind {
        /// The column.
        column: String,
        /// What it holds.
        kind: ColumnKind,
    },
    /// A column must be of another kind (Spark's wording).
    #[error(
        "requirement failed: Column {column} must be of type {expected} but was actually of type {actual}."
    )]
    WrongKind {
        /// The column.
        column: String,
        /// The kind needed, in words.
        expected: String,
        /// The kind found.
        actual: ColumnKind,
    },
    /// A stage of a pipeline failed; the source says how.
    #[error("stage {stage} ({stage_type}): {source}")]
    Stage {
        /// Position in the pipeline, from 0.
        stage: usize,
        /// The stage's type, e.g. `StringIndexer`.
        stage_type: &'static str,
        /// What went wrong in it.
        source: Box<MlError>,
    },
    /// A value in one row could not be transformed.
    #[error("column {column}, row {row}: {text}")]
    Value {
        /// The column.
        column: String,
        /// Row ordinal in the frame, from 0.
        row: usize,
        /// Spark's wording of the problem.
        text: String,
    },
    /// A row cannot be trained on.
    #[error("row {row}: {problem}")]
    InvalidRow {
        /// Row ordinal in the pushed sequence, from 0.
        row: u64,
        /// What is wrong with it.
        problem: RowProblem,
    },
    /// A parameter has a value outside its range (Spark's wording without the instance id).
    #[error("{component} parameter {parameter} given invalid value {value}.")]
    InvalidParameter {
        /// The estimator or stage.
        component: &'static str,
        /// The parameter.
        parameter: &'static str,
        /// The value given.
        value: String,
    },
    /// Parameters or data that contradict each other; the text says how.
    #[error("requirement failed: {0}")]
    Requirement(String),
    /// No row with a positive weight was seen (Spark's wording).
    #[error("requirement failed: Nothing has been added to this summarizer.")]
    NothingSummarized,
    /// An imputer's column has no values (Spark's wording).
    #[error(
        "surrogate cannot be computed. All the values in {columns} are Null, Nan or missingValue({missing})"
    )]
    NoSurrogate {
        /// The columns, with commas.
        columns: String,
        /// The number that stands for a missing value.
        missing: String,
    },
    /// A label is too large to be a class number.
    #[error("label {label} implies {} classes, at most {bound} are supported; index the label with StringIndexer first", label + 1.0)]
    TooManyClasses {
        /// The label seen.
        label: f64,
        /// The most classes there may be.
        bound: usize,
    },
    /// Second derivatives of so many pairs of coefficients are not made.
    #[error(
        "{count} second derivatives would be needed, at most {bound} are made; standard errors are for fewer features or classes"
    )]
    TooManySecondDerivatives {
        /// How many.
        count: usize,
        /// The most there may be.
        bound: usize,
    },
    /// Two shapes that must agree do not.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// What was measured.
        what: &'static str,
        /// The size needed.
        expected: usize,
        /// The size found.
        got: usize,
    },
    /// Statistics of another pass or stage were given.
    #[error("statistics do not belong to this pass: {0}")]
    ForeignStatistics(String),
    /// The pipeline still has stages to fit.
    #[error("pipeline is not fitted: stages {0:?} are missing")]
    NotFitted(Vec<usize>),
    /// A node needed for the merge tree was not given.
    #[error("merge tree over {partitions} partitions: nothing covers partition {partition}")]
    MissingPartition {
        /// The first partition without a contribution.
        partition: u32,
        /// Partitions there are.
        partitions: u32,
    },
    /// A node was given that another node already covers, or that is outside the tree.
    #[error("merge tree over {partitions} partitions: node (level {level}, index {index}) is superfluous")]
    SuperfluousNode {
        /// Level of the node.
        level: u32,
        /// Index within the level.
        index: u32,
        /// Partitions there are.
        partitions: u32,
    },
    /// An evaluation was told to an optimiser that has finished.
    #[error("training has finished, no evaluation was asked for")]
    TrainingFinished,
    /// A fit was asked for before the optimiser finished.
    #[error("training has not finished after {iterations} iterations")]
    TrainingUnfinished {
        /// Iterations done so far.
        iterations: usize,
    },
    /// A metric name that does not exist.
    #[error("unknown metric {name}; allowed: {}", allowed.join(", "))]
    UnknownMetric {
        /// The name given.
        name: String,
        /// The names there are.
        allowed: Vec<&'static str>,
    },
    /// A metric was asked for a label that no row has (Spark's wording).
    #[error("key not found: {0}")]
    LabelNotFound(String),
    /// A model file is not a model of this version.
    #[error("model: {0}")]
    InvalidModel(String),
    /// An error of linfa itself, from its dataset types.
    #[error("linfa: {0}")]
    Linfa(String),
}

/// Whom an error is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MlErrorKind {
    /// Whoever wrote the job: a name or parameter in it is wrong, and a retry fails the same way.
    Config,
    /// Whoever owns the rows: some of them cannot be used as the job says.
    Data,
    /// Whoever wrote the program: values that belong together do not.
    Internal,
}

impl From<linfa::error::Error> for MlError {
    fn from(error: linfa::error::Error) -> Self {
        MlError::Linfa(error.to_string())
    }
}

impl MlError {
    /// Returns whom the error is for.
    pub fn kind(&self) -> MlErrorKind {
        match self {
            MlError::UnknownColumn { .. }
            | MlError::DuplicateColumn { .. }
            | MlError::UnsupportedKind { .. }
            | MlError::WrongKind { .. }
            | MlError::InvalidParameter { .. }
            | MlError::Requirement(_)
            | MlError::TooManySecondDerivatives { .. }
            | MlError::UnknownMetric { .. } => MlErrorKind::Config,
            MlError::Value { .. }
            | MlError::InvalidRow { .. }
            | MlError::NothingSummarized
            | MlError::NoSurrogate { .. }
            | MlError::TooManyClasses { .. }
            | MlError::LabelNotFound(_)
            | MlError::InvalidModel(_) => MlErrorKind::Data,
            MlError::Stage { source, .. } => source.kind(),
            MlError::ColumnLength { .. }
            | MlError::Shape { .. }
            | MlError::ForeignStatistics(_)
            | MlError::NotFitted(_)
            | MlError::MissingPartition { .. }
            | MlError::SuperfluousNode { .. }
            | MlError::TrainingFinished
            | MlError::TrainingUnfinished { .. }
            | MlError::Linfa(_) => MlErrorKind::Internal,
        }
    }

    /// Names the pipeline stage in which `self` happened.
    pub(crate) fn in_stage(self, stage: usize, stage_type: &'static str) -> Self {
        MlError::Stage {
            stage,
            stage_type,
            source: Box::new(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_error_is_for_whom_its_source_is() {
        let data = MlError::NothingSummarized.in_stage(2, "MinMaxScaler");
        assert_eq!(data.kind(), MlErrorKind::Data);
        let config = MlError::DuplicateColumn {
            column: "a".to_owned(),
        }
        .in_stage(0, "StringIndexer");
        assert_eq!(config.kind(), MlErrorKind::Config);
    }
}
