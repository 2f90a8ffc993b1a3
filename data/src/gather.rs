//! [`Gatherer`]: collects the rows of partitions from one stream, puts each partition in its fixed order,
//! splits it and hands it to the cache.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Schema, SchemaRef, UInt32Type};
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use serde::{Deserialize, Serialize};

use crate::cache::{CachedPartition, PartitionCache, memory_bytes};
use crate::cache_exec::{Arrival, CacheSpec};
use crate::clean::DROPPED_COLUMN;
use crate::content::{columns_of, content_hash, encode, sorted_by_content};
use crate::error::DataError;
use crate::lean::{Kept, gather};
use crate::spec::SplitMethod;
use crate::spill::{MemoryLimit, SpilledRows};
use crate::split::{Splitter, XorShiftRandom};
use crate::table::PARTITION_COLUMN;

/// What became of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartitionReport {
    pub(crate) partition: u32,
    pub(crate) rows_read: u64,
    /// Dropped rows by the names of their null columns.
    pub(crate) dropped: BTreeMap<String, u64>,
    /// Rows of each part.
    pub(crate) parts: Vec<u64>,
    pub(crate) memory_bytes: u64,
    /// XXH3-128 of the kept rows in their order, as hexadecimal digits.
    pub(crate) content_hash: String,
}

/// A partition whose rows are still coming.
#[derive(Default)]
struct Open {
    rows_read: u64,
    dropped: BTreeMap<String, u64>,
    /// The first of its rows, if there was no room for them.
    spilled: Option<SpilledRows>,
    kept: Vec<RecordBatch>,
    /// Position of each kept row, counted before rows are dropped; of rows that come in order.
    ordinals: Vec<u64>,
}

pub(crate) struct Gatherer {
    dataset: String,
    arrival: Arrival,
    attempt: u32,
    splitter: Splitter,
    cache: Arc<PartitionCache>,
    /// What rows that are still coming take, where there is a limit.
    reservation: Option<MemoryReservation>,
    number_index: usize,
    dropped_index: usize,
    /// Columns that are kept.
    data: Vec<usize>,
    schema: SchemaRef,
    open: BTreeMap<u32, Open>,
    closed: BTreeSet<u32>,
    reports: Vec<PartitionReport>,
}

impl Open {
    /// Puts the rows that are in memory on disk, behind those that are there.
    fn spill(&mut self, schema: &SchemaRef, limit: &MemoryLimit) -> Result<()> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let rows = concat_batches(schema, &self.kept)?;
        self.kept.clear();
        let spilled = match &mut self.spilled {
            Some(spilled) => spilled,
            none => none.insert(SpilledRows::create(limit.folder(), schema)?),
        };
        Ok(spilled.add(&rows)?)
    }

    /// Takes back the rows that are on disk.
    fn fetch(&mut self) -> Result<()> {
        if let Some(spilled) = self.spilled.take() {
            let mut rows = spilled.read()?;
            rows.append(&mut self.kept);
            self.kept = rows;
        }
        Ok(())
    }
}

/// The account of rows that are still coming: they can be put on disk.
fn waiting_rows(limit: &Arc<MemoryLimit>) -> MemoryReservation {
    let rows = MemoryConsumer::new("rookery rows").with_can_spill(true);
    rows.register(limit.pool())
}

impl Gatherer {
    pub(crate) fn new(
        spec: &CacheSpec,
        input: &Schema,
        cache: Arc<PartitionCache>,
    ) -> crate::error::Result<Self> {
        let index = |name: &str| {
            input
                .index_of(name)
                .map_err(|e| DataError::internal(e.to_string()))
        };
        let (number_index, dropped_index) = (index(PARTITION_COLUMN)?, index(DROPPED_COLUMN)?);
        let data: Vec<usize> = (0..input.fields().len())
            .filter(|i| *i != number_index && *i != dropped_index)
            .collect();
        let schema = Arc::new(
            input
                .project(&data)
                .map_err(|e| DataError::internal(e.to_string()))?,
        );
        let columns: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        Ok(Self {
            dataset: spec.dataset.clone(),
            arrival: spec.arrival,
            attempt: spec.attempt,
            splitter: Splitter::new(&spec.split, &columns)?,
            reservation: cache.limit().map(waiting_rows),
            cache,
            number_index,
            dropped_index,
            data,
            schema,
            open: BTreeMap::new(),
            closed: BTreeSet::new(),
            reports: Vec::new(),
        })
    }

