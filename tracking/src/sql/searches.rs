//! The searches of the store: what each may see, and how its rows become records.

use super::fault::Sql;
use super::search::{Listing, Scope, page};
use super::session::Session;
use super::{experiments, logged_models, run_data, runs};
use crate::entities::{Experiment, LoggedModel, Run, ViewType};
use crate::page::Page;
use crate::search::Target;
use crate::store::{SearchExperiments, SearchLoggedModels, SearchRuns};

pub(super) fn experiments(session: &dyn Session, request: &SearchExperiments) -> Sql<Page<Experiment>> {
    let listing = Listing {
        target: Target::Experiments,
        columns: experiments::COLUMNS,
        scope: Scope {
            view: request.view,
            experiment_ids: None,
        },
        search: &request.search,
    };
    let mut page = page(session, &listing, experiments::from_row)?;
    experiments::add_tags(session, &mut page.items)?;
    Ok(page)
}

pub(super) fn runs(session: &dyn Session, request: &SearchRuns) -> Sql<Page<Run>> {
    let listing = Listing {
        target: Target::Runs,
        columns: runs::COLUMNS,
        scope: Scope {
            view: request.view,
            experiment_ids: request.experiment_ids.as_deref(),
        },
        search: &request.search,
    };
    let page = page(session, &listing, runs::from_row)?;
    Ok(Page {
        items: run_data::with_data(session, page.items)?,
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
        },
        search: &request.search,
    };
    let mut page = page(session, &listing, logged_models::from_row)?;
    logged_models::add_data(session, &mut page.items)?;
    Ok(page)
}
