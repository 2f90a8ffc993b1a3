//! `runs/…`, as far as the run as a whole is concerned.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Serialize;

use super::fields::Fields;
use super::parse;
use super::respond::{Answer, done, ok};
use super::view::{RunInfoView, RunView};
use super::{Api, Routes};
use crate::entities::RunStatus;
use crate::store::{CreateRun, SearchRuns, UpdateRun};
use crate::validate::MAX_SEARCH_RESULTS;

const DEFAULT_RESULTS: usize = 1000;
const STATUSES: [(&str, i64, RunStatus); 5] = [
    ("RUNNING", 1, RunStatus::Running),
    ("SCHEDULED", 2, RunStatus::Scheduled),
    ("FINISHED", 3, RunStatus::Finished),
    ("FAILED", 4, RunStatus::Failed),
    ("KILLED", 5, RunStatus::Killed),
];

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/runs/create", post(create))
        .route("/runs/get", get(by_id))
        .route("/runs/update", post(update))
        .route("/runs/delete", post(delete))
        .route("/runs/restore", post(restore))
        .route("/runs/search", post(search))
}

#[derive(Serialize)]
struct Found<'a> {
    run: RunView<'a>,
}

async fn create(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let request = CreateRun {
        experiment_id: parse::experiment_id(&mut fields)?,
        run_name: fields.some_text("run_name")?,
        user_id: fields.text_or_empty("user_id")?,
        start_time_ms: fields.int("start_time")?.unwrap_or(0),
        owner: None,
        parent_run_id: None,
        tags: parse::tags(&mut fields)?,
    };
    let created = api.store.create_run(request).await?;
    ok(&Found {
        run: RunView::of_created(&created),
    })
}

async fn by_id(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let found = api.store.get_run(&fields.run_id()?).await?;
    ok(&Found {
        run: RunView::from(&found),
    })
}

async fn update(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct Updated<'a> {
        run_info: RunInfoView<'a>,
    }

    let run_id = fields.run_id()?;
    let change = UpdateRun {
        status: fields.word("status", &STATUSES)?,
        end_time_ms: fields.int("end_time")?,
        run_name: fields.some_text("run_name")?,
        owner: None,
    };
    let updated = api.store.update_run(&run_id, change).await?;
    ok(&Updated {
        run_info: RunInfoView::from(&updated),
    })
}

async fn delete(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    api.store.delete_run(&fields.run_id()?).await?;
    done()
}

async fn restore(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    api.store.restore_run(&fields.run_id()?).await?;
    done()
}

/// A search in no experiments finds nothing, as in MLflow.
async fn search(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct FoundPage<'a> {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        runs: Vec<RunView<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_page_token: Option<&'a str>,
    }

    let request = SearchRuns {
        experiment_ids: Some(parse::experiment_ids(&mut fields)?),
        view: parse::view_type(&mut fields, "run_view_type")?,
        search: parse::search(&mut fields, DEFAULT_RESULTS, MAX_SEARCH_RESULTS)?,
    };
    let page = api.store.search_runs(request).await?;
    ok(&FoundPage {
        runs: page.items.iter().map(RunView::from).collect(),
        next_page_token: page.next_page_token.as_deref(),
    })
}
