//! The fixed merge tree.
//!
//! Floating-point addition is not associative, so the order of merging decides the bits. Here the order is a
//! binary tree over partition numbers and nothing else: node (level, index) covers the partitions
//! [index·2^level, (index+1)·2^level) that exist, and is the merge of its left and its right child. A worker merges
//! every complete subtree it owns and sends only those; the driver merges the rest. Whoever does a merge, it is the
//! same merge, so the result has the same bits for any number of workers and any placement.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::MlError;

/// A node of the merge tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Node {
    /// Height above the leaves: a leaf has level 0.
    pub level: u32,
    /// Position within the level.
    pub index: u32,
}

impl Node {
    /// Returns the leaf of one partition.
    pub fn leaf(partition: u32) -> Node {
        Node {
            level: 0,
            index: partition,
        }
    }

    /// Returns the root of the tree over `partitions` partitions.
    pub fn root(partitions: u32) -> Node {
        // ⌈log₂ n⌉, the height of a binary tree over n leaves.
        Node {
            level: u32::BITS - partitions.saturating_sub(1).leading_zeros(),
            index: 0,
        }
    }

    /// Returns the partitions below this node, of `partitions` there are; empty for a node outside the tree.
    pub fn covers(self, partitions: u32) -> std::ops::Range<u32> {
        let bound = |index: u64| {
            let start = if self.level < 32 {
                index << self.level
            } else {
                index.min(1) << 32
            };
            // Never above `partitions`, so it fits.
            start.min(u64::from(partitions)) as u32
        };
        bound(u64::from(self.index))..bound(u64::from(self.index) + 1)
    }

    /// Returns the two nodes below this one; `None` for a leaf.
    pub fn children(self) -> Option<(Node, Node)> {
        let level = self.level.checked_sub(1)?;
        let left = self.index.checked_mul(2)?;
        Some((
            Node { level, index: left },
            Node {
                level,
                index: left + 1,
            },
        ))
    }
}

/// Returns the largest subtrees all of whose partitions are `owned`, of `partitions` there are, ordered by the
/// partitions they cover. Together they cover what is owned, each partition once. Numbers outside the tree are
/// ignored.
pub fn complete_subtrees(owned: &BTreeSet<u32>, partitions: u32) -> Vec<Node> {
    let mut subtrees = Vec::new();
    if partitions > 0 {
        add_complete(Node::root(partitions), owned, partitions, &mut subtrees);
    }
    subtrees
}

fn add_complete(node: Node, owned: &BTreeSet<u32>, partitions: u32, subtrees: &mut Vec<Node>) {
    let covered = node.covers(partitions);
    let missing = covered.len() - owned.range(covered.clone()).count();
    if covered.is_empty() || missing == covered.len() {
        return;
    }
    match node.children() {
        Some((left, right)) if missing > 0 => {
            add_complete(left, owned, partitions, subtrees);
            add_complete(right, owned, partitions, subtrees);
        }
        _ => subtrees.push(node),
    }
}

/// Merges the leaves below `node`, asking `leaf` for one partition at a time, ascending. Returns `None` for a node
/// outside the tree.
///
/// # Errors
/// The first error of `leaf`.
pub fn reduce_subtree<T, E>(
    node: Node,
    partitions: u32,
    leaf: &mut impl FnMut(u32) -> Result<T, E>,
    merge: &impl Fn(T, T) -> T,
) -> Result<Option<T>, E> {
    let covered = node.covers(partitions);
    if covered.is_empty() {
        return Ok(None);
    }
    let Some((left, right)) = node.children() else {
        return leaf(covered.start).map(Some);
    };
    let left = reduce_subtree(left, partitions, leaf, merge)?;
    let right = reduce_subtree(right, partitions, leaf, merge)?;
    Ok(merge_children(left, right, merge))
}

/// Merges `nodes` up to the root. They must cover each of the `partitions` partitions exactly once; a partition
/// without rows is covered too, by the zero of `T`. Returns `None` if there are no partitions.
///
/// # Errors
/// [`MlError::MissingPartition`] if a partition is not covered, [`MlError::SuperfluousNode`] if one is covered twice.
pub fn merge_nodes<T>(
    partitions: u32,
    mut nodes: BTreeMap<Node, T>,
    merge: &impl Fn(T, T) -> T,
) -> Result<Option<T>, MlError> {
    let total = merge_below(Node::root(partitions), partitions, &mut nodes, merge)?;
    match nodes.keys().next() {
        Some(Node { level, index }) => Err(MlError::SuperfluousNode {
            level: *level,
            index: *index,
            partitions,
        }),
        None => Ok(total),
    }
}

