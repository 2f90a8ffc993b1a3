//! Nested runs below their parents.

use std::collections::{BTreeMap, BTreeSet};

use rookery_tracking::Run;
use rookery_tracking::entities::TAG_PARENT_RUN_ID;

/// The runs with their depths: each after its parent, if that is among them, and otherwise in the order they have.
pub(super) fn nest(runs: &[Run]) -> Vec<(usize, &Run)> {
    let known: BTreeSet<&str> = runs.iter().map(|run| run.info.run_id.as_str()).collect();
    let mut children: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
    let mut nested = BTreeSet::new();
    for run in runs {
        if let Some(parent) = run.tag(TAG_PARENT_RUN_ID).filter(|parent| known.contains(parent)) {
            children.entry(parent).or_default().push(run);
            nested.insert(run.info.run_id.as_str());
        }
    }
    let mut placed = Vec::with_capacity(runs.len());
    let mut seen = BTreeSet::new();
    let roots = runs
        .iter()
        .filter(|run| !nested.contains(run.info.run_id.as_str()));
    // A tag can say anything: what is nested in itself comes last, and once.
    for root in roots.chain(runs) {
        let mut waiting = vec![(0, root)];
        while let Some((depth, run)) = waiting.pop() {
            if seen.insert(run.info.run_id.as_str()) {
                placed.push((depth, run));
                let below = children.get(run.info.run_id.as_str()).into_iter().flatten();
                waiting.extend(below.rev().map(|child| (depth + 1, *child)));
            }
        }
    }
    placed
}

/// A run's name at its depth.
pub(super) fn indented(depth: usize, name: &str) -> String {
    match depth {
        0 => name.to_string(),
        _ => format!("{}└ {name}", "  ".repeat(depth - 1)),
    }
}

#[cfg(test)]
mod tests {
    use rookery_tracking::Tag;

    use super::super::object::samples::run;
    use super::*;

    fn nested(pairs: &[(&str, &str)]) -> String {
        let runs: Vec<Run> = pairs
            .iter()
            .map(|(id, parent)| {
                let mut run = run(id, id);
                run.tags = vec![Tag::new(TAG_PARENT_RUN_ID, parent)];
                run
            })
            .collect();
        let placed = nest(&runs);
        let names: Vec<String> = placed
            .iter()
            .map(|(depth, run)| indented(*depth, &run.info.run_name))
            .collect();
        names.join(",")
    }

    #[test]
    fn children_stand_below_their_parent_in_their_order() {
        assert_eq!(
            nested(&[("c2", "p"), ("other", ""), ("g", "c1"), ("c1", "p"), ("p", "")]),
            "other,p,└ c2,└ c1,  └ g"
        );
    }

    #[test]
    fn a_parent_on_another_page_or_in_a_circle_hides_nobody() {
        assert_eq!(nested(&[("a", "elsewhere")]), "a");
        assert_eq!(nested(&[("a", "b"), ("b", "a"), ("c", "c")]), "a,└ b,c");
    }
}
