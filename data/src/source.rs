//! From a [`SourceSpec`] to a [`Source`]: the files found and sorted, their header or footer read, the declared
//! columns checked against it, and the files cut into partitions.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::compute::can_cast_types;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::csv_dialect::CsvDialect;
use crate::error::{DataError, Result};
use crate::files::{find_files, format_of};
use crate::partition::{self, FilePart};
use crate::schema::ColumnType;
use crate::spec::{Compression, Format, SourceSpec};

/// Most partitions a source may have: each is a row in the driver's tables and a file range in the plan.
const PARTITIONS_MAX: usize = 100_000;

/// A source whose files exist and fit together.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its table name.
    pub name: String,
    /// Its format.
    pub format: Format,
    /// The files, sorted by path.
    pub files: Vec<SourceFile>,
    /// The columns as they are in the files: text for CSV, the file's own types for Parquet.
    pub file_schema: SchemaRef,
    /// The columns to take and the types they get, in their order.
    pub columns: Vec<(String, ColumnType)>,
    /// How CSV files are written.
    pub dialect: CsvDialect,
    /// Pieces of the files, in order; the position of a piece is its partition number.
    pub parts: Vec<FilePart>,
}

/// A file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Absolute path.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
}

impl Source {
    /// Finds and checks the files of `spec`.
    ///
    /// # Errors
    /// A path or glob without files, an empty file, files whose headers differ, a column that is not there.
    pub fn open(name: &str, spec: &SourceSpec, base_dir: &Path, partition_bytes: u64) -> Result<Self> {
        if partition_bytes == 0 {
            return Err(DataError::spec("data.partition_bytes is 0, expected at least 1"));
        }
        let files = find_files(name, spec, base_dir)?;
        let format = format_of(name, spec, &files)?;
        let dialect = CsvDialect::of(spec, &files)?;
        let file_schema = match format {
            Format::Csv => csv_schema(spec, &files, &dialect)?,
            Format::Parquet if dialect.compression != Compression::None => {
                return Err(DataError::spec("a compressed Parquet file can't be read")
                    .at(format!("data.sources.{name}"))
                    .hint("Parquet is compressed inside; compression is for CSV"));
            }
            Format::Parquet => parquet_schema(&files)?,
        };
        check_reserved(name, &file_schema)?;
        let columns = declared_columns(name, spec, &file_schema)?;
        let parts = match format {
            Format::Csv => partition::csv_parts(&files, &dialect, partition_bytes),
            Format::Parquet => partition::parquet_parts(&files, partition_bytes)?,
        };
        if parts.len() > PARTITIONS_MAX {
            return Err(DataError::spec(format!(
                "{} partitions of {partition_bytes} bytes, expected at most {PARTITIONS_MAX}",
                parts.len()
            ))
            .at(format!("data.sources.{name}"))
            .hint("give data.partition_bytes a larger value"));
        }
        Ok(Self {
            name: name.to_string(),
            format,
            files,
            file_schema,
            columns,
            dialect,
            parts,
        })
    }
}

/// The columns of CSV files, all text: by their header, or by the declared names when there is none.
fn csv_schema(spec: &SourceSpec, files: &[SourceFile], dialect: &CsvDialect) -> Result<SchemaRef> {
    let first = dialect.first_record(&files[0].path)?;
    let names: Vec<String> = match (dialect.header, &spec.columns) {
        (true, _) => first,
        (false, Some(columns)) => {
            if columns.0.len() != first.len() {
                return Err(DataError::spec(format!(
                    "{} columns are declared, the first line has {} fields",
                    columns.0.len(),
                    first.len()
                ))
                .at(files[0].path.display().to_string())
                .hint("without a header the columns are named by their position, all of them"));
            }
            columns.0.iter().map(|(name, _)| name.clone()).collect()
        }
        (false, None) => (0..first.len()).map(|i| format!("_c{i}")).collect(),
    };
    if let Some(twice) = (1..names.len()).find(|i| names[..*i].contains(&names[*i])) {
        return Err(
            DataError::data(format!("column \"{}\" is in the header twice", names[twice]))
                .at(format!("{}:1", files[0].path.display())),
        );
    }
    if dialect.header {
        for file in &files[1..] {
            let other = dialect.first_record(&file.path)?;
            if other != names {
                return Err(DataError::data(format!(
                    "the header is [{}], expected [{}] as in {}",
                    other.join(", "),
                    names.join(", "),
                    files[0].path.display()
                ))
                .at(format!("{}:1", file.path.display()))
                .hint("files of one source share one header"));
            }
        }
    }
    let fields: Vec<Field> = names
        .into_iter()
        .map(|n| Field::new(n, DataType::Utf8, true))
        .collect();
    Ok(Arc::new(Schema::new(fields)))
}

