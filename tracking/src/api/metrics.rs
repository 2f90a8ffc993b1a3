//! `metrics/…`: curves, whole or thinned out.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde::Serialize;

use super::error::ApiError;
use super::fields::Fields;
use super::respond::{Answer, ok};
use super::view::MetricView;
use super::{Api, Routes};
use crate::entities::Metric;
use crate::error::TrackingError;
use crate::page::Page;
use crate::store::MetricHistory;
use crate::validate::MAX_HISTORY_RESULTS;

/// The most runs whose curves can be asked for at once.
const MAX_RUNS: usize = 100;
/// The most points of a run in a thinned-out curve.
const MAX_SAMPLES: usize = 2500;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/metrics/get-history", get(history))
        .route("/metrics/get-history-bulk", get(history_bulk))
        .route("/metrics/get-history-bulk-interval", get(history_bulk_interval))
}

/// MLflow sends a whole curve if no number is given; here a page is never longer than [`MAX_HISTORY_RESULTS`].
async fn history(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct History<'a> {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        metrics: Vec<MetricView<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_page_token: Option<&'a str>,
    }

    let request = MetricHistory {
        run_id: fields.run_id()?,
        key: fields.required("metric_key")?,
        max_results: fields
            .max_results(MAX_HISTORY_RESULTS, usize::MAX)?
            .min(MAX_HISTORY_RESULTS),
        page_token: fields.some_text("page_token")?,
    };
    let page = match api.store.metric_history(request).await {
        // In MLflow a run that is not there has no points either.
        Err(TrackingError::RunNotFound { .. }) => Page {
            items: Vec::new(),
            next_page_token: None,
        },
        page => page?,
    };
    ok(&History {
        metrics: page.items.iter().map(MetricView::from).collect(),
        next_page_token: page.next_page_token.as_deref(),
    })
}

async fn history_bulk(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct Histories<'a> {
        metrics: Vec<MetricView<'a>>,
    }

    let mut run_ids = fields.texts("run_id")?;
    if run_ids.is_empty() {
        return Err(ApiError::invalid(
            "GetMetricHistoryBulk request must specify at least one run_id.",
        ));
    }
    check_run_count("GetMetricHistoryBulk", run_ids.len())?;
    let key = fields
        .some_text("metric_key")?
        .ok_or_else(|| ApiError::invalid("GetMetricHistoryBulk request must specify a metric_key."))?;
    let mut left = fields
        .max_results(MAX_HISTORY_RESULTS, usize::MAX)?
        .min(MAX_HISTORY_RESULTS);
    run_ids.sort();
    let mut curves = Vec::new();
    for run_id in run_ids {
        if left == 0 {
            break;
        }
        let request = MetricHistory {
            max_results: left,
            ..MetricHistory::of(run_id.as_str(), key.as_str())
        };
        let page = api.store.metric_history(request).await?;
        left -= page.items.len();
        curves.push((run_id, page.items));
    }
    ok(&Histories {
        metrics: views(&curves),
    })
}

/// What the UI draws: of each run at most so many points, evenly spread, the first and the last among them.
async fn history_bulk_interval(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct Samples<'a> {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        metrics: Vec<MetricView<'a>>,
    }

    let run_ids = fields.texts("run_ids")?;
    if run_ids.is_empty() {
        return Err(fields.missing("run_ids"));
    }
    check_run_count("GetMetricHistoryBulkInterval", run_ids.len())?;
    let key = fields.required("metric_key")?;
    let max_results = match fields.int("max_results")?.map(usize::try_from) {
        None => MAX_SAMPLES,
        Some(Ok(wanted)) if (1..=MAX_SAMPLES).contains(&wanted) => wanted,
        Some(_) => {
            return Err(ApiError::invalid(format!(
                "max_results must be between 1 and {MAX_SAMPLES}. See the API docs for more information about request \
                 parameters."
            )));
        }
    };
    let steps = match (fields.int("start_step")?, fields.int("end_step")?) {
        (None, None) => i64::MIN..=i64::MAX,
        (Some(start), Some(end)) if start <= end => start..=end,
        (Some(start), Some(end)) => {
            return Err(ApiError::invalid(format!(
                "end_step must be greater than start_step. Found start_step={start} and end_step={end}."
            )));
        }
        _ => {
            return Err(ApiError::invalid(
                "If either start step or end step are specified, both must be specified.",
            ));
        }
    };
    let mut curves = Vec::new();
    for run_id in run_ids {
        let mut points = Vec::new();
        let mut request = MetricHistory::of(run_id.as_str(), key.as_str());
        loop {
            let page = api.store.metric_history(request.clone()).await?;
            points.extend(page.items.into_iter().filter(|point| steps.contains(&point.step)));
            request.page_token = page.next_page_token;
            if request.page_token.is_none() {
                break;
            }
        }
        points.sort_by(Metric::cmp_latest);
        curves.push((run_id, sample(points, max_results)));
    }
    ok(&Samples {
        metrics: views(&curves),
    })
}

fn check_run_count(request: &str, count: usize) -> Result<(), ApiError> {
    if count <= MAX_RUNS {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "{request} request cannot specify more than {MAX_RUNS} run_ids. Received {count} run_ids."
    )))
}

fn views(curves: &[(String, Vec<Metric>)]) -> Vec<MetricView<'_>> {
    curves
        .iter()
        .flat_map(|(run_id, points)| points.iter().map(|point| MetricView::of_run(point, run_id)))
        .collect()
}

/// Returns at most `count` of the points: the first of each of `count` stretches of equal length, of which the first
/// few are a point longer where it does not come out even, and the last point in place of the last stretch's.
fn sample(points: Vec<Metric>, count: usize) -> Vec<Metric> {
    let len = points.len();
    if len <= count {
        return points;
    }
    let (length, longer) = (len / count, len % count);
    let mut kept = (0..count).map(|stretch| match stretch {
        last if last + 1 == count => len - 1,
        stretch => stretch * length + stretch.min(longer),
    });
    let mut next = kept.next();
    points
        .into_iter()
        .enumerate()
        .filter_map(|(index, point)| {
            (next == Some(index)).then(|| {
                next = kept.next();
                point
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_keeps_both_ends() {
        let points = |count: i64| -> Vec<Metric> {
            let point = |step| Metric {
                key: "loss".to_owned(),
                value: 0.0,
                timestamp_ms: 0,
                step,
            };
            (0..count).map(point).collect()
        };
        let steps = |sampled: Vec<Metric>| -> Vec<i64> { sampled.iter().map(|point| point.step).collect() };
        assert_eq!(steps(sample(points(3), 5)), [0, 1, 2]);
        assert_eq!(steps(sample(points(11), 3)), [0, 4, 10]);
        assert_eq!(steps(sample(points(11), 1)), [10]);
        for count in 2..40 {
            let sampled = steps(sample(points(40), count));
            assert_eq!(sampled.len(), count);
            assert_eq!((sampled[0], sampled.last()), (0, Some(&39)));
        }
    }
}
