//! MLflow's JSON for registered models, and ours for journal, snapshots and gates.

use serde::Deserialize;

use super::wire::{int64, sorted_tags};
use crate::entities::{Alias, ModelVersion, RegisteredModel, RegistrySnapshot, Stage, Tag};

#[derive(Debug, Deserialize)]
pub(super) struct WireRegisteredModel {
    name: String,
    #[serde(default, deserialize_with = "int64")]
    creation_timestamp: i64,
    #[serde(default, deserialize_with = "int64")]
    last_updated_timestamp: i64,
    #[serde(default)]
    description: String,
    #[serde(default)]
    latest_versions: Vec<WireModelVersion>,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    aliases: Vec<WireAlias>,
}

#[derive(Debug, Deserialize)]
struct WireAlias {
    alias: String,
    #[serde(deserialize_with = "int64")]
    version: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireModelVersion {
    name: String,
    #[serde(deserialize_with = "int64")]
    version: i64,
    #[serde(default, deserialize_with = "int64")]
    creation_timestamp: i64,
    #[serde(default, deserialize_with = "int64")]
    last_updated_timestamp: i64,
    #[serde(default)]
    user_id: String,
    #[serde(default)]
    current_stage: Option<Stage>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    run_id: String,
    #[serde(default)]
    model_id: Option<String>,
    #[serde(default)]
    run_link: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    aliases: Vec<String>,
}

impl From<WireAlias> for Alias {
    fn from(wire: WireAlias) -> Self {
        Alias {
            alias: wire.alias,
            version: number(wire.version),
        }
    }
}

impl From<WireModelVersion> for ModelVersion {
    /// [`storage_location`](ModelVersion::storage_location) is not on the wire: it takes a call of its own.
    fn from(wire: WireModelVersion) -> Self {
        let mut aliases = wire.aliases;
        aliases.sort();
        ModelVersion {
            name: wire.name,
            version: number(wire.version),
            creation_timestamp_ms: wire.creation_timestamp,
            last_updated_timestamp_ms: wire.last_updated_timestamp,
            user_id: wire.user_id,
            stage: wire.current_stage.unwrap_or(Stage::None),
            description: wire.description,
            storage_location: wire.source.clone(),
            source: wire.source,
            run_id: wire.run_id,
            model_id: wire.model_id.filter(|id| !id.is_empty()),
            run_link: wire.run_link,
            tags: sorted_tags(wire.tags),
            aliases,
        }
    }
}

impl From<WireRegisteredModel> for RegisteredModel {
    fn from(wire: WireRegisteredModel) -> Self {
        let mut latest_versions: Vec<ModelVersion> =
            wire.latest_versions.into_iter().map(ModelVersion::from).collect();
        latest_versions.sort_by_key(|version| version.version);
        RegisteredModel {
            name: wire.name,
            creation_timestamp_ms: wire.creation_timestamp,
            last_updated_timestamp_ms: wire.last_updated_timestamp,
            description: wire.description,
            latest_versions,
            tags: sorted_tags(wire.tags),
            aliases: sorted_aliases(wire.aliases),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct WireSnapshot {
    name: String,
    #[serde(default)]
    versions: Vec<WireVersionStage>,
    #[serde(default)]
    aliases: Vec<WireAlias>,
}

#[derive(Debug, Deserialize)]
struct WireVersionStage {
    #[serde(deserialize_with = "int64")]
    version: i64,
    current_stage: Stage,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireGate {
    pub(super) alias: String,
    pub(super) gate: String,
}

impl From<WireSnapshot> for RegistrySnapshot {
    fn from(wire: WireSnapshot) -> Self {
        let mut versions: Vec<(u32, Stage)> = (wire.versions.into_iter())
            .map(|entry| (number(entry.version), entry.current_stage))
            .collect();
        versions.sort();
        RegistrySnapshot {
            name: wire.name,
            versions,
            aliases: sorted_aliases(wire.aliases),
        }
    }
}

fn sorted_aliases(aliases: Vec<WireAlias>) -> Vec<Alias> {
    let mut aliases: Vec<Alias> = aliases.into_iter().map(Alias::from).collect();
    aliases.sort_by(|a, b| a.alias.cmp(&b.alias));
    aliases
}

/// Versions are counted from 1, so no server reaches the end of the range.
fn number(version: i64) -> u32 {
    u32::try_from(version).unwrap_or(u32::MAX)
}
