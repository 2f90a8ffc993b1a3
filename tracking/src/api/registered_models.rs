//! `registered-models/…`: names in the registry, and their aliases.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::{delete, get, patch, post};
use serde::Serialize;

use super::actor::By;
use super::fields::Fields;
use super::parse;
use super::respond::{Answer, done, ok};
use super::view::{ModelVersionView, RegisteredModelView};
use super::{Api, Routes};
use crate::entities::Stage;
use crate::registry::CreateRegisteredModel;

const DEFAULT_RESULTS: usize = 100;
const MAX_RESULTS: usize = 1000;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/registered-models/create", post(create))
        .route("/registered-models/get", get(by_name))
        .route("/registered-models/search", get(search))
        .route("/registered-models/rename", post(rename))
        .route("/registered-models/update", patch(update))
        .route("/registered-models/delete", delete(remove))
        .route(
            "/registered-models/get-latest-versions",
            post(latest_versions).get(latest_versions),
        )
        .route("/registered-models/set-tag", post(set_tag))
        .route("/registered-models/delete-tag", delete(delete_tag))
        .route(
            "/registered-models/alias",
            post(set_alias).get(version_by_alias).delete(delete_alias),
        )
}

#[derive(Serialize)]
struct Found<'a> {
    registered_model: RegisteredModelView<'a>,
}

async fn create(State(api): State<Arc<Api>>, By(by): By, mut fields: Fields) -> Answer {
    let request = CreateRegisteredModel {
        name: fields.required("name")?,
        description: fields.text_or_empty("description")?,
        tags: parse::tags(&mut fields)?,
    };
    let model = api.registry.create_registered_model(request, &by).await?;
    ok(&Found {
        registered_model: RegisteredModelView::from(&model),
    })
}

async fn by_name(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let model = api
        .registry
        .get_registered_model(&fields.required("name")?)
        .await?;
    ok(&Found {
        registered_model: RegisteredModelView::from(&model),
    })
}

async fn search(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct FoundPage<'a> {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        registered_models: Vec<RegisteredModelView<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_page_token: Option<&'a str>,
    }

    let search = parse::search(&mut fields, DEFAULT_RESULTS, MAX_RESULTS)?;
    let page = api.registry.search_registered_models(search).await?;
    ok(&FoundPage {
        registered_models: page.items.iter().map(RegisteredModelView::from).collect(),
        next_page_token: page.next_page_token.as_deref(),
    })
}

async fn rename(State(api): State<Arc<Api>>, By(by): By, mut fields: Fields) -> Answer {
    let name = fields.required("name")?;
    let new_name = fields.required("new_name")?;
    let model = api
        .registry
        .rename_registered_model(&name, &new_name, &by)
        .await?;
    ok(&Found {
        registered_model: RegisteredModelView::from(&model),
    })
}

async fn update(State(api): State<Arc<Api>>, By(by): By, mut fields: Fields) -> Answer {
    let name = fields.required("name")?;
    let description = fields.text_or_empty("description")?;
    let model = api
        .registry
        .describe_registered_model(&name, &description, &by)
        .await?;
    ok(&Found {
        registered_model: RegisteredModelView::from(&model),
    })
}

async fn remove(State(api): State<Arc<Api>>, By(by): By, mut fields: Fields) -> Answer {
    let name = fields.required("name")?;
    api.registry.delete_registered_model(&name, &by).await?;
    done()
}

async fn latest_versions(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct Versions<'a> {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        model_versions: Vec<ModelVersionView<'a>>,
    }

    let name = fields.required("name")?;
    let stages = fields.texts("stages")?;
    let stages: Vec<Stage> = stages
        .iter()
        .map(|text| parse::stage(text))
        .collect::<Result<_, _>>()?;
    let versions = api.registry.latest_versions(&name, &stages).await?;
    ok(&Versions {
        model_versions: versions.iter().map(ModelVersionView::from).collect(),
    })
}

async fn set_tag(State(api): State<Arc<Api>>, By(by): By, mut fields: Fields) -> Answer {
    let name = fields.required("name")?;
    let tag = parse::tag(&mut fields)?;
    api.registry.set_registered_model_tag(&name, tag, &by).await?;
    done()
}

async fn delete_tag(State(api): State<Arc<Api>>, By(by): By, mut fields: Fields) -> Answer {
    let name = fields.required("name")?;
    let key = fields.required("key")?;
    api.registry.delete_registered_model_tag(&name, &key, &by).await?;
    done()
}

async fn set_alias(State(api): State<Arc<Api>>, By(by): By, mut fields: Fields) -> Answer {
    let name = fields.required("name")?;
    let alias = fields.required("alias")?;
    let version = parse::version(&mut fields)?;
    api.registry.set_alias(&name, &alias, version, &by).await?;
    done()
}

async fn version_by_alias(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct Version<'a> {
        model_version: ModelVersionView<'a>,
    }

    let name = fields.required("name")?;
    let alias = fields.required("alias")?;
    let version = api.registry.get_version_by_alias(&name, &alias).await?;
    ok(&Version {
        model_version: ModelVersionView::from(&version),
    })
}

async fn delete_alias(State(api): State<Arc<Api>>, By(by): By, mut fields: Fields) -> Answer {
    let name = fields.required("name")?;
    let alias = fields.required("alias")?;
    api.registry.delete_alias(&name, &alias, &by).await?;
    done()
}
