//! [`BlockStore`]: the blocks made from cached partitions, by dataset, pipeline and partition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use crate::executor::Blocks;

/// Dataset, blocks id, partition number.
type Key = (String, String, u32);

/// Blocks in memory.
#[derive(Debug, Default)]
pub(crate) struct BlockStore {
    blocks: RwLock<BTreeMap<Key, Arc<Blocks>>>,
}

impl BlockStore {
    /// Keeps a partition's blocks; the same blocks built again replace the former.
    pub(crate) fn put(&self, dataset: &str, blocks_id: &str, partition: u32, blocks: Blocks) {
        let key = (dataset.to_string(), blocks_id.to_string(), partition);
        self.blocks
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, Arc::new(blocks));
    }

    pub(crate) fn get(&self, dataset: &str, blocks_id: &str, partition: u32) -> Option<Arc<Blocks>> {
        let key = (dataset.to_string(), blocks_id.to_string(), partition);
        self.blocks
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .map(Arc::clone)
    }

    pub(crate) fn release(&self, dataset: &str) {
        self.blocks
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(name, ..), _| name != dataset);
    }

    pub(crate) fn release_partitions(&self, dataset: &str, numbers: &BTreeSet<u32>) {
        self.blocks
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(name, _, number), _| name != dataset || !numbers.contains(number));
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let blocks = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
        blocks.values().map(|blocks| blocks.memory_bytes()).sum()
    }
}
