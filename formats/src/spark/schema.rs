//! The types of Spark's columns: as Arrow has them, and as Spark writes them into the file's metadata.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields};
use serde_json::{Value, json};

/// The key of a Parquet file's metadata under which Spark looks for its own types.
pub(super) const ROW_METADATA: &str = "org.apache.spark.sql.parquet.row.metadata";

/// A type of a column.
#[derive(Debug, Clone, Copy)]
pub(super) enum SparkType {
    Int,
    Double,
    Boolean,
    Ints,
    /// Labels for each of an indexer's columns.
    TextLists,
    Vector,
    Matrix,
}

impl SparkType {
    pub(super) fn field(self, name: &str) -> Field {
        let nullable = !matches!(self, Self::Int | Self::Boolean);
        let data_type = match self {
            Self::Int => DataType::Int32,
            Self::Double => DataType::Float64,
            Self::Ints => list_of(DataType::Int32, true),
            Self::Boolean => DataType::Boolean,
            Self::TextLists => list_of(list_of(DataType::Utf8, true), true),
            Self::Vector => DataType::Struct(vector_fields()),
            Self::Matrix => DataType::Struct(matrix_fields()),
        };
        Field::new(name, data_type, nullable)
    }

    fn json(self) -> Value {
        match self {
            Self::Int => json!("integer"),
            Self::Double => json!("double"),
            Self::Ints => array(json!("integer"), true),
            Self::Boolean => json!("boolean"),
            Self::TextLists => array(array(json!("string"), true), true),
            Self::Vector => udt("VectorUDT", &vector_fields()),
            Self::Matrix => udt("MatrixUDT", &matrix_fields()),
        }
    }
}

/// What Spark writes of a table's types.
pub(super) fn row_metadata(columns: &[(&str, SparkType)]) -> String {
    let fields: Vec<Value> = columns
        .iter()
        .map(|(name, spark_type)| {
            let nullable = spark_type.field(name).is_nullable();
            json!({ "name": name, "type": spark_type.json(), "nullable": nullable, "metadata": {} })
        })
        .collect();
    json!({ "type": "struct", "fields": fields }).to_string()
}

pub(super) fn vector_fields() -> Fields {
    Fields::from(vec![
        Field::new("type", DataType::Int8, false),
        Field::new("size", DataType::Int32, true),
        Field::new("indices", list_of(DataType::Int32, false), true),
        Field::new("values", list_of(DataType::Float64, false), true),
    ])
}

pub(super) fn matrix_fields() -> Fields {
    Fields::from(vec![
        Field::new("type", DataType::Int8, false),
        Field::new("numRows", DataType::Int32, false),
        Field::new("numCols", DataType::Int32, false),
        Field::new("colPtrs", list_of(DataType::Int32, false), true),
        Field::new("rowIndices", list_of(DataType::Int32, false), true),
        Field::new("values", list_of(DataType::Float64, false), true),
        Field::new("isTransposed", DataType::Boolean, false),
    ])
}

fn list_of(item: DataType, nullable: bool) -> DataType {
    DataType::List(element(item, nullable))
}

/// An item of a list, by the name that Spark expects.
pub(super) fn element(item: DataType, nullable: bool) -> Arc<Field> {
    Arc::new(Field::new("element", item, nullable))
}

fn array(item: Value, nullable: bool) -> Value {
    json!({ "type": "array", "elementType": item, "containsNull": nullable })
}

fn udt(name: &str, fields: &Fields) -> Value {
    let fields: Vec<Value> = fields
        .iter()
        .map(|field| {
            let word = plain(field.data_type());
            json!({ "name": field.name(), "type": word, "nullable": field.is_nullable(), "metadata": {} })
        })
        .collect();
    json!({
        "type": "udt",
        "class": format!("org.apache.spark.ml.linalg.{name}"),
        "pyClass": format!("pyspark.ml.linalg.{name}"),
        "sqlType": { "type": "struct", "fields": fields },
    })
}

/// Spark's word for a type inside vectors and matrices.
fn plain(data_type: &DataType) -> Value {
    match data_type {
        DataType::Int8 => json!("byte"),
        DataType::Boolean => json!("boolean"),
        DataType::Float64 => json!("double"),
        DataType::List(item) => array(plain(item.data_type()), item.is_nullable()),
        _ => json!("integer"),
    }
}
