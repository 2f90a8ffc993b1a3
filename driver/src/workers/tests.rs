use super::*;

const TIMEOUT: Duration = Duration::from_secs(10);

fn registration(port: u16) -> Registration {
    Registration {
        url: url(port).to_string(),
        protocol_version: PROTOCOL_VERSION,
        build_version: "0.0.9".to_string(),
        threads: 2,
        held: HeldBytes::default(),
        pid: u32::from(port),
    }
}

fn url(port: u16) -> Url {
    Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap()
}

fn joined(workers: &Workers, port: u16, now: Instant) -> WorkerInfo {
    let worker = workers.register(&registration(port), now).unwrap();
    workers.reached(&worker.id);
    worker
}

#[test]
fn a_worker_that_was_not_reached_gets_no_work() {
    let (workers, now) = (Workers::default(), Instant::now());
    let worker = workers.register(&registration(1), now).unwrap();
    assert!(workers.active().is_err());
    assert!(workers.heartbeat(&worker.id, HeldBytes::default(), now));
    workers.reached(&worker.id);
    assert_eq!(workers.active().unwrap().len(), 1);
}

#[test]
fn a_silent_worker_is_lost_and_must_register_again() {
    let (workers, start) = (Workers::default(), Instant::now());
    let worker = joined(&workers, 1, start);
    assert!(workers.heartbeat(&worker.id, HeldBytes::default(), start + Duration::from_secs(5)));
    assert!(workers.sweep(TIMEOUT, start + Duration::from_secs(15)).is_empty());
    let lost = workers.sweep(TIMEOUT, start + Duration::from_secs(16));
    assert_eq!(lost[0].reason, "no heartbeat for 11.0 s");
    assert!(!workers.heartbeat(&worker.id, HeldBytes::default(), start + Duration::from_secs(17)));
    workers.reached(&worker.id);
    assert!(workers.active().is_err(), "a late answer does not bring it back");
}

#[test]
fn a_restarted_worker_replaces_itself() {
    let (workers, now) = (Workers::default(), Instant::now());
    let first = joined(&workers, 1, now);
    let second = joined(&workers, 1, now);
    assert_ne!(first.id, second.id);
    assert_eq!(workers.active().unwrap().len(), 1);
    assert!(!workers.heartbeat(&first.id, HeldBytes::default(), now));
}

#[test]
fn another_protocol_is_refused_naming_both() {
    let mut other = registration(1);
    other.protocol_version = PROTOCOL_VERSION + 1;
    let failure = Workers::default().register(&other, Instant::now()).unwrap_err();
    assert_eq!(
        failure.message,
        format!(
            "the worker (rookery 0.0.9) speaks protocol version {}, this driver (rookery {}) speaks {}",
            PROTOCOL_VERSION + 1,
            env!("CARGO_PKG_VERSION"),
            PROTOCOL_VERSION
        )
    );
}

#[test]
fn a_worker_that_nobody_needs_may_go_at_once() {
    let (workers, now) = (Workers::default(), Instant::now());
    let worker = joined(&workers, 1, now);
    assert!(!workers.leave(&worker.id, "shutdown", now));
    let failure = workers.active().unwrap_err();
    assert_eq!(failure.class, ErrorClass::Unreachable);
}

#[test]
fn a_worker_that_a_job_needs_drains_first() {
    let (workers, now) = (Workers::default(), Instant::now());
    let worker = joined(&workers, 1, now);
    workers.hold("d", BTreeSet::from([url(1)]));
    assert!(workers.leave(&worker.id, "shutdown", now));
    assert_eq!(workers.all()[0].state, WorkerState::Draining);
    assert!(workers.active().is_err(), "it gets nothing new");
    assert!(
        workers.heartbeat(&worker.id, HeldBytes::default(), now),
        "and is not lost"
    );
    workers.hold("d", BTreeSet::from([url(2)]));
    assert!(!workers.leave(&worker.id, "shutdown", now));
    assert_eq!(workers.all()[0].state, WorkerState::Left);
}

