//! One run as the memory store keeps it: header, parameters, tags, and the whole curve of every metric.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::{HistoryCursor, Metric, Param, Result, Run, RunInfo, Tag, ValidBatch, rules};

#[derive(Debug)]
pub(super) struct StoredRun {
    pub(super) info: RunInfo,
    params: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    /// By metric key; no curve is empty.
    curves: BTreeMap<String, Curve>,
}

#[derive(Debug)]
struct Curve {
    latest: Metric,
    /// Sorted by [`cmp_history`], each point once.
    points: Vec<Metric>,
}

impl StoredRun {
    pub(super) fn new(run: &Run) -> Self {
        StoredRun {
            info: run.info.clone(),
            params: BTreeMap::new(),
            tags: run
                .tags
                .iter()
                .map(|tag| (tag.key.clone(), tag.value.clone()))
                .collect(),
            curves: BTreeMap::new(),
        }
    }

    pub(super) fn to_run(&self) -> Run {
        Run {
            info: self.info.clone(),
            metrics: self.curves.values().map(|curve| curve.latest.clone()).collect(),
            params: self
                .params
                .iter()
                .map(|(key, value)| Param::new(key, value))
                .collect(),
            tags: self
                .tags
                .iter()
                .map(|(key, value)| Tag::new(key, value))
                .collect(),
        }
    }

    pub(super) fn set_tag(&mut self, tag: Tag) {
        self.tags.insert(tag.key, tag.value);
    }

    /// Logs all of the batch or, if a parameter would change, nothing.
    pub(super) fn log(&mut self, batch: ValidBatch) -> Result<()> {
        for param in &batch.params {
            match self.params.get(&param.key) {
                Some(stored) if *stored != param.value => {
                    return Err(rules::param_changed(
                        &self.info.run_id,
                        &param.key,
                        stored,
                        &param.value,
                    ));
                }
                _ => {}
            }
        }
        if let Some(name) = batch.new_run_name() {
            self.info.run_name = name.to_owned();
        }
        self.params
            .extend(batch.params.into_iter().map(|param| (param.key, param.value)));
        self.tags
            .extend(batch.tags.into_iter().map(|tag| (tag.key, tag.value)));
        for metric in batch.metrics {
            self.log_metric(metric);
        }
        Ok(())
    }

    /// Returns the points of the metric after the cursor's place.
    pub(super) fn history_after(&self, key: &str, cursor: Option<HistoryCursor>) -> &[Metric] {
        let points = self.curves.get(key).map_or(&[][..], |curve| &curve.points);
        let Some(HistoryCursor {
            timestamp_ms,
            step,
            value,
        }) = cursor
        else {
            return points;
        };
        let last = Metric {
            key: key.to_owned(),
            value,
            timestamp_ms,
            step,
        };
        let seen = points.partition_point(|point| cmp_history(point, &last) != Ordering::Greater);
        &points[seen..]
    }

    fn log_metric(&mut self, metric: Metric) {
        let curve = self.curves.entry(metric.key.clone()).or_insert_with(|| Curve {
            latest: metric.clone(),
            points: Vec::new(),
        });
        let Err(place) = curve.points.binary_search_by(|point| cmp_history(point, &metric)) else {
            return; // The point is there already.
        };
        if metric.cmp_latest(&curve.latest) == Ordering::Greater {
            curve.latest = metric.clone();
        }
        curve.points.insert(place, metric);
    }
}

/// The order of a history: timestamp, step, value; NaN after every number.
fn cmp_history(a: &Metric, b: &Metric) -> Ordering {
    let place = |metric: &Metric| (metric.timestamp_ms, metric.step, metric.value.is_nan());
    let by_value = || {
        if a.value.is_nan() {
            Ordering::Equal
        } else {
            a.value.total_cmp(&b.value)
        }
    };
    place(a).cmp(&place(b)).then_with(by_value)
}
