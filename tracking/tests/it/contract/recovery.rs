//! Recovery: no run of a dead process stays `RUNNING`.

use rookery_tracking::entities::TAG_END_REASON;
use rookery_tracking::{CreateRun, ErrorCode, RunStatus, UpdateRun};

use crate::fixture::{Fixture, START_MS, run_in};

const NONE: [String; 0] = [];

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

pub(super) async fn runs_whose_owner_is_silent_are_failed_with_the_reason(fixture: Fixture) {
    let store = &fixture.store;
    store.renew_lease("driver 1", START_MS + 1000).await.unwrap();
    store.renew_lease("driver 2", START_MS + 90_000).await.unwrap();
    let running = owned_by(&fixture, Some("driver 1")).await;
    let scheduled = owned_by(&fixture, Some("driver 1")).await;
    let finished = owned_by(&fixture, Some("driver 1")).await;
    let other = owned_by(&fixture, Some("driver 2")).await;
    let unowned = owned_by(&fixture, None).await;
    let unknown = owned_by(&fixture, Some("driver 3")).await;
    let wait = UpdateRun {
        status: Some(RunStatus::Scheduled),
        ..UpdateRun::default()
    };
    store.update_run(&scheduled, wait).await.unwrap();
    store
        .update_run(&finished, UpdateRun::end(RunStatus::Finished, START_MS + 1))
        .await
        .unwrap();

    let now_ms = START_MS + 60_000;
    let mut expected = [running.clone(), scheduled.clone(), unknown.clone()];
    expected.sort();
    assert_eq!(store.close_orphans(now_ms).await.unwrap(), expected);
    for run_id in [&running, &scheduled] {
        let run = store.get_run(run_id).await.unwrap();
        assert_eq!(
            (run.info.status, run.info.end_time_ms),
            (RunStatus::Failed, Some(now_ms))
        );
        assert_eq!(
            run.tag(TAG_END_REASON),
            Some("its driver driver 1 gave no sign of life since 2023-11-14T22:13:21.000Z")
        );
    }
    assert_eq!(
        store.get_run(&unknown).await.unwrap().tag(TAG_END_REASON),
        Some("its driver driver 3 gave no sign of life")
    );
    assert_eq!(status(&fixture, &finished).await, RunStatus::Finished);
    assert_eq!(store.get_run(&finished).await.unwrap().tag(TAG_END_REASON), None);
    assert_eq!(status(&fixture, &other).await, RunStatus::Running);
    assert_eq!(status(&fixture, &unowned).await, RunStatus::Running);
    assert_eq!(store.close_orphans(now_ms).await.unwrap(), NONE);
}

pub(super) async fn a_lease_that_is_renewed_keeps_runs_open(fixture: Fixture) {
    let store = &fixture.store;
    store.renew_lease("driver 1", START_MS + 10).await.unwrap();
    let run_id = owned_by(&fixture, Some("driver 1")).await;
    // The lease holds up to its last millisecond.
    assert_eq!(store.close_orphans(START_MS + 10).await.unwrap(), NONE);
    store.renew_lease("driver 1", START_MS + 20).await.unwrap();
    assert_eq!(store.close_orphans(START_MS + 20).await.unwrap(), NONE);
    assert_eq!(store.close_orphans(START_MS + 21).await.unwrap(), [run_id]);
    // Who comes back can work again.
    store.renew_lease("driver 1", START_MS + 40).await.unwrap();
    let again = owned_by(&fixture, Some("driver 1")).await;
    assert_eq!(store.close_orphans(START_MS + 30).await.unwrap(), NONE);
    assert_eq!(status(&fixture, &again).await, RunStatus::Running);
}

pub(super) async fn an_adopted_run_belongs_to_its_new_owner(fixture: Fixture) {
    let store = &fixture.store;
    store.renew_lease("driver 2", START_MS + 10).await.unwrap();
    let run_id = owned_by(&fixture, Some("driver 1")).await;
    let adopt = UpdateRun {
        owner: Some("driver 2".to_owned()),
        ..UpdateRun::default()
    };
    let info = store.update_run(&run_id, adopt).await.unwrap();
    assert_eq!(info.owner.as_deref(), Some("driver 2"));
    assert_eq!(store.close_orphans(START_MS).await.unwrap(), NONE);
    assert_eq!(status(&fixture, &run_id).await, RunStatus::Running);
}

pub(super) async fn an_owner_must_have_a_name(fixture: Fixture) {
    let error = fixture.store.renew_lease("", START_MS).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
}
