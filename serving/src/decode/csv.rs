//! Rows in CSV: a header and records, separated by commas.

use super::cell::Cell;
use super::table::{Floats, Table};
use super::{Decoded, Decoder};
use crate::Refusal;

impl Decoder<'_> {
    /// Rows in CSV with a header. An empty field is null, and a 32-bit column is rounded to 32 bits, as in training.
    ///
    /// # Errors
    /// No UTF-8; no header; a column that is missing or there twice; a record of another length; no record.
    pub fn csv(&self, body: &[u8]) -> Result<Decoded, Refusal> {
        let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(body);
        let header = reader.headers().map_err(|e| unreadable(&e))?.clone();
        if header.iter().all(str::is_empty) {
            return Err(Refusal::bad_request(format!(
                "Invalid input. There is no CSV header; {}",
                self.reads()
            )));
        }
        let columns = self.header(&header)?;
        let mut table = Table::new(*self, Floats::Singles, 0);
        let mut lines = Vec::new();
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).map_err(|e| unreadable(&e))? {
            let line = record.position().map_or(0, csv::Position::line);
            if record.len() != columns.len() {
                let (expected, got) = (columns.len(), record.len());
                return Err(Refusal::bad_request(format!(
                    "Invalid input. Line {line}: expected {expected} fields, got {got}"
                )));
            }
            for (column, field) in columns.iter().zip(&record) {
                if let Some(column) = column {
                    let cell = if field.is_empty() {
                        Cell::Null
                    } else {
                        Cell::Text(field)
                    };
                    table.put(*column, cell);
                }
            }
            table.end_row();
            lines.push(line);
        }
        table.finish(Some(lines))
    }

    /// The model's column for each field.
    fn header(&self, header: &csv::StringRecord) -> Result<Vec<Option<usize>>, Refusal> {
        let mut columns = Vec::with_capacity(header.len());
        for (position, name) in header.iter().enumerate() {
            let column = self.plan.position(name, position);
            if column.is_some() && columns.contains(&column) {
                return Err(Refusal::bad_request(format!(
                    "Invalid input. Column {name} is there twice"
                )));
            }
            if let (None, Some(wrong)) = (column, self.other_column(name)) {
                return Err(Refusal::bad_request(format!("line 1: {wrong}")));
            }
            columns.push(column);
        }
        let missing = self
            .inputs()
            .iter()
            .enumerate()
            .filter(|(i, _)| !columns.contains(&Some(*i)));
        self.refuse_missing(missing.map(|(_, input)| input))?;
        Ok(columns)
    }
}

fn unreadable(error: &csv::Error) -> Refusal {
    Refusal::bad_request(format!("Invalid input. The body is no CSV in UTF-8: {error}"))
}
