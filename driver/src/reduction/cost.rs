//! What a round's messages take, flat and along a tree: a small model that decides which of the two is asked for. It need not
//! be right, only to know small from large: the numbers that come back are the same.

use std::collections::BTreeMap;

use rookery_ml::KernelCoefficients;
use rookery_proto::{Failure, MAX_MESSAGE_BYTES};
use url::Url;

use super::Reduction;
use super::branches::{Branch, grow};
use crate::worker_channel::Holding;

/// Seconds of whoever calls, for a call and its answer, beside their bytes (`docs/scaling.md` says how it was measured).
const CALL: f64 = 120e-6;
/// Seconds from a worker that calls to the one that answers and back, the queues on both sides included.
const HOP: f64 = 400e-6;
/// Bytes a second that one side sends or takes in: 10 Gbit/s.
const BANDWIDTH: f64 = 1.25e9;
/// Bytes of a request for each partition: its number and its leaf.
const PARTITION_BYTES: usize = 6;
/// Bytes of a partial beside its numbers.
const PARTIAL_HEAD: usize = 64;
/// How many others a worker may ask, of which the best is taken.
const FAN_OUTS: [usize; 10] = [2, 3, 4, 6, 8, 12, 16, 24, 32, 64];
/// Below, a tree is not even considered: a round over few workers should not pay for the question.
const LEAST_WORKERS: usize = 4;
/// A tree is preferred if it takes less than this part of the time of asking each: the model is not that exact.
const CLEARLY: f64 = 0.8;
/// Bytes of an answer: half a message, as for those of single workers.
const ANSWER_BYTES: usize = MAX_MESSAGE_BYTES / 2;

/// Bytes of a round's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Of the coefficients, in each request.
    pub(crate) coefficients: usize,
    /// Of the partials of one subtree, in each answer.
    pub(crate) partials: usize,
}

impl Sizes {
    /// Those of a round at these coefficients.
    pub(crate) fn of(asked: &[KernelCoefficients]) -> Self {
        let numbers = |of: &dyn Fn(&KernelCoefficients) -> usize| asked.iter().map(of).sum::<usize>();
        let sent = |asked: &KernelCoefficients| {
            asked.coefficients.len() + asked.offsets.len() + asked.class_weights.len()
        };
        Self {
            coefficients: size_of::<f64>() * numbers(&sent),
            partials: size_of::<f64>() * numbers(&KernelCoefficients::partial_length)
                + PARTIAL_HEAD * asked.len(),
        }
    }
}

/// The tree along which a round is to go; `None` if each holder is to be asked by the driver.
pub(super) fn choose(
    reduction: Reduction,
    holders: &BTreeMap<Url, Holding>,
    sizes: Sizes,
) -> Result<Option<Vec<Branch>>, Failure> {
    let (fan_outs, is_forced) = match reduction {
        Reduction::Flat => return Ok(None),
        Reduction::Auto if holders.len() < LEAST_WORKERS || are_neighbours(holders) => return Ok(None),
        Reduction::Auto => (&FAN_OUTS[..], false),
        Reduction::Tree { fan_out: None } => (&FAN_OUTS[..], true),
        Reduction::Tree {
            fan_out: Some(fan_out),
        } => (&[fan_out][..], true),
    };
    let mut best: Option<(f64, Vec<Branch>)> = None;
    for fan_out in fan_outs {
        // As many as there are is no tree.
        let fan_out = match is_forced {
            true => (*fan_out).min(holders.len() - 1),
            false => *fan_out,
        };
        if fan_out == 0 || fan_out >= holders.len() {
            continue;
        }
        let branches = grow(holders, fan_out)?;
        let seconds = seconds(&branches, sizes);
        if fits(&branches, sizes) && best.as_ref().is_none_or(|(least, _)| seconds < *least) {
            best = Some((seconds, branches));
        }
    }
    let Some((least, branches)) = best else {
        return Ok(None);
    };
    let pays = is_forced || least < CLEARLY * seconds(&grow(holders, holders.len())?, sizes);
    Ok(pays.then_some(branches))
}

/// Whether all are on one machine: there a tree moves work from one process to another and saves none.
fn are_neighbours(holders: &BTreeMap<Url, Holding>) -> bool {
    let mut hosts = holders.keys().map(Url::host_str);
    let first = hosts.next();
    hosts.all(|host| Some(host) == first)
}

