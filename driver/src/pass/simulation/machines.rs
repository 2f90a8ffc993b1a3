//! Machines that workers live on: they die, hang, lag, and are told to go.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use crate::pass::Numbers;

/// All machines there ever were.
#[derive(Debug, Default)]
pub(super) struct Machines {
    all: BTreeMap<Url, Machine>,
}

#[derive(Debug, Default)]
pub(super) struct Machine {
    /// As given by the driver; `None` until it has registered.
    pub(super) id: Option<String>,
    pub(super) is_dead: bool,
    /// It hangs, or its link is cut.
    pub(super) hangs: bool,
    pub(super) is_slow: bool,
    pub(super) wants_to_go: bool,
    /// Job and number of each partition.
    pub(super) held: BTreeSet<(String, u32)>,
}

impl Machines {
    pub(super) fn add(&mut self) -> Url {
        let url = format!("http://10.0.0.{}:1/", self.all.len() + 1);
        let url = Url::parse(&url).expect("a URL");
        self.all.insert(url.clone(), Machine::default());
        url
    }

    pub(super) fn get(&mut self, url: &Url) -> &mut Machine {
        self.all.get_mut(url).expect("machines are remembered")
    }

    pub(super) fn living(&self) -> Vec<Url> {
        let living = self.all.iter().filter(|(_, machine)| !machine.is_dead);
        living.map(|(url, _)| url.clone()).collect()
    }

    pub(super) fn kill(&mut self, url: &Url) {
        let machine = self.get(url);
        machine.is_dead = true;
        machine.held.clear();
    }

    pub(super) fn is_slow(&self, url: &Url) -> bool {
        self.all[url].is_slow
    }

    pub(super) fn hangs(&self, url: &Url) -> bool {
        self.all[url].hangs && !self.all[url].is_dead
    }

    /// Whether it answers for these partitions, or says that it can't; `None` if it says nothing.
    pub(super) fn answer(&self, job: &str, url: &Url, numbers: &[u32]) -> Option<bool> {
        let machine = &self.all[url];
        match (machine.is_dead, machine.hangs) {
            (true, _) => Some(false),
            (false, true) => None,
            (false, false) => Some(
                numbers
                    .iter()
                    .all(|number| machine.held.contains(&(job.to_string(), *number))),
            ),
        }
    }

    pub(super) fn hold(&mut self, job: &str, url: &Url, number: u32) {
        self.get(url).held.insert((job.to_string(), number));
    }

    pub(super) fn release(&mut self, job: &str, moved: &BTreeMap<Url, Numbers>) {
        for (url, numbers) in moved {
            let machine = self.get(url);
            if !machine.hangs {
                machine
                    .held
                    .retain(|(of, number)| of != job || !numbers.contains(number));
            }
        }
    }

    /// Those that hear it drop everything of a job.
    pub(super) fn release_all(&mut self, job: &str) {
        for machine in self.all.values_mut().filter(|machine| !machine.hangs) {
            machine.held.retain(|(of, _)| of != job);
        }
    }

    pub(super) fn holds_anything(&self) -> bool {
        self.all.values().any(|machine| !machine.held.is_empty())
    }

    pub(super) fn go_on(&mut self) {
        for machine in self.all.values_mut() {
            machine.hangs = false;
        }
    }
}
