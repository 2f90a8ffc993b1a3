//! [`PartitionCache`]: the cleaned, split partitions that a process keeps in memory as Arrow batches. Filled by
//! the cache operator, read by everything that trains.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, RwLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::memory_pool::MemoryReservation;

use crate::error::{DataError, Result};

/// A partition of a dataset.
#[derive(Debug)]
pub struct CachedPartition {
    /// Columns of the cleaned rows.
    pub schema: SchemaRef,
    /// Rows of each part of the split, in their fixed order.
    pub parts: Vec<RecordBatch>,
    /// Keeps the bytes accounted for in the engine's memory pool until the partition is dropped.
    pub(crate) reservation: Option<MemoryReservation>,
}

impl CachedPartition {
    /// Bytes the rows take.
    pub fn memory_bytes(&self) -> usize {
        self.parts.iter().map(RecordBatch::get_array_memory_size).sum()
    }
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

    /// Keeps a partition.
    ///
    /// # Errors
    /// If it is there already: two tasks computed the same partition, so the plan was cut wrongly.
    pub(crate) fn insert(&self, dataset: &str, number: u32, partition: CachedPartition) -> Result<()> {
        let key = (dataset.to_string(), number);
        let mut partitions = self
            .partitions
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if partitions.contains_key(&key) {
            return Err(DataError::internal(format!(
                "partition {number} of dataset {dataset} was computed twice"
            ))
            .at(self.owner.clone()));
        }
        partitions.insert(key, Arc::new(partition));
        Ok(())
    }

    /// The partition, if it is here.
    pub fn get(&self, dataset: &str, number: u32) -> Option<Arc<CachedPartition>> {
        self.read().get(&(dataset.to_string(), number)).map(Arc::clone)
    }

    /// Drops a dataset; returns how many partitions went.
    pub fn release(&self, dataset: &str) -> usize {
        let mut partitions = self
            .partitions
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let before = partitions.len();
        partitions.retain(|(name, _), _| name != dataset);
        before - partitions.len()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<(String, u32), Arc<CachedPartition>>> {
        self.partitions
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Schema;

    use super::*;

    #[test]
    fn a_partition_computed_twice_is_refused() {
        let cache = PartitionCache::new("http://here/");
        let partition = || CachedPartition {
            schema: Arc::new(Schema::empty()),
            parts: vec![],
            reservation: None,
        };
        cache.insert("d", 3, partition()).unwrap();
        cache.insert("other", 3, partition()).unwrap();
        let error = cache.insert("d", 3, partition()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "http://here/: partition 3 of dataset d was computed twice"
        );
    }
}
