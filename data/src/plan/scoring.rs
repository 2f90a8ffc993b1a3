//! Plans of rows that are to be scored: one source, nothing dropped, every row in the first part, in file order.

use std::path::Path;
use std::sync::Arc;

use super::IngestPlan;
use crate::cache_exec::Arrival;
use crate::dataset::Dataset;
use crate::diagnose::line_of;
use crate::error::Result;
use crate::source::{ScoredColumns, Source};
use crate::spec::{Format, SourceSpec, SplitMethod, SplitSpec};
use crate::stores::Environment;

/// What messages call the source.
const SOURCE_NAME: &str = "input";

impl IngestPlan {
    /// Opens the files to be scored. A source without rows is fine.
    ///
    /// # Errors
    /// What [`Source::open`] refuses; a column of the model, or one to carry along, that is not there.
    pub async fn for_scoring(
        spec: &SourceSpec,
        columns: &ScoredColumns,
        partition_bytes: u64,
        base_dir: &Path,
        environment: &Environment,
    ) -> Result<Self> {
        let source =
            Source::open_to_score(SOURCE_NAME, spec, columns, base_dir, partition_bytes, environment).await?;
        Ok(Self {
            columns: source.columns.clone(),
            sources: vec![Arc::new(source)],
            split: SplitSpec {
                method: SplitMethod::Row,
                weights: vec![1.0, 0.0],
                seed: 0,
                key: Vec::new(),
            },
            sql: None,
            drop_nulls: Vec::new(),
            sql_partitions: 1,
            arrival: Arrival::InOrder,
            only: None,
            may_be_empty: true,
            sorts_joins: false,
        })
    }

    /// Where a row of a partition is in the files, counted from 0: `file:line`, or for Parquet `file, row 3`. Reads the
    /// file once more, away from the runtime's own threads. `None` if it can't be told.
    pub async fn place_of_row(&self, dataset: &Dataset, partition: u32, row: u64) -> Option<String> {
        let source = Arc::clone(self.sources.first()?);
        let file = source.parts.get(partition as usize)?.file;
        let before = dataset.partitions.iter().filter(|other| {
            let part = source.parts.get(other.number as usize);
            other.number < partition && part.is_some_and(|part| part.file == file)
        });
        let row = row
            + before
                .map(|other| other.part_rows.iter().sum::<u64>())
                .sum::<u64>();
        let search = tokio::task::spawn_blocking(move || place_in(&source, file, row));
        search.await.ok().flatten()
    }
}

fn place_in(source: &Source, file: usize, row: u64) -> Option<String> {
    let file = source.files.get(file)?;
    if source.format == Format::Parquet {
        return Some(format!("{}, row {}", file.name, row + 1));
    }
    let mut reader = source.dialect.reader(file).ok()?;
    let mut record = csv::ByteRecord::new();
    for _ in 0..=row + u64::from(source.dialect.header) {
        if !reader.read_byte_record(&mut record).ok()? {
            return None;
        }
    }
    let start = record.position().map_or(0, csv::Position::byte);
    let line = line_of(&source.dialect, file, start).ok()?;
    Some(format!("{}:{line}", file.name))
}
