//! Finds the place of a bad record. The engine refuses a row without knowing its line, because a worker reads
//! from the middle of a file; on that path only, the files are read once more, record by record, so that the
//! message is the same whichever worker failed first.

use std::path::Path;

use crate::csv_dialect::CsvDialect;
use crate::error::{DataError, Result};
use crate::plan::IngestPlan;
use crate::schema::ColumnType;
use crate::source::Source;
use crate::spec::Format;

/// The first record of a CSV source with a wrong number of fields, or with text that its column's type does
/// not accept. `None` when there is none, or the source is not CSV.
pub(crate) fn first_bad_record(source: &Source, plan: &IngestPlan) -> Option<DataError> {
    if source.format != Format::Csv {
        return None;
    }
    source.files.iter().find_map(|file| check_file(source, plan, &file.path).err())
}

fn check_file(source: &Source, plan: &IngestPlan, path: &Path) -> Result<()> {
    let fields = source.file_schema.fields();
    let columns: Vec<(usize, &str, ColumnType)> = source
        .columns
        .iter()
        .filter_map(|(name, target)| Some((source.file_schema.index_of(name).ok()?, name.as_str(), *target)))
        .collect();
    let drop: Vec<usize> = plan.drop_columns().iter().filter_map(|n| source.file_schema.index_of(n).ok()).collect();
    let dialect: &CsvDialect = &source.dialect;
    let mut reader = dialect.reader(path)?;
    let mut record = csv::StringRecord::new();
    let mut skip = dialect.header;
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(e) => {
                return Err(DataError::data(format!("can't be read as CSV: {e}"))
                    .at(format!("{}:{line}", path.display()))
                    .hint("expected UTF-8 text; set compression or encoding of the file right"));
            }
        }
        let line = record.position().map_or(line, csv::Position::line);
        let place = || format!("{}:{line}", path.display());
        if std::mem::take(&mut skip) {
            continue;
        }
        if record.len() != fields.len() {
            return Err(DataError::data(format!("{} fields, expected {}", record.len(), fields.len()))
                .at(place())
                .hint("a field that holds the delimiter must be quoted; set multiline = true if quoted fields hold line breaks"));
        }
        let is_null = |i: usize| record.get(i).is_none_or(|field| dialect.is_null(field));
        if drop.iter().any(|i| is_null(*i)) {
            continue;
        }
        for (i, name, target) in &columns {
            let field = record.get(*i).unwrap_or_default();
            if !is_null(*i) && !target.accepts(field) {
                return Err(DataError::data(format!("column \"{name}\" holds \"{field}\", expected {}", target.name()))
                    .at(place())
                    .hint(format!("declare the column as string, or add null_tokens = [\"{field}\"] if it means null")));
            }
        }
    }
}
