//! What every stage can do: [`Stage`] as specified, [`Transform`] as fitted; and the enums that pass it on.

use super::{
    Attributes, FittedMinMaxScaler, FittedStage, HandleInvalid, MinMaxScaler, StageSpec, StageStatistics,
    VectorAssembler,
};
use crate::error::MlError;
use crate::frame::{ColumnKind, Frame};

/// A stage as it is specified.
pub(super) trait Stage {
    /// The columns it reads.
    fn inputs(&self) -> Vec<&str>;

    /// The columns it adds.
    fn outputs(&self) -> Vec<&str>;

    /// Whether it may drop rows.
    fn drops_rows(&self) -> bool {
        false
    }

    /// Checks parameters and the kinds of the inputs, in their order, and returns the kinds of the outputs.
    fn check(&self, inputs: &[(&str, ColumnKind)]) -> Result<Vec<ColumnKind>, MlError>;

    /// The fitted stage, where there is nothing to fit.
    fn as_transformer(&self) -> Option<FittedStage> {
        None
    }

    /// The fitted stage, where it follows from what is known of the input columns.
    fn without_rows(&self, _known: &Attributes) -> Option<FittedStage> {
        None
    }

    /// The statistics of no rows, for the first pass.
    fn no_statistics(&self) -> StageStatistics {
        StageStatistics::Nothing
    }

    /// Adds the rows of `frame`.
    fn accumulate(&self, _frame: &Frame, statistics: &mut StageStatistics) -> Result<(), MlError> {
        match statistics {
            StageStatistics::Nothing => Ok(()),
            _ => Err(foreign()),
        }
    }

    /// Turns the statistics of all rows into the fitted stage, or into those that the next pass is to collect.
    fn fit(&self, statistics: StageStatistics, known: &Attributes) -> Result<Fitting, MlError>;
}

/// How far fitting a stage is.
#[derive(Debug)]
pub(crate) enum Fitting {
    /// It is fitted.
    Done(FittedStage),
    /// Another pass is needed, which starts with this.
    Again(StageStatistics),
}

/// A stage as it is fitted.
pub(super) trait Transform {
    /// The stage as it was specified.
    fn spec(&self) -> StageSpec;

    /// The frame with the output columns, without the rows that are dropped.
    fn transform(&self, frame: Frame) -> Result<Frame, MlError>;

    /// Adds what is known of the output columns.
    fn describe(&self, known: &mut Attributes);
}

pub(super) fn foreign() -> MlError {
    MlError::ForeignStatistics("they are those of another stage".to_owned())
}

impl StageSpec {
    fn stage(&self) -> &dyn Stage {
        match self {
            StageSpec::StringIndexer(stage) => stage,
            StageSpec::VectorAssembler(stage) => stage,
            StageSpec::MinMaxScaler(stage) => stage,
            StageSpec::StandardScaler(stage) => stage,
            StageSpec::OneHotEncoder(stage) => stage,
            StageSpec::Imputer(stage) => stage,
            StageSpec::Bucketizer(stage) => stage,
            StageSpec::QuantileDiscretizer(stage) => stage,
            StageSpec::Interaction(stage) => stage,
            StageSpec::FeatureHasher(stage) => stage,
            StageSpec::SqlTransformer(stage) => stage,
        }
    }

    /// Returns the stage's type as it is written in a job.
    pub fn type_name(&self) -> &'static str {
        match self {
            StageSpec::StringIndexer(_) => "StringIndexer",
            StageSpec::VectorAssembler(_) => "VectorAssembler",
            StageSpec::MinMaxScaler(_) => "MinMaxScaler",
            StageSpec::StandardScaler(_) => "StandardScaler",
            StageSpec::OneHotEncoder(_) => "OneHotEncoder",
            StageSpec::Imputer(_) => "Imputer",
            StageSpec::Bucketizer(_) => "Bucketizer",
            StageSpec::QuantileDiscretizer(_) => "QuantileDiscretizer",
            StageSpec::Interaction(_) => "Interaction",
            StageSpec::FeatureHasher(_) => "FeatureHasher",
            StageSpec::SqlTransformer(_) => "SQLTransformer",
        }
    }

    /// Returns the columns the stage reads.
    pub fn inputs(&self) -> Vec<&str> {
        self.stage().inputs()
    }

    /// Returns the columns the stage adds.
    pub fn outputs(&self) -> Vec<&str> {
        self.stage().outputs()
    }

    /// Returns whether the stage may drop rows.
    pub fn drops_rows(&self) -> bool {
        self.stage().drops_rows()
    }

    /// Returns the kinds of the output columns, given the kinds of the inputs in order.
    pub(crate) fn check(&self, inputs: &[(&str, ColumnKind)]) -> Result<Vec<ColumnKind>, MlError> {
        self.stage().check(inputs)
    }

    /// Returns the fitted stage if there is nothing to fit.
    pub(crate) fn as_transformer(&self) -> Option<FittedStage> {
        self.stage().as_transformer()
    }

    /// Returns the fitted stage if it follows from what is `known` of the input columns.
    pub(crate) fn without_rows(&self, known: &Attributes) -> Option<FittedStage> {
        self.stage().without_rows(known)
    }

    /// Returns the statistics of no rows.
    pub(crate) fn no_statistics(&self) -> StageStatistics {
        self.stage().no_statistics()
    }

    /// Adds the rows of `frame` to `statistics`.
    pub(crate) fn accumulate(&self, frame: &Frame, statistics: &mut StageStatistics) -> Result<(), MlError> {
        self.stage().accumulate(frame, statistics)
    }

    /// Turns the statistics of all rows into the fitted stage, or into what the next pass starts with.
    pub(crate) fn fit(&self, statistics: StageStatistics, known: &Attributes) -> Result<Fitting, MlError> {
        self.stage().fit(statistics, known)
    }
}

