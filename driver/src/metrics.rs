//! What Prometheus reads at `/metrics`: the cluster's state when it asks, and counts since the driver began.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use rookery_serving::endpoints::{EndpointMetrics, Endpoints};

use crate::jobs::{JobState, Jobs};
use crate::workers::{WorkerState, Workers};

/// The content type of [`text`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Counts since the driver began.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Rounds of all jobs.
    pub(crate) rounds: Counter,
    /// Passes over the blocks for rounds, by the way that the partials took.
    passes: Family<Reduced, Counter>,
    /// Workers that fell silent or did not answer.
    pub(crate) workers_lost: Counter,
    /// Partitions that were made again, or moved.
    pub(crate) partitions_rebuilt: Counter,
}

/// How the partials of a pass came together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// Each holder answered the driver.
    Flat,
    /// Along a tree over the workers.
    Tree,
    /// Along a tree that broke; the rest was asked for directly.
    BrokenTree,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Tree => "tree",
            Self::BrokenTree => "broken_tree",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reduced {
    way: &'static str,
}

impl Counters {
    /// Counts a pass for a round.
    pub(crate) fn count(&self, way: Way) {
        let reduced = Reduced { way: way.name() };
        self.passes.get_or_create(&reduced).inc();
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfWorker {
    worker: String,
}

/// The metrics as text.
pub(crate) fn text(
    workers: &Workers,
    jobs: &Jobs,
    endpoints: &Arc<Endpoints>,
) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("rookery");
    let [memory, disk] = [(); 2].map(|()| Family::<OfWorker, Gauge>::default());
    let (all_workers, all_jobs) = (workers.all(), jobs.all());
    for worker in &all_workers {
        let of_worker = OfWorker {
            worker: worker.id.clone(),
        };
        for (family, bytes) in [(&memory, worker.held.memory), (&disk, worker.held.disk)] {
            let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
            family.get_or_create(&of_worker).set(bytes);
        }
    }
    let workers_by_state = by_state(
        WorkerState::NAMES,
        all_workers.iter().map(|worker| worker.state.name()),
    );
    let jobs_by_state = by_state(JobState::NAMES, all_jobs.iter().map(|job| job.state.name()));
    let Counters {
        rounds,
        passes,
        workers_lost,
        partitions_rebuilt,
    } = &workers.counters;
    registry.register("workers", "Workers by state", workers_by_state);
    registry.register_with_unit(
        "worker_memory",
        "What a worker holds of datasets in memory",
        Unit::Bytes,
        memory,
    );
    registry.register_with_unit(
        "worker_disk",
        "What a worker keeps of datasets on disk, beyond its memory limit",
        Unit::Bytes,
        disk,
    );
    registry.register("jobs", "Jobs that the driver remembers, by state", jobs_by_state);
    registry.register("rounds", "Rounds of all jobs", rounds.clone());
    registry.register(
        "passes",
        "Passes over the rows for rounds, by the way that their sums took",
        passes.clone(),
    );
    registry.register(
        "workers_lost",
        "Workers that fell silent or did not answer",
        workers_lost.clone(),
    );
    registry.register(
        "partitions_rebuilt",
        "Partitions that were made again, or moved",
        partitions_rebuilt.clone(),
    );
    let endpoints = EndpointMetrics::of_all(Arc::clone(endpoints));
    rookery_serving::metrics::register(&mut registry, endpoints.labelled_scorers());
    registry.register_collector(Box::new(endpoints));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// How many are in each state, those with none included.
fn by_state(names: [&'static str; 5], found: impl Iterator<Item = &'static str>) -> Family<State, Gauge> {
    let counts = Family::<State, Gauge>::default();
    for state in names {
        counts.get_or_create(&State { state }).set(0);
    }
    for state in found {
        counts.get_or_create(&State { state }).inc();
    }
    counts
}
