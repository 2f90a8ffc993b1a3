//! `experiments/…`

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Serialize;

use super::error::ApiError;
use super::fields::Fields;
use super::parse;
use super::respond::{Answer, done, ok};
use super::view::ExperimentView;
use super::{Api, Routes};
use crate::entities::LifecycleStage;
use crate::error::TrackingError;
use crate::store::{CreateExperiment, Search, SearchExperiments, SearchRuns};
use crate::validate::MAX_SEARCH_RESULTS;

/// MLflow refuses a search without a number; this is the one that its clients send.
const DEFAULT_RESULTS: usize = 1000;
/// The most experiments whose datasets can be asked for at once.
const MAX_DATASET_EXPERIMENTS: usize = 20;
/// The most datasets in one answer.
const MAX_DATASETS: usize = 1000;
/// The tag of a dataset that says what it is for.
const TAG_DATASET_CONTEXT: &str = "mlflow.data.context";

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/experiments/create", post(create))
        .route("/experiments/get", get(by_id))
        .route("/experiments/get-by-name", get(by_name))
        .route("/experiments/search", post(search).get(search))
        .route("/experiments/update", post(update))
        .route("/experiments/delete", post(delete))
        .route("/experiments/restore", post(restore))
        .route("/experiments/set-experiment-tag", post(set_tag))
        .route("/experiments/delete-experiment-tag", post(delete_tag))
        .route("/experiments/search-datasets", post(search_datasets))
}

async fn create(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct Created<'a> {
        experiment_id: &'a str,
    }

    let request = CreateExperiment {
        name: fields.required("name")?,
        artifact_location: fields.some_text("artifact_location")?,
        tags: parse::tags(&mut fields)?,
    };
    let created = api.store.create_experiment(request).await?;
    ok(&Created {
        experiment_id: &created.experiment_id,
    })
}

#[derive(Serialize)]
struct Found<'a> {
    experiment: ExperimentView<'a>,
}

async fn by_id(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let found = api
        .store
        .get_experiment(&parse::experiment_id(&mut fields)?)
        .await?;
    ok(&Found {
        experiment: ExperimentView::from(&found),
    })
}

async fn by_name(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let name = fields.required("experiment_name")?;
    let found = api.store.get_experiment_by_name(&name).await?;
    let found =
        found.ok_or_else(|| ApiError::not_found(format!("Could not find experiment with name '{name}'")))?;
    ok(&Found {
        experiment: ExperimentView::from(&found),
    })
}

async fn search(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct FoundPage<'a> {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        experiments: Vec<ExperimentView<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_page_token: Option<&'a str>,
    }

    let request = SearchExperiments {
        view: parse::view_type(&mut fields, "view_type")?,
        search: parse::search(&mut fields, DEFAULT_RESULTS, MAX_SEARCH_RESULTS)?,
    };
    let page = api.store.search_experiments(request).await?;
    ok(&FoundPage {
        experiments: page.items.iter().map(ExperimentView::from).collect(),
        next_page_token: page.next_page_token.as_deref(),
    })
}

async fn update(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let experiment_id = parse::experiment_id(&mut fields)?;
    let name = fields.required("new_name")?;
    api.store.rename_experiment(&experiment_id, &name).await?;
    done()
}

async fn delete(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let experiment_id = parse::experiment_id(&mut fields)?;
    check_is(&api, &experiment_id, LifecycleStage::Active).await?;
    api.store.delete_experiment(&experiment_id).await?;
    done()
}

async fn restore(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let experiment_id = parse::experiment_id(&mut fields)?;
    check_is(&api, &experiment_id, LifecycleStage::Deleted).await?;
    api.store.restore_experiment(&experiment_id).await?;
    done()
}

/// To MLflow there is no experiment to delete that is deleted already, and none to restore that is not.
async fn check_is(api: &Api, experiment_id: &str, stage: LifecycleStage) -> Result<(), ApiError> {
    let found = api.store.get_experiment(experiment_id).await?;
    if found.lifecycle_stage == stage {
        return Ok(());
    }
    Err(TrackingError::ExperimentNotFound {
        experiment: experiment_id.to_owned(),
    }
    .into())
}

async fn set_tag(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let experiment_id = parse::experiment_id(&mut fields)?;
    let tag = parse::tag(&mut fields)?;
    api.store.set_experiment_tag(&experiment_id, tag).await?;
    done()
}

async fn delete_tag(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    let experiment_id = parse::experiment_id(&mut fields)?;
    let key = fields.required("key")?;
    api.store.delete_experiment_tag(&experiment_id, &key).await?;
    done()
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct DatasetSummary {
    experiment_id: String,
    name: String,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
}

/// The UI asks for this to offer datasets to filter by.
async fn search_datasets(State(api): State<Arc<Api>>, mut fields: Fields) -> Answer {
    #[derive(Serialize)]
    struct Summaries {
        #[serde(skip_serializing_if = "BTreeSet::is_empty")]
        dataset_summaries: BTreeSet<DatasetSummary>,
    }

    let experiment_ids = parse::experiment_ids(&mut fields)?;
    if experiment_ids.is_empty() {
        return Err(ApiError::invalid(
            "SearchDatasets request must specify at least one experiment_id.",
        ));
    }
    if experiment_ids.len() > MAX_DATASET_EXPERIMENTS {
        return Err(ApiError::invalid(format!(
            "SearchDatasets request cannot specify more than {MAX_DATASET_EXPERIMENTS} experiment_ids. Received {} \
             experiment_ids.",
            experiment_ids.len()
        )));
    }
    let mut request = SearchRuns {
        experiment_ids: Some(experiment_ids),
        search: Search::matching("dataset.name LIKE '%'"),
        ..SearchRuns::default()
    };
    let mut dataset_summaries = BTreeSet::new();
    loop {
        let page = api.store.search_runs(request.clone()).await?;
        for run in page.items {
            for input in run.dataset_inputs {
                let context = input.tags.into_iter().find(|tag| tag.key == TAG_DATASET_CONTEXT);
                dataset_summaries.insert(DatasetSummary {
                    experiment_id: run.info.experiment_id.clone(),
                    name: input.dataset.id.name,
                    digest: input.dataset.id.digest,
                    context: context.map(|tag| tag.value),
                });
            }
        }
        request.search.page_token = page.next_page_token;
        if request.search.page_token.is_none() || dataset_summaries.len() >= MAX_DATASETS {
            return ok(&Summaries { dataset_summaries });
        }
    }
}
