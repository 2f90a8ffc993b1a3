//! Logged models: their life, and the metrics that judge them.

use rookery_tracking::search::OrderField;
use rookery_tracking::{
    CreateLoggedModel, DatasetFilter, DatasetId, ErrorCode, LogBatch, LoggedModel, LoggedModelStatus, Metric,
    ModelMetric, Param, SearchLoggedModels, Tag,
};

use crate::fixture::{Fixture, START_MS, metric};

fn named(name: &str) -> CreateLoggedModel {
    CreateLoggedModel {
        experiment_id: "0".to_owned(),
        name: Some(name.to_owned()),
        ..CreateLoggedModel::default()
    }
}

fn judged(model: &LoggedModel, run_id: &str, dataset: Option<&str>, metric: Metric) -> ModelMetric {
    ModelMetric {
        model_id: model.model_id.clone(),
        run_id: run_id.to_owned(),
        dataset: dataset.map(|name| DatasetId {
            name: name.to_owned(),
            digest: "d".to_owned(),
        }),
        metric,
    }
}

fn judging(model_metrics: Vec<ModelMetric>) -> LogBatch {
    LogBatch {
        model_metrics,
        ..LogBatch::default()
    }
}

pub(super) async fn a_new_model_is_pending(fixture: Fixture) {
    let request = CreateLoggedModel {
        source_run_id: Some("r".to_owned()),
        model_type: "onnx".to_owned(),
        params: vec![Param::new("b", 2), Param::new("a", 1)],
        tags: vec![Tag::new("y", 2), Tag::new("x", 1)],
        ..named("classifier")
    };
    let model = fixture.store.create_logged_model(request).await.unwrap();
    assert_eq!(model.model_id.len(), 34);
    assert!(model.model_id.starts_with("m-"));
    assert_eq!(
        model.artifact_uri,
        format!("mlflow-artifacts:/0/models/{}/artifacts", model.model_id)
    );
    assert_eq!(
        (model.status, model.creation_timestamp_ms),
        (LoggedModelStatus::Pending, START_MS)
    );
    assert_eq!(model.params, [Param::new("a", 1), Param::new("b", 2)]);
    assert_eq!(model.tags, [Tag::new("x", 1), Tag::new("y", 2)]);
    assert_eq!(
        fixture.store.get_logged_model(&model.model_id).await.unwrap(),
        model
    );

    let unnamed = CreateLoggedModel {
        name: None,
        ..named("")
    };
    assert_ne!(fixture.store.create_logged_model(unnamed).await.unwrap().name, "");
}

pub(super) async fn a_model_changes_its_status_tags_and_params(fixture: Fixture) {
    let store = &fixture.store;
    let mut model = store.create_logged_model(named("m")).await.unwrap();
    let id = model.model_id.clone();
    fixture.environment.advance_ms(7);
    store
        .set_logged_model_tags(&id, vec![Tag::new("a", 1), Tag::new("b", 1)])
        .await
        .unwrap();
    store
        .set_logged_model_tags(&id, vec![Tag::new("a", 2)])
        .await
        .unwrap();
    store.delete_logged_model_tag(&id, "b").await.unwrap();
    store
        .log_logged_model_params(&id, vec![Param::new("p", 1)])
        .await
        .unwrap();
    store
        .log_logged_model_params(&id, vec![Param::new("p", 1)])
        .await
        .unwrap();
    let ready = store
        .finalize_logged_model(&id, LoggedModelStatus::Ready)
        .await
        .unwrap();
    model.tags = vec![Tag::new("a", 2)];
    model.params = vec![Param::new("p", 1)];
    model.status = LoggedModelStatus::Ready;
    model.last_updated_timestamp_ms = START_MS + 7;
    assert_eq!(ready, model);
    assert_eq!(store.get_logged_model(&id).await.unwrap(), model);

    let error = store.delete_logged_model_tag(&id, "b").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("No tag with key 'b' found for model with ID '{id}'.")
    );
    let error = store
        .log_logged_model_params(&id, vec![Param::new("p", 2)])
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
}

