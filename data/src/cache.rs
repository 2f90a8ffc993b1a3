//! [`PartitionCache`]: the cleaned, split partitions that a process keeps as Arrow batches, in memory, or on disk where there is
//! a limit and they come too late. Filled by the cache operator, read by everything that trains.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, RwLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use rookery_ml::{Frame, SharedColumn};

use crate::error::{DataError, Result};
use crate::frame::to_frame;
use crate::gather::PartitionReport;
use crate::lean::{self, Kept};
use crate::scored::rows_within;
use crate::spill::{Held, MemoryLimit, Purpose, SpilledPartition, Unreadable};

/// A partition of a dataset.
#[derive(Debug)]
pub struct CachedPartition {
    /// Columns of the cleaned rows.
    pub schema: SchemaRef,
    /// Rows of each part of the split, in their fixed order; `None` for a part that was not read from disk.
    pub(crate) parts: Vec<Option<Kept>>,
    /// What became of its rows.
    pub(crate) report: PartitionReport,
    /// The attempt at the dataset that made it.
    pub(crate) attempt: u32,
    /// Whether it was read from disk, and goes when nobody uses it any more.
    pub(crate) is_passing: bool,
    /// The memory that its rows take, where there is a limit.
    pub(crate) held: Option<Held>,
}

impl CachedPartition {
    /// How many rows a part has.
    pub fn rows_of(&self, part: usize) -> usize {
        self.report.parts.get(part).map_or(0, |rows| *rows as usize)
    }

    /// How many rows of a part, from the first on, make at most about `bytes` of what travels. It follows from the rows
    /// alone.
    pub fn rows_within(&self, part: usize, bytes: usize) -> usize {
        // What is kept as a float may travel as a double.
        self.part(part)
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
        self.part(part).ok()?.shared(index).cloned()
    }

    /// Whether it was read from disk, and goes when nobody uses it any more: who keeps its columns keeps all of it.
    pub fn is_passing(&self) -> bool {
        self.is_passing
    }

    pub(crate) fn part(&self, part: usize) -> Result<&Kept> {
        let kept = self.parts.get(part).and_then(Option::as_ref);
        kept.ok_or_else(|| DataError::internal(format!("a partition without part {part}")))
    }

    /// Bytes the rows take.
    pub fn memory_bytes(&self) -> usize {
        self.parts.iter().flatten().map(memory_bytes).sum()
    }
}

/// Bytes that a part takes.
pub(crate) fn memory_bytes(kept: &Kept) -> usize {
    kept.rows.get_array_memory_size()
}

/// Where a partition is.
#[derive(Debug, Clone)]
enum Place {
    Memory(Arc<CachedPartition>),
    Disk(Arc<SpilledPartition>),
}

impl Place {
    fn report(&self) -> &PartitionReport {
        match self {
            Place::Memory(partition) => &partition.report,
            Place::Disk(partition) => &partition.report,
        }
    }

