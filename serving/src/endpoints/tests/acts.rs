//! Making, changing, promoting, going back, deleting.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::fakes::{MODEL, World, by, only, request, split};
use crate::endpoints::{Kind, Target};

#[tokio::test]
async fn an_endpoint_answers_as_soon_as_it_is_made_and_is_gone_when_it_is_deleted() {
    let world = World::new().await;
    world.create("e", only(1)).await;
    assert_eq!(world.version("e").await, 1);
    let taken = world
        .endpoints
        .create("e", only(2), BTreeMap::new(), by("bob"))
        .await
        .unwrap_err();
    assert_eq!(
        (taken.kind.status(), taken.kind.code()),
        (400, "RESOURCE_ALREADY_EXISTS")
    );
    world.endpoints.delete("e", by("bob")).await.unwrap();
    for error in [
        world.ask("e").await.unwrap_err(),
        world.endpoints.delete("e", by("bob")).await.unwrap_err(),
        world.endpoints.promote("e", None, by("bob")).await.unwrap_err(),
        world.endpoints.acts("never", 1).await.unwrap_err(),
    ] {
        assert_eq!(
            (error.kind.status(), error.kind.code()),
            (404, "RESOURCE_DOES_NOT_EXIST")
        );
    }
    world.create("e", only(2)).await;
    assert_eq!(world.actions("e").await, ["created", "deleted", "created"]);
    let acts = world.endpoints.acts("e", 100).await.unwrap();
    assert_ne!(acts[0].endpoint_id, acts[2].endpoint_id);
    assert_eq!(
        (acts[1].user.as_str(), acts[1].from, acts[1].to),
        ("bob", Some(1), None)
    );
}

#[tokio::test]
async fn the_life_of_a_version_that_is_tried_out() {
    let world = World::new().await;
    world.create("e", only(1)).await;
    world
        .endpoints
        .update("e", split(&[("a", 1, 90), ("b", 2, 10)]), by("bob"))
        .await
        .unwrap();
    let mut counts = BTreeMap::new();
    for _ in 0..100 {
        *counts.entry(world.version("e").await).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from([(1, 90), (2, 10)]));
    let loads = world.source.loads.load(Ordering::SeqCst);
    world
        .endpoints
        .promote("e", Some("b".to_string()), by("cleo"))
        .await
        .unwrap();
    assert_eq!(world.version("e").await, 2);
    world.endpoints.roll_back("e", None, by("dora")).await.unwrap();
    world.endpoints.roll_back("e", None, by("dora")).await.unwrap();
    assert_eq!(world.version("e").await, 1);
    world.endpoints.roll_back("e", Some(3), by("dora")).await.unwrap();
    assert_eq!(world.version("e").await, 2);
    let kind = world
        .endpoints
        .roll_back("e", Some(42), by("dora"))
        .await
        .unwrap_err()
        .kind;
    assert_eq!(kind, Kind::NotFound);

    let acts = world.endpoints.acts("e", 100).await.unwrap();
    let told: Vec<_> = acts
        .iter()
        .rev()
        .map(|act| (act.action.as_str(), act.user.as_str(), act.from, act.to))
        .collect();
    assert_eq!(
        told,
        [
            ("created", "ada", None, Some(1)),
            ("updated", "bob", Some(1), Some(2)),
            ("promoted", "cleo", Some(2), Some(3)),
            ("rolled_back", "dora", Some(3), Some(4)),
            ("rolled_back", "dora", Some(4), Some(5)),
            ("rolled_back", "dora", Some(5), Some(6)),
        ]
    );
    assert!(acts.iter().all(|act| act.reason == "because"));
    let shares: Vec<_> = acts[3]
        .serving
        .iter()
        .map(|s| (s.name.as_str(), s.version, s.percent))
        .collect();
    assert_eq!(shares, [("a", 1, 0), ("b", 2, 100)]);
    // Going back to what has only one entity forgets the other, which is loaded again when it is needed.
    assert_eq!(world.source.loads.load(Ordering::SeqCst), loads + 1);
}

#[tokio::test]
async fn what_does_not_load_changes_nothing() {
    let world = World::new().await;
    world.create("e", only(1)).await;
    world.source.gone.lock().unwrap().push(2);
    let endpoint = world.endpoints.update("e", only(2), by("bob")).await.unwrap();
    assert_eq!(
        (endpoint.ready(), endpoint.config_update()),
        ("READY", "UPDATE_FAILED")
    );
    assert_eq!(world.version("e").await, 1);
    assert_eq!(world.actions("e").await, ["created", "update_failed"]);
    let detail = world.endpoints.acts("e", 1).await.unwrap().remove(0).detail;
    assert_eq!(detail.as_deref(), Some("version 2 is gone"));
    world.endpoints.update("e", only(3), by("bob")).await.unwrap();
    assert_eq!(
        (endpoint.config_update(), world.version("e").await),
        ("NOT_UPDATING", 3)
    );
    assert_eq!(
        endpoint.record().active.as_ref().unwrap().version,
        3,
        "a number is used once"
    );

    let failed = world
        .endpoints
        .create("f", only(2), BTreeMap::new(), by("bob"))
        .await
        .unwrap();
    assert_eq!(
        (failed.ready(), failed.config_update()),
        ("NOT_READY", "UPDATE_FAILED")
    );
    assert_eq!(world.ask("f").await.unwrap_err().kind, Kind::Unavailable);
    let missing = world
        .endpoints
        .update("e", only(100), by("bob"))
        .await
        .unwrap_err();
    assert_eq!(missing.kind, Kind::NotFound);
}

