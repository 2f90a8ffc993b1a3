//! A metric's curve in a few numbers, for servers that only tell the whole curve.

use crate::entities::{Extreme, Metric, MetricSummary};

/// Sums up the points of one metric; `None` if there are none.
pub(super) fn summarise(key: &str, points: &[Metric]) -> Option<MetricSummary> {
    let latest = points.iter().max_by(|a, b| a.cmp_latest(b))?.clone();
    let numbers = || points.iter().filter(|point| !point.value.is_nan());
    let extreme = |point: &Metric| Extreme {
        value: point.value,
        step: point.step,
    };
    let min = numbers().min_by(|a, b| a.value.total_cmp(&b.value).then(a.step.cmp(&b.step)));
    let max = numbers().min_by(|a, b| b.value.total_cmp(&a.value).then(a.step.cmp(&b.step)));
    Some(MetricSummary {
        key: key.to_owned(),
        count: points.len() as u64,
        latest,
        min: min.map(extreme),
        max: max.map(extreme),
    })
}
