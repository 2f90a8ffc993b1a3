//! The mathematics of Rookery: logistic regression as Spark MLlib defines it, from raw columns to a stored model.
//!
//! Pure functions and plain data: no files, no network, no clock, no threads. Whoever holds the rows calls in; the
//! same code trains on a cluster, in one process and in a test.
//!
//! # What is learnt
//!
//! For a row x of d features and K classes, zₖ = Bₖ·x + bₖ and P(k) = e^zₖ / Σₗ e^zₗ (multinomial; the binomial
//! family keeps one row and P(1) = 1/(1 + e^−z)). Training minimises
//!
//! ```text
//! (1/W)·Σᵢ wᵢ·(−log P(yᵢ))  +  λ·( α·Σ|β| + (1−α)/2·Σβ² ),      W = Σᵢ wᵢ
//! ```
//!
//! Conventions, all Spark's: the loss is a *mean*, so λ does not depend on the number of rows; the optimiser works
//! on standardised features (β = B·σ); intercepts come last and are never penalised.
//!
//! # The path of a training, and the modules in reading order
//!
//! 1. [`Frame`]: a small table. [`PipelineSpec`] → [`PipelineFit`] → [`FittedPipeline`] adds feature columns to it.
//! 2. [`BlockBuilder`] checks rows and packs them into [`Block`]s; [`Summary`] is what the objective must know of
//!    them.
//! 3. [`Training::ask`] wants an evaluation. Each partition answers with a [`Partial`], computed by [`accumulate`];
//!    partials merge along the fixed [`tree`], so the bits do not depend on who computed what.
//!    [`Training::tell`] takes the sum; then again, until [`Ask::Done`].
//! 4. Inside, an [`Objective`] turns sums into mean, penalty and gradient, and [`optimizer`] (L-BFGS, OWL-QN) decides
//!    where to look next.
//! 5. [`Fit`] → [`LogisticRegressionModel`] → [`Model`], which predicts from raw columns, and [`MulticlassMetrics`],
//!    which say how well.
//!
//! [`LogisticRegression`] does steps 2–5 in one process, through linfa's traits.
//!
//! # Bits
//!
//! Equal partitions give equal bits on every machine: exp and log are our own or the `libm` crate's and never the
//! platform's, sums have a fixed lane order, a multiply-add is fused where the code says so and nowhere else, and nothing
//! iterates over a hash map.
//!
//! # Shapes
//!
//! While training, coefficients are column-major, index = feature·K + class; in a [`Fit`] and a model they are
//! row-major, index = class·d + feature.

mod affine;
mod block;
mod buckets;
mod cholesky;
mod default_value;
mod error;
mod exact_sum;
mod float_serde;
mod frame;
mod inference;
mod java_text;
mod kernel;
mod lanes;
mod linfa_api;
mod logistic_regression;
mod metrics;
mod model;
mod number;
pub mod optimizer;
mod partial;
mod pipeline;
mod profile;
mod row;
mod simd;
pub mod spark_cast;
mod sql;
mod stages;
mod summary;
#[cfg(test)]
mod testing;
pub mod tree;
mod warning;

pub use affine::Affine;
pub use block::{
    BLOCK_ROWS, Block, BlockBuilder, BlockLayout, PackedBytes, SharedBlocks, SharedColumn, SharedValues,
};
pub use default_value::{DefaultValue, Defaults, check_default_categories, check_defaults};
pub use error::{MlError, MlErrorKind};
pub use frame::{Column, ColumnData, ColumnKind, Frame, SparseVectors};
pub use inference::{Inference, InferencePass, LeftOut, StandardErrors, Term};
pub use kernel::{KernelCoefficients, Precision, RowSample, accumulate, evaluate_blocks};
pub use linfa_api::{ClassLabel, FittedLogisticRegression, LogisticRegression, fit_blocks};
pub use logistic_regression::{
    Ask, ClassWeight, ClassWeightRule, EarlyStoppingParams, Family, FamilyParam, Fit,
    LogisticRegressionModel, LogisticRegressionParams, Look, Objective, Scores, Solution, Solver, Training,
    ValidLogisticRegressionParams, outperformed,
};
pub use metrics::{ConfusionCell, LOG_LOSS_EPSILON, Metric, MulticlassMetrics, RankedScore, Ranking};
pub use model::{InputColumn, MODEL_FORMAT, MODEL_VERSION, Model, Predictions};
pub use optimizer::TerminationReason;
pub use partial::Partial;
pub use pipeline::{
    Assembled, FitPass, FitStatistics, FittedPipeline, PassStage, PipelineFit, PipelineSpec, Rest,
};
pub use profile::{
    ColumnProfile, InvalidValue, InvalidValues, Profile, ProfileStatistics, ProfiledColumn, ValueProfile,
};
pub use row::RowProblem;
pub use simd::force_baseline_instructions;
pub use stages::{
    Attributes, Bucketizer, ColumnAttributes, FeatureHasher, FittedImputer, FittedInteraction,
    FittedMinMaxScaler, FittedOneHotEncoder, FittedQuantileDiscretizer, FittedStage, FittedStandardScaler,
    FittedStringIndexer, HandleInvalid, ImputeStrategy, Imputer, Interaction, MinMaxScaler, OneHotEncoder,
    QuantileDiscretizer, Slot, SqlTransformer, StageSpec, StageStatistics, StandardScaler, StringIndexer,
    StringOrder, VectorAssembler,
};
pub use summary::{MAX_CLASSES, Summary};
pub use warning::{Warning, WarningKind};
