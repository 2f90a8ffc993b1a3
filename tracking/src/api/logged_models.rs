//! `logged-models/…`: models as records of their own.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::{delete, get, patch, post};
use serde::Serialize;

use super::error::ApiError;
use super::fields::Fields;
use super::parse;
use super::path::PathParams;
use super::respond::{Answer, done, ok};
use super::view::LoggedModelView;
use super::{Api, Routes};
use crate::entities::LoggedModelStatus;
use crate::search::OrderField;
use crate::store::{CreateLoggedModel, DatasetFilter, SearchLoggedModels};

const DEFAULT_RESULTS: usize = 100;
const MAX_RESULTS: usize = 1000;
const STATUSES: [(&str, i64, LoggedModelStatus); 3] = [
    ("LOGGED_MODEL_PENDING", 1, LoggedModelStatus::Pending),
    ("LOGGED_MODEL_READY", 2, LoggedModelStatus::Ready),
    ("LOGGED_MODEL_UPLOAD_FAILED", 3, LoggedModelStatus::UploadFailed),
];

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/logged-models", post(create))
        .route("/logged-models/search", post(search))
        .route(
            "/logged-models/{model_id}",
            get(by_id).patch(finalize).delete(remove),
        )
        .route("/logged-models/{model_id}/tags", patch(set_tags))
        .route("/logged-models/{model_id}/tags/{key}", delete(delete_tag))
        .route("/logged-models/{model_id}/params", post(log_params))
}

#[derive(Serialize)]
struct Found<'a> {
    model: LoggedModelView<'a>,
}

async fn create(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let request = CreateLoggedModel {
        experiment_id: parse::experiment_id(&mut fields)?,
        name: fields.some_text("name")?,
        source_run_id: fields.some_text("source_run_id")?,
        model_type: fields.text_or_empty("model_type")?,
        params: parse::params(&mut fields)?,
        tags: parse::tags(&mut fields)?,
    };
    let model = api.store.create_logged_model(request).await?;
    ok(&Found {
        model: LoggedModelView::from(&model),
    })
}

async fn by_id(State(api): State<Arc<Api>>, PathParams(model_id): PathParams<String>) -> Answer {
    let model = api.store.get_logged_model(&model_id).await?;
    ok(&Found {
        model: LoggedModelView::from(&model),
    })
}

async fn finalize(
    State(api): State<Arc<Api>>,
    PathParams(model_id): PathParams<String>,
    mut fields: Fields,
) -> Answer {
    let status = fields.word("status", &STATUSES)?;
    let status = status.ok_or_else(|| fields.missing("status"))?;
    let model = api.store.finalize_logged_model(&model_id, status).await?;
    ok(&Found {
        model: LoggedModelView::from(&model),
    })
}

async fn remove(State(api): State<Arc<Api>>, PathParams(model_id): PathParams<String>) -> Answer {
    api.store.delete_logged_model(&model_id).await?;
    done()
}

async fn set_tags(
    State(api): State<Arc<Api>>,
    PathParams(model_id): PathParams<String>,
    mut fields: Fields,
) -> Answer {
    let tags = parse::tags(&mut fields)?;
    api.store.set_logged_model_tags(&model_id, tags).await?;
    done()
}

async fn delete_tag(
    State(api): State<Arc<Api>>,
    PathParams((model_id, key)): PathParams<(String, String)>,
) -> Answer {
    api.store.delete_logged_model_tag(&model_id, &key).await?;
    done()
}

async fn log_params(
    State(api): State<Arc<Api>>,
    PathParams(model_id): PathParams<String>,
    mut fields: Fields,
) -> Answer {
    let params = parse::params(&mut fields)?;
    api.store.log_logged_model_params(&model_id, params).await?;
    done()
}

async fn search(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct FoundPage<'a> {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        models: Vec<LoggedModelView<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_page_token: Option<&'a str>,
    }

    fields.require_list("experiment_ids")?;
    let experiment_ids = parse::experiment_ids(&mut fields)?;
    let request = SearchLoggedModels {
        experiment_ids,
        filter: fields.text_or_empty("filter")?,
        datasets: datasets(&mut fields)?,
        order_by: order(&mut fields)?,
        max_results: fields.max_results(DEFAULT_RESULTS, MAX_RESULTS)?,
        page_token: fields.some_text("page_token")?,
    };
    let page = api.store.search_logged_models(request).await?;
    ok(&FoundPage {
        models: page.items.iter().map(LoggedModelView::from).collect(),
        next_page_token: page.next_page_token.as_deref(),
    })
}

fn datasets(fields: &mut Fields) -> Result<Vec<DatasetFilter>, ApiError> {
    let mut datasets = Vec::new();
    for mut dataset in fields.objects("datasets")? {
        datasets.push(DatasetFilter {
            name: dataset.text_or_empty("dataset_name")?,
            digest: dataset.some_text("dataset_digest")?,
        });
    }
    Ok(datasets)
}

/// Reads the order, which comes in parts here.
fn order(fields: &mut Fields) -> Result<Vec<OrderField>, ApiError> {
    let mut terms = Vec::new();
    for mut term in fields.objects("order_by")? {
        terms.push(OrderField {
            field_name: term.required("field_name")?,
            ascending: term.flag("ascending")?.unwrap_or(true),
            dataset_name: term.some_text("dataset_name")?,
            dataset_digest: term.some_text("dataset_digest")?,
        });
    }
    Ok(terms)
}
