//! What each stage is in Spark's directory: its class, its parameters, and the table of what was fitted.

use rookery_ml::{
    Bucketizer, FittedImputer, FittedMinMaxScaler, FittedOneHotEncoder, FittedQuantileDiscretizer,
    FittedStage, FittedStandardScaler, FittedStringIndexer, ImputeStrategy, VectorAssembler,
};
use serde_json::{Value, json};

use super::class;
use super::numbers::{number, numbers};
use super::table::{self, Cell};
use crate::FormatError;

/// A stage as it is written.
pub(super) struct Written {
    pub(super) class: &'static str,
    /// What was set.
    pub(super) params: Value,
    /// What holds where nothing was set.
    pub(super) defaults: Value,
    /// The table of one row.
    pub(super) data: Option<Vec<u8>>,
}

/// What a stage is written as.
pub(super) fn written(stage: &FittedStage, uid: &str) -> Result<Written, FormatError> {
    let output = format!("{uid}__output");
    Ok(match stage {
        FittedStage::StringIndexer(stage) => string_indexer(stage, output)?,
        FittedStage::VectorAssembler(stage) => vector_assembler(stage, output),
        FittedStage::MinMaxScaler(stage) => min_max_scaler(stage, output)?,
        FittedStage::StandardScaler(stage) => standard_scaler(stage, output)?,
        FittedStage::OneHotEncoder(stage) => one_hot_encoder(stage, output)?,
        FittedStage::Imputer(stage) => imputer(stage, output)?,
        FittedStage::Bucketizer(stage) => bucketizer(stage, output),
        FittedStage::QuantileDiscretizer(stage) => quantile_discretizer(stage, output),
        FittedStage::Interaction(stage) => Written {
            class: class::INTERACTION,
            params: json!({ "inputCols": stage.params.inputs, "outputCol": stage.params.output }),
            defaults: json!({ "outputCol": output }),
            data: None,
        },
        FittedStage::FeatureHasher(stage) => {
            let mut params = json!({
                "inputCols": stage.inputs, "outputCol": stage.output, "numFeatures": stage.num_features,
            });
            if !stage.categorical_cols.is_empty() {
                params["categoricalCols"] = json!(stage.categorical_cols);
            }
            Written {
                class: class::FEATURE_HASHER,
                params,
                defaults: json!({ "numFeatures": 1 << 18, "outputCol": output }),
                data: None,
            }
        }
        FittedStage::SqlTransformer(stage) => Written {
            class: class::SQL_TRANSFORMER,
            params: json!({ "statement": stage.statement() }),
            defaults: json!({}),
            data: None,
        },
    })
}

/// The columns of a stage of one column or several, as Spark's parameters.
fn columns(pairs: &[(&str, &str)], is_of_several: bool) -> Value {
    let (inputs, outputs): (Vec<&str>, Vec<&str>) = pairs.iter().copied().unzip();
    match (is_of_several, pairs) {
        (false, [(input, output)]) => json!({ "inputCol": input, "outputCol": output }),
        _ => json!({ "inputCols": inputs, "outputCols": outputs }),
    }
}

fn string_indexer(stage: &FittedStringIndexer, output: String) -> Result<Written, FormatError> {
    let mut params = columns(&stage.params.pairs(), stage.params.is_of_several());
    params["handleInvalid"] = json!(stage.params.handle_invalid);
    params["stringOrderType"] = json!(stage.params.order);
    Ok(Written {
        class: class::STRING_INDEXER,
        params,
        defaults: json!({ "handleInvalid": "error", "stringOrderType": "frequencyDesc", "outputCol": output }),
        data: Some(table::write(&[("labelsArray", Cell::Labels(&stage.labels))])?),
    })
}

fn vector_assembler(stage: &VectorAssembler, output: String) -> Written {
    Written {
        class: class::VECTOR_ASSEMBLER,
        params: json!({
            "inputCols": stage.inputs, "outputCol": stage.output, "handleInvalid": stage.handle_invalid,
        }),
        defaults: json!({ "handleInvalid": "error", "outputCol": output }),
        data: None,
    }
}

