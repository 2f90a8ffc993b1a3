//! [`RankSearch`]: which values have certain ranks among all values of a column, found exactly in a few passes.
//!
//! Each pass counts values in buckets, at most 1024 for each bracket, and each next one looks only into the buckets that hold
//! a rank that is wanted, until those buckets hold one value each. What is counted does not depend on the order of rows or on
//! partitions, so neither does the answer; Spark's sketch (Greenwald and Khanna) does depend on them, within its relative
//! error. Memory: 16 KB for each quantile.

use serde::{Deserialize, Serialize};

use super::stage::foreign;
use crate::buckets::{Buckets, key, value};
use crate::error::MlError;

/// One pass of a search: a commutative monoid under [`merge`](RankSearch::merge), exact in any order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RankSearch {
    /// All values there are, known after the first pass.
    total: Option<u64>,
    /// Ascending; none overlaps another.
    brackets: Vec<Bracket>,
}

/// The keys from `lowest` to `highest`, which some wanted values are among.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bracket {
    lowest: u64,
    highest: u64,
    /// Values below it.
    below: u64,
    seen: Buckets,
}

/// Where a search is after a pass.
#[derive(Debug, PartialEq)]
pub(super) struct Step {
    /// The values that were wanted, if all of them are found.
    pub(super) found: Option<Vec<f64>>,
    /// The next pass; for values that are found already it finds them again.
    pub(super) next: RankSearch,
}

impl Default for RankSearch {
    /// The first pass, which looks everywhere.
    fn default() -> Self {
        RankSearch {
            total: None,
            brackets: vec![Bracket::new(0, u64::MAX, 0)],
        }
    }
}

impl Bracket {
    fn new(lowest: u64, highest: u64, below: u64) -> Self {
        Bracket {
            lowest,
            highest,
            below,
            seen: Buckets::default(),
        }
    }
}

impl RankSearch {
    /// Counts a value, which is no NaN.
    pub(super) fn add(&mut self, value: f64) {
        let key = key(value);
        let position = self.brackets.partition_point(|bracket| bracket.highest < key);
        match self.brackets.get_mut(position) {
            Some(bracket) if bracket.lowest <= key => bracket.seen.add(value),
            _ => {}
        }
    }

    pub(super) fn merge(&mut self, other: &RankSearch) -> Result<(), MlError> {
        let is_of_same_pass = self.total == other.total && self.brackets.len() == other.brackets.len();
        for (own, other) in self.brackets.iter_mut().zip(&other.brackets) {
            if !is_of_same_pass || (own.lowest, own.highest) != (other.lowest, other.highest) {
                return Err(foreign());
            }
            own.seen.merge(&other.seen);
        }
        Ok(())
    }

    /// The values at these quantiles, which ascend: for p the value of rank ⌈p·n⌉ of n, which is what Spark gives for a
    /// relative error of 0. `None` where there are no values.
    pub(super) fn step(&self, quantiles: &[f64]) -> Option<Step> {
        let counted = || self.brackets.iter().flat_map(|bracket| bracket.seen.ranges());
        let total = self
            .total
            .unwrap_or_else(|| counted().map(|(_, _, count)| count).sum());
        if total == 0 {
            return None;
        }
        let (mut found, mut brackets) = (Vec::new(), Vec::<Bracket>::new());
        for quantile in quantiles {
            let rank = ((quantile * total as f64).ceil() as u64).clamp(1, total);
            let bracket = self.bracket_of(rank)?;
            if bracket.lowest == bracket.highest {
                found.push(value(bracket.lowest));
            }
            if brackets.last().is_none_or(|last| last.lowest != bracket.lowest) {
                brackets.push(bracket);
            }
        }
        Some(Step {
            found: (found.len() == quantiles.len()).then_some(found),
            next: RankSearch {
                total: Some(total),
                brackets,
            },
        })
    }

    /// Goes on with several searches at once. `Ok` is the values of each; `Err` the next pass of all.
    pub(super) fn step_all(steps: Vec<Step>) -> Result<Vec<Vec<f64>>, Vec<RankSearch>> {
        match steps.iter().all(|step| step.found.is_some()) {
            true => Ok(steps.into_iter().filter_map(|step| step.found).collect()),
            false => Err(steps.into_iter().map(|step| step.next).collect()),
        }
    }

    /// The bucket that the value of that rank, from 1, is in.
    fn bracket_of(&self, rank: u64) -> Option<Bracket> {
        let bracket = self.brackets.iter().rfind(|bracket| bracket.below < rank)?;
        let mut below = bracket.below;
        for (lowest, highest, count) in bracket.seen.ranges() {
            if below + count >= rank {
                return Some(Bracket::new(
                    lowest.max(bracket.lowest),
                    highest.min(bracket.highest),
                    below,
                ));
            }
            below += count;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Searches in rows that are dealt to two partitions.
    fn search(values: &[f64], quantiles: &[f64]) -> (Vec<f64>, usize) {
        let mut search = RankSearch::default();
        for pass in 1.. {
            let (mut left, mut right) = (search.clone(), search);
            for (row, value) in values.iter().enumerate() {
                if row % 3 == 0 { &mut left } else { &mut right }.add(*value);
            }
            right.merge(&left).expect("one pass");
            let Some(step) = right.step(quantiles) else {
                return (vec![], pass);
            };
            if let Some(found) = step.found {
                return (found, pass);
            }
            search = step.next;
        }
        unreachable!("a search ends")
    }

    #[test]
    fn a_million_values_take_two_passes() {
        let values: Vec<f64> = (0..1_000_000)
            .map(|i| ((i * 7919_u64) % 1_000_003) as f64)
            .collect();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let (found, passes) = search(&values, &[0.0, 0.25, 0.5, 1.0]);
        assert_eq!(
            found,
            [sorted[0], sorted[249_999], sorted[499_999], sorted[999_999]]
        );
        assert!(passes <= 3, "{passes}");
    }

    #[test]
    fn nothing_has_no_quantiles() {
        assert_eq!(search(&[], &[0.5]), (vec![], 1));
        let mut first = RankSearch::default();
        (0..3000).for_each(|i| first.add(f64::from(i)));
        let step = first.step(&[0.5]).expect("there are values");
        assert_eq!(step.found, None, "too many values for one pass");
        assert!(RankSearch::default().merge(&step.next).is_err());
    }

    proptest! {
        #[test]
        fn ranks_are_those_of_sorted_values(
            values in prop::collection::vec(prop_oneof![-10..10_i32, any::<i32>()], 1..5000),
            spread in prop_oneof![Just(1.0), Just(1e-300), Just(1e290)],
            mut quantiles in prop::collection::vec(0.0..=1.0_f64, 1..9),
        ) {
            let values: Vec<f64> = values.iter().map(|value| f64::from(*value) * spread).collect();
            quantiles.sort_by(f64::total_cmp);
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let expected = quantiles.iter().map(|p| {
                sorted[((p * values.len() as f64).ceil() as usize).clamp(1, values.len()) - 1]
            });
            prop_assert_eq!(search(&values, &quantiles).0, expected.collect::<Vec<_>>());
        }
    }
}