pub(super) async fn a_deleted_model_is_not_there(fixture: Fixture) {
    let store = &fixture.store;
    let id = store.create_logged_model(named("m")).await.unwrap().model_id;
    store.delete_logged_model(&id).await.unwrap();
    // As in MLflow, deleting it twice is harmless.
    store.delete_logged_model(&id).await.unwrap();
    let errors = [
        store.get_logged_model(&id).await.unwrap_err(),
        store.set_logged_model_tags(&id, vec![]).await.unwrap_err(),
        store.log_logged_model_params(&id, vec![]).await.unwrap_err(),
        store
            .finalize_logged_model(&id, LoggedModelStatus::Ready)
            .await
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.code(), ErrorCode::ResourceDoesNotExist);
        assert_eq!(
            error.to_string(),
            format!("Logged model with ID '{id}' not found.")
        );
    }
    let request = SearchLoggedModels::of(vec!["0".to_owned()]);
    assert_eq!(store.search_logged_models(request).await.unwrap().items, []);
}

pub(super) async fn bad_models_are_refused(fixture: Fixture) {
    let store = &fixture.store;
    for name in ["", "a/b", "a:b", "a.b", "a%b", "a\"b", "a'b"] {
        let error = store.create_logged_model(named(name)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidParameterValue, "{name:?}");
    }
    let error = store.create_logged_model(named("v1.0")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Invalid model name ('v1.0') provided. Model name must be a non-empty string and cannot contain the following \
         characters: ('/', ':', '.', '%', '\"', \"'\")"
    );
    store.delete_experiment("0").await.unwrap();
    let error = store.create_logged_model(named("m")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
}

pub(super) async fn metrics_of_a_batch_judge_a_model(fixture: Fixture) {
    let store = &fixture.store;
    let run_id = fixture.run().await.info.run_id;
    let model = store.create_logged_model(named("m")).await.unwrap();
    let on = |dataset, key: &str, value, step| judged(&model, &run_id, dataset, metric(key, value, step));
    let sorted = vec![
        on(None, "auc", 0.5, 1),
        on(None, "auc", 0.25, 2),
        on(Some("test"), "auc", f64::INFINITY, 1),
        on(Some("train"), "auc", 0.75, 1),
        on(None, "loss", 1.0, 1),
    ];
    for _ in 0..2 {
        let batch = judging(sorted.iter().rev().cloned().collect());
        store.log_batch(&run_id, batch).await.unwrap();
    }
    assert_eq!(
        store.get_logged_model(&model.model_id).await.unwrap().metrics,
        sorted
    );
    // Judging a model alone leaves the run's own curves as they are.
    assert!(store.get_run(&run_id).await.unwrap().metrics.is_empty());

    let unknown = ModelMetric {
        model_id: "m-0".to_owned(),
        ..on(None, "auc", 0.5, 1)
    };
    let error = store
        .log_batch(&run_id, judging(vec![unknown]))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "Logged model with ID 'm-0' not found.");
    assert_eq!(error.code(), ErrorCode::ResourceDoesNotExist);
}

async fn all_names(fixture: &Fixture, mut request: SearchLoggedModels) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let page = fixture.store.search_logged_models(request.clone()).await.unwrap();
        names.extend(page.items.into_iter().map(|model| model.name));
        let Some(token) = page.next_page_token else {
            return names;
        };
        request.page_token = Some(token);
    }
}

fn by(field: &str, dataset: Option<&str>) -> OrderField {
    OrderField {
        dataset_name: dataset.map(str::to_owned),
        ..OrderField::of(field, true)
    }
}

/// `NAME` or `NAME/DIGEST`.
fn dataset(text: &str) -> DatasetFilter {
    let (name, digest) = text
        .split_once('/')
        .map_or((text, None), |(name, digest)| (name, Some(digest)));
    DatasetFilter {
        name: name.to_owned(),
        digest: digest.map(str::to_owned),
    }
}

