//! `model-versions/…`

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::{delete, get, patch, post};
use serde::{Deserialize, Serialize};

use super::actor::By;
use super::error::ApiError;
use super::fields::Fields;
use super::parse;
use super::respond::{Answer, done, ok};
use super::source::{self, Lineage};
use super::view::ModelVersionView;
use super::{Api, Routes};
use crate::entities::{ModelVersion, Tag};
use crate::registry::CreateModelVersion;

const DEFAULT_RESULTS: usize = 10_000;
const MAX_RESULTS: usize = 200_000;
/// The tag of a logged model that lists the versions made from it.
const TAG_MODEL_VERSIONS: &str = "mlflow.modelVersions";

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/model-versions/create", post(create))
        .route("/model-versions/get", get(by_number))
        .route("/model-versions/get-download-uri", get(download_uri))
        .route("/model-versions/search", get(search))
        .route("/model-versions/update", patch(update))
        .route("/model-versions/delete", delete(remove))
        .route("/model-versions/transition-stage", post(transition_stage))
        .route("/model-versions/set-tag", post(set_tag))
        .route("/model-versions/delete-tag", delete(delete_tag))
}

#[derive(Serialize)]
struct Found<'a> {
    model_version: ModelVersionView<'a>,
}

async fn create(State(api): State<Arc<Api>>, By(by): By, mut fields: Fields) -> Answer {
    let name = fields.required("name")?;
    let given = Lineage {
        source: fields.required("source")?,
        run_id: fields.text("run_id")?,
        model_id: fields.text("model_id")?,
    };
    let tags = parse::tags(&mut fields)?;
    let lineage = source::check(&api, given, &tags).await?;
    let request = CreateModelVersion {
        name,
        source: lineage.source,
        run_id: lineage.run_id.unwrap_or_default(),
        model_id: lineage.model_id.filter(|id| !id.is_empty()),
        run_link: fields.text_or_empty("run_link")?,
        description: fields.text_or_empty("description")?,
        tags,
    };
    let created = api.registry.create_model_version(request, &by).await?;
    if let Some(model_id) = &created.model_id
        && let Err(error) = note_version(&api, model_id, &created).await
    {
        // The version exists; that its logged model does not name it costs a link in the UI.
        tracing::warn!(
            model_id,
            error = error.message(),
            "a version is missing in its model's tag"
        );
    }
    ok(&Found {
        model_version: ModelVersionView::from(&created),
    })
}

/// Adds the version to the list in its logged model's tag, where MLflow's UI looks for it.
async fn note_version(api: &Api, model_id: &str, created: &ModelVersion) -> Result<(), ApiError> {
    #[derive(Serialize, Deserialize, PartialEq)]
    struct Entry {
        name: String,
        version: serde_json::Value,
    }

    let model = api.store.get_logged_model(model_id).await?;
    let listed = model.tags.iter().find(|tag| tag.key == TAG_MODEL_VERSIONS);
    let mut entries: Vec<Entry> = listed
        .and_then(|tag| serde_json::from_str(&tag.value).ok())
        .unwrap_or_default();
    let entry = Entry {
        name: created.name.clone(),
        version: created.version.into(),
    };
    if !entries.contains(&entry) {
        entries.push(entry);
    }
    let list = serde_json::to_string(&entries).map_err(|_| ApiError::internal())?;
    let tag = Tag::new(TAG_MODEL_VERSIONS, list);
    Ok(api.store.set_logged_model_tags(model_id, vec![tag]).await?)
}

async fn by_number(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let name = fields.required("name")?;
    let version = parse::version(&mut fields)?;
    let found = api.registry.get_model_version(&name, version).await?;
    ok(&Found {
        model_version: ModelVersionView::from(&found),
    })
}

async fn download_uri(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct Location<'a> {
        artifact_uri: &'a str,
    }

    let name = fields.required("name")?;
    let version = parse::version_number(&fields.text_or_empty("version")?)?;
    let found = api.registry.get_model_version(&name, version).await?;
    ok(&Location {
        artifact_uri: &found.storage_location,
    })
}

async fn search(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct FoundPage<'a> {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        model_versions: Vec<ModelVersionView<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_page_token: Option<&'a str>,
    }

    let search = parse::search(&mut fields, DEFAULT_RESULTS, MAX_RESULTS)?;
    let page = api.registry.search_model_versions(search).await?;
    ok(&FoundPage {
        model_versions: page.items.iter().map(ModelVersionView::from).collect(),
        next_page_token: page.next_page_token.as_deref(),
    })
}

async fn update(State(api): State<Arc<Api>>, By(by): By, mut fields: Fields) -> Answer {
    let name = fields.required("name")?;
    let version = parse::version(&mut fields)?;
    let description = fields.text_or_empty("description")?;
    let updated = api
        .registry
        .describe_model_version(&name, version, &description, &by)
        .await?;
    ok(&Found {
        model_version: ModelVersionView::from(&updated),
    })
}

async fn remove(State(api): State<Arc<Api>>, By(by): By, mut fields: Fields) -> Answer {
    let name = fields.required("name")?;
    let version = parse::version(&mut fields)?;
    api.registry.delete_model_version(&name, version, &by).await?;
    done()
}

async fn transition_stage(State(api): State<Arc<Api>>, By(by): By, mut fields: Fields) -> Answer {
    let name = fields.required("name")?;
    let version = parse::version(&mut fields)?;
    let stage = parse::stage(&fields.required("stage")?)?;
    let archive_existing = fields.flag("archive_existing_versions")?.unwrap_or(false);
    let moved = api
        .registry
        .transition_stage(&name, version, stage, archive_existing, &by)
        .await?;
    ok(&Found {
        model_version: ModelVersionView::from(&moved),
    })
}

async fn set_tag(State(api): State<Arc<Api>>, By(by): By, mut fields: Fields) -> Answer {
    let name = fields.required("name")?;
    let version = parse::version(&mut fields)?;
    let tag = parse::tag(&mut fields)?;
    api.registry
        .set_model_version_tag(&name, version, tag, &by)
        .await?;
    done()
}

async fn delete_tag(State(api): State<Arc<Api>>, By(by): By, mut fields: Fields) -> Answer {
    let name = fields.required("name")?;
    let version = parse::version(&mut fields)?;
    let key = fields.required("key")?;
    api.registry
        .delete_model_version_tag(&name, version, &key, &by)
        .await?;
    done()
}
