//! A stage of Spark's directory becomes a stage again.

use rookery_ml::{
    Attributes, Bucketizer, FeatureHasher, FittedImputer, FittedMinMaxScaler, FittedOneHotEncoder,
    FittedStage, FittedStandardScaler, FittedStringIndexer, Imputer, Interaction, MinMaxScaler,
    OneHotEncoder, SqlTransformer, StandardScaler, StringIndexer, VectorAssembler,
};

use super::class;
use super::json::Metadata;
use super::numbers::Number;
use super::table::Row;
use crate::{Format, FormatError};

/// Most elements of a vector that a stage makes of one column.
const MAX_WIDTH: usize = 1 << 25;

/// The stage that some metadata describes; `data` reads what was fitted, `known` is what the stages before it tell.
pub(super) fn read_stage(
    metadata: &Metadata,
    data: impl FnOnce() -> Result<Row, FormatError>,
    known: &Attributes,
) -> Result<FittedStage, FormatError> {
    Ok(match metadata.class.as_str() {
        class::STRING_INDEXER => FittedStage::StringIndexer(FittedStringIndexer {
            params: StringIndexer {
                input: metadata.find("inputCol")?,
                output: single_output(metadata)?,
                inputs: several(metadata, "inputCols")?,
                outputs: several(metadata, "outputCols")?,
                order: metadata.get("stringOrderType")?,
                handle_invalid: metadata.get("handleInvalid")?,
            },
            labels: data()?.labels("labelsArray")?,
        }),
        class::VECTOR_ASSEMBLER => FittedStage::VectorAssembler(VectorAssembler {
            inputs: metadata.get("inputCols")?,
            output: metadata.get("outputCol")?,
            handle_invalid: metadata.get("handleInvalid")?,
        }),
        class::MIN_MAX_SCALER => {
            let data = data()?;
            FittedStage::MinMaxScaler(FittedMinMaxScaler {
                params: MinMaxScaler {
                    input: metadata.get("inputCol")?,
                    output: metadata.get("outputCol")?,
                    min: metadata.get("min")?,
                    max: metadata.get("max")?,
                },
                original_min: data.vector("originalMin")?,
                original_max: data.vector("originalMax")?,
            })
        }
        class::STANDARD_SCALER => {
            let data = data()?;
            FittedStage::StandardScaler(FittedStandardScaler {
                params: StandardScaler {
                    input: metadata.get("inputCol")?,
                    output: metadata.get("outputCol")?,
                    with_mean: metadata.get("withMean")?,
                    with_std: metadata.get("withStd")?,
                },
                mean: data.vector("mean")?,
                std: data.vector("std")?,
            })
        }
        class::ONE_HOT_ENCODER => one_hot_encoder(metadata, &data()?)?,
        class::IMPUTER => imputer(metadata, &data()?)?,
        class::BUCKETIZER => bucketizer(metadata)?,
        class::INTERACTION => {
            let params = Interaction {
                inputs: metadata.get("inputCols")?,
                output: metadata.get("outputCol")?,
            };
            let fitted = params.fitted(known)?;
            bound(fitted.width()?)?;
            FittedStage::Interaction(fitted)
        }
        class::FEATURE_HASHER => {
            let stage = FeatureHasher {
                inputs: metadata.get("inputCols")?,
                output: metadata.get("outputCol")?,
                num_features: metadata.get("numFeatures")?,
                categorical_cols: several(metadata, "categoricalCols")?,
            };
            bound(stage.num_features as usize)?;
            FittedStage::FeatureHasher(stage)
        }
        class::SQL_TRANSFORMER => {
            let statement: String = metadata.get("statement")?;
            FittedStage::SqlTransformer(SqlTransformer::new(statement)?)
        }
        other => return Err(Format::Spark.invalid(format!("a stage of class {other}"))),
    })
}

fn several(metadata: &Metadata, name: &str) -> Result<Vec<String>, FormatError> {
    Ok(metadata.find(name)?.unwrap_or_default())
}

/// The output of a stage of one column. Where there are several, `outputCol` is nothing but Spark's default.
fn single_output(metadata: &Metadata) -> Result<Option<String>, FormatError> {
    let input: Option<String> = metadata.find("inputCol")?;
    match input {
        Some(_) => metadata.find("outputCol"),
        None => Ok(None),
    }
}

fn bound(width: usize) -> Result<(), FormatError> {
    match width <= MAX_WIDTH {
        true => Ok(()),
        false => Err(Format::Spark.invalid(format!("a vector of {width} elements is too wide"))),
    }
}

/// Refuses a stage whose lists do not belong together.
fn require_columns(metadata: &Metadata, columns: usize, fitted: usize) -> Result<(), FormatError> {
    match columns == fitted && columns > 0 {
        true => Ok(()),
        false => Err(Format::Spark.invalid(format!(
            "{} has {columns} columns, and {fitted} fitted",
            metadata.uid
        ))),
    }
}

fn one_hot_encoder(metadata: &Metadata, data: &Row) -> Result<FittedStage, FormatError> {
    let stage = FittedOneHotEncoder {
        params: OneHotEncoder {
            input: metadata.find("inputCol")?,
            output: single_output(metadata)?,
            inputs: several(metadata, "inputCols")?,
            outputs: several(metadata, "outputCols")?,
            drop_last: metadata.get("dropLast")?,
            handle_invalid: metadata.get("handleInvalid")?,
        },
        category_sizes: data.ints("categorySizes")?,
    };
    require_columns(metadata, stage.params.pairs().len(), stage.category_sizes.len())?;
    stage.category_sizes.iter().try_for_each(|size| bound(*size))?;
    Ok(FittedStage::OneHotEncoder(stage))
}

fn imputer(metadata: &Metadata, data: &Row) -> Result<FittedStage, FormatError> {
    let missing: Number = metadata.get("missingValue")?;
    let relative_error: Option<Number> = metadata.find("relativeError")?;
    let params = Imputer {
        input: metadata.find("inputCol")?,
        output: single_output(metadata)?,
        inputs: several(metadata, "inputCols")?,
        outputs: several(metadata, "outputCols")?,
        strategy: metadata.get("strategy")?,
        missing_value: Some(missing.0).filter(|missing| !missing.is_nan()),
        relative_error: relative_error.map_or(0.001, |error| error.0),
    };
    let surrogates = params.pairs().into_iter().map(|(input, _)| data.double(input));
    let surrogates = surrogates.collect::<Result<Vec<_>, _>>()?;
    require_columns(metadata, params.pairs().len(), surrogates.len())?;
    Ok(FittedStage::Imputer(FittedImputer { params, surrogates }))
}

fn bucketizer(metadata: &Metadata) -> Result<FittedStage, FormatError> {
    let plain = |numbers: Vec<Number>| numbers.into_iter().map(|number| number.0).collect::<Vec<f64>>();
    let splits: Option<Vec<Number>> = metadata.find("splits")?;
    let splits_array: Option<Vec<Vec<Number>>> = metadata.find("splitsArray")?;
    let stage = Bucketizer {
        input: metadata.find("inputCol")?,
        output: single_output(metadata)?,
        inputs: several(metadata, "inputCols")?,
        outputs: several(metadata, "outputCols")?,
        splits: splits.map(plain).unwrap_or_default(),
        splits_array: splits_array.unwrap_or_default().into_iter().map(plain).collect(),
        handle_invalid: metadata.get("handleInvalid")?,
    };
    require_columns(metadata, stage.pairs().len(), stage.bucketed().len())?;
    Ok(FittedStage::Bucketizer(stage))
}
