//! [`Executor`]: the work itself. Every task has one shape: a result for each named partition, computed side by
//! side, then merged along the fixed tree as far as complete subtrees go. Threads and arrival play no part in
//! the order of merging.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use blocks::blocks_of;
use rayon::prelude::*;
use rookery_data::Progress;
use rookery_data::cache::{CachedPartition, PartitionCache};
use rookery_data::stores::{Announcement, WorkerSources};
use rookery_formats::{Comparison, Parity};
use rookery_ml::tree::{Node, complete_subtrees};
use rookery_ml::{
    BLOCK_ROWS, FitPass, FitStatistics, FittedPipeline, Frame, MlError, Model, MulticlassMetrics, Summary,
};
use rookery_proto::{ErrorClass, Failure};

use crate::error::{internal, of_data, of_format, of_ml};
use crate::store::BlockStore;

mod blocks;
mod rounds;
mod scoring;
mod subtrees;

pub(crate) use blocks::Blocks;
pub(crate) use rounds::Round;
pub(crate) use scoring::{Piece, ScoredPiece};

/// Part 0 of a split trains, part 1 tests, part 2 validates.
const TRAINING_PART: usize = 0;
const TEST_PART: usize = 1;
/// Distinct scores that one answer holds at most, 24 bytes each.
const MAX_RANKED_SCORES: usize = 8 << 20;

/// Holds partitions and blocks, and computes on them.
#[derive(Debug)]
pub struct Executor {
    cache: Arc<PartitionCache>,
    /// What the engine may read here.
    sources: Arc<WorkerSources>,
    blocks: BlockStore,
    last_scorer: scoring::LastScorer,
    begun: scoring::Begun,
    pool: rayon::ThreadPool,
}

/// The partitions that a task is about.
#[derive(Debug, Clone)]
pub(crate) struct PartitionSet {
    pub(crate) dataset: String,
    /// Leaves of the merge tree over the whole dataset.
    pub(crate) leaf_count: u32,
    /// Number and leaf of each partition.
    pub(crate) partitions: Vec<(u32, u32)>,
}

/// Where a row's label and weight are.
#[derive(Debug, Clone)]
pub(crate) struct LabelColumns {
    pub(crate) label: String,
    pub(crate) weight: Option<String>,
}

