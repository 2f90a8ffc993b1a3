//! Searches of registered models and versions: filters, orders, pages.

use rookery_tracking::{CreateModelVersion, CreateRegisteredModel, ErrorCode, Search, Tag};

use super::registry::{PENGUINS, by, version_of};
use crate::fixture::{Fixture, search};

impl Fixture {
    /// Every model that a search finds, by name, page by page; no page is longer than asked for.
    async fn models_found(&self, filter: &str, order_by: &[&str], max_results: usize) -> Vec<String> {
        let mut search = search(filter, order_by, max_results);
        let mut found = Vec::new();
        loop {
            let page = self
                .registry
                .search_registered_models(search.clone())
                .await
                .unwrap();
            assert!(page.items.len() <= max_results);
            for model in page.items {
                assert_eq!(
                    self.registry.get_registered_model(&model.name).await.unwrap(),
                    model
                );
                found.push(model.name);
            }
            search.page_token = page.next_page_token;
            if search.page_token.is_none() {
                return found;
            }
        }
    }

    /// Every version that a search finds, as `name number`.
    async fn versions_found(&self, filter: &str, order_by: &[&str], max_results: usize) -> Vec<String> {
        let mut search = search(filter, order_by, max_results);
        let mut found = Vec::new();
        loop {
            let page = self.registry.search_model_versions(search.clone()).await.unwrap();
            assert!(page.items.len() <= max_results);
            for version in page.items {
                let (name, number) = (&version.name, version.version);
                assert_eq!(
                    self.registry.get_model_version(name, number).await.unwrap(),
                    version
                );
                found.push(format!("{name} {number}"));
            }
            search.page_token = page.next_page_token;
            if search.page_token.is_none() {
                return found;
            }
        }
    }

    async fn tagged_model(&self, name: &str, tags: &[(&str, &str)]) {
        let request = CreateRegisteredModel {
            name: name.to_owned(),
            tags: tags.iter().map(|(key, value)| Tag::new(*key, *value)).collect(),
            ..CreateRegisteredModel::default()
        };
        self.registry
            .create_registered_model(request, &by("ada"))
            .await
            .unwrap();
        self.environment.advance_ms(1);
    }
}

pub(super) async fn models_are_found_by_name_and_tags(fixture: Fixture) {
    fixture.tagged_model("b[1]", &[("team", "Mar")]).await;
    fixture
        .tagged_model(PENGUINS, &[("team", "mar"), ("size", "9")])
        .await;
    fixture.tagged_model("a_1", &[]).await;
    fixture
        .tagged_model("hola", &[("mlflow.prompt.is_prompt", "true")])
        .await;
    for (filter, expected) in [
        ("", &[PENGUINS, "a_1", "b[1]"][..]),
        ("name = 'Pronosticador de pingüinos'", &[PENGUINS]),
        ("name != 'a_1'", &[PENGUINS, "b[1]"]),
        ("name LIKE 'pro%'", &[]),
        ("name LIKE 'Pro%güi%'", &[PENGUINS]),
        ("name ILIKE 'pro%'", &[PENGUINS]),
        ("name LIKE '_[1]'", &["b[1]"]),
        ("name ILIKE '%GÜINOS'", &[PENGUINS]),
        ("name LIKE '%_1_'", &["b[1]"]),
        ("name IN ('a_1', 'b[1]', 'c')", &["a_1", "b[1]"]),
        ("tags.team = 'mar'", &[PENGUINS]),
        ("tags.team ILIKE 'MAR'", &[PENGUINS, "b[1]"]),
        ("tags.team != 'mar'", &["b[1]"]),
        ("tags.team ILIKE 'mar' AND tag.size = '9'", &[PENGUINS]),
        (
            "name = 'a_1' AND tag.`mlflow.prompt.is_prompt` != 'true'",
            &["a_1"],
        ),
        ("tag.`mlflow.prompt.is_prompt` = 'true'", &["hola"]),
        (
            "tag.`mlflow.prompt.is_prompt` = 'false'",
            &[PENGUINS, "a_1", "b[1]"],
        ),
    ] {
        assert_eq!(
            fixture.models_found(filter, &[], 1000).await,
            expected,
            "{filter}"
        );
    }
}

