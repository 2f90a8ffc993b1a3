//! [`Dataset`]: a plan carried out. The rows are in the memory of the workers; the driver knows which partition
//! is where and how many rows it has.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::cache::content_changed;
use crate::clean::CleaningReport;
use crate::engine::Engine;
use crate::error::{DataError, Result};
use crate::gather::PartitionReport;
use crate::materialization::{Materialization, run_bounded};
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
    /// Plans run for it so far.
    attempts: u32,
    /// Whether its joins needed too much memory.
    sorts_joins: bool,
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
    /// XXH3-128 of the rows in their order, as hexadecimal digits.
    pub content_hash: String,
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
        let mut materialization = Materialization::new(plan, id, 0);
        let dataset = match materialization.attempt(engine, deadline).await {
            Ok(()) => materialization.finish(),
            Err(error) => Err(error),
        };
        if dataset.is_err() {
            // What this process cached is of no use. Workers are told by the driver.
            engine.cache().release(id);
        }
        dataset
    }

    /// Makes partitions again that went with their workers, on the workers of `engine`; `plan` is the one that this
    /// dataset was made by.
    ///
    /// # Errors
    /// As [`Dataset::materialize`]; the files have changed meanwhile. What was done is kept: the call can be repeated.
    pub async fn rebuild(
        &mut self,
        engine: &Engine,
        plan: &IngestPlan,
        lost: &BTreeSet<u32>,
        deadline: Duration,
    ) -> Result<()> {
        let plan = plan.only(lost.clone());
        let reports = match self.run_again(engine, &plan, deadline).await {
            Err(error) if !self.sorts_joins && plan.could_sort_joins(&error) => {
                self.sorts_joins = true;
                self.run_again(engine, &plan, deadline).await?
            }
            done => done?,
        };
        let mut owners: BTreeMap<u32, String> = BTreeMap::new();
        for (owner, report) in reports {
            let known = self.partitions.iter().find(|p| p.number == report.partition);
            if known.is_none_or(|known| known.content_hash != report.content_hash) {
                return Err(content_changed(report.partition));
            }
            owners.insert(report.partition, owner);
        }
        if let Some(missing) = lost.iter().find(|number| !owners.contains_key(number)) {
            return Err(content_changed(*missing));
        }
        for partition in &mut self.partitions {
            if let Some(owner) = owners.remove(&partition.number) {
                partition.owner = owner;
            }
        }
        Ok(())
    }

    async fn run_again(
        &mut self,
        engine: &Engine,
        plan: &IngestPlan,
        deadline: Duration,
    ) -> Result<Vec<(String, PartitionReport)>> {
        self.attempts += 1;
        let sorting = self.sorts_joins.then(|| plan.sorting_joins());
        let plan = sorting.as_ref().unwrap_or(plan);
        run_bounded(engine, plan, &self.id, self.attempts, deadline).await
    }

    pub(crate) fn from_reports(
        id: &str,
        plan: &IngestPlan,
        reports: BTreeMap<u32, (String, PartitionReport)>,
        attempts: u32,
    ) -> Result<Self> {
        let mut dataset = Self {
            id: id.to_string(),
            columns: plan.columns.clone(),
            partitions: Vec::new(),
            cleaning: CleaningReport::default(),
            part_rows: vec![0; plan.split.weights.len()],
            memory_bytes: 0,
            fingerprint: fingerprint(plan, reports.values().map(|(_, report)| report)),
            attempts,
            sorts_joins: plan.sorts_joins(),
        };
        for (number, (owner, report)) in reports {
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
            content_hash: report.content_hash,
        });
    }

    fn check_rows(&self, plan: &IngestPlan) -> Result<()> {
        if plan.may_be_empty() {
            return Ok(());
        }
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
