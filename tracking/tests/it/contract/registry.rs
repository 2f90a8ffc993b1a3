//! Registered models: names in any script, what is not there, and what is refused.

use rookery_tracking::{
    Actor, CreateModelVersion, CreateRegisteredModel, ErrorCode, ModelVersion, RegisteredModel, Tag,
    TrackingError,
};

use crate::fixture::{Fixture, START_MS};

/// A name outside ASCII, with a space.
pub(super) const PENGUINS: &str = "Pronosticador de pingüinos";
pub(super) const STORE: &str = "s3://birds/models";

pub(super) fn by(user: &str) -> Actor {
    Actor {
        user: user.to_owned(),
        reason: format!("{user} said so"),
    }
}

pub(super) fn version_of(name: &str) -> CreateModelVersion {
    CreateModelVersion {
        name: name.to_owned(),
        source: STORE.to_owned(),
        ..CreateModelVersion::default()
    }
}

impl Fixture {
    pub(super) async fn model(&self, name: &str) -> RegisteredModel {
        let request = CreateRegisteredModel {
            name: name.to_owned(),
            ..CreateRegisteredModel::default()
        };
        self.registry
            .create_registered_model(request, &by("ada"))
            .await
            .unwrap()
    }

    pub(super) async fn version(&self, name: &str) -> ModelVersion {
        self.registry
            .create_model_version(version_of(name), &by("ada"))
            .await
            .unwrap()
    }
}

fn assert_refused<T: std::fmt::Debug>(answer: Result<T, TrackingError>, code: ErrorCode, message: &str) {
    let error = answer.unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (code, message));
}

pub(super) async fn a_new_model_is_found_by_its_name(fixture: Fixture) {
    let request = CreateRegisteredModel {
        name: PENGUINS.to_owned(),
        description: "especie por pico y aleta 🐧".to_owned(),
        tags: vec![Tag::new("b", "2"), Tag::new("a", "0"), Tag::new("a", "1")],
    };
    let created = fixture
        .registry
        .create_registered_model(request.clone(), &by("ada"))
        .await
        .unwrap();
    assert_eq!(created.creation_timestamp_ms, START_MS);
    assert_eq!(created.last_updated_timestamp_ms, START_MS);
    assert_eq!(created.tags, [Tag::new("a", "1"), Tag::new("b", "2")]);
    assert_eq!(created.description, request.description);
    assert_eq!(
        fixture.registry.get_registered_model(PENGUINS).await.unwrap(),
        created
    );

    let version = fixture.version(PENGUINS).await;
    assert_eq!((version.version, version.user_id.as_str()), (1, "ada"));
    assert_eq!(version.storage_location, version.source);
    assert_eq!(
        fixture.registry.get_model_version(PENGUINS, 1).await.unwrap(),
        version
    );
    let model = fixture.registry.get_registered_model(PENGUINS).await.unwrap();
    assert_eq!(model.latest_versions, [version]);
    assert_refused(
        fixture
            .registry
            .create_registered_model(request, &by("bob"))
            .await,
        ErrorCode::ResourceAlreadyExists,
        "Registered Model (name=Pronosticador de pingüinos) already exists.",
    );
}

pub(super) async fn what_is_not_there_is_said_in_mlflows_words(fixture: Fixture) {
    let (registry, ada) = (&fixture.registry, by("ada"));
    let code = ErrorCode::ResourceDoesNotExist;
    let no_model = "Registered Model with name=ñ not found";
    assert_refused(registry.get_registered_model("ñ").await, code, no_model);
    assert_refused(
        registry.rename_registered_model("ñ", "n", &ada).await,
        code,
        no_model,
    );
    assert_refused(
        registry.describe_registered_model("ñ", "", &ada).await,
        code,
        no_model,
    );
    assert_refused(registry.delete_registered_model("ñ", &ada).await, code, no_model);
    assert_refused(
        registry
            .set_registered_model_tag("ñ", Tag::new("a", ""), &ada)
            .await,
        code,
        no_model,
    );
    assert_refused(
        registry.delete_registered_model_tag("ñ", "a", &ada).await,
        code,
        no_model,
    );
    assert_refused(
        registry.create_model_version(version_of("ñ"), &ada).await,
        code,
        no_model,
    );
    assert_refused(registry.latest_versions("ñ", &[]).await, code, no_model);
    assert_refused(registry.delete_alias("ñ", "a", &ada).await, code, no_model);
    assert_refused(registry.get_version_by_alias("ñ", "a").await, code, no_model);
    assert_refused(
        registry.set_alias_gate("ñ", "a", None, &ada).await,
        code,
        no_model,
    );
    assert_refused(registry.alias_gates("ñ").await, code, no_model);
    assert_refused(registry.as_of(Some("ñ"), START_MS).await, code, no_model);

    fixture.model("ñ").await;
    let no_version = "Model Version (name=ñ, version=7) not found";
    assert_refused(registry.get_model_version("ñ", 7).await, code, no_version);
    assert_refused(
        registry.describe_model_version("ñ", 7, "", &ada).await,
        code,
        no_version,
    );
    assert_refused(
        registry.delete_model_version("ñ", 7, &ada).await,
        code,
        no_version,
    );
    assert_refused(
        registry
            .set_model_version_tag("ñ", 7, Tag::new("a", ""), &ada)
            .await,
        code,
        no_version,
    );
    assert_refused(
        registry.delete_model_version_tag("ñ", 7, "a", &ada).await,
        code,
        no_version,
    );
    assert_refused(registry.set_alias("ñ", "a", 7, &ada).await, code, no_version);
    let stage = rookery_tracking::entities::Stage::Staging;
    assert_refused(
        registry.transition_stage("ñ", 7, stage, false, &ada).await,
        code,
        no_version,
    );
    assert_refused(
        registry.get_version_by_alias("ñ", "latest").await,
        code,
        "Latest version not found for model ñ.",
    );
    assert_refused(
        registry.get_version_by_alias("ñ", "champion").await,
        ErrorCode::InvalidParameterValue,
        "Registered model alias champion not found.",
    );
}

