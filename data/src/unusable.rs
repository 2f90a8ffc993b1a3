//! Finds the record behind a value that is well-formed and still can't be trained on: a feature that is missing,
//! NaN or infinite, a label that is no class. Workers refuse such a row without knowing its line.

use crate::csv_dialect::CsvDialect;
use crate::diagnose::line_of;
use crate::plan::IngestPlan;
use crate::schema::{ColumnType, parse_double, parse_float};
use crate::source::Source;
use crate::spec::Format;
use crate::stores::SourceFile;

/// A record that can't be trained on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableRecord {
    /// `file:line`.
    pub place: String,
    /// The column.
    pub column: String,
    /// The value as it is in the file.
    pub value: String,
}

/// The first record, in file order, whose `label` is no class or whose value in one of `features` is null, NaN or
/// infinite. Only for a single CSV source without a query: elsewhere rows have no line. Reads away from the runtime's own
/// threads.
pub async fn first_unusable(plan: &IngestPlan, features: &[String], label: &str) -> Option<UnusableRecord> {
    let (plan, features, label) = (plan.clone(), features.to_vec(), label.to_string());
    let search = tokio::task::spawn_blocking(move || {
        let [source] = plan.sources.as_slice() else {
            return None;
        };
        if source.format != Format::Csv || plan.has_query() {
            return None;
        }
        let columns = Columns::of(source, &plan, &features, &label);
        let mut files = source.files.iter();
        files.find_map(|file| columns.search(&source.dialect, file))
    });
    search.await.ok().flatten()
}

/// Positions of the columns that matter in a record.
struct Columns<'a> {
    features: Vec<(usize, &'a str, ColumnType)>,
    label: Option<(usize, &'a str)>,
    /// Columns whose nulls drop the record.
    drop: Vec<usize>,
}

impl<'a> Columns<'a> {
    fn of(source: &'a Source, plan: &IngestPlan, features: &[String], label: &str) -> Self {
        let index = |name: &str| source.file_schema.index_of(name).ok();
        let declared = |wanted: &dyn Fn(&str) -> bool| -> Vec<(usize, &'a str, ColumnType)> {
            let columns = source.columns.iter().filter(|(name, _)| wanted(name));
            columns
                .filter_map(|(name, t)| Some((index(name)?, name.as_str(), *t)))
                .collect()
        };
        Self {
            features: declared(&|name| features.iter().any(|feature| feature == name)),
            label: declared(&|name| name == label)
                .into_iter()
                .find(|(_, _, column_type)| *column_type != ColumnType::String)
                .map(|(i, name, _)| (i, name)),
            drop: plan
                .drop_columns()
                .iter()
                .filter_map(|name| index(name))
                .collect(),
        }
    }

    fn search(&self, dialect: &CsvDialect, file: &SourceFile) -> Option<UnusableRecord> {
        let mut reader = dialect.reader(file).ok()?;
        let mut record = csv::ByteRecord::new();
        let mut is_header = dialect.header;
        while reader.read_byte_record(&mut record).ok()? {
            if std::mem::take(&mut is_header) {
                continue;
            }
            let text = |i: usize| {
                record
                    .get(i)
                    .and_then(|field| std::str::from_utf8(field).ok())
                    .unwrap_or_default()
            };
            let is_null = |i: usize| dialect.is_null(text(i));
            if self.drop.iter().any(|i| is_null(*i)) {
                continue;
            }
            let bad_feature = self.features.iter().find(|(i, _, column_type)| {
                is_null(*i) || (*column_type != ColumnType::String && !is_finite(text(*i), *column_type))
            });
            let bad_label = self.label.filter(|(i, _)| is_null(*i) || !is_class(text(*i)));
            if let Some((i, name)) = bad_feature.map(|(i, name, _)| (*i, *name)).or(bad_label) {
                let line = line_of(dialect, file, record.position().map_or(0, csv::Position::byte)).ok()?;
                return Some(UnusableRecord {
                    place: format!("{}:{line}", file.name),
                    column: name.to_string(),
                    value: text(i).to_string(),
                });
            }
        }
        None
    }
}

/// Whether a number is finite once it has its type (1e39 is no 32-bit number); truth values always are.
fn is_finite(text: &str, column_type: ColumnType) -> bool {
    match column_type {
        ColumnType::Boolean => true,
        ColumnType::Float => parse_float(text).is_none_or(f32::is_finite),
        _ => parse_double(text).is_none_or(f64::is_finite),
    }
}

/// Whether a label is a whole number from 0.
fn is_class(text: &str) -> bool {
    parse_double(text).is_some_and(|label| label >= 0.0 && label.fract() == 0.0)
}
