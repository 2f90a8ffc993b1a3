//! [`Branch`]: a worker of the tree with all that answer by way of it.

use std::collections::{BTreeMap, BTreeSet};

use rookery_ml::tree::{Node, complete_subtrees, merge_complete};
use rookery_proto::Failure;
use url::Url;

use crate::error::of_ml;
use crate::worker_channel::Holding;

/// A worker, what it holds, and whom it passes a round on to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Branch {
    pub(crate) url: Url,
    pub(crate) holding: Holding,
    pub(crate) below: Vec<Branch>,
    /// Itself and all below.
    pub(crate) workers: Vec<Url>,
    /// What its answer consists of if nobody fails.
    pub(crate) nodes: Vec<Node>,
    /// What is its own of that.
    own: Vec<Node>,
}

/// A tree over the workers that hold something, in which each asks `fan_out` others at most: branches whose workers are
/// neighbours by the leaves that they hold, so that what they hold merges into few subtrees.
pub(crate) fn grow(holders: &BTreeMap<Url, Holding>, fan_out: usize) -> Result<Vec<Branch>, Failure> {
    let lowest = |holding: &Holding| holding.partitions.iter().map(|(_, leaf)| *leaf).min();
    let mut ordered: Vec<(&Url, &Holding)> = holders.iter().collect();
    ordered.sort_by_key(|(_, holding)| lowest(holding));
    grow_over(&ordered, fan_out.max(1))
}

fn grow_over(holders: &[(&Url, &Holding)], fan_out: usize) -> Result<Vec<Branch>, Failure> {
    let groups = fan_out.min(holders.len());
    let group = |i: usize| &holders[i * holders.len() / groups..(i + 1) * holders.len() / groups];
    let branch = |group: &[(&Url, &Holding)]| {
        let Some(((url, holding), others)) = group.split_first() else {
            return Ok(None);
        };
        let below = grow_over(others, fan_out)?;
        Branch::new((*url).clone(), (*holding).clone(), below).map(Some)
    };
    let grown = (0..groups).map(|i| branch(group(i)));
    grown.filter_map(Result::transpose).collect()
}

impl Branch {
    fn new(url: Url, holding: Holding, below: Vec<Branch>) -> Result<Self, Failure> {
        let leaves = holding.partitions.iter().map(|(_, leaf)| *leaf).collect();
        let own = complete_subtrees(&leaves, holding.leaf_count);
        let workers = below.iter().flat_map(|branch| branch.workers.iter().cloned());
        let below_nodes = below.iter().flat_map(|branch| branch.nodes.iter().copied());
        Ok(Self {
            workers: [url.clone()].into_iter().chain(workers).collect(),
            nodes: merged(own.iter().copied().chain(below_nodes), holding.leaf_count)?,
            url,
            holding,
            below,
            own,
        })
    }

    /// What its answer consists of if these fail.
    pub(crate) fn nodes_without(&self, failed: &BTreeSet<Url>) -> Result<Vec<Node>, Failure> {
        if failed.is_empty() {
            return Ok(self.nodes.clone());
        }
        let mut nodes = Vec::new();
        self.add_own(failed, &mut nodes);
        merged(nodes, self.holding.leaf_count)
    }

    fn add_own(&self, failed: &BTreeSet<Url>, nodes: &mut Vec<Node>) {
        if !failed.contains(&self.url) {
            nodes.extend(&self.own);
        }
        for branch in &self.below {
            branch.add_own(failed, nodes);
        }
    }

    /// The partitions that it and all below are asked for.
    pub(crate) fn partitions(&self) -> usize {
        let below = self.below.iter().map(Branch::partitions);
        self.holding.partitions.len() + below.sum::<usize>()
    }

    /// The most subtrees that any answer in it consists of.
    pub(crate) fn widest(&self) -> usize {
        let below = self.below.iter().map(Branch::widest);
        below.max().unwrap_or(0).max(self.nodes.len())
    }
}

