//! [`RunCache`]: what was logged to runs, kept in memory under the revision at which it was read.
//!
//! A listing reads headers alone, with each run's revision, and takes what was logged to a run from here if it is known at
//! that revision. Every change of a run gives it a new revision in the same transaction
//! ([`start_change`](super::runs::start_change)), so nothing here is ever wrong, whichever process wrote, and nothing
//! has to be thrown away but for space.

use std::mem::size_of;
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::run_data::Logged;
use super::runs::Header;
use crate::entities::{Dataset, DatasetInput, Metric, ModelInput, ModelOutput, Param, Tag};

/// How much is kept, in bytes: some 50,000 runs with a dozen metrics, parameters and tags.
const CAPACITY_BYTES: u64 = 128 << 20;
/// About the size of what one run takes here, by which the cache plans its own tables.
const TYPICAL_BYTES: u64 = 2 << 10;
/// What an allocation costs beside its bytes.
const ALLOCATION_BYTES: usize = 16;

/// What was logged to the runs that were read last.
pub(super) struct RunCache {
    runs: Cache<Box<str>, Entry, Bytes>,
}

#[derive(Clone)]
struct Entry {
    revision: i64,
    logged: Arc<Logged>,
}

impl Default for RunCache {
    fn default() -> Self {
        RunCache {
            runs: Cache::with_weighter((CAPACITY_BYTES / TYPICAL_BYTES) as usize, CAPACITY_BYTES, Bytes),
        }
    }
}

impl std::fmt::Debug for RunCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunCache")
            .field("runs", &self.runs.len())
            .field("bytes", &self.runs.weight())
            .finish()
    }
}

impl RunCache {
    /// Returns what was logged to the run up to the header's revision, if that is known.
    pub(super) fn get(&self, header: &Header) -> Option<Arc<Logged>> {
        let entry = self.runs.get(header.info.run_id.as_str())?;
        (entry.revision == header.revision).then_some(entry.logged)
    }

    pub(super) fn put(&self, header: &Header, logged: Arc<Logged>) {
        let entry = Entry {
            revision: header.revision,
            logged,
        };
        self.runs.insert(header.info.run_id.as_str().into(), entry);
    }
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Box<str>, Entry> for Bytes {
    fn weight(&self, run_id: &Box<str>, entry: &Entry) -> u64 {
        let Logged {
            metrics,
            params,
            tags,
            dataset_inputs,
            model_inputs,
            model_outputs,
        } = &*entry.logged;
        let mut bytes = size_of::<Logged>() + text(run_id);
        bytes += sum(metrics, |metric: &Metric| text(&metric.key));
        bytes += sum(params, |param: &Param| text(&param.key) + text(&param.value));
        bytes += tags_bytes(tags);
        bytes += sum(dataset_inputs, |input: &DatasetInput| {
            tags_bytes(&input.tags) + dataset_bytes(&input.dataset)
        });
        bytes += sum(model_inputs, |input: &ModelInput| text(&input.model_id));
        bytes += sum(model_outputs, |output: &ModelOutput| text(&output.model_id));
        bytes as u64
    }
}

fn text(text: &str) -> usize {
    text.len() + ALLOCATION_BYTES
}

fn sum<T>(items: &[T], beyond: impl Fn(&T) -> usize) -> usize {
    items.iter().map(|item| size_of::<T>() + beyond(item)).sum()
}

fn tags_bytes(tags: &[Tag]) -> usize {
    sum(tags, |tag| text(&tag.key) + text(&tag.value))
}

fn dataset_bytes(dataset: &Dataset) -> usize {
    let optional = |value: &Option<String>| value.as_deref().map_or(0, text);
    text(&dataset.id.name)
        + text(&dataset.id.digest)
        + text(&dataset.source_type)
        + text(&dataset.source)
        + optional(&dataset.schema)
        + optional(&dataset.profile)
}