/// Whether each answer is one message.
fn fits(branches: &[Branch], sizes: Sizes) -> bool {
    let widest = branches.iter().map(Branch::widest).max().unwrap_or(0);
    widest.saturating_mul(sizes.partials) <= ANSWER_BYTES
}

/// Seconds until the answers of these branches are there, without those for computing: what their caller does for each, one
/// after the other, and the slowest of them.
fn seconds(branches: &[Branch], sizes: Sizes) -> f64 {
    let call = |branch: &Branch| {
        let request = sizes.coefficients + PARTITION_BYTES * branch.partitions();
        let answer = sizes.partials * branch.nodes.len();
        CALL + (request + answer) as f64 / BANDWIDTH
    };
    let calls: f64 = branches.iter().map(call).sum();
    let below = branches.iter().map(|branch| seconds(&branch.below, sizes));
    match branches.is_empty() {
        true => 0.0,
        false => HOP + calls + below.fold(0.0, f64::max),
    }
}

#[cfg(test)]
mod tests {
    use super::super::branches::tests::{dealt, holders};
    use super::*;

    /// 28 features, and 637,000.
    const NARROW: Sizes = Sizes {
        coefficients: 232,
        partials: 300,
    };
    const WIDE: Sizes = Sizes {
        coefficients: 5_096_000,
        partials: 5_096_064,
    };

    fn fan_out(reduction: Reduction, holders: &BTreeMap<Url, Holding>, sizes: Sizes) -> Option<usize> {
        let branches = choose(reduction, holders, sizes).unwrap()?;
        Some(branches.len())
    }

    #[test]
    fn few_workers_answer_the_driver_and_many_each_other() {
        for (workers, sizes, is_tree) in [
            (2, NARROW, false),
            (8, NARROW, false),
            (1000, NARROW, true),
            (2, WIDE, false),
            (16, WIDE, true),
            (1000, WIDE, true),
        ] {
            let holders = dealt(workers, 4 * workers);
            let chosen = fan_out(Reduction::Auto, &holders, sizes);
            assert_eq!(
                chosen.is_some(),
                is_tree,
                "{workers} workers, {sizes:?}: {chosen:?}"
            );
            assert_eq!(fan_out(Reduction::Flat, &holders, sizes), None);
        }
    }

    #[test]
    fn a_tree_is_much_cheaper_where_it_is_chosen() {
        let holders = dealt(3000, 12_000);
        let flat = seconds(&grow(&holders, 3000).unwrap(), NARROW);
        let tree = choose(Reduction::Auto, &holders, NARROW).unwrap().unwrap();
        assert!(seconds(&tree, NARROW) < flat / 10.0);
    }

    #[test]
    fn workers_of_one_machine_answer_the_driver() {
        let here: BTreeMap<Url, Holding> = dealt(64, 256)
            .into_values()
            .zip(4000..)
            .map(|(holding, port)| (Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap(), holding))
            .collect();
        assert_eq!(fan_out(Reduction::Auto, &here, WIDE), None);
        assert!(fan_out(Reduction::Tree { fan_out: None }, &here, WIDE).is_some());
    }

    #[test]
    fn a_tree_is_taken_when_it_is_asked_for() {
        let forced = |fan_out| Reduction::Tree { fan_out };
        for (workers, asked, expected) in [
            (1, None, None),
            (2, None, Some(1)),
            (2, Some(2), Some(1)),
            (3, Some(2), Some(2)),
            (9, Some(2), Some(2)),
            (9, Some(40), Some(8)),
        ] {
            let chosen = fan_out(forced(asked), &dealt(workers, 20), NARROW);
            assert_eq!(chosen, expected, "{workers} workers, {asked:?}");
        }
    }

    #[test]
    fn what_does_not_fit_into_a_message_is_asked_for_directly() {
        // Held by turns little merges below the driver: five workers together have sixty subtrees.
        let by_turns: Vec<usize> = (0..200).map(|leaf| leaf % 10).collect();
        let asked = Reduction::Tree { fan_out: Some(2) };
        assert_eq!(fan_out(asked, &holders(&by_turns), WIDE), None);
        assert_eq!(fan_out(asked, &holders(&by_turns), NARROW), Some(2));
    }
}