impl FittedStage {
    fn stage(&self) -> &dyn Transform {
        match self {
            FittedStage::StringIndexer(stage) => stage,
            FittedStage::VectorAssembler(stage) => stage,
            FittedStage::MinMaxScaler(stage) => stage,
            FittedStage::StandardScaler(stage) => stage,
            FittedStage::OneHotEncoder(stage) => stage,
            FittedStage::Imputer(stage) => stage,
            FittedStage::Bucketizer(stage) => stage,
            FittedStage::QuantileDiscretizer(stage) => stage,
            FittedStage::Interaction(stage) => stage,
            FittedStage::FeatureHasher(stage) => stage,
            FittedStage::SqlTransformer(stage) => stage,
        }
    }

    /// Returns the stage as it was specified.
    pub fn spec(&self) -> StageSpec {
        self.stage().spec()
    }

    /// Returns `frame` with the stage's output columns added, and without the rows the stage drops.
    ///
    /// # Errors
    /// Unknown or wrong columns, and with `handle_invalid = "error"` the first row that cannot be used.
    pub fn transform(&self, frame: Frame) -> Result<Frame, MlError> {
        self.stage().transform(frame)
    }

    /// Adds what is known of the stage's output columns, given what is known of its inputs.
    pub(super) fn describe(&self, known: &mut Attributes) {
        self.stage().describe(known);
    }
}

impl Stage for VectorAssembler {
    fn inputs(&self) -> Vec<&str> {
        self.inputs.iter().map(String::as_str).collect()
    }

    fn outputs(&self) -> Vec<&str> {
        vec![&self.output]
    }

    fn drops_rows(&self) -> bool {
        self.handle_invalid == HandleInvalid::Skip
    }

    fn check(&self, inputs: &[(&str, ColumnKind)]) -> Result<Vec<ColumnKind>, MlError> {
        self.check(inputs).map(|kind| vec![kind])
    }

    fn as_transformer(&self) -> Option<FittedStage> {
        Some(FittedStage::VectorAssembler(self.clone()))
    }

    fn fit(&self, _: StageStatistics, _: &Attributes) -> Result<Fitting, MlError> {
        Ok(Fitting::Done(FittedStage::VectorAssembler(self.clone())))
    }
}

impl Transform for VectorAssembler {
    fn spec(&self) -> StageSpec {
        StageSpec::VectorAssembler(self.clone())
    }

    fn transform(&self, frame: Frame) -> Result<Frame, MlError> {
        self.transform(frame)
    }

    fn describe(&self, known: &mut Attributes) {
        known.assemble(&self.inputs, &self.output);
    }
}

impl Stage for MinMaxScaler {
    fn inputs(&self) -> Vec<&str> {
        vec![&self.input]
    }

    fn outputs(&self) -> Vec<&str> {
        vec![&self.output]
    }

    fn check(&self, inputs: &[(&str, ColumnKind)]) -> Result<Vec<ColumnKind>, MlError> {
        self.check(inputs).map(|kind| vec![kind])
    }

    fn no_statistics(&self) -> StageStatistics {
        StageStatistics::Range {
            min: Vec::new(),
            max: Vec::new(),
            count: 0,
        }
    }

    fn accumulate(&self, frame: &Frame, statistics: &mut StageStatistics) -> Result<(), MlError> {
        match statistics {
            StageStatistics::Range { min, max, count } => self.observe(frame, min, max, count),
            _ => Err(foreign()),
        }
    }

    fn fit(&self, statistics: StageStatistics, _: &Attributes) -> Result<Fitting, MlError> {
        match statistics {
            StageStatistics::Range { min, max, count } => {
                let fitted = self.fit(min, max, count)?;
                Ok(Fitting::Done(FittedStage::MinMaxScaler(fitted)))
            }
            _ => Err(foreign()),
        }
    }
}

impl Transform for FittedMinMaxScaler {
    fn spec(&self) -> StageSpec {
        StageSpec::MinMaxScaler(self.params.clone())
    }

    fn transform(&self, frame: Frame) -> Result<Frame, MlError> {
        self.transform(frame)
    }

    fn describe(&self, known: &mut Attributes) {
        known.rescale(&self.params.input, &self.params.output);
    }
}
