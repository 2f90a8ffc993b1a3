//! What the registry's journal says about the past.

use rookery_tracking::entities::{Alias, RegistrySnapshot, Stage};

use super::registry::{PENGUINS, by};
use crate::fixture::{Fixture, START_MS};

impl Fixture {
    async fn snapshot(&self, name: &str, time_ms: i64) -> Option<RegistrySnapshot> {
        let mut found = self.registry.as_of(Some(name), time_ms).await.unwrap();
        assert!(found.len() <= 1);
        found.pop()
    }
}

fn snapshot(name: &str, versions: &[(u32, Stage)], aliases: &[(&str, u32)]) -> RegistrySnapshot {
    RegistrySnapshot {
        name: name.to_owned(),
        versions: versions.to_vec(),
        aliases: aliases
            .iter()
            .map(|(alias, version)| Alias {
                alias: (*alias).to_owned(),
                version: *version,
            })
            .collect(),
    }
}

pub(super) async fn the_past_is_shown_as_it_was(fixture: Fixture) {
    let (registry, ada) = (&fixture.registry, by("ada"));
    let tick = || fixture.environment.advance_ms(10);
    fixture.model("m").await;
    tick(); // 10
    fixture.version("m").await;
    fixture.version("m").await;
    registry.set_alias("m", "champion", 1, &ada).await.unwrap();
    tick(); // 20
    registry
        .transition_stage("m", 1, Stage::Production, false, &ada)
        .await
        .unwrap();
    registry.set_alias("m", "champion", 2, &ada).await.unwrap();
    registry.set_alias("m", "old", 1, &ada).await.unwrap();
    tick(); // 30
    registry
        .rename_registered_model("m", PENGUINS, &ada)
        .await
        .unwrap();
    registry
        .transition_stage(PENGUINS, 2, Stage::Production, true, &ada)
        .await
        .unwrap();
    registry.delete_alias(PENGUINS, "champion", &ada).await.unwrap();
    tick(); // 40
    registry.delete_model_version(PENGUINS, 1, &ada).await.unwrap();
    fixture.model("m").await;
    tick(); // 50
    registry.delete_registered_model(PENGUINS, &ada).await.unwrap();
    tick(); // 60
    fixture.model(PENGUINS).await;
    fixture.version(PENGUINS).await;

    use Stage::{Archived, None as Unstaged, Production};
    let empty = snapshot("m", &[], &[]);
    let fresh = snapshot("m", &[(1, Unstaged), (2, Unstaged)], &[("champion", 1)]);
    let used = snapshot(
        "m",
        &[(1, Production), (2, Unstaged)],
        &[("champion", 2), ("old", 1)],
    );
    let renamed = snapshot(PENGUINS, &[(1, Archived), (2, Production)], &[("old", 1)]);
    let smaller = snapshot(PENGUINS, &[(2, Production)], &[]);
    let again = snapshot(PENGUINS, &[(1, Unstaged)], &[]);
    for (after_ms, under_m, under_penguins) in [
        (-1, None, None),
        (0, Some(&empty), None),
        (9, Some(&empty), None),
        (10, Some(&fresh), None),
        (25, Some(&used), None),
        (30, None, Some(&renamed)),
        (45, Some(&empty), Some(&smaller)),
        (50, Some(&empty), None),
        (60, Some(&empty), Some(&again)),
        (i64::MAX - START_MS, Some(&empty), Some(&again)),
    ] {
        let time_ms = START_MS + after_ms;
        assert_eq!(
            fixture.snapshot("m", time_ms).await.as_ref(),
            under_m,
            "m after {after_ms} ms"
        );
        let found = fixture.snapshot(PENGUINS, time_ms).await;
        assert_eq!(found.as_ref(), under_penguins, "{PENGUINS} after {after_ms} ms");
        let all = registry.as_of(None, time_ms).await.unwrap();
        let expected: Vec<_> = under_penguins.into_iter().chain(under_m).cloned().collect();
        assert_eq!(all, expected, "all after {after_ms} ms");
    }
}
