//! What points at versions: aliases and stages.

use rookery_tracking::entities::{Alias, Stage};
use rookery_tracking::{ErrorCode, ModelVersion};

use super::registry::by;
use crate::fixture::Fixture;

pub(super) async fn an_alias_moves_from_version_to_version(fixture: Fixture) {
    let (registry, ada) = (&fixture.registry, by("ada"));
    fixture.model("m").await;
    for version in 1..=2 {
        fixture.version("m").await;
        registry.set_alias("m", "campeón", version, &ada).await.unwrap();
        registry.set_alias("m", "a-1_b", 1, &ada).await.unwrap();
        let found = registry.get_version_by_alias("m", "campeón").await.unwrap();
        assert_eq!(found, registry.get_model_version("m", version).await.unwrap());
        assert!(found.aliases.contains(&"campeón".to_owned()));
    }
    let alias = |alias: &str, version| Alias {
        alias: alias.to_owned(),
        version,
    };
    let model = registry.get_registered_model("m").await.unwrap();
    assert_eq!(model.aliases, [alias("a-1_b", 1), alias("campeón", 2)]);
    assert_eq!(model.latest_versions[0].aliases, ["campeón"]);
    assert_eq!(
        registry
            .get_version_by_alias("m", "LATEST")
            .await
            .unwrap()
            .version,
        2
    );

    registry.delete_alias("m", "campeón", &ada).await.unwrap();
    registry.delete_alias("m", "campeón", &ada).await.unwrap();
    let error = registry.get_version_by_alias("m", "campeón").await.unwrap_err();
    assert_eq!(error.to_string(), "Registered model alias campeón not found.");
    assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
}

pub(super) async fn a_deleted_version_takes_its_aliases_along(fixture: Fixture) {
    let (registry, ada) = (&fixture.registry, by("ada"));
    fixture.model("m").await;
    fixture.version("m").await;
    fixture.version("m").await;
    registry.set_alias("m", "champion", 2, &ada).await.unwrap();
    registry.set_alias("m", "old", 1, &ada).await.unwrap();
    registry.delete_model_version("m", 2, &ada).await.unwrap();
    let model = registry.get_registered_model("m").await.unwrap();
    assert_eq!(model.aliases.len(), 1);
    assert_eq!(model.latest_versions[0].aliases, ["old"]);
    assert_eq!(
        registry
            .get_version_by_alias("m", "latest")
            .await
            .unwrap()
            .version,
        1
    );
}

pub(super) async fn some_aliases_cannot_be_had(fixture: Fixture) {
    let (registry, ada) = (&fixture.registry, by("ada"));
    fixture.model("m").await;
    fixture.version("m").await;
    let long = "a".repeat(256);
    for (alias, message) in [
        ("", "Registered model alias name cannot be empty."),
        (
            "a b",
            "Invalid alias name: 'a b'. Names may only contain alphanumerics, underscores (_), and dashes (-).",
        ),
        (
            &*long,
            "'Registered model alias name' exceeds the maximum length of 255 characters",
        ),
        ("Latest", "'latest' alias name (case insensitive) is reserved."),
        ("v1", "Version alias name 'v1' is reserved."),
        ("V20", "Version alias name 'V20' is reserved."),
    ] {
        let gate = "accuracy >= 1".parse().ok();
        for error in [
            registry.set_alias("m", alias, 1, &ada).await.unwrap_err(),
            registry.set_alias_gate("m", alias, gate, &ada).await.unwrap_err(),
        ] {
            assert_eq!(error.to_string(), message);
            assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
        }
    }
    for alias in ["v", "v1a", "vv1", "1", "latest1"] {
        registry.set_alias("m", alias, 1, &ada).await.unwrap();
    }
    // A reserved alias never points anywhere, so removing it is harmless.
    registry.delete_alias("m", "v1", &ada).await.unwrap();
}

pub(super) async fn a_stage_archives_what_is_in_it_if_asked(fixture: Fixture) {
    let (registry, ada) = (&fixture.registry, by("ada"));
    fixture.model("m").await;
    for _ in 0..4 {
        fixture.version("m").await;
    }
    for (version, archive) in [(1, false), (2, false), (3, true)] {
        let moved = registry
            .transition_stage("m", version, Stage::Production, archive, &ada)
            .await;
        assert_eq!(moved.unwrap().stage, Stage::Production);
    }
    let stages = async || {
        let mut stages = Vec::new();
        for version in 1..=4 {
            stages.push(registry.get_model_version("m", version).await.unwrap().stage);
        }
        stages
    };
    use Stage::{Archived, Production};
    assert_eq!(stages().await, [Archived, Archived, Production, Stage::None]);
    // Once more: it stays, and archives nothing but others.
    registry
        .transition_stage("m", 3, Production, true, &ada)
        .await
        .unwrap();
    assert_eq!(stages().await, [Archived, Archived, Production, Stage::None]);

    let numbers = |versions: Vec<ModelVersion>| -> Vec<u32> {
        versions.iter().map(|version| version.version).collect()
    };
    assert_eq!(
        numbers(registry.latest_versions("m", &[]).await.unwrap()),
        [2, 3, 4]
    );
    let some = [Production, Archived, Stage::Staging];
    assert_eq!(
        numbers(registry.latest_versions("m", &some).await.unwrap()),
        [2, 3]
    );
    for stage in [Stage::None, Archived] {
        let error = registry
            .transition_stage("m", 3, stage, true, &ada)
            .await
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
        assert_eq!(
            error.to_string(),
            format!(
                "Model version transition cannot archive existing model versions because '{stage}' is not an Active \
                 stage. Valid stages are ['Staging', 'Production']"
            )
        );
    }
}
