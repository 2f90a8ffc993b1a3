//! From a [`SourceSpec`] to a [`Source`]: the files found and sorted, their header or footer read, the declared
//! columns checked against it, and the files cut into partitions.

use std::path::Path;
use std::sync::Arc;

use arrow::compute::can_cast_types;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::csv_dialect::CsvDialect;
use crate::error::{DataError, Result};
use crate::partition::{self, FilePart, ParquetFooter};
use crate::schema::ColumnType;
use crate::spec::{Compression, Format, SourceSpec};
use crate::stores::{Environment, SourceFile, each_file, find_files, format_of};

mod scored_columns;

pub use scored_columns::ScoredColumns;

/// Most partitions a source may have: each is a row in the driver's tables and a file range in the plan.
const PARTITIONS_MAX: usize = 100_000;

/// Which columns are taken.
enum Wanted {
    /// Those that the source's description names, else all.
    Declared,
    /// Those of a model, and others beside them.
    Scored(ScoredColumns),
}

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

impl Source {
    /// Finds and checks the files of `spec`; `first_number` is how many files the sources before it have.
    ///
    /// # Errors
    /// A path or glob without files, an empty file, files whose headers differ, a column that is not there; a store that
    /// can't be reached or read.
    pub async fn open(
        name: &str,
        spec: &SourceSpec,
        base_dir: &Path,
        partition_bytes: u64,
        environment: &Environment,
        first_number: usize,
    ) -> Result<Self> {
        let wanted = Wanted::Declared;
        Self::open_wanted(
            name,
            spec,
            wanted,
            base_dir,
            partition_bytes,
            environment,
            first_number,
        )
        .await
    }

    /// Finds and checks files whose rows are to be scored.
    ///
    /// # Errors
    /// As [`open`](Source::open).
    pub async fn open_to_score(
        name: &str,
        spec: &SourceSpec,
        columns: &ScoredColumns,
        base_dir: &Path,
        partition_bytes: u64,
        environment: &Environment,
    ) -> Result<Self> {
        let wanted = Wanted::Scored(columns.clone());
        Self::open_wanted(name, spec, wanted, base_dir, partition_bytes, environment, 0).await
    }

    async fn open_wanted(
        name: &str,
        spec: &SourceSpec,
        wanted: Wanted,
        base_dir: &Path,
        partition_bytes: u64,
        environment: &Environment,
        first_number: usize,
    ) -> Result<Self> {
        if partition_bytes == 0 {
            return Err(DataError::spec("data.partition_bytes is 0, expected at least 1"));
        }
        let mut files = find_files(name, spec, base_dir, environment).await?;
        for (file, number) in files.iter_mut().zip(first_number..) {
            file.number = number;
        }
        let (name, spec) = (name.to_string(), spec.clone());
        // Decoders of headers and footers block, as does a disk.
        let opened = tokio::task::spawn_blocking(move || {
            Self::of_files(&name, &spec, &wanted, files, partition_bytes)
        });
        opened
            .await
            .map_err(|e| DataError::internal(format!("opening a source failed: {e}")))?
    }

    fn of_files(
        name: &str,
        spec: &SourceSpec,
        wanted: &Wanted,
        files: Vec<SourceFile>,
        partition_bytes: u64,
    ) -> Result<Self> {
        let format = format_of(name, spec, &files)?;
        let dialect = CsvDialect::of(spec, &files)?;
        let (file_schema, parts) = match format {
            Format::Csv => (
                csv_schema(spec, &files, &dialect)?,
                partition::csv_parts(&files, &dialect, partition_bytes),
            ),
            Format::Parquet if dialect.compression != Compression::None => {
                return Err(DataError::spec("a compressed Parquet file can't be read")
                    .at(format!("data.sources.{name}"))
                    .hint("Parquet is compressed inside; compression is for CSV"));
            }
            Format::Parquet => {
                let footers = each_file(&files, partition::parquet_footer)?;
                let parts = partition::parquet_parts(&files, &footers, partition_bytes);
                (parquet_schema(&files, &footers)?, parts)
            }
        };
        check_reserved(name, &file_schema)?;
        let columns = match wanted {
            Wanted::Declared => declared_columns(name, spec, &file_schema)?,
            Wanted::Scored(columns) => columns.choose(name, spec, &file_schema)?,
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
    let first = dialect.first_record(&files[0])?;
    let names: Vec<String> = match (dialect.header, &spec.columns) {
        (true, _) => first,
        (false, Some(columns)) => {
            if columns.0.len() != first.len() {
                return Err(DataError::spec(format!(
                    "{} columns are declared, the first line has {} fields",
                    columns.0.len(),
                    first.len()
                ))
                .at(files[0].name.as_str())
                .hint("without a header the columns are named by their position, all of them"));
            }
            columns.0.iter().map(|(name, _)| name.clone()).collect()
        }
        (false, None) => (0..first.len()).map(|i| format!("_c{i}")).collect(),
    };
    if let Some(twice) = (1..names.len()).find(|i| names[..*i].contains(&names[*i])) {
        return Err(
            DataError::data(format!("column \"{}\" is in the header twice", names[twice]))
                .at(format!("{}:1", files[0].name)),
        );
    }
    if dialect.header {
        each_file(&files[1..], |file| {
            let other = dialect.first_record(file)?;
            if other == names {
                return Ok(());
            }
            Err(DataError::data(format!(
                "the header is [{}], expected [{}] as in {}",
                other.join(", "),
                names.join(", "),
                files[0].name
            ))
            .at(format!("{}:1", file.name))
            .hint("files of one source share one header"))
        })?;
    }
    let fields: Vec<Field> = names
        .into_iter()
        .map(|n| Field::new(n, DataType::Utf8, true))
        .collect();
    Ok(Arc::new(Schema::new(fields)))
}

fn parquet_schema(files: &[SourceFile], footers: &[ParquetFooter]) -> Result<SchemaRef> {
    let mut first: Option<SchemaRef> = None;
    for (file, footer) in files.iter().zip(footers) {
        let schema = columns_only(&footer.schema);
        match &first {
            None => first = Some(schema),
            Some(expected) if *expected == schema => {}
            Some(expected) => {
                return Err(DataError::data(format!(
                    "the columns are [{}], expected [{}] as in {}",
                    describe(&schema),
                    describe(expected),
                    files[0].name
                ))
                .at(file.name.as_str()));
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
