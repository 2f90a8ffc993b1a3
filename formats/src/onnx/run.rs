//! [`OnnxModel`]: a graph that was read, and the rows it is run on.

use rookery_ml::{Frame, Predictions};

use super::compile::{Program, compile};
use super::operators;
use super::tensor::{Data, Tensor};
use crate::{Format, FormatError};

/// Most rows that go through the graph at once, and fewest.
const ROWS_AT_ONCE: (usize, usize) = (1024, 16);
/// Rows times values that are aimed at: a wide model has many values, and gets fewer rows.
const VALUES_AT_ONCE: usize = 1 << 22;
/// Most elements of all tensors of one pass, and most that its operations read.
const MAX_ELEMENTS_AT_ONCE: usize = 1 << 27;
const MAX_ELEMENTS_READ: usize = 1 << 32;

/// A model, read from ONNX.
#[derive(Debug)]
pub(crate) struct OnnxModel {
    program: Program,
}

impl OnnxModel {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        let program = compile(bytes)?;
        if program.outputs.len() < 3 {
            return Err(Format::Onnx.invalid("there are fewer outputs than a classifier has"));
        }
        Ok(Self { program })
    }

    /// Scores rows.
    pub(crate) fn predict(&self, frame: &Frame) -> Result<Predictions, FormatError> {
        let mut predictions = Predictions::default();
        let (most, fewest) = ROWS_AT_ONCE;
        let at_once = (VALUES_AT_ONCE / self.program.values.max(1)).clamp(fewest, most);
        for start in (0..frame.rows()).step_by(at_once) {
            let rows = start..frame.rows().min(start + at_once);
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
        let start = rows.start;
        let mut outputs = self.run(frame, rows.clone())?.into_iter();
        let mut positions: Vec<usize> = rows.collect();
        let mut columns: Vec<Vec<f64>> = Vec::new();
        for output in &mut outputs {
            match output.data {
                Data::Double(values) => columns.push(values),
                Data::Int(values) => {
                    let kept = values
                        .into_iter()
                        .map(|row| start + usize::try_from(row).unwrap_or_default());
                    positions = kept.collect();
                }
                _ => return Err(Format::Onnx.invalid("an output of an unexpected type")),
            }
        }
        let classes = columns.len().saturating_sub(1);
        if classes < 2 || columns.iter().any(|column| column.len() != positions.len()) {
            return Err(Format::Onnx.invalid("outputs of unequal lengths"));
        }
        predictions.classes = classes;
        for row in 0..positions.len() {
            predictions
                .probability
                .extend(columns[1..].iter().map(|column| column[row]));
        }
        predictions.prediction.append(&mut columns[0]);
        predictions.rows.extend(positions);
        Ok(())
    }

    /// Carries the graph out and returns its outputs.
    fn run(&self, frame: &Frame, rows: std::ops::Range<usize>) -> Result<Vec<Tensor>, FormatError> {
        let program = &self.program;
        let mut values: Vec<Option<Tensor>> = vec![None; program.values];
        for input in &program.inputs {
            let column = frame.column(&input.name)?;
            let tensor = Tensor::of_column(
                column,
                &input.name,
                rows.clone(),
                input.element,
                &program.null_text,
            )?;
            values[input.value] = Some(tensor);
        }
        let mut constants: Vec<Option<&Tensor>> = vec![None; program.values];
        for (value, tensor) in &program.constants {
            constants[*value] = Some(tensor);
        }
        let (mut elements, mut read) = (0, 0);
        for step in &program.steps {
            let inputs = step
                .inputs
                .iter()
                .map(|input| constants[*input].or(values[*input].as_ref()));
            let inputs = inputs.collect::<Option<Vec<&Tensor>>>();
            let inputs = inputs.ok_or_else(|| Format::Onnx.invalid("a value is used before it is there"))?;
            let output =
                operators::apply(&step.operator, &inputs).map_err(|error| at_node(error, &step.name))?;
            elements += output.data.len();
            read += inputs.iter().map(|input| input.data.len()).sum::<usize>();
            if elements > MAX_ELEMENTS_AT_ONCE || read > MAX_ELEMENTS_READ {
                return Err(Format::Onnx.invalid("the graph needs too much memory or time"));
            }
            values[step.output] = Some(output);
        }
        let outputs = program.outputs.iter().map(|output| values[*output].take());
        let outputs: Option<Vec<Tensor>> = outputs.collect();
        outputs.ok_or_else(|| Format::Onnx.invalid("an output is not computed"))
    }
}

/// Says in which node something went wrong; the names of those that refuse rows say why.
fn at_node(error: FormatError, node: &str) -> FormatError {
    match error {
        FormatError::Refused { format, what } => format.refused(format!("{node}: {what}")),
        FormatError::Invalid { format, what } => format.invalid(format!("{node}: {what}")),
        error => error,
    }
}