fn merge_below<T>(
    node: Node,
    partitions: u32,
    nodes: &mut BTreeMap<Node, T>,
    merge: &impl Fn(T, T) -> T,
) -> Result<Option<T>, MlError> {
    let covered = node.covers(partitions);
    if covered.is_empty() {
        return Ok(None);
    }
    if let Some(value) = nodes.remove(&node) {
        return Ok(Some(value));
    }
    let Some((left, right)) = node.children() else {
        return Err(MlError::MissingPartition {
            partition: covered.start,
            partitions,
        });
    };
    let left = merge_below(left, partitions, nodes, merge)?;
    let right = merge_below(right, partitions, nodes, merge)?;
    Ok(merge_children(left, right, merge))
}

/// A node with one child is that child.
fn merge_children<T>(left: Option<T>, right: Option<T>, merge: &impl Fn(T, T) -> T) -> Option<T> {
    match (left, right) {
        (Some(left), Some(right)) => Some(merge(left, right)),
        (left, right) => left.or(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(level: u32, index: u32) -> Node {
        Node { level, index }
    }

    #[test]
    fn the_root_covers_everything() {
        for (partitions, level) in [
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 2),
            (5, 3),
            (1 << 31, 31),
            (u32::MAX, 32),
        ] {
            assert_eq!(Node::root(partitions), node(level, 0));
            assert_eq!(Node::root(partitions).covers(partitions), 0..partitions);
        }
        assert!(node(40, 1).covers(u32::MAX).is_empty());
        assert!(node(1, 3).covers(5).is_empty());
    }

    #[test]
    fn complete_subtrees_are_the_largest() {
        let subtrees =
            |owned: &[u32], partitions| complete_subtrees(&owned.iter().copied().collect(), partitions);
        assert_eq!(subtrees(&[0, 1, 2, 3, 4], 5), [node(3, 0)]);
        assert_eq!(
            subtrees(&[4], 5),
            [node(2, 1)],
            "partition 4 is alone under its ancestors"
        );
        assert_eq!(subtrees(&[1, 2, 3, 9], 5), [node(0, 1), node(1, 1)]);
        assert_eq!(subtrees(&[], 5), []);
        assert_eq!(subtrees(&[0], 0), []);
    }

    #[test]
    fn gaps_and_overlaps_are_refused() {
        let merge = |nodes: &[Node]| {
            let nodes = nodes.iter().map(|node| (*node, 1)).collect();
            merge_nodes(3, nodes, &|a, b| a + b)
        };
        assert_eq!(merge(&[node(1, 0), node(1, 1)]), Ok(Some(2)));
        let gap = merge(&[node(1, 0)])
            .expect_err("partition 2 is missing")
            .to_string();
        assert_eq!(gap, "merge tree over 3 partitions: nothing covers partition 2");
        let overlap = merge(&[node(1, 0), node(0, 1), node(1, 1)])
            .expect_err("1 twice")
            .to_string();
        assert_eq!(
            overlap,
            "merge tree over 3 partitions: node (level 0, index 1) is superfluous"
        );
        assert_eq!(merge_nodes(0, BTreeMap::new(), &|a: i32, b| a + b), Ok(None));
    }

    proptest! {
        /// The headline: whoever owns what, the bits are the same.
        #[test]
        fn any_placement_gives_the_same_bits(
            owners in prop::collection::vec(0_usize..5, 1..70),
            seed in any::<u64>(),
        ) {
            let partitions = owners.len() as u32;
            let value = |partition: u32| {
                let bits = seed.wrapping_mul(u64::from(partition) * 2 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                libm::exp((bits >> 40) as f64 / 5e5) - 1e7
            };
            let add = |a: f64, b: f64| a + b;
            let mut leaf = |partition| Ok::<_, MlError>(value(partition));
            let alone = reduce_subtree(Node::root(partitions), partitions, &mut leaf, &add)
                .expect("no leaf fails")
                .expect("there are partitions");

            let mut nodes = BTreeMap::new();
            for worker in 0..5 {
                let owned = (0..partitions).filter(|p| owners[*p as usize] == worker).collect();
                for node in complete_subtrees(&owned, partitions) {
                    let sum = reduce_subtree(node, partitions, &mut leaf, &add).expect("no leaf fails");
                    nodes.insert(node, sum.expect("the node covers partitions"));
                }
            }
            let together = merge_nodes(partitions, nodes, &add).expect("all covered").expect("not empty");
            prop_assert_eq!(together.to_bits(), alone.to_bits());
        }
    }
}
