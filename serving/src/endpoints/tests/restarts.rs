//! The driver is killed and started again.

use std::collections::BTreeMap;

use super::fakes::{World, by, only, split, until};
use crate::endpoints::Kind;

#[tokio::test]
async fn endpoints_are_there_again_with_what_they_served() {
    let world = World::new().await;
    world.create("e", split(&[("a", 1, 100), ("b", 2, 0)])).await;
    world.create("gone", only(3)).await;
    world.endpoints.promote("e", None, by("bob")).await.unwrap();
    world.endpoints.delete("gone", by("bob")).await.unwrap();
    let id = world.endpoints.get("e").unwrap().record().id.clone();
    let world = world.restarted().await;
    let endpoint = world.endpoints.get("e").unwrap();
    assert_eq!(endpoint.record().id, id);
    assert_eq!(world.version("e").await, 2);
    assert_eq!(world.endpoints.get("gone").unwrap_err().kind, Kind::NotFound);
    until("the models are loaded", || {
        endpoint.served("a").unwrap().slot.loaded().is_some()
    })
    .await;
    world.endpoints.roll_back("e", None, by("bob")).await.unwrap();
    assert_eq!(world.version("e").await, 1);
    assert_eq!(world.actions("e").await, ["created", "promoted", "rolled_back"]);
}

#[tokio::test]
async fn requests_wait_for_models_that_are_loaded_again() {
    let world = World::new().await;
    world.create("e", only(1)).await;
    world.source.lets_load.send_replace(false);
    let world = world.restarted().await;
    let endpoint = world.endpoints.get("e").unwrap();
    assert_eq!(
        (endpoint.ready(), endpoint.config_update()),
        ("NOT_READY", "NOT_UPDATING")
    );
    assert_eq!(
        endpoint.served("a").unwrap().slot.state().deployment(),
        "DEPLOYMENT_RECOVERING"
    );
    let asked = world.version("e");
    let let_load = async {
        until("the request waits", || {
            endpoint.stats.all()[0].1.last_ms().is_some()
        })
        .await;
        world.source.lets_load.send_replace(true);
    };
    assert_eq!(tokio::join!(asked, let_load).0, 1);
    assert_eq!(endpoint.ready(), "READY");
}

#[tokio::test]
async fn a_change_that_was_under_way_goes_on() {
    let world = World::new().await;
    world.create("e", only(1)).await;
    world.source.lets_load.send_replace(false);
    world.endpoints.update("e", only(2), by("bob")).await.unwrap();
    world
        .endpoints
        .create("new", only(3), BTreeMap::new(), by("bob"))
        .await
        .unwrap();
    let world = world.restarted().await;
    assert_eq!(world.endpoints.get("e").unwrap().config_update(), "IN_PROGRESS");
    world.source.lets_load.send_replace(true);
    for (name, version) in [("e", 2), ("new", 3)] {
        let endpoint = world.endpoints.get(name).unwrap();
        until("it took effect", || endpoint.config_update() == "NOT_UPDATING").await;
        assert_eq!(world.version(name).await, version);
    }
    assert_eq!(world.actions("e").await, ["created", "updated"]);
}
