//! The columns of a stage that takes one column or several at once, as Spark's `inputCol` and `inputCols`: one output for
//! each input.

use crate::error::MlError;

/// `input` and `output`, or `inputs` and `outputs`, as they stand in a stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns<'a> {
    pub(super) input: &'a Option<String>,
    pub(super) output: &'a Option<String>,
    pub(super) inputs: &'a [String],
    pub(super) outputs: &'a [String],
}

impl<'a> Columns<'a> {
    /// The columns that are read.
    pub(super) fn read(self) -> Vec<&'a str> {
        self.input.iter().chain(self.inputs).map(String::as_str).collect()
    }

    /// The columns that are added.
    pub(super) fn added(self) -> Vec<&'a str> {
        self.output
            .iter()
            .chain(self.outputs)
            .map(String::as_str)
            .collect()
    }

    /// Pairs of what is read and what is added.
    pub(super) fn pairs(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.read().into_iter().zip(self.added())
    }

    /// Checks that exactly one of the two forms is used, with as many outputs as inputs.
    pub(super) fn check(self, component: &str) -> Result<(), MlError> {
        let refuse = |text: String| Err(MlError::Requirement(text));
        let (is_one, is_several) = (
            self.input.is_some() || self.output.is_some(),
            !self.inputs.is_empty() || !self.outputs.is_empty(),
        );
        if is_one == is_several {
            let how = if is_one { "both are set" } else { "none is set" };
            return refuse(format!(
                "{component} requires exactly one of input, inputs Params to be set, but {how}."
            ));
        }
        let (inputs, outputs) = (self.read().len(), self.added().len());
        if inputs != outputs {
            return refuse(format!(
                "The number of input columns {inputs} must be the same as the number of output columns {outputs}."
            ));
        }
        Ok(())
    }
}

/// Fields of a stage that takes one column or several: makes its `columns()`.
macro_rules! has_columns {
    ($stage:ty) => {
        impl $stage {
            pub(super) fn columns(&self) -> crate::stages::columns::Columns<'_> {
                crate::stages::columns::Columns {
                    input: &self.input,
                    output: &self.output,
                    inputs: &self.inputs,
                    outputs: &self.outputs,
                }
            }

            /// Returns the pairs of the column that is read and the column that is added for it.
            pub fn pairs(&self) -> Vec<(&str, &str)> {
                self.columns().pairs().collect()
            }

            /// Returns whether the columns are those of `inputs` and `outputs`, Spark's form for several at once.
            pub fn is_of_several(&self) -> bool {
                !self.inputs.is_empty()
            }
        }
    };
}
pub(super) use has_columns;
