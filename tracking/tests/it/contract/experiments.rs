//! Experiments: names, lifecycle, listings.

use std::collections::BTreeSet;
use std::sync::Arc;

use rookery_tracking::{
    CreateExperiment, ErrorCode, LifecycleStage, ListExperiments, ListRuns, Tag, TrackingError, ViewType,
};

use crate::fixture::{Fixture, START_MS, run_in};

pub(super) async fn a_new_store_has_only_the_default_experiment(fixture: Fixture) {
    let page = fixture
        .store
        .list_experiments(ListExperiments::default())
        .await
        .unwrap();
    let [default] = &page.items[..] else {
        panic!("{page:?}")
    };
    assert_eq!(
        (default.experiment_id.as_str(), default.name.as_str()),
        ("0", "Default")
    );
    assert_eq!(default.creation_time_ms, START_MS);
    assert_eq!(page.next_page_token, None);
}

pub(super) async fn a_created_experiment_is_found_by_id_and_by_name(fixture: Fixture) {
    let tags = vec![Tag::new("b", "2"), Tag::new("a", "1")];
    let request = CreateExperiment {
        tags,
        ..CreateExperiment::named("pingüinos de Ushuaia 🐧")
    };
    let created = fixture.store.create_experiment(request).await.unwrap();
    assert_eq!(created.experiment_id, "1");
    assert_eq!(created.artifact_location, "mlflow-artifacts:/1");
    assert_eq!(created.tags, [Tag::new("a", "1"), Tag::new("b", "2")]);
    assert_eq!(fixture.store.get_experiment("1").await.unwrap(), created);
    assert_eq!(
        fixture.store.get_experiment_by_name(&created.name).await.unwrap(),
        Some(created)
    );
    assert_eq!(
        fixture.store.get_experiment_by_name("pingüinos").await.unwrap(),
        None
    );
}

pub(super) async fn a_name_is_taken_even_by_a_deleted_experiment(fixture: Fixture) {
    let request = CreateExperiment::named("lab");
    fixture.store.create_experiment(request.clone()).await.unwrap();
    let error = fixture
        .store
        .create_experiment(request.clone())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::ResourceAlreadyExists);
    assert_eq!(
        error.to_string(),
        "an experiment named \"lab\" already exists: experiment 1, active"
    );

    fixture.store.delete_experiment("1").await.unwrap();
    let error = fixture.store.create_experiment(request).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ResourceAlreadyExists);
    assert_eq!(
        error.hint().unwrap(),
        "restore experiment 1, or choose another name"
    );
}

pub(super) async fn callers_racing_for_one_name_get_one_experiment(fixture: Fixture) {
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&fixture.store);
            tokio::spawn(async move {
                store
                    .get_or_create_experiment("race")
                    .await
                    .unwrap()
                    .experiment_id
            })
        })
        .collect();
    let mut ids = BTreeSet::new();
    for caller in callers {
        ids.insert(caller.await.unwrap());
    }
    assert_eq!(ids, BTreeSet::from(["1".to_owned()]));
}

pub(super) async fn get_or_create_refuses_a_deleted_experiment(fixture: Fixture) {
    fixture.store.get_or_create_experiment("lab").await.unwrap();
    fixture.store.delete_experiment("1").await.unwrap();
    let error = fixture.store.get_or_create_experiment("lab").await.unwrap_err();
    assert!(
        matches!(error, TrackingError::ExperimentDeleted { .. }),
        "{error:?}"
    );
    assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
}

pub(super) async fn a_listing_goes_page_by_page_newest_first(fixture: Fixture) {
    for number in 1..=12 {
        fixture
            .store
            .get_or_create_experiment(&format!("experiment {number}"))
            .await
            .unwrap();
    }
    let mut seen = Vec::new();
    let mut request = ListExperiments {
        max_results: 5,
        ..ListExperiments::default()
    };
    loop {
        let page = fixture.store.list_experiments(request.clone()).await.unwrap();
        assert!(page.items.len() <= 5);
        seen.extend(page.items.into_iter().map(|experiment| experiment.experiment_id));
        let Some(token) = page.next_page_token else { break };
        request.page_token = Some(token);
    }
    let expected: Vec<String> = (0..=12).rev().map(|number| number.to_string()).collect();
    assert_eq!(seen, expected);
}

pub(super) async fn deleting_takes_the_runs_along_and_restoring_brings_them_back(fixture: Fixture) {
    let experiment = fixture.store.get_or_create_experiment("lab").await.unwrap();
    let run = fixture
        .store
        .create_run(run_in(&experiment.experiment_id))
        .await
        .unwrap();
    fixture.environment.advance_ms(5);
    fixture.store.delete_experiment("1").await.unwrap();
    fixture.store.delete_experiment("1").await.unwrap();

    let deleted = fixture.store.get_experiment("1").await.unwrap();
    assert_eq!(deleted.lifecycle_stage, LifecycleStage::Deleted);
    assert_eq!(deleted.last_update_time_ms, START_MS + 5);
    assert!(
        fixture
            .store
            .list_runs(ListRuns::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let only_deleted = ListExperiments {
        view: ViewType::DeletedOnly,
        ..ListExperiments::default()
    };
    assert_eq!(
        fixture.store.list_experiments(only_deleted).await.unwrap().items,
        [deleted]
    );

    fixture.store.restore_experiment("1").await.unwrap();
    assert_eq!(fixture.store.get_run(&run.info.run_id).await.unwrap(), run);
    assert_eq!(
        fixture
            .store
            .list_experiments(ListExperiments::default())
            .await
            .unwrap()
            .items
            .len(),
        2
    );
}

pub(super) async fn an_id_that_is_not_there_is_named_in_the_error(fixture: Fixture) {
    for id in [
        "99",
        "-1",
        "00",
        "+0",
        "x",
        "",
        "0; DROP TABLE runs",
        "99999999999999999999",
    ] {
        let error = fixture.store.get_experiment(id).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ResourceDoesNotExist, "{id:?}");
        assert_eq!(error.to_string(), format!("experiment {id:?} does not exist"));
        assert_eq!(
            fixture.store.delete_experiment(id).await.unwrap_err().code(),
            ErrorCode::ResourceDoesNotExist
        );
        assert_eq!(
            fixture.store.create_run(run_in(id)).await.unwrap_err().code(),
            ErrorCode::ResourceDoesNotExist
        );
    }
}

pub(super) async fn bad_experiments_are_refused(fixture: Fixture) {
    let long = CreateExperiment::named("é".repeat(501));
    let bad_tag = CreateExperiment {
        tags: vec![Tag::new("a$b", "1")],
        ..CreateExperiment::named("lab")
    };
    for request in [CreateExperiment::named(""), long, bad_tag] {
        let error = fixture.store.create_experiment(request).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
    }
    fixture
        .store
        .create_experiment(CreateExperiment::named("é".repeat(500)))
        .await
        .unwrap();
    for max_results in [0, 50_001] {
        let request = ListExperiments {
            max_results,
            ..ListExperiments::default()
        };
        let error = fixture.store.list_experiments(request).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("invalid max_results: expected 1 to 50000, got {max_results}")
        );
    }
}
