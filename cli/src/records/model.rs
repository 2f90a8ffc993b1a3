//! Models by their URI: `runs:/RUN`, `models:/NAME/VERSION`, `models:/NAME@ALIAS`.

use rookery_data::scored::Provenance;
use rookery_driver::MODEL_ARTIFACT;
use rookery_ml::Model;
use rookery_proto::Failure;
use rookery_tracking::{RunInfo, TrackingError};

use super::{OpenRecords, find_run};
use crate::diagnostic::{config, internal, of_tracking};

/// The model's file inside the folder that a version names.
const MODEL_FILE: &str = "model.json";

/// What a model URI names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ModelUri {
    /// The model of a run.
    Run(String),
    /// A version of a registered model.
    Version { name: String, version: u32 },
    /// Whatever an alias points at.
    Alias { name: String, alias: String },
}

impl ModelUri {
    /// Reads a URI.
    ///
    /// # Errors
    /// Class config.
    pub(crate) fn parse(uri: &str) -> Result<Self, Failure> {
        let parsed = match (uri.strip_prefix("runs:/"), uri.strip_prefix("models:/")) {
            (Some(rest), _) => of_run(rest.trim_matches('/')),
            (_, Some(rest)) => of_registry(rest.trim_matches('/')),
            _ => None,
        };
        parsed.ok_or_else(|| {
            config(format!("\"{uri}\" is no model"))
                .at("--model")
                .hint("expected runs:/RUN, models:/NAME/VERSION or models:/NAME@ALIAS")
        })
    }
}

fn of_run(rest: &str) -> Option<ModelUri> {
    let run = rest.strip_suffix("/model").unwrap_or(rest);
    (!run.is_empty() && !run.contains('/')).then(|| ModelUri::Run(run.to_string()))
}

/// A name may hold an `@`, but no `/`; an alias neither.
fn of_registry(rest: &str) -> Option<ModelUri> {
    if let Some((name, version)) = rest.split_once('/') {
        let version = version.parse().ok().filter(|version| *version > 0)?;
        return (!name.is_empty()).then(|| ModelUri::Version {
            name: name.to_string(),
            version,
        });
    }
    let (name, alias) = rest.rsplit_once('@')?;
    (!name.is_empty() && !alias.is_empty()).then(|| ModelUri::Alias {
        name: name.to_string(),
        alias: alias.to_string(),
    })
}

/// A model's file, and where it and what was written beside it lie.
#[derive(Debug)]
pub(crate) struct StoredModel {
    bytes: Vec<u8>,
    folder: Folder,
    provenance: Provenance,
}

/// The folder of a model.
#[derive(Debug)]
enum Folder {
    /// Among the files of a run.
    Run(RunInfo),
    /// At this place of the artifact store.
    At(String),
}

impl StoredModel {
    /// The model.
    pub(crate) fn read(&self) -> Result<Model, Failure> {
        let place = match &self.folder {
            Folder::Run(run) => format!("{}/{MODEL_ARTIFACT}", run.artifact_uri),
            Folder::At(location) => format!("{location}/{MODEL_FILE}"),
        };
        read(&self.bytes, &place)
    }

    /// The run whose folder it is.
    pub(crate) fn run_id(&self) -> Option<&str> {
        match &self.folder {
            Folder::Run(run) => Some(&run.run_id),
            Folder::At(_) => None,
        }
    }

    /// Another file of the model; none if there is no such file.
    pub(crate) async fn file(&self, records: &OpenRecords, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        let found = match &self.folder {
            Folder::At(location) => records.artifacts.get_at(location, path).await,
            Folder::Run(run) => {
                let folder = MODEL_ARTIFACT.trim_end_matches(MODEL_FILE);
                match records.artifacts.get(run, &format!("{folder}{path}")).await {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(TrackingError::ArtifactNotFound { .. }) => Ok(None),
                    Err(error) => Err(error),
                }
            }
        };
        found.map_err(|e| of_tracking(&e))
    }
}

/// Loads a model.
pub(crate) async fn load(records: &OpenRecords, uri: &ModelUri) -> Result<Model, Failure> {
    find(records, uri).await?.read()
}

