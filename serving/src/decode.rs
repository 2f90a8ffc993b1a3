//! Rows as they come in, and the model's columns as they go to the scorer: one decoder for requests and for files.
//!
//! Whatever the form, a value becomes a [`cell::Cell`] and is converted to its column's type in one place, so that JSON, CSV
//! and Arrow mean the same. Conversions are those of MLflow's scoring server with a signature: whole numbers, numbers in
//! strings and truth values are taken for doubles, and so on. What can't be converted is collected, not only the first.

mod arrow;
mod bounds;
mod cell;
mod csv;
mod json;
mod json_rows;
mod parquet;
mod table;
mod thrift;

use std::collections::HashSet;

use rookery_ml::{Frame, InputColumn};

pub use json_rows::Options;

use crate::plan::Plan;
use crate::wrong::WrongValues;

/// Reads rows for a model; made by [`crate::Scorer::decoder`].
#[derive(Debug, Clone, Copy)]
pub struct Decoder<'a> {
    plan: &'a Plan,
    /// What the model predicts: no row may hold it where other columns are refused.
    label: &'a str,
    refuses_others: bool,
}

/// Rows as the model's columns, and the values in them that can't be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The columns that the model reads, with a null in place of each wrong value.
    pub(crate) frame: Frame,
    pub(crate) wrong: WrongValues,
    /// Where the wrong values are, by row and input: they are told of already.
    pub(crate) wrong_cells: HashSet<(usize, usize)>,
    /// The line on which each row begins, in a CSV file.
    pub(crate) lines: Option<Vec<u64>>,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(plan: &'a Plan, label: &'a str) -> Self {
        Self {
            plan,
            label,
            refuses_others: false,
        }
    }

    /// The same decoder, but columns that the model does not read are refused: they may be misspelt. Otherwise they are
    /// ignored, as MLflow does.
    #[must_use]
    pub fn refusing_other_columns(self) -> Self {
        Self {
            refuses_others: true,
            ..self
        }
    }

    /// What is wrong with a column that the model does not read, if anything is.
    fn other_column(&self, name: &str) -> Option<String> {
        if !self.refuses_others {
            return None;
        }
        let what = match name == self.label {
            true => format!("column {name} is the label: it is predicted, leave it out"),
            false => format!("unknown column {name}"),
        };
        Some(format!("{what}; {}", self.reads()))
    }

    /// The columns that the model reads, for messages.
    fn reads(&self) -> String {
        let shown = |input: &InputColumn| format!("{} ({})", input.name, input.kind);
        let columns: Vec<String> = self.plan.columns.iter().map(shown).collect();
        format!("the model reads {}", columns.join(", "))
    }
}

impl Decoded {
    /// The model's columns; a value that could not be read is null.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }
}
