//! [`Journal`]: what a driver needs to go on where it was killed. Jobs as they were handed in, everything that happened
//! in them, and where their training stands, in an SQLite file that one driver at a time can hold.
//!
//! How far a job is follows from its events alone: there is no second account of it that could say something else.
//! A thread of its own writes what has come together in one transaction, and only then is it shown ([`EventLog`]).

use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rookery_ml::Training;
use rookery_proto::v1::{JobEvent, SubmitJobRequest};
use rookery_proto::{ErrorClass, Failure};
use tokio::sync::oneshot;

use crate::events::EventLog;

mod file;
mod writer;

pub(crate) use file::JournalledJob;

/// A driver's journal. What is handed to it is written in this order, soon.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    notes: Sender<Note>,
    place: Arc<str>,
}

/// What the writer is told.
#[derive(Debug)]
enum Note {
    /// A job came in.
    Job {
        job_id: String,
        submitted_ms: i64,
        request: Box<SubmitJobRequest>,
    },
    /// Something happened in a job; its log shows it once it is written.
    Event {
        log: Arc<EventLog>,
        event: Box<JobEvent>,
    },
    /// A training has something new to write.
    Checkpoint(Arc<Slot>),
    /// A job that ended is forgotten.
    Forget(String),
    /// Everything up to here is to be on the disk, which is then said.
    Sync(oneshot::Sender<Result<(), String>>),
}

impl Journal {
    /// Opens the journal at `path`, made if it is not there; returns it with the jobs in it, in the order of their
    /// submission.
    ///
    /// # Errors
    /// Another driver holds it; it is of a later release; it can't be read or written.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<JournalledJob>), Failure> {
        let place = path.display().to_string();
        let mut file = file::open(path).map_err(|failure| failure.at(place.clone()))?;
        let jobs = file::jobs(&mut file).map_err(|failure| failure.at(place.clone()))?;
        let (notes, received) = channel();
        std::thread::Builder::new()
            .name("journal".to_string())
            .spawn(move || writer::write(file, &received))
            .map_err(|e| Failure::new(ErrorClass::Internal, format!("the journal's thread: {e}")))?;
        let place = place.into();
        Ok((Self { notes, place }, jobs))
    }

    /// Notes a job that came in.
    pub(crate) fn job(&self, job_id: &str, submitted_ms: i64, request: SubmitJobRequest) {
        self.note(Note::Job {
            job_id: job_id.to_string(),
            submitted_ms,
            request: Box::new(request),
        });
    }

    /// Notes what happened in a job; `log` shows it once it is written.
    pub(crate) fn event(&self, log: Arc<EventLog>, event: JobEvent) {
        self.note(Note::Event {
            log,
            event: Box::new(event),
        });
    }

    /// Forgets a job that ended.
    pub(crate) fn forget(&self, job_id: &str) {
        self.note(Note::Forget(job_id.to_string()));
    }

    /// Where the trainings of a job note where they stand.
    pub(crate) fn checkpoints(&self, job_id: &str) -> Checkpoints {
        Checkpoints {
            journal: self.clone(),
            slot: Arc::new(Slot {
                job_id: job_id.to_string(),
                trainings: Mutex::default(),
                pace: Mutex::default(),
            }),
        }
    }

    /// Waits until everything that was noted so far is on the disk.
    ///
    /// # Errors
    /// It can't be written. It is tried again with whatever is noted next.
    pub(crate) async fn sync(&self) -> Result<(), Failure> {
        let (done, written) = oneshot::channel();
        self.note(Note::Sync(done));
        let written = written
            .await
            .unwrap_or_else(|_| Err("its thread has ended".to_string()));
        written.map_err(|why| {
            Failure::new(
                ErrorClass::Internal,
                format!("the driver's journal can't be written: {why}"),
            )
            .at(self.place.as_ref())
        })
    }

    fn note(&self, note: Note) {
        // The thread lives as long as there is a sender; should it have died, `sync` says so.
        let _ = self.notes.send(note);
    }
}

/// Where the trainings of one job note where they stand. The last word counts: while one is being written, others are
/// passed over, so that no round waits for it. Trainings of many numbers are not written as fast as the disk allows, but so
/// that it takes a tenth of the time; one that is larger than a row of the file may be is not written at all, and begins
/// anew when its driver is killed.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    journal: Journal,
    slot: Arc<Slot>,
}

#[derive(Debug)]
struct Slot {
    job_id: String,
    /// Of trainings side by side the position of each one's run among the job's, and the training; `None` once the writer
    /// took them.
    trainings: Mutex<Option<Vec<(u32, Training)>>>,
    /// When the last one was written, and how long that took.
    pace: Mutex<Option<(Instant, Duration)>>,
}

/// Trainings of at most so many numbers, 8 MiB, are written after each round.
const WRITTEN_EACH_ROUND: usize = 1 << 20;
/// Most numbers of trainings that are written: their text is then 716 MB, and SQLite takes at most 1 GB.
pub(crate) const MOST_WRITTEN: usize = 1 << 26;
/// A large training is written again after so many times what it took to write it.
const REST: u32 = 9;

impl Checkpoints {
    /// Notes where the trainings of some runs, by their positions, stand between two rounds.
    pub(crate) fn note<'a>(&self, trainings: impl Iterator<Item = (u32, &'a Training)> + Clone) {
        let values: usize = trainings
            .clone()
            .map(|(_, training)| training.state_values())
            .sum();
        if values > MOST_WRITTEN || values > WRITTEN_EACH_ROUND && self.slot.was_just_written() {
            return;
        }
        let mut slot = self.slot.lock();
        if slot.is_none() {
            *slot = Some(trainings.map(|(run, training)| (run, training.clone())).collect());
            self.journal.note(Note::Checkpoint(Arc::clone(&self.slot)));
        }
    }
}

impl Slot {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<(u32, Training)>>> {
        self.trainings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn was_just_written(&self) -> bool {
        let pace = *self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.is_some_and(|(written, took)| written.elapsed() < took * REST)
    }

    /// Notes that what it held is on the disk, after so long.
    fn written(&self, took: Duration) {
        let pace = (Instant::now(), took);
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner) = Some(pace);
    }
}

#[cfg(test)]
mod tests;
