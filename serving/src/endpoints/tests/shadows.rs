//! Shadows: they hear everything, say nothing, and are compared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::fakes::{Gate, World, by, entity, request, until};
use crate::endpoints::{EndpointMetrics, Spec, Target};

fn with_shadow(version: u32) -> Spec {
    let mut shadow = entity("s", Target::Version(version));
    shadow.shadow = true;
    Spec {
        entities: vec![entity("a", Target::Version(1)), shadow],
        routes: None,
    }
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_shadow_is_compared_with_what_was_answered() {
    let world = World::new().await;
    world.create("e", with_shadow(2)).await;
    for _ in 0..10 {
        assert_eq!(world.version("e").await, 1);
    }
    // A refused request has nothing to compare, and one for an entity by name is no traffic.
    world
        .endpoints
        .invoke("e", None, request("wrong"))
        .await
        .unwrap()
        .result
        .unwrap_err();
    world
        .endpoints
        .invoke("e", Some("a"), request("rows"))
        .await
        .unwrap();
    let served = world.endpoints.get("e").unwrap().served("s").unwrap();
    let agreement = &served.stats.shadow;
    until("all are compared", || read(&agreement.requests) == 10).await;
    assert_eq!((read(&agreement.rows), read(&agreement.agreeing)), (10, 0));

    world
        .endpoints
        .promote("e", Some("s".to_string()), by("bob"))
        .await
        .unwrap();
    assert_eq!(world.version("e").await, 2);
    world
        .endpoints
        .update("e", with_shadow(1), by("bob"))
        .await
        .unwrap();
    world.version("e").await;
    let served = world.endpoints.get("e").unwrap().served("s").unwrap();
    until("it is compared", || read(&served.stats.shadow.agreeing) == 1).await;
}

#[tokio::test]
async fn a_shadow_that_hangs_holds_up_nobody_and_copies_are_bounded() {
    let world = World::new().await;
    world.create("e", super::fakes::only(1)).await;
    let gate = Arc::new(Gate::default());
    *world.source.gate.lock().unwrap() = Some(Arc::clone(&gate));
    world
        .endpoints
        .update("e", with_shadow(2), by("bob"))
        .await
        .unwrap();
    let served = world.endpoints.get("e").unwrap().served("s").unwrap();
    let large = "r".repeat(100_000);
    for _ in 0..600 {
        world
            .endpoints
            .invoke("e", None, request(&large))
            .await
            .unwrap()
            .result
            .unwrap();
    }
    let agreement = &served.stats.shadow;
    assert!(
        read(&agreement.dropped) > 0,
        "32 MiB hold no 600 copies of 97 KiB"
    );
    assert_eq!(read(&agreement.requests), 0);
    gate.open();
    until("the rest is compared", || {
        read(&agreement.requests) + read(&agreement.dropped) + read(&agreement.failed) == 600
    })
    .await;
}

#[tokio::test]
async fn prometheus_sees_each_version() {
    let world = World::new().await;
    world.create("e", with_shadow(2)).await;
    world.create("other", super::fakes::only(1)).await;
    world.version("e").await;
    world
        .endpoints
        .invoke("e", None, request("wrong"))
        .await
        .unwrap()
        .result
        .unwrap_err();
    let served = world.endpoints.get("e").unwrap().served("s").unwrap();
    until("it is compared", || read(&served.stats.shadow.requests) == 1).await;
    let text = |metrics: EndpointMetrics| {
        let mut registry = Registry::with_prefix("rookery");
        registry.register_collector(Box::new(metrics));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    };
    let all = text(EndpointMetrics::of_all(Arc::clone(&world.endpoints)));
    let labels = |served: &str, version: u32| {
        format!(
            "endpoint=\"e\",served_model=\"{served}\",model=\"Pronosticador de pingüinos\",version=\"{version}\""
        )
    };
    let (a, s) = (labels("a", 1), labels("s", 2));
    for line in [
        format!("rookery_endpoint_requests_total{{{a},status=\"200\"}} 1"),
        format!("rookery_endpoint_requests_total{{{a},status=\"400\"}} 1"),
        format!("rookery_endpoint_latency_seconds_count{{{a}}} 2"),
        format!("rookery_endpoint_unseen_categories_total{{{a}}} 1"),
        format!("rookery_endpoint_shadow_requests_total{{{s}}} 1"),
        format!("rookery_endpoint_shadow_agreeing_rows_total{{{s}}} 0"),
        format!("rookery_endpoint_loaded{{{s}}} 1"),
        format!("rookery_endpoint_waiting{{{a}}} 0"),
        format!("rookery_endpoint_traffic_percent{{{a}}} 100"),
    ] {
        assert!(all.lines().any(|known| known == line), "{line}\n{all}");
    }
    let one = text(EndpointMetrics::of_one(Arc::clone(&world.endpoints), "other"));
    assert!(
        !one.contains("endpoint=\"e\"") && one.contains("endpoint=\"other\""),
        "{one}"
    );
}
