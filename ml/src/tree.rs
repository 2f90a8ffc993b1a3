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
        Some(node) => Err(superfluous(*node, partitions)),
        None => Ok(total),
    }
}

/// Merges `nodes`, which cover no partition twice, as far as complete subtrees go: what is left are the
/// [`complete_subtrees`] of all they cover, ordered by the partitions they cover. So a worker can merge what others sent with
/// its own, and the driver what came from many.
///
/// # Errors
/// [`MlError::SuperfluousNode`] for a node outside the tree or one that covers what its equal covers. An overlap of nodes of
/// different levels is not looked for: whoever knows what was to be covered compares.
pub fn merge_complete<T>(
    partitions: u32,
    nodes: impl IntoIterator<Item = (Node, T)>,
    merge: &impl Fn(T, T) -> T,
) -> Result<Vec<(Node, T)>, MlError> {
    let root = Node::root(partitions);
    let mut open = BTreeMap::new();
    for (node, value) in nodes {
        if node.level > root.level || node.covers(partitions).is_empty() {
            return Err(superfluous(node, partitions));
        }
        add_once(&mut open, node, value, partitions)?;
    }
    let mut complete = Vec::new();
    // By level, then by position: whatever makes a node is merged before it is looked at.
    while let Some((node, value)) = open.pop_first() {
        let right = Node {
            index: node.index + 1,
            ..node
        };
        let parent = Node {
            level: node.level + 1,
            index: node.index / 2,
        };
        let is_left = node.index.is_multiple_of(2) && node != root;
        if is_left && right.covers(partitions).is_empty() {
            // A node with one child is that child.
            add_once(&mut open, parent, value, partitions)?;
        } else if is_left && let Some(other) = open.remove(&right) {
            add_once(&mut open, parent, merge(value, other), partitions)?;
        } else {
            complete.push((node, value));
        }
    }
    complete.sort_by_key(|(node, _)| node.covers(partitions).start);
    Ok(complete)
}

fn add_once<T>(nodes: &mut BTreeMap<Node, T>, node: Node, value: T, partitions: u32) -> Result<(), MlError> {
    match nodes.insert(node, value) {
        Some(_) => Err(superfluous(node, partitions)),
        None => Ok(()),
    }
}

fn superfluous(node: Node, partitions: u32) -> MlError {
    MlError::SuperfluousNode {
        level: node.level,
        index: node.index,
        partitions,
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

    #[test]
    fn what_was_merged_twice_or_lies_outside_is_refused() {
        let merged = |nodes: &[Node]| {
            let nodes = nodes.iter().map(|node| (*node, 1));
            merge_complete(5, nodes, &|a, b| a + b)
        };
        assert_eq!(merged(&[node(0, 4)]), Ok(vec![(node(2, 1), 1)]));
        assert_eq!(merged(&[node(2, 0), node(0, 4)]), Ok(vec![(node(3, 0), 2)]));
        assert_eq!(
            merged(&[node(0, 1), node(0, 2)]),
            Ok(vec![(node(0, 1), 1), (node(0, 2), 1)]),
            "neighbours of different parents"
        );
        assert_eq!(merged(&[]), Ok(Vec::new()));
        for wrong in [
            &[node(0, 5)][..],
            &[node(0, 1), node(0, 1)],
            &[node(9, 1)],
            &[node(9, 0)],
        ] {
            assert!(merged(wrong).is_err(), "{wrong:?}");
        }
        let twice = merged(&[node(1, 0), node(0, 0), node(0, 1)]);
        assert!(twice.is_err(), "{twice:?}");
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

        /// Whoever merges on the way, what is left is what one holder of everything would send, with the same bits.
        #[test]
        fn merging_on_the_way_changes_no_bit(
            owners in prop::collection::vec(0_usize..6, 1..70),
            asked in 1_usize..7,
        ) {
            let partitions = owners.len() as u32;
            let value = |partition: u32| libm::exp(f64::from(partition) / 7.0) - 1e3;
            let add = |a: f64, b: f64| a + b;
            let mut leaf = |partition| Ok::<_, MlError>(value(partition));
            let owned_by = |wanted: &dyn Fn(usize) -> bool| -> BTreeSet<u32> {
                (0..partitions).filter(|p| wanted(owners[*p as usize])).collect()
            };
            let mut sent = Vec::new();
            for worker in 0..asked {
                for node in complete_subtrees(&owned_by(&|owner| owner == worker), partitions) {
                    let sum = reduce_subtree(node, partitions, &mut leaf, &add).expect("no leaf fails");
                    sent.push((node, sum.expect("the node covers partitions")));
                }
            }
            let merged = merge_complete(partitions, sent, &add).expect("nothing is covered twice");
            let nodes: Vec<Node> = merged.iter().map(|(node, _)| *node).collect();
            prop_assert_eq!(&nodes, &complete_subtrees(&owned_by(&|owner| owner < asked), partitions));
            for (node, sum) in merged {
                let alone = reduce_subtree(node, partitions, &mut leaf, &add).expect("no leaf fails");
                prop_assert_eq!(alone.map(f64::to_bits), Some(sum.to_bits()));
            }
        }
    }
}