pub(super) async fn models_are_found_by_everything_they_have(fixture: Fixture) {
    let store = &fixture.store;
    let run_id = fixture.run().await.info.run_id;
    for (name, auc, test_auc) in [
        ("one", Some(0.5), Some(0.9)),
        ("two", Some(0.7), None),
        ("three", Some(f64::NAN), Some(0.1)),
        ("four", None, None),
    ] {
        fixture.environment.advance_ms(1);
        let request = CreateLoggedModel {
            params: vec![Param::new("length", name.len())],
            tags: vec![Tag::new("initial", &name[..1])],
            model_type: if name == "one" { "onnx" } else { "" }.to_owned(),
            ..named(name)
        };
        let model = store.create_logged_model(request).await.unwrap();
        let model_metrics = [(None, auc, 2), (Some("test"), test_auc, 1)];
        let model_metrics = model_metrics
            .into_iter()
            .filter_map(|(dataset, value, step)| {
                Some(judged(&model, &run_id, dataset, metric("auc", value?, step)))
            })
            .collect();
        store.log_batch(&run_id, judging(model_metrics)).await.unwrap();
        if name == "two" {
            let ready = LoggedModelStatus::Ready;
            store.finalize_logged_model(&model.model_id, ready).await.unwrap();
        }
    }
    for max_results in 1..=5 {
        for (filter, order, expected) in [
            ("", &[][..], &["four", "three", "two", "one"][..]),
            ("", &["name ASC"], &["four", "one", "three", "two"]),
            ("", &["metrics.auc DESC"], &["two", "one", "three", "four"]),
            ("", &["metrics.auc ASC"], &["one", "two", "three", "four"]),
            ("metrics.auc > 0.6", &[], &["two", "one"]),
            ("params.length = '3'", &[], &["two", "one"]),
            ("tags.initial = 't' AND name != 'two'", &[], &["three"]),
            ("status = 'READY'", &[], &["two"]),
            ("model_type = 'onnx'", &[], &["one"]),
            ("", &["model_type ASC"], &["one", "four", "three", "two"]),
        ] {
            let order = order.iter().map(|term| match term.split_once(' ') {
                Some((field, direction)) => OrderField::of(field, direction == "ASC"),
                None => OrderField::of(*term, true),
            });
            let request = SearchLoggedModels {
                filter: filter.to_owned(),
                order_by: order.collect(),
                max_results,
                ..SearchLoggedModels::of(vec!["0".to_owned()])
            };
            let order = request.order_by.clone();
            let found = all_names(&fixture, request).await;
            assert_eq!(found, expected, "{filter} {order:?} {max_results}");
        }
    }
    for (datasets, filter, order_by, expected) in [
        (&["test"][..], "", by("name", None), &["one", "three"][..]),
        (&["train", "test/d"], "", by("name", None), &["one", "three"]),
        (&["train"], "", by("name", None), &[]),
        (&["test/e"], "", by("name", None), &[]),
        (&["test"], "metrics.auc > 0.6", by("name", None), &["one"]),
        (
            &["test"],
            "metrics.auc > 0",
            by("metrics.auc", Some("test")),
            &["three", "one"],
        ),
        (
            &["test"],
            "metrics.auc > 0 AND params.length = '3'",
            by("name", None),
            &["one"],
        ),
        (
            &[],
            "",
            by("metrics.auc", Some("test")),
            &["three", "one", "four", "two"],
        ),
        (
            &[],
            "",
            by("metrics.auc", Some("train")),
            &["four", "three", "two", "one"],
        ),
    ] {
        for max_results in 1..=5 {
            let request = SearchLoggedModels {
                filter: filter.to_owned(),
                datasets: datasets.iter().map(|text| dataset(text)).collect(),
                order_by: vec![order_by.clone()],
                max_results,
                ..SearchLoggedModels::of(vec!["0".to_owned()])
            };
            let found = all_names(&fixture, request).await;
            assert_eq!(
                found, expected,
                "{datasets:?} {filter} {order_by:?} {max_results}"
            );
        }
    }
    let refused = SearchLoggedModels {
        datasets: vec![dataset("")],
        ..SearchLoggedModels::of(vec!["0".to_owned()])
    };
    let error = store.search_logged_models(refused).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
    assert!(error.to_string().contains("`dataset_name`"), "{error}");
    let nobody = SearchLoggedModels::of(vec!["9".to_owned()]);
    assert_eq!(store.search_logged_models(nobody).await.unwrap().items, []);
}
