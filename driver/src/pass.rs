//! [`Pass`]: one pass over a dataset's partitions, as a state machine. It says what is to be done next and is told what came
//! of it; it knows no clock, no connection and no task, so that thousands of bad days can be played through in a second
//! (`pass/simulation.rs`). [`Placement`](crate::placement::Placement) carries out what it says.
//!
//! Every partition is asked for until one worker has answered for it. What lost workers held, and what lets the others wait
//! for too long, is made again elsewhere and asked for there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rookery_proto::Failure;
use tokio::time::Instant;
use url::Url;

use crate::lag::TIMES;
use crate::materialize::lost_too_often;
use crate::members::{MAX_RECOVERIES, is_recoverable};
use crate::rebalance::{self, Step};
use crate::workers::{WorkerInfo, WorkerState};

#[cfg(test)]
mod simulation;

/// What is known of a dataset's partitions from one pass to the next.
#[derive(Debug)]
pub(crate) struct Standing {
    /// Who holds each partition.
    owners: BTreeMap<u32, Url>,
    /// The same by holder. It is made once: a round asks for it, and there may be a hundred thousand partitions.
    held: BTreeMap<Url, Numbers>,
    /// The cluster in which nothing had to move, as things are.
    at_rest: Option<View>,
    /// Workers that let others wait: they get no more work of this job while there are others.
    slow: BTreeSet<Url>,
    recoveries: u32,
    /// Whether partitions are moved to workers that join; not if that failed once.
    rebalances: bool,
    straggler_after: Duration,
}

/// Partitions of one holder.
pub(crate) type Numbers = Arc<[u32]>;

/// The cluster as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// Those who can be given work.
    pub(crate) active: BTreeSet<Url>,
    /// Those who can be asked for what they hold.
    pub(crate) there: BTreeSet<Url>,
}

impl View {
    /// What the driver knows of its workers, seen so.
    pub(crate) fn of(workers: &[WorkerInfo]) -> Self {
        let urls = |is_meant: fn(WorkerState) -> bool| {
            let meant = workers.iter().filter(|worker| is_meant(worker.state));
            meant.map(|worker| worker.url.clone()).collect()
        };
        Self {
            active: urls(|state| state == WorkerState::Active),
            there: urls(WorkerState::is_there),
        }
    }
}

/// What is to be done next.
#[derive(Debug)]
pub(crate) enum Action {
    /// Ask each of these workers for its partitions.
    Ask(BTreeMap<Url, Numbers>),
    /// Wait for an answer, or until then.
    Wait { until: Option<Instant> },
    /// See whether these are still there. Whoever was asked before is not waited for any more.
    Probe(Vec<Url>),
    /// Wait until somebody is active.
    AwaitWorker,
    /// Make these partitions on these workers, and say who holds what then.
    Make {
        partitions: BTreeSet<u32>,
        on: BTreeSet<Url>,
        why: Why,
    },
    /// Tell these workers to drop partitions that others hold now.
    Release(BTreeMap<Url, Numbers>),
    /// Every partition was answered for.
    Done,
    /// There is no way on.
    Failed(Failure),
}

/// Why partitions are made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// They were lost, for this reason.
    Lost(String),
    /// Their workers are to go, or others joined.
    Moved(&'static str),
}

/// Those of the active workers that are not slow; all if there are no others.
pub(crate) fn quick(active: &BTreeSet<Url>, slow: &BTreeSet<Url>) -> BTreeSet<Url> {
    let quick: BTreeSet<Url> = active.difference(slow).cloned().collect();
    if quick.is_empty() { active.clone() } else { quick }
}

impl Standing {
    /// Partitions as they were made; some workers may have been `slow` to make them. A worker is slow when it takes three
    /// times as long as all others, and `straggler_after` on top.
    pub(crate) fn new(owners: BTreeMap<u32, Url>, slow: BTreeSet<Url>, straggler_after: Duration) -> Self {
        Self {
            held: by_holder(owners.iter()),
            owners,
            at_rest: None,
            slow,
            recoveries: 0,
            rebalances: true,
            straggler_after,
        }
    }

    fn set_owners(&mut self, owners: BTreeMap<u32, Url>) {
        self.held = by_holder(owners.iter());
        self.owners = owners;
        self.at_rest = None;
    }