pub(super) async fn what_breaks_a_rule_leaves_nothing_behind(fixture: Fixture) {
    let (registry, ada) = (&fixture.registry, by("ada"));
    let code = ErrorCode::InvalidParameterValue;
    let named = |name: &str| CreateRegisteredModel {
        name: name.to_owned(),
        ..CreateRegisteredModel::default()
    };
    for (name, message) in [
        ("", "Missing value for required parameter 'name'."),
        (" ", "Missing value for required parameter 'name'."),
        (
            "a/b",
            "Invalid model name 'a/b'. Names cannot contain '/' or ':'.",
        ),
        (
            "a:b",
            "Invalid model name 'a:b'. Names cannot contain '/' or ':'.",
        ),
        (
            &"ñ".repeat(257),
            "'name' exceeds the maximum length of 256 characters",
        ),
    ] {
        assert_refused(
            registry.create_registered_model(named(name), &ada).await,
            code,
            message,
        );
    }
    let up = registry
        .create_registered_model(named(".."), &ada)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        up.starts_with("Invalid value \"..\" for parameter 'name' supplied: Names may be treated as files"),
        "{up}"
    );

    fixture.model(&"ñ".repeat(256)).await;
    fixture.model("m").await;
    fixture.version("m").await;
    let missing = "Missing value for required parameter 'new_name'.";
    assert_refused(
        registry.rename_registered_model("m", "", &ada).await,
        code,
        missing,
    );
    let taken = "Registered Model (name=m) already exists.";
    let renamed = registry
        .rename_registered_model(&"ñ".repeat(256), "m", &ada)
        .await;
    assert_refused(renamed, ErrorCode::ResourceAlreadyExists, taken);
    for (key, value, start) in [
        (
            "a$b",
            "",
            "Invalid value \"a$b\" for parameter 'key' supplied: Names may only contain alphanumerics",
        ),
        (
            "a/../b",
            "",
            "Invalid value \"a/../b\" for parameter 'key' supplied: Names may be treated as files",
        ),
        (
            "",
            "",
            "Invalid value \"\" for parameter 'key' supplied: Names may be treated as files",
        ),
        (
            &"k".repeat(251),
            "",
            "'key' exceeds the maximum length of 250 characters",
        ),
        (
            "k",
            &"ñ".repeat(100_001),
            "'value' exceeds the maximum length of 100000 characters",
        ),
    ] {
        let tag = Tag::new(key, value);
        for error in [
            registry
                .set_registered_model_tag("m", tag.clone(), &ada)
                .await
                .unwrap_err(),
            registry
                .set_model_version_tag("m", 1, tag, &ada)
                .await
                .unwrap_err(),
        ] {
            assert_eq!(error.code(), code);
            assert!(error.to_string().starts_with(start), "{error}");
        }
    }
    let long = "ñ".repeat(5001);
    let message = "'description' exceeds the maximum length of 5000 characters";
    assert_refused(
        registry.describe_registered_model("m", &long, &ada).await,
        code,
        message,
    );
    assert_refused(
        registry.describe_model_version("m", 1, &long, &ada).await,
        code,
        message,
    );
    let model = registry.get_registered_model("m").await.unwrap();
    assert!(model.tags.is_empty() && model.description.is_empty());
}
