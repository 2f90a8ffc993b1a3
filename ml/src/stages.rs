//! Feature stages: how raw columns become the feature vector, as specified (`StageSpec`) and as fitted
//! (`FittedStage`).
//!
//! An *estimator* (StringIndexer, StandardScaler) must see the training rows first; a *transformer* (VectorAssembler) is
//! ready as it is, or follows from what is known of its input columns ([`Attributes`]). Fitting is distributed: each
//! partition yields a [`StageStatistics`], these merge exactly in any order (counts, extremes, sums that do not round), and
//! the merged statistics make the fitted stage, or say what the next pass has to count.
//!
//! One file for each stage; [`stage`] says what every stage can do.

use serde::{Deserialize, Serialize};

mod attributes;
mod bucketizer;
mod columns;
mod feature_hasher;
mod imputer;
mod interaction;
mod min_max_scaler;
mod murmur3;
mod one_hot_encoder;
mod quantile_discretizer;
mod ranks;
mod sql_transformer;
mod stage;
mod standard_scaler;
mod statistics;
mod string_indexer;
mod vector_assembler;
mod vectors;

pub use attributes::{Attributes, ColumnAttributes, Slot};
pub use bucketizer::Bucketizer;
pub use feature_hasher::FeatureHasher;
pub use imputer::{FittedImputer, ImputeStrategy, Imputer};
pub use interaction::{FittedInteraction, Interaction};
pub use min_max_scaler::{FittedMinMaxScaler, MinMaxScaler};
pub use one_hot_encoder::{FittedOneHotEncoder, OneHotEncoder};
pub use quantile_discretizer::{FittedQuantileDiscretizer, QuantileDiscretizer};
pub use sql_transformer::SqlTransformer;
pub(crate) use stage::Fitting;
pub use standard_scaler::{FittedStandardScaler, StandardScaler};
pub use statistics::StageStatistics;
pub use string_indexer::{FittedStringIndexer, StringIndexer, StringOrder};
pub use vector_assembler::VectorAssembler;

/// What to do with a row holding a value a stage cannot use (null, NaN, unseen label).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HandleInvalid {
    /// Fail, naming the row.
    #[default]
    Error,
    /// Drop the row.
    Skip,
    /// Keep the row: an extra label index, or NaN in the vector.
    Keep,
}

/// One stage of a pipeline as the user writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum StageSpec {
    /// Numbers the distinct values of columns.
    StringIndexer(StringIndexer),
    /// Concatenates columns into one vector.
    VectorAssembler(VectorAssembler),
    /// Rescales each element of a vector to a range.
    MinMaxScaler(MinMaxScaler),
    /// Moves each element of a vector to mean 0 and standard deviation 1.
    StandardScaler(StandardScaler),
    /// Makes a vector with one element for each category.
    OneHotEncoder(OneHotEncoder),
    /// Puts a number where there is none.
    Imputer(Imputer),
    /// Numbers the intervals that values lie in.
    Bucketizer(Bucketizer),
    /// Chooses the intervals so that they hold about as many rows.
    QuantileDiscretizer(QuantileDiscretizer),
    /// Multiplies columns with each other.
    Interaction(Interaction),
    /// Hashes columns into a vector of fixed width.
    FeatureHasher(FeatureHasher),
    /// Computes columns from others, row by row.
    #[serde(rename = "SQLTransformer")]
    SqlTransformer(SqlTransformer),
}

/// One stage of a pipeline, ready to transform rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum FittedStage {
    /// A StringIndexer with its labels.
    StringIndexer(FittedStringIndexer),
    /// A VectorAssembler: nothing to fit.
    VectorAssembler(VectorAssembler),
    /// A MinMaxScaler with the ranges it saw.
    MinMaxScaler(FittedMinMaxScaler),
    /// A StandardScaler with means and deviations.
    StandardScaler(FittedStandardScaler),
    /// A OneHotEncoder with the number of categories.
    OneHotEncoder(FittedOneHotEncoder),
    /// An Imputer with what it puts in.
    Imputer(FittedImputer),
    /// A Bucketizer: nothing to fit.
    Bucketizer(Bucketizer),
    /// A QuantileDiscretizer with its splits.
    QuantileDiscretizer(FittedQuantileDiscretizer),
    /// An Interaction that knows its inputs.
    Interaction(FittedInteraction),
    /// A FeatureHasher: nothing to fit.
    FeatureHasher(FeatureHasher),
    /// A SQLTransformer: nothing to fit.
    #[serde(rename = "SQLTransformer")]
    SqlTransformer(SqlTransformer),
}
