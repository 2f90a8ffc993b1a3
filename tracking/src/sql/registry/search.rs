//! Searches of registered models and of versions.

use super::rows;
use crate::entities::{ModelVersion, RegisteredModel, ViewType};
use crate::error::TrackingError;
use crate::page::Page;
use crate::search::{Clause, Filter, Target, TextColumn};
use crate::sql::fault::Sql;
use crate::sql::search::{Listing, Scope, page};
use crate::sql::session::Session;
use crate::store::Search;

/// The tag that tells prompts from models.
const TAG_IS_PROMPT: &str = "mlflow.prompt.is_prompt";

/// Returns the search that is meant: unless it says something about prompts, it is not about prompts, as in MLflow.
pub(super) fn without_prompts(target: Target, mut search: Search) -> Result<Search, TrackingError> {
    let filter = Filter::parse(target, &search.filter)?;
    if !filter.clauses.iter().any(is_about_prompts) {
        search.filter = format!("{} AND tags.`{TAG_IS_PROMPT}` != 'true'", search.filter);
    }
    Ok(search)
}

fn is_about_prompts(clause: &Clause) -> bool {
    match clause {
        Clause::Number { .. } => false,
        Clause::Text { column, .. } | Clause::In { column, .. } | Clause::Null { column, .. } => {
            matches!(column, TextColumn::Tag(key) if key == TAG_IS_PROMPT)
        }
    }
}

pub(super) fn models(session: &dyn Session, search: &Search) -> Sql<Page<RegisteredModel>> {
    let listing = listing(Target::RegisteredModels, rows::MODEL_COLUMNS, search)?;
    let page = page(session, &listing, rows::model_from_row)?;
    Ok(Page {
        items: rows::complete_models(session, page.items)?,
        ..page
    })
}

pub(super) fn versions(session: &dyn Session, search: &Search) -> Sql<Page<ModelVersion>> {
    let listing = listing(Target::ModelVersions, rows::VERSION_COLUMNS, search)?;
    let page = page(session, &listing, rows::version_from_row)?;
    Ok(Page {
        items: rows::complete_versions(session, page.items)?,
        ..page
    })
}

fn listing<'a>(target: Target, columns: &'static str, search: &'a Search) -> Sql<Listing<'a>> {
    let scope = Scope {
        view: ViewType::All,
        experiment_ids: None,
        datasets: &[],
    };
    Listing::of(target, columns, scope, search)
}