fn min_max_scaler(stage: &FittedMinMaxScaler, output: String) -> Result<Written, FormatError> {
    let params = &stage.params;
    Ok(Written {
        class: class::MIN_MAX_SCALER,
        params: json!({
            "inputCol": params.input, "outputCol": params.output, "min": params.min, "max": params.max,
        }),
        defaults: json!({ "min": 0.0, "max": 1.0, "outputCol": output }),
        data: Some(table::write(&[
            ("originalMin", Cell::Vector(&stage.original_min)),
            ("originalMax", Cell::Vector(&stage.original_max)),
        ])?),
    })
}

fn standard_scaler(stage: &FittedStandardScaler, output: String) -> Result<Written, FormatError> {
    let params = &stage.params;
    Ok(Written {
        class: class::STANDARD_SCALER,
        params: json!({
            "inputCol": params.input, "outputCol": params.output,
            "withMean": params.with_mean, "withStd": params.with_std,
        }),
        defaults: json!({ "withMean": false, "withStd": true, "outputCol": output }),
        data: Some(table::write(&[
            ("std", Cell::Vector(&stage.std)),
            ("mean", Cell::Vector(&stage.mean)),
        ])?),
    })
}

fn one_hot_encoder(stage: &FittedOneHotEncoder, output: String) -> Result<Written, FormatError> {
    let mut params = columns(&stage.params.pairs(), stage.params.is_of_several());
    params["dropLast"] = json!(stage.params.drop_last);
    params["handleInvalid"] = json!(stage.params.handle_invalid);
    Ok(Written {
        class: class::ONE_HOT_ENCODER,
        params,
        defaults: json!({ "dropLast": true, "handleInvalid": "error", "outputCol": output }),
        data: Some(table::write(&[(
            "categorySizes",
            Cell::Ints(&stage.category_sizes),
        )])?),
    })
}

fn imputer(stage: &FittedImputer, output: String) -> Result<Written, FormatError> {
    let pairs = stage.params.pairs();
    let mut params = columns(&pairs, stage.params.is_of_several());
    params["strategy"] = json!(stage.params.strategy);
    params["relativeError"] = json!(stage.params.relative_error);
    if let Some(missing) = stage.params.missing_value {
        params["missingValue"] = number(missing);
    }
    // A column for each input, called as it is.
    let surrogates = pairs.iter().zip(&stage.surrogates);
    let cells: Vec<_> = surrogates
        .map(|((input, _), surrogate)| (*input, Cell::Double(*surrogate)))
        .collect();
    Ok(Written {
        class: class::IMPUTER,
        params,
        defaults: json!({
            "missingValue": "NaN", "relativeError": 0.001, "strategy": ImputeStrategy::Mean, "outputCol": output,
        }),
        data: Some(table::write(&cells)?),
    })
}

fn bucketizer(stage: &Bucketizer, output: String) -> Written {
    let mut params = columns(&stage.pairs(), stage.is_of_several());
    params["handleInvalid"] = json!(stage.handle_invalid);
    put_splits(&mut params, &stage.bucketed(), stage.is_of_several());
    Written {
        class: class::BUCKETIZER,
        params,
        defaults: json!({ "handleInvalid": "error", "outputCol": output }),
        data: None,
    }
}

fn quantile_discretizer(stage: &FittedQuantileDiscretizer, output: String) -> Written {
    let own = &stage.params;
    let mut params = columns(&own.pairs(), own.is_of_several());
    params["handleInvalid"] = json!(own.handle_invalid);
    put_splits(&mut params, &stage.bucketed(), own.is_of_several());
    Written {
        class: class::BUCKETIZER,
        params,
        defaults: json!({ "handleInvalid": "error", "outputCol": output }),
        data: None,
    }
}

fn put_splits(params: &mut Value, bucketed: &[(&str, &str, &[f64])], is_of_several: bool) {
    match (is_of_several, bucketed) {
        (false, [(_, _, splits)]) => params["splits"] = numbers(splits),
        (_, several) => {
            params["splitsArray"] = several.iter().map(|(_, _, splits)| numbers(splits)).collect();
        }
    }
}
