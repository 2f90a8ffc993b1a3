//! What a batch may hold, and what its keys and values may look like.

use rookery_tracking::{ErrorCode, LogBatch, Metric, MetricHistory, Param, Tag};

use crate::fixture::{Fixture, metric, metrics, params, tags};

pub(super) async fn a_bad_batch_leaves_nothing_behind(fixture: Fixture) {
    let run = fixture.run().await;
    let good = LogBatch {
        metrics: vec![metric("loss", 1.0, 1)],
        ..params(&[("a", "1")])
    };
    let early = Metric {
        timestamp_ms: -1,
        ..metric("loss", 1.0, 2)
    };
    let bad = [
        LogBatch {
            metrics: vec![metric("loss", 1.0, 1), metric("bad$key", 1.0, 1)],
            ..good.clone()
        },
        LogBatch {
            metrics: vec![metric("loss", 1.0, 1), early],
            ..good.clone()
        },
        LogBatch {
            params: vec![Param::new("a", 1), Param::new("a", 1)],
            ..good.clone()
        },
        LogBatch {
            tags: vec![Tag::new("", "1")],
            ..good
        },
    ];
    for batch in bad {
        let error = fixture
            .store
            .log_batch(&run.info.run_id, batch.clone())
            .await
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidParameterValue, "{batch:?}");
    }
    assert_eq!(fixture.store.get_run(&run.info.run_id).await.unwrap(), run);
}