#[tokio::test]
async fn what_can_not_be_written_down_does_not_happen() {
    let world = World::new().await;
    world.create("e", split(&[("a", 1, 100), ("b", 2, 0)])).await;
    world.store.is_full.store(true, Ordering::SeqCst);
    for error in [
        world.endpoints.promote("e", None, by("bob")).await.unwrap_err(),
        world.endpoints.update("e", only(2), by("bob")).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, Kind::Internal);
        assert!(error.message.contains("the disk is full"), "{error}");
    }
    assert_eq!(world.version("e").await, 1);
    world.store.is_full.store(false, Ordering::SeqCst);
    world.endpoints.promote("e", None, by("bob")).await.unwrap();
    assert_eq!(world.version("e").await, 2);
}

#[tokio::test]
async fn one_change_at_a_time_and_one_that_takes_long_can_be_taken_back() {
    let world = World::new().await;
    world.create("e", only(1)).await;
    world.source.lets_load.send_replace(false);
    let endpoint = world.endpoints.update("e", only(2), by("bob")).await.unwrap();
    assert_eq!(
        (endpoint.ready(), endpoint.config_update()),
        ("READY", "IN_PROGRESS")
    );
    for error in [
        world.endpoints.update("e", only(3), by("bob")).await.unwrap_err(),
        world
            .endpoints
            .promote("e", Some("a".to_string()), by("bob"))
            .await
            .unwrap_err(),
    ] {
        assert_eq!(
            (error.kind.status(), error.kind.code()),
            (409, "RESOURCE_CONFLICT")
        );
    }
    world.endpoints.roll_back("e", None, by("cleo")).await.unwrap();
    assert_eq!(
        (endpoint.ready(), endpoint.config_update()),
        ("READY", "UPDATE_CANCELED")
    );
    world.source.lets_load.send_replace(true);
    world.endpoints.update("e", only(3), by("bob")).await.unwrap();
    assert_eq!(world.version("e").await, 3);
    assert_eq!(
        world.actions("e").await,
        ["created", "update_canceled", "updated"]
    );

    world.source.lets_load.send_replace(false);
    let unready = world
        .endpoints
        .create("f", only(9), BTreeMap::new(), by("bob"))
        .await
        .unwrap();
    assert_eq!(
        (unready.ready(), unready.config_update()),
        ("NOT_READY", "IN_PROGRESS")
    );
    world.endpoints.delete("f", by("bob")).await.unwrap();
    world.source.lets_load.send_replace(true);
    assert_eq!(world.ask("f").await.unwrap_err().kind, Kind::NotFound);
    assert_eq!(world.actions("f").await, ["deleted"]);
}

#[tokio::test]
async fn an_entity_can_be_asked_by_its_name_and_a_wrong_request_is_refused_with_it() {
    let world = World::new().await;
    world.create("e", split(&[("a", 1, 100), ("b", 2, 0)])).await;
    let named = world
        .endpoints
        .invoke("e", Some("b"), request("rows"))
        .await
        .unwrap();
    assert_eq!((named.served.as_str(), named.version), ("b", 2));
    let missing = world
        .endpoints
        .invoke("e", Some("c"), request("rows"))
        .await
        .unwrap_err();
    assert!(
        missing.kind == Kind::NotFound && missing.message.contains("a, b"),
        "{missing}"
    );
    let refused = world.endpoints.invoke("e", None, request("wrong")).await.unwrap();
    assert_eq!(
        (refused.served.as_str(), refused.result.unwrap_err().status),
        ("a", 400)
    );
}

#[tokio::test]
async fn tags_are_set_removed_and_told_of() {
    let world = World::new().await;
    world.create("e", only(1)).await;
    let tags = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_string(), (*v).to_string()))
            .collect()
    };
    world
        .endpoints
        .tag("e", tags(&[("a", "1"), ("b", "2")]), Vec::new(), by("bob"))
        .await
        .unwrap();
    let removed = vec!["a".to_string(), "z".to_string()];
    let endpoint = world
        .endpoints
        .tag("e", tags(&[("b", "3")]), removed, by("bob"))
        .await
        .unwrap();
    assert_eq!(endpoint.record().tags, tags(&[("b", "3")]));
    let empty = world
        .endpoints
        .tag("e", tags(&[("", "3")]), Vec::new(), by("bob"))
        .await
        .unwrap_err();
    assert_eq!(empty.kind, Kind::Invalid);
    assert_eq!(world.actions("e").await, ["created", "tagged", "tagged"]);
    assert_eq!(Target::Alias(MODEL.to_string()).to_string(), format!("@{MODEL}"));
}
