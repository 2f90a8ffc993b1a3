//! Spark ML: the directory that `PipelineModel.save` would write, made without Spark.
//!
//! A folder for the pipeline and one for each stage; each has `metadata`, one line of JSON, and where there is something
//! fitted `data`, a Parquet file of one row. Spark reads vectors and matrices out of Parquet only if the file says in its
//! key-value metadata that they are such ([`row_metadata`]).

mod json;
mod numbers;
mod read;
mod read_stage;
mod schema;
mod table;
mod write;
mod write_stage;

pub(crate) use read::SparkModel;
pub(crate) use write::write;

/// Spark's classes.
mod class {
    pub(super) const PIPELINE: &str = "org.apache.spark.ml.PipelineModel";
    pub(super) const STRING_INDEXER: &str = "org.apache.spark.ml.feature.StringIndexerModel";
    pub(super) const VECTOR_ASSEMBLER: &str = "org.apache.spark.ml.feature.VectorAssembler";
    pub(super) const MIN_MAX_SCALER: &str = "org.apache.spark.ml.feature.MinMaxScalerModel";
    pub(super) const STANDARD_SCALER: &str = "org.apache.spark.ml.feature.StandardScalerModel";
    pub(super) const ONE_HOT_ENCODER: &str = "org.apache.spark.ml.feature.OneHotEncoderModel";
    pub(super) const IMPUTER: &str = "org.apache.spark.ml.feature.ImputerModel";
    /// That of a QuantileDiscretizer, too: fitted it is one.
    pub(super) const BUCKETIZER: &str = "org.apache.spark.ml.feature.Bucketizer";
    pub(super) const INTERACTION: &str = "org.apache.spark.ml.feature.Interaction";
    pub(super) const FEATURE_HASHER: &str = "org.apache.spark.ml.feature.FeatureHasher";
    pub(super) const SQL_TRANSFORMER: &str = "org.apache.spark.ml.feature.SQLTransformer";
    pub(super) const LOGISTIC_REGRESSION: &str = "org.apache.spark.ml.classification.LogisticRegressionModel";
}

/// The Spark whose layout is written; later ones read it.
pub(crate) const SPARK_VERSION: &str = "4.3.0";

/// Where a stage lies among `count`: Spark pads the position to the digits of the count.
fn stage_folder(position: usize, count: usize, uid: &str) -> String {
    let digits = count.to_string().len();
    format!("stages/{position:0digits$}_{uid}")
}
