//! Rounds, which come by the hundred: a small one is over before another thread has woken up.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rookery_ml::tree::{Node, complete_subtrees, reduce_subtree};
use rookery_ml::{KernelCoefficients, Partial};
use rookery_proto::Failure;
use tokio::sync::oneshot;

use super::{Executor, PartitionSet, in_partition};
use crate::error::{internal, of_ml};

/// A round of at most so many rows times numbers of a partial is computed by whoever asks: some 50 microseconds.
const SMALL: usize = 1 << 16;

/// A round over some partitions.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) set: PartitionSet,
    pub(crate) blocks_id: String,
    pub(crate) coefficients: Vec<KernelCoefficients>,
}

impl Executor {
    /// One round: losses and gradients over the blocks of the named partitions, at each of the coefficients.
    pub(crate) async fn evaluate(
        self: &Arc<Self>,
        round: Round,
    ) -> Result<Vec<(Node, Vec<Partial>)>, Failure> {
        for coefficients in &round.coefficients {
            coefficients.check_shape().map_err(|e| of_ml(&e))?;
        }
        if self.is_small(&round) {
            return self.evaluate_here(&round);
        }
        let (done, answer) = oneshot::channel();
        let executor = Arc::clone(self);
        self.pool.spawn(move || {
            let evaluate = || {
                let partials = |number| executor.partials(&round, number);
                executor.each_subtree(&round.set, &partials, &Partial::merge_each)
            };
            // A panic that leaves a thread of the pool takes the process along; here whoever waits hears of it.
            if let Ok(partials) = catch_unwind(AssertUnwindSafe(evaluate)) {
                // Whoever asked may have gone.
                let _ = done.send(partials);
            }
        });
        answer.await.map_err(|_| internal("the round panicked"))?
    }

    /// On this thread alone; the merges, and so the bits, are those of any number of threads.
    fn evaluate_here(&self, round: &Round) -> Result<Vec<(Node, Vec<Partial>)>, Failure> {
        let leaves = round.set.partitions.iter();
        let numbers: std::collections::BTreeMap<u32, u32> =
            leaves.map(|(number, leaf)| (*leaf, *number)).collect();
        let mut partials = |leaf: u32| match numbers.get(&leaf) {
            Some(number) => self.partials(round, *number),
            None => Err(internal(format!("leaf {leaf} is missing"))),
        };
        let leaf_count = round.set.leaf_count;
        let mut found = Vec::new();
        for node in complete_subtrees(&numbers.keys().copied().collect(), leaf_count) {
            let merged = reduce_subtree(node, leaf_count, &mut partials, &Partial::merge_each)?;
            found.extend(merged.map(|merged| (node, merged)));
        }
        Ok(found)
    }

    fn partials(&self, round: &Round, number: u32) -> Result<Vec<Partial>, Failure> {
        self.blocks(&round.set, &round.blocks_id, number)?
            .evaluate(&round.coefficients)
            .map_err(|e| in_partition(&e, number))
    }

    fn is_small(&self, round: &Round) -> bool {
        let numbers: usize = round
            .coefficients
            .iter()
            .map(KernelCoefficients::partial_length)
            .sum();
        let most = SMALL.checked_div(numbers).unwrap_or(SMALL);
        let mut rows = 0;
        round.set.partitions.iter().all(|(number, _)| {
            // To read a file is nothing for this thread.
            let blocks = self
                .blocks
                .in_memory(&round.set.dataset, &round.blocks_id, *number);
            rows += blocks.as_ref().map_or(0, |blocks| blocks.rows()).max(1);
            blocks.is_some() && rows <= most
        })
    }
}
