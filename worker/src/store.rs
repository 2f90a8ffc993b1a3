//! [`BlockStore`]: the blocks made from cached partitions, by dataset, pipeline and partition; in memory, or on disk where there
//! is a limit and they come too late.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rookery_data::spill::{Held, MemoryLimit, Purpose, SpillFile, Unreadable};
use rookery_ml::{Affine, BlockLayout};
use rookery_proto::Failure;

use crate::error::{of_data, of_ml};
use crate::executor::Blocks;

/// Dataset, blocks id, partition number.
type Key = (String, String, u32);

/// Blocks of partitions.
#[derive(Debug, Default)]
pub(crate) struct BlockStore {
    blocks: RwLock<BTreeMap<Key, Place>>,
    limit: Option<Arc<MemoryLimit>>,
}

/// Where blocks are.
#[derive(Debug, Clone)]
enum Place {
    /// With the memory that they take of the limit.
    Memory(Arc<Blocks>, Option<Arc<Held>>),
    Disk(Arc<SpilledBlocks>),
}

/// Blocks in a file, with all that they may have shared in memory: a round reads this file and no other.
#[derive(Debug)]
struct SpilledBlocks {
    file: SpillFile,
    layout: BlockLayout,
    affine: Option<Affine>,
}

impl SpilledBlocks {
    fn read(&self) -> Result<Blocks, Unreadable> {
        let bytes = self.file.read()?;
        let blocks = Blocks::unpacked(&self.layout, &bytes, self.affine.clone());
        blocks.map_err(|e| Unreadable::Failed(rookery_data::DataError::internal(e.to_string())))
    }
}

impl BlockStore {
    /// No blocks yet, and no more in memory than `limit` has room for.
    pub(crate) fn new(limit: Option<Arc<MemoryLimit>>) -> Self {
        Self {
            blocks: RwLock::default(),
            limit,
        }
    }

    /// Keeps a partition's blocks; the same blocks built again replace the former. What they share is kept only if
    /// the partition `stays` in memory.
    ///
    /// # Errors
    /// There is no room in memory, and the disk takes no more.
    pub(crate) fn put(
        &self,
        dataset: &str,
        blocks_id: &str,
        partition: u32,
        blocks: Blocks,
        stays: bool,
    ) -> Result<(), Failure> {
        let key = (dataset.to_string(), blocks_id.to_string(), partition);
        // Its room is free for those that come.
        self.write().remove(&key);
        let place = self.place(blocks, stays)?;
        self.write().insert(key, place);
        Ok(())
    }

    fn place(&self, blocks: Blocks, stays: bool) -> Result<Place, Failure> {
        let Some(limit) = &self.limit else {
            return Ok(Place::Memory(Arc::new(blocks), None));
        };
        let hold = |bytes| limit.hold(bytes, Purpose::Blocks).map(Arc::new);
        if (stays || !blocks.is_shared())
            && let Some(held) = hold(blocks.memory_bytes())
        {
            return Ok(Place::Memory(Arc::new(blocks), Some(held)));
        }
        let (layout, bytes) = blocks.packed().map_err(|e| of_ml(&e))?;
        let affine = blocks.into_affine();
        if let Some(held) = hold(layout.bytes()) {
            let blocks = Blocks::unpacked(&layout, &bytes, affine).map_err(|e| of_ml(&e))?;
            return Ok(Place::Memory(Arc::new(blocks), Some(held)));
        }
        let file = limit.write(&bytes).map_err(of_data)?;
        Ok(Place::Disk(Arc::new(SpilledBlocks { file, layout, affine })))
    }

    /// The blocks, if they are here. What is on disk is read for the caller alone.
    ///
    /// # Errors
    /// They are on disk and can't be read. Blocks whose file was damaged are not here any more: they have to be made again.
    pub(crate) fn get(
        &self,
        dataset: &str,
        blocks_id: &str,
        partition: u32,
    ) -> Result<Option<Arc<Blocks>>, Failure> {
        let key = (dataset.to_string(), blocks_id.to_string(), partition);
        let found = self.read().get(&key).cloned();
        let spilled = match found {
            None => return Ok(None),
            Some(Place::Memory(blocks, _)) => return Ok(Some(blocks)),
            Some(Place::Disk(spilled)) => spilled,
        };
        match spilled.read() {
            Ok(blocks) => Ok(Some(Arc::new(blocks))),
            Err(Unreadable::Failed(error)) => Err(of_data(error)),
            Err(Unreadable::Damaged(error)) => {
                tracing::warn!(dataset, partition, %error, "blocks are lost");
                let mut blocks = self.write();
                let is_it =
                    |place: &Place| matches!(place, Place::Disk(there) if Arc::ptr_eq(there, &spilled));
                if blocks.get(&key).is_some_and(is_it) {
                    blocks.remove(&key);
                }
                Ok(None)
            }
        }
    }

