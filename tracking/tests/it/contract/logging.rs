//! Logging: atomicity, repetition, latest points, histories.

use std::sync::Arc;

use rookery_tracking::{ErrorCode, LogBatch, Metric, MetricHistory, Param, Tag, TrackingError};

use rookery_tracking::entities::Extreme;

use crate::fixture::{Fixture, START_MS, metric, metrics, params};

pub(super) async fn a_batch_shows_in_the_run(fixture: Fixture) {
    let mut run = fixture.run().await;
    let batch = LogBatch {
        metrics: vec![
            metric("loss", 0.7, 1),
            metric("auc", 0.8, 1),
            metric("loss", 0.6, 2),
        ],
        params: vec![Param::new("solver", "lbfgs"), Param::new("iterations", 5)],
        tags: vec![Tag::new("especie", "pingüino")],
        ..LogBatch::default()
    };
    fixture.store.log_batch(&run.info.run_id, batch).await.unwrap();
    run.metrics = vec![metric("auc", 0.8, 1), metric("loss", 0.6, 2)];
    run.params = vec![Param::new("iterations", 5), Param::new("solver", "lbfgs")];
    run.tags.insert(0, Tag::new("especie", "pingüino"));
    let stored = fixture.store.get_run(&run.info.run_id).await.unwrap();
    assert_eq!(stored, run);
    assert_eq!(
        (stored.metric("loss"), stored.param("solver")),
        (Some(0.6), Some("lbfgs"))
    );
    let history = fixture
        .store
        .metric_history(MetricHistory::of(&run.info.run_id, "loss"))
        .await
        .unwrap();
    assert_eq!(history.items, [metric("loss", 0.7, 1), metric("loss", 0.6, 2)]);
    let unknown = fixture
        .store
        .metric_history(MetricHistory::of(&run.info.run_id, "f1"))
        .await
        .unwrap();
    assert_eq!((unknown.items, unknown.next_page_token), (vec![], None));
}

pub(super) async fn repeating_a_batch_changes_nothing(fixture: Fixture) {
    let run_id = fixture.run().await.info.run_id;
    let batch = LogBatch {
        metrics: vec![
            metric("loss", 0.7, 1),
            metric("loss", f64::NAN, 2),
            metric("loss", 0.7, 1),
        ],
        ..params(&[("solver", "lbfgs")])
    };
    fixture.store.log_batch(&run_id, batch.clone()).await.unwrap();
    let once = fixture.store.get_run(&run_id).await.unwrap();
    for _ in 0..3 {
        fixture.store.log_batch(&run_id, batch.clone()).await.unwrap();
    }
    let again = fixture.store.get_run(&run_id).await.unwrap();
    assert_eq!(again.params, once.params);
    assert!(again.metric("loss").unwrap().is_nan());
    let history = fixture
        .store
        .metric_history(MetricHistory::of(&run_id, "loss"))
        .await
        .unwrap();
    assert_eq!(history.items.len(), 2);
}

pub(super) async fn a_param_never_changes_and_takes_its_batch_with_it(fixture: Fixture) {
    let run_id = fixture.run().await.info.run_id;
    fixture
        .store
        .log_batch(&run_id, params(&[("reg", "0.1")]))
        .await
        .unwrap();
    let before = fixture.store.get_run(&run_id).await.unwrap();
    let batch = LogBatch {
        metrics: vec![metric("loss", 1.0, 1)],
        tags: vec![Tag::new("a", "1"), Tag::new("mlflow.runName", "renamed")],
        ..params(&[("new", "1"), ("reg", "0.2")])
    };
    let error = fixture.store.log_batch(&run_id, batch).await.unwrap_err();
    assert!(matches!(error, TrackingError::ParamChanged { .. }), "{error:?}");
    assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
    assert_eq!(
        error.to_string(),
        format!(
            "Changing param values is not allowed. Param with key='reg' was already logged with value='0.1' for run \
             ID='{run_id}'. Attempted logging new value '0.2'."
        )
    );
    assert_eq!(fixture.store.get_run(&run_id).await.unwrap(), before);
}

