//! [`PartitionCache`]: the cleaned, split partitions that a process keeps in memory as Arrow batches. Filled by
//! the cache operator, read by everything that trains.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, RwLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::memory_pool::MemoryReservation;
use rookery_ml::{Frame, SharedColumn};

use crate::error::{DataError, Result};
use crate::frame::to_frame;
use crate::gather::PartitionReport;
use crate::lean::{self, Kept};
use crate::scored::rows_within;

/// A partition of a dataset.
#[derive(Debug)]
pub struct CachedPartition {
    /// Columns of the cleaned rows.
    pub schema: SchemaRef,
    /// Rows of each part of the split, in their fixed order.
    pub(crate) parts: Vec<Kept>,
    /// What became of its rows.
    pub(crate) report: PartitionReport,
    /// The attempt at the dataset that made it.
    pub(crate) attempt: u32,
    /// Keeps the bytes accounted for in the engine's memory pool until the partition is dropped.
    #[expect(dead_code, reason = "it is held, not read")]
    pub(crate) reservation: Option<MemoryReservation>,
}

impl CachedPartition {
    /// How many rows a part has.
    pub fn rows_of(&self, part: usize) -> usize {
        self.parts.get(part).map_or(0, |kept| kept.rows.num_rows())
    }

    /// How many rows of a part, from the first on, make at most about `bytes` of what travels. It follows from the rows
    /// alone.
    pub fn rows_within(&self, part: usize, bytes: usize) -> usize {
        // What is kept as a float may travel as a double.
        self.parts
            .get(part)
            .map_or(0, |kept| rows_within(&kept.rows, bytes / 2))
    }

    /// At most `rows` rows of a part, from `offset` on, with the types of [`schema`](CachedPartition::schema).
    ///
    /// # Errors
    /// There is no such part.
    pub fn batch(&self, part: usize, offset: usize, rows: usize) -> Result<RecordBatch> {
        let kept = &self.part(part)?.rows;
        let offset = offset.min(kept.num_rows());
        let some = kept.slice(offset, rows.min(kept.num_rows() - offset));
        lean::widened(&self.schema, &some).map_err(|e| DataError::internal(e.to_string()))
    }

    /// The rows of [`batch`](CachedPartition::batch) as a frame.
    ///
    /// # Errors
    /// There is no such part.
    pub fn frame(&self, part: usize, offset: usize, rows: usize) -> Result<Frame> {
        let batch = self.batch(part, offset, rows)?;
        to_frame(&batch, 0, batch.num_rows())
    }

    /// The same with some of the columns alone.
    ///
    /// # Errors
    /// There is no such part, or no such column.
    pub fn frame_of<'a>(
        &self,
        columns: impl IntoIterator<Item = &'a str>,
        part: usize,
        offset: usize,
        rows: usize,
    ) -> Result<Frame> {
        let internal = |e: arrow::error::ArrowError| DataError::internal(e.to_string());
        let columns = columns.into_iter().map(|name| self.schema.index_of(name));
        let columns = columns
            .collect::<std::result::Result<Vec<usize>, _>>()
            .map_err(internal)?;
        let kept = &self.part(part)?.rows;
        let offset = offset.min(kept.num_rows());
        let rows = rows.min(kept.num_rows() - offset);
        let some = kept.slice(offset, rows).project(&columns).map_err(internal)?;
        let schema = Arc::new(self.schema.project(&columns).map_err(internal)?);
        to_frame(&lean::widened(&schema, &some).map_err(internal)?, 0, rows)
    }

    /// The values of a column of a part as blocks share them; `None` if there are nulls, if they are neither floats nor
    /// doubles, or if there is no such column.
    pub fn shared_column(&self, part: usize, name: &str) -> Option<SharedColumn> {
        let index = self.schema.index_of(name).ok()?;
        self.parts.get(part)?.shared(index).cloned()
    }

    fn part(&self, part: usize) -> Result<&Kept> {
        self.parts
            .get(part)
            .ok_or_else(|| DataError::internal(format!("a partition without part {part}")))
    }

    /// Bytes the rows take.
    pub fn memory_bytes(&self) -> usize {
        memory_bytes(&self.parts)
    }
}

/// Bytes that parts take.
pub(crate) fn memory_bytes(parts: &[Kept]) -> usize {
    parts.iter().map(|kept| kept.rows.get_array_memory_size()).sum()
}

/// The partitions a process holds, by dataset and number.
pub struct PartitionCache {
    owner: String,
    partitions: RwLock<BTreeMap<(String, u32), Arc<CachedPartition>>>,
}

impl fmt::Debug for PartitionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionCache")
            .field("owner", &self.owner)
            .field("partitions", &self.len())
            .finish()
    }
}

