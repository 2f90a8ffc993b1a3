//! The registry's journal: a line for each change, found under every name of a model.

use rookery_tracking::entities::{JournalEntry, Stage};
use rookery_tracking::{Actor, ErrorCode, JournalQuery, Tag};

use super::registry::{PENGUINS, by};
use crate::fixture::{Fixture, START_MS};

impl Fixture {
    async fn journal_of(&self, name: Option<&str>) -> Vec<JournalEntry> {
        let mut request = JournalQuery {
            name: name.map(str::to_owned),
            max_results: 3,
            page_token: None,
        };
        let mut entries = Vec::new();
        loop {
            let page = self.registry.journal(request.clone()).await.unwrap();
            assert!(page.items.len() <= 3);
            entries.extend(page.items);
            request.page_token = page.next_page_token;
            if request.page_token.is_none() {
                assert!(entries.is_sorted_by(|a, b| a.sequence > b.sequence));
                return entries;
            }
        }
    }

    /// The journal, oldest first, as short lines.
    async fn lines_of(&self, name: Option<&str>) -> Vec<String> {
        let entries = self.journal_of(name).await;
        entries.iter().rev().map(line).collect()
    }
}

/// `model [version] action [subject]: from → to`, with `-` for nothing.
fn line(entry: &JournalEntry) -> String {
    let version = entry
        .version
        .map(|version| format!(" {version}"))
        .unwrap_or_default();
    let subject = if entry.subject.is_empty() {
        String::new()
    } else {
        format!(" {}", entry.subject)
    };
    let or_nothing = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    format!(
        "{}{version} {}{subject}: {} → {}",
        entry.model,
        entry.action.as_str(),
        or_nothing(&entry.from),
        or_nothing(&entry.to)
    )
}

pub(super) async fn every_change_is_a_line_and_nothing_else_is(fixture: Fixture) {
    let (registry, ada) = (&fixture.registry, by("ada"));
    fixture.model("m").await;
    fixture.version("m").await;
    fixture.version("m").await;
    let gate = || "accuracy >= champion".parse().ok();
    // Everything twice: the second time nothing changes.
    for _ in 0..2 {
        registry.describe_registered_model("m", "d", &ada).await.unwrap();
        registry.describe_model_version("m", 1, "e", &ada).await.unwrap();
        registry
            .set_registered_model_tag("m", Tag::new("a", "1"), &ada)
            .await
            .unwrap();
        registry
            .set_model_version_tag("m", 1, Tag::new("b", "2"), &ada)
            .await
            .unwrap();
        registry.set_alias("m", "champion", 2, &ada).await.unwrap();
        registry
            .set_alias_gate("m", "champion", gate(), &ada)
            .await
            .unwrap();
        registry
            .transition_stage("m", 2, Stage::Staging, true, &ada)
            .await
            .unwrap();
        registry.rename_registered_model("m", "m", &ada).await.unwrap();
    }
    registry
        .transition_stage("m", 1, Stage::Staging, true, &ada)
        .await
        .unwrap();
    for _ in 0..2 {
        registry
            .delete_registered_model_tag("m", "a", &ada)
            .await
            .unwrap();
        registry
            .delete_model_version_tag("m", 1, "b", &ada)
            .await
            .unwrap();
        registry
            .set_alias_gate("m", "champion", None, &ada)
            .await
            .unwrap();
        registry.delete_alias("m", "nobody", &ada).await.unwrap();
    }
    registry.set_alias("m", "champion", 1, &ada).await.unwrap();
    registry.set_alias("m", "other", 1, &ada).await.unwrap();
    registry.delete_alias("m", "other", &ada).await.unwrap();
    registry.delete_model_version("m", 1, &ada).await.unwrap();
    registry.set_alias("m", "bad alias", 2, &ada).await.unwrap_err();
    registry.set_alias("m", "champion", 9, &ada).await.unwrap_err();
    registry
        .rename_registered_model("m", PENGUINS, &ada)
        .await
        .unwrap();
    registry.delete_registered_model(PENGUINS, &ada).await.unwrap();
    let source = "s3://birds/models";
    let expected = [
        "m model_created: - → m",
        &format!("m 1 version_created: - → {source}"),
        &format!("m 2 version_created: - → {source}"),
        "m model_described:  → d",
        "m 1 version_described:  → e",
        "m model_tag_set a: - → 1",
        "m 1 version_tag_set b: - → 2",
        "m 2 alias_set champion: - → 2",
        "m gate_set champion: - → accuracy >= champion",
        "m 2 stage_changed: None → Staging",
        "m 2 stage_changed: Staging → Archived",
        "m 1 stage_changed: None → Staging",
        "m model_tag_deleted a: 1 → -",
        "m 1 version_tag_deleted b: 2 → -",
        "m gate_deleted champion: accuracy >= champion → -",
        "m 1 alias_set champion: 2 → 1",
        "m 1 alias_set other: - → 1",
        "m 1 alias_deleted other: 1 → -",
        "m 1 alias_deleted champion: 1 → -",
        &format!("m 1 version_deleted: {source} → -"),
        &format!("m model_renamed: m → {PENGUINS}"),
        &format!("{PENGUINS} model_deleted: {PENGUINS} → -"),
    ];
    assert_eq!(fixture.lines_of(None).await, expected);
    // A deleted model is still known, under every name it had.
    assert_eq!(fixture.lines_of(Some(PENGUINS)).await, expected);
    assert_eq!(fixture.lines_of(Some("m")).await, expected);
}