pub(super) async fn every_double_comes_back(fixture: Fixture) {
    let run_id = fixture.run().await.info.run_id;
    let values = [
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        0.1 + 0.2,
        9_007_199_254_740_993.0,
        -1.0,
        0.0,
    ];
    for (step, value) in (0..).zip(values) {
        fixture
            .store
            .log_batch(&run_id, metrics([metric("all", value, step)]))
            .await
            .unwrap();
        let latest = fixture
            .store
            .get_run(&run_id)
            .await
            .unwrap()
            .metric("all")
            .unwrap();
        assert!(
            latest.to_bits() == value.to_bits() || (latest.is_nan() && value.is_nan()),
            "{latest} {value}"
        );
    }
    let history = fixture
        .store
        .metric_history(MetricHistory::of(&run_id, "all"))
        .await
        .unwrap()
        .items;
    assert_eq!(history.len(), values.len());
    for (point, value) in history.iter().zip(values) {
        assert!(point.value == value || (point.value.is_nan() && value.is_nan()));
    }
    // The two zeros are one value.
    fixture
        .store
        .log_batch(&run_id, metrics([metric("all", -0.0, 10)]))
        .await
        .unwrap();
    let history = fixture
        .store
        .metric_history(MetricHistory::of(&run_id, "all"))
        .await
        .unwrap()
        .items;
    assert_eq!(history.len(), values.len());
}

pub(super) async fn the_latest_point_does_not_depend_on_the_order_of_arrival(fixture: Fixture) {
    let point = |value: f64, timestamp_ms: i64, step: i64| Metric {
        timestamp_ms: START_MS + timestamp_ms,
        ..metric("m", value, step)
    };
    // Each comes after the one before: value, then timestamp, then step decide.
    let ascending = [
        point(f64::NAN, 0, -1),
        point(1.0, 0, -1),
        point(2.0, 0, -1),
        point(f64::INFINITY, 0, -1),
        point(0.0, 7, -1),
        point(-1.0, 3, 4),
    ];
    let last = ascending.last().unwrap();
    for rotation in 0..ascending.len() {
        let mut arrival = ascending.to_vec();
        arrival.rotate_left(rotation);
        let one_by_one = fixture.run().await.info.run_id;
        for metric in &arrival {
            fixture
                .store
                .log_batch(&one_by_one, metrics([metric.clone()]))
                .await
                .unwrap();
        }
        let at_once = fixture.run().await.info.run_id;
        fixture
            .store
            .log_batch(&at_once, metrics(arrival.into_iter().rev()))
            .await
            .unwrap();
        for run_id in [one_by_one, at_once] {
            let run = fixture.store.get_run(&run_id).await.unwrap();
            assert_eq!(run.metrics, std::slice::from_ref(last));
        }
    }
    for pair in ascending.windows(2) {
        let run_id = fixture.run().await.info.run_id;
        fixture
            .store
            .log_batch(&run_id, metrics([pair[1].clone()]))
            .await
            .unwrap();
        fixture
            .store
            .log_batch(&run_id, metrics([pair[0].clone()]))
            .await
            .unwrap();
        let run = fixture.store.get_run(&run_id).await.unwrap();
        assert_eq!(run.metrics, pair[1..]);
    }
}

pub(super) async fn a_history_goes_page_by_page(fixture: Fixture) {
    let run_id = fixture.run().await.info.run_id;
    let at = |timestamp_ms: i64, step: i64, value: f64| Metric {
        timestamp_ms,
        ..metric("loss", value, step)
    };
    // By timestamp, then step, then value, NaN last.
    let expected = [
        at(0, -3, 1.0),
        at(0, 0, f64::NEG_INFINITY),
        at(0, 0, -2.5),
        at(0, 0, 0.0),
        at(0, 0, f64::INFINITY),
        at(0, 0, f64::NAN),
        at(0, 1, 0.5),
        at(9, -9, 0.25),
    ];
    fixture
        .store
        .log_batch(&run_id, metrics(expected.iter().rev().cloned()))
        .await
        .unwrap();
    for max_results in 1..=expected.len() {
        let mut seen = Vec::new();
        let mut request = MetricHistory {
            max_results,
            ..MetricHistory::of(&run_id, "loss")
        };
        loop {
            let page = fixture.store.metric_history(request.clone()).await.unwrap();
            assert!(page.items.len() <= max_results);
            seen.extend(page.items);
            let Some(token) = page.next_page_token else { break };
            request.page_token = Some(token);
        }
        // NaN is not equal to itself, its text is.
        assert_eq!(
            format!("{seen:?}"),
            format!("{expected:?}"),
            "pages of {max_results}"
        );
    }
    for (max_results, page_token) in [(0, None), (25_001, None), (1, Some("1:2".to_owned()))] {
        let request = MetricHistory {
            max_results,
            page_token,
            ..MetricHistory::of(&run_id, "loss")
        };
        let error = fixture.store.metric_history(request).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
    }
}