fn merged(nodes: impl IntoIterator<Item = Node>, leaf_count: u32) -> Result<Vec<Node>, Failure> {
    let nodes = nodes.into_iter().map(|node| (node, ()));
    let merged = merge_complete(leaf_count, nodes, &|(), ()| ()).map_err(|e| of_ml(&e))?;
    Ok(merged.into_iter().map(|(node, ())| node).collect())
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn url(worker: usize) -> Url {
        Url::parse(&format!("http://w{worker}/")).unwrap()
    }

    /// Workers that hold the leaves that name them; partitions are numbered with gaps.
    pub(crate) fn holders(owners: &[usize]) -> BTreeMap<Url, Holding> {
        let mut held: BTreeMap<Url, Vec<(u32, u32)>> = BTreeMap::new();
        for (leaf, owner) in (0..).zip(owners) {
            held.entry(url(*owner)).or_default().push((3 * leaf, leaf));
        }
        let holding = |partitions: Vec<(u32, u32)>| Holding {
            dataset: "d".to_string(),
            leaf_count: owners.len() as u32,
            partitions: partitions.into(),
        };
        let holders = held.into_iter();
        holders
            .map(|(url, partitions)| (url, holding(partitions)))
            .collect()
    }

    /// Neighbours on each of `workers` workers, as files are dealt.
    pub(crate) fn dealt(workers: usize, leaves: usize) -> BTreeMap<Url, Holding> {
        let owners: Vec<usize> = (0..leaves).map(|leaf| leaf * workers / leaves).collect();
        holders(&owners)
    }

    fn depth(branches: &[Branch]) -> usize {
        branches
            .iter()
            .map(|branch| 1 + depth(&branch.below))
            .max()
            .unwrap_or(0)
    }

    fn most_asked(branches: &[Branch]) -> usize {
        let below = branches.iter().map(|branch| most_asked(&branch.below));
        below.max().unwrap_or(0).max(branches.len())
    }

    #[test]
    fn neighbours_are_near_each_other_and_no_way_is_long() {
        let branches = grow(&dealt(9, 36), 2).unwrap();
        let heads: Vec<(&Url, usize)> = branches.iter().map(|b| (&b.url, b.workers.len())).collect();
        assert_eq!(heads, [(&url(0), 4), (&url(4), 5)]);
        assert_eq!(
            branches[0].nodes,
            [Node { level: 4, index: 0 }],
            "16 leaves are one subtree"
        );
        for (workers, fan_out, expected) in [
            (1, 2, 1),
            (2, 1, 2),
            (5, 4, 2),
            (100, 10, 2),
            (1000, 10, 3),
            (3000, 16, 3),
        ] {
            let branches = grow(&dealt(workers, 2 * workers), fan_out).unwrap();
            assert_eq!(depth(&branches), expected, "{workers} workers, {fan_out} each");
        }
    }

    #[test]
    fn without_those_that_fail_the_rest_is_what_it_would_be_alone() {
        let branches = grow(&dealt(4, 16), 1).unwrap();
        let failed = BTreeSet::from([url(1), url(3)]);
        let nodes = branches[0].nodes_without(&failed).unwrap();
        assert_eq!(nodes, [Node { level: 2, index: 0 }, Node { level: 2, index: 2 }]);
        let none = branches[0].nodes_without(&BTreeSet::new()).unwrap();
        assert_eq!(none, [Node { level: 4, index: 0 }]);
    }

    proptest! {
        #[test]
        fn every_worker_is_asked_once_and_all_leaves_are_covered(
            owners in prop::collection::vec(0_usize..12, 1..80),
            fan_out in 1_usize..14,
        ) {
            let holders = holders(&owners);
            let branches = grow(&holders, fan_out).unwrap();
            let mut asked: Vec<Url> = branches.iter().flat_map(|branch| branch.workers.clone()).collect();
            asked.sort();
            prop_assert_eq!(asked, holders.keys().cloned().collect::<Vec<_>>());
            prop_assert!(most_asked(&branches) <= fan_out);
            let nodes = branches.iter().flat_map(|branch| branch.nodes.iter().copied());
            let whole = merged(nodes, owners.len() as u32).unwrap();
            prop_assert_eq!(whole, vec![Node::root(owners.len() as u32)]);
        }
    }
}
