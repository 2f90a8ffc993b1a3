//! The driver's scheduler on thousands of bad days: the real membership ([`Workers`]), queue ([`Queue`]) and passes over
//! data ([`Pass`]), on machines, a network and a clock that are made up. What happens follows from a seed alone; a seed that
//! fails is played again with `ROOKERY_SIMULATION_SEED`.
//!
//! It must hold on every day: each job ends well, since there is a machine at the end; each pass counts each partition once;
//! nobody is given work who is not there, or was slow while others were not; no more jobs run than may; and in the end nobody
//! holds anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rookery_proto::{ErrorClass, Failure};
use tokio::time::Instant;
use url::Url;

use super::{Action, Pass, Standing, View, Why};
use crate::queue::Queue;
use crate::workers::{WorkerState, Workers};

mod day;
mod machines;

use day::Happening;
use machines::Machines;

/// Seeds that are played in every test run.
const SEEDS: u64 = 2000;
/// Passes over its data that a job makes.
const PASSES: usize = 12;
/// Jobs that run at once.
const MOST: usize = 2;
/// No pass takes longer, whatever happens: heartbeats, probes and patience are bounded, and faults are few.
const LONGEST_PASS: Duration = Duration::from_secs(120);
const STRAGGLER_AFTER: Duration = Duration::from_millis(500);
const PROBE: Duration = Duration::from_secs(5);

/// xorshift64*.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// A job, in so far as the scheduler sees it.
struct Job {
    partitions: u32,
    standing: Option<Standing>,
    pass: Option<Pass>,
    began: Duration,
    passes: usize,
    /// Counted up whenever what was under way is not waited for any more.
    epoch: u64,
    /// Who has been asked, and for what, in this pass.
    asked: BTreeMap<Url, Vec<u32>>,
    /// What was answered for in this pass.
    answered: Vec<u32>,
    making: Option<(BTreeSet<u32>, BTreeSet<Url>)>,
    /// Who let the others wait.
    slow: BTreeSet<Url>,
    awaits_worker: bool,
    ended: bool,
}

struct World {
    seed: u64,
    chance: Chance,
    start: Instant,
    now: Duration,
    plan: BTreeMap<(Duration, u64), Happening>,
    serial: u64,
    workers: Workers,
    machines: Machines,
    queue: Queue,
    jobs: BTreeMap<String, Job>,
    /// What happened, if somebody wants to know: writing it down takes most of the time.
    log: Option<Vec<String>>,
}

