//! What is as large as the model and comes back for each subtree that a worker holds: summaries and partials. A worker may hold
//! many subtrees, so it is asked for few of them in one call, and a message stays within its bounds.

use std::collections::BTreeMap;

use futures::future::join_all;
use rookery_ml::tree::{Node, complete_subtrees};
use rookery_ml::{Family, KernelCoefficients, Partial, Precision, Summary};
use rookery_proto::{Failure, MAX_MESSAGE_BYTES, v1};

use crate::error::internal;

use super::{BlockSpec, Holding, Task, WorkerChannel, key, pair, set};

/// Summaries in one answer. How wide the features are is not known yet: four million, at most.
const SUMMARIES: usize = 4;
/// Bytes of partials in one answer, unless one alone is larger.
const PARTIAL_BYTES: usize = MAX_MESSAGE_BYTES / 2;

impl WorkerChannel {
    /// Makes blocks, and summarises them; returns the bytes they take, too.
    pub(crate) async fn build_blocks(
        &self,
        task: &Task,
        holding: &Holding,
        spec: &BlockSpec,
    ) -> Result<(Vec<(Node, Summary)>, u64), Failure> {
        let parts = parts(holding, SUMMARIES);
        let built = join_all(parts.iter().map(|part| self.build_some(task, part, spec))).await;
        let (mut summaries, mut memory_bytes) = (Vec::new(), 0);
        for built in built {
            let (some, bytes) = built?;
            summaries.extend(some);
            memory_bytes += bytes;
        }
        Ok((summaries, memory_bytes))
    }

    async fn build_some(
        &self,
        task: &Task,
        holding: &Holding,
        spec: &BlockSpec,
    ) -> Result<(Vec<(Node, Summary)>, u64), Failure> {
        let request = v1::BuildBlocksRequest {
            task: key(task),
            partitions: set(holding),
            blocks_id: spec.blocks_id.clone(),
            pipeline_json: spec.pipeline_json.clone(),
            features_column: spec.features.clone(),
            label_column: spec.label.clone(),
            weight_column: spec.weight.clone().unwrap_or_default(),
        };
        let mut client = self.client.clone();
        let response = self
            .bounded("build_blocks", Some(task), client.build_blocks(request))
            .await?;
        let summaries = response
            .summaries
            .into_iter()
            .map(|s| pair(s.node, s.summary, summary))
            .collect::<Result<_, _>>()?;
        Ok((summaries, response.memory_bytes))
    }

    /// Losses and gradients of what the worker holds, at each of the coefficients.
    pub(crate) async fn evaluate_objective(
        &self,
        task: &Task,
        holding: &Holding,
        blocks_id: &str,
        coefficients: &[KernelCoefficients],
    ) -> Result<Vec<(Node, Vec<Partial>)>, Failure> {
        let numbers: usize = coefficients.iter().map(KernelCoefficients::partial_length).sum();
        let bytes = size_of::<f64>() * numbers;
        let parts = parts(holding, PARTIAL_BYTES / bytes.max(1));
        let asked = parts
            .iter()
            .map(|part| self.evaluate_some(task, part, blocks_id, coefficients));
        let mut partials = Vec::new();
        for some in join_all(asked).await {
            partials.extend(some?);
        }
        Ok(partials)
    }

    async fn evaluate_some(
        &self,
        task: &Task,
        holding: &Holding,
        blocks_id: &str,
        coefficients: &[KernelCoefficients],
    ) -> Result<Vec<(Node, Vec<Partial>)>, Failure> {
        let request = v1::EvaluateObjectiveRequest {
            task: key(task),
            partitions: set(holding),
            blocks_id: blocks_id.to_string(),
            coefficients: coefficients.iter().map(kernel_coefficients).collect(),
            ..Default::default()
        };
        let mut client = self.client.clone();
        let response = self
            .bounded(
                "evaluate_objective",
                Some(task),
                client.evaluate_objective(request),
            )
            .await?;
        subtree_partials(response.partials, coefficients.len())
    }
}

