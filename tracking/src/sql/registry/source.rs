//! What a new version is made from: where its files are, and which run and logged model stand behind it.

use super::rows;
use crate::error::TrackingError;
use crate::registry::CreateModelVersion;
use crate::sql::fault::Sql;
use crate::sql::session::{Session, values};

/// What the store knows about a version's source beyond what the request says.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) storage_location: String,
    pub(super) run_id: String,
    pub(super) model_id: Option<String>,
}

/// A source as it is written.
enum Source<'a> {
    /// Somewhere in a store of artifacts.
    Artifacts,
    /// `models:/m-…`
    LoggedModel(&'a str),
    /// `models:/name/1`: the files of a version that is there already, as when a model is copied.
    Version(&'a str, u32),
}

impl Origin {
    /// Finds out. Run and logged model are those of the request; without them, those of the source.
    pub(super) fn of(session: &dyn Session, request: &CreateModelVersion) -> Sql<Self> {
        let mut origin = match parse(&request.source)? {
            Source::Artifacts => Origin {
                storage_location: request.source.clone(),
                run_id: String::new(),
                model_id: None,
            },
            Source::LoggedModel(model_id) => {
                if request.model_id.as_deref().is_some_and(|given| given != model_id) {
                    return Err(TrackingError::rejected(format!(
                        "Invalid model version source: '{}'. The model_id request parameter must identify the \
                         resource that contains the source.",
                        request.source
                    ))
                    .into());
                }
                logged_model(session, model_id)?
            }
            Source::Version(name, version) => {
                let version = rows::version(session, name, version)?;
                Origin {
                    storage_location: version.storage_location,
                    run_id: version.run_id,
                    model_id: version.model_id,
                }
            }
        };
        if let Some(model_id) = &request.model_id
            && origin.model_id.as_ref() != Some(model_id)
        {
            let model = logged_model(session, model_id)?;
            origin.run_id = model.run_id;
            origin.model_id = model.model_id;
        }
        if !request.run_id.is_empty() {
            origin.run_id.clone_from(&request.run_id);
        }
        Ok(origin)
    }
}

fn logged_model(session: &dyn Session, model_id: &str) -> Sql<Origin> {
    session
        .first(
            "SELECT artifact_uri, source_run_id FROM logged_models WHERE model_id = ?1 AND lifecycle_stage = 'active'",
            values![model_id],
            |row| {
                Ok(Origin {
                    storage_location: row.text(0)?,
                    run_id: row.opt_text(1)?.unwrap_or_default(),
                    model_id: Some(model_id.to_owned()),
                })
            },
        )?
        .ok_or_else(|| {
            TrackingError::not_found(format!("Logged model with ID '{model_id}' not found.")).into()
        })
}

fn parse(source: &str) -> Result<Source<'_>, TrackingError> {
    let Some(path) = source.strip_prefix("models:") else {
        return Ok(Source::Artifacts);
    };
    let invalid = || TrackingError::rejected(format!("Invalid model version source: '{source}'."));
    // A second slash would begin the name of a host.
    let path = path
        .strip_prefix('/')
        .filter(|path| !path.starts_with('/'))
        .ok_or_else(invalid)?;
    match path.split_once('/') {
        None if path.is_empty() || path.contains('@') => Err(invalid()),
        None => Ok(Source::LoggedModel(path)),
        Some((name, version)) => Ok(Source::Version(name, version.parse().map_err(|_| invalid())?)),
    }
}