pub(super) async fn writers_of_one_run_lose_nothing(fixture: Fixture) {
    let run_id: Arc<str> = fixture.run().await.info.run_id.into();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (store, run_id) = (Arc::clone(&fixture.store), Arc::clone(&run_id));
            tokio::spawn(async move {
                for step in 0..20 {
                    let own = metric(&format!("writer {writer}"), 0.5, step);
                    let shared = metric("shared", f64::from(writer), step);
                    store.log_batch(&run_id, metrics([own, shared])).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let shared = fixture
        .store
        .metric_history(MetricHistory::of(&*run_id, "shared"))
        .await
        .unwrap();
    assert_eq!(shared.items.len(), 8 * 20);
    let run = fixture.store.get_run(&run_id).await.unwrap();
    assert_eq!(run.metrics.len(), 9);
    assert_eq!(run.metric("shared"), Some(7.0));
}

pub(super) async fn a_tag_can_be_removed(fixture: Fixture) {
    let store = &fixture.store;
    let run_id = fixture.run().await.info.run_id;
    store.set_tag(&run_id, Tag::new("note", "1")).await.unwrap();
    store.delete_tag(&run_id, "note").await.unwrap();
    assert_eq!(store.get_run(&run_id).await.unwrap().tag("note"), None);
    let error = store.delete_tag(&run_id, "note").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ResourceDoesNotExist);
    assert_eq!(
        error.to_string(),
        format!("No tag with name: note in run with id {run_id}")
    );
}

pub(super) async fn summaries_know_the_extremes(fixture: Fixture) {
    let store = &fixture.store;
    let run_id = fixture.run().await.info.run_id;
    let first = [
        metric("loss", 0.5, 3),
        metric("loss", f64::NAN, 4),
        metric("loss", 0.5, 2),
        metric("nan", f64::NAN, 1),
    ];
    store.log_batch(&run_id, metrics(first.clone())).await.unwrap();
    // Again: the same points count once.
    store.log_batch(&run_id, metrics(first)).await.unwrap();
    let second = [
        metric("loss", 0.25, 1),
        metric("loss", f64::INFINITY, 0),
        metric("loss", 0.25, 9),
    ];
    store.log_batch(&run_id, metrics(second)).await.unwrap();

    let summaries = store.metric_summaries(&run_id).await.unwrap();
    let [loss, nan] = &summaries[..] else {
        panic!("{summaries:?}")
    };
    let extreme = |value: f64, step: i64| Some(Extreme { value, step });
    assert_eq!((loss.key.as_str(), loss.count), ("loss", 6));
    assert_eq!(
        (loss.min, loss.max),
        (extreme(0.25, 1), extreme(f64::INFINITY, 0))
    );
    assert_eq!(loss.latest, metric("loss", 0.25, 9));
    assert_eq!(
        (nan.key.as_str(), nan.count, nan.min, nan.max),
        ("nan", 1, None, None)
    );
    assert!(nan.latest.value.is_nan());
    assert_eq!(
        store.metric_summaries("none").await.unwrap_err().code(),
        ErrorCode::ResourceDoesNotExist
    );
}

pub(super) async fn every_model_of_a_run_is_recorded(fixture: Fixture) {
    let run_id: Arc<str> = fixture.run().await.info.run_id.into();
    let recorders: Vec<_> = (0..6)
        .map(|number| {
            let (store, run_id) = (Arc::clone(&fixture.store), Arc::clone(&run_id));
            tokio::spawn(async move {
                let model =
                    serde_json::json!({"artifact_path": number, "flavors": {"big": "x".repeat(3000)}});
                store.record_model(&run_id, model).await.unwrap();
            })
        })
        .collect();
    for recorder in recorders {
        recorder.await.unwrap();
    }
    let run = fixture.store.get_run(&run_id).await.unwrap();
    let models: Vec<serde_json::Value> =
        serde_json::from_str(run.tag("mlflow.log-model.history").unwrap()).unwrap();
    let mut paths: Vec<i64> = models
        .iter()
        .map(|model| model["artifact_path"].as_i64().unwrap())
        .collect();
    paths.sort_unstable();
    assert_eq!(paths, [0, 1, 2, 3, 4, 5]);
}
