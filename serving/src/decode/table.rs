//! [`Table`]: the model's columns while rows are put into them.

use std::collections::HashSet;

use rookery_ml::{Column, ColumnData, ColumnKind, DefaultValue, Frame, InputColumn};

use super::cell::{self, Cell};
use super::{Decoded, Decoder};
use crate::Refusal;
use crate::plan::Plan;
use crate::unusable::expectation;
use crate::wrong::{WrongValue, WrongValues};

/// How a 32-bit column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Floats {
    /// As doubles: what JSON holds, and what Spark and MLflow make of it.
    Doubles,
    /// As 32-bit numbers, like the files of training: 48.7 becomes 48.70000076293945.
    Singles,
}

/// The model's columns while rows are put into them, row by row or column by column.
#[derive(Debug)]
pub(super) struct Table<'a> {
    decoder: Decoder<'a>,
    columns: Vec<Building>,
    rows: usize,
    wrong: WrongValues,
    wrong_cells: HashSet<(usize, usize)>,
}

#[derive(Debug)]
struct Building {
    data: ColumnData,
    validity: Option<Vec<bool>>,
    length: usize,
    /// Rows that do not name the column.
    absent: usize,
}

impl<'a> Table<'a> {
    pub(super) fn new(decoder: Decoder<'a>, floats: Floats, capacity: usize) -> Self {
        let columns = decoder.inputs().iter().map(|input| Building {
            data: empty(input.kind, floats, capacity),
            validity: None,
            length: 0,
            absent: 0,
        });
        Self {
            columns: columns.collect(),
            decoder,
            rows: 0,
            wrong: WrongValues::default(),
            wrong_cells: HashSet::new(),
        }
    }

    /// Adds a value to a column; it belongs to the next row that this column lacks.
    pub(super) fn put(&mut self, column: usize, cell: Cell<'_>) {
        let input = &self.decoder.inputs()[column];
        let building = &mut self.columns[column];
        let row = building.length;
        if cell::push(&mut building.data, input.kind, cell).is_err() {
            self.wrong.add(|| WrongValue {
                row,
                line: None,
                column: input.name.clone(),
                expected: expectation(input.kind).to_string(),
                got: cell.shown(),
                allowed: Vec::new(),
            });
            self.wrong_cells.insert((row, column));
            building.push_null(input.kind);
            return;
        }
        building.length += 1;
        match (&mut building.validity, matches!(cell, Cell::Null)) {
            (Some(validity), is_null) => validity.push(!is_null),
            (None, true) => building.push_validity_of_null(),
            (None, false) => {}
        }
    }

    /// Ends a row: columns that it did not name have no value in it.
    pub(super) fn end_row(&mut self) {
        self.rows += 1;
        for (building, input) in self.columns.iter_mut().zip(self.decoder.inputs()) {
            if building.length < self.rows {
                building.absent += 1;
                match default_of(&self.decoder, &input.name) {
                    Some(default) => building.push(input.kind, default),
                    None => building.push_null(input.kind),
                }
            }
        }
    }

    /// Rows that have ended.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Sets the number of rows, for a table that was filled column by column.
    pub(super) fn set_rows(&mut self, rows: usize) {
        self.rows = rows;
    }

    /// Adds `rows` values to a column that has none or such.
    pub(super) fn append(&mut self, column: usize, rows: usize, found: Column) {
        let building = &mut self.columns[column];
        let before = building.length;
        match before {
            0 => building.data = found.data,
            _ => extend(&mut building.data, found.data),
        }
        building.length += rows;
        building.validity = match (building.validity.take(), found.validity) {
            (None, None) => None,
            (all, more) => {
                let mut all = all.unwrap_or_else(|| vec![true; before]);
                all.extend(more.unwrap_or_else(|| vec![true; rows]));
                Some(all)
            }
        };
    }

