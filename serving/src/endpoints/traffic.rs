//! [`Split`]: which of the served entities answers a request.
//!
//! Requests are counted, and go round a hundred places that are given to the entities in advance: of every hundred
//! requests in a row each entity gets exactly its percentage, spread as evenly as the numbers allow. No randomness, so a
//! test that sees 90 of 100 has seen the rule, not luck.

use std::sync::atomic::{AtomicU64, Ordering};

/// The number of places.
const PLACES: u8 = 100;

/// How requests are shared out.
#[derive(Debug)]
pub(super) struct Split {
    /// The position of the entity to which each place belongs; empty if none has any traffic.
    places: Vec<usize>,
    requests: AtomicU64,
}

impl Split {
    /// Shares out by percentages that sum to 100, of entities in this order.
    pub(super) fn new(percents: &[u8]) -> Self {
        Self {
            places: places(percents),
            requests: AtomicU64::new(0),
        }
    }

    /// The position of the entity that answers the next request; `None` if nothing gets any traffic.
    pub(super) fn next(&self) -> Option<usize> {
        let count = self.requests.fetch_add(1, Ordering::Relaxed) % u64::from(PLACES);
        self.places.get(count as usize).copied()
    }
}

/// Smooth weighted round robin: with each place every entity gains its percentage; the place goes to whoever has most, and
/// costs a hundred.
fn places(percents: &[u8]) -> Vec<usize> {
    let mut credit = vec![0_i32; percents.len()];
    let place = |_| {
        for (credit, percent) in credit.iter_mut().zip(percents) {
            *credit += i32::from(*percent);
        }
        // Of equals the first.
        let richest = (0..credit.len()).rev().max_by_key(|i| credit[*i])?;
        credit[richest] -= i32::from(PLACES);
        Some(richest)
    };
    (0..PLACES).map_while(place).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How often each was chosen in so many requests.
    fn chosen(split: &Split, entities: usize, requests: usize) -> Vec<usize> {
        let mut counts = vec![0; entities];
        for _ in 0..requests {
            counts[split.next().unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn of_every_hundred_each_gets_its_percentage() {
        let split = Split::new(&[90, 0, 10]);
        for _ in 0..7 {
            assert_eq!(chosen(&split, 3, 100), [90, 0, 10]);
        }
        assert_eq!(Split::new(&[]).next(), None);
    }

    #[test]
    fn a_share_is_spread_out() {
        let split = Split::new(&[90, 10]);
        let order: Vec<usize> = (0..100).map(|_| split.next().unwrap()).collect();
        let seconds: Vec<usize> = (0..100).filter(|i| order[*i] == 1).collect();
        for pair in seconds.windows(2) {
            assert_eq!(pair[1] - pair[0], 10, "{seconds:?}");
        }
        let half = Split::new(&[50, 50]);
        let order: Vec<usize> = (0..100).map(|_| half.next().unwrap()).collect();
        assert!(
            order.windows(3).all(|w| w[0] != w[1] || w[1] != w[2]),
            "{order:?}"
        );
    }

    #[test]
    fn requests_at_once_are_shared_out_too() {
        let split = Split::new(&[90, 10]);
        let counts: Vec<Vec<usize>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| chosen(&split, 2, 250))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let second: usize = counts.iter().map(|counts| counts[1]).sum();
        assert_eq!(second, 100);
    }

    proptest! {
        #[test]
        fn any_split_is_exact(cuts in proptest::collection::vec(0_u8..=100, 0..6)) {
            let mut ends = cuts;
            ends.push(100);
            ends.sort_unstable();
            let percents: Vec<u8> = std::iter::once(ends[0]).chain(ends.windows(2).map(|w| w[1] - w[0])).collect();
            let counts = chosen(&Split::new(&percents), percents.len(), 100);
            prop_assert_eq!(counts, percents.iter().map(|p| usize::from(*p)).collect::<Vec<_>>());
        }
    }
}
