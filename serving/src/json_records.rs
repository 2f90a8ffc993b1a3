//! The rows of `dataframe_records`.

use rookery_ml::{Column, ColumnData, ColumnKind, Frame, InputColumn};
use serde_json::{Map, Value};

use crate::Refusal;
use crate::wrong::ScoreError;

pub(crate) fn frame(body: &[u8], inputs: &[InputColumn]) -> Result<Frame, Refusal> {
    let body: Value = serde_json::from_slice(body).map_err(|e| Refusal::bad_request(e.to_string()))?;
    let records = body["dataframe_records"].as_array();
    let records = records.ok_or_else(|| Refusal::bad_request("expected dataframe_records"))?;
    let rows: Option<Vec<&Map<String, Value>>> = records.iter().map(Value::as_object).collect();
    let rows = rows.ok_or_else(|| Refusal::bad_request("a record is no object"))?;
    let mut frame = Frame::new(rows.len());
    for input in inputs {
        let values = rows
            .iter()
            .map(|row| row.get(&input.name).unwrap_or(&Value::Null));
        let data = match input.kind {
            ColumnKind::Text => {
                let texts = values.map(|value| value.as_str().map(str::to_string));
                texts.collect::<Option<_>>().map(ColumnData::Text)
            }
            _ => values
                .map(Value::as_f64)
                .collect::<Option<_>>()
                .map(ColumnData::Double),
        };
        let data = data.ok_or_else(|| {
            Refusal::bad_request(format!("column {}: expected a {}", input.name, input.kind))
        })?;
        frame = frame
            .with_column(&input.name, Column::new(data))
            .map_err(ScoreError::from)?;
    }
    Ok(frame)
}
