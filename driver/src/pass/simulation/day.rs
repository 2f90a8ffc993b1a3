//! How a day goes: what happens, by and by, and what it does to the cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use rookery_proto::PROTOCOL_VERSION;
use tokio::time::Instant;
use url::Url;

use super::machines::Machines;
use super::{Chance, Job, MOST, Pass, Queue, STRAGGLER_AFTER, Standing, WorkerState, Workers, World, lost};
use crate::workers::{HeldBytes, Registration};

const HEARTBEAT: Duration = Duration::from_millis(100);
const HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(1000);
/// Faults of a day, and machines at its beginning.
const FAULTS: u64 = 14;
const MACHINES: u64 = 4;
/// A day that takes longer does not end.
const LONGEST_DAY: Duration = Duration::from_secs(3600);

/// Something that happens.
#[derive(Debug)]
pub(super) enum Happening {
    Heartbeat(Url),
    Sweep,
    Fault {
        left: u64,
    },
    Submitted(String),
    Begins(String),
    /// An answer comes, or that there is none.
    Answer {
        job: String,
        url: Url,
        epoch: u64,
        comes: bool,
    },
    Patience {
        job: String,
        epoch: u64,
    },
    Probed {
        job: String,
        epoch: u64,
        urls: Vec<Url>,
    },
    Made {
        job: String,
        epoch: u64,
    },
}

impl Happening {
    /// Whether anybody may be gone, or active, because of it.
    fn changes_members(&self) -> bool {
        matches!(
            self,
            Self::Heartbeat(_) | Self::Sweep | Self::Fault { .. } | Self::Probed { .. }
        )
    }
}

impl World {
    pub(super) fn new(seed: u64, is_watched: bool) -> Self {
        let mut world = Self {
            seed,
            chance: Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            start: Instant::now(),
            now: Duration::ZERO,
            plan: std::collections::BTreeMap::new(),
            serial: 0,
            workers: Workers::default(),
            machines: Machines::default(),
            queue: Queue::new(MOST),
            jobs: std::collections::BTreeMap::new(),
            log: is_watched.then(Vec::new),
        };
        for _ in 0..=world.chance.below(MACHINES) {
            world.join();
        }
        for number in 0..=world.chance.below(4) {
            let when = world.chance.millis(0, 300);
            world.after(when, Happening::Submitted(format!("job-{number}")));
        }
        let left = world.chance.below(FAULTS + 1);
        world.after(Duration::from_millis(1), Happening::Sweep);
        world.after(Duration::from_millis(50), Happening::Fault { left });
        world
    }

