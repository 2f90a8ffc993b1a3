//! [`Trees`]: which tree a job's rounds go along, for how long a round may be on its way, and when trees are left alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rookery_proto::Failure;
use url::Url;

use super::cost::{Sizes, choose};
use super::{Branch, Reduction};
use crate::config::DriverConfig;
use crate::lag::TIMES;
use crate::worker_channel::Holding;

/// For how many rounds trees are left alone after one broke; twice as many each time, until one holds.
const FIRST_PAUSE: u32 = 10;
const LONGEST_PAUSE: u32 = 640;

/// The trees of a job.
#[derive(Debug)]
pub(crate) struct Trees {
    reduction: Reduction,
    straggler_after: Duration,
    round_deadline: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// For how long a round may be on its way.
    allowed: Duration,
    /// For how many rounds trees are left alone yet, and for how many when the next one breaks.
    paused: u32,
    pause: u32,
    /// Holders do not change from round to round, as a rule.
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    holders: BTreeMap<Url, Holding>,
    sizes: Sizes,
    chosen: Option<Arc<Vec<Branch>>>,
}

impl Trees {
    pub(crate) fn new(config: &DriverConfig) -> Self {
        Self {
            reduction: config.reduction,
            straggler_after: config.straggler_after,
            round_deadline: config.round_deadline,
            state: Mutex::new(State {
                allowed: config.straggler_after.min(config.round_deadline),
                paused: 0,
                pause: FIRST_PAUSE,
                last: None,
            }),
        }
    }

    /// The branches that a round goes along; `None` if each holder is to be asked.
    pub(crate) fn branches(
        &self,
        holders: &BTreeMap<Url, Holding>,
        sizes: Sizes,
    ) -> Result<Option<Arc<Vec<Branch>>>, Failure> {
        let mut state = self.lock();
        if state.paused > 0 {
            state.paused -= 1;
            return Ok(None);
        }
        if self.reduction == Reduction::Flat || holders.len() < 2 {
            return Ok(None);
        }
        match &state.last {
            Some(last) if last.sizes == sizes && last.holders == *holders => Ok(last.chosen.clone()),
            _ => {
                let chosen = choose(self.reduction, holders, sizes)?.map(Arc::new);
                state.last = Some(Last {
                    holders: holders.clone(),
                    sizes,
                    chosen: chosen.clone(),
                });
                Ok(chosen)
            }
        }
    }

    /// For how long a round may be on its way along a tree: as long as stragglers are borne with, by the slowest round so far.
    pub(crate) fn deadline(&self) -> Duration {
        self.lock().allowed
    }

    /// A round came along the tree, whole, in this time.
    pub(crate) fn held(&self, took: Duration) {
        let mut state = self.lock();
        let allowed = (took * TIMES + self.straggler_after).min(self.round_deadline);
        state.allowed = state.allowed.max(allowed);
        state.pause = FIRST_PAUSE;
    }

    /// Something of a round did not come along the tree. Maybe it was only late: the next one is given more time.
    pub(crate) fn broke(&self) {
        let mut state = self.lock();
        state.allowed = (state.allowed * 2).min(self.round_deadline);
        state.paused = state.pause;
        state.pause = (state.pause * 2).min(LONGEST_PAUSE);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::branches::tests::dealt;
    use super::*;

    const SIZES: Sizes = Sizes {
        coefficients: 8,
        partials: 8,
    };

    fn trees(reduction: Reduction) -> Trees {
        let mut config = DriverConfig::new(Url::parse("http://d/").unwrap());
        config.reduction = reduction;
        config.straggler_after = Duration::from_secs(1);
        config.round_deadline = Duration::from_secs(20);
        Trees::new(&config)
    }

    #[test]
    fn a_tree_that_broke_is_left_alone_longer_each_time_until_one_holds() {
        let (trees, holders) = (trees(Reduction::Tree { fan_out: None }), dealt(5, 10));
        let rounds_left_alone = || {
            (0..)
                .take_while(|_| trees.branches(&holders, SIZES).unwrap().is_none())
                .count() as u32
        };
        assert_eq!(rounds_left_alone(), 0);
        for expected in [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE] {
            trees.broke();
            assert_eq!(rounds_left_alone(), expected);
        }
        trees.held(Duration::ZERO);
        trees.broke();
        assert_eq!(rounds_left_alone(), FIRST_PAUSE);
    }

    #[test]
    fn a_round_is_given_time_by_those_before_it() {
        let trees = trees(Reduction::Auto);
        assert_eq!(trees.deadline(), Duration::from_secs(1));
        trees.held(Duration::from_secs(2));
        assert_eq!(trees.deadline(), Duration::from_secs(7));
        trees.held(Duration::from_secs(1));
        assert_eq!(trees.deadline(), Duration::from_secs(7), "the slowest counts");
        trees.broke();
        assert_eq!(trees.deadline(), Duration::from_secs(14));
        trees.broke();
        assert_eq!(
            trees.deadline(),
            Duration::from_secs(20),
            "the bound of every call"
        );
    }

    #[test]
    fn another_placement_gets_another_tree() {
        let trees = trees(Reduction::Tree { fan_out: None });
        let workers = |count| {
            let branches = trees.branches(&dealt(count, 20), SIZES).unwrap().unwrap();
            branches.iter().map(|branch| branch.workers.len()).sum::<usize>()
        };
        assert_eq!((workers(5), workers(5), workers(4)), (5, 5, 4));
    }
}
