//! [`Dataset`]: a plan carried out. The rows are in the memory of the workers; the driver knows which partition
//! is where and how many rows it has.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt32Type;
use datafusion::physical_plan::collect;
use sha2::{Digest, Sha256};

use crate::cache_exec::CacheSpec;
use crate::cache_node::CacheNode;
use crate::clean::CleaningReport;
use crate::diagnose;
use crate::engine::Engine;
use crate::error::{DataError, DataErrorKind, Result};
use crate::gather::PartitionReport;
use crate::plan::IngestPlan;
use crate::schema::ColumnType;

/// A cleaned, split, cached table.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Its id, unique for each materialisation.
    pub id: String,
    /// Names and types of its columns.
    pub columns: Vec<(String, ColumnType)>,
    /// The partitions that hold rows, ascending by number. A partition's position here is its leaf in the
    /// merge tree; it follows from the data alone.
    pub partitions: Vec<PartitionInfo>,
    /// What cleaning did.
    pub cleaning: CleaningReport,
    /// Rows of each part of the split.
    pub part_rows: Vec<u64>,
    /// Bytes the rows take on all workers.
    pub memory_bytes: u64,
    /// SHA-256 over the columns and, for each partition, its number, row counts and content.
    pub fingerprint: String,
}

/// One partition of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Its number.
    pub number: u32,
    /// URL of the worker that holds it.
    pub owner: String,
    /// Rows of each part.
    pub part_rows: Vec<u64>,
}

impl Dataset {
    /// Carries out `plan` on `engine`: reads, cleans, splits and caches under the name `id`.
    ///
    /// # Errors
    /// Rows that break a rule, with file and line where that can be found; an unreachable worker; no rows
    /// read or kept; `deadline` passed. Workers may then hold some partitions of `id`: tell them to release it
    /// before the id is used again.
    pub async fn materialize(
        engine: &Engine,
        plan: &IngestPlan,
        id: &str,
        deadline: Duration,
    ) -> Result<Self> {
        if engine.is_empty_cluster() {
            return Err(
                DataError::new(DataErrorKind::Unreachable, "there is no worker to run on")
                    .hint("start a worker, or wait for one to join"),
            );
        }
        let dataset = Self::materialize_on(engine, plan, id, deadline).await;
        if dataset.is_err() {
            // What this process cached is of no use. Workers are told by the driver.
            engine.cache().release(id);
        }
        dataset
    }

    async fn materialize_on(
        engine: &Engine,
        plan: &IngestPlan,
        id: &str,
        deadline: Duration,
    ) -> Result<Self> {
        let reports = match tokio::time::timeout(deadline, run(engine, plan, id)).await {
            Ok(Ok(reports)) => reports,
            Ok(Err(error)) => return Err(locate(error, plan, deadline).await),
            Err(_) => {
                return Err(DataError::new(
                    DataErrorKind::TimedOut,
                    format!("ingestion did not finish within {} s", deadline.as_secs_f64()),
                ));
            }
        };
        let dataset = Self::from_reports(id, plan, reports)?;
        match dataset
            .partitions
            .iter()
            .find(|partition| !engine.has_worker(&partition.owner))
        {
            Some(stray) => Err(DataError::internal(format!(
                "partition {} was cached by {}, which is no worker of this plan",
                stray.number, stray.owner
            ))),
            None => Ok(dataset),
        }
    }

    fn from_reports(id: &str, plan: &IngestPlan, reports: Vec<(String, PartitionReport)>) -> Result<Self> {
        let mut by_number = BTreeMap::new();
        for (owner, report) in reports {
            let number = report.partition;
            if let Some((other, _)) = by_number.insert(number, (owner.clone(), report)) {
                return Err(DataError::internal(format!(
                    "partition {number} was computed by {other} and {owner}"
                )));
            }
        }
        let mut dataset = Self {
            id: id.to_string(),
            columns: plan.columns.clone(),
            partitions: Vec::new(),
            cleaning: CleaningReport::default(),
            part_rows: vec![0; plan.split.weights.len()],
            memory_bytes: 0,
            fingerprint: fingerprint(plan, by_number.values().map(|(_, report)| report)),
        };
        for (number, (owner, report)) in by_number {
            dataset.add(number, owner, report);
        }
        dataset.check_rows(plan)?;
        Ok(dataset)
    }

