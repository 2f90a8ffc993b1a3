//! Which partitions change their worker when workers join or want to go: as few as possible.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

/// Partitions to be made on other workers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) partitions: BTreeSet<u32>,
    pub(crate) targets: BTreeSet<Url>,
    pub(crate) reason: &'static str,
}

/// The step from `owners` to a placement on the active workers alone, in which nobody who joined stands idle; `None` if
/// nothing has to move.
///
/// A partition leaves its worker only if that is not active any more, or else to give a worker without any its share, the
/// whole number of partitions below the mean. Who has more than the mean keeps it otherwise.
pub(crate) fn step<'a>(
    owners: impl IntoIterator<Item = (&'a u32, &'a Url)>,
    active: &BTreeSet<Url>,
) -> Option<Step> {
    let mut held: BTreeMap<&Url, Vec<u32>> = active.iter().map(|url| (url, Vec::new())).collect();
    let mut homeless = BTreeSet::new();
    for (number, url) in owners {
        match held.get_mut(url) {
            Some(numbers) => numbers.push(*number),
            None => {
                homeless.insert(*number);
            }
        }
    }
    let newcomers: BTreeSet<Url> = held
        .iter()
        .filter(|(_, numbers)| numbers.is_empty())
        .map(|(url, _)| (*url).clone())
        .collect();
    let (partitions, targets, reason) = if homeless.is_empty() {
        (share(held, newcomers.len()), newcomers, "a worker joined")
    } else if newcomers.is_empty() {
        (homeless, active.clone(), LEAVING)
    } else {
        // A worker without partitions is the natural place for them.
        (homeless, newcomers, LEAVING)
    };
    let is_needed = !partitions.is_empty() && !targets.is_empty();
    is_needed.then_some(Step {
        partitions,
        targets,
        reason,
    })
}

const LEAVING: &str = "their worker is to go";

/// What so many newcomers are given of what the others hold.
fn share(mut held: BTreeMap<&Url, Vec<u32>>, newcomers: usize) -> BTreeSet<u32> {
    let all: usize = held.values().map(Vec::len).sum();
    let each = all.checked_div(held.len()).unwrap_or(0);
    let mut given = BTreeSet::new();
    for _ in 0..each * newcomers {
        // The last of the most loaded worker; of equals the first by URL.
        let most = held.values_mut().rev().max_by_key(|numbers| numbers.len());
        given.extend(most.and_then(Vec::pop));
    }
    given
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(worker: u8) -> Url {
        Url::parse(&format!("http://w{worker}/")).unwrap()
    }

    fn urls(workers: &[u8]) -> BTreeSet<Url> {
        workers.iter().map(|worker| url(*worker)).collect()
    }

    fn owners(of: &[u8]) -> BTreeMap<u32, Url> {
        (0..).zip(of.iter().map(|worker| url(*worker))).collect()
    }

    #[test]
    fn nothing_moves_while_nobody_comes_or_goes() {
        assert_eq!(step(&owners(&[1, 1, 1, 2]), &urls(&[1, 2])), None);
        assert_eq!(step(&owners(&[1, 2]), &urls(&[])), None, "where to?");
    }

    #[test]
    fn a_newcomer_gets_its_share_of_the_most_loaded() {
        let step = step(&owners(&[1, 2, 1, 2, 1, 2, 1]), &urls(&[1, 2, 3])).unwrap();
        assert_eq!(step.targets, urls(&[3]));
        assert_eq!(step.partitions, BTreeSet::from([4, 6]));
    }

    #[test]
    fn too_few_partitions_stay_where_they_are() {
        assert_eq!(step(&owners(&[1, 1]), &urls(&[1, 2, 3])), None);
    }

    #[test]
    fn what_a_worker_that_goes_holds_is_moved_and_nothing_else() {
        let step = step(&owners(&[1, 2, 1, 2]), &urls(&[2, 3])).unwrap();
        assert_eq!(step.partitions, BTreeSet::from([0, 2]));
        assert_eq!(step.targets, urls(&[3]));
    }

    proptest! {
        #[test]
        fn few_move_and_nobody_who_joined_stands_idle(of in prop::collection::vec(0u8..4, 1..40), active in prop::collection::btree_set(0u8..6, 1..6)) {
            let (owners, active) = (owners(&of), urls(&active.into_iter().collect::<Vec<_>>()));
            let homeless = owners.values().filter(|url| !active.contains(url)).count();
            let idle = active.iter().filter(|url| !owners.values().any(|owner| owner == *url)).count();
            if let Some(step) = step(&owners, &active) {
                prop_assert!(!step.targets.is_empty() && step.targets.is_subset(&active));
                let share = owners.len() / active.len();
                prop_assert!(step.partitions.len() <= homeless.max(share * idle));
            }
        }
    }
}
