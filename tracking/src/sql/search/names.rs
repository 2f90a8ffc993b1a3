//! [`Names`]: where in the database the columns of a target are.

use crate::error::TrackingError;
use crate::search::{NumberAttribute, Target, TextAttribute};
use crate::sql::fault::Sql;

/// The table of a target, its alias, and the tables that hang on it.
#[derive(Debug, Clone, Copy)]
pub(in crate::sql) struct Names {
    pub(super) target: Target,
    table: &'static str,
    pub(super) alias: &'static str,
    /// The columns that the tables hanging on it share with it.
    identity: &'static [&'static str],
    tags: &'static str,
    params: Option<&'static str>,
    metrics: Option<&'static str>,
}

/// An attribute's SQL, and whether it can be null.
#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) sql: String,
    pub(super) is_nullable: bool,
}

impl Names {
    pub(super) fn of(target: Target) -> Self {
        let (table, alias, identity, tags): (_, _, &[&str], _) = match target {
            Target::Runs => ("runs", "r", &["run_id"], "tags"),
            Target::Experiments => ("experiments", "e", &["experiment_id"], "experiment_tags"),
            Target::RegisteredModels => ("registered_models", "g", &["name"], "registered_model_tags"),
            Target::ModelVersions => ("model_versions", "v", &["name", "version"], "model_version_tags"),
            Target::LoggedModels => ("logged_models", "m", &["model_id"], "logged_model_tags"),
        };
        let (params, metrics) = match target {
            Target::Runs => (Some("params"), Some("curves")),
            Target::LoggedModels => (Some("logged_model_params"), Some("logged_model_metrics")),
            Target::Experiments | Target::RegisteredModels | Target::ModelVersions => (None, None),
        };
        Names {
            target,
            table,
            alias,
            identity,
            tags,
            params,
            metrics,
        }
    }

    pub(super) fn from(&self) -> String {
        format!("{} AS {}", self.table, self.alias)
    }

    /// What ties a row of a hanging table to its record.
    pub(super) fn on(&self, hanging: &str) -> String {
        let pairs = self
            .identity
            .iter()
            .map(|column| format!("{hanging}.{column} = {}.{column}", self.alias));
        pairs.collect::<Vec<_>>().join(" AND ")
    }

    pub(super) fn column(&self, name: &str) -> String {
        format!("{}.{name}", self.alias)
    }

    pub(super) fn tags(&self) -> &'static str {
        self.tags
    }

    pub(super) fn params(&self) -> Sql<&'static str> {
        self.params.ok_or_else(|| self.unknown("parameters"))
    }

    pub(super) fn metrics(&self) -> Sql<&'static str> {
        self.metrics.ok_or_else(|| self.unknown("metrics"))
    }

    pub(super) fn text(&self, attribute: TextAttribute) -> Sql<Attribute> {
        use TextAttribute as A;
        let (column, is_nullable) = match (self.target, attribute) {
            (Target::Runs, A::RunId) => ("run_id", false),
            (Target::Runs, A::RunName) => ("run_name", false),
            (Target::Runs, A::Status) => ("status", false),
            (Target::Runs, A::ArtifactUri) => ("artifact_uri", false),
            (Target::Runs, A::UserId) => ("user_id", false),
            (Target::ModelVersions, A::RunId) => ("run_id", true),
            (Target::ModelVersions, A::SourcePath) => ("source", false),
            (Target::Runs, _) => return Err(self.unknown("attribute")),
            (_, A::Name) => ("name", false),
            (Target::Experiments | Target::LoggedModels, A::ExperimentId) => ("experiment_id", false),
            (Target::LoggedModels, A::ModelId) => ("model_id", false),
            (Target::LoggedModels, A::ModelType) => ("model_type", true),
            (Target::LoggedModels, A::SourceRunId) => ("source_run_id", true),
            (Target::LoggedModels, A::ArtifactLocation) => ("artifact_uri", false),
            // Stored as `LOGGED_MODEL_READY`, searched as `READY`.
            (Target::LoggedModels, A::Status) => {
                return Ok(Attribute {
                    sql: format!("SUBSTR({}, 14)", self.column("status")),
                    is_nullable: false,
                });
            }
            _ => return Err(self.unknown("attribute")),
        };
        let column = self.column(column);
        Ok(Attribute {
            // What is empty is not there.
            sql: if is_nullable {
                format!("NULLIF({column}, '')")
            } else {
                column
            },
            is_nullable,
        })
    }

    pub(super) fn number(&self, attribute: NumberAttribute) -> Sql<Attribute> {
        use NumberAttribute as A;
        let column = match (self.target, attribute) {
            (Target::Runs, A::StartTime) => "start_time_ms",
            (Target::Runs, A::EndTime) => "end_time_ms",
            (Target::Experiments, A::Created) => "creation_time_ms",
            (Target::Experiments, A::LastUpdated) => "last_update_time_ms",
            (Target::RegisteredModels | Target::ModelVersions | Target::LoggedModels, A::Created) => {
                "creation_timestamp_ms"
            }
            (Target::RegisteredModels | Target::ModelVersions | Target::LoggedModels, A::LastUpdated) => {
                "last_updated_timestamp_ms"
            }
            (Target::ModelVersions, A::VersionNumber) => "version",
            _ => return Err(self.unknown("attribute")),
        };
        Ok(Attribute {
            sql: self.column(column),
            is_nullable: attribute == A::EndTime,
        })
    }

    fn unknown(&self, what: &str) -> crate::sql::fault::Fault {
        TrackingError::invalid("search", format!("{:?} have no such {what}", self.target)).into()
    }
}
