//! [`Rows`]: what becomes of values that a model can't use, by the policies for nulls and for unseen categories.
//!
//! What a stage was trained to take is no problem: with `handle_invalid = "keep"` an indexer has an index for it, with
//! `"skip"` the row is left out, as in training. Beyond that the policy decides.

use rookery_ml::{Column, ColumnData, ColumnKind, HandleInvalid, InvalidValue, InvalidValues};

use crate::plan::{Categories, Input, Number};
use crate::wrong::{ScoreError, WrongValue, WrongValues};

/// The rows of one request.
#[derive(Debug)]
pub(crate) struct Rows {
    count: usize,
    policies: InvalidValues,
    /// Which rows get an answer; `None` while all do.
    kept: Option<Vec<bool>>,
    wrong: WrongValues,
    pub(crate) nulls: u64,
    pub(crate) unseen: u64,
}

/// What becomes of one value.
enum Fate {
    /// This is used in its place.
    Replaced(f64),
    /// The row gets no answer.
    LeftOut,
    Refused,
}

impl Rows {
    pub(crate) fn new(count: usize, policies: InvalidValues) -> Self {
        Self {
            count,
            policies,
            kept: None,
            wrong: WrongValues::default(),
            nulls: 0,
            unseen: 0,
        }
    }

    /// The rows that get an answer, `None` for all.
    ///
    /// # Errors
    /// A value was refused.
    pub(crate) fn left(self) -> Result<Option<Vec<bool>>, ScoreError> {
        match self.wrong.is_empty() {
            true => Ok(self.kept),
            false => Err(ScoreError::Values(self.wrong)),
        }
    }

    /// The index of each row's category.
    pub(crate) fn number(&mut self, input: &Input, categories: &Categories, column: &Column) -> Vec<f64> {
        (0..self.count)
            .map(|row| {
                let label = match column.is_null(row) {
                    true => None,
                    false => column.text(row),
                };
                let index = label
                    .as_ref()
                    .and_then(|label| categories.index_of.get(label.as_ref()));
                index.copied().unwrap_or_else(|| {
                    let policy = match &label {
                        Some(_) => {
                            self.unseen += 1;
                            self.policies.unseen
                        }
                        None => {
                            self.nulls += 1;
                            self.policies.null
                        }
                    };
                    let got = || {
                        label
                            .as_ref()
                            .map_or_else(|| "null".to_string(), |label| quoted(label))
                    };
                    self.apply(row, categories.fate(policy), || WrongValue {
                        row,
                        column: input.name.clone(),
                        expected: "a category that training has seen".to_string(),
                        got: got(),
                        allowed: categories.allowed.clone(),
                    })
                })
            })
            .collect()
    }

    /// The column with a finite number in every row that gets an answer.
    pub(crate) fn check(&mut self, input: &Input, number: &Number, column: Column) -> Column {
        if is_clean(&column) {
            return column;
        }
        let unusable: Vec<usize> = (0..self.count).filter(|row| !is_usable(&column, *row)).collect();
        if unusable.is_empty() {
            return column;
        }
        self.nulls += unusable.len() as u64;
        let mut values: Vec<f64> = (0..self.count)
            .map(|row| column.number(row).unwrap_or(0.0))
            .collect();
        for row in unusable {
            let got = values[row];
            values[row] = self.apply(row, number.fate(self.policies.null), || WrongValue {
                row,
                column: input.name.clone(),
                expected: expectation(input.kind).to_string(),
                got: if column.is_null(row) {
                    "null".to_string()
                } else {
                    got.to_string()
                },
                allowed: Vec::new(),
            });
        }
        Column::new(ColumnData::Double(values))
    }

    fn apply(&mut self, row: usize, fate: Fate, wrong: impl FnOnce() -> WrongValue) -> f64 {
        match fate {
            Fate::Replaced(value) => return value,
            Fate::LeftOut => self.kept.get_or_insert_with(|| vec![true; self.count])[row] = false,
            Fate::Refused => self.wrong.add(wrong),
        }
        // It is in no answer.
        0.0
    }
}

impl Categories {
    fn fate(&self, policy: InvalidValue) -> Fate {
        match (policy, self.handle_invalid) {
            (InvalidValue::Reference, _) => self.reference.map_or(Fate::Refused, Fate::Replaced),
            (_, HandleInvalid::Keep) => Fate::Replaced(self.index_of.len() as f64),
            (_, HandleInvalid::Skip) | (InvalidValue::Keep, _) => Fate::LeftOut,
            (InvalidValue::Error, HandleInvalid::Error) => Fate::Refused,
        }
    }
}

impl Number {
    /// An assembler that keeps invalid rows makes NaN of them, for which no classifier has an answer.
    fn fate(&self, policy: InvalidValue) -> Fate {
        match policy {
            InvalidValue::Reference => self.reference.map_or(Fate::Refused, Fate::Replaced),
            InvalidValue::Keep => Fate::LeftOut,
            InvalidValue::Error if self.is_skipped => Fate::LeftOut,
            InvalidValue::Error => Fate::Refused,
        }
    }
}

/// Whether the column can't hold a value that is no finite number.
fn is_clean(column: &Column) -> bool {
    let is_whole = !matches!(column.data, ColumnData::Float(_) | ColumnData::Double(_));
    column.validity.is_none() && is_whole
}

fn is_usable(column: &Column, row: usize) -> bool {
    !column.is_null(row) && column.number(row).is_some_and(f64::is_finite)
}

/// What a column of a kind holds, for messages.
pub(crate) fn expectation(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Boolean => "true or false",
        ColumnKind::Integer => "a whole number (integer)",
        ColumnKind::Float => "a finite number (float)",
        ColumnKind::Double => "a finite number (double)",
        ColumnKind::Text => "a text (string)",
        ColumnKind::Vector => "a vector",
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
