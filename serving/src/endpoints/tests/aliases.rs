//! Entities that follow an alias.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::fakes::{World, by, entity, until};
use crate::endpoints::{Spec, Target};

fn followed() -> Spec {
    Spec {
        entities: vec![entity("a", Target::Alias("champion".to_string()))],
        routes: None,
    }
}

async fn world() -> (World, tokio_util::sync::DropGuard) {
    let world = World::new().await;
    point(&world, 1);
    world.create("e", followed()).await;
    let stop = CancellationToken::new();
    tokio::spawn(Arc::clone(&world.endpoints).tend(stop.clone()));
    (world, stop.drop_guard())
}

fn point(world: &World, version: u32) {
    world
        .source
        .aliases
        .lock()
        .unwrap()
        .insert("champion".to_string(), version);
}

/// The version that is served.
fn served(world: &World) -> u32 {
    let record = world.endpoints.get("e").unwrap().record();
    record.active.as_ref().unwrap().entities[0].version
}

#[tokio::test]
async fn what_follows_an_alias_moves_with_it_as_an_act() {
    let (world, _stop) = world().await;
    assert_eq!(world.version("e").await, 1);
    point(&world, 2);
    until("the alias is followed", || served(&world) == 2).await;
    let answer = world.ask("e").await.unwrap();
    assert_eq!(
        (answer.served.as_str(), answer.version, answer.config),
        ("a", 2, 2),
        "the name stays"
    );
    let act = world.endpoints.acts("e", 1).await.unwrap().remove(0);
    assert_eq!(
        (act.action.as_str(), act.from, act.to),
        ("alias_moved", Some(1), Some(2))
    );
    let detail = act.detail.unwrap();
    assert!(detail.contains("points at version 2, was 1"), "{detail}");
}

#[tokio::test]
async fn a_version_that_does_not_load_or_an_alias_that_is_gone_is_not_followed() {
    let (world, _stop) = world().await;
    let endpoint = world.endpoints.get("e").unwrap();
    world.source.gone.lock().unwrap().push(2);
    point(&world, 2);
    until("somebody noticed", || endpoint.stuck_because("a").is_some()).await;
    assert_eq!(endpoint.stuck_because("a").unwrap(), "version 2 is gone");
    assert_eq!(
        (world.version("e").await, endpoint.config_update()),
        (1, "NOT_UPDATING")
    );
    world.source.aliases.lock().unwrap().clear();
    until("somebody noticed", || {
        endpoint.stuck_because("a").unwrap_or_default() == "no alias champion"
    })
    .await;
    assert_eq!(world.version("e").await, 1);
    point(&world, 3);
    until("the alias is followed", || served(&world) == 3).await;
    assert_eq!(endpoint.stuck_because("a"), None);
    assert_eq!(world.actions("e").await, ["created", "alias_moved"]);
}

#[tokio::test]
async fn a_rollback_stays_where_it_went() {
    let (world, _stop) = world().await;
    point(&world, 2);
    until("the alias is followed", || served(&world) == 2).await;
    world.endpoints.roll_back("e", None, by("bob")).await.unwrap();
    // As long as ten looks at an alias take.
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(world.version("e").await, 1);
    world.endpoints.update("e", followed(), by("bob")).await.unwrap();
    assert_eq!(world.version("e").await, 2, "an update follows again");
}