#[test]
fn whatever_happens_every_job_ends_and_counts_each_partition_once() {
    let one = std::env::var("ROOKERY_SIMULATION_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = one.map_or(1..=SEEDS, |seed| seed..=seed);
    let mut recovered = 0;
    for seed in seeds {
        recovered += World::new(seed, one.is_some()).play();
    }
    assert!(
        one.is_some() || recovered > SEEDS,
        "the days are bad enough: {recovered} recoveries"
    );
}

impl World {
    /// Carries out what a job's pass says until there is something to wait for.
    fn advance(&mut self, id: &str) {
        loop {
            let (view, now) = (self.view(), self.start + self.now);
            let Some(job) = self.jobs.get_mut(id) else { return };
            let (Some(pass), Some(standing)) = (&mut job.pass, &mut job.standing) else {
                return;
            };
            if job.making.is_some() {
                return;
            }
            let action = pass.next(standing, &view, now);
            self.note(|| format!("{id}: {action:?}"));
            match action {
                Action::Ask(asked) => {
                    let asked = asked.into_iter().map(|(url, numbers)| (url, numbers.to_vec()));
                    self.ask(id, asked.collect());
                }
                Action::Wait { until } => {
                    if let Some(until) = until {
                        let epoch = self.jobs[id].epoch;
                        let job = id.to_string();
                        self.at(until - self.start, Happening::Patience { job, epoch });
                    }
                    return;
                }
                Action::Probe(urls) => return self.probe(id, urls),
                Action::AwaitWorker => {
                    self.assert(view.active.is_empty(), "waits though somebody is active");
                    self.job(id).awaits_worker = true;
                    return;
                }
                Action::Make { partitions, on, why } => return self.make(id, partitions, on, &why, &view),
                Action::Release(moved) => self.machines.release(id, &moved),
                Action::Done => {
                    if self.count(id) {
                        return;
                    }
                }
                Action::Failed(failure) => self.assert(false, &format!("{id} failed: {failure}")),
            }
        }
    }

    fn ask(&mut self, id: &str, asked: BTreeMap<Url, Vec<u32>>) {
        // Now and then most of it has come along a tree over the workers, before the holders are asked.
        let along_tree = self.chance.below(3) == 0;
        for (url, numbers) in asked {
            let says = self.machines.answer(id, &url, &numbers);
            if along_tree && says == Some(true) && self.chance.below(4) > 0 {
                let job = self.job(id);
                job.answered.extend(numbers);
                if let Some(pass) = &mut job.pass {
                    pass.answered(&url);
                }
                continue;
            }
            let (comes, after) = match says {
                Some(true) if self.machines.is_slow(&url) => (true, self.chance.millis(200, 4000)),
                Some(true) => (true, self.chance.millis(1, 20)),
                Some(false) => (false, Duration::from_millis(1)),
                None => (true, Duration::from_millis(100)),
            };
            let epoch = self.jobs[id].epoch;
            self.job(id).asked.insert(url.clone(), numbers);
            let job = id.to_string();
            self.after(
                after,
                Happening::Answer {
                    job,
                    url,
                    epoch,
                    comes,
                },
            );
        }
    }

    /// One after the other, as chance has it: whoever does not answer is lost.
    fn probe(&mut self, id: &str, urls: Vec<Url>) {
        let job = self.job(id);
        // Who was lost has been taken out: the others are given up on.
        job.slow.extend(std::mem::take(&mut job.asked).into_keys());
        job.epoch += 1;
        let epoch = job.epoch;
        let hangs = urls.iter().any(|url| self.machines.hangs(url));
        let after = if hangs { PROBE } else { Duration::from_millis(2) };
        let job = id.to_string();
        self.after(after, Happening::Probed { job, epoch, urls });
    }

    fn make(&mut self, id: &str, partitions: BTreeSet<u32>, on: BTreeSet<Url>, why: &Why, view: &View) {
        self.assert(
            !partitions.is_empty() && !on.is_empty(),
            "something is made somewhere",
        );
        self.assert(on.is_subset(&view.active), "work only for those who are active");
        let slow = &self.jobs[id].slow;
        self.assert(
            on.is_disjoint(slow) || view.active.is_subset(slow),
            "no more work for who was slow, unless all were",
        );
        if let Why::Lost(reason) = why {
            self.assert(!reason.is_empty(), "there is a reason");
        }
        let standing = self.jobs[id].standing.as_ref().map(Standing::owners);
        let owners = standing.into_iter().flat_map(|owners| owners.values());
        let holders = owners.chain(&on).cloned().collect();
        self.workers.hold(id, holders);
        let after = self.chance.millis(5, 60);
        let job = self.job(id);
        job.epoch += 1;
        job.making = Some((partitions, on));
        let (epoch, job) = (job.epoch, id.to_string());
        self.after(after, Happening::Made { job, epoch });
    }

    /// What came of making partitions, or a failure when somebody who made them is not there any more.
    fn made(&mut self, id: &str, failure: Option<Failure>) {
        let Some((partitions, on)) = self.job(id).making.take() else {
            return;
        };
        let result = match failure {
            Some(failure) => Err(failure),
            None => {
                let standing = self.jobs[id].standing.as_ref();
                let mut owners = standing
                    .map(|standing| standing.owners().clone())
                    .unwrap_or_default();
                for (number, url) in partitions.into_iter().zip(on.iter().cycle()) {
                    self.machines.hold(id, url, number);
                    owners.insert(number, url.clone());
                }
                self.workers.hold(id, owners.values().cloned().collect());
                Ok(owners)
            }
        };
        let job = self.job(id);
        if let (Some(pass), Some(standing)) = (&mut job.pass, &mut job.standing) {
            pass.made(standing, result);
        }
        self.advance(id);
    }

    /// A pass is over; whether it was the last.
    fn count(&mut self, id: &str) -> bool {
        let (start, now) = (self.start, self.now);
        let job = self.job(id);
        let mut answered = std::mem::take(&mut job.answered);
        answered.sort_unstable();
        let (all, took) = ((0..job.partitions).collect::<Vec<u32>>(), now - job.began);
        self.assert(
            answered == all,
            &format!("each partition counts once, but {answered:?}"),
        );
        self.assert(took < LONGEST_PASS, &format!("a pass took {took:?}"));
        let job = self.job(id);
        job.epoch += 1;
        job.passes += 1;
        job.began = now;
        job.pass = job.standing.as_ref().map(|_| Pass::new(start + now));
        let is_last = job.passes == PASSES;
        if is_last {
            self.end(id);
        }
        is_last
    }

    fn view(&self) -> View {
        View::of(&self.workers.all())
    }

    fn job(&mut self, id: &str) -> &mut Job {
        self.jobs.get_mut(id).expect("jobs stay")
    }

    fn after(&mut self, after: Duration, happening: Happening) {
        self.at(self.now + after, happening);
    }

    fn at(&mut self, when: Duration, happening: Happening) {
        self.serial += 1;
        self.plan.insert((when.max(self.now), self.serial), happening);
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(format!("{:?} {}", self.now, what()));
        }
    }

    fn assert(&self, holds: bool, what: &str) {
        let log = self.log.as_deref().unwrap_or_default().join("\n");
        assert!(holds, "ROOKERY_SIMULATION_SEED={}: {what}\n{log}", self.seed);
    }
}

fn lost(url: &Url, reason: &str) -> Failure {
    Failure::new(ErrorClass::Unreachable, format!("worker {url} is lost: {reason}"))
}