    /// Takes a batch, which may hold rows of several partitions.
    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        match self.arrival {
            Arrival::InOrder => self.push_runs(batch),
            Arrival::Shuffled => self.push_mixed(batch),
        }
    }

    /// Rows of one partition follow each other.
    fn push_runs(&mut self, batch: &RecordBatch) -> Result<()> {
        let numbers = batch
            .column(self.number_index)
            .as_primitive::<UInt32Type>()
            .clone();
        let mut start = 0;
        while start < batch.num_rows() {
            let number = numbers.value(start);
            let run = numbers.values()[start..]
                .iter()
                .take_while(|n| **n == number)
                .count();
            self.close_all_but(number)?;
            if self.closed.contains(&number) {
                return internal_err!("partition {number} came in two pieces");
            }
            self.push_rows(number, &batch.slice(start, run))?;
            start += run;
        }
        Ok(())
    }

    /// Each row may be of another partition.
    fn push_mixed(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut rows_of: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let numbers = batch.column(self.number_index).as_primitive::<UInt32Type>();
        for (row, number) in numbers.values().iter().enumerate() {
            rows_of.entry(*number).or_default().push(row as u32);
        }
        for (number, rows) in rows_of {
            self.push_rows(number, &take_record_batch(batch, &UInt32Array::from(rows))?)?;
        }
        self.stay_within(batch.get_array_memory_size())
    }

    /// Takes memory for rows that came, or puts all that are waiting on disk: every partition is open until the last row.
    fn stay_within(&mut self, bytes: usize) -> Result<()> {
        let (Some(limit), Some(reservation)) = (self.cache.limit(), &self.reservation) else {
            return Ok(());
        };
        if reservation.try_grow(bytes).is_ok() {
            return Ok(());
        }
        for open in self.open.values_mut() {
            open.spill(&self.schema, limit)?;
        }
        reservation.free();
        Ok(())
    }

    fn push_rows(&mut self, number: u32, rows: &RecordBatch) -> Result<()> {
        let open = self.open.entry(number).or_default();
        let first = open.rows_read;
        open.rows_read += rows.num_rows() as u64;
        let reasons: &StringArray = rows.column(self.dropped_index).as_string::<i32>();
        let data = rows.project(&self.data)?;
        if reasons.null_count() == reasons.len() {
            if self.arrival == Arrival::InOrder {
                open.ordinals.extend(first..open.rows_read);
            }
            open.kept.push(data);
            return Ok(());
        }
        let mut keep = Vec::with_capacity(rows.num_rows());
        for (i, reason) in reasons.iter().enumerate() {
            match reason {
                Some(reason) => *open.dropped.entry(reason.to_string()).or_default() += 1,
                None => {
                    keep.push(i as u32);
                    if self.arrival == Arrival::InOrder {
                        open.ordinals.push(first + i as u64);
                    }
                }
            }
        }
        open.kept
            .push(take_record_batch(&data, &UInt32Array::from(keep))?);
        Ok(())
    }

    fn close_all_but(&mut self, number: u32) -> Result<()> {
        let done: Vec<u32> = self.open.keys().copied().filter(|open| *open != number).collect();
        done.into_iter().try_for_each(|number| self.close(number))
    }

    fn close(&mut self, number: u32) -> Result<()> {
        let mut open = self.open.remove(&number).unwrap_or_default();
        self.closed.insert(number);
        let limit = self.cache.limit().map(Arc::clone);
        let is_shuffled = self.arrival == Arrival::Shuffled;
        let _alone = limit
            .as_ref()
            .filter(|_| is_shuffled)
            .map(|limit| limit.finish_alone());
        open.fetch()?;
        if self.arrival == Arrival::Shuffled || self.splitter.method == SplitMethod::Spark {
            let rows = concat_batches(&self.schema, &open.kept)?;
            open.kept.clear();
            let rows = sorted_by_content(&rows, self.arrival)?;
            open.ordinals = (0..rows.num_rows() as u64).collect();
            open.kept = vec![rows];
        }
        let content_hash = content_hash(&self.schema, &open.kept)?;
        let parts = self.split(number, &open.kept, &open.ordinals)?;
        let parts = parts
            .iter()
            .map(|rows| Ok(gather(&self.schema, &open.kept, rows)?));
        let parts = parts.collect::<Result<Vec<Kept>>>()?;
        open.kept.clear();
        let memory_bytes: usize = parts.iter().map(memory_bytes).sum();
        let report = PartitionReport {
            partition: number,
            rows_read: open.rows_read,
            dropped: open.dropped,
            parts: parts.iter().map(|part| part.rows.num_rows() as u64).collect(),
            memory_bytes: memory_bytes as u64,
            content_hash,
        };
        let partition = CachedPartition {
            schema: Arc::clone(&self.schema),
            parts: parts.into_iter().map(Some).collect(),
            report: report.clone(),
            attempt: self.attempt,
            is_passing: false,
            held: None,
        };
        self.reports.push(report);
        self.cache
            .insert(&self.dataset, number, partition)
            .map_err(DataFusionError::from)
    }

    /// For each part, which rows of each batch are in it.
    fn split(&self, number: u32, batches: &[RecordBatch], ordinals: &[u64]) -> Result<Vec<Vec<UInt32Array>>> {
        let mut parts = vec![Vec::with_capacity(batches.len()); self.splitter.parts()];
        let mut random = XorShiftRandom::new(self.splitter.seed.wrapping_add(i64::from(number)));
        let mut ordinals = ordinals.iter();
        for rows in batches {
            let mut indices = vec![Vec::with_capacity(rows.num_rows()); self.splitter.parts()];
            let mut put = |row: usize, part: Option<usize>| {
                if let Some(part) = part {
                    indices[part].push(row as u32);
                }
            };
            match self.splitter.method {
                SplitMethod::Row => {
                    for (row, ordinal) in ordinals.by_ref().take(rows.num_rows()).enumerate() {
                        put(row, Some(self.splitter.part_of_row(number, *ordinal)));
                    }
                }
                SplitMethod::Key => {
                    let keys = encode(columns_of(rows, &self.splitter.key)?)?;
                    for (row, key) in keys.iter().enumerate() {
                        put(row, Some(self.splitter.part_of_bytes(key.as_ref())));
                    }
                }
                SplitMethod::Spark => {
                    for row in 0..rows.num_rows() {
                        // A draw above the last bound (rounding) is in no part, as in Spark.
                        put(row, self.splitter.cell(random.next_double()));
                    }
                }
            }
            for (part, indices) in parts.iter_mut().zip(indices) {
                part.push(UInt32Array::from(indices));
            }
        }
        Ok(parts)
    }

    /// Closes what is open; returns the cache's owner and a report for each partition.
    pub(crate) fn finish(mut self) -> Result<(String, Vec<PartitionReport>)> {
        let rest: Vec<u32> = self.open.keys().copied().collect();
        rest.into_iter().try_for_each(|number| self.close(number))?;
        Ok((self.cache.owner().to_string(), self.reports))
    }
}
