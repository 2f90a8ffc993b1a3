//! Rows in JSON: MLflow's four forms, and rows without a form as files hold them.

use std::borrow::Cow;

use super::cell::Cell;
use super::json::Json;
use super::table::{Floats, Table};
use super::{Decoded, Decoder};
use crate::Refusal;

/// The fields of a body that hold rows.
const FORMS: [&str; 4] = ["dataframe_records", "dataframe_split", "instances", "inputs"];

/// What an answer is to tell beside the predicted class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// The probability of each class.
    pub probabilities: bool,
    /// What each feature adds to the margin of each class.
    pub contributions: bool,
}

impl Decoder<'_> {
    /// The rows of a request's body in JSON, and what its `params` ask for.
    ///
    /// # Errors
    /// No JSON, not exactly one of MLflow's four forms, a column that no row has, no row.
    pub fn json(&self, body: &[u8]) -> Result<(Decoded, Options), Refusal> {
        let text = utf8(body)?;
        let body: Json<'_> = serde_json::from_str(text).map_err(|e| not_json(&e, text))?;
        let Json::Object(fields) = body else {
            return Err(exactly_one(&format!("Received {}.", body.kind())));
        };
        let known = |name: &str| FORMS.contains(&name);
        let found: Vec<&str> = fields
            .iter()
            .map(|(name, _)| name.as_ref())
            .filter(|name| known(name))
            .collect();
        let [form] = found[..] else {
            let list = found
                .iter()
                .map(|name| format!("'{name}'"))
                .collect::<Vec<_>>()
                .join(", ");
            return Err(exactly_one(&format!(
                "Received dictionary with input fields: [{list}]."
            )));
        };
        let mut options = Options::default();
        for (name, value) in &fields {
            if name == "params" {
                options.read(value)?;
            }
        }
        let rows = fields
            .iter()
            .find(|(name, _)| name == form)
            .map_or(&Json::Null, |(_, rows)| rows);
        Ok((self.form(form, rows)?, options))
    }

    /// Rows in JSON as files hold them: one of MLflow's forms, an object, several, or a list of them.
    ///
    /// # Errors
    /// As [`json`](Decoder::json).
    pub fn json_rows(&self, text: &[u8]) -> Result<Decoded, Refusal> {
        let text = utf8(text)?;
        let values: Result<Vec<Json<'_>>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
        let values = values.map_err(|e| not_json(&e, text))?;
        if let [Json::Object(fields)] = &values[..]
            && let Some((name, rows)) = fields.iter().find(|(name, _)| FORMS.contains(&name.as_ref()))
        {
            return self.form(name, rows);
        }
        let mut table = Table::new(*self, Floats::Doubles, values.len());
        for value in &values {
            match value {
                Json::List(rows) => rows.iter().try_for_each(|row| self.object(&mut table, row))?,
                row => self.object(&mut table, row)?,
            }
        }
        table.finish(None)
    }

    fn form(&self, form: &str, rows: &Json<'_>) -> Result<Decoded, Refusal> {
        match (form, rows) {
            ("dataframe_records", Json::List(rows)) => self.rows(rows, |table, row| self.object(table, row)),
            ("dataframe_records", other) => Err(Refusal::bad_request(format!(
                "Invalid input. Dataframe records format must be a list of records. Got {}.",
                other.kind()
            ))),
            ("dataframe_split", Json::Object(fields)) => self.split(fields),
            ("inputs", Json::Object(columns)) => self.columns(columns),
            ("inputs" | "instances", Json::List(rows)) => self.rows(rows, |table, row| match row {
                Json::List(values) => self.values(table, values),
                row => self.object(table, row),
            }),
            ("inputs", other) => Err(wrong_form(
                "inputs",
                "an object of columns or a list of rows",
                other,
            )),
            ("instances", other) => Err(wrong_form("instances", "a list of rows", other)),
            (form, other) => Err(wrong_form(form, "an object with columns and data", other)),
        }
    }

    fn rows(
        &self,
        rows: &[Json<'_>],
        mut add: impl FnMut(&mut Table<'_>, &Json<'_>) -> Result<(), Refusal>,
    ) -> Result<Decoded, Refusal> {
        let mut table = Table::new(*self, Floats::Doubles, rows.len());
        rows.iter().try_for_each(|row| add(&mut table, row))?;
        table.finish(None)
    }

    /// A row as an object from column to value.
    fn object(&self, table: &mut Table<'_>, row: &Json<'_>) -> Result<(), Refusal> {
        let Json::Object(fields) = row else {
            return Err(Refusal::bad_request(format!(
                "Invalid input. Row {} is {}, expected an object such as {{\"column\": 1.5}}",
                table.rows() + 1,
                row.kind()
            )));
        };
        for (position, (name, value)) in fields.iter().enumerate() {
            match self.plan.position(name, position) {
                Some(column) => table.put(column, Cell::of(value)),
                None => self.refuse_other(name, table.rows())?,
            }
        }
        table.end_row();
        Ok(())
    }

    /// A row as a list of values in the order of the model's columns.
    fn values(&self, table: &mut Table<'_>, values: &[Json<'_>]) -> Result<(), Refusal> {
        check_length(values.len(), self.inputs().len(), table.rows(), &self.reads())?;
        for (column, value) in values.iter().enumerate() {
            table.put(column, Cell::of(value));
        }
        table.end_row();
        Ok(())
    }

    fn refuse_other(&self, name: &str, row: usize) -> Result<(), Refusal> {
        match self.other_column(name) {
            Some(wrong) => Err(Refusal::bad_request(format!("row {}: {wrong}", row + 1))),
            None => Ok(()),
        }
    }

    /// `{"columns": [names], "data": [[values]]}`; an index is ignored.
    fn split(&self, fields: &[(Cow<'_, str>, Json<'_>)]) -> Result<Decoded, Refusal> {
        let list = |wanted: &str, of: &str| {
            let found = fields.iter().find(|(name, _)| name == wanted);
            match found.map(|(_, value)| value) {
                Some(Json::List(values)) => Ok(values),
                _ => Err(Refusal::bad_request(format!(
                    "Invalid input. dataframe_split has no list of {of} under \"{wanted}\""
                ))),
            }
        };
        let mut columns: Vec<Option<usize>> = Vec::new();
        for name in list("columns", "names")? {
            let Json::Text(name) = name else {
                let message = format!(
                    "Invalid input. dataframe_split has {} among its columns",
                    name.kind()
                );
                return Err(Refusal::bad_request(message));
            };
            let column = self.plan.position(name, columns.len());
            if column.is_some() && columns.contains(&column) {
                return Err(Refusal::bad_request(format!(
                    "Invalid input. Column {name} is there twice"
                )));
            }
            if column.is_none() {
                self.refuse_other(name, 0)?;
            }
            columns.push(column);
        }
        let reads = format!("columns has {} names", columns.len());
        self.rows(list("data", "rows")?, |table, row| {
            let Json::List(values) = row else {
                let (row, kind) = (table.rows() + 1, row.kind());
                let message = format!("Invalid input. Row {row} is {kind}, expected a list of values");
                return Err(Refusal::bad_request(message));
            };
            check_length(values.len(), columns.len(), table.rows(), &reads)?;
            for (column, value) in columns.iter().zip(values) {
                if let Some(column) = column {
                    table.put(*column, Cell::of(value));
                }
            }
            table.end_row();
            Ok(())
        })
    }

    /// Columns as lists of values, or one row as an object of single values.
    fn columns(&self, fields: &[(Cow<'_, str>, Json<'_>)]) -> Result<Decoded, Refusal> {
        let is_row = fields.iter().all(|(_, value)| !matches!(value, Json::List(_)));
        let length = |(_, value): &(_, Json<'_>)| match value {
            Json::List(values) => values.len(),
            _ => 1,
        };
        let rows = fields.first().map_or(0, length);
        let mut table = Table::new(*self, Floats::Doubles, rows);
        let mut missing: Vec<bool> = vec![true; self.inputs().len()];
        for (position, field) in fields.iter().enumerate() {
            let (name, values) = field;
            if length(field) != rows || (!is_row && !matches!(values, Json::List(_))) {
                return Err(Refusal::bad_request(format!(
                    "Invalid input. Column {name} has {} values, column {} has {rows}",
                    length(field),
                    fields[0].0
                )));
            }
            let Some(column) = self.plan.position(name, position) else {
                self.refuse_other(name, 0)?;
                continue;
            };
            missing[column] = false;
            match values {
                Json::List(values) => values.iter().for_each(|value| table.put(column, Cell::of(value))),
                value => table.put(column, Cell::of(value)),
            }
        }
        let missing = missing
            .into_iter()
            .zip(self.inputs())
            .filter(|(is_missing, _)| *is_missing);
        self.refuse_missing(missing.map(|(_, input)| input))?;
        table.set_rows(rows);
        table.finish(None)
    }
}