pub(super) async fn a_batch_has_limits(fixture: Fixture) {
    let run_id = fixture.run().await.info.run_id;
    let points = |count: i64| metrics((0..count).map(|step| metric("loss", 0.5, step)));
    let some_params = |count: usize| (0..count).map(|n| Param::new(format!("p{n}"), n)).collect();
    let some_tags = |count: usize| (0..count).map(|n| Tag::new(format!("t{n}"), n)).collect();
    let too_many = [
        (points(1001), "1001 metrics"),
        (
            LogBatch {
                params: some_params(101),
                ..LogBatch::default()
            },
            "101 params",
        ),
        (
            LogBatch {
                tags: some_tags(101),
                ..LogBatch::default()
            },
            "101 tags",
        ),
        (
            LogBatch {
                params: some_params(1),
                ..points(1000)
            },
            "1001 metrics, params, and tags",
        ),
    ];
    for (batch, what) in too_many {
        let error = fixture.store.log_batch(&run_id, batch).await.unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
    let full = LogBatch {
        params: some_params(100),
        tags: some_tags(100),
        ..points(800)
    };
    fixture.store.log_batch(&run_id, full).await.unwrap();
    fixture.store.log_batch(&run_id, points(1000)).await.unwrap();
    fixture
        .store
        .log_batch(&run_id, LogBatch::default())
        .await
        .unwrap();
    let history = fixture
        .store
        .metric_history(MetricHistory::of(&run_id, "loss"))
        .await
        .unwrap();
    assert_eq!(history.items.len(), 1000);
}

pub(super) async fn keys_follow_the_rules(fixture: Fixture) {
    let run_id = fixture.run().await.info.run_id;
    let longest = "ñ".repeat(250);
    for key in [
        "a",
        "train/loss",
        "precision at 0.9: class-1",
        "über_größe",
        "a..b",
        "a..",
        longest.as_str(),
    ] {
        fixture
            .store
            .log_batch(&run_id, params(&[(key, "1")]))
            .await
            .unwrap();
        fixture
            .store
            .log_batch(&run_id, metrics([metric(key, 1.0, 1)]))
            .await
            .unwrap();
    }
    let too_long = "ñ".repeat(251);
    let bad = [
        "",
        "a$b",
        "a\\b",
        "a\nb",
        "a\0b",
        "a%b",
        "a;b",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "../a",
        "..a",
        "a/../b",
        "a/./b",
        too_long.as_str(),
    ];
    for key in bad {
        let in_params = fixture
            .store
            .log_batch(&run_id, params(&[(key, "1")]))
            .await
            .unwrap_err();
        let in_metrics = fixture
            .store
            .log_batch(&run_id, metrics([metric(key, 1.0, 1)]))
            .await
            .unwrap_err();
        let in_tags = fixture
            .store
            .log_batch(&run_id, tags(&[(key, "1")]))
            .await
            .unwrap_err();
        for error in [in_params, in_metrics, in_tags] {
            assert_eq!(error.code(), ErrorCode::InvalidParameterValue, "{key:?}");
        }
    }
}

/// People look for these messages.
pub(super) async fn refusals_are_in_the_words_of_mlflow(fixture: Fixture) {
    let run_id = fixture.run().await.info.run_id;
    let twice = LogBatch {
        params: vec![Param::new("a", 1), Param::new("b", 1), Param::new("a", 2)],
        ..LogBatch::default()
    };
    let expected = [
        (
            metrics([metric("a$b", 1.0, 1)]),
            "Invalid value \"a$b\" for parameter 'name' supplied: Names may only contain alphanumerics, underscores \
             (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).",
        ),
        (
            metrics([metric("a", 1.0, 1), metric("b/../c", 1.0, 1)]),
            "Invalid value \"b/../c\" for parameter 'metrics[1].name' supplied: Names may be treated as files in \
             certain cases, and must not resolve to other names when treated as such. This name would resolve to 'c'",
        ),
        (
            params(&[(&"k".repeat(251), "1")]),
            "'Param key' exceeds the maximum length of 250 characters",
        ),
        (
            metrics((0..1001).map(|step| metric("a", 1.0, step))),
            "A batch logging request can contain at most 1000 metrics. Got 1001 metrics. Please split up metrics \
             across multiple requests and try again.",
        ),
        (
            twice,
            "Duplicate parameter keys have been submitted: ['a']. Please ensure the request contains only one param \
             value per param key.",
        ),
    ];
    for (batch, message) in expected {
        let error = fixture.store.log_batch(&run_id, batch).await.unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
    }
    fixture
        .store
        .log_batch(&run_id, params(&[("a", "1"), ("b", "1")]))
        .await
        .unwrap();
    let changed = params(&[("a", "2"), ("b", "3")]);
    assert_eq!(
        fixture
            .store
            .log_batch(&run_id, changed)
            .await
            .unwrap_err()
            .to_string(),
        format!(
            "Changing param values is not allowed. Params were already logged='[{{'key': 'a', 'old_value': '1', \
             'new_value': '2'}}, {{'key': 'b', 'old_value': '1', 'new_value': '3'}}]' for run ID='{run_id}'."
        )
    );
}

pub(super) async fn long_values_are_cut_not_refused(fixture: Fixture) {
    let run_id = fixture.run().await.info.run_id;
    let long = "ü".repeat(9000);
    fixture
        .store
        .log_batch(&run_id, params(&[("p", &long), ("exact", &long[..12_000])]))
        .await
        .unwrap();
    fixture
        .store
        .log_batch(&run_id, params(&[("p", &long)]))
        .await
        .unwrap();
    fixture
        .store
        .set_tag(&run_id, Tag::new("t", &long))
        .await
        .unwrap();
    let run = fixture.store.get_run(&run_id).await.unwrap();
    assert_eq!(run.param("p").unwrap().chars().count(), 6000);
    assert_eq!(run.param("exact").unwrap().chars().count(), 6000);
    assert_eq!(run.tag("t").unwrap().chars().count(), 8000);
}

pub(super) async fn the_last_of_two_equal_tags_counts(fixture: Fixture) {
    let run_id = fixture.run().await.info.run_id;
    fixture
        .store
        .log_batch(&run_id, tags(&[("a", "1"), ("a", "2")]))
        .await
        .unwrap();
    assert_eq!(fixture.store.get_run(&run_id).await.unwrap().tag("a"), Some("2"));
    fixture.store.set_tag(&run_id, Tag::new("a", "")).await.unwrap();
    assert_eq!(fixture.store.get_run(&run_id).await.unwrap().tag("a"), Some(""));
}
