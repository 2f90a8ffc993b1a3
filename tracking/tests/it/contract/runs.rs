//! Runs: identity, names, status, listings, deletion.

use std::collections::BTreeSet;

use rookery_tracking::entities::{TAG_PARENT_RUN_ID, TAG_RUN_NAME};
use rookery_tracking::{
    CreateRun, ErrorCode, LifecycleStage, MetricHistory, RunStatus, Search, SearchRuns, Tag, TrackingError,
    UpdateRun, ViewType,
};

use crate::fixture::{Fixture, START_MS, metric, metrics, params, run_in, search};

pub(super) async fn a_new_run_has_an_id_a_name_and_a_place(fixture: Fixture) {
    let run = fixture.run().await;
    let info = &run.info;
    assert_eq!(info.run_id.len(), 32);
    assert!(
        info.run_id
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    );
    assert_eq!(info.run_name.split('-').count(), 3, "{}", info.run_name);
    assert_eq!(
        info.artifact_uri,
        format!("mlflow-artifacts:/0/{}/artifacts", info.run_id)
    );
    assert_eq!(
        (info.status, info.lifecycle_stage),
        (RunStatus::Running, LifecycleStage::Active)
    );
    assert_eq!((info.start_time_ms, info.end_time_ms), (START_MS, None));
    assert_eq!((info.user_id.as_str(), info.owner.as_deref()), ("ada", None));
    assert_eq!(run.tag(TAG_RUN_NAME), Some(info.run_name.as_str()));
    assert_eq!(fixture.store.get_run(&info.run_id).await.unwrap(), run);
}

pub(super) async fn the_same_seed_gives_the_same_ids_and_names(fixture: Fixture) {
    let (same, run) = (Fixture::memory().await.unwrap().run().await, fixture.run().await);
    assert_eq!(
        (run.info.run_id, run.info.run_name),
        (same.info.run_id, same.info.run_name)
    );
    assert_ne!(fixture.run().await.info.run_name, "");
}

pub(super) async fn a_given_name_is_kept_in_the_field_and_in_the_tag(fixture: Fixture) {
    let by_field = CreateRun {
        run_name: Some("primera".to_owned()),
        ..run_in("0")
    };
    let by_tag = CreateRun {
        tags: vec![Tag::new(TAG_RUN_NAME, "primera")],
        ..run_in("0")
    };
    let by_both = CreateRun {
        run_name: Some("primera".to_owned()),
        ..by_tag.clone()
    };
    for request in [by_field, by_tag, by_both] {
        let run = fixture.store.create_run(request).await.unwrap();
        assert_eq!(run.info.run_name, "primera");
        assert_eq!(run.tags, [Tag::new(TAG_RUN_NAME, "primera")]);
    }
    let unnamed = CreateRun {
        run_name: Some(String::new()),
        ..run_in("0")
    };
    assert_ne!(fixture.store.create_run(unnamed).await.unwrap().info.run_name, "");
}

pub(super) async fn a_name_and_a_tag_that_differ_are_refused(fixture: Fixture) {
    let tags = vec![Tag::new(TAG_RUN_NAME, "one")];
    let request = CreateRun {
        run_name: Some("two".to_owned()),
        tags,
        ..run_in("0")
    };
    let error = fixture.store.create_run(request).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
    assert!(
        error
            .to_string()
            .ends_with("(run_name='two', mlflow.runName='one')."),
        "{error}"
    );
}

pub(super) async fn a_nested_run_names_its_parent(fixture: Fixture) {
    let parent = fixture.run().await.info.run_id;
    let request = CreateRun {
        parent_run_id: Some(parent.clone()),
        ..run_in("0")
    };
    let child = fixture.store.create_run(request).await.unwrap();
    assert_eq!(child.tag(TAG_PARENT_RUN_ID), Some(parent.as_str()));
    assert_eq!(fixture.store.get_run(&child.info.run_id).await.unwrap(), child);

    let orphan = CreateRun {
        parent_run_id: Some("no-such-run".to_owned()),
        ..run_in("0")
    };
    let error = fixture.store.create_run(orphan).await.unwrap_err();
    assert_eq!(error.to_string(), "Run with id=no-such-run not found");
}

pub(super) async fn a_deleted_experiment_takes_no_runs(fixture: Fixture) {
    fixture.store.delete_experiment("0").await.unwrap();
    let error = fixture.store.create_run(run_in("0")).await.unwrap_err();
    assert!(
        matches!(error, TrackingError::ExperimentDeleted { .. }),
        "{error:?}"
    );
}