impl Executor {
    /// An executor over `cache`, within its limit, with `threads` threads, that says what `sources` holds.
    ///
    /// # Errors
    /// The threads can't be started.
    pub fn new(
        cache: Arc<PartitionCache>,
        sources: Arc<WorkerSources>,
        threads: usize,
    ) -> Result<Self, Failure> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(|i| format!("compute-{i}"))
            .build()
            .map_err(|e| internal(format!("the compute threads can't be started: {e}")))?;
        Ok(Self {
            blocks: BlockStore::new(cache.limit().map(Arc::clone)),
            cache,
            sources,
            last_scorer: scoring::LastScorer::default(),
            begun: scoring::Begun::default(),
            pool,
        })
    }

    /// Bytes of the partitions and blocks held in memory.
    pub fn memory_bytes(&self) -> u64 {
        (self.cache.memory_bytes() + self.blocks.memory_bytes()) as u64
    }

    /// Bytes of the partitions and blocks that memory had no room for.
    pub fn disk_bytes(&self) -> u64 {
        self.cache.limit().map_or(0, |limit| limit.disk_bytes())
    }

    /// From now on what is announced can be read for its dataset.
    pub(crate) fn prepare(&self, announcement: &Announcement) -> Result<(), Failure> {
        self.sources.announce(announcement).map_err(of_data)
    }

    /// Collects the statistics that fit the stages of a pass, on the training part.
    pub(crate) fn fit_stages(&self, set: &PartitionSet, pass: &FitPass) -> Result<FitStatistics, Failure> {
        let fit = |numbers: &[u32]| {
            let mut statistics = pass.empty_statistics();
            for number in numbers {
                let partition = self.partition(&set.dataset, *number, TRAINING_PART)?;
                let (rows, shared) = (partition.rows_of(TRAINING_PART), |name: &str| {
                    partition.shared_column(TRAINING_PART, name)
                });
                let rest = pass.accumulate_shared(rows, shared, &mut statistics);
                if rest.is_nothing() {
                    continue;
                }
                for frame in frames(&partition, TRAINING_PART) {
                    rest.accumulate(&frame?, &mut statistics)
                        .map_err(|e| in_partition(&e, *number))?;
                }
            }
            Ok(statistics)
        };
        let mut total = pass.empty_statistics();
        for statistics in self.each_group(set, fit)? {
            total.merge(&statistics).map_err(|e| of_ml(&e))?;
        }
        Ok(total)
    }

    /// Makes blocks of the training part, keeps them under `blocks_id` and summarises them.
    pub(crate) fn build_blocks(
        &self,
        set: &PartitionSet,
        blocks_id: &str,
        pipeline: &FittedPipeline,
        features: &str,
        columns: &LabelColumns,
    ) -> Result<(Vec<(Node, Summary)>, u64), Failure> {
        let build = |number| {
            let partition = self.partition(&set.dataset, number, TRAINING_PART)?;
            let blocks =
                blocks_of(&partition, pipeline, features, columns).map_err(|e| at_partition(e, number))?;
            let bytes = blocks.memory_bytes() as u64;
            let summary = blocks.summary(&[]).map_err(|e| in_partition(&e, number))?;
            let stays = !partition.is_passing();
            self.blocks.put(&set.dataset, blocks_id, number, blocks, stays)?;
            Ok((summary, bytes))
        };
        let merge =
            |(a, a_bytes): (Summary, u64), (b, b_bytes): (Summary, u64)| (a.merge(b), a_bytes + b_bytes);
        let built = self.each_subtree(set, &build, &merge)?;
        let bytes = built.iter().map(|(_, (_, bytes))| bytes).sum();
        let summaries = built.into_iter().map(|(node, (summary, _))| (node, summary));
        Ok((summaries.collect(), bytes))
    }

    /// Summarises the blocks of the named partitions, the rows weighed by their class.
    pub(crate) fn summarize_blocks(
        &self,
        set: &PartitionSet,
        blocks_id: &str,
        class_weights: &[f64],
    ) -> Result<Vec<(Node, Summary)>, Failure> {
        let summarize = |number| {
            self.blocks(set, blocks_id, number)?
                .summary(class_weights)
                .map_err(|e| in_partition(&e, number))
        };
        self.each_subtree(set, &summarize, &Summary::merge)
    }

    /// Scores a part with `model`.
    pub(crate) fn score(
        &self,
        set: &PartitionSet,
        model: &Model,
        columns: &LabelColumns,
        (part, with_ranking): (usize, bool),
    ) -> Result<Vec<(Node, MulticlassMetrics)>, Failure> {
        let judge = match with_ranking {
            true => Model::evaluate_ranked,
            false => Model::evaluate,
        };
        let score = |number| {
            let partition = self.partition(&set.dataset, number, part)?;
            let mut metrics = MulticlassMetrics::default();
            for frame in frames(&partition, part) {
                let scored = judge(model, frame?, &columns.label, columns.weight.as_deref())
                    .map_err(|e| in_partition(&e, number))?;
                metrics = metrics.merge(scored);
            }
            Ok(metrics)
        };
        let merged = self.each_subtree(set, &score, &MulticlassMetrics::merge)?;
        check_ranking(&merged)?;
        Ok(merged)
    }

    /// Compares a model with what was written of it, on the first rows of the test part of each partition.
    pub(crate) fn compare_formats(
        &self,
        set: &PartitionSet,
        comparison: &Comparison,
    ) -> Result<Vec<(Node, Parity)>, Failure> {
        let compare = |number| {
            let partition = self.partition(&set.dataset, number, TEST_PART)?;
            if partition.rows_of(TEST_PART) == 0 {
                return Ok(comparison.nothing());
            }
            let frame = partition.frame(TEST_PART, 0, COMPARED_ROWS).map_err(of_data)?;
            let compared = comparison.compare(frame);
            compared.map_err(|e| at_partition(of_format(&e), number))
        };
        self.each_subtree(set, &compare, &Parity::merge)
    }

    /// Drops a dataset, or some partitions of it; returns how many went.
    pub(crate) fn release(&self, dataset: &str, only: &BTreeSet<u32>) -> usize {
        self.begun.forget(dataset);
        if only.is_empty() {
            self.sources.release(dataset);
            self.blocks.release(dataset);
            return self.cache.release(dataset);
        }
        self.blocks.release_partitions(dataset, only);
        self.cache.release_partitions(dataset, only)
    }

    /// What is here of a dataset, as the data crate reports it.
    pub(crate) fn inventory(&self, dataset: &str) -> Result<Vec<String>, Failure> {
        self.cache.inventory(dataset).map_err(of_data)
    }

    /// What was done for a dataset since its sources were announced the last time.
    pub(crate) fn progress(&self, dataset: &str) -> Progress {
        self.sources.progress(dataset)
    }

    /// How many partitions are held.
    pub(crate) fn partitions(&self) -> usize {
        self.cache.len()
    }

    /// The datasets that anything is held of, or that may be read. A task that was under way when its dataset was released
    /// may have left blocks of it, and of nothing else.
    pub(crate) fn datasets(&self) -> Vec<String> {
        let mut datasets = self.blocks.datasets();
        datasets.extend(self.begun.datasets());
        datasets.extend(self.cache.datasets());
        datasets.extend(self.sources.datasets());
        datasets.into_iter().collect()
    }

    /// Computes `task` for each partition on the pool's threads and merges the results as they come, along the fixed tree and
    /// as far as complete subtrees go. The error returned is that of the lowest leaf.
    fn each_subtree<T: Send>(
        &self,
        set: &PartitionSet,
        task: &(impl Fn(u32) -> Result<T, Failure> + Sync),
        merge: &(impl Fn(T, T) -> T + Sync),
    ) -> Result<Vec<(Node, T)>, Failure> {
        let numbers: BTreeMap<u32, u32> = set
            .partitions
            .iter()
            .map(|(number, leaf)| (*leaf, *number))
            .collect();
        let leaf = |leaf: u32| match numbers.get(&leaf) {
            Some(number) => task(*number),
            None => Err(internal(format!("leaf {leaf} is missing"))),
        };
        let nodes = complete_subtrees(&numbers.keys().copied().collect(), set.leaf_count);
        let merged: Vec<Result<Option<T>, Failure>> = self.pool.install(|| {
            nodes
                .par_iter()
                .map(|node| subtrees::reduce(*node, set.leaf_count, &leaf, merge))
                .collect()
        });
        let found = nodes.into_iter().zip(merged);
        found
            .filter_map(|(node, result)| Some((node, result.transpose()?)))
            .map(|(node, result)| Ok((node, result?)))
            .collect()
    }

    /// Computes `task`, for which it plays no part which partitions are taken together, for groups of partitions on the pool's
    /// threads: to begin and to merge costs more than a partition's rows may. The error returned is that of the lowest leaf, so
    /// that it does not depend on timing.
    fn each_group<T: Send>(
        &self,
        set: &PartitionSet,
        task: impl Fn(&[u32]) -> Result<T, Failure> + Sync,
    ) -> Result<Vec<T>, Failure> {
        let by_leaf: BTreeMap<u32, u32> = set
            .partitions
            .iter()
            .map(|(number, leaf)| (*leaf, *number))
            .collect();
        let numbers: Vec<u32> = by_leaf.into_values().collect();
        let groups = self.pool.current_num_threads() * GROUPS_PER_THREAD;
        let groups: Vec<&[u32]> = numbers.chunks(numbers.len().div_ceil(groups).max(1)).collect();
        let task = |group: &&[u32]| task(group);
        let results: Vec<Result<T, Failure>> = self.pool.install(|| groups.par_iter().map(task).collect());
        results.into_iter().collect()
    }

    /// A partition, to be asked for one part of the split.
    fn partition(&self, dataset: &str, number: u32, part: usize) -> Result<Arc<CachedPartition>, Failure> {
        let found = self.cache.get_part(dataset, number, part).map_err(of_data)?;
        found.ok_or_else(|| {
            Failure::new(
                ErrorClass::Unreachable,
                format!("partition {number} of dataset {dataset} is not here"),
            )
            .at(self.cache.owner())
        })
    }

    fn blocks(&self, set: &PartitionSet, blocks_id: &str, number: u32) -> Result<Arc<Blocks>, Failure> {
        let found = self.blocks.get(&set.dataset, blocks_id, number)?;
        found.ok_or_else(|| missing(set, number))
    }
}