    /// Plays the day to its end; returns how often partitions were made again.
    pub(super) fn play(mut self) -> u64 {
        let mut over_since = None;
        while over_since.is_none_or(|since| self.now < since + HEARTBEAT_TIMEOUT * 3) {
            let Some(((when, _), happening)) = self.plan.pop_first() else {
                break;
            };
            self.now = when;
            self.assert(self.now < LONGEST_DAY, "the day does not end");
            let changes_members = happening.changes_members();
            self.happen(happening);
            if !changes_members {
                continue;
            }
            self.notice_who_is_gone();
            let to_come =
                |next: &Happening| matches!(next, Happening::Fault { .. } | Happening::Submitted(_));
            let is_over = self.jobs.values().all(|job| job.ended) && !self.plan.values().any(to_come);
            if is_over && over_since.is_none() {
                over_since = Some(self.now);
            }
        }
        self.assert(self.jobs.values().all(|job| job.ended), "a job did not end");
        self.assert(!self.machines.holds_anything(), "something is held in the end");
        let recoveries = self.jobs.values().filter_map(|job| job.standing.as_ref());
        recoveries.map(|standing| u64::from(standing.recoveries)).sum()
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Heartbeat(url) => self.beat(url),
            Happening::Sweep => {
                self.workers.sweep(HEARTBEAT_TIMEOUT, self.start + self.now);
                self.after(HEARTBEAT, Happening::Sweep);
            }
            Happening::Fault { left: 0 } => {
                // In the end there is somebody to work.
                self.machines.go_on();
                self.join();
            }
            Happening::Fault { left } => {
                self.strike();
                let when = self.chance.millis(1, 250);
                self.after(when, Happening::Fault { left: left - 1 });
            }
            Happening::Submitted(id) => {
                let priority = self.chance.below(3) as i32;
                self.queue.submit(&id, priority);
                self.start_next();
            }
            Happening::Begins(id) => self.begin(&id),
            Happening::Answer {
                job,
                url,
                epoch,
                comes,
            } => self.answer(&job, &url, epoch, comes),
            Happening::Patience { job, epoch } if self.jobs[&job].epoch == epoch => self.advance(&job),
            Happening::Probed { job, epoch, urls } if self.jobs[&job].epoch == epoch => {
                for url in urls {
                    let answers = self.machines.answer(&job, &url, &[]) == Some(true);
                    if !answers {
                        self.workers.suspect(&url, "it does not answer");
                    }
                }
                self.advance(&job);
            }
            Happening::Made { job, epoch } if self.jobs[&job].epoch == epoch => {
                let making = self.jobs[&job].making.as_ref();
                let on: Vec<Url> = making
                    .map(|(_, on)| on.iter().cloned().collect())
                    .unwrap_or_default();
                let answers: Vec<Option<bool>> = on
                    .iter()
                    .map(|url| self.machines.answer(&job, url, &[]))
                    .collect();
                // Who hangs is waited for until it goes on, or is lost.
                match answers.contains(&None) {
                    true => self.after(HEARTBEAT, Happening::Made { job, epoch }),
                    false if answers.contains(&Some(false)) => {
                        self.made(&job, Some(lost(&on[0], "the connection broke")));
                    }
                    false => {
                        let slow = self.slow_of(on);
                        let late = slow.first().map(|url| lost(url, "it let the others wait"));
                        self.give_up_on(&job, slow);
                        self.made(&job, late);
                    }
                }
            }
            Happening::Patience { .. } | Happening::Probed { .. } | Happening::Made { .. } => {}
        }
    }

    /// Those that let the others wait when they read rows together; never all.
    fn slow_of(&self, workers: Vec<Url>) -> BTreeSet<Url> {
        let (slow, quick): (Vec<Url>, Vec<Url>) =
            workers.into_iter().partition(|url| self.machines.is_slow(url));
        match quick.is_empty() {
            true => BTreeSet::new(),
            false => slow.into_iter().collect(),
        }
    }

    fn give_up_on(&mut self, job: &str, slow: BTreeSet<Url>) {
        let job = self.job(job);
        job.slow.extend(slow.iter().cloned());
        if let Some(standing) = &mut job.standing {
            standing.note_slow(slow);
        }
    }

    fn answer(&mut self, job: &str, url: &Url, epoch: u64, comes: bool) {
        if self.jobs[job].epoch != epoch || !self.jobs[job].asked.contains_key(url) {
            return;
        }
        let says = self.machines.answer(job, url, &self.jobs[job].asked[url]);
        let entry = self.job(job);
        let numbers = entry.asked.get(url).cloned().unwrap_or_default();
        let Some(pass) = &mut entry.pass else { return };
        match says {
            // It came to hang on the way: it answers when it goes on, if it is not lost before.
            None => {
                let (job, url) = (job.to_string(), url.clone());
                return self.after(
                    HEARTBEAT,
                    Happening::Answer {
                        job,
                        url,
                        epoch,
                        comes,
                    },
                );
            }
            Some(true) if comes => {
                pass.answered(url);
                entry.answered.extend(numbers);
            }
            Some(_) => pass.lost(url, lost(url, "it does not hold them").message),
        }
        self.job(job).asked.remove(url);
        self.advance(job);
    }

    fn strike(&mut self) {
        let living = self.machines.living();
        let kind = self.chance.below(9);
        self.note(|| format!("fault {kind}"));
        if living.is_empty() || kind < 2 {
            return self.join();
        }
        let url = living[self.chance.below(living.len() as u64) as usize].clone();
        let machine = self.machines.get(&url);
        match kind {
            2 | 3 => self.machines.kill(&url),
            4 => machine.hangs = true,
            5 => self.machines.go_on(),
            6 => machine.is_slow = !machine.is_slow,
            7 => machine.wants_to_go = true,
            _ => {
                let id = machine.id.clone().unwrap_or_default();
                let force = self.chance.below(2) == 0;
                self.workers.dismiss(&id, "somebody wants it".to_string(), force);
            }
        }
    }

    fn join(&mut self) {
        let url = self.machines.add();
        self.register(&url);
        self.after(HEARTBEAT, Happening::Heartbeat(url));
    }

    fn register(&mut self, url: &Url) {
        let registration = Registration {
            url: url.to_string(),
            protocol_version: PROTOCOL_VERSION,
            build_version: String::new(),
            pid: 1,
            threads: 1,
            held: HeldBytes::default(),
        };
        let worker = self.workers.register(&registration, self.start + self.now);
        let id = worker.expect("it may").id;
        self.workers.reached(&id);
        self.machines.get(url).id = Some(id);
        // Whoever asked the worker that was there before does not wait for it.
        self.lose(url, "it was started anew");
    }

    fn beat(&mut self, url: Url) {
        let now = self.start + self.now;
        let machine = self.machines.get(&url);
        if machine.is_dead {
            return;
        }
        let id = machine.id.clone().unwrap_or_default();
        if !machine.hangs {
            if machine.wants_to_go && !self.workers.leave(&id, "it was told to", now) {
                return self.machines.kill(&url);
            }
            let machine = self.machines.get(&url);
            if self.workers.heartbeat(&id, HeldBytes::default(), now) {
                let jobs: BTreeSet<String> = machine.held.iter().map(|(job, _)| job.clone()).collect();
                let unneeded = self.workers.unneeded(jobs.into_iter().collect());
                machine.held.retain(|(job, _)| !unneeded.contains(job));
                machine.wants_to_go |= self.workers.is_dismissed(&id);
            } else {
                self.register(&url);
            }
        }
        self.after(HEARTBEAT, Happening::Heartbeat(url));
    }

    /// Whoever waits for a worker that is not there any more learns it, and whoever waits for any worker that one is there.
    fn notice_who_is_gone(&mut self) {
        let workers = self.workers.all();
        for worker in workers.iter().filter(|worker| !worker.state.is_there()) {
            if worker.state != WorkerState::Joining {
                self.lose(&worker.url, &worker.reason);
            }
        }
        let is_anybody_active = !self.view().active.is_empty();
        let ids: Vec<String> = self.jobs.keys().cloned().collect();
        for id in ids {
            if is_anybody_active && std::mem::take(&mut self.job(&id).awaits_worker) {
                self.advance(&id);
            }
        }
    }

    fn lose(&mut self, url: &Url, reason: &str) {
        let ids: Vec<String> = self.jobs.keys().cloned().collect();
        for id in ids {
            let job = self.job(&id);
            if job.asked.remove(url).is_some() {
                if let Some(pass) = &mut job.pass {
                    pass.lost(url, lost(url, reason).message);
                }
                self.advance(&id);
            }
            let making = self.jobs[&id].making.as_ref();
            if making.is_some_and(|(_, on)| on.contains(url)) {
                self.made(&id, Some(lost(url, reason)));
            }
        }
    }

    fn start_next(&mut self) {
        for id in self.queue.start() {
            let running = self.jobs.values().filter(|job| !job.ended).count();
            self.assert(running < MOST, "no more jobs run than may");
            let partitions = 1 + self.chance.below(12) as u32;
            let job = Job {
                partitions,
                standing: None,
                pass: None,
                began: self.now,
                passes: 0,
                epoch: 0,
                asked: std::collections::BTreeMap::new(),
                answered: Vec::new(),
                making: None,
                slow: BTreeSet::new(),
                awaits_worker: false,
                ended: false,
            };
            self.jobs.insert(id.clone(), job);
            self.after(Duration::ZERO, Happening::Begins(id));
        }
    }

    /// The data are read by those who are there and not slow; how they are read when somebody goes is not played here.
    fn begin(&mut self, id: &str) {
        let active: Vec<Url> = self.view().active.into_iter().collect();
        let active: Vec<Url> = active
            .into_iter()
            .filter(|url| self.machines.answer(id, url, &[]) == Some(true))
            .collect();
        if active.is_empty() {
            return self.after(HEARTBEAT, Happening::Begins(id.to_string()));
        }
        let slow = self.slow_of(active.clone());
        let active: Vec<Url> = active.into_iter().filter(|url| !slow.contains(url)).collect();
        let numbers = 0..self.jobs[id].partitions;
        let owners: std::collections::BTreeMap<u32, Url> =
            numbers.zip(active.iter().cycle().cloned()).collect();
        for (number, url) in &owners {
            self.machines.hold(id, url, *number);
        }
        self.workers.hold(id, owners.values().cloned().collect());
        let standing = Standing::new(owners, slow.clone(), STRAGGLER_AFTER);
        let (start, now) = (self.start, self.now);
        let job = self.job(id);
        job.slow = slow;
        job.began = now;
        job.pass = Some(Pass::new(start + now));
        job.standing = Some(standing);
        self.advance(id);
    }

    pub(super) fn end(&mut self, id: &str) {
        let job = self.job(id);
        job.ended = true;
        job.pass = None;
        self.workers.let_go(id);
        self.machines.release_all(id);
        self.queue.end(id);
        self.start_next();
    }
}