pub(super) async fn ending_a_run_keeps_everything_else(fixture: Fixture) {
    let mut run = fixture.run().await;
    let change = UpdateRun::end(RunStatus::Finished, START_MS + 90_000);
    let info = fixture.store.update_run(&run.info.run_id, change).await.unwrap();
    run.info.status = RunStatus::Finished;
    run.info.end_time_ms = Some(START_MS + 90_000);
    assert_eq!(info, run.info);
    assert_eq!(fixture.store.get_run(&info.run_id).await.unwrap(), run);
    // A late point of the last round is still welcome.
    fixture
        .store
        .log_batch(&info.run_id, metrics([metric("loss", 0.5, 1)]))
        .await
        .unwrap();
}

pub(super) async fn renaming_by_field_or_by_tag_is_the_same(fixture: Fixture) {
    let run_id = fixture.run().await.info.run_id;
    let rename = UpdateRun {
        run_name: Some("segunda".to_owned()),
        ..UpdateRun::default()
    };
    assert_eq!(
        fixture.store.update_run(&run_id, rename).await.unwrap().run_name,
        "segunda"
    );
    assert_eq!(
        fixture.store.get_run(&run_id).await.unwrap().tag(TAG_RUN_NAME),
        Some("segunda")
    );

    fixture
        .store
        .set_tag(&run_id, Tag::new(TAG_RUN_NAME, "tercera"))
        .await
        .unwrap();
    let run = fixture.store.get_run(&run_id).await.unwrap();
    assert_eq!(
        (run.info.run_name.as_str(), run.tag(TAG_RUN_NAME)),
        ("tercera", Some("tercera"))
    );
}

pub(super) async fn a_listing_filters_by_experiment_status_and_stage(fixture: Fixture) {
    let lab = fixture
        .store
        .get_or_create_experiment("lab")
        .await
        .unwrap()
        .experiment_id;
    let in_default = fixture.run().await.info.run_id;
    let finished = fixture.store.create_run(run_in(&lab)).await.unwrap().info.run_id;
    let deleted = fixture.store.create_run(run_in(&lab)).await.unwrap().info.run_id;
    let end = UpdateRun::end(RunStatus::Finished, START_MS);
    fixture.store.update_run(&finished, end).await.unwrap();
    fixture
        .store
        .log_batch(&finished, metrics([metric("auc", 0.9, 1)]))
        .await
        .unwrap();
    fixture.store.delete_run(&deleted).await.unwrap();

    let list = |request: SearchRuns| async {
        let page = fixture.store.search_runs(request).await.unwrap();
        page.items
            .into_iter()
            .map(|run| run.info.run_id)
            .collect::<BTreeSet<String>>()
    };
    let set = |ids: &[&String]| ids.iter().map(|id| (*id).clone()).collect::<BTreeSet<String>>();
    let all = SearchRuns::default;
    assert_eq!(list(all()).await, set(&[&in_default, &finished]));
    assert_eq!(
        list(SearchRuns {
            experiment_ids: Some(vec![lab.clone()]),
            ..all()
        })
        .await,
        set(&[&finished])
    );
    let both = vec!["0".to_owned(), lab.clone(), "no such".to_owned()];
    assert_eq!(
        list(SearchRuns {
            experiment_ids: Some(both),
            ..all()
        })
        .await,
        set(&[&in_default, &finished])
    );
    assert_eq!(
        list(SearchRuns {
            experiment_ids: Some(vec!["x".to_owned()]),
            ..all()
        })
        .await,
        set(&[])
    );
    assert_eq!(
        list(SearchRuns {
            search: Search::matching("status = 'RUNNING'"),
            ..all()
        })
        .await,
        set(&[&in_default])
    );
    assert_eq!(
        list(SearchRuns {
            experiment_ids: Some(vec![]),
            ..all()
        })
        .await,
        set(&[])
    );
    assert_eq!(
        list(SearchRuns {
            view: ViewType::DeletedOnly,
            ..all()
        })
        .await,
        set(&[&deleted])
    );
    assert_eq!(
        list(SearchRuns {
            view: ViewType::All,
            ..all()
        })
        .await,
        set(&[&in_default, &finished, &deleted])
    );
    let listed = fixture
        .store
        .search_runs(SearchRuns {
            experiment_ids: Some(vec![lab]),
            ..all()
        })
        .await
        .unwrap();
    assert_eq!(listed.items, [fixture.store.get_run(&finished).await.unwrap()]);
}

