//! Many requests at once, while everything changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::fakes::{Gate, World, by, request, split, until};
use crate::endpoints::{Kind, Share};

/// Requests at once.
const CALLERS: usize = 64;

#[tokio::test]
async fn the_others_wait_for_their_turn_and_are_turned_away_in_the_end() {
    let world = World::new().await;
    let gate = Arc::new(Gate::default());
    *world.source.gate.lock().unwrap() = Some(Arc::clone(&gate));
    world.create("e", super::fakes::only(1)).await;
    let served = world.endpoints.get("e").unwrap().served("a").unwrap();
    let large = "r".repeat(100_000);
    let ask = || {
        let (endpoints, request) = (Arc::clone(&world.endpoints), request(&large));
        tokio::spawn(async move { endpoints.invoke("e", None, request).await })
    };
    let scored: Vec<_> = (0..4).map(|_| ask()).collect();
    until("four are scored", || served.turns.running() == 4).await;
    let waiting: Vec<_> = (0..3).map(|_| ask()).collect();
    until("three wait", || served.turns.waiting() == 3).await;
    let error = served.turns.take(Duration::from_millis(10)).await.unwrap_err();
    assert_eq!((error.kind, error.kind.status()), (Kind::Busy, 429));
    assert_eq!(error.kind.code(), "REQUEST_LIMIT_EXCEEDED");
    assert!(error.retry_after.is_some());
    gate.open();
    for asked in scored.into_iter().chain(waiting) {
        assert!(asked.await.unwrap().unwrap().result.is_ok());
    }
    assert_eq!((served.turns.running(), served.turns.waiting()), (0, 0));
}

/// Nobody is answered by a version that was not routed while the request was on its way, and nobody fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_fails_or_strays_while_configurations_change() {
    let world = Arc::new(World::new().await);
    world.create("e", split(&[("a", 1, 90), ("b", 2, 10)])).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (world, is_over) = (Arc::clone(&world), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut answers = Vec::new();
                while !is_over.load(Ordering::SeqCst) {
                    let before = world.endpoints.get("e").unwrap().record();
                    let answer = world.ask("e").await.unwrap();
                    answer.result.unwrap();
                    let after = world.endpoints.get("e").unwrap().record();
                    let number =
                        |record: &crate::endpoints::EndpointRecord| record.active.as_ref().unwrap().version;
                    // The record is changed just before the routing, so the one before may still answer.
                    assert!(answer.config + 1 >= number(&before) && answer.config <= number(&after));
                    answers.push((answer.config, answer.served, answer.version));
                    tokio::task::yield_now().await;
                }
                answers
            })
        })
        .collect();
    for round in 0..20 {
        let version = 3 + round % 5;
        world
            .endpoints
            .update("e", split(&[("a", 1, 50), ("b", version, 50)]), by("u"))
            .await
            .unwrap();
        world
            .endpoints
            .promote("e", Some("b".to_string()), by("p"))
            .await
            .unwrap();
        world.endpoints.roll_back("e", None, by("r")).await.unwrap();
        let other = format!("other-{round}");
        world.create(&other, super::fakes::only(7)).await;
        world.endpoints.delete(&other, by("d")).await.unwrap();
    }
    is_over.store(true, Ordering::SeqCst);
    let acts = world.endpoints.acts("e", 1000).await.unwrap();
    assert_eq!(acts.len(), 61);
    let serving = |config: u32| -> &[Share] {
        let act = acts.iter().find(|act| act.to == Some(config));
        &act.expect("a configuration that took effect").serving
    };
    let mut seen = std::collections::BTreeSet::new();
    for caller in callers {
        for (config, served, version) in caller.await.unwrap() {
            let share = serving(config).iter().find(|share| share.name == served).unwrap();
            assert!(
                share.percent > 0 && share.version == version,
                "{share:?} {version}"
            );
            seen.insert(config);
        }
    }
    assert!(seen.len() > 10, "there was load all the while: {seen:?}");
}
