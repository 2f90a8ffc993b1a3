//! Versions of registered models: numbers, sources, tags, times, and what a new name of the model means for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use rookery_tracking::{CreateLoggedModel, CreateModelVersion, ErrorCode, Tag};

use super::registry::{PENGUINS, STORE, by, version_of};
use crate::fixture::{Fixture, START_MS};

pub(super) async fn a_version_number_is_never_used_twice(fixture: Fixture) {
    let ada = by("ada");
    fixture.model("m").await;
    for expected in 1..=3 {
        assert_eq!(fixture.version("m").await.version, expected);
    }
    fixture.registry.delete_model_version("m", 3, &ada).await.unwrap();
    assert_eq!(fixture.version("m").await.version, 4);

    // Another model of the same name is another model.
    fixture.registry.delete_registered_model("m", &ada).await.unwrap();
    fixture.model("m").await;
    assert_eq!(fixture.version("m").await.version, 1);
}

pub(super) async fn callers_racing_for_versions_get_all_numbers(fixture: Fixture) {
    fixture.model("m").await;
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let registry = Arc::clone(&fixture.registry);
            tokio::spawn(async move {
                let mut numbers = Vec::new();
                for _ in 0..5 {
                    let version = registry.create_model_version(version_of("m"), &by("ada")).await;
                    numbers.push(version.unwrap().version);
                }
                numbers
            })
        })
        .collect();
    let mut numbers = Vec::new();
    for caller in callers {
        numbers.extend(caller.await.unwrap());
    }
    assert_eq!(numbers.len(), 40);
    assert_eq!(BTreeSet::from_iter(numbers), BTreeSet::from_iter(1..=40));
}

pub(super) async fn a_version_knows_the_logged_model_behind_it(fixture: Fixture) {
    let ada = by("ada");
    let run_id = fixture.run().await.info.run_id;
    let request = CreateLoggedModel {
        experiment_id: "0".to_owned(),
        source_run_id: Some(run_id.clone()),
        ..CreateLoggedModel::default()
    };
    let logged = fixture.store.create_logged_model(request).await.unwrap();
    fixture.model("m").await;
    let from = |source: String, model_id: Option<&str>| CreateModelVersion {
        source,
        model_id: model_id.map(str::to_owned),
        ..version_of("m")
    };
    let by_source = from(format!("models:/{}", logged.model_id), Some(&logged.model_id));
    // What is copied from a version has that version's files.
    let copied = from("models:/m/1".to_owned(), None);
    for (request, number) in [(by_source, 1), (copied, 2)] {
        let version = fixture
            .registry
            .create_model_version(request.clone(), &ada)
            .await
            .unwrap();
        assert_eq!((version.version, &version.source), (number, &request.source));
        assert_eq!(version.storage_location, logged.artifact_uri);
        assert_eq!(version.model_id.as_ref(), Some(&logged.model_id));
        assert_eq!(version.run_id, run_id);
        assert_eq!(
            fixture.registry.get_model_version("m", number).await.unwrap(),
            version
        );
    }
    let elsewhere = from(STORE.to_owned(), Some(&logged.model_id));
    let version = fixture
        .registry
        .create_model_version(elsewhere, &ada)
        .await
        .unwrap();
    assert_eq!(
        (version.storage_location.as_str(), version.run_id),
        (STORE, run_id)
    );

    for (source, model_id, code) in [
        ("models:/m-0", None, ErrorCode::ResourceDoesNotExist),
        (STORE, Some("m-0"), ErrorCode::ResourceDoesNotExist),
        ("models:/m/99", None, ErrorCode::ResourceDoesNotExist),
        (
            &*format!("models:/{}", logged.model_id),
            Some("m-0"),
            ErrorCode::InvalidParameterValue,
        ),
        ("models:/m@champion", None, ErrorCode::InvalidParameterValue),
        ("models://host/m-0", None, ErrorCode::InvalidParameterValue),
        ("", None, ErrorCode::InvalidParameterValue),
    ] {
        let request = from(source.to_owned(), model_id);
        let error = fixture
            .registry
            .create_model_version(request, &ada)
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{source:?}: {error}");
    }
    assert_eq!(fixture.version("m").await.version, 4);
}

