//! Shadows: entities that get a copy of each request and answer nobody. What they say is compared with the answer.
//!
//! A copy costs the answer nothing but the making of a task. All copies of a driver share a bounded room; when it is full,
//! a copy is dropped and counted, so that a slow shadow holds up nobody.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::OwnedSemaphorePermit;

use super::invoke::Invocation;
use super::manager::Endpoints;
use super::routing::Served;
use super::stats::Agreement;
use crate::Answer;

/// What copies may take together, in KiB.
pub(super) const ROOM_KIB: usize = 32 * 1024;
/// What a copy takes at least, in KiB: there are at most 512.
const LEAST_KIB: usize = 64;

impl Endpoints {
    /// Hands a copy of an answered request to a shadow.
    pub(super) fn copy(&self, shadow: &Arc<Served>, request: &Invocation, answer: &Answer) {
        let agreement = &shadow.stats.shadow;
        let kib = (request.body.len() / 1024).max(LEAST_KIB);
        let room = u32::try_from(kib).ok();
        let room = room.and_then(|kib| Arc::clone(&self.shadow_room).try_acquire_many_owned(kib).ok());
        let Some(room) = room else {
            agreement.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let copy = Copy {
            source: Arc::clone(&self.source),
            bounds: self.bounds,
            shadow: Arc::clone(shadow),
            request: request.clone(),
            expected: answer.predictions.clone(),
            _room: room,
        };
        tokio::spawn(copy.compare());
    }
}

/// A copy of a request.
struct Copy {
    source: Arc<dyn super::ModelSource>,
    bounds: super::Bounds,
    shadow: Arc<Served>,
    request: Invocation,
    /// What the answer said of each row.
    expected: Vec<Option<f64>>,
    _room: OwnedSemaphorePermit,
}

impl Copy {
    async fn compare(self) {
        let agreement = &self.shadow.stats.shadow;
        let scored =
            super::invoke::score(&self.shadow, &self.request, self.source.as_ref(), &self.bounds).await;
        match scored {
            Ok(Ok(answer)) => agreement.count(&self.expected, &answer.predictions),
            Ok(Err(_)) | Err(_) => {
                agreement.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.shadow.slot.touch();
    }
}

impl Agreement {
    fn count(&self, expected: &[Option<f64>], said: &[Option<f64>]) {
        let agreeing = expected
            .iter()
            .zip(said)
            .filter(|(expected, said)| expected == said);
        self.agreeing
            .fetch_add(agreeing.count() as u64, Ordering::Relaxed);
        self.rows.fetch_add(expected.len() as u64, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_agree_one_by_one() {
        let agreement = Agreement::default();
        agreement.count(&[Some(1.0), None, Some(2.0)], &[Some(1.0), None, Some(0.0)]);
        agreement.count(&[Some(1.0)], &[]);
        let read = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        assert_eq!(
            (
                read(&agreement.requests),
                read(&agreement.rows),
                read(&agreement.agreeing)
            ),
            (2, 4, 2)
        );
    }
}