    /// Who holds each partition.
    pub(crate) fn owners(&self) -> &BTreeMap<u32, Url> {
        &self.owners
    }

    /// Who holds which of these partitions.
    pub(crate) fn holdings(&self, numbers: &BTreeSet<u32>) -> BTreeMap<Url, Numbers> {
        by_holder(self.owners.iter().filter(|(number, _)| numbers.contains(number)))
    }

    /// Notes workers that let others wait while partitions were made.
    pub(crate) fn note_slow(&mut self, slow: BTreeSet<Url>) {
        self.slow.extend(slow);
        self.at_rest = None;
    }

    /// Leaves slow workers out, unless there are no others.
    fn quick(&self, view: &View) -> BTreeSet<Url> {
        quick(&view.active, &self.slow)
    }

    /// What has to move before the pass begins.
    fn step(&mut self, view: &View) -> Option<Step> {
        if !self.rebalances || self.at_rest.as_ref() == Some(view) {
            return None;
        }
        // What lost workers held is made again when it is asked for, which is told.
        let owners = self.owners.iter().filter(|(_, owner)| view.there.contains(owner));
        let step = rebalance::step(owners, &self.quick(view));
        if step.is_none() {
            self.at_rest = Some(view.clone());
        }
        step
    }
}

fn by_holder<'a>(owners: impl Iterator<Item = (&'a u32, &'a Url)>) -> BTreeMap<Url, Numbers> {
    let mut held: BTreeMap<&Url, Vec<u32>> = BTreeMap::new();
    for (number, url) in owners {
        held.entry(url).or_default().push(*number);
    }
    held.into_iter()
        .map(|(url, numbers)| (url.clone(), numbers.into()))
        .collect()
}

/// A pass under way.
#[derive(Debug)]
pub(crate) struct Pass {
    stage: Stage,
    /// Partitions to be asked for next.
    open: Open,
    /// Who has not answered yet, and for what.
    waiting: BTreeMap<Url, Numbers>,
    asked_at: Instant,
    /// Whether something was heard since the patience was last considered.
    heard: bool,
    patience_ends: Option<Instant>,
    /// Partitions that nobody answered for.
    lost: BTreeSet<u32>,
    /// Who is to be probed.
    suspects: Vec<Url>,
    reason: String,
}

/// Partitions that nobody was asked for yet.
#[derive(Debug)]
enum Open {
    All,
    Some(BTreeSet<u32>),
}

#[derive(Debug)]
enum Stage {
    Begins,
    Moving(Step),
    Moved(BTreeMap<Url, Numbers>),
    Asks,
    Asking,
    /// Somebody was lost; who is there?
    Probes,
    Recovers,
    Making(BTreeSet<Url>),
    Failed(Failure),
}