#[test]
fn a_dismissed_worker_waits_for_its_jobs_unless_it_is_forced() {
    for force in [false, true] {
        let (workers, now) = (Workers::default(), Instant::now());
        let worker = joined(&workers, 1, now);
        workers.hold("d", BTreeSet::from([url(1)]));
        assert!(workers.dismiss(&worker.id, "drained by ana".to_string(), force));
        assert!(workers.heartbeat(&worker.id, HeldBytes::default(), now) && workers.is_dismissed(&worker.id));
        assert_eq!(workers.leave(&worker.id, "shutdown", now), !force);
        assert_eq!(workers.all()[0].reason, "drained by ana");
    }
    assert!(!Workers::default().dismiss("w9", String::new(), false));
}

#[test]
fn what_no_job_needs_is_released() {
    let workers = Workers::default();
    workers.hold("d", BTreeSet::new());
    let held = || vec!["d".to_string(), "old".to_string()];
    assert_eq!(workers.unneeded(held()), ["old"]);
    workers.let_go("d");
    assert_eq!(workers.unneeded(held()), ["d", "old"]);
}

#[tokio::test]
async fn a_wait_for_a_worker_ends_with_the_first_that_joins_or_with_a_reason() {
    let workers = std::sync::Arc::new(Workers::default());
    let waiting = tokio::spawn({
        let workers = std::sync::Arc::clone(&workers);
        async move { workers.active_within(TIMEOUT).await }
    });
    tokio::task::yield_now().await;
    joined(&workers, 1, Instant::now());
    assert_eq!(waiting.await.unwrap().unwrap().len(), 1);

    workers.suspect(&url(1), "it did not answer");
    assert_eq!(workers.gone(&url(1)).await, "it did not answer");
    let failure = workers
        .active_within(Duration::from_millis(50))
        .await
        .unwrap_err();
    assert_eq!(
        failure.message,
        "the cluster has no active worker, and none came within 0.05 s; the last, http://127.0.0.1:1/, is lost: it did \
         not answer"
    );
}

#[tokio::test]
async fn a_worker_that_restarts_is_gone_to_those_who_wait_for_the_old_one() {
    let workers = std::sync::Arc::new(Workers::default());
    joined(&workers, 1, Instant::now());
    let waiting = tokio::spawn({
        let workers = std::sync::Arc::clone(&workers);
        async move { workers.gone(&url(1)).await }
    });
    tokio::task::yield_now().await;
    joined(&workers, 1, Instant::now());
    assert_eq!(waiting.await.unwrap(), "it was started anew");
}

#[test]
fn how_a_process_ended_is_the_reason_why_its_worker_is_lost() {
    let (workers, now) = (Workers::default(), Instant::now());
    let (killed, left, silent) = (
        joined(&workers, 1, now),
        joined(&workers, 2, now),
        joined(&workers, 3, now),
    );
    workers.leave(&left.id, "shutdown", now);
    workers.suspect(&silent.url, "no answer");
    for pid in [1, 2, 3, 4] {
        workers.ended(pid, "killed by signal 9");
    }
    let reasons: Vec<_> = workers
        .all()
        .into_iter()
        .map(|w| (w.id, w.state, w.reason))
        .collect();
    let lost = |id| (id, WorkerState::Lost, "killed by signal 9".to_string());
    assert_eq!(
        reasons,
        [
            lost(killed.id),
            (left.id, WorkerState::Left, "shutdown".to_string()),
            lost(silent.id)
        ]
    );
    assert_eq!(workers.counters.workers_lost.get(), 2);
}

#[test]
fn the_process_of_another_machine_is_nobody_here() {
    let (workers, now) = (Workers::default(), Instant::now());
    let elsewhere = Registration {
        url: "http://10.0.0.7:7071/".to_string(),
        ..registration(1)
    };
    let worker = workers.register(&elsewhere, now).unwrap();
    workers.reached(&worker.id);
    workers.ended(1, "killed by signal 9");
    assert_eq!(workers.active().unwrap().len(), 1);
}

#[test]
fn workers_are_listed_in_the_order_in_which_they_came() {
    let (workers, now) = (Workers::default(), Instant::now());
    (1..=11).for_each(|port| drop(joined(&workers, port, now)));
    let ids: Vec<_> = workers.all().into_iter().map(|worker| worker.id).collect();
    assert_eq!(ids, (1..=11).map(|i| format!("w{i}")).collect::<Vec<_>>());
}