/// An answer must fit into a message.
fn check_ranking(merged: &[(Node, MulticlassMetrics)]) -> Result<(), Failure> {
    let scores: usize = merged
        .iter()
        .map(|(_, metrics)| metrics.ranking.scores().len())
        .sum();
    if scores <= MAX_RANKED_SCORES {
        return Ok(());
    }
    let message = format!(
        "the rows of one worker have {scores} distinct scores, at most {MAX_RANKED_SCORES} are ranked for areas under curves"
    );
    Err(Failure::new(ErrorClass::Config, message).hint(
        "leave areaUnderROC and areaUnderPR out, make the part smaller (split.weights), or use more workers",
    ))
}

fn missing(set: &PartitionSet, number: u32) -> Failure {
    Failure::new(
        ErrorClass::Unreachable,
        format!("partition {number} of dataset {} has no blocks here", set.dataset),
    )
}

fn in_partition(error: &MlError, number: u32) -> Failure {
    at_partition(of_ml(error), number)
}

fn at_partition(failure: Failure, number: u32) -> Failure {
    match failure.location {
        Some(_) => failure,
        None => failure.at(format!("partition {number}")),
    }
}

/// Rows of a partition's test part that are compared with what was written of a model. Its readers go through a graph or a
/// document row by row; what they do differently shows in these rows of each partition, or in none.
const COMPARED_ROWS: usize = 1024;