    fn add(&mut self, number: u32, owner: String, report: PartitionReport) {
        self.cleaning.rows_read += report.rows_read;
        self.cleaning.rows_kept += report.rows_read - report.dropped.values().sum::<u64>();
        for (columns, rows) in report.dropped {
            *self
                .cleaning
                .dropped
                .entry(format!("null {columns}"))
                .or_default() += rows;
        }
        for (sum, rows) in self.part_rows.iter_mut().zip(&report.parts) {
            *sum += rows;
        }
        self.memory_bytes += report.memory_bytes;
        self.partitions.push(PartitionInfo {
            number,
            owner,
            part_rows: report.parts,
        });
    }

    fn check_rows(&self, plan: &IngestPlan) -> Result<()> {
        let place = plan
            .sources
            .iter()
            .map(|s| s.name.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        if self.cleaning.rows_read == 0 {
            return Err(DataError::data("no row was read")
                .at(format!("source {place}"))
                .hint("the files hold a header only, or the query's conditions leave nothing"));
        }
        if self.cleaning.rows_kept == 0 {
            return Err(DataError::data(format!("all rows were dropped: {}", self.cleaning))
                .at(format!("source {place}"))
                .hint("limit data.drop_nulls to the columns that matter, or check delimiter and null_tokens"));
        }
        if self.part_rows[0] == 0 {
            return Err(DataError::data(format!(
                "the training part is empty: {} rows were kept, none fell into it",
                self.cleaning.rows_kept
            ))
            .at("split.weights"));
        }
        Ok(())
    }
}

async fn run(engine: &Engine, plan: &IngestPlan, id: &str) -> Result<Vec<(String, PartitionReport)>> {
    let session = engine.session()?;
    let spec = CacheSpec {
        dataset: id.to_string(),
        split: plan.split.clone(),
        arrival: plan.arrival(),
    };
    let logical = CacheNode::plan(plan.logical(&session).await?, spec)?;
    let physical = session
        .execute_logical_plan(logical)
        .await?
        .create_physical_plan()
        .await?;
    tracing::debug!(plan = %datafusion::physical_plan::displayable(physical.as_ref()).indent(false), "ingest plan");
    let batches = collect(physical, session.task_ctx()).await?;
    batches.iter().flat_map(read_reports).collect()
}

fn read_reports(batch: &RecordBatch) -> Vec<Result<(String, PartitionReport)>> {
    let numbers = batch.column(0).as_primitive::<UInt32Type>();
    let (owners, reports) = (
        batch.column(1).as_string::<i32>(),
        batch.column(2).as_string::<i32>(),
    );
    (0..numbers.len())
        .map(|i| {
            let report = serde_json::from_str(reports.value(i)).map_err(|e| {
                DataError::internal(format!("partition {}: unreadable report: {e}", numbers.value(i)))
            })?;
            Ok((owners.value(i).to_string(), report))
        })
        .collect()
}

/// Adds file and line to an error about rows, if they are found before `deadline` has passed once more. Looking
/// for them reads the files again, away from the runtime's own threads.
async fn locate(error: DataError, plan: &IngestPlan, deadline: Duration) -> DataError {
    if error.kind != DataErrorKind::Data {
        return error;
    }
    let plan = plan.clone();
    let search = tokio::task::spawn_blocking(move || {
        plan.sources
            .iter()
            .find_map(|source| diagnose::first_bad_record(source, &plan))
    });
    match tokio::time::timeout(deadline, search).await {
        Ok(Ok(Some(found))) => found,
        _ => error,
    }
}

fn fingerprint<'a>(plan: &IngestPlan, reports: impl Iterator<Item = &'a PartitionReport>) -> String {
    let mut hash = Sha256::new();
    for (name, column_type) in &plan.columns {
        hash.update(format!("{name}\0{}\0", column_type.name()));
    }
    for report in reports {
        hash.update(format!(
            "{}\0{:?}\0{}\0",
            report.partition, report.parts, report.content_hash
        ));
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