impl Pass {
    /// A pass over all partitions.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            stage: Stage::Begins,
            open: Open::All,
            waiting: BTreeMap::new(),
            asked_at: now,
            heard: false,
            patience_ends: None,
            lost: BTreeSet::new(),
            suspects: Vec::new(),
            reason: String::new(),
        }
    }

    /// What is to be done next. What came of [`Action::Make`] must be told before it is asked again.
    pub(crate) fn next(&mut self, standing: &mut Standing, view: &View, now: Instant) -> Action {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Asks) {
                Stage::Begins => {
                    if let Some(step) = standing.step(view) {
                        let action = Action::Make {
                            partitions: step.partitions.clone(),
                            on: step.targets.clone(),
                            why: Why::Moved(step.reason),
                        };
                        self.stage = Stage::Moving(step);
                        return action;
                    }
                }
                Stage::Moved(from) => return Action::Release(from),
                Stage::Asks => {
                    self.stage = Stage::Asking;
                    self.waiting = match std::mem::replace(&mut self.open, Open::Some(BTreeSet::new())) {
                        Open::All => standing.held.clone(),
                        Open::Some(numbers) => standing.holdings(&numbers),
                    };
                    (self.asked_at, self.heard, self.patience_ends) = (now, false, None);
                    return Action::Ask(self.waiting.clone());
                }
                Stage::Asking => {
                    self.be_patient(standing, view, now);
                    if !self.waiting.is_empty() {
                        self.stage = Stage::Asking;
                        return Action::Wait {
                            until: self.patience_ends,
                        };
                    }
                    if self.lost.is_empty() {
                        return Action::Done;
                    }
                    self.stage = Stage::Probes;
                }
                Stage::Probes => {
                    self.stage = Stage::Recovers;
                    return Action::Probe(std::mem::take(&mut self.suspects));
                }
                Stage::Recovers => return self.recover(standing, view),
                // Not told yet.
                stage @ (Stage::Moving(_) | Stage::Making(_)) => {
                    self.stage = stage;
                    return Action::Wait { until: None };
                }
                Stage::Failed(failure) => return Action::Failed(failure),
            }
        }
    }

    fn recover(&mut self, standing: &mut Standing, view: &View) -> Action {
        let on = standing.quick(view);
        if on.is_empty() {
            self.stage = Stage::Recovers;
            return Action::AwaitWorker;
        }
        standing.recoveries += 1;
        if standing.recoveries > MAX_RECOVERIES {
            return Action::Failed(lost_too_often());
        }
        self.stage = Stage::Making(on.clone());
        Action::Make {
            partitions: self.lost.clone(),
            on,
            why: Why::Lost(std::mem::take(&mut self.reason)),
        }
    }

    /// A worker answered for what it was asked for.
    pub(crate) fn answered(&mut self, url: &Url) {
        self.heard = true;
        self.waiting.remove(url);
    }

    /// A worker will not answer.
    pub(crate) fn lost(&mut self, url: &Url, reason: String) {
        self.heard = true;
        self.lost
            .extend(self.waiting.remove(url).iter().flat_map(|numbers| numbers.iter()));
        self.suspects.push(url.clone());
        self.reason = reason;
    }

    /// What came of making partitions: who holds each of the dataset's now.
    pub(crate) fn made(&mut self, standing: &mut Standing, made: Result<BTreeMap<u32, Url>, Failure>) {
        match (std::mem::replace(&mut self.stage, Stage::Asks), made) {
            (Stage::Moving(step), Ok(owners)) => {
                let before = standing.holdings(&step.partitions);
                standing.set_owners(owners);
                self.stage = Stage::Moved(before);
            }
            // Where they were they still are, or they will be found lost when they are asked for.
            (Stage::Moving(_), Err(failure)) => standing.rebalances = is_recoverable(&failure),
            (Stage::Making(_), Ok(owners)) => {
                standing.set_owners(owners);
                self.open = Open::Some(std::mem::take(&mut self.lost));
            }
            (Stage::Making(on), Err(failure)) if is_recoverable(&failure) => {
                self.suspects = on.into_iter().collect();
                self.reason = failure.message;
                self.stage = Stage::Probes;
            }
            (Stage::Making(_), Err(failure)) => self.stage = Stage::Failed(failure),
            // Nothing was to be made.
            (stage, _) => self.stage = stage,
        }
    }

    /// Gives up on those who let all others wait for too long.
    fn be_patient(&mut self, standing: &mut Standing, view: &View, now: Instant) {
        if std::mem::take(&mut self.heard) {
            self.patience_ends = self.patience(standing, view, now);
        }
        if self.patience_ends.is_none_or(|end| now < end) {
            return;
        }
        for (url, numbers) in std::mem::take(&mut self.waiting) {
            let seconds = (now - self.asked_at).as_secs_f64();
            self.reason = format!("worker {url} let the others wait for {seconds:.1} s");
            self.lost.extend(numbers.iter());
            standing.note_slow(BTreeSet::from([url]));
        }
    }

    /// Until when those who have not answered are waited for. `None` as long as nobody could do it instead.
    fn patience(&self, standing: &Standing, view: &View, now: Instant) -> Option<Instant> {
        // Asked after each answer, so nothing is made for it.
        let mut quick = view.active.difference(&standing.slow).peekable();
        let is_free = |url: &Url| !self.waiting.contains_key(url);
        let has_other = match quick.peek() {
            Some(_) => quick.any(is_free),
            None => view.active.iter().any(is_free),
        };
        let so_far = now.saturating_duration_since(self.asked_at);
        (has_other && !self.waiting.is_empty())
            .then(|| self.asked_at + so_far * TIMES + standing.straggler_after)
    }
}