/// Loads a model, and says which one it is.
pub(crate) async fn load_known(
    records: &OpenRecords,
    uri: &ModelUri,
) -> Result<(Model, Provenance), Failure> {
    let stored = find(records, uri).await?;
    Ok((stored.read()?, stored.provenance))
}

/// Finds a model.
pub(crate) async fn find(records: &OpenRecords, uri: &ModelUri) -> Result<StoredModel, Failure> {
    let registry = &records.registry;
    let version = match uri {
        ModelUri::Run(wanted) => return of_a_run(records, wanted).await,
        ModelUri::Version { name, version } => registry.get_model_version(name, *version).await,
        ModelUri::Alias { name, alias } => registry.get_version_by_alias(name, alias).await,
    };
    let version = version.map_err(|e| {
        let failure = of_tracking(&e);
        match failure.hint {
            Some(_) => failure,
            None => failure.hint("`rookery models list` shows what there is"),
        }
    })?;
    let place = format!("{}/{MODEL_FILE}", version.storage_location);
    let files = &records.artifacts;
    let found = files.get_at(&version.storage_location, MODEL_FILE).await;
    match found.map_err(|e| of_tracking(&e))? {
        Some(bytes) => Ok(StoredModel {
            bytes,
            folder: Folder::At(version.storage_location),
            provenance: Provenance {
                model_name: Some(version.name),
                model_version: Some(i64::from(version.version)),
                run_id: Some(version.run_id).filter(|id| !id.is_empty()),
            },
        }),
        None => Err(config(format!(
            "version {} of {} has no model file of ours",
            version.version, version.name
        ))
        .at(place)),
    }
}

async fn of_a_run(records: &OpenRecords, wanted: &str) -> Result<StoredModel, Failure> {
    let run = find_run(records.store.as_ref(), wanted).await?.info;
    let bytes = records.artifacts.get(&run, MODEL_ARTIFACT).await.map_err(|e| {
        let failure = of_tracking(&e);
        let message = format!(
            "run {} ({}) has no model: {}",
            run.run_name, run.status, failure.message
        );
        Failure { message, ..failure }
    })?;
    let provenance = Provenance {
        run_id: Some(run.run_id.clone()),
        ..Provenance::default()
    };
    let folder = Folder::Run(run);
    Ok(StoredModel {
        bytes,
        folder,
        provenance,
    })
}

fn read(bytes: &[u8], place: &str) -> Result<Model, Failure> {
    let broken = |what: String| internal(what).at(place);
    let text = std::str::from_utf8(bytes).map_err(|e| broken(format!("the model can't be read: {e}")))?;
    Model::from_json(text).map_err(|e| broken(e.to_string()))
}

#[cfg(test)]
mod tests {
    use rookery_proto::ErrorClass;

    use super::*;

    #[test]
    fn a_model_is_named_by_its_run() {
        for uri in ["runs:/0123", "runs:/0123/model", "runs:/0123/"] {
            assert_eq!(
                ModelUri::parse(uri).unwrap(),
                ModelUri::Run("0123".into()),
                "{uri}"
            );
        }
    }

    #[test]
    fn a_model_is_named_by_version_or_alias() {
        let version = |name: &str, version| ModelUri::Version {
            name: name.into(),
            version,
        };
        let alias = |name: &str, alias: &str| ModelUri::Alias {
            name: name.into(),
            alias: alias.into(),
        };
        for (uri, expected) in [
            ("models:/ペンギン/3", version("ペンギン", 3)),
            ("models:/a@b/3", version("a@b", 3)),
            ("models:/birds@champion", alias("birds", "champion")),
            ("models:/a@b@champion", alias("a@b", "champion")),
        ] {
            assert_eq!(ModelUri::parse(uri).unwrap(), expected, "{uri}");
        }
    }

    #[test]
    fn what_names_no_model_is_refused() {
        for uri in [
            "0123",
            "runs:/",
            "models:/m",
            "models:/m/0",
            "models:/m/latest",
            "models:/@a",
            "models:/m@",
            "runs:/0123/other/model",
        ] {
            assert_eq!(
                ModelUri::parse(uri).unwrap_err().class,
                ErrorClass::Config,
                "{uri}"
            );
        }
    }
}