pub(super) async fn a_line_says_who_when_and_why(fixture: Fixture) {
    fixture.model("m").await;
    fixture.environment.advance_ms(7);
    let actor = Actor {
        user: "begoña".to_owned(),
        reason: "más claro 🐧".to_owned(),
    };
    fixture
        .registry
        .describe_registered_model("m", "new", &actor)
        .await
        .unwrap();
    let newest = fixture.journal_of(Some("m")).await.remove(0);
    assert_eq!((newest.user, newest.reason), (actor.user, actor.reason));
    assert_eq!(newest.timestamp_ms, START_MS + 7);

    let wordy = Actor {
        user: "ada".to_owned(),
        reason: "ñ".repeat(5001),
    };
    let error = fixture
        .registry
        .describe_registered_model("m", "newer", &wordy)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
    for (max_results, token) in [(0, None), (1001, None), (1, Some("x".to_owned()))] {
        let request = JournalQuery {
            name: None,
            max_results,
            page_token: token,
        };
        let error = fixture.registry.journal(request).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
    }
}

pub(super) async fn a_journal_follows_a_model_through_its_names(fixture: Fixture) {
    let (registry, ada) = (&fixture.registry, by("ada"));
    fixture.model("a").await;
    registry.rename_registered_model("a", "b", &ada).await.unwrap();
    // Nobody else is called so yet, so the former name is enough.
    let first = ["a model_created: - → a", "a model_renamed: a → b"];
    assert_eq!(fixture.lines_of(Some("a")).await, first);
    assert_eq!(fixture.lines_of(Some("b")).await, first);

    // Another model takes the name that is free.
    fixture.model("a").await;
    fixture.version("a").await;
    let second = [
        "a model_created: - → a",
        "a 1 version_created: - → s3://birds/models",
    ];
    assert_eq!(fixture.lines_of(Some("a")).await, second);
    assert_eq!(fixture.lines_of(Some("b")).await, first);

    // They swap names by a third one.
    registry.rename_registered_model("a", "c", &ada).await.unwrap();
    registry.rename_registered_model("b", "a", &ada).await.unwrap();
    registry.rename_registered_model("c", "b", &ada).await.unwrap();
    let first = [&first[..], &["b model_renamed: b → a"]].concat();
    let second = [&second[..], &["a model_renamed: a → c", "c model_renamed: c → b"]].concat();
    assert_eq!(fixture.lines_of(Some("a")).await, first);
    assert_eq!(fixture.lines_of(Some("b")).await, second);

    // A name outlives its model: what was deleted under it and what was made after are both known by it.
    registry.delete_registered_model("a", &ada).await.unwrap();
    fixture.model("a").await;
    let both = [&first[..], &["a model_deleted: a → -", "a model_created: - → a"]].concat();
    assert_eq!(fixture.lines_of(Some("a")).await, both);
    assert_eq!(fixture.lines_of(None).await.len(), both.len() + second.len());
    let request = JournalQuery {
        name: Some("d".to_owned()),
        max_results: 10,
        page_token: None,
    };
    let error = registry.journal(request).await.unwrap_err();
    assert_eq!(error.to_string(), "Registered Model with name=d not found");
}
