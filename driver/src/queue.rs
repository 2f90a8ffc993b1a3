//! [`Queue`]: whose turn it is. A small state machine: no clock, no task, no job.

use std::collections::BTreeSet;

/// Jobs that wait and jobs that run: at most so many at once, higher priority first, of equals the earlier one.
#[derive(Debug)]
pub(crate) struct Queue {
    most: usize,
    submitted: u64,
    /// By negated priority and by order of submission.
    waiting: BTreeSet<(i64, u64, String)>,
    running: BTreeSet<String>,
}

impl Queue {
    /// Nothing waits; `most` jobs, at least one, run at once.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            submitted: 0,
            waiting: BTreeSet::new(),
            running: BTreeSet::new(),
        }
    }

    /// A job comes in.
    pub(crate) fn submit(&mut self, id: &str, priority: i32) {
        self.submitted += 1;
        self.waiting
            .insert((-i64::from(priority), self.submitted, id.to_string()));
    }

    /// A job has ended, or does not want its turn any more.
    pub(crate) fn end(&mut self, id: &str) {
        self.running.remove(id);
        self.waiting.retain(|(_, _, waiting)| waiting != id);
    }

    /// The jobs whose turn has come; from now on they run.
    pub(crate) fn start(&mut self) -> Vec<String> {
        let mut started = Vec::new();
        while self.running.len() < self.most
            && let Some((_, _, id)) = self.waiting.pop_first()
        {
            self.running.insert(id.clone());
            started.push(id);
        }
        started
    }

    /// How many jobs come before this one, if it waits.
    pub(crate) fn ahead_of(&self, id: &str) -> Option<usize> {
        self.waiting.iter().position(|(_, _, waiting)| waiting == id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn priority_comes_before_order_and_nobody_is_overtaken_by_an_equal() {
        let mut queue = Queue::new(1);
        for (id, priority) in [("a", 0), ("b", 0), ("low", -1), ("high", 5)] {
            queue.submit(id, priority);
        }
        assert_eq!(queue.start(), ["high"]);
        assert_eq!(queue.start(), Vec::<String>::new());
        assert_eq!(queue.ahead_of("low"), Some(2));
        let mut order = Vec::new();
        for ended in ["high", "a", "b"] {
            queue.end(ended);
            order.extend(queue.start());
        }
        assert_eq!(order, ["a", "b", "low"]);
    }

    #[test]
    fn a_job_that_is_cancelled_while_it_waits_gets_no_turn() {
        let mut queue = Queue::new(1);
        queue.submit("a", 0);
        queue.submit("b", 0);
        assert_eq!(queue.start(), ["a"]);
        queue.end("b");
        queue.end("a");
        assert_eq!(queue.start(), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn every_job_gets_its_turn_once_and_no_more_than_allowed_run(
            most in 1usize..4,
            steps in prop::collection::vec((prop::bool::ANY, -2i32..3), 1..60),
        ) {
            let mut queue = Queue::new(most);
            let (mut running, mut started): (Vec<String>, Vec<String>) = Default::default();
            let mut submitted = 0usize;
            let ends = std::iter::repeat_n((false, 0), 60);
            for (submits, priority) in steps.into_iter().chain(ends) {
                match submits {
                    true => {
                        submitted += 1;
                        queue.submit(&submitted.to_string(), priority);
                    }
                    false => {
                        if let Some(id) = running.pop() {
                            queue.end(&id);
                        }
                    }
                }
                for id in queue.start() {
                    running.push(id.clone());
                    started.push(id);
                }
                prop_assert!(running.len() <= most);
            }
            started.sort();
            started.dedup();
            prop_assert_eq!(started.len(), submitted);
        }
    }
}
