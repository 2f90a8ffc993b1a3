//! [`EndpointMetrics`]: what Prometheus reads of endpoints. What a model itself has to tell (how its inputs drift) is asked
//! of the scorers in memory, [`EndpointMetrics::scorers`], under the same labels.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::manager::Endpoints;
use super::routing::Served;
use super::stats::Stats;
use crate::Scorer;
use crate::metrics::ScorerLabels;

/// The metrics of a driver's endpoints, or of one of them.
#[derive(Debug)]
pub struct EndpointMetrics {
    endpoints: Arc<Endpoints>,
    only: Option<String>,
}

impl EndpointMetrics {
    /// Of all endpoints.
    pub fn of_all(endpoints: Arc<Endpoints>) -> Self {
        Self {
            endpoints,
            only: None,
        }
    }

    /// Of the endpoint of that name.
    pub fn of_one(endpoints: Arc<Endpoints>, name: &str) -> Self {
        Self {
            endpoints,
            only: Some(name.to_string()),
        }
    }

    /// The scorers in memory.
    pub fn scorers(&self) -> Vec<(EndpointLabels, Arc<Scorer>)> {
        let in_memory = |(labels, served): (EndpointLabels, Arc<Served>)| {
            let model = served.slot.loaded()?;
            Some((labels, Arc::clone(&model.scorer).scorer()?))
        };
        self.seen().1.into_iter().filter_map(in_memory).collect()
    }

    /// The scorers in memory, under the labels of their own metrics.
    pub fn labelled_scorers(&self) -> Vec<(ScorerLabels, Arc<Scorer>)> {
        let labelled = |(labels, scorer): (EndpointLabels, Arc<Scorer>)| {
            let labels = ScorerLabels {
                endpoint: labels.endpoint,
                served_model: labels.served_model,
                version: labels.version.to_string(),
            };
            (labels, scorer)
        };
        self.scorers().into_iter().map(labelled).collect()
    }

    fn seen(&self) -> Seen {
        let (mut counted, mut served) = (Vec::new(), Vec::new());
        for endpoint in self.endpoints.all() {
            let name = endpoint.record().name.clone();
            if self.only.as_ref().is_some_and(|only| *only != name) {
                continue;
            }
            let labels = |served_model: &str, model: &str, version| EndpointLabels {
                endpoint: name.clone(),
                served_model: served_model.to_string(),
                model: model.to_string(),
                version,
            };
            for (key, stats) in endpoint.stats.all() {
                counted.push((labels(&key.served, &key.model, key.version), stats));
            }
            for one in endpoint.routing().iter().flat_map(|routing| &routing.served) {
                let entity = &one.entity;
                served.push((
                    labels(&entity.name, &entity.model, entity.version),
                    Arc::clone(one),
                ));
            }
        }
        (counted, served)
    }
}

/// Whose series it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EndpointLabels {
    /// The endpoint.
    pub endpoint: String,
    /// The served entity.
    pub served_model: String,
    /// The registered model.
    pub model: String,
    /// Its version.
    pub version: u32,
}

/// The counts of each version, and the entities in action.
type Seen = (
    Vec<(EndpointLabels, Arc<Stats>)>,
    Vec<(EndpointLabels, Arc<Served>)>,
);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    endpoint: String,
    served_model: String,
    model: String,
    version: u32,
    status: u16,
}

/// What is shown of one counter of [`Stats`]: its name, what it counts, and where it is.
type Count = (&'static str, &'static str, fn(&Stats) -> &AtomicU64);

const COUNTS: [Count; 6] = [
    (
        "endpoint_unseen_categories",
        "Values of category columns that training has not seen",
        |stats| &stats.unseen,
    ),
    (
        "endpoint_shadow_requests",
        "Requests whose copy a shadow answered, which were compared",
        |stats| &stats.shadow.requests,
    ),
    ("endpoint_shadow_rows", "Rows that were compared", |stats| {
        &stats.shadow.rows
    }),
    (
        "endpoint_shadow_agreeing_rows",
        "Rows for which the shadow predicts what was answered",
        |stats| &stats.shadow.agreeing,
    ),
    (
        "endpoint_shadow_failed",
        "Copies that a shadow could not answer",
        |stats| &stats.shadow.failed,
    ),
    (
        "endpoint_shadow_dropped",
        "Copies that were not made, because too many were waiting",
        |stats| &stats.shadow.dropped,
    ),
];

/// The same of something that goes up and down.
type Level = (&'static str, &'static str, fn(&Served) -> usize);

const LEVELS: [Level; 4] = [
    (
        "endpoint_waiting",
        "Requests that wait for their turn",
        |served| served.turns.waiting(),
    ),
    ("endpoint_scoring", "Requests that are being scored", |served| {
        served.turns.running()
    }),
    ("endpoint_loaded", "Whether the model is in memory", |served| {
        usize::from(served.slot.loaded().is_some())
    }),
    ("endpoint_traffic_percent", "The share of the traffic", |served| {
        usize::from(served.entity.percent)
    }),
];

impl Collector for EndpointMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (counted, served) = self.seen();
        encode_counts(&mut encoder, &counted)?;
        for (name, help, level) in LEVELS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (labels, served) in &served {
                let value = i64::try_from(level(served)).unwrap_or(i64::MAX);
                metric.encode_family(labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }
}

fn encode_counts(
    encoder: &mut DescriptorEncoder<'_>,
    counted: &[(EndpointLabels, Arc<Stats>)],
) -> fmt::Result {
    let help = "Requests, by the status of the answer";
    let mut metric = encoder.encode_descriptor("endpoint_requests", help, None, MetricType::Counter)?;
    for (labels, stats) in counted {
        for (status, count) in stats.by_status() {
            let labels = StatusLabels {
                endpoint: labels.endpoint.clone(),
                served_model: labels.served_model.clone(),
                model: labels.model.clone(),
                version: labels.version,
                status,
            };
            let mut one = metric.encode_family(&labels)?;
            one.encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
        }
    }
    let help = "How long requests took, from their arrival to their answer";
    let unit = prometheus_client::registry::Unit::Seconds;
    let mut metric =
        encoder.encode_descriptor("endpoint_latency", help, Some(&unit), MetricType::Histogram)?;
    for (labels, stats) in counted {
        stats.latency.encode(metric.encode_family(labels)?)?;
    }
    for (name, help, count) in COUNTS {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, stats) in counted {
            let value = count(stats).load(Ordering::Relaxed);
            let mut one = metric.encode_family(labels)?;
            one.encode_counter::<NoLabelSet, u64, u64>(&value, None)?;
        }
    }
    Ok(())
}