impl Options {
    /// What a query such as `probabilities=true&contributions=true` asks for; other words are ignored.
    pub(crate) fn of_query(query: Option<&str>) -> Result<Self, Refusal> {
        let mut options = Self::default();
        let words = query.unwrap_or_default().split('&');
        for (name, value) in words.map(|word| word.split_once('=').unwrap_or((word, "true"))) {
            let Some(option) = options.named(name) else {
                continue;
            };
            *option = match value {
                "true" | "1" => true,
                "false" | "0" => false,
                other => return Err(wrong_option(name, &format!("{other:?}"))),
            };
        }
        Ok(options)
    }

    /// What either asks for.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            probabilities: self.probabilities || other.probabilities,
            contributions: self.contributions || other.contributions,
        }
    }

    /// Other parameters are ignored, as MLflow does with those that a signature does not name.
    fn read(&mut self, params: &Json<'_>) -> Result<(), Refusal> {
        let fields = match params {
            Json::Object(fields) => fields,
            Json::Null => return Ok(()),
            other => return Err(wrong_form("params", "an object", other)),
        };
        for (name, value) in fields {
            match (self.named(name), value) {
                (None, _) => {}
                (Some(option), Json::Boolean(value)) => *option = *value,
                (Some(_), other) => return Err(wrong_option(name, &Cell::of(other).shown())),
            }
        }
        Ok(())
    }

    fn named(&mut self, name: &str) -> Option<&mut bool> {
        match name {
            "probabilities" => Some(&mut self.probabilities),
            "contributions" => Some(&mut self.contributions),
            _ => None,
        }
    }
}