/// So many groups of partitions for each thread: the last ones even out what took longer.
const GROUPS_PER_THREAD: usize = 4;

/// Rows turned into a frame at once: enough to amortise it, few enough to stay in a cache.
const FRAME_ROWS: usize = 4 * BLOCK_ROWS;

/// The rows of a part as frames, in their order. A part without rows has none.
fn frames(partition: &CachedPartition, part: usize) -> impl Iterator<Item = Result<Frame, Failure>> + '_ {
    let starts = (0..partition.rows_of(part)).step_by(FRAME_ROWS);
    starts.map(move |start| partition.frame(part, start, FRAME_ROWS).map_err(of_data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_announced_goes_with_its_dataset() {
        let (cache, sources) = (
            PartitionCache::new("here"),
            WorkerSources::new(None, true, std::time::Duration::ZERO),
        );
        let executor = Executor::new(cache, sources, 1).unwrap();
        let announcement = Announcement {
            dataset: "d".to_string(),
            files: Vec::new(),
            stores: Vec::new(),
        };
        executor.prepare(&announcement).unwrap();
        // The driver hears of it with the next heartbeat, and says if no job needs it.
        assert_eq!(executor.datasets(), ["d"]);
        executor.release("d", &BTreeSet::from([3]));
        assert_eq!(
            executor.datasets(),
            ["d"],
            "a partition that moved takes nothing along"
        );
        executor.release("d", &BTreeSet::new());
        assert!(executor.datasets().is_empty());
    }

    #[test]
    fn what_a_task_leaves_after_its_dataset_went_is_not_forgotten() {
        let sources = WorkerSources::new(None, true, std::time::Duration::ZERO);
        let executor = Executor::new(PartitionCache::new("here"), sources, 1).unwrap();
        executor.release("d", &BTreeSet::new());
        let blocks = Blocks::for_tests(rookery_ml::BlockBuilder::new(2).finish(), false);
        executor.blocks.put("d", "b", 0, blocks, true).unwrap();
        assert_eq!(
            executor.datasets(),
            ["d"],
            "the driver hears of it, and has it dropped"
        );
        executor.release("d", &BTreeSet::new());
        assert!(executor.datasets().is_empty());
        assert_eq!(executor.blocks.datasets().len(), 0);
    }
}
