//! [`Rows`]: what becomes of values that a model can't use, by the policies for nulls and for unseen categories.
//!
//! What a stage was trained to take is no problem: with `handle_invalid = "keep"` an indexer has an index for it, with
//! `"skip"` the row is left out, as in training. Beyond that the policy decides.

use std::collections::HashSet;

use rookery_ml::{Column, ColumnData, ColumnKind, HandleInvalid, InvalidValue, InvalidValues};

use crate::plan::{Categories, Input, Number};
use crate::wrong::{ScoreError, WrongValue, WrongValues, shown};

/// The rows of one request.
#[derive(Debug)]
pub(crate) struct Rows {
    count: usize,
    policies: InvalidValues,
    /// Which rows get an answer; `None` while all do.
    kept: Option<Vec<bool>>,
    wrong: WrongValues,
    /// Where the wrong values are, by row and input.
    wrong_cells: HashSet<(usize, usize)>,
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
        Self::after(count, policies, WrongValues::default(), HashSet::new())
    }

    /// The rows of a request in which values are wrong already.
    pub(crate) fn after(
        count: usize,
        policies: InvalidValues,
        wrong: WrongValues,
        wrong_cells: HashSet<(usize, usize)>,
    ) -> Self {
        Self {
            count,
            policies,
            kept: None,
            wrong,
            wrong_cells,
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

    /// The index of each row's category; `position` is where the input stands.
    pub(crate) fn number(
        &mut self,
        position: usize,
        input: &Input,
        categories: &Categories,
        column: &Column,
    ) -> Vec<f64> {
        let index = |row| {
            let label = match column.is_null(row) {
                true => None,
                false => column.text(row),
            };
            let known = label
                .as_ref()
                .and_then(|label| categories.index_of.get(label.as_ref()));
            known.copied().ok_or(label)
        };
        (0..self.count)
            .map(|row| {
                index(row).unwrap_or_else(|label| {
                    let policy = self.count_invalid(label.is_some());
                    let fate = categories.fate(policy, label.is_none());
                    self.apply((row, position), fate, || WrongValue {
                        row,
                        line: None,
                        column: input.name.clone(),
                        expected: "a category that training has seen".to_string(),
                        got: label.map_or_else(|| "null".to_string(), |label| shown(&label)),
                        allowed: categories.allowed.clone(),
                    })
                })
            })
            .collect()
    }

    /// Counts an unseen category or a null, and says which policy is about it.
    fn count_invalid(&mut self, is_unseen: bool) -> InvalidValue {
        match is_unseen {
            true => {
                self.unseen += 1;
                self.policies.unseen
            }
            false => {
                self.nulls += 1;
                self.policies.null
            }
        }
    }

    /// The column with a finite number in every row that gets an answer.
    pub(crate) fn check(
        &mut self,
        position: usize,
        input: &Input,
        number: &Number,
        column: Column,
    ) -> Column {
        if is_clean(&column) {
            return column;
        }
        let unusable: Vec<usize> = (0..self.count)
            .filter(|row| !number.is_usable(&column, *row))
            .collect();
        if unusable.is_empty() {
            return column;
        }
        let mut values: Vec<f64> = (0..self.count)
            .map(|row| column.number(row).unwrap_or(0.0))
            .collect();
        for row in unusable {
            let value = (!column.is_null(row)).then_some(values[row]);
            let policy = self.count_invalid(false);
            values[row] = self.apply((row, position), number.fate(policy), || WrongValue {
                row,
                line: None,
                column: input.name.clone(),
                expected: expectation(input.kind).to_string(),
                got: value.map_or_else(|| "null".to_string(), |value| value.to_string()),
                allowed: Vec::new(),
            });
        }
        Column::new(ColumnData::Double(values))
    }

    fn apply(&mut self, cell: (usize, usize), fate: Fate, wrong: impl FnOnce() -> WrongValue) -> f64 {
        match fate {
            Fate::Replaced(value) => return value,
            Fate::LeftOut => self.kept.get_or_insert_with(|| vec![true; self.count])[cell.0] = false,
            // Two stages may read a value, and a decoder may have told of it.
            Fate::Refused if self.wrong_cells.insert(cell) => self.wrong.add(wrong),
            Fate::Refused => {}
        }
        // It is in no answer.
        0.0
    }
}

impl Categories {
    fn fate(&self, policy: InvalidValue, is_null: bool) -> Fate {
        let reference = if is_null {
            self.null_reference
        } else {
            self.reference
        };
        match (policy, self.handle_invalid) {
            (InvalidValue::Reference, _) => reference.map_or(Fate::Refused, Fate::Replaced),
            (_, HandleInvalid::Keep) => Fate::Replaced(self.index_of.len() as f64),
            (_, HandleInvalid::Skip) | (InvalidValue::Keep, _) => Fate::LeftOut,
            (InvalidValue::Error, HandleInvalid::Error) => Fate::Refused,
        }
    }
}

impl Number {
    fn is_usable(&self, column: &Column, row: usize) -> bool {
        let is_usable = |value: f64| value.is_finite() || self.takes_infinities && !value.is_nan();
        !column.is_null(row) && column.number(row).is_some_and(is_usable)
    }

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
