//! What Prometheus reads of scorers: one family of series for each measure, one series for each scorer.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::Scorer;
use crate::counts::Snapshot;

/// Which scorer a series is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ScorerLabels {
    /// The endpoint that it answers for.
    pub endpoint: String,
    /// What the endpoint calls it.
    pub served_model: String,
    /// The model's version.
    pub version: String,
}

/// Adds the metrics of `scorers` to `registry`; they are read with every scrape. The registry's prefix comes before
/// their names.
pub fn register(registry: &mut Registry, scorers: Vec<(ScorerLabels, Arc<Scorer>)>) {
    registry.register_collector(Box::new(Scorers(scorers)));
}

#[derive(Debug)]
struct Scorers(Vec<(ScorerLabels, Arc<Scorer>)>);

/// A scorer's label and another one.
type And = (ScorerLabels, Vec<(&'static str, String)>);

impl Collector for Scorers {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let snapshots: Vec<(&ScorerLabels, Snapshot)> = self
            .0
            .iter()
            .map(|(labels, scorer)| (labels, scorer.counts()))
            .collect();
        for (name, help, value) in COUNTERS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (labels, snapshot) in &snapshots {
                counter(&mut family.encode_family(*labels)?, value(snapshot))?;
            }
        }
        let mut family = encoder.encode_descriptor(
            "scorer_refused_requests",
            "Requests that were refused, by status and error code",
            None,
            MetricType::Counter,
        )?;
        for (labels, snapshot) in &snapshots {
            for ((status, code), count) in &snapshot.refused {
                let and: And = (
                    (*labels).clone(),
                    vec![
                        ("status", status.to_string()),
                        ("error_code", (*code).to_string()),
                    ],
                );
                counter(&mut family.encode_family(&and)?, *count)?;
            }
        }
        let mut family = encoder.encode_descriptor(
            "scorer_latency",
            "From the body of a request to its answer",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for (labels, snapshot) in &snapshots {
            let (busy, count) = (snapshot.busy.as_secs_f64(), snapshot.answered);
            family.encode_family(*labels)?.encode_histogram::<NoLabelSet>(
                busy,
                count,
                &snapshot.latency,
                None,
            )?;
        }
        self.encode_drift(&mut encoder)
    }
}

impl Scorers {
    fn encode_drift(&self, encoder: &mut DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let inputs =
            "Population stability index of an input column against training: above 0.25 it has moved far";
        let prediction =
            "Population stability index of the predicted class against the test part of training";
        let mut family = encoder.encode_descriptor("scorer_input_drift", inputs, None, MetricType::Gauge)?;
        for (labels, scorer) in &self.0 {
            for (column, index) in scorer
                .drift()
                .into_iter()
                .filter_map(|(name, index)| Some((name?, index)))
            {
                let and: And = ((*labels).clone(), vec![("column", column.to_string())]);
                family.encode_family(&and)?.encode_gauge(&index)?;
            }
        }
        let mut family =
            encoder.encode_descriptor("scorer_prediction_drift", prediction, None, MetricType::Gauge)?;
        for (labels, scorer) in &self.0 {
            for (_, index) in scorer.drift().into_iter().filter(|(name, _)| name.is_none()) {
                family.encode_family(labels)?.encode_gauge(&index)?;
            }
        }
        Ok(())
    }
}

type CounterOf = (&'static str, &'static str, fn(&Snapshot) -> u64);

const COUNTERS: [CounterOf; 5] = [
    (
        "scorer_answered_requests",
        "Requests that were answered",
        |snapshot| snapshot.answered,
    ),
    ("scorer_rows", "Rows of answered requests", |snapshot| {
        snapshot.rows
    }),
    (
        "scorer_rows_left_out",
        "Rows that got no prediction",
        |snapshot| snapshot.left_out,
    ),
    (
        "scorer_unseen_categories",
        "Values that training has not seen",
        |snapshot| snapshot.unseen,
    ),
    (
        "scorer_nulls",
        "Values that were null or no finite number",
        |snapshot| snapshot.nulls,
    ),
];

fn counter(encoder: &mut MetricEncoder<'_>, value: u64) -> Result<(), std::fmt::Error> {
    encoder.encode_counter::<NoLabelSet, u64, f64>(&value, None)
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use rookery_ml::Model;

    use super::*;
    use crate::ScoringRequest;

    /// Predicts by the length of a bird.
    const MODEL: &str = r#"{"format": "rookery.model", "version": 2,
        "inputs": [{"name": "length", "kind": "double"}],
        "pipeline": {"stages": [{"type": "VectorAssembler", "inputs": ["length"], "output": "features"}]},
        "features": "features", "label": "species",
        "classifier": {"family": "binomial", "num_classes": 2, "num_features": 1, "coefficient_matrix": [1.0],
                       "intercepts": [-45.0], "threshold": 0.5},
        "profile": {"rows": 100, "predictions": [50, 50], "columns": [
            {"name": "length", "nulls": 0, "values": {"numbers": {"mean": 45, "edges": [45.0], "counts": [50, 50]}}}]}}"#;

    #[test]
    fn each_scorer_has_its_series() {
        let scorer = || Arc::new(Scorer::new(Model::from_json(MODEL).expect("a model")));
        let (first, second) = (scorer(), scorer());
        for body in [
            r#"{"inputs": {"length": [1, 50, 60, 70]}}"#,
            r#"{"inputs": {"length": ["x"]}}"#,
        ] {
            let _ = first.answer(&ScoringRequest {
                content_type: Some("application/json"),
                accept: None,
                query: None,
                body: body.as_bytes(),
            });
        }
        let labels = |version: &str| ScorerLabels {
            endpoint: "birds".into(),
            served_model: "birds-1".into(),
            version: version.into(),
        };
        let mut registry = Registry::with_prefix("rookery");
        register(&mut registry, vec![(labels("1"), first), (labels("2"), second)]);
        let mut text = String::new();
        encode(&mut text, &registry).expect("written");
        let of = |version: &str| format!(r#"endpoint="birds",served_model="birds-1",version="{version}""#);
        for line in [
            format!("rookery_scorer_answered_requests_total{{{}}} 1", of("1")),
            format!("rookery_scorer_answered_requests_total{{{}}} 0", of("2")),
            format!("rookery_scorer_rows_total{{{}}} 4", of("1")),
            format!(
                r#"rookery_scorer_refused_requests_total{{{},status="400",error_code="BAD_REQUEST"}} 1"#,
                of("1")
            ),
            format!("rookery_scorer_latency_seconds_count{{{}}} 1", of("1")),
            format!(
                r#"rookery_scorer_latency_seconds_bucket{{le="+Inf",{}}} 1"#,
                of("1")
            ),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        for family in ["scorer_rows", "scorer_input_drift", "scorer_prediction_drift"] {
            assert_eq!(
                text.matches(&format!("# TYPE rookery_{family} ")).count(),
                1,
                "{text}"
            );
        }
        let drift = format!(r#"rookery_scorer_input_drift{{{},column="length"}}"#, of("1"));
        assert!(text.contains(&drift), "{text}");
        let unused = format!(r#"rookery_scorer_input_drift{{{}"#, of("2"));
        assert!(!text.contains(&unused), "no row, no index\n{text}");
    }
}
