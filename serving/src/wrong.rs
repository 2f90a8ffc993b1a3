//! What is wrong with the values of a request: where, what was expected, what was found.

use std::fmt;

use rookery_ml::MlError;
use serde::Serialize;

/// Longest value that a message shows, in characters.
const MOST_SHOWN: usize = 80;
/// Most wrong values that one refusal tells of; the others are counted.
const MOST_TOLD: usize = 10;

/// A value that the model can't use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrongValue {
    /// Its row, from 0. Messages count from 1.
    pub row: usize,
    /// The line of a CSV file on which the row begins, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Its column.
    pub column: String,
    /// What the model reads there.
    pub expected: String,
    /// What was found, as JSON shows it.
    pub got: String,
    /// The categories that training has seen, the first 20 of them, for a column of categories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
}

/// The wrong values of one request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WrongValues {
    /// The first ten that were found.
    pub told: Vec<WrongValue>,
    /// How many there are.
    pub count: u64,
}

/// Why rows are not scored.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ScoreError {
    /// Values that the model can't use.
    #[error("{0}")]
    Values(WrongValues),
    /// A column that is missing or of another kind, or a model whose parts do not fit together.
    #[error(transparent)]
    Model(#[from] MlError),
}

impl WrongValue {
    /// The value's place, for messages: its line, else its row counted from 1.
    pub fn place(&self) -> String {
        match self.line {
            Some(line) => format!("line {line}"),
            None => format!("row {}", self.row + 1),
        }
    }

    /// What is wrong, without the row.
    pub fn problem(&self) -> String {
        let Self {
            column,
            expected,
            got,
            allowed,
            ..
        } = self;
        let mut text = format!("column {column}: got {got}, expected {expected}");
        if !allowed.is_empty() {
            text.push_str(&format!("; allowed: {}", allowed.join(", ")));
        }
        text
    }
}

impl fmt::Display for WrongValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.place(), self.problem())
    }
}

impl WrongValues {
    /// Adds one; `wrong` makes it, if it is to be told.
    pub(crate) fn add(&mut self, wrong: impl FnOnce() -> WrongValue) {
        if self.told.len() < MOST_TOLD {
            self.told.push(wrong());
        }
        self.count += 1;
    }

    /// Notes on which line each row begins.
    pub(crate) fn locate(&mut self, lines: &[u64]) {
        for wrong in &mut self.told {
            wrong.line = lines.get(wrong.row).copied();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for WrongValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, wrong) in self.told.iter().enumerate() {
            let separator = if position == 0 { "" } else { "\n" };
            write!(f, "{separator}{wrong}")?;
        }
        match self.count - self.told.len() as u64 {
            0 => Ok(()),
            1 => write!(f, "\nand 1 more value"),
            more => write!(f, "\nand {more} more values"),
        }
    }
}

/// A text as messages show it: quoted, and cut off where it is long.
pub(crate) fn shown(text: &str) -> String {
    shortened(&serde_json::Value::from(text).to_string())
}

/// A text, cut off where it is long.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_SHOWN) {
        None => text.to_string(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
