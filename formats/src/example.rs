//! A row that a model can score, made from what the model knows of its inputs.

use rookery_ml::{ColumnKind, FittedStage, InputColumn, Model, ValueProfile};
use serde_json::{Value, json};

/// A value for each input: a label it was trained with, or a number in the middle of what training saw.
pub(crate) fn row(model: &Model) -> Vec<Value> {
    model.inputs.iter().map(|input| value(model, input)).collect()
}

fn value(model: &Model, input: &InputColumn) -> Value {
    let label = first_label(model, &input.name);
    let number = || {
        mean(model, &input.name)
            .or_else(|| middle(model, &input.name))
            .unwrap_or(0.0)
    };
    match input.kind {
        ColumnKind::Text => json!(label.unwrap_or("")),
        ColumnKind::Boolean => json!(label == Some("true")),
        ColumnKind::Integer => {
            let whole = label.and_then(|label| label.parse::<i64>().ok());
            json!(whole.unwrap_or_else(|| number().round() as i64))
        }
        _ => {
            let labelled = label.and_then(|label| label.parse::<f64>().ok());
            json!(labelled.filter(|n| n.is_finite()).unwrap_or_else(number))
        }
    }
}

/// The label with index 0 of an indexer of that column.
fn first_label<'a>(model: &'a Model, column: &str) -> Option<&'a str> {
    model.pipeline.stages.iter().find_map(|stage| match stage {
        FittedStage::StringIndexer(stage) => {
            let mut columns = stage.columns();
            let found = columns.find(|(input, ..)| *input == column);
            found.and_then(|(_, _, labels)| labels.first().map(String::as_str))
        }
        _ => None,
    })
}

fn mean(model: &Model, column: &str) -> Option<f64> {
    let profile = model.profile.as_ref()?;
    let column = profile.columns.iter().find(|profile| profile.name == column)?;
    match &column.values {
        ValueProfile::Numbers { mean, .. } if mean.is_finite() => Some(*mean),
        _ => None,
    }
}

/// The middle of the range that a scaler saw, if the column is assembled into what it scales.
fn middle(model: &Model, column: &str) -> Option<f64> {
    let stages = &model.pipeline.stages;
    stages.iter().find_map(|stage| {
        let FittedStage::MinMaxScaler(scaler) = stage else {
            return None;
        };
        let position = stages.iter().find_map(|stage| match stage {
            FittedStage::VectorAssembler(stage) if stage.output == scaler.params.input => {
                // Positions of columns are those of elements only where no vector is assembled.
                (stage.inputs.len() == scaler.original_min.len())
                    .then(|| stage.inputs.iter().position(|input| input == column))
                    .flatten()
            }
            _ => None,
        })?;
        let (lowest, highest) = (
            scaler.original_min.get(position)?,
            scaler.original_max.get(position)?,
        );
        let middle = lowest + (highest - lowest) / 2.0;
        middle.is_finite().then_some(middle)
    })
}