impl PartitionCache {
    /// An empty cache of the process that others reach as `owner` (its URL).
    pub fn new(owner: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            owner: owner.into(),
            partitions: RwLock::default(),
        })
    }

    /// The URL of the process.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// How many partitions it holds.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all partitions.
    pub fn memory_bytes(&self) -> usize {
        self.read().values().map(|p| p.memory_bytes()).sum()
    }

    /// Keeps a partition. One that an earlier attempt left stays, with the blocks made from it.
    ///
    /// # Errors
    /// This attempt made it already: two tasks computed the same partition, so the plan was cut wrongly. An earlier
    /// attempt found other rows: the files have changed.
    pub(crate) fn insert(&self, dataset: &str, number: u32, partition: CachedPartition) -> Result<()> {
        let key = (dataset.to_string(), number);
        let mut partitions = self.write();
        match partitions.get(&key) {
            None => {
                partitions.insert(key, Arc::new(partition));
                Ok(())
            }
            Some(other) if other.attempt == partition.attempt => Err(DataError::internal(format!(
                "partition {number} of dataset {dataset} was computed twice"
            ))
            .at(self.owner.clone())),
            Some(other) if other.report.content_hash != partition.report.content_hash => {
                Err(content_changed(number))
            }
            Some(_) => Ok(()),
        }
    }

    /// The partition, if it is here.
    pub fn get(&self, dataset: &str, number: u32) -> Option<Arc<CachedPartition>> {
        self.read().get(&(dataset.to_string(), number)).map(Arc::clone)
    }

    /// The names of the datasets that it holds partitions of.
    pub fn datasets(&self) -> Vec<String> {
        let mut names: Vec<String> = self.read().keys().map(|(dataset, _)| dataset.clone()).collect();
        names.dedup();
        names
    }

    /// What is here of a dataset: for each partition what [`Materialization::held`](crate::Materialization::held)
    /// understands.
    pub fn inventory(&self, dataset: &str) -> Result<Vec<String>> {
        self.read()
            .iter()
            .filter(|((name, _), _)| name == dataset)
            .map(|(_, partition)| {
                serde_json::to_string(&partition.report).map_err(|e| DataError::internal(e.to_string()))
            })
            .collect()
    }

    /// Drops a dataset; returns how many partitions went.
    pub fn release(&self, dataset: &str) -> usize {
        self.release_if(|name, _| name == dataset)
    }

    /// Drops some partitions of a dataset; returns how many went.
    pub fn release_partitions(&self, dataset: &str, numbers: &BTreeSet<u32>) -> usize {
        self.release_if(|name, number| name == dataset && numbers.contains(&number))
    }

    fn release_if(&self, is_meant: impl Fn(&str, u32) -> bool) -> usize {
        let mut partitions = self.write();
        let before = partitions.len();
        partitions.retain(|(name, number), _| !is_meant(name, *number));
        before - partitions.len()
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<(String, u32), Arc<CachedPartition>>> {
        self.partitions
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<(String, u32), Arc<CachedPartition>>> {
        self.partitions
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The error for a partition that is not what it was: a model of both would be a model of neither.
pub(crate) fn content_changed(number: u32) -> DataError {
    DataError::data(format!(
        "partition {number} is not what it was when the job began"
    ))
    .hint("the files were changed while the job ran; submit it again when they are at rest")
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Schema;

    use super::*;

    fn partition(number: u32, content_hash: &str, attempt: u32) -> CachedPartition {
        CachedPartition {
            schema: Arc::new(Schema::empty()),
            parts: vec![],
            report: PartitionReport {
                partition: number,
                rows_read: 1,
                dropped: BTreeMap::new(),
                parts: vec![1],
                memory_bytes: 0,
                content_hash: content_hash.to_string(),
            },
            attempt,
            reservation: None,
        }
    }

    #[test]
    fn a_partition_computed_twice_is_refused() {
        let cache = PartitionCache::new("http://here/");
        cache.insert("d", 3, partition(3, "a", 0)).unwrap();
        cache.insert("other", 3, partition(3, "a", 0)).unwrap();
        let error = cache.insert("d", 3, partition(3, "a", 0)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "http://here/: partition 3 of dataset d was computed twice"
        );
        assert_eq!(cache.datasets(), ["d", "other"]);
    }

    #[test]
    fn another_attempt_finds_the_partition_there_unless_its_rows_changed() {
        let cache = PartitionCache::new("http://here/");
        cache.insert("d", 3, partition(3, "a", 0)).unwrap();
        cache.insert("d", 3, partition(3, "a", 1)).unwrap();
        assert_eq!(cache.get("d", 3).unwrap().attempt, 0);
        let error = cache.insert("d", 3, partition(3, "b", 2)).unwrap_err();
        assert!(error.to_string().contains("is not what it was"), "{error}");
    }
}
