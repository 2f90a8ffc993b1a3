//! Merging while computing: the results of a subtree's partitions, along the fixed tree, on as many threads as there are.

use rookery_ml::tree::Node;

/// Merges what `leaf` gives for the leaves below `node`; `None` for a node outside the tree. A thread goes down to the
/// left-most leaf first and merges on its way back, so that it holds one result for each level of the tree at most: with
/// millions of coefficients there may be many more partitions than partials fit into memory. If several leaves fail, the
/// error is that of the lowest.
///
/// # Errors
/// That of `leaf`.
pub(super) fn reduce<T: Send, E: Send>(
    node: Node,
    partitions: u32,
    leaf: &(impl Fn(u32) -> Result<T, E> + Sync),
    merge: &(impl Fn(T, T) -> T + Sync),
) -> Result<Option<T>, E> {
    let covered = node.covers(partitions);
    if covered.is_empty() {
        return Ok(None);
    }
    let Some((left, right)) = node.children() else {
        return leaf(covered.start).map(Some);
    };
    let below = |node| move || reduce(node, partitions, leaf, merge);
    let (left, right) = rayon::join(below(left), below(right));
    Ok(match (left?, right?) {
        (Some(left), Some(right)) => Some(merge(left, right)),
        (left, right) => left.or(right),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rookery_ml::tree::reduce_subtree;

    use super::*;

    /// A result that counts how many of its kind there are.
    struct Held<'a>(f64, &'a AtomicUsize);

    impl<'a> Held<'a> {
        fn new(value: f64, alive: &'a AtomicUsize, most: &AtomicUsize) -> Self {
            most.fetch_max(alive.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            Held(value, alive)
        }
    }

    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.1.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn merged<'a>(mut a: Held<'a>, b: Held<'a>) -> Held<'a> {
        a.0 += b.0;
        a
    }

    fn value(leaf: u32) -> f64 {
        1.0 / (f64::from(leaf) + 0.3) - 0.01
    }

    #[test]
    fn any_number_of_threads_merges_the_same_bits_and_holds_few_results() {
        const LEAVES: u32 = 1000;
        let mut one_by_one = |leaf| Ok::<_, Infallible>(value(leaf));
        let expected = reduce_subtree(Node::root(LEAVES), LEAVES, &mut one_by_one, &|a, b| a + b);
        let expected = expected.unwrap().unwrap();
        for threads in [1, 2, 7] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let (alive, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let leaf = |leaf| Ok::<_, Infallible>(Held::new(value(leaf), &alive, &most));
            let sum = pool.install(|| reduce(Node::root(LEAVES), LEAVES, &leaf, &merged));
            let sum = sum.unwrap().unwrap();
            assert_eq!(sum.0.to_bits(), expected.to_bits(), "{threads} threads");
            let most = most.load(Ordering::SeqCst);
            // A thread that waits for another begins something else meanwhile: some levels more.
            assert!(
                most <= 3 * 11 * threads,
                "{threads} threads: {most} results at once"
            );
        }
    }

    #[test]
    fn the_error_is_that_of_the_lowest_leaf() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        let leaf = |leaf: u32| if leaf % 10 == 7 { Err(leaf) } else { Ok(leaf) };
        let found = pool.install(|| reduce(Node::root(40), 40, &leaf, &|a, _| a));
        assert_eq!(found, Err(7));
        let none: BTreeMap<u32, u32> = BTreeMap::new();
        let outside = Node { level: 0, index: 40 };
        assert_eq!(
            reduce(outside, 40, &|leaf| none.get(&leaf).ok_or(leaf), &|a, _| a),
            Ok(None)
        );
    }
}