pub(super) async fn a_listing_goes_page_by_page_while_runs_arrive(fixture: Fixture) {
    let mut expected = Vec::new();
    for number in 0..10 {
        // Pairs start in the same millisecond: only the id orders them.
        let request = CreateRun {
            start_time_ms: START_MS + number / 2,
            ..run_in("0")
        };
        let run = fixture.store.create_run(request).await.unwrap();
        expected.push((-run.info.start_time_ms, run.info.run_id));
    }
    expected.sort();

    let mut seen = Vec::new();
    let mut request = SearchRuns {
        search: search("", &[], 3),
        ..SearchRuns::default()
    };
    loop {
        let page = fixture.store.search_runs(request.clone()).await.unwrap();
        seen.extend(
            page.items
                .into_iter()
                .map(|run| (-run.info.start_time_ms, run.info.run_id)),
        );
        let Some(token) = page.next_page_token else { break };
        request.search.page_token = Some(token);
        let newer = CreateRun {
            start_time_ms: START_MS + 1000,
            ..run_in("0")
        };
        fixture.store.create_run(newer).await.unwrap();
    }
    assert_eq!(seen, expected);
}

pub(super) async fn a_deleted_run_refuses_changes_until_it_is_restored(fixture: Fixture) {
    let run = fixture.run().await;
    let run_id = &run.info.run_id;
    fixture.store.delete_run(run_id).await.unwrap();
    fixture.store.delete_run(run_id).await.unwrap();
    assert_eq!(
        fixture.store.get_run(run_id).await.unwrap().info.lifecycle_stage,
        LifecycleStage::Deleted
    );

    let logged = fixture
        .store
        .log_batch(run_id, params(&[("a", "1")]))
        .await
        .unwrap_err();
    let tagged = fixture
        .store
        .set_tag(run_id, Tag::new("a", "1"))
        .await
        .unwrap_err();
    let ended = UpdateRun::end(RunStatus::Finished, START_MS);
    let ended = fixture.store.update_run(run_id, ended).await.unwrap_err();
    for error in [logged, tagged, ended] {
        assert!(matches!(error, TrackingError::RunDeleted { .. }), "{error:?}");
        assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
    }
    fixture.store.restore_run(run_id).await.unwrap();
    assert_eq!(fixture.store.get_run(run_id).await.unwrap(), run);
}

pub(super) async fn a_run_that_is_not_there_is_named_in_the_error(fixture: Fixture) {
    let store = &fixture.store;
    let id = "' OR 1=1 --";
    let errors = [
        store.get_run(id).await.unwrap_err(),
        store.delete_run(id).await.unwrap_err(),
        store.restore_run(id).await.unwrap_err(),
        store.update_run(id, UpdateRun::default()).await.unwrap_err(),
        store.log_batch(id, params(&[("a", "1")])).await.unwrap_err(),
        store
            .metric_history(MetricHistory::of(id, "loss"))
            .await
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.code().as_str(), "RESOURCE_DOES_NOT_EXIST");
        assert_eq!(error.to_string(), format!("Run with id={id} not found"));
    }
}

pub(super) async fn bad_runs_and_bad_pages_are_refused(fixture: Fixture) {
    let bad_runs = [
        CreateRun {
            run_name: Some("x".repeat(251)),
            ..run_in("0")
        },
        CreateRun {
            owner: Some(String::new()),
            ..run_in("0")
        },
        CreateRun {
            user_id: "x".repeat(257),
            ..run_in("0")
        },
        CreateRun {
            tags: vec![Tag::new("../up", "1")],
            ..run_in("0")
        },
        CreateRun {
            tags: vec![Tag::new(TAG_RUN_NAME, "")],
            ..run_in("0")
        },
    ];
    for request in bad_runs {
        let error = fixture.store.create_run(request.clone()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidParameterValue, "{request:?}");
    }
    for max_results in [0, 50_001, usize::MAX] {
        let request = SearchRuns {
            search: search("", &[], max_results),
            ..SearchRuns::default()
        };
        let error = fixture.store.search_runs(request).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
    }
    assert!(
        fixture
            .store
            .search_runs(SearchRuns::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}
