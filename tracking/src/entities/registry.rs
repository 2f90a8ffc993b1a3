//! Registered models: names under which versions of a model are kept, pointed at and judged.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Tag;
use crate::error::TrackingError;

/// A name in the registry, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredModel {
    /// Any text, in any script; unique.
    pub name: String,
    /// In milliseconds since the Unix epoch.
    pub creation_timestamp_ms: i64,
    /// When it or one of its versions last changed, in milliseconds since the Unix epoch.
    pub last_updated_timestamp_ms: i64,
    /// May be empty.
    pub description: String,
    /// The newest version in each stage, sorted by version.
    pub latest_versions: Vec<ModelVersion>,
    /// Sorted by key.
    pub tags: Vec<Tag>,
    /// Sorted by alias.
    pub aliases: Vec<Alias>,
}

/// A movable name of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// The alias, such as `champion`.
    pub alias: String,
    /// The version it points at.
    pub version: u32,
}

/// One version of a registered model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelVersion {
    /// The registered model.
    pub name: String,
    /// Counted from 1; a number is never used twice.
    pub version: u32,
    /// In milliseconds since the Unix epoch.
    pub creation_timestamp_ms: i64,
    /// In milliseconds since the Unix epoch.
    pub last_updated_timestamp_ms: i64,
    /// Who made it; may be empty.
    pub user_id: String,
    /// MLflow's older way of saying what a version is for.
    pub stage: Stage,
    /// May be empty.
    pub description: String,
    /// Where its files were when it was registered, as the client gave it.
    pub source: String,
    /// Where its files are: [`source`](Self::source), or the artifact directory of the logged model it names.
    pub storage_location: String,
    /// The run that made it; may be empty.
    pub run_id: String,
    /// The logged model it was made from.
    pub model_id: Option<String>,
    /// May be empty.
    pub run_link: String,
    /// Sorted by key.
    pub tags: Vec<Tag>,
    /// Sorted.
    pub aliases: Vec<String>,
}

/// MLflow's stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// Where every version begins.
    None,
    /// To be tried.
    Staging,
    /// In use.
    Production,
    /// No longer in use.
    Archived,
}

impl Stage {
    /// Every stage, in MLflow's order.
    pub const ALL: [Stage; 4] = [Stage::None, Stage::Staging, Stage::Production, Stage::Archived];

    /// Returns MLflow's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::None => "None",
            Stage::Staging => "Staging",
            Stage::Production => "Production",
            Stage::Archived => "Archived",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Stage {
    type Err = TrackingError;

    /// Reads a stage in any case, as MLflow does.
    fn from_str(text: &str) -> Result<Self, TrackingError> {
        Stage::ALL
            .into_iter()
            .find(|stage| stage.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                TrackingError::rejected(format!(
                    "Invalid Model Version stage: {text}. Value must be one of None, Staging, Production, Archived."
                ))
            })
    }
}

/// Who changes the registry, and why. Kept in the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actor {
    /// May be empty.
    pub user: String,
    /// May be empty.
    pub reason: String,
}

/// One line of the registry's journal. Lines are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Counts up over the whole registry.
    pub sequence: i64,
    /// In milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// Who did it.
    pub user: String,
    /// Why.
    pub reason: String,
    /// The registered model, under its name at that time.
    pub model: String,
    /// The version concerned.
    pub version: Option<u32>,
    /// What was done.
    pub action: JournalAction,
    /// The alias, tag or other part that changed.
    pub subject: String,
    /// What it was before; `None` if it was not there.
    pub from: Option<String>,
    /// What it is now; `None` if it is gone.
    pub to: Option<String>,
}

/// What was done to the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum JournalAction {
    ModelCreated,
    ModelRenamed,
    ModelDeleted,
    ModelDescribed,
    ModelTagSet,
    ModelTagDeleted,
    VersionCreated,
    VersionDeleted,
    VersionDescribed,
    VersionTagSet,
    VersionTagDeleted,
    StageChanged,
    AliasSet,
    AliasDeleted,
    GateSet,
    GateDeleted,
}

impl JournalAction {
    /// Every action.
    pub const ALL: [JournalAction; 16] = [
        JournalAction::ModelCreated,
        JournalAction::ModelRenamed,
        JournalAction::ModelDeleted,
        JournalAction::ModelDescribed,
        JournalAction::ModelTagSet,
        JournalAction::ModelTagDeleted,
        JournalAction::VersionCreated,
        JournalAction::VersionDeleted,
        JournalAction::VersionDescribed,
        JournalAction::VersionTagSet,
        JournalAction::VersionTagDeleted,
        JournalAction::StageChanged,
        JournalAction::AliasSet,
        JournalAction::AliasDeleted,
        JournalAction::GateSet,
        JournalAction::GateDeleted,
    ];

    /// Returns the word for it, such as `alias_set`.
    pub fn as_str(self) -> &'static str {
        match self {
            JournalAction::ModelCreated => "model_created",
            JournalAction::ModelRenamed => "model_renamed",
            JournalAction::ModelDeleted => "model_deleted",
            JournalAction::ModelDescribed => "model_described",
            JournalAction::ModelTagSet => "model_tag_set",
            JournalAction::ModelTagDeleted => "model_tag_deleted",
            JournalAction::VersionCreated => "version_created",
            JournalAction::VersionDeleted => "version_deleted",
            JournalAction::VersionDescribed => "version_described",
            JournalAction::VersionTagSet => "version_tag_set",
            JournalAction::VersionTagDeleted => "version_tag_deleted",
            JournalAction::StageChanged => "stage_changed",
            JournalAction::AliasSet => "alias_set",
            JournalAction::AliasDeleted => "alias_deleted",
            JournalAction::GateSet => "gate_set",
            JournalAction::GateDeleted => "gate_deleted",
        }
    }
}

impl FromStr for JournalAction {
    type Err = TrackingError;

    fn from_str(text: &str) -> Result<Self, TrackingError> {
        JournalAction::ALL
            .into_iter()
            .find(|action| action.as_str() == text)
            .ok_or_else(|| TrackingError::invalid("action", format!("unknown journal action {text:?}")))
    }
}

/// What a registered model pointed at, at some time: replayed from the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrySnapshot {
    /// The registered model.
    pub name: String,
    /// Versions that existed, with the stage each was in, sorted by version.
    pub versions: Vec<(u32, Stage)>,
    /// Sorted by alias.
    pub aliases: Vec<Alias>,
}
