//! A round over a placement: along a tree over its workers where that pays, and by asking each holder for whatever did not
//! come so. The bits are the same either way.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use rookery_ml::tree::Node;
use rookery_ml::{KernelCoefficients, Partial};
use rookery_proto::Failure;
use tokio::time::Instant;
use url::Url;

use super::{Early, Placement};
use crate::error::internal;
use crate::metrics::Way;
use crate::reduction::{Branch, Sizes};
use crate::worker_channel::{Holding, Relayed, Task};

/// The subtrees of one answer, with a partial for each of the coefficients.
type Subtrees = Vec<(Node, Vec<Partial>)>;

/// A round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round<'a> {
    pub(crate) task: &'a Task,
    pub(crate) blocks_id: &'a str,
    pub(crate) coefficients: &'a [KernelCoefficients],
}

impl Placement {
    /// Losses and gradients at each of the coefficients: answers that together cover each partition once.
    ///
    /// # Errors
    /// As of [`ask_all`](Self::ask_all).
    pub(crate) async fn evaluate(&self, round: Round<'_>) -> Result<Vec<Subtrees>, Failure> {
        self.ask_rest(
            |holders| self.along_tree(round, holders),
            |worker, holding| async move {
                worker
                    .evaluate_objective(round.task, &holding, round.blocks_id, round.coefficients)
                    .await
            },
        )
        .await
    }

    /// Asks along a tree, if there is to be one.
    async fn along_tree(&self, round: Round<'_>, holders: BTreeMap<Url, Holding>) -> Early<Subtrees> {
        let mut early = Early::nothing(holders);
        let branches = self.trees.branches(&early.rest, Sizes::of(round.coefficients));
        let branches = branches.unwrap_or_else(|failure| {
            // Every holder is asked, so nothing is lost by it.
            tracing::warn!(dataset = self.members.dataset(), %failure, "no tree over the workers");
            None
        });
        let Some(branches) = branches else {
            self.members.counters().count(Way::Flat);
            return early;
        };
        let began = Instant::now();
        let asked = branches.iter().map(|branch| self.ask_branch(round, branch));
        let (mut left, mut why) = (BTreeSet::new(), None);
        for (branch, relayed) in branches.iter().zip(join_all(asked).await) {
            match relayed {
                Ok(relayed) => {
                    early.answers.push(relayed.partials);
                    left.extend(relayed.failed);
                    why = why.or(relayed.why);
                }
                Err(failure) => {
                    left.extend(branch.workers.iter().cloned());
                    why = why.or(Some(failure));
                }
            }
        }
        early.rest.retain(|url, _| left.contains(url));
        self.note(round.task, early.rest.len(), began, why);
        early
    }

    /// Notes how a round went along the tree: so many workers are left to be asked.
    fn note(&self, task: &Task, workers: usize, began: Instant, why: Option<Failure>) {
        let counters = self.members.counters();
        if workers == 0 {
            counters.count(Way::Tree);
            return self.trees.held(began.elapsed());
        }
        counters.count(Way::BrokenTree);
        self.trees.broke();
        let (dataset, round) = (self.members.dataset(), task.round);
        let why = why.map(|failure| failure.to_string());
        tracing::info!(
            dataset,
            round,
            workers,
            why,
            "the tree broke: the workers are asked directly"
        );
    }

    /// What came of a branch, if it is what was to come.
    async fn ask_branch(&self, round: Round<'_>, branch: &Branch) -> Result<Relayed, Failure> {
        let Round {
            task,
            blocks_id,
            coefficients,
        } = round;
        let asked = async {
            let channel = self.members.channel_within(&branch.url, self.trees.deadline())?;
            channel
                .evaluate_branch(task, branch, blocks_id, coefficients)
                .await
        };
        let relayed: Relayed = self.members.with(&branch.workers, asked).await?;
        let got = relayed.partials.iter().map(|(node, _)| *node);
        let are_its_own = relayed.failed.iter().all(|url| branch.workers.contains(url));
        // Somebody who says that he answered for less or more than he did must not spoil the sum.
        match are_its_own && got.eq(branch.nodes_without(&relayed.failed)?) {
            true => Ok(relayed),
            false => Err(internal(format!(
                "worker {} answered for other partitions than those of its branch",
                branch.url
            ))),
        }
    }
}