    /// The finished columns.
    ///
    /// # Errors
    /// There is no row, or a column that no row has.
    pub(super) fn finish(mut self, lines: Option<Vec<u64>>) -> Result<Decoded, Refusal> {
        let rows = self.rows;
        if rows == 0 {
            return Err(Refusal::bad_request(format!(
                "Invalid input. There is no row to predict; {}",
                self.decoder.reads()
            )));
        }
        let inputs = self.decoder.inputs();
        // Of a table that was filled column by column.
        for (building, input) in self.columns.iter_mut().zip(inputs) {
            let default = default_of(&self.decoder, &input.name).filter(|_| building.length == 0);
            if let Some(default) = default {
                (0..rows).for_each(|_| building.push(input.kind, default));
            }
        }
        let absent = self
            .columns
            .iter()
            .zip(inputs)
            .filter(|(column, _)| column.absent == rows);
        self.decoder.refuse_missing(absent.map(|(_, input)| input))?;
        let mut frame = Frame::new(rows);
        for (building, input) in self.columns.into_iter().zip(inputs) {
            let column = Column {
                data: building.data,
                validity: building.validity,
            };
            frame = frame
                .with_column(&input.name, column)
                .map_err(|e| Refusal::new(500, "INTERNAL_ERROR", e.to_string()))?;
        }
        Ok(Decoded {
            frame,
            wrong: self.wrong,
            wrong_cells: self.wrong_cells,
            lines,
        })
    }
}

impl Building {
    /// Adds a value that the column is known to take.
    fn push(&mut self, kind: ColumnKind, cell: Cell<'_>) {
        if cell::push(&mut self.data, kind, cell).is_ok() {
            self.length += 1;
            if let Some(validity) = &mut self.validity {
                validity.push(true);
            }
        }
    }

    fn push_null(&mut self, kind: ColumnKind) {
        // A column takes a null, unless it is a vector, of which no request has values.
        if cell::push(&mut self.data, kind, Cell::Null).is_ok() {
            self.length += 1;
            self.push_validity_of_null();
        }
    }

    /// Notes that the value added last is null.
    fn push_validity_of_null(&mut self) {
        let before = self.length - 1;
        self.validity
            .get_or_insert_with(|| vec![true; before])
            .push(false);
    }
}

impl Decoder<'_> {
    pub(super) fn inputs(&self) -> &[InputColumn] {
        &self.plan.columns
    }

    /// Refuses rows that lack columns, in MLflow's words.
    pub(super) fn refuse_missing<'b>(
        &self,
        missing: impl Iterator<Item = &'b InputColumn>,
    ) -> Result<(), Refusal> {
        let has_default = |input: &&InputColumn| default_of(self, &input.name).is_some();
        let missing = missing.filter(|input| !has_default(input));
        let names: Vec<String> = missing.map(|input| format!("'{}'", input.name)).collect();
        if names.is_empty() {
            return Ok(());
        }
        Err(Refusal::new(
            400,
            "INVALID_PARAMETER_VALUE",
            format!(
                "Failed to enforce schema. Error: Model is missing inputs [{}]; {}",
                names.join(", "),
                self.reads()
            ),
        ))
    }
}

/// What stands in for a column that is left out.
fn default_of<'a>(decoder: &Decoder<'a>, name: &str) -> Option<Cell<'a>> {
    let plan: &'a Plan = decoder.plan;
    let input = plan.inputs.iter().find(|input| input.name == name)?;
    input.default.as_ref().map(|default| match default {
        DefaultValue::Boolean(value) => Cell::Boolean(*value),
        DefaultValue::Integer(value) => Cell::Integer(*value),
        DefaultValue::Double(value) => Cell::Double(*value),
        DefaultValue::Text(text) => Cell::Text(text),
    })
}

/// Adds values of the same type; of another one there are none within a schema, and a column of a wrong length is told of.
fn extend(data: &mut ColumnData, more: ColumnData) {
    match (data, more) {
        (ColumnData::Integer(values), ColumnData::Integer(more)) => values.extend(more),
        (ColumnData::Float(values), ColumnData::Float(more)) => values.extend(more),
        (ColumnData::Double(values), ColumnData::Double(more)) => values.extend(more),
        _ => {}
    }
}

fn empty(kind: ColumnKind, floats: Floats, capacity: usize) -> ColumnData {
    match kind {
        ColumnKind::Boolean => ColumnData::Boolean(Vec::with_capacity(capacity)),
        ColumnKind::Integer => ColumnData::Integer(Vec::with_capacity(capacity)),
        ColumnKind::Float if floats == Floats::Singles => ColumnData::Float(Vec::with_capacity(capacity)),
        ColumnKind::Float | ColumnKind::Double => ColumnData::Double(Vec::with_capacity(capacity)),
        ColumnKind::Text => ColumnData::Text(Vec::with_capacity(capacity)),
        ColumnKind::Vector => ColumnData::Vector {
            width: 0,
            values: Vec::new(),
        },
    }
}
