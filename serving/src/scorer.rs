//! [`Scorer`]: a model that is loaded and answers requests.

use bytes::Bytes;
use rookery_ml::{Column, ColumnData, ColumnKind, Frame, MlError, Model};
use serde_json::{Map, Value, json};

/// A request to score rows, as it came over HTTP.
#[derive(Debug, Clone, Copy)]
pub struct ScoringRequest<'a> {
    /// Its `Content-Type`.
    pub content_type: Option<&'a str>,
    /// Its `Accept`.
    pub accept: Option<&'a str>,
    /// The query of its address, without the question mark.
    pub query: Option<&'a str>,
    /// The rows.
    pub body: &'a [u8],
}

/// What a model says of the rows of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The body's `Content-Type`.
    pub content_type: &'static str,
    /// The answer as it goes to the client.
    pub body: Bytes,
    /// The predicted class of each row; `None` for a row that the model leaves out.
    pub predictions: Vec<Option<f64>>,
    /// Values of category columns that training has not seen.
    pub unseen: u64,
}

/// Why a request is not answered, in MLflow's error shape: `{"error_code", "message"}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error_code}: {message}")]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// MLflow's error code, such as `BAD_REQUEST`.
    pub error_code: &'static str,
    /// What is wrong, where, and what was expected.
    pub message: String,
}

/// A model that is loaded and answers requests. It is never changed: a new model is a new scorer.
#[derive(Debug)]
pub struct Scorer {
    model: Model,
}

impl Scorer {
    /// A scorer of `model`.
    pub fn new(model: Model) -> Self {
        Self { model }
    }

    /// Its model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Scores the rows of a request.
    ///
    /// # Errors
    /// The request holds no rows, or rows that the model can't use.
    pub fn answer(&self, request: &ScoringRequest<'_>) -> Result<Answer, Refusal> {
        let body: Value = serde_json::from_slice(request.body).map_err(|e| refusal(e.to_string()))?;
        let records = body["dataframe_records"].as_array();
        let records = records.ok_or_else(|| refusal("expected dataframe_records".to_string()))?;
        let rows: Option<Vec<&Map<String, Value>>> = records.iter().map(Value::as_object).collect();
        let rows = rows.ok_or_else(|| refusal("a record is no object".to_string()))?;
        let frame = self.frame(&rows)?;
        let predictions = self.model.predict(frame).map_err(|e| of_ml(&e))?;
        let mut by_row = vec![None; rows.len()];
        for (row, prediction) in predictions.rows.iter().zip(&predictions.prediction) {
            by_row[*row] = Some(*prediction);
        }
        Ok(Answer {
            content_type: "application/json",
            body: json!({ "predictions": by_row }).to_string().into(),
            predictions: by_row,
            unseen: 0,
        })
    }

    fn frame(&self, rows: &[&Map<String, Value>]) -> Result<Frame, Refusal> {
        let mut frame = Frame::new(rows.len());
        for input in &self.model.inputs {
            let values = rows
                .iter()
                .map(|row| row.get(&input.name).unwrap_or(&Value::Null));
            let data = match input.kind {
                ColumnKind::Text => values
                    .map(|v| v.as_str().map(str::to_string))
                    .collect::<Option<_>>()
                    .map(ColumnData::Text),
                _ => values
                    .map(Value::as_f64)
                    .collect::<Option<_>>()
                    .map(ColumnData::Double),
            };
            let data =
                data.ok_or_else(|| refusal(format!("column {}: expected a {}", input.name, input.kind)))?;
            frame = frame
                .with_column(&input.name, Column::new(data))
                .map_err(|e| of_ml(&e))?;
        }
        Ok(frame)
    }
}

fn of_ml(error: &MlError) -> Refusal {
    refusal(error.to_string())
}

fn refusal(message: String) -> Refusal {
    Refusal {
        status: 400,
        error_code: "BAD_REQUEST",
        message,
    }
}
