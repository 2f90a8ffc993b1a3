//! The searches of the store: what each may see, and how its rows become records.

use super::fault::Sql;
use super::run_cache::RunCache;
use super::search::{Listing, Scope, page};
use super::session::Session;
use super::{experiments, logged_models, run_data, runs};
use crate::entities::{Experiment, LoggedModel, Run, ViewType};
use crate::page::Page;
use crate::search::{OrderBy, Target};
use crate::store::{SearchExperiments, SearchLoggedModels, SearchRuns};

pub(super) fn experiments(session: &dyn Session, request: &SearchExperiments) -> Sql<Page<Experiment>> {
    let scope = Scope {
        view: request.view,
        experiment_ids: None,
        datasets: &[],
    };
    let listing = Listing::of(Target::Experiments, experiments::COLUMNS, scope, &request.search)?;
    let mut page = page(session, &listing, experiments::from_row)?;
    experiments::add_tags(session, &mut page.items)?;
    Ok(page)
}

pub(super) fn runs(session: &dyn Session, cache: &RunCache, request: &SearchRuns) -> Sql<Page<Run>> {
    let scope = Scope {
        view: request.view,
        experiment_ids: request.experiment_ids.as_deref(),
        datasets: &[],
    };
    let listing = Listing::of(Target::Runs, runs::HEADER_COLUMNS, scope, &request.search)?;
    let page = page(session, &listing, runs::header_from_row)?;
    Ok(Page {
        items: run_data::with_data(session, cache, page.items)?,
        next_page_token: page.next_page_token,
    })
}

pub(super) fn logged_models(session: &dyn Session, request: &SearchLoggedModels) -> Sql<Page<LoggedModel>> {
    let listing = Listing {
        target: Target::LoggedModels,
        columns: logged_models::COLUMNS,
        scope: Scope {
            view: ViewType::ActiveOnly,
            experiment_ids: Some(&request.experiment_ids),
            datasets: &request.datasets,
        },
        filter: &request.filter,
        order: OrderBy::of_logged_models(&request.order_by)?,
        max_results: request.max_results,
        page_token: request.page_token.as_deref(),
    };
    let mut page = page(session, &listing, logged_models::from_row)?;
    logged_models::add_data(session, &mut page.items)?;
    Ok(page)
}
