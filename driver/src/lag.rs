//! [`Lag`]: which workers let the others wait while rows are read, from what each says it has done. It knows no clock and
//! no connection; `watching.rs` asks and tells it.
//!
//! A worker is slow when all others that had something to do are done, have waited for three times as long as they took and
//! a bound on top, and read three times as fast. So more data is not taken for slowness, and where there is nobody to
//! compare with, nobody is slow. Nor are more than half: what most workers are is not slow.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rookery_data::{Progress, Work};
use tokio::time::Instant;
use url::Url;

/// How many times as long as all others a slow worker takes.
pub(crate) const TIMES: u32 = 3;

/// What was seen of an attempt's workers.
#[derive(Debug)]
pub(crate) struct Lag {
    began: Instant,
    straggler_after: Duration,
    /// Whether workers wait for each other's rows before they keep any.
    shuffles: bool,
    seen: BTreeMap<Url, Seen>,
}

/// What was seen of a worker.
#[derive(Debug, Default)]
struct Seen {
    progress: Progress,
    reading: AtWork,
    keeping: AtWork,
}

/// Whether a worker was at work of some kind.
#[derive(Debug, Default)]
struct AtWork {
    /// When it was looked at last.
    now: bool,
    /// When it was seen at work for the last time.
    last: Option<Instant>,
}

impl AtWork {
    fn note(&mut self, before: Work, now: Work, at: Instant) {
        self.now = now.open > 0 || now.took > before.took;
        if self.now {
            self.last = Some(at);
        }
    }
}

/// What of a worker's work is compared with that of others.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// From its sources to its partitions, without any other worker.
    Alone,
    /// Reading sources, for itself and others.
    Reading,
    /// Keeping what has come from all others.
    Keeping,
}

impl Stage {
    fn at_work(self, seen: &Seen) -> &AtWork {
        match self {
            Self::Reading => &seen.reading,
            Self::Alone | Self::Keeping => &seen.keeping,
        }
    }

    /// Bytes a second that a worker reads while it is at work; `None` if that says nothing.
    fn speed(self, progress: &Progress) -> Option<f64> {
        let took = match self {
            Self::Alone => progress.keeping.took,
            Self::Reading => progress.reading.took,
            Self::Keeping => return None,
        };
        (!took.is_zero()).then(|| progress.bytes_read as f64 / took.as_secs_f64())
    }
}

impl Lag {
    /// An attempt of these workers that begins now. With `shuffles` they wait for each other's rows.
    pub(crate) fn new(
        workers: impl IntoIterator<Item = Url>,
        shuffles: bool,
        straggler_after: Duration,
        now: Instant,
    ) -> Self {
        Self {
            began: now,
            straggler_after,
            shuffles,
            seen: workers.into_iter().map(|url| (url, Seen::default())).collect(),
        }
    }

    /// Notes what a worker has done until now. Of one that says nothing, what it said last holds.
    pub(crate) fn note(&mut self, url: &Url, progress: Progress, now: Instant) {
        let Some(seen) = self.seen.get_mut(url) else {
            return;
        };
        let before = std::mem::replace(&mut seen.progress, progress);
        seen.reading.note(before.reading, progress.reading, now);
        seen.keeping.note(before.keeping, progress.keeping, now);
    }

    /// Who is slow; never more than half.
    pub(crate) fn slow(&self, now: Instant) -> BTreeSet<Url> {
        let stages: &[Stage] = match self.shuffles {
            true => &[Stage::Reading, Stage::Keeping],
            false => &[Stage::Alone],
        };
        // As long as somebody reads, the others may only wait for it.
        let is_under_way = |stage: &&Stage| self.seen.values().any(|seen| stage.at_work(seen).now);
        let stage = stages.iter().find(is_under_way);
        stage.map_or_else(BTreeSet::new, |stage| self.behind(*stage, now))
    }

    fn behind(&self, stage: Stage, now: Instant) -> BTreeSet<Url> {
        let (at_work, idle): (Vec<_>, Vec<_>) =
            self.seen.iter().partition(|(_, seen)| stage.at_work(seen).now);
        let Some(last) = idle.iter().filter_map(|(_, seen)| stage.at_work(seen).last).max() else {
            return BTreeSet::new();
        };
        if now < self.began + (last - self.began) * TIMES + self.straggler_after {
            return BTreeSet::new();
        }
        let speeds = idle.iter().filter_map(|(_, seen)| stage.speed(&seen.progress));
        // Who had nothing to read tells nothing.
        let slowest_idle = speeds.filter(|speed| *speed > 0.0).reduce(f64::min);
        let is_slow = |seen: &Seen| match (stage, slowest_idle, stage.speed(&seen.progress)) {
            (Stage::Keeping, ..) => true,
            (_, Some(idle), Some(speed)) => speed * f64::from(TIMES) < idle,
            _ => false,
        };
        let slow = at_work.into_iter().filter(|(_, seen)| is_slow(seen));
        let slow: BTreeSet<Url> = slow.map(|(url, _)| url.clone()).collect();
        match slow.len() * 2 > self.seen.len() {
            true => BTreeSet::new(),
            false => slow,
        }
    }
}

#[cfg(test)]
mod tests;
