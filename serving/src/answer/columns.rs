//! Answers in columns, under the names that files of predictions have, too: `prediction`, `probability_0` and so on.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use bytes::Bytes;

use crate::Refusal;
use crate::decode::Options;
use crate::scored::Scored;

/// The columns' names, in their order.
fn names(scored: &Scored, options: Options) -> Vec<String> {
    let classes = match options.probabilities {
        true => scored.predictions.classes,
        false => 0,
    };
    let probabilities = (0..classes).map(|class| format!("probability_{class}"));
    std::iter::once("prediction".to_string())
        .chain(probabilities)
        .collect()
}

/// What the column at `column` holds for the answer at `position`.
fn value(scored: &Scored, column: usize, position: usize) -> f64 {
    match column.checked_sub(1) {
        None => scored.predictions.prediction[position],
        Some(class) => scored.probabilities(position)[class],
    }
}

/// A header and a record for each row, with every digit; the fields of a row without a prediction are empty.
pub(super) fn csv(scored: &Scored, options: Options) -> Bytes {
    let names = names(scored, options);
    let mut text = names.join(",");
    text.push('\n');
    for position in scored.positions() {
        for column in 0..names.len() {
            text.push_str(if column == 0 { "" } else { "," });
            match position.map(|position| value(scored, column, position)) {
                Some(value) if value.is_finite() => text.push_str(&format!("{value:?}")),
                _ => {}
            }
        }
        text.push('\n');
    }
    text.into()
}

/// One batch of doubles; a row without a prediction has nulls.
pub(super) fn arrow_stream(scored: &Scored, options: Options) -> Result<Bytes, Refusal> {
    let positions = scored.positions();
    let columns = names(scored, options)
        .into_iter()
        .enumerate()
        .map(|(column, name)| {
            let values = positions
                .iter()
                .map(|position| position.map(|position| value(scored, column, position)))
                .map(|value| value.filter(|value| value.is_finite()));
            let values: Float64Array = values.collect();
            (name, Arc::new(values) as ArrayRef, true)
        });
    let failed = |error| {
        Refusal::new(
            500,
            "INTERNAL_ERROR",
            format!("the answer can't be written: {error}"),
        )
    };
    let batch = RecordBatch::try_from_iter_with_nullable(columns).map_err(failed)?;
    let mut body = Vec::new();
    let mut writer = StreamWriter::try_new(&mut body, &batch.schema()).map_err(failed)?;
    writer.write(&batch).map_err(failed)?;
    writer.finish().map_err(failed)?;
    drop(writer);
    Ok(body.into())
}
