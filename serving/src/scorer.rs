//! [`Scorer`]: a model that is loaded and answers requests.

use std::time::Instant;

use bytes::Bytes;
use rookery_ml::{
    Column, ColumnData, ColumnKind, Frame, InvalidValue, InvalidValues, MlError, Model, Predictions,
};
use rookery_proto::{ErrorClass, Failure};

use crate::accept::Form;
use crate::contribution::{self, Contribution};
use crate::counts::{Counts, Snapshot};
use crate::decode::{Decoded, Decoder};
use crate::drift::Drift;
use crate::plan::Plan;
use crate::scored::{Features, Scored};
use crate::unusable::Rows;
use crate::wrong::ScoreError;
use crate::{Refusal, answer, protocol};

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
    counts: Counts,
    /// `None` for a model without a profile.
    drift: Option<Drift>,
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
        Self {
            plan: Plan::of(&model),
            policies,
            counts: Counts::default(),
            drift: model.profile.as_ref().map(Drift::of),
            model,
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
            let lacks_category = input.categories.iter().any(|categories| {
                let lacks_null = wants(self.policies.null) && categories.null_reference.is_none();
                lacks_null || (wants(self.policies.unseen) && categories.reference.is_none())
            });
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

    /// Reads rows for this model.
    pub fn decoder(&self) -> Decoder<'_> {
        Decoder::new(&self.plan, &self.model.label)
    }

    /// Answers a request.
    ///
    /// # Errors
    /// Rows that can't be read, or values that the model can't use and the policies refuse.
    pub fn answer(&self, request: &ScoringRequest<'_>) -> Result<Answer, Refusal> {
        let began = Instant::now();
        let answered = self.answer_uncounted(request);
        match &answered {
            Ok((scored, _)) => self.counts.answered(scored, began.elapsed()),
            Err(refusal) => self.counts.refused(refusal),
        }
        answered.map(|(_, answer)| answer)
    }

    fn answer_uncounted(&self, request: &ScoringRequest<'_>) -> Result<(Scored, Answer), Refusal> {
        let form = Form::of(request.accept)?;
        let (decoded, options) = protocol::decode(&self.decoder(), request)?;
        if options.contributions && form != Form::Json {
            return Err(Refusal::new(
                400,
                "INVALID_PARAMETER_VALUE",
                "Contributions are told in JSON alone",
            ));
        }
        if let Some(drift) = &self.drift {
            drift.observe(decoded.frame());
        }
        let scored = self.score_decoded(decoded)?;
        if let Some(drift) = &self.drift {
            drift.observe_predictions(&scored.predictions.prediction);
        }
        let answer = Answer {
            content_type: form.media_type(),
            body: answer::body(self, &scored, options, form)?,
            predictions: scored.by_row(),
            unseen: scored.unseen,
        };
        Ok((scored, answer))
    }

    /// What it has answered and refused since it was loaded; rows that were scored without a request are not counted.
    pub fn counts(&self) -> Snapshot {
        self.counts.snapshot()
    }

    /// The population stability index of each input column, and last, without a name, that of the prediction: how far
    /// the rows of requests have moved away from training. Empty for a model without a profile.
    pub fn drift(&self) -> Vec<(Option<&str>, f64)> {
        self.drift.as_ref().map(Drift::indices).unwrap_or_default()
    }

    /// Scores rows, which need the columns that the model reads; others are ignored. A row without invalid values gets
    /// the very bits that [`Model::predict`] gives.
    ///
    /// # Errors
    /// Values that the model can't use and the policies refuse; a column that is missing or no number.
    pub fn score(&self, frame: Frame) -> Result<Scored, ScoreError> {
        let rows = Rows::new(frame.rows(), self.policies);
        self.score_rows(frame, rows)
    }

    /// Scores rows that were decoded.
    ///
    /// # Errors
    /// As [`score`](Scorer::score); the values that could not be decoded come first.
    pub fn score_decoded(&self, decoded: Decoded) -> Result<Scored, ScoreError> {
        let Decoded {
            frame,
            wrong,
            wrong_cells,
            lines,
        } = decoded;
        let rows = Rows::after(frame.rows(), self.policies, wrong, wrong_cells);
        self.score_rows(frame, rows).map_err(|mut error| {
            if let (ScoreError::Values(wrong), Some(lines)) = (&mut error, lines) {
                wrong.locate(&lines);
            }
            error
        })
    }

    fn score_rows(&self, frame: Frame, mut rows: Rows) -> Result<Scored, ScoreError> {
        let (frame, columns) = (Frame::new(frame.rows()), frame.into_columns());
        let frame = self.usable(frame, columns, &mut rows)?;
        let (nulls, unseen, asked) = (rows.nulls, rows.unseen, frame.rows());
        let frame = match rows.left()? {
            Some(mask) => frame.retain(&mask)?,
            None => frame,
        };
        let frame = self.plan.stages.transform(frame)?;
        let origins = (0..frame.rows()).map(|row| frame.origin(row)).collect();
        let features = self.features(frame)?;
        let scores = match &features {
            Features::Dense { width, values } => self.model.classifier.score(*width, values)?,
            Features::Sparse(vectors) => self.model.classifier.score_sparse(vectors)?,
        };
        let mut scored = Scored {
            rows: asked,
            predictions: Predictions {
                classes: scores.classes,
                raw: scores.raw,
                probability: scores.probability,
                prediction: scores.prediction,
                rows: origins,
            },
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
        for (position, input) in self.plan.inputs.iter().enumerate() {
            let found = columns.iter_mut().find(|(name, _)| *name == input.name);
            let found = found.and_then(|(_, column)| column.take());
            let default = || input.default.as_ref()?.column(input.kind, frame.rows());
            let Some(column) = found.or_else(default) else {
                let available = columns.into_iter().map(|(name, _)| name).collect();
                let column = input.name.clone();
                return Err(MlError::UnknownColumn { column, available }.into());
            };
            for categories in &input.categories {
                let indices = rows.number(position, input, categories, &column);
                let indices = Column::new(ColumnData::Double(indices));
                frame = frame.with_column(&categories.output, indices)?;
            }
            if let Some(number) = &input.number {
                let column = match column.kind() {
                    ColumnKind::Vector => column,
                    ColumnKind::Text => return Err(not_a_number(&input.name)),
                    _ => rows.check(position, input, number, column),
                };
                frame = frame.with_column(&input.name, column)?;
            } else if input.is_taken_as_it_is {
                frame = frame.with_column(&input.name, column)?;
            }
        }
        Ok(frame)
    }

    fn features(&self, frame: Frame) -> Result<Features, MlError> {
        let features = &self.model.features;
        frame.column(features)?;
        let found = frame
            .into_columns()
            .into_iter()
            .find(|(name, _)| name == features);
        let data = found.map_or(ColumnData::Double(Vec::new()), |(_, column)| column.data);
        Features::of(data).map_err(|other| MlError::WrongKind {
            column: features.clone(),
            expected: ColumnKind::Vector.to_string(),
            actual: Column::new(other).kind(),
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
