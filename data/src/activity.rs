//! [`Activity`]: what a process does for a dataset while its rows are read, counted. The driver tells from it who is slow
//! and who only waits for another.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Work of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Streams that are at work now.
    pub open: u32,
    /// How long streams were at work, all together.
    pub took: Duration,
}

/// What was done for a dataset until now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the rows that came from the sources.
    pub bytes_read: u64,
    /// Streams that wait for rows of a source, because somebody wants them.
    pub reading: Work,
    /// Streams whose rows are kept as partitions, from the first row that is asked for to the last that is kept.
    pub keeping: Work,
}

/// The kinds of work.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Reading,
    Keeping,
}

/// Counts what is done for a dataset.
#[derive(Debug)]
pub(crate) struct Activity(Mutex<Counted>);

#[derive(Debug)]
struct Counted {
    progress: Progress,
    /// Until when the time is counted.
    until: Instant,
}

impl Counted {
    /// The same with what has passed until `now`.
    fn at(&mut self, now: Instant) -> &mut Self {
        let passed = now.saturating_duration_since(std::mem::replace(&mut self.until, now));
        for kind in [Kind::Reading, Kind::Keeping] {
            let work = self.work(kind);
            work.took += passed * work.open;
        }
        self
    }

    fn work(&mut self, kind: Kind) -> &mut Work {
        match kind {
            Kind::Reading => &mut self.progress.reading,
            Kind::Keeping => &mut self.progress.keeping,
        }
    }
}

impl Activity {
    /// Nothing was done yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Counted {
            progress: Progress::default(),
            until: Instant::now(),
        })))
    }

    /// A stream is at work as long as the value that is returned lives.
    pub(crate) fn begin(self: &Arc<Self>, kind: Kind) -> AtWork {
        self.lock().at(Instant::now()).work(kind).open += 1;
        AtWork {
            activity: Arc::clone(self),
            kind,
        }
    }

    /// Rows of so many bytes came from a source.
    pub(crate) fn add_read(&self, bytes: usize) {
        self.lock().progress.bytes_read += bytes as u64;
    }

    /// What was done until now.
    pub(crate) fn progress(&self) -> Progress {
        self.lock().at(Instant::now()).progress
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream at work.
#[derive(Debug)]
pub(crate) struct AtWork {
    activity: Arc<Activity>,
    kind: Kind,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.activity.lock().at(Instant::now()).work(self.kind).open -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_for_streams_at_work_alone() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut counted = Counted {
            progress: Progress::default(),
            until: start,
        };
        counted.at(after(5)).work(Kind::Reading).open += 2;
        counted.at(after(8)).work(Kind::Keeping).open += 1;
        counted.at(after(10)).work(Kind::Reading).open -= 1;
        let progress = counted.at(after(11)).progress;
        let work = |open, seconds| Work {
            open,
            took: Duration::from_secs(seconds),
        };
        assert_eq!((progress.reading, progress.keeping), (work(1, 11), work(1, 3)));
    }

    #[test]
    fn what_has_ended_is_at_work_no_longer() {
        let activity = Activity::new();
        let reading = [activity.begin(Kind::Reading), activity.begin(Kind::Reading)];
        activity.add_read(7);
        let progress = activity.progress();
        assert_eq!((progress.reading.open, progress.bytes_read), (2, 7));
        assert_eq!(progress.keeping, Work::default());
        drop(reading);
        assert_eq!(activity.progress().reading.open, 0);
    }
}
