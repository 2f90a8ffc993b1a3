//! The journal's thread.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use prost::Message as _;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::file::{self, Change};
use super::{Note, Slot};
use crate::events::{EventLog, is_last};

/// Most notes in one transaction.
const BATCH: usize = 1000;
/// How soon what could not be written is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What is to be said once a transaction is done.
#[derive(Default)]
struct Waiting {
    shown: Vec<(Arc<EventLog>, u64)>,
    synced: Vec<oneshot::Sender<Result<(), String>>>,
    /// Where trainings came from, and since when they are being written.
    slots: Vec<(Arc<Slot>, Instant)>,
}

/// Writes until nobody can note anything any more. What can't be written is kept and tried again; jobs go on meanwhile.
pub(super) fn write(mut file: Connection, notes: &Receiver<Note>) {
    let mut unwritten = Vec::new();
    loop {
        let first = match unwritten.is_empty() {
            true => notes.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => notes.recv_timeout(RETRY_PAUSE),
        };
        let is_over = matches!(first, Err(RecvTimeoutError::Disconnected));
        if is_over && unwritten.is_empty() {
            return;
        }
        let mut waiting = Waiting::default();
        for note in first.into_iter().chain(notes.try_iter().take(BATCH)) {
            take(note, &mut unwritten, &mut waiting);
        }
        let written = file::apply(&mut file, &unwritten, !waiting.synced.is_empty());
        match &written {
            Ok(()) => unwritten.clear(),
            Err(error) => {
                tracing::error!(%error, changes = unwritten.len(), "the driver's journal can't be written")
            }
        }
        for (slot, began) in waiting.slots {
            slot.written(began.elapsed());
        }
        // Those who watch are not to be held up by a full disk: they see what a restart might not.
        for (log, sequence) in waiting.shown {
            log.show(sequence);
        }
        for synced in waiting.synced {
            // Whoever asked may have gone.
            let _ = synced.send(written.as_ref().copied().map_err(ToString::to_string));
        }
        if is_over {
            return;
        }
    }
}

fn take(note: Note, changes: &mut Vec<Change>, waiting: &mut Waiting) {
    match note {
        Note::Job {
            job_id,
            submitted_ms,
            request,
        } => changes.push(Change::Job {
            job_id,
            submitted_ms,
            request: request.encode_to_vec(),
        }),
        Note::Event { log, event } => {
            changes.push(Change::Event {
                job_id: event.job_id.clone(),
                sequence: event.sequence,
                event: event.encode_to_vec(),
                is_last: is_last(&event),
            });
            waiting.shown.push((log, event.sequence));
        }
        Note::Checkpoint(slot) => {
            let began = Instant::now();
            let Some(trainings) = slot.lock().take() else {
                return;
            };
            match serde_json::to_string(&trainings) {
                Ok(text) => {
                    // Of those that could not be written the last one is enough.
                    changes.retain(|change| !matches!(change, Change::Checkpoint { job_id, .. } if *job_id == slot.job_id));
                    changes.push(Change::Checkpoint {
                        job_id: slot.job_id.clone(),
                        run: trainings.first().map_or(0, |(run, _)| *run),
                        trainings: text,
                    });
                    waiting.slots.push((slot, began));
                }
                Err(error) => tracing::error!(%error, "trainings can't be written down"),
            }
        }
        Note::Forget(job_id) => changes.push(Change::Forget(job_id)),
        Note::Sync(synced) => waiting.synced.push(synced),
    }
}