pub(super) async fn renaming_takes_everything_along(fixture: Fixture) {
    let (registry, ada) = (&fixture.registry, by("ada"));
    fixture.model("before").await;
    fixture.version("before").await;
    registry
        .set_registered_model_tag("before", Tag::new("a", "1"), &ada)
        .await
        .unwrap();
    registry
        .set_model_version_tag("before", 1, Tag::new("b", "2"), &ada)
        .await
        .unwrap();
    registry.set_alias("before", "champion", 1, &ada).await.unwrap();
    let gate = "accuracy >= 0.5".parse().unwrap();
    registry
        .set_alias_gate("before", "champion", Some(gate), &ada)
        .await
        .unwrap();
    let mut model = registry.get_registered_model("before").await.unwrap();
    let gates = registry.alias_gates("before").await.unwrap();

    fixture.environment.advance_ms(5);
    let renamed = registry
        .rename_registered_model("before", PENGUINS, &ada)
        .await
        .unwrap();
    model.name = PENGUINS.to_owned();
    model.last_updated_timestamp_ms = START_MS + 5;
    model.latest_versions[0].name = PENGUINS.to_owned();
    model.latest_versions[0].last_updated_timestamp_ms = START_MS + 5;
    assert_eq!(renamed, model);
    assert_eq!(registry.get_registered_model(PENGUINS).await.unwrap(), model);
    assert_eq!(registry.alias_gates(PENGUINS).await.unwrap(), gates);
    assert_eq!(fixture.version(PENGUINS).await.version, 2);
    fixture.model("before").await;
    assert_eq!(fixture.version("before").await.version, 1);
}

pub(super) async fn a_change_moves_the_times_that_mlflow_moves(fixture: Fixture) {
    let (registry, ada) = (&fixture.registry, by("ada"));
    fixture.model("m").await;
    fixture.version("m").await;
    let changed_after = async || {
        let model = registry.get_registered_model("m").await.unwrap();
        let of_version = model.latest_versions[0].last_updated_timestamp_ms;
        (model.last_updated_timestamp_ms - START_MS, of_version - START_MS)
    };
    let tag = Tag::new("a", "1");
    fixture.environment.advance_ms(1);
    registry
        .set_registered_model_tag("m", tag.clone(), &ada)
        .await
        .unwrap();
    registry.set_model_version_tag("m", 1, tag, &ada).await.unwrap();
    registry.set_alias("m", "champion", 1, &ada).await.unwrap();
    assert_eq!(changed_after().await, (0, 0));
    registry.describe_model_version("m", 1, "d", &ada).await.unwrap();
    assert_eq!(changed_after().await, (0, 1));
    fixture.environment.advance_ms(1);
    registry.describe_registered_model("m", "d", &ada).await.unwrap();
    assert_eq!(changed_after().await, (2, 1));
    fixture.environment.advance_ms(1);
    let stage = rookery_tracking::entities::Stage::Staging;
    registry
        .transition_stage("m", 1, stage, false, &ada)
        .await
        .unwrap();
    assert_eq!(changed_after().await, (3, 3));
    fixture.environment.advance_ms(1);
    fixture.version("m").await;
    registry.delete_model_version("m", 2, &ada).await.unwrap();
    assert_eq!(changed_after().await, (4, 3));
}

pub(super) async fn a_tag_is_set_replaced_and_removed(fixture: Fixture) {
    let (registry, ada) = (&fixture.registry, by("ada"));
    fixture.model("m").await;
    fixture.version("m").await;
    fixture.version("m").await;
    for value in ["1", "ñandú"] {
        registry
            .set_registered_model_tag("m", Tag::new("a/b c", value), &ada)
            .await
            .unwrap();
        registry
            .set_model_version_tag("m", 1, Tag::new("a/b c", value), &ada)
            .await
            .unwrap();
        let expected = [Tag::new("a/b c", value)];
        assert_eq!(registry.get_registered_model("m").await.unwrap().tags, expected);
        assert_eq!(registry.get_model_version("m", 1).await.unwrap().tags, expected);
    }
    assert!(registry.get_model_version("m", 2).await.unwrap().tags.is_empty());
    for _ in 0..2 {
        registry
            .delete_registered_model_tag("m", "a/b c", &ada)
            .await
            .unwrap();
        registry
            .delete_model_version_tag("m", 1, "a/b c", &ada)
            .await
            .unwrap();
    }
    assert!(registry.get_registered_model("m").await.unwrap().tags.is_empty());
    assert!(registry.get_model_version("m", 1).await.unwrap().tags.is_empty());
}
