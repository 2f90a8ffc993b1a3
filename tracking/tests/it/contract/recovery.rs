//! Recovery: no run of a dead process stays `RUNNING`.

use rookery_tracking::entities::TAG_END_REASON;
use rookery_tracking::{CloseOrphans, CreateRun, ErrorCode, Owners, RunStatus, UpdateRun};

use crate::fixture::{Fixture, START_MS, run_in};

async fn owned_by(fixture: &Fixture, owner: Option<&str>) -> String {
    let request = CreateRun {
        owner: owner.map(str::to_owned),
        ..run_in("0")
    };
    fixture.store.create_run(request).await.unwrap().info.run_id
}

async fn status(fixture: &Fixture, run_id: &str) -> RunStatus {
    fixture.store.get_run(run_id).await.unwrap().info.status
}

fn close(owners: Owners) -> CloseOrphans {
    CloseOrphans {
        owners,
        reason: "driver 1 was killed".to_owned(),
        end_time_ms: START_MS + 60_000,
    }
}

pub(super) async fn runs_of_a_dead_owner_are_failed_with_the_reason(fixture: Fixture) {
    let running = owned_by(&fixture, Some("driver 1")).await;
    let scheduled = owned_by(&fixture, Some("driver 1")).await;
    let finished = owned_by(&fixture, Some("driver 1")).await;
    let other = owned_by(&fixture, Some("driver 2")).await;
    let unowned = owned_by(&fixture, None).await;
    let wait = UpdateRun {
        status: Some(RunStatus::Scheduled),
        ..UpdateRun::default()
    };
    fixture.store.update_run(&scheduled, wait).await.unwrap();
    fixture
        .store
        .update_run(&finished, UpdateRun::end(RunStatus::Finished, START_MS + 1))
        .await
        .unwrap();

    let request = close(Owners::In(vec!["driver 1".to_owned(), "driver 0".to_owned()]));
    let mut expected = vec![running.clone(), scheduled.clone()];
    expected.sort();
    assert_eq!(
        fixture.store.close_orphans(request.clone()).await.unwrap(),
        expected
    );
    for run_id in [&running, &scheduled] {
        let run = fixture.store.get_run(run_id).await.unwrap();
        assert_eq!(
            (run.info.status, run.info.end_time_ms),
            (RunStatus::Failed, Some(START_MS + 60_000))
        );
        assert_eq!(run.tag(TAG_END_REASON), Some("driver 1 was killed"));
    }
    assert_eq!(status(&fixture, &finished).await, RunStatus::Finished);
    assert_eq!(
        fixture
            .store
            .get_run(&finished)
            .await
            .unwrap()
            .tag(TAG_END_REASON),
        None
    );
    assert_eq!(status(&fixture, &other).await, RunStatus::Running);
    assert_eq!(status(&fixture, &unowned).await, RunStatus::Running);
    assert_eq!(
        fixture.store.close_orphans(request).await.unwrap(),
        Vec::<String>::new()
    );
}

pub(super) async fn runs_of_everyone_not_alive_are_failed(fixture: Fixture) {
    let dead = owned_by(&fixture, Some("driver 1")).await;
    let alive = owned_by(&fixture, Some("driver 2")).await;
    let unowned = owned_by(&fixture, None).await;
    let request = close(Owners::NotIn(vec!["driver 2".to_owned()]));
    assert_eq!(fixture.store.close_orphans(request).await.unwrap(), [dead]);
    assert_eq!(
        fixture
            .store
            .close_orphans(close(Owners::NotIn(vec![])))
            .await
            .unwrap(),
        [alive]
    );
    assert_eq!(
        fixture
            .store
            .close_orphans(close(Owners::In(vec![])))
            .await
            .unwrap(),
        Vec::<String>::new()
    );
    assert_eq!(status(&fixture, &unowned).await, RunStatus::Running);
}

pub(super) async fn an_adopted_run_belongs_to_its_new_owner(fixture: Fixture) {
    let run_id = owned_by(&fixture, Some("driver 1")).await;
    let adopt = UpdateRun {
        owner: Some("driver 2".to_owned()),
        ..UpdateRun::default()
    };
    assert_eq!(
        fixture
            .store
            .update_run(&run_id, adopt)
            .await
            .unwrap()
            .owner
            .as_deref(),
        Some("driver 2")
    );
    let closed = fixture
        .store
        .close_orphans(close(Owners::In(vec!["driver 1".to_owned()])))
        .await
        .unwrap();
    assert_eq!(closed, Vec::<String>::new());
    assert_eq!(status(&fixture, &run_id).await, RunStatus::Running);
}

pub(super) async fn a_reason_must_be_given(fixture: Fixture) {
    let request = CloseOrphans {
        reason: String::new(),
        ..close(Owners::NotIn(vec![]))
    };
    let error = fixture.store.close_orphans(request).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
}