/// The partials of subtrees, as many of each as coefficients were asked for.
pub(super) fn subtree_partials(
    subtrees: Vec<v1::SubtreePartial>,
    expected: usize,
) -> Result<Vec<(Node, Vec<Partial>)>, Failure> {
    let of_subtree = |subtree: v1::SubtreePartial| {
        let got = subtree.partials.len();
        if expected != got {
            return Err(internal(format!("{got} partials for {expected} coefficients")));
        }
        pair(subtree.node, Some(subtree.partials), |partials| {
            partials.into_iter().map(partial).collect()
        })
    };
    subtrees.into_iter().map(of_subtree).collect()
}

/// Divides what a worker holds into parts of at most `most` complete subtrees, at least one: the subtrees of the parts are
/// those of the whole, so that what comes back is the same.
fn parts(holding: &Holding, most: usize) -> Vec<Holding> {
    if holding.partitions.len() <= most {
        return vec![holding.clone()];
    }
    let number_of: BTreeMap<u32, u32> = holding
        .partitions
        .iter()
        .map(|(number, leaf)| (*leaf, *number))
        .collect();
    let subtrees = complete_subtrees(&number_of.keys().copied().collect(), holding.leaf_count);
    if subtrees.len() <= most {
        return vec![holding.clone()];
    }
    let part = |subtrees: &[Node]| {
        let leaves = subtrees.iter().flat_map(|node| node.covers(holding.leaf_count));
        Holding {
            partitions: leaves
                .filter_map(|leaf| Some((*number_of.get(&leaf)?, leaf)))
                .collect(),
            ..holding.clone()
        }
    };
    subtrees.chunks(most.max(1)).map(part).collect()
}

pub(super) fn summary(message: v1::Summary) -> Summary {
    Summary {
        rows: message.rows,
        weight_sum: message.weight_sum,
        weight_square_sum: message.weight_square_sum,
        mean: message.mean,
        m2: message.m2,
        label_weights: message.label_weights,
        class_weights: Vec::new(),
    }
}

pub(super) fn kernel_coefficients(coefficients: &KernelCoefficients) -> v1::KernelCoefficients {
    v1::KernelCoefficients {
        binomial: coefficients.family == Family::Binomial,
        classes: coefficients.classes as u32,
        width: coefficients.width as u32,
        coefficients: coefficients.coefficients.clone(),
        offsets: coefficients.offsets.clone(),
        gradient_rows: coefficients.rows.gradient,
        hessian_rows: coefficients.rows.hessian,
        class_weights: coefficients.class_weights.clone(),
        fast: coefficients.precision == Precision::Fast,
    }
}

fn partial(message: v1::Partial) -> Partial {
    Partial {
        loss_sum: message.loss_sum,
        weight_sum: message.weight_sum,
        rows: message.rows,
        gradient_sum: message.gradient_sum,
        hessian_weight_sum: message.hessian_weight_sum,
        hessian_sum: message.hessian_sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_the_subtrees_of_the_whole() {
        let holding = Holding {
            dataset: "d".to_string(),
            leaf_count: 100,
            // Partitions are numbered with gaps; leaves are not.
            partitions: (3..71)
                .filter(|leaf| leaf % 11 != 0)
                .map(|leaf| (2 * leaf, leaf))
                .collect(),
        };
        let subtrees = |holding: &Holding| {
            let leaves = holding.partitions.iter().map(|(_, leaf)| *leaf).collect();
            complete_subtrees(&leaves, holding.leaf_count)
        };
        let whole = subtrees(&holding);
        assert!(whole.len() > 10);
        for most in [0, 1, 3, 1000] {
            let parts = parts(&holding, most);
            assert_eq!(parts.len(), whole.len().div_ceil(most.max(1)));
            assert_eq!(parts.iter().flat_map(subtrees).collect::<Vec<_>>(), whole);
            let partitions = parts.iter().flat_map(|part| part.partitions.iter().copied());
            assert_eq!(partitions.collect::<Vec<_>>(), holding.partitions.to_vec());
        }
    }
}