fn wrong_option(name: &str, got: &str) -> Refusal {
    let message = format!("Invalid value for parameter '{name}': got {got}, expected true or false");
    Refusal::new(400, "INVALID_PARAMETER_VALUE", message)
}

fn wrong_form(name: &str, expected: &str, got: &Json<'_>) -> Refusal {
    Refusal::bad_request(format!(
        "Invalid input. {name} must be {expected}. Got {}.",
        got.kind()
    ))
}

fn check_length(got: usize, expected: usize, row: usize, why: &str) -> Result<(), Refusal> {
    if got == expected {
        return Ok(());
    }
    let row = row + 1;
    Err(Refusal::bad_request(format!(
        "Invalid input. Row {row} has {got} values, expected {expected}; {why}"
    )))
}

fn exactly_one(received: &str) -> Refusal {
    let forms = FORMS.map(|form| format!("'{form}'")).join(", ");
    Refusal::bad_request(format!(
        "Invalid input. The input must be a JSON dictionary with exactly one of the input fields {{{forms}}}. {received}"
    ))
}

fn utf8(body: &[u8]) -> Result<&str, Refusal> {
    let text = std::str::from_utf8(body)
        .map_err(|e| Refusal::bad_request(format!("Invalid input. Byte {} is no UTF-8", e.valid_up_to())))?;
    Ok(text.trim_start_matches('\u{feff}'))
}

fn not_json(error: &serde_json::Error, text: &str) -> Refusal {
    let mut message =
        format!("Invalid input. Ensure that input is a valid JSON formatted string. Error: {error}");
    let line = text
        .lines()
        .nth(error.line().saturating_sub(1))
        .unwrap_or_default();
    let rest = line.get(error.column().saturating_sub(1)..).unwrap_or_default();
    if ["NaN", "Infinity", "nfinity", "-Infinity", "aN"]
        .iter()
        .any(|word| rest.starts_with(word))
    {
        message.push_str(". JSON has no NaN and no Infinity; a missing value is null");
    }
    Refusal::bad_request(message)
}
