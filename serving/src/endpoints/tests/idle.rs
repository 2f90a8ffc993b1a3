//! Scale to zero, and back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::fakes::{Gate, World, entity, only, request, until};
use crate::endpoints::slot::SlotState;
use crate::endpoints::{Spec, Target};

fn idling(ms: u64) -> Spec {
    let mut entity = entity("a", Target::Version(1));
    entity.idle = Some(Duration::from_millis(ms));
    Spec {
        entities: vec![entity],
        routes: None,
    }
}

fn state(world: &World, name: &str) -> SlotState {
    world
        .endpoints
        .get(name)
        .unwrap()
        .served("a")
        .unwrap()
        .slot
        .state()
}

async fn tended() -> (World, tokio_util::sync::DropGuard) {
    let world = World::new().await;
    let stop = CancellationToken::new();
    tokio::spawn(Arc::clone(&world.endpoints).tend(stop.clone()));
    (world, stop.drop_guard())
}

#[tokio::test]
async fn an_idle_model_is_unloaded_and_the_next_request_loads_it() {
    let (world, _stop) = tended().await;
    world.create("always", only(1)).await;
    world.create("e", idling(100)).await;
    let slot = Arc::clone(&world.endpoints.get("e").unwrap().served("a").unwrap().slot);
    until("it is idle", || state(&world, "e") == SlotState::Zero).await;
    assert!(slot.idle_for() >= Duration::from_millis(100));
    assert_eq!(state(&world, "always"), SlotState::Ready);
    let endpoint = world.endpoints.get("e").unwrap();
    assert_eq!(
        (
            endpoint.ready(),
            endpoint.served("a").unwrap().slot.loaded().is_some()
        ),
        ("READY", false)
    );
    assert_eq!(world.version("e").await, 1);
    assert!(slot.idle_for() < Duration::from_millis(100));
    let log = endpoint.served("a").unwrap().slot.log();
    assert!(
        log.lines().count() >= 3 && log.contains("unloaded: no request for"),
        "{log}"
    );
}

#[tokio::test]
async fn requests_that_come_at_once_load_it_once() {
    let (world, _stop) = tended().await;
    world.create("e", idling(100)).await;
    until("it is idle", || state(&world, "e") == SlotState::Zero).await;
    let before = world.source.loads.load(Ordering::SeqCst);
    let asked = (0..4).map(|_| world.version("e"));
    assert_eq!(futures::future::join_all(asked).await, [1; 4]);
    assert_eq!(world.source.loads.load(Ordering::SeqCst), before + 1);
}

#[tokio::test]
async fn a_version_that_is_gone_meanwhile_is_no_fault_of_the_request() {
    let (world, _stop) = tended().await;
    world.create("e", idling(50)).await;
    world.source.gone.lock().unwrap().push(1);
    until("it is idle", || state(&world, "e") == SlotState::Zero).await;
    let error = world.ask("e").await.unwrap_err();
    assert_eq!(
        (error.kind.status(), error.message.as_str()),
        (503, "version 1 is gone")
    );
    assert_eq!(world.endpoints.get("e").unwrap().ready(), "NOT_READY");
    world.source.gone.lock().unwrap().clear();
    until("it is tried again", || state(&world, "e").answers()).await;
}

#[tokio::test]
async fn what_is_being_scored_is_not_unloaded() {
    let world = World::new().await;
    let gate = Arc::new(Gate::default());
    *world.source.gate.lock().unwrap() = Some(Arc::clone(&gate));
    let mut spec = idling(1);
    spec.entities[0].idle = Some(Duration::from_millis(1));
    world.create("e", spec).await;
    let endpoint = world.endpoints.get("e").unwrap();
    let large = "r".repeat(100_000);
    let endpoints = Arc::clone(&world.endpoints);
    let asked = tokio::spawn(async move { endpoints.invoke("e", None, request(&large)).await });
    let served = endpoint.served("a").unwrap();
    until("it is scored", || served.turns.running() == 1).await;
    until("it is idle by the clock", || {
        served.slot.idle_for() > Duration::from_millis(5)
    })
    .await;
    endpoint.routing().unwrap().unload_idle();
    assert!(served.slot.loaded().is_some());
    gate.open();
    assert!(asked.await.unwrap().unwrap().result.is_ok());
    until("it is idle", || {
        endpoint.routing().unwrap().unload_idle();
        served.slot.loaded().is_none()
    })
    .await;
}