    /// The blocks, if they are in memory.
    pub(crate) fn in_memory(&self, dataset: &str, blocks_id: &str, partition: u32) -> Option<Arc<Blocks>> {
        let key = (dataset.to_string(), blocks_id.to_string(), partition);
        match self.read().get(&key)? {
            Place::Memory(blocks, _) => Some(Arc::clone(blocks)),
            Place::Disk(_) => None,
        }
    }

    pub(crate) fn release(&self, dataset: &str) {
        self.write().retain(|(name, ..), _| name != dataset);
    }

    pub(crate) fn release_partitions(&self, dataset: &str, numbers: &BTreeSet<u32>) {
        self.write()
            .retain(|(name, _, number), _| name != dataset || !numbers.contains(number));
    }

    /// The datasets that blocks are held of.
    pub(crate) fn datasets(&self) -> BTreeSet<String> {
        self.read().keys().map(|(dataset, ..)| dataset.clone()).collect()
    }

    /// Bytes of all blocks in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        let blocks = self.read();
        let bytes = blocks.values().map(|place| match place {
            Place::Memory(_, Some(held)) => held.bytes(),
            Place::Memory(blocks, None) => blocks.memory_bytes(),
            Place::Disk(_) => 0,
        });
        bytes.sum()
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Key, Place>> {
        self.blocks.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Key, Place>> {
        self.blocks.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use rookery_ml::{BlockBuilder, Column, ColumnData, Frame};

    use super::*;

    fn blocks(is_shared: bool) -> Blocks {
        let vectors = ColumnData::Vector {
            width: 2,
            values: (0..20_000).map(|i| f64::from(i) / 3.0).collect(),
        };
        let labels = ColumnData::Integer((0..10_000).map(|i| i % 2).collect());
        let frame = Frame::new(10_000)
            .with_column("x", Column::new(vectors))
            .and_then(|frame| frame.with_column("y", Column::new(labels)))
            .unwrap();
        let mut builder = BlockBuilder::new(2);
        builder.push_frame(&frame, "x", "y", None).unwrap();
        Blocks::for_tests(builder.finish(), is_shared)
    }

    fn store(bytes: usize) -> (tempfile::TempDir, BlockStore, Arc<MemoryLimit>) {
        let folder = tempfile::tempdir().unwrap();
        let limit = MemoryLimit::new(bytes, folder.path(), "http://here/").unwrap();
        (folder, BlockStore::new(Some(Arc::clone(&limit))), limit)
    }

    #[test]
    fn blocks_that_come_too_late_go_to_disk_and_come_back_as_they_were() {
        let own = blocks(false).memory_bytes();
        let (_folder, store, limit) = store(own * 2);
        for partition in 0..3 {
            store.put("d", "b", partition, blocks(false), false).unwrap();
        }
        assert_eq!(store.memory_bytes(), own);
        assert!(limit.disk_bytes() as usize > 2 * own - 5000, "two are on disk");
        for partition in 0..3 {
            let there = store.get("d", "b", partition).unwrap().unwrap();
            assert_eq!(there.all(), blocks(false).all());
        }
        // The room of the first is free for itself.
        store.put("d", "b", 0, blocks(false), false).unwrap();
        assert_eq!(store.memory_bytes(), own);
        store.release_partitions("d", &BTreeSet::from([0, 1]));
        store.release("d");
        assert_eq!((store.memory_bytes(), limit.disk_bytes()), (0, 0));
        assert!(limit.hold(own, Purpose::Blocks).is_some(), "memory is given back");
    }

    #[test]
    fn blocks_keep_no_partition_in_memory_that_goes() {
        let own = blocks(true).memory_bytes();
        let (_folder, store, _limit) = store(own * 4);
        store.put("d", "b", 0, blocks(true), true).unwrap();
        assert!(store.get("d", "b", 0).unwrap().unwrap().is_shared());
        store.put("d", "b", 1, blocks(true), false).unwrap();
        let copied = store.get("d", "b", 1).unwrap().unwrap();
        assert!(!copied.is_shared());
        assert_eq!(copied.all(), blocks(true).all());
    }

    #[test]
    fn damaged_blocks_are_lost() {
        let (folder, store, _limit) = store(1);
        store.put("d", "b", 0, blocks(false), false).unwrap();
        let own = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
        let file = std::fs::read_dir(own.path()).unwrap().next().unwrap().unwrap();
        let mut bytes = std::fs::read(file.path()).unwrap();
        bytes[100] ^= 4;
        std::fs::write(file.path(), bytes).unwrap();
        assert!(store.get("d", "b", 0).unwrap().is_none());
        assert!(!file.path().exists(), "it is forgotten");
    }
}
