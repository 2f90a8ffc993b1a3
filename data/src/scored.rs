//! Rows with what a model says of them: as they travel from the workers, and as files.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;

use crate::error::{DataError, Result};
use crate::schema::ColumnType;

mod part_file;

pub use part_file::{PartFile, PartFormat};

/// The column of the predicted class.
pub const PREDICTION: &str = "prediction";

/// The column of a class' probability.
pub fn probability(class: usize) -> String {
    format!("probability_{class}")
}

/// Columns that say which model it was: its name and version, and the run that trained it.
pub const PROVENANCE: [&str; 3] = ["model_name", "model_version", "run_id"];

/// Which model scored the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Its name in the registry.
    pub model_name: Option<String>,
    /// Its version there.
    pub model_version: Option<i64>,
    /// The run that trained it.
    pub run_id: Option<String>,
}

/// What a model says of some rows: the predicted class of each, and for each class its probability; null for a row that
/// the model leaves out.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// One value for each row.
    pub prediction: Vec<Option<f64>>,
    /// One list for each class.
    pub probabilities: Vec<Vec<Option<f64>>>,
}

impl Scores {
    /// No rows, for a model of so many classes.
    pub fn none(classes: usize) -> Self {
        Self {
            prediction: Vec::new(),
            probabilities: vec![Vec::new(); classes],
        }
    }
}

/// The rows of a source of these columns with their scores, as they travel: an Arrow IPC stream of one batch.
///
/// # Errors
/// A column of `keep` that the rows do not have; another number of scores than of rows.
pub fn encode(rows: &RecordBatch, keep: &[String], scores: Scores) -> Result<Vec<u8>> {
    let schema = rows.schema();
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for name in keep {
        let index = schema.index_of(name).map_err(internal)?;
        fields.push(schema.field(index).clone().with_nullable(true));
        columns.push(Arc::clone(rows.column(index)));
    }
    let numbers = std::iter::once((PREDICTION.to_string(), scores.prediction));
    let classes = scores.probabilities.into_iter().enumerate();
    for (name, values) in numbers.chain(classes.map(|(class, values)| (probability(class), values))) {
        fields.push(Field::new(name, DataType::Float64, true));
        columns.push(Arc::new(Float64Array::from(values)));
    }
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(internal)?;
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).map_err(internal)?;
    writer.write(&batch).map_err(internal)?;
    writer.into_inner().map_err(internal)
}

/// No rows of these columns, with no scores, as they travel.
///
/// # Errors
/// As [`encode`].
pub fn encode_empty(columns: &[(String, ColumnType)], keep: &[String], classes: usize) -> Result<Vec<u8>> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, target)| Field::new(name, target.arrow(), true))
        .collect();
    let rows = RecordBatch::new_empty(Arc::new(Schema::new(fields)));
    encode(&rows, keep, Scores::none(classes))
}

/// So many rows without a column, to be told apart by their scores alone.
pub fn no_columns(rows: usize) -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)
        .expect("no column can be of another length")
}

/// The rows that [`encode`] made, with the columns that say which model it was.
///
/// # Errors
/// The bytes are no such rows.
pub fn decode(bytes: &[u8], provenance: &Provenance) -> Result<RecordBatch> {
    let mut reader = StreamReader::try_new(bytes, None).map_err(internal)?;
    let rows = match reader.next() {
        Some(rows) => rows.map_err(internal)?,
        None => RecordBatch::new_empty(reader.schema()),
    };
    let count = rows.num_rows();
    let text =
        |value: &Option<String>| -> ArrayRef { Arc::new(StringArray::from(vec![value.as_deref(); count])) };
    let added: [(DataType, ArrayRef); 3] = [
        (DataType::Utf8, text(&provenance.model_name)),
        (
            DataType::Int64,
            Arc::new(Int64Array::from(vec![provenance.model_version; count])),
        ),
        (DataType::Utf8, text(&provenance.run_id)),
    ];
    let mut fields: Vec<Arc<Field>> = rows.schema().fields().iter().map(Arc::clone).collect();
    let mut columns = rows.columns().to_vec();
    for (name, (data_type, column)) in PROVENANCE.into_iter().zip(added) {
        fields.push(Arc::new(Field::new(name, data_type, true)));
        columns.push(column);
    }
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    RecordBatch::try_new(schema, columns).map_err(internal)
}

/// How many rows, from the first of `rows` on, make about `bytes` of what travels. It follows from the rows alone.
pub(crate) fn rows_within(rows: &RecordBatch, bytes: usize) -> usize {
    let sizes = rows.columns().iter().map(|column| {
        let size = column.to_data().get_slice_memory_size();
        size.unwrap_or_else(|_| column.get_array_memory_size())
    });
    let each = sizes.sum::<usize>().div_ceil(rows.num_rows().max(1)).max(1);
    (bytes / each).clamp(1, rows.num_rows().max(1))
}

fn internal(error: impl std::fmt::Display) -> DataError {
    DataError::internal(format!("scored rows: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_travel_with_their_scores_and_without_columns_that_are_not_kept() {
        let schema = Schema::new(vec![
            Field::new("ñame", DataType::Utf8, true),
            Field::new("mass", DataType::Float64, true),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![Some("a"), None])),
            Arc::new(Float64Array::from(vec![1.5, 2.5])),
        ];
        let rows = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
        let scores = Scores {
            prediction: vec![Some(1.0), None],
            probabilities: vec![vec![Some(0.1), None], vec![Some(0.9), None]],
        };
        let bytes = encode(&rows, &["ñame".to_string()], scores).unwrap();
        let provenance = Provenance {
            model_name: Some("Pingüinos".into()),
            model_version: Some(3),
            run_id: None,
        };
        let decoded = decode(&bytes, &provenance).unwrap();
        let names: Vec<String> = decoded
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect();
        let expected = "ñame prediction probability_0 probability_1 model_name model_version run_id";
        assert_eq!(names.join(" "), expected);
        assert_eq!(decoded.num_rows(), 2);
        let empty = encode_empty(&[("ñame".into(), ColumnType::String)], &["ñame".to_string()], 2).unwrap();
        let empty = decode(&empty, &provenance).unwrap();
        assert_eq!((empty.num_rows(), empty.schema()), (0, decoded.schema()));
    }

    #[test]
    fn pieces_follow_from_the_rows() {
        let values: ArrayRef = Arc::new(Float64Array::from(vec![0.0; 1000]));
        let rows = RecordBatch::try_from_iter([("x", values)]).unwrap();
        assert_eq!(rows_within(&rows, 800), 100);
        assert_eq!(rows_within(&rows.slice(500, 100), 800), 100);
        assert_eq!(rows_within(&rows, 1), 1);
        assert_eq!(rows_within(&rows, usize::MAX), 1000);
    }
}
