//! [`PmmlModel`]: a document that was read, and the rows it scores.

use rookery_ml::{Column, ColumnData, Frame, Predictions};

use super::expression::Values;
use super::read::{Input, Output, Program, Table, read};
use crate::{Format, FormatError};

/// Rows that are scored at once.
const ROWS_AT_ONCE: usize = 1024;

/// A model, read from PMML.
#[derive(Debug)]
pub(crate) struct PmmlModel {
    program: Program,
}

impl PmmlModel {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        Ok(Self {
            program: read(bytes)?,
        })
    }

    /// Scores rows; those without a result are left out.
    pub(crate) fn predict(&self, frame: &Frame) -> Result<Predictions, FormatError> {
        let mut predictions = Predictions {
            classes: self.program.probabilities.len(),
            ..Predictions::default()
        };
        for start in (0..frame.rows()).step_by(ROWS_AT_ONCE) {
            let rows = start..frame.rows().min(start + ROWS_AT_ONCE);
            self.predict_rows(frame, rows, &mut predictions)?;
        }
        Ok(predictions)
    }

    fn predict_rows(
        &self,
        frame: &Frame,
        rows: std::ops::Range<usize>,
        predictions: &mut Predictions,
    ) -> Result<(), FormatError> {
        let (program, start, count) = (&self.program, rows.start, rows.len());
        let mut fields: Vec<Values<'_>> = Vec::new();
        for input in &program.inputs {
            fields.push(values(input, frame.column(&input.name)?, rows.clone())?);
        }
        for expression in &program.derived {
            let column = expression.compute(&fields, count)?;
            fields.push(Values::Numbers(column));
        }
        let probabilities = self.probabilities(&fields, count)?;
        let first_output = fields.len();
        for output in &program.outputs {
            let column = match output {
                Output::Probability(class) => probabilities[*class].clone(),
                Output::Computed(expression) => expression.compute(&fields, count)?,
            };
            fields.push(Values::Numbers(column));
        }
        let column = |output: usize| match fields.get(first_output + output) {
            Some(Values::Numbers(values)) => Ok(values),
            _ => Err(Format::Pmml.invalid("an output is not computed")),
        };
        let prediction = column(program.prediction)?;
        let classes = program.probabilities.iter().map(|output| column(*output));
        let classes = classes.collect::<Result<Vec<_>, _>>()?;
        for row in (0..count).filter(|row| !classes[0][*row].is_nan()) {
            predictions.rows.push(start + row);
            predictions.prediction.push(prediction[row]);
            predictions
                .probability
                .extend(classes.iter().map(|column| column[row]));
        }
        Ok(())
    }

    /// The probability of each class for some rows.
    fn probabilities(&self, fields: &[Values<'_>], rows: usize) -> Result<Vec<Vec<f64>>, FormatError> {
        let margins = self
            .program
            .tables
            .iter()
            .map(|table| margin(table, fields, rows));
        let mut margins = margins.collect::<Result<Vec<_>, _>>()?;
        if !self.program.is_softmax {
            let first: Vec<f64> = margins[0].iter().map(|m| 1.0 / (1.0 + libm::exp(-m))).collect();
            let second = first.iter().map(|p| 1.0 - p).collect();
            return Ok(vec![second, first]);
        }
        for row in 0..rows {
            let largest = margins
                .iter()
                .map(|column| column[row])
                .fold(f64::NEG_INFINITY, f64::max);
            let mut sum = 0.0;
            for column in &mut margins {
                column[row] = libm::exp(column[row] - largest);
                sum += column[row];
            }
            margins.iter_mut().for_each(|column| column[row] /= sum);
        }
        Ok(margins)
    }
}

fn margin(table: &Table, fields: &[Values<'_>], rows: usize) -> Result<Vec<f64>, FormatError> {
    let mut margins = vec![table.intercept; rows];
    for (field, coefficient) in &table.predictors {
        let Some(Values::Numbers(values)) = fields.get(*field) else {
            return Err(Format::Pmml.invalid("a predictor that is no number"));
        };
        for (margin, value) in margins.iter_mut().zip(values) {
            *margin += coefficient * value;
        }
    }
    Ok(margins)
}

/// Rows of a column as a field's values.
fn values<'a>(
    input: &Input,
    column: &'a Column,
    rows: std::ops::Range<usize>,
) -> Result<Values<'a>, FormatError> {
    let refuse =
        |row: usize, what: &str| Format::Pmml.refused(format!("column {}, row {row}: {what}", input.name));
    if let ColumnData::Text(texts) = &column.data {
        let text = |row: usize| {
            let text = (!column.is_null(row)).then(|| texts[row].as_str());
            match (text, &input.allowed) {
                (None, _) if input.refuses_missing => Err(refuse(row, "missing")),
                (Some(text), Some(allowed)) if !allowed.contains(text) => Err(refuse(row, "invalid")),
                _ => Ok(text),
            }
        };
        return match input.is_text {
            true => Ok(Values::Texts(rows.map(text).collect::<Result<_, _>>()?)),
            false => Err(Format::Pmml.invalid(format!("column {} is text", input.name))),
        };
    }
    let number = |row: usize| {
        let number = column
            .number(row)
            .filter(|_| !column.is_null(row))
            .unwrap_or(f64::NAN);
        match number.is_nan() && input.refuses_missing {
            true => Err(refuse(row, "missing")),
            false => Ok(number),
        }
    };
    match input.is_text {
        true => Err(Format::Pmml.invalid(format!("column {} is no text", input.name))),
        false => Ok(Values::Numbers(rows.map(number).collect::<Result<_, _>>()?)),
    }
}