pub(super) async fn models_come_in_order_page_by_page(fixture: Fixture) {
    for name in ["c", "a", "b", "ñ", "d"] {
        fixture.tagged_model(name, &[]).await;
    }
    fixture
        .registry
        .describe_registered_model("a", "new", &by("ada"))
        .await
        .unwrap();
    fixture
        .registry
        .describe_registered_model("d", "new", &by("ada"))
        .await
        .unwrap();
    for max_results in [1, 2, 5, 1000] {
        for (order_by, expected) in [
            (&[][..], ["a", "b", "c", "d", "ñ"]),
            (&["name DESC"], ["ñ", "d", "c", "b", "a"]),
            (&["last_updated_timestamp DESC"], ["a", "d", "ñ", "b", "c"]),
            (&["timestamp ASC", "name DESC"], ["c", "b", "ñ", "d", "a"]),
        ] {
            let found = fixture.models_found("", order_by, max_results).await;
            assert_eq!(found, expected, "{order_by:?} by {max_results}");
        }
    }
}

pub(super) async fn versions_are_found_by_what_they_are_made_of(fixture: Fixture) {
    fixture.model("a").await;
    fixture.model(PENGUINS).await;
    for (name, run_id, source) in [
        ("a", "r1", "s3://x/1"),
        ("a", "", "s3://x/2"),
        (PENGUINS, "r1", "s3://y/1"),
    ] {
        let request = CreateModelVersion {
            run_id: run_id.to_owned(),
            source: source.to_owned(),
            tags: vec![Tag::new("from", source)],
            ..version_of(name)
        };
        fixture
            .registry
            .create_model_version(request, &by("ada"))
            .await
            .unwrap();
        fixture.environment.advance_ms(1);
    }
    let third = format!("{PENGUINS} 1");
    for (filter, expected) in [
        ("", &[&*third, "a 2", "a 1"][..]),
        ("name = 'a'", &["a 2", "a 1"]),
        ("name = 'a' AND version_number = 2", &["a 2"]),
        ("version_number > 1", &["a 2"]),
        ("version_number <= 1 AND name != 'a'", &[&*third]),
        ("run_id = 'r1'", &[&*third, "a 1"]),
        ("run_id != 'r2'", &[&*third, "a 1"]),
        ("run_id IN ('r1')", &[&*third, "a 1"]),
        ("source_path LIKE 's3://x/%'", &["a 2", "a 1"]),
        ("tags.from = 's3://x/1'", &["a 1"]),
        ("name = 'b'", &[]),
    ] {
        assert_eq!(
            fixture.versions_found(filter, &[], 1000).await,
            expected,
            "{filter}"
        );
    }
}

pub(super) async fn versions_come_in_order_page_by_page(fixture: Fixture) {
    for name in ["b", "a"] {
        fixture.model(name).await;
        for _ in 0..2 {
            fixture.version(name).await;
        }
        fixture.environment.advance_ms(1);
    }
    fixture
        .registry
        .describe_model_version("b", 1, "new", &by("ada"))
        .await
        .unwrap();
    for max_results in [1, 2, 3, 200_000] {
        for (order_by, expected) in [
            (&[][..], ["b 1", "a 2", "a 1", "b 2"]),
            (&["version_number ASC"], ["a 1", "b 1", "a 2", "b 2"]),
            (&["name DESC", "version_number ASC"], ["b 1", "b 2", "a 1", "a 2"]),
            (&["creation_timestamp ASC"], ["b 2", "b 1", "a 2", "a 1"]),
        ] {
            let found = fixture.versions_found("", order_by, max_results).await;
            assert_eq!(found, expected, "{order_by:?} by {max_results}");
        }
    }
}

pub(super) async fn a_search_that_makes_no_sense_is_refused(fixture: Fixture) {
    let token = |token: &str| Search {
        page_token: Some(token.to_owned()),
        ..Search::default()
    };
    for bad in [
        search("colour = 'red'", &[], 10),
        search("name = ", &[], 10),
        search("", &["colour"], 10),
        search("", &[], 0),
        search("", &[], 200_001),
        token("x"),
        token("[]"),
        token("[1, 2, 3, 4]"),
        token("[true]"),
    ] {
        let of_models = fixture
            .registry
            .search_registered_models(bad.clone())
            .await
            .unwrap_err();
        let of_versions = fixture
            .registry
            .search_model_versions(bad.clone())
            .await
            .unwrap_err();
        for error in [of_models, of_versions] {
            assert_eq!(error.code(), ErrorCode::InvalidParameterValue, "{bad:?}: {error}");
        }
    }
    let error = fixture
        .registry
        .search_registered_models(search("", &[], 1001))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Invalid value for request parameter max_results. It must be at most 1000, but got value 1001"
    );
}