    /// Whether it can be used. A file that can't be read at all may be read later.
    fn is_whole(&self) -> bool {
        match self {
            Place::Memory(_) => true,
            Place::Disk(partition) => !matches!(partition.read(None), Err(Unreadable::Damaged(_))),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Place::Memory(one), Place::Memory(other)) => Arc::ptr_eq(one, other),
            (Place::Disk(one), Place::Disk(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    fn attempt(&self) -> u32 {
        match self {
            Place::Memory(partition) => partition.attempt,
            Place::Disk(partition) => partition.attempt,
        }
    }
}

/// Dataset and number of a partition.
type Key = (String, u32);

/// The partitions a process holds, by dataset and number.
pub struct PartitionCache {
    owner: String,
    partitions: RwLock<BTreeMap<Key, Place>>,
    limit: Option<Arc<MemoryLimit>>,
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
        Self::with_limit(owner, None)
    }

    /// The same with a limit to the memory that partitions and blocks take.
    pub fn with_limit(owner: impl Into<String>, limit: Option<Arc<MemoryLimit>>) -> Arc<Self> {
        Arc::new(Self {
            owner: owner.into(),
            partitions: RwLock::default(),
            limit,
        })
    }

    /// The URL of the process.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// How much memory the process may take; `None` if there is no limit.
    pub fn limit(&self) -> Option<&Arc<MemoryLimit>> {
        self.limit.as_ref()
    }

    /// How many partitions it holds.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all partitions in memory.
    pub fn memory_bytes(&self) -> usize {
        let partitions = self.read();
        let bytes = partitions.values().map(|place| match place {
            Place::Memory(partition) => partition.memory_bytes(),
            Place::Disk(_) => 0,
        });
        bytes.sum()
    }

    /// Keeps a partition. One that an earlier attempt left stays, with the blocks made from it.
    ///
    /// # Errors
    /// This attempt made it already: two tasks computed the same partition, so the plan was cut wrongly. An earlier
    /// attempt found other rows: the files have changed. There is no room in memory, and the disk takes no more.
    pub(crate) fn insert(&self, dataset: &str, number: u32, partition: CachedPartition) -> Result<()> {
        let key = (dataset.to_string(), number);
        let (attempt, hash) = (partition.attempt, partition.report.content_hash.clone());
        let there = self.read().get(&key).cloned();
        if let Some(there) = there {
            self.check(&key, &there, attempt, &hash)?;
            if there.is_whole() {
                return Ok(());
            }
            self.lose(&key, &there);
        }
        // Written without the lock, which would hold everybody up.
        let place = self.place(partition)?;
        let mut partitions = self.write();
        match partitions.get(&key) {
            Some(there) => self.check(&key, there, attempt, &hash),
            None => {
                partitions.insert(key, place);
                Ok(())
            }
        }
    }

    /// Finds room for a partition: in memory if there is some.
    fn place(&self, mut partition: CachedPartition) -> Result<Place> {
        if let Some(limit) = &self.limit {
            partition.held = limit.hold(partition.memory_bytes(), Purpose::Partition);
            if partition.held.is_none() {
                let spilled = SpilledPartition::write(&partition, limit.folder())?;
                return Ok(Place::Disk(Arc::new(spilled)));
            }
        }
        Ok(Place::Memory(Arc::new(partition)))
    }

    /// Whether a partition that comes may find this one in its place.
    fn check(&self, (dataset, number): &Key, there: &Place, attempt: u32, hash: &str) -> Result<()> {
        if there.attempt() == attempt {
            let message = format!("partition {number} of dataset {dataset} was computed twice");
            return Err(DataError::internal(message).at(self.owner.clone()));
        }
        match there.report().content_hash == hash {
            true => Ok(()),
            false => Err(content_changed(*number)),
        }
    }

    /// The partition, if it is here. What is on disk is read for the caller alone.
    ///
    /// # Errors
    /// It is on disk and can't be read. A partition whose file was damaged is not here any more: it has to be made again.
    pub fn get(&self, dataset: &str, number: u32) -> Result<Option<Arc<CachedPartition>>> {
        self.find(dataset, number, None)
    }

    /// The same where one part of the split is all that is wanted: the others need not be read.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_part(&self, dataset: &str, number: u32, part: usize) -> Result<Option<Arc<CachedPartition>>> {
        self.find(dataset, number, Some(part))
    }

    fn find(&self, dataset: &str, number: u32, only: Option<usize>) -> Result<Option<Arc<CachedPartition>>> {
        let key = (dataset.to_string(), number);
        let found = self.read().get(&key).cloned();
        let spilled = match found {
            None => return Ok(None),
            Some(Place::Memory(partition)) => return Ok(Some(partition)),
            Some(Place::Disk(spilled)) => spilled,
        };
        match spilled.read(only) {
            Ok(partition) => Ok(Some(Arc::new(partition))),
            Err(Unreadable::Failed(error)) => Err(error),
            Err(Unreadable::Damaged(error)) => {
                tracing::warn!(dataset, number, %error, "a partition is lost");
                self.lose(&key, &Place::Disk(spilled));
                Ok(None)
            }
        }
    }

    /// Forgets a partition, if it is still this one.
    fn lose(&self, key: &Key, lost: &Place) {
        let mut partitions = self.write();
        if partitions.get(key).is_some_and(|there| there.is_same(lost)) {
            partitions.remove(key);
        }
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
            .map(|(_, place)| {
                serde_json::to_string(place.report()).map_err(|e| DataError::internal(e.to_string()))
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

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<Key, Place>> {
        self.partitions
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<Key, Place>> {
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
            is_passing: false,
            held: None,
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
        assert_eq!(cache.get("d", 3).unwrap().unwrap().attempt, 0);
        let error = cache.insert("d", 3, partition(3, "b", 2)).unwrap_err();
        assert!(error.to_string().contains("is not what it was"), "{error}");
    }
}
