//! Experiments: names, lifecycle, listings.

use std::collections::BTreeSet;
use std::sync::Arc;

use rookery_tracking::{
    CreateExperiment, ErrorCode, LifecycleStage, SearchExperiments, SearchRuns, Tag, TrackingError, ViewType,
};

use crate::fixture::{Fixture, START_MS, run_in, search};

pub(super) async fn a_new_store_has_only_the_default_experiment(fixture: Fixture) {
    let page = fixture
        .store
        .search_experiments(SearchExperiments::default())
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
        "Experiment(name=lab) already exists: experiment 1, active"
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
        fixture.environment.advance_ms(1);
        fixture
            .store
            .get_or_create_experiment(&format!("experiment {number}"))
            .await
            .unwrap();
    }
    let mut seen = Vec::new();
    let mut request = SearchExperiments {
        search: search("", &[], 5),
        ..SearchExperiments::default()
    };
    loop {
        let page = fixture.store.search_experiments(request.clone()).await.unwrap();
        assert!(page.items.len() <= 5);
        seen.extend(page.items.into_iter().map(|experiment| experiment.experiment_id));
        let Some(token) = page.next_page_token else { break };
        request.search.page_token = Some(token);
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
            .search_runs(SearchRuns::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let only_deleted = SearchExperiments {
        view: ViewType::DeletedOnly,
        ..SearchExperiments::default()
    };
    assert_eq!(
        fixture
            .store
            .search_experiments(only_deleted)
            .await
            .unwrap()
            .items,
        [deleted]
    );

    fixture.store.restore_experiment("1").await.unwrap();
    assert_eq!(fixture.store.get_run(&run.info.run_id).await.unwrap(), run);
    assert_eq!(
        fixture
            .store
            .search_experiments(SearchExperiments::default())
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
        assert_eq!(error.to_string(), format!("No Experiment with id={id} exists"));
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
        let request = SearchExperiments {
            search: search("", &[], max_results),
            ..SearchExperiments::default()
        };
        let error = fixture.store.search_experiments(request).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
        assert!(
            error.to_string().starts_with(&format!(
                "Invalid value {max_results} for parameter 'max_results' supplied. It must be "
            )),
            "{error}"
        );
    }
}

pub(super) async fn an_active_experiment_can_be_renamed(fixture: Fixture) {
    let store = &fixture.store;
    store.get_or_create_experiment("lab").await.unwrap();
    store.get_or_create_experiment("other").await.unwrap();
    fixture.environment.advance_ms(5);
    store.rename_experiment("1", "lab 2").await.unwrap();
    let renamed = store.get_experiment("1").await.unwrap();
    assert_eq!(
        (renamed.name.as_str(), renamed.last_update_time_ms),
        ("lab 2", START_MS + 5)
    );
    store.rename_experiment("1", "lab 2").await.unwrap();

    let taken = store.rename_experiment("1", "other").await.unwrap_err();
    assert_eq!(taken.code(), ErrorCode::ResourceAlreadyExists);
    let empty = store.rename_experiment("1", "").await.unwrap_err();
    assert_eq!(empty.to_string(), "Invalid experiment name: ''");
    let missing = store.rename_experiment("9", "x").await.unwrap_err();
    assert_eq!(missing.code(), ErrorCode::ResourceDoesNotExist);
    store.delete_experiment("1").await.unwrap();
    let deleted = store.rename_experiment("1", "x").await.unwrap_err();
    assert_eq!(deleted.to_string(), "Cannot rename a non-active experiment.");
    assert_eq!(deleted.code(), ErrorCode::InvalidState);
}

pub(super) async fn tags_of_an_experiment_come_and_go(fixture: Fixture) {
    let store = &fixture.store;
    store
        .set_experiment_tag("0", Tag::new("team", "a"))
        .await
        .unwrap();
    store
        .set_experiment_tag("0", Tag::new("team", "b"))
        .await
        .unwrap();
    store
        .set_experiment_tag("0", Tag::new("goal", "x"))
        .await
        .unwrap();
    let tags = store.get_experiment("0").await.unwrap().tags;
    assert_eq!(tags, [Tag::new("goal", "x"), Tag::new("team", "b")]);

    store.delete_experiment_tag("0", "team").await.unwrap();
    assert_eq!(
        store.get_experiment("0").await.unwrap().tags,
        [Tag::new("goal", "x")]
    );
    let error = store.delete_experiment_tag("0", "team").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ResourceDoesNotExist);
    assert_eq!(
        error.to_string(),
        "No tag with name: team in experiment with id 0"
    );
    let long = Tag::new("long", "x".repeat(20_001));
    let error = store.set_experiment_tag("0", long).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "'value' exceeds the maximum length of 20000 characters"
    );

    store.delete_experiment("0").await.unwrap();
    for error in [
        store
            .set_experiment_tag("0", Tag::new("a", "1"))
            .await
            .unwrap_err(),
        store.delete_experiment_tag("0", "goal").await.unwrap_err(),
    ] {
        assert!(
            matches!(error, TrackingError::ExperimentDeleted { .. }),
            "{error:?}"
        );
    }
}
