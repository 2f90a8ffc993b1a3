//! [`Scorer`]: a model that is loaded and answers requests.

use bytes::Bytes;
use rookery_ml::{
    Column, ColumnData, ColumnKind, Frame, InvalidValue, InvalidValues, MlError, Model, Predictions,
};
use rookery_proto::{ErrorClass, Failure};
use serde_json::json;

use crate::Refusal;
use crate::contribution::{self, Contribution};
use crate::json_records;
use crate::plan::Plan;
use crate::scored::Scored;
use crate::unusable::Rows;
use crate::wrong::ScoreError;

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

/// A model that is loaded and answers requests. It is never changed: a new model is a new scorer.
#[derive(Debug)]
pub struct Scorer {
    model: Model,
    plan: Plan,
    policies: InvalidValues,
}

impl Scorer {
    /// A scorer of `model`, which treats invalid values as the model says.
    pub fn new(model: Model) -> Self {
        let policies = model.invalid_values;
        Self::of(model, policies)
    }

    /// A scorer of `model` with other policies than its own.
    ///
    /// # Errors
    /// Class config: a policy asks for a reference that the model does not hold.
    pub fn with_policies(model: Model, policies: InvalidValues) -> Result<Self, Failure> {
        let scorer = Self::of(model, policies);
        scorer.check_references()?;
        Ok(scorer)
    }

    fn of(model: Model, policies: InvalidValues) -> Self {
        let plan = Plan::of(&model);
        Self {
            model,
            plan,
            policies,
        }
    }

    /// Its model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What it does with invalid values.
    pub fn policies(&self) -> InvalidValues {
        self.policies
    }

    /// What each feature is: the column as it was assembled.
    pub fn feature_names(&self) -> &[String] {
        &self.plan.feature_names
    }

    fn check_references(&self) -> Result<(), Failure> {
        let wants = |policy| policy == InvalidValue::Reference;
        for input in &self.plan.inputs {
            let number = input.number.as_ref().filter(|_| wants(self.policies.null));
            let lacks_mean = number.is_some_and(|number| number.reference.is_none());
            let wants_category = wants(self.policies.null) || wants(self.policies.unseen);
            let lacks_category = wants_category && input.categories.iter().any(|c| c.reference.is_none());
            if lacks_mean || lacks_category {
                let what = if lacks_mean {
                    "mean"
                } else {
                    "most frequent category"
                };
                let message = format!("the model does not know the {what} of column {}", input.name);
                return Err(Failure::new(ErrorClass::Config, message)
                    .hint("train it again for a model with a profile, or use the policy error or keep"));
            }
        }
        Ok(())
    }

    /// Scores rows, which need the columns that the model reads; others are ignored. A row without invalid values gets
    /// the very bits that [`Model::predict`] gives.
    ///
    /// # Errors
    /// Values that the model can't use and the policies refuse; a column that is missing or no number.
    pub fn score(&self, frame: Frame) -> Result<Scored, ScoreError> {
        let mut rows = Rows::new(frame.rows(), self.policies);
        let (frame, columns) = (Frame::new(frame.rows()), frame.into_columns());
        let frame = self.usable(frame, columns, &mut rows)?;
        let (nulls, unseen) = (rows.nulls, rows.unseen);
        let asked = frame.rows();
        let frame = match rows.left()? {
            Some(mask) => frame.retain(&mask)?,
            None => frame,
        };
        let frame = self.plan.stages.transform(frame)?;
        let origins: Vec<usize> = (0..frame.rows()).map(|row| frame.origin(row)).collect();
        let (width, features) = self.features(frame)?;
        let scores = self.model.classifier.score(width, &features)?;
        let predictions = Predictions {
            classes: scores.classes,
            raw: scores.raw,
            probability: scores.probability,
            prediction: scores.prediction,
            rows: origins,
        };
        let mut scored = Scored {
            rows: asked,
            predictions,
            unseen,
            nulls,
            features,
        };
        scored.leave_out_nan();
        Ok(scored)
    }

    /// The columns that the stages read, every value of which they can use but for the rows to be left out.
    fn usable(
        &self,
        mut frame: Frame,
        columns: Vec<(String, Column)>,
        rows: &mut Rows,
    ) -> Result<Frame, ScoreError> {
        let mut columns: Vec<(String, Option<Column>)> = columns
            .into_iter()
            .map(|(name, column)| (name, Some(column)))
            .collect();
        for input in &self.plan.inputs {
            let found = columns.iter_mut().find(|(name, _)| *name == input.name);
            let Some(column) = found.and_then(|(_, column)| column.take()) else {
                let available = columns.into_iter().map(|(name, _)| name).collect();
                let column = input.name.clone();
                return Err(MlError::UnknownColumn { column, available }.into());
            };
            for categories in &input.categories {
                let indices = rows.number(input, categories, &column);
                let indices = Column::new(ColumnData::Double(indices));
                frame = frame.with_column(&categories.output, indices)?;
            }
            if let Some(number) = &input.number {
                let column = match column.kind() {
                    ColumnKind::Vector => column,
                    ColumnKind::Text => return Err(not_a_number(&input.name)),
                    _ => rows.check(input, number, column),
                };
                frame = frame.with_column(&input.name, column)?;
            }
        }
        Ok(frame)
    }

    fn features(&self, frame: Frame) -> Result<(usize, Vec<f64>), MlError> {
        let features = &self.model.features;
        frame.column(features)?;
        let found = frame
            .into_columns()
            .into_iter()
            .find(|(name, _)| name == features);
        match found.map(|(_, column)| column.data) {
            Some(ColumnData::Vector { width, values }) => Ok((width, values)),
            other => Err(MlError::WrongKind {
                column: features.clone(),
                expected: ColumnKind::Vector.to_string(),
                actual: other.map_or(ColumnKind::Vector, |data| Column::new(data).kind()),
            }),
        }
    }

    /// Scores the rows of a request.
    ///
    /// # Errors
    /// The request holds no rows, or rows that the model can't use.
    pub fn answer(&self, request: &ScoringRequest<'_>) -> Result<Answer, Refusal> {
        let scored = self.score(json_records::frame(request.body, &self.model.inputs)?)?;
        let predictions = scored.by_row();
        Ok(Answer {
            content_type: "application/json",
            body: json!({ "predictions": predictions }).to_string().into(),
            predictions,
            unseen: scored.unseen,
        })
    }

    /// What each feature of one row adds to the margin of each class; `features` is a row of [`Scored::features`].
    pub fn contributions(&self, features: &[f64]) -> Vec<Contribution> {
        contribution::of_row(&self.model.classifier, features)
    }
}

fn not_a_number(column: &str) -> ScoreError {
    let (column, kind) = (column.to_string(), ColumnKind::Text);
    MlError::UnsupportedKind { column, kind }.into()
}