fn parquet_schema(files: &[SourceFile]) -> Result<SchemaRef> {
    let mut first: Option<SchemaRef> = None;
    for file in files {
        let schema = columns_only(&partition::parquet_footer(&file.path)?.schema);
        match &first {
            None => first = Some(schema),
            Some(expected) if *expected == schema => {}
            Some(expected) => {
                return Err(DataError::data(format!(
                    "the columns are [{}], expected [{}] as in {}",
                    describe(&schema),
                    describe(expected),
                    files[0].path.display()
                ))
                .at(file.path.display().to_string()));
            }
        }
    }
    first.ok_or_else(|| DataError::internal("a source without files"))
}

/// Names and types: nulls may be anywhere, and what writers leave in the metadata says nothing about rows.
fn columns_only(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(
        schema
            .fields()
            .iter()
            .map(|f| Field::new(f.name(), f.data_type().clone(), true))
            .collect::<Vec<_>>(),
    ))
}

fn describe(schema: &Schema) -> String {
    let fields: Vec<String> = schema
        .fields()
        .iter()
        .map(|f| format!("{} {}", f.name(), f.data_type()))
        .collect();
    fields.join(", ")
}

/// Names that start with two underscores are the engine's own (`__partition`).
fn check_reserved(name: &str, schema: &Schema) -> Result<()> {
    match schema.fields().iter().find(|f| f.name().starts_with("__")) {
        Some(field) => Err(DataError::spec(format!(
            "column \"{}\" can't be read: names that start with __ are reserved",
            field.name()
        ))
        .at(format!("data.sources.{name}"))),
        None => Ok(()),
    }
}

fn declared_columns(name: &str, spec: &SourceSpec, schema: &Schema) -> Result<Vec<(String, ColumnType)>> {
    let there: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
    let Some(columns) = &spec.columns else {
        return schema
            .fields()
            .iter()
            .map(|f| match ColumnType::of_arrow(f.data_type()) {
                Some(column_type) => Ok((f.name().clone(), column_type)),
                None => Err(DataError::spec(format!(
                    "column \"{}\" has type {}, which no declared type holds",
                    f.name(),
                    f.data_type()
                ))
                .at(format!("data.sources.{name}"))
                .hint("name the columns to read under columns")),
            })
            .collect();
    };
    if columns.0.is_empty() {
        return Err(DataError::spec("no columns are declared").at(format!("data.sources.{name}.columns")));
    }
    match columns.0.iter().find(|(column, _)| !there.contains(column)) {
        Some((column, _)) => Err(crate::split::unknown_column(
            &format!("data.sources.{name}.columns"),
            column,
            &there,
        )),
        None => {
            columns
                .0
                .iter()
                .try_for_each(|(column, target)| check_cast(name, column, *target, schema))?;
            Ok(columns.0.clone())
        }
    }
}

/// Refuses a declared type to which the file's own type has no cast.
fn check_cast(name: &str, column: &str, target: ColumnType, schema: &Schema) -> Result<()> {
    match schema.field_with_name(column) {
        Ok(field) if !can_cast_types(field.data_type(), &target.arrow()) => Err(DataError::spec(format!(
            "column \"{column}\" has type {}, which can't be cast to {}",
            field.data_type(),
            target.name()
        ))
        .at(format!("data.sources.{name}.columns"))),
        _ => Ok(()),
    }
}
