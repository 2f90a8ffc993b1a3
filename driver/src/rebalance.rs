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

/// The steps from `owners` to a placement on the active workers alone, in which nobody who joined stands idle.
///
/// A partition leaves its worker only if that is not active any more, or to give a worker without any its share, the
/// whole number of partitions below the mean. Who has more than the mean keeps it otherwise.
pub(crate) fn steps(owners: &BTreeMap<u32, Url>, active: &BTreeSet<Url>) -> Vec<Step> {
    if active.is_empty() {
        return Vec::new();
    }
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
    let mut steps = Vec::new();
    if !homeless.is_empty() {
        // A worker without partitions is the natural place for them.
        let targets = if newcomers.is_empty() {
            active.clone()
        } else {
            newcomers
        };
        steps.push(Step {
            partitions: homeless,
            targets,
            reason: "their worker is to go",
        });
        return steps;
    }
    let share = owners.len() / active.len();
    let mut moved = BTreeSet::new();
    for _ in 0..share * newcomers.len() {
        // The last of the most loaded worker; of equals the first by URL.
        let most = held.values_mut().rev().max_by_key(|numbers| numbers.len());
        moved.extend(most.and_then(Vec::pop));
    }
    if !moved.is_empty() {
        steps.push(Step {
            partitions: moved,
            targets: newcomers,
            reason: "a worker joined",
        });
    }
    steps
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
        assert_eq!(steps(&owners(&[1, 1, 1, 2]), &urls(&[1, 2])), []);
        assert_eq!(steps(&owners(&[1, 2]), &urls(&[])), [], "where to?");
    }

    #[test]
    fn a_newcomer_gets_its_share_of_the_most_loaded() {
        let steps = steps(&owners(&[1, 2, 1, 2, 1, 2, 1]), &urls(&[1, 2, 3]));
        assert_eq!(steps.len(), 1);
        assert_eq!(steps[0].targets, urls(&[3]));
        assert_eq!(steps[0].partitions, BTreeSet::from([4, 6]));
    }

    #[test]
    fn too_few_partitions_stay_where_they_are() {
        assert_eq!(steps(&owners(&[1, 1]), &urls(&[1, 2, 3])), []);
    }

    #[test]
    fn what_a_worker_that_goes_holds_is_moved_and_nothing_else() {
        let steps = steps(&owners(&[1, 2, 1, 2]), &urls(&[2, 3]));
        assert_eq!(steps[0].partitions, BTreeSet::from([0, 2]));
        assert_eq!(steps[0].targets, urls(&[3]));
    }

    proptest! {
        #[test]
        fn few_move_and_nobody_who_joined_stands_idle(of in prop::collection::vec(0u8..4, 1..40), active in prop::collection::btree_set(0u8..6, 1..6)) {
            let (owners, active) = (owners(&of), urls(&active.into_iter().collect::<Vec<_>>()));
            let homeless = owners.values().filter(|url| !active.contains(url)).count();
            let idle = active.iter().filter(|url| !owners.values().any(|owner| owner == *url)).count();
            for step in steps(&owners, &active) {
                prop_assert!(!step.targets.is_empty() && step.targets.is_subset(&active));
                let share = owners.len() / active.len();
                prop_assert!(step.partitions.len() <= homeless.max(share * idle));
            }
        }
    }
}
